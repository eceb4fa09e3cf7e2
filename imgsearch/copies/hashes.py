"""Perceptual hashes of photos that a version before ingested: made once, from the photos' files,
when copies are looked for. Nothing is embedded again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from imgsearch.errors import IndexLocked, IndexUnavailable
from imgsearch.index.base import Filter, Index, Record, Row
from imgsearch.photos import decode, mtime_ns, perceptual_hash
from imgsearch.progress import Progress, Talk, silent
from imgsearch.roots import Roots, locations

if TYPE_CHECKING:
    from imgsearch.copies.groups import Duplicates

_AT_ONCE = 128  # photos that are read, and then written
_TARGET = 64  # pixels: a JPEG is decoded to no more than it takes


def duplicates(
    index: Index,
    roots: Roots,
    talk: Talk,
    max_megapixels: float,
    where: Filter,
    threshold: float,
) -> Duplicates:
    """As `imgsearch.copies.groups.find`, after the hashes that are missing were made."""
    from imgsearch.copies import groups

    with talk.photo_progress() as progress:
        missing = [look.id for look in index.looks(where) if look.perceptual_hash is None]
        if missing and not index.foreign:
            photos = "1 photo was" if len(missing) == 1 else f"{len(missing):,} photos were"
            talk.tell(
                f"{photos} ingested by a version before: their files are read once, to see which"
                " look alike. Nothing is embedded."
            )
            try:
                with index.lock():
                    complete(index, roots, missing, max_megapixels, progress)
            except (IndexLocked, IndexUnavailable) as error:  # compared by their bytes alone
                talk.tell(f"{error.message}\nThey are not read now.")
        return groups.find(index, where, threshold, progress)


def complete(
    index: Index,
    roots: Roots,
    ids: Sequence[str],
    max_megapixels: float,
    progress: Progress = silent,
) -> int:
    """Reads the files of these photos and keeps their hashes; returns of how many. Photos whose
    file is elsewhere, is another one by now, or cannot be decoded, stay without. To be called while
    the index is locked."""
    made = done = 0
    todo = iter(ids)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while some := list(islice(todo, _AT_ONCE)):
            records = list(index.records(some).values())
            hashes = pool.map(lambda record: _hash(record, roots, max_megapixels), records)
            rows = list(_rows(records, hashes))
            made += len(rows) - len(index.write(rows))
            done += len(some)
            progress("photos looked at", done, len(ids))
    return made


def _rows(records: Sequence[Record], hashes: Iterator[str | None]) -> Iterator[Row]:
    for record, seen in zip(records, hashes, strict=True):
        if seen is not None:
            yield Row(replace(record, perceptual_hash=seen), None)


def _hash(record: Record, roots: Roots, max_megapixels: float) -> str | None:
    place = locations.located(roots.root(record.library), record)
    if place.path is None or place.missing:
        return None
    try:
        status = os.stat(place.path)
        if (status.st_size, mtime_ns(status)) != (record.size, record.mtime_ns):
            return None
        path = os.fsdecode(place.path)
        found = decode.decode(path, target=_TARGET, max_megapixels=max_megapixels)
    except (OSError, decode.Undecodable):
        return None
    return perceptual_hash.of(found.image)
