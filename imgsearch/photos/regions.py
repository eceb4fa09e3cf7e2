"""Which parts of a picture are worth a look of their own: crops in which what is small in the
picture is large.

Most are chosen by what is in the picture: squares that hold edges inside and few on their border,
so that they lie around a thing and not across it (as in Zitnick and Dollár, Edge Boxes, ECCV 2014).
Four more cover all of the picture, for what has no outline."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from imgsearch.photos.downscaling import SPARE

if TYPE_CHECKING:
    from PIL.Image import Image

    from imgsearch.question import Box

MOST = 10  # crops of a picture
SMALLEST = 0.24  # side of a crop beside that of a square of the picture's area
_SIDES = (SMALLEST, 0.32, 0.42)
_COVERING = 0.55  # side of the squares that cover a picture, beside its longer edge
_LOOKED_AT = 96  # pixels of the longer edge in which edges are looked for
_STRONGEST = 60.0  # difference of neighbouring pixels, from 0 to 255, beyond which none counts more
_CONTENT = 1.5  # mean difference of neighbouring pixels below which there is nothing to see
_BORDER = 4.0  # how much more edges on the border count than those inside
_ALIKE = 0.35  # intersection over union from which two crops show the same
_LONG = 1.5  # longer edge beside the shorter one, from which a model that sees a square misses some


class _Scored(NamedTuple):
    score: float
    box: Box


def decoded_for(image_size: int) -> int:
    """The target of `decode`, so that a model which sees `image_size` pixels gets so many of the
    smallest crop."""
    return round(image_size / SMALLEST / SPARE)


def boxes(image: Image, image_size: int) -> list[Box]:
    """In pixels of `image`, `MOST` at most; none of a picture that a model with an edge of
    `image_size` pixels sees as it is, and none without content."""
    shorter, longer = sorted(image.size)
    if shorter < 8 or (shorter <= image_size and longer < _LONG * shorter):
        return []
    edges, scale = _edges(image)
    sums = np.zeros((edges.shape[0] + 1, edges.shape[1] + 1))
    sums[1:, 1:] = edges.cumsum(0).cumsum(1)
    covering = _covering(edges.shape[1], edges.shape[0])
    chosen = [*_around_things(sums, MOST - len(covering)), *covering]
    seen = [box for box in chosen if _within(sums, box) > _CONTENT * box[2] * box[3]]
    return [_enlarged(box, scale, image.size) for box in seen]


def _edges(image: Image) -> tuple[npt.NDArray[np.float32], float]:
    """How much each pixel of the picture, made small, differs from the next (height, width); and
    the scale."""
    from PIL.Image import Resampling

    scale = min(1.0, _LOOKED_AT / max(image.size))
    width, height = (max(1, round(side * scale)) for side in image.size)
    small = image.convert("RGB").resize((width, height), Resampling.BOX)
    pixels = np.asarray(small, np.float32)
    edges = np.zeros((height, width), np.float32)
    edges[:, :-1] = np.abs(np.diff(pixels, axis=1)).max(2)
    edges[:-1] = np.maximum(edges[:-1], np.abs(np.diff(pixels, axis=0)).max(2))
    return np.minimum(edges, _STRONGEST), scale


def _within(sums: npt.NDArray[np.float64], box: Box) -> float:
    """The edges in a box, added up. `sums`: over all that is above and left of each pixel."""
    left, top, width, height = box
    right, bottom = left + width, top + height
    return float(sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left])


def _covering(width: int, height: int) -> list[Box]:
    """Two by two squares, or as many along the longer edge as leave no gap, four at most."""
    if max(width, height) <= 2 * min(width, height):
        side = min(width, height, round(_COVERING * max(width, height)) + 1)
        return [(x, y, side, side) for y in (0, height - side) for x in (0, width - side)]
    side = min(width, height)
    steps = np.linspace(0, max(width, height) - side, 4).round().astype(int).tolist()
    return [(at, 0, side, side) if width > height else (0, at, side, side) for at in steps]


def _around_things(sums: npt.NDArray[np.float64], most: int) -> list[Box]:
    """The squares that lie best around something, none much like another."""
    height, width = sums.shape[0] - 1, sums.shape[1] - 1
    found = [
        scored
        for share in _SIDES
        for scored in _squares(sums, min(round(share * (width * height) ** 0.5), width, height))
    ]
    found.sort(key=lambda each: -each.score)
    chosen: list[Box] = []
    for score, box in found:
        if score <= 0 or len(chosen) == most:
            break
        if all(overlap(box, one) < _ALIKE for one in chosen):
            chosen.append(box)
    return chosen


def _squares(sums: npt.NDArray[np.float64], side: int) -> list[_Scored]:
    """Squares of one size all over the picture, with how well each lies around something."""
    height, width = sums.shape[0] - 1, sums.shape[1] - 1
    step, rim = max(1, side // 8), max(1, side // 12)
    if side <= 2 * rim:
        return []
    found = []
    for top in _steps(height - side, step):
        for left in _steps(width - side, step):
            box = (left, top, side, side)
            inner = (left + rim, top + rim, side - 2 * rim, side - 2 * rim)
            inside = _within(sums, inner)
            border = _within(sums, box) - inside
            found.append(_Scored((inside - _BORDER * border) / side, box))
    return found


def _steps(last: int, step: int) -> list[int]:
    return [*range(0, last, step), last]


def overlap(one: Box, other: Box) -> float:
    """Intersection over union, from 0 to 1."""
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(0, across) * max(0, down)
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


def _enlarged(box: Box, scale: float, size: tuple[int, int]) -> Box:
    """In pixels of the whole picture, and inside it."""
    left, top = round(box[0] / scale), round(box[1] / scale)
    right = min(size[0], round((box[0] + box[2]) / scale))
    bottom = min(size[1], round((box[1] + box[3]) / scale))
    left, top = min(left, size[0] - 1), min(top, size[1] - 1)
    return left, top, max(1, right - left), max(1, bottom - top)
