"""Copies of photos that are removed: those that stay in the index."""

from __future__ import annotations

from collections.abc import Sequence

from imgsearch.copies import folding
from imgsearch.index.base import Index, Neighbour, Record

FEW = 20  # removed photos whose look-alikes are searched for; of more, copies of the same bytes
_NEAREST = 50  # photos that are looked at for each
_AT_A_TIME = 10_000  # records


def beside(index: Index, ids: Sequence[str]) -> list[Record]:
    """Records of the copies that stay in the index without the photos of these ids, by library and
    path."""
    leaving = set(ids)
    found: dict[str, Record] = {}
    for at in range(0, len(ids), _AT_A_TIME):
        records = index.records(ids[at : at + _AT_A_TIME])
        hashes = sorted({one.content_hash for one in records.values() if one.content_hash})
        same = [one for each in index.records_by_hash(hashes).values() for one in each]
        if len(ids) <= FEW:
            same += [one for record in records.values() for one in _look_alikes(index, record)]
        found.update((one.id, one) for one in same if one.id not in leaving)
    return sorted(found.values(), key=lambda one: (one.library, one.relative_path))


def _look_alikes(index: Index, record: Record) -> list[Record]:
    vector = index.vectors([record.id]).get(record.id)
    if vector is None:
        return []
    near = index.search(vector, _NEAREST, exclude=[record.id])
    [copies, *_] = folding.folded([Neighbour(record, 1.0), *near], index.vectors)
    return [one.record for one in copies]
