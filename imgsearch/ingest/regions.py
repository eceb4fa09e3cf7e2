"""The regions of a photo with their vectors."""

from __future__ import annotations

import numpy as np

from imgsearch.index.base import Parts, PartVectors, Place
from imgsearch.ingest.stopwatch import Stopwatch
from imgsearch.models.base import ImageEncoder
from imgsearch.photos import regions
from imgsearch.photos.decode import Decoded


def regions_of(found: Decoded, encoder: ImageEncoder, stopwatch: Stopwatch) -> Parts:
    """Their places in pixels of the upright picture, however small it was decoded."""
    image = found.image
    across, down = found.metadata.width / image.width, found.metadata.height / image.height
    with stopwatch("decode"):
        boxes = regions.boxes(image, encoder.image_size)
        crops = [image.crop((left, top, left + w, top + h)) for left, top, w, h in boxes]
        pixels = [encoder.prepare(crop) for crop in crops]
    if not boxes:
        return {"region": PartVectors((), np.empty((0, 0), np.float32))}
    places: list[Place] = []
    for left, top, width, height in boxes:
        corner = round(left * across), round(top * down)
        places.append((*corner, max(1, round(width * across)), max(1, round(height * down))))
    with stopwatch("embed"):
        vectors = encoder.encode(np.concatenate(pixels))
    return {"region": PartVectors(tuple(places), vectors)}
