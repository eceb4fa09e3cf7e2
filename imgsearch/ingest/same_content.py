"""What is known of photos by their bytes: by the index, and by the one whose place it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from imgsearch.index.base import Index, Parts, PartTexts, Record
from imgsearch.ingest.stopwatch import Stopwatch
from imgsearch.models.base import Vector
from imgsearch.photos import content_hashes
from imgsearch.photos.content_hashes import Algorithm
from imgsearch.question import ALL

_ASKED = 32  # photos


class Known(NamedTuple):
    """What is known of some bytes: the records of photos that have them, their vector and parts."""

    records: list[Record]
    vector: Vector
    parts: Parts | None

    def with_parts(self, parts: Parts) -> Known:
        return self._replace(parts={**(self.parts or {}), **parts})


def look_up(index: Index, hashes: Sequence[str], stopwatch: Stopwatch) -> dict[str, Known]:
    """By content hash. On the index's thread: all are read before any of them is written over."""
    with stopwatch("index"):
        by_hash = index.records_by_hash(hashes)
        one_each = {records[0].id: hash for hash, records in by_hash.items()}
        vectors = index.vectors(list(one_each))
        parts = index.parts(list(one_each))
    return {
        one_each[id]: Known(by_hash[one_each[id]], vector, parts.get(id))
        for id, vector in vectors.items()
    }


def algorithm_of_hashes(index: Index) -> Algorithm:
    """By which an index knows bytes: one for all its photos, those to come too. Where photos were
    copied together from two indexes with one each, it is that of most, and of the others a file
    that moved or was touched is embedded again."""
    some = index.browse(ALL, "oldest", _ASKED)
    return content_hashes.algorithm_of_most(record.content_hash for record in some)


TextsRead = Callable[[Sequence[str]], Mapping[str, PartTexts]]  # as `texts_read` of an index


def no_texts(hashes: Sequence[str]) -> Mapping[str, PartTexts]:
    return {}


def texts_read(index: Index, hashes: Sequence[str]) -> dict[str, PartTexts]:
    """By content hash, for photos in which text was looked for: the lines that were read, which may
    be none."""
    by_hash = index.records_by_hash(hashes)
    parts: Mapping[str, Parts] = index.parts([one.id for each in by_hash.values() for one in each])
    found = {}
    for hash, records in by_hash.items():
        for read in (parts.get(one.id, {}).get("text") for one in records):
            if isinstance(read, PartTexts):
                found[hash] = read
    return found
