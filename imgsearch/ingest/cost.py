"""What it costs to embed an index anew, told before it begins: measured with some of its photos."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from imgsearch.dataclass import dataclass
from imgsearch.errors import ModelError
from imgsearch.models import choices
from imgsearch.models.cache import cached_tower
from imgsearch.models.recorded import names_beside
from imgsearch.photos import decode

if TYPE_CHECKING:
    from imgsearch.ingest.options import Options
    from imgsearch.library import Library
    from imgsearch.models.base import ImageEncoder
    from imgsearch.models.choices import Choice
    from imgsearch.models.towers import Tower

SAMPLE = 16  # photos
BYTES_OF_A_DIMENSION = 5  # a float and its code
_LONG = 10.0  # seconds: no second turn after a first one that took so long


@dataclass(frozen=True, slots=True)
class Cost:
    """`seconds`: by this machine's speed with `sample` of the photos, decoding included; where
    `scaled`, with the models that the index has now, times the work of the new ones. `disk`: bytes
    of the new index, beside the old one until it is complete. `fetch`: bytes of models that this
    machine does not have."""

    photos: int
    seconds: float
    sample: int
    scaled: bool
    disk: int
    fetch: int


def of(library: Library, options: Options) -> Cost | None:
    """Of embedding all photos with the chosen models. None where that cannot be told: the new
    models are not on this machine and have no short name, or no photo can be read."""
    models = library.models
    wanted = models.names_for_successor().image
    tower, scale = cached_tower("image", wanted, models.cache), 1.0
    choice = _choice(wanted)
    missing = tower is None
    if tower is None:
        tower, known = _present(library)
        if tower is None or choice is None or known is None:
            return None
        scale = choices.work(choice) / choices.work(known)
    from imgsearch.models.encoders import image_encoder

    workers = options.limits.workers
    precision = models.choice.precision
    encoder = image_encoder(tower, precision=precision, streams=workers, many=True)
    photos = list(islice(_photos(library), SAMPLE))
    if not photos:
        return None
    dims = choice.dims if choice is not None and missing else tower.dims
    return Cost(
        photos=library.count(),
        seconds=library.count() * scale * _seconds(photos, encoder, workers, options),
        sample=len(photos),
        scaled=missing,
        disk=_disk(library, dims),
        fetch=round(choice.gigabytes * 1e9) if choice is not None and missing else 0,
    )


def _present(library: Library) -> tuple[Tower | None, Choice | None]:
    """The image tower that the index was made with, where it is on this machine."""
    cache = library.models.cache
    try:
        name = names_beside(library.index.models(), cache, None, None, None).image
    except ModelError:  # a folder that is gone
        return None, None
    return cached_tower("image", name, cache), _choice(name)


def _choice(image_model: str) -> Choice | None:
    found = (each for each in choices.CHOICES.values() if each.image == image_model)
    return next(found, None)


def _photos(library: Library) -> Iterator[str]:
    """Files of the index, in the order of ids: that of hashes, and so of none."""
    ids = library.index.ids()
    while some := list(islice(ids, SAMPLE)):
        for record in library.index.records(some).values():
            found = library.location(record)
            if found.path is not None and not found.missing:
                yield os.fsdecode(found.path)


def _seconds(photos: Sequence[str], encoder: ImageEncoder, workers: int, options: Options) -> float:
    """Seconds a photo: decoded and embedded by so many threads, as an ingest does. The first turn
    makes the runtime ready."""
    shares = [photos[first::workers] for first in range(min(workers, len(photos)))]

    def embed(share: Sequence[str]) -> None:
        prepared = []
        for path in share:
            try:
                found = decode.decode(
                    path, target=encoder.image_size, max_megapixels=options.max_megapixels
                )
            except (OSError, decode.Undecodable):
                continue
            prepared.append(encoder.prepare(found.image))
        if prepared:
            encoder.encode(np.concatenate(prepared))

    for _ in range(2):
        began = time.perf_counter()
        with ThreadPoolExecutor(len(shares)) as threads:
            list(threads.map(embed, shares))
        spent = time.perf_counter() - began
        if spent > _LONG:
            break
    return spent / len(photos)


def _disk(library: Library, dims: int) -> int:
    """Bytes of the new index: as large as this one, but for the length of the vectors."""
    made = library.index.models()
    more = 0 if made is None else dims - made.dims
    return library.status().bytes_on_disk + library.count() * more * BYTES_OF_A_DIMENSION
