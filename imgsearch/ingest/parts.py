"""The parts of photos: which kinds a file is looked through for, and what there is of them."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imgsearch import ocr
from imgsearch.index.base import PART_KINDS, PartKind, Parts, PartTexts, PartVectors, Place
from imgsearch.ingest.stopwatch import Stopwatch
from imgsearch.models.base import ImageEncoder, Vectors
from imgsearch.ocr import Reader
from imgsearch.photos import film_formats, films, multi_page, regions
from imgsearch.photos.decode import Decoded
from imgsearch.photos.formats import Source, Undecodable
from imgsearch.question import Box

if TYPE_CHECKING:
    from PIL.Image import Image

_NONE = PartVectors((), np.empty((0, 0), np.float32))
_PAGES_NAMED = 5  # of a file, at most
_AT_ONCE = 16  # pages, or frames of a film, that are embedded together


def kinds_of(name: bytes, asked: Collection[PartKind]) -> tuple[PartKind, ...]:
    """What a file of that name is looked through for. `asked`: the kinds that a library's rules
    want."""
    if film_formats.has_film_ending_bytes(name):
        return ("frame",) if "frame" in asked else ()
    wanted = (set(asked) - {"frame"}) | ({"page"} if multi_page.can_be_in(name) else set())
    return tuple(kind for kind in PART_KINDS if kind in wanted)


def none_of(kinds: Sequence[PartKind], path: str) -> Parts | None:
    """Where the headers of a file tell that it has no parts of these kinds: that there are none."""
    if tuple(kinds) == ("page",):
        with contextlib.suppress(Undecodable):
            return None if multi_page.several(path) else {"page": _NONE}
    return None


def by_the_picture(kinds: Collection[PartKind]) -> bool:
    """Whether parts of these kinds are looked for in the picture of the whole photo."""
    return any(kind != "page" for kind in kinds)


def decoded_for(kinds: Sequence[PartKind], image_size: int) -> int:
    """The target of `decode` by which parts of these kinds are seen well, by a model that sees
    `image_size` pixels."""
    targets = [image_size]
    if "region" in kinds:
        targets.append(regions.decoded_for(image_size))
    if "text" in kinds:
        targets.append(ocr.DECODED_FOR)
    return max(targets)


class Made(NamedTuple):
    """`without`: why pages of the file are not among the parts, if some could not be decoded."""

    parts: Parts
    without: Undecodable | None = None


def parts_of(
    kinds: Sequence[PartKind],
    source: Source,
    found: Decoded | None,
    encoder: ImageEncoder,
    reader: Reader | None,
    max_megapixels: float,
    stopwatch: Stopwatch,
) -> Made:
    """Of each of these kinds all that the photo has. `found`: the picture, decoded for them; None
    where none is looked for in it. Raises Undecodable."""
    parts: dict[PartKind, PartVectors | PartTexts] = {}
    broken: dict[int, Undecodable] = {}
    if "region" in kinds and found is not None:
        parts["region"] = _regions_of(found, encoder, stopwatch)
    if "frame" in kinds and found is not None:
        frames = (((frame.place,), frame.image) for frame in found.frames)  # milliseconds
        parts["frame"] = _embedded(frames, encoder, stopwatch)
    if "page" in kinds:
        each = multi_page.each(
            source,
            target=encoder.image_size,
            max_megapixels=max_megapixels,
            left_out=broken.__setitem__,
        )
        numbered = (((page.number,), page.image) for page in each)
        parts["page"] = _embedded(numbered, encoder, stopwatch)
    if "text" in kinds and found is not None and reader is not None:
        with stopwatch("text"):
            parts["text"] = _texts_of(found, reader)
    return Made(parts, _without(broken))


def _without(broken: Mapping[int, Undecodable]) -> Undecodable | None:
    """What is said of pages that could not be decoded, by their numbers: the reason of the first,
    and which they are."""
    if not broken:
        return None
    numbers = list(map(str, broken))
    which = ", ".join(numbers[:_PAGES_NAMED])
    if len(numbers) > _PAGES_NAMED:
        which += f" and {len(numbers) - _PAGES_NAMED:,} others"
    first = next(iter(broken.values()))
    pages_named = f"page {which}" if len(numbers) == 1 else f"pages {which}"
    return Undecodable(first.reason, f"{pages_named}: {first.detail}")


def frames_wanted(kinds: Sequence[PartKind]) -> int:
    """How many frames of a film `decode` is asked for."""
    return films.MOST if "frame" in kinds else 1


def _embedded(
    found: Iterable[tuple[Place, Image]], encoder: ImageEncoder, stopwatch: Stopwatch
) -> PartVectors:
    """Pictures that are parts, each with its place. Of an iterator a few at a time are taken."""
    places: list[Place] = []
    vectors: list[Vectors] = []
    coming = iter(found)
    while True:
        with stopwatch("decode"):
            some = [(place, encoder.prepare(image)) for place, image in islice(coming, _AT_ONCE)]
        if not some:
            break
        places += [place for place, _ in some]
        with stopwatch("embed"):
            vectors.append(encoder.encode(np.concatenate([pixels for _, pixels in some])))
    return PartVectors(tuple(places), np.concatenate(vectors)) if places else _NONE


def _texts_of(found: Decoded, reader: Reader) -> PartTexts:
    lines = reader.lines(found.image)
    return PartTexts(
        _places([line.box for line in lines], found), tuple(each.text for each in lines)
    )


def _places(boxes: Sequence[Box], found: Decoded) -> tuple[Place, ...]:
    """Boxes of a picture in pixels of the upright photo, however small it was decoded."""
    across = found.metadata.width / found.image.width
    down = found.metadata.height / found.image.height
    places: list[Place] = []
    for left, top, width, height in boxes:
        corner = round(left * across), round(top * down)
        places.append((*corner, max(1, round(width * across)), max(1, round(height * down))))
    return tuple(places)


def _regions_of(found: Decoded, encoder: ImageEncoder, stopwatch: Stopwatch) -> PartVectors:
    image = found.image
    with stopwatch("decode"):
        boxes = regions.boxes(image, encoder.image_size)
        crops = [image.crop((left, top, left + w, top + h)) for left, top, w, h in boxes]
        pixels = [encoder.prepare(crop) for crop in crops]
    if not boxes:
        return _NONE
    with stopwatch("embed"):
        vectors = encoder.encode(np.concatenate(pixels))
    return PartVectors(_places(boxes, found), vectors)
