"""The parts of photos: which kinds a file is looked through for, and what there is of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from imgsearch.index.base import PART_KINDS, PartKind, Parts, PartVectors, Place
from imgsearch.ingest.stopwatch import Stopwatch
from imgsearch.models.base import ImageEncoder
from imgsearch.photos import regions
from imgsearch.photos.decode import Decoded


def kinds_of(name: bytes, asked: Collection[PartKind]) -> tuple[PartKind, ...]:
    """What a file of that name is looked through for. `asked`: the kinds that a library's rules
    want."""
    return tuple(kind for kind in PART_KINDS if kind in asked)


def decoded_for(kinds: Sequence[PartKind], image_size: int) -> int:
    """The target of `decode` by which parts of these kinds are seen well, by a model that sees
    `image_size` pixels."""
    return regions.decoded_for(image_size) if "region" in kinds else image_size


def parts_of(
    kinds: Sequence[PartKind], found: Decoded, encoder: ImageEncoder, stopwatch: Stopwatch
) -> Parts:
    """Of each of these kinds all that the photo has."""
    return {"region": _regions_of(found, encoder, stopwatch)} if "region" in kinds else {}


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
