"""From a map of where text is to the lines that are cut out of a picture (Liao et al., Real-time
Scene Text Detection with Differentiable Binarization, AAAI 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from imgsearch.ocr.networks import Heat, Pixels
    from imgsearch.question import Box

Corners = npt.NDArray[np.float32]  # (4, 2): x and y from the upper left one on, clockwise
LOWEST = 8  # pixels: the lower side of a line, and of a picture that can have some
_TEXT = 0.3  # of the map: where it is higher, there is text
_LIKELY = 0.5  # mean of the map below which an outline is none of text
_GROWN = 1.6  # the map has text shrunken: how far it grows, beside area through length of outline
_THIN = 3  # pixels of the map
_CANDIDATES = 1000
_ABREAST = 0.5  # of a line's height: what is not further below is on the same line
_UPRIGHT = 1.5  # height beside width from which a line is read from the side


def found_in(heat: Heat, scale: tuple[float, float]) -> list[Corners]:
    """The corners of lines in pixels of a picture that is `scale` times as large as `heat`, in the
    order of reading."""
    import cv2

    mask = cv2.dilate((heat > _TEXT).astype(np.uint8), np.ones((2, 2), np.uint8))
    outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    found = []
    for outline in outlines[:_CANDIDATES]:
        centre, (width, height), angle = cv2.minAreaRect(outline)
        seen = cv2.boxPoints((centre, (width, height), angle))
        if min(width, height) < _THIN or _mean(heat, seen) < _LIKELY:
            continue
        grown = _GROWN * width * height / (width + height)
        corners = cv2.boxPoints((centre, (width + grown, height + grown), angle))
        found.append(_clockwise(np.asarray(corners, np.float32) * np.array(scale, np.float32)))
    return _in_reading_order([each for each in found if min(_sides(each)) >= LOWEST])


def _mean(heat: Heat, corners: npt.NDArray[Any]) -> float:
    """Of the map within a rectangle."""
    import cv2

    first = np.maximum(np.floor(corners.min(0)).astype(int), 0)
    last = np.ceil(corners.max(0)).astype(int) + 1
    part = heat[first[1] : last[1], first[0] : last[0]]
    inside = np.zeros(part.shape, np.uint8)
    cv2.fillPoly(inside, [(corners - first).astype(np.int32)], [1])
    return float(part[inside > 0].mean()) if inside.any() else 0.0


def _clockwise(corners: Corners) -> Corners:
    """From the upper left one on."""
    by_side = corners[np.argsort(corners[:, 0], kind="stable")]
    left = by_side[:2][np.argsort(by_side[:2, 1], kind="stable")]
    right = by_side[2:][np.argsort(by_side[2:, 1], kind="stable")]
    return np.array([left[0], right[0], right[1], left[1]], np.float32)


def _sides(corners: Corners) -> tuple[float, float]:
    """Width and height, the longer one of each two."""
    a, b, c, d = corners
    across = max(np.linalg.norm(a - b), np.linalg.norm(c - d))
    down = max(np.linalg.norm(a - d), np.linalg.norm(b - c))
    return float(across), float(down)


def _in_reading_order(found: list[Corners]) -> list[Corners]:
    """From the top; those beside each other from the left."""
    rows: list[list[Corners]] = []
    for each in sorted(found, key=lambda corners: float(corners[:, 1].mean())):
        below = each[:, 1].mean() - (rows[-1][0][:, 1].mean() if rows else 0)
        if rows and below <= _ABREAST * min(_sides(each)):
            rows[-1].append(each)
        else:
            rows.append([each])
    return [each for row in rows for each in sorted(row, key=lambda corners: corners[0, 0])]


def cut_out(pixels: Pixels, corners: Corners) -> Pixels:
    """The line, made horizontal."""
    import cv2

    width, height = (max(1, round(side)) for side in _sides(corners))
    upright = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    turned = cv2.warpPerspective(
        pixels,
        cv2.getPerspectiveTransform(corners, upright),
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    line = np.asarray(turned, np.uint8)
    return np.rot90(line) if height >= _UPRIGHT * width else line


def box_of(corners: Corners, size: tuple[int, int]) -> Box:
    """The upright box around a line, inside of a picture of that size."""
    left, top = np.clip(np.floor(corners.min(0)), 0, np.array(size) - 1).astype(int).tolist()
    right, bottom = np.minimum(np.ceil(corners.max(0)), size).astype(int).tolist()
    return left, top, max(1, right - left), max(1, bottom - top)
