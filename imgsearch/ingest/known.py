"""Photos that the index knows by their bytes."""

from __future__ import annotations

from collections.abc import Sequence

from imgsearch.index.base import Index, Record
from imgsearch.ingest.stopwatch import Stopwatch
from imgsearch.models.base import Vector

LookedUp = tuple[dict[str, list[Record]], dict[str, Vector]]  # by content hash


def look_up(index: Index, hashes: Sequence[str], stopwatch: Stopwatch) -> LookedUp:
    """On the index's thread: all are read before any of them is written over."""
    with stopwatch("index"):
        by_hash = index.records_by_hash(hashes)
        one_each = {records[0].id: hash for hash, records in by_hash.items()}
        found = index.vectors(list(one_each))
    return by_hash, {one_each[id]: vector for id, vector in found.items()}
