"""The parts of photos: which kinds a file is looked through for, and what there is of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from imgsearch.index.base import PART_KINDS, PartKind, Parts, PartVectors, Place
from imgsearch.ingest.stopwatch import Stopwatch
from imgsearch.models.base import ImageEncoder
from imgsearch.photos import film_formats, films, regions
from imgsearch.photos.decode import Decoded

_AT_ONCE = 16  # frames of a film that are embedded together


def kinds_of(name: bytes, asked: Collection[PartKind]) -> tuple[PartKind, ...]:
    """What a file of that name is looked through for. `asked`: the kinds that a library's rules
    want."""
    if film_formats.has_film_ending_bytes(name):
        return ("frame",) if "frame" in asked else ()
    asked = set(asked) - {"frame"}
    return tuple(kind for kind in PART_KINDS if kind in asked)


def decoded_for(kinds: Sequence[PartKind], image_size: int) -> int:
    """The target of `decode` by which parts of these kinds are seen well, by a model that sees
    `image_size` pixels."""
    return regions.decoded_for(image_size) if "region" in kinds else image_size


def parts_of(
    kinds: Sequence[PartKind], found: Decoded, encoder: ImageEncoder, stopwatch: Stopwatch
) -> Parts:
    """Of each of these kinds all that the photo has."""
    made: dict[PartKind, PartVectors] = {}
    if "region" in kinds:
        made["region"] = _regions_of(found, encoder, stopwatch)
    if "frame" in kinds:
        made["frame"] = _frames_of(found, encoder, stopwatch)
    return made


def frames_wanted(kinds: Sequence[PartKind]) -> int:
    """How many frames of a film `decode` is asked for."""
    return films.MOST if "frame" in kinds else 1


def _frames_of(found: Decoded, encoder: ImageEncoder, stopwatch: Stopwatch) -> PartVectors:
    """Their places in milliseconds from the film's start."""
    vectors = []
    for start in range(0, len(found.frames), _AT_ONCE):
        with stopwatch("decode"):
            some = found.frames[start : start + _AT_ONCE]
            pixels = np.concatenate([encoder.prepare(frame.image) for frame in some])
        with stopwatch("embed"):
            vectors.append(encoder.encode(pixels))
    places = tuple((frame.place,) for frame in found.frames)
    return PartVectors(places, np.concatenate(vectors) if vectors else np.empty((0, 0), np.float32))


def _regions_of(found: Decoded, encoder: ImageEncoder, stopwatch: Stopwatch) -> PartVectors:
    """Their places in pixels of the upright picture, however small it was decoded."""
    image = found.image
    across, down = found.metadata.width / image.width, found.metadata.height / image.height
    with stopwatch("decode"):
        boxes = regions.boxes(image, encoder.image_size)
        crops = [image.crop((left, top, left + w, top + h)) for left, top, w, h in boxes]
        pixels = [encoder.prepare(crop) for crop in crops]
    if not boxes:
        return PartVectors((), np.empty((0, 0), np.float32))
    places: list[Place] = []
    for left, top, width, height in boxes:
        corner = round(left * across), round(top * down)
        places.append((*corner, max(1, round(width * across)), max(1, round(height * down))))
    with stopwatch("embed"):
        vectors = encoder.encode(np.concatenate(pixels))
    return PartVectors(tuple(places), vectors)
