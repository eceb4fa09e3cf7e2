"""Copies of one picture as one result. Photos are put together in the order in which they were
found, each with the first one that it is a copy of: so pages of results fit together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from imgsearch.copies import comparing
from imgsearch.copies.comparing import Groups, Vectors
from imgsearch.index.base import Record
from imgsearch.roots import Roots, locations
from imgsearch.roots.locations import Located

_SPARE = 8  # photos beyond the wanted ones that are asked for at first
_MOST = 10_000  # photos that are looked at


class Found(Protocol):
    @property
    def record(self) -> Record: ...


_T = TypeVar("_T", bound=Found)
_Some = TypeVar("_Some", bound="Sequence[Found] | None")


def distinct(search: Callable[[int], _Some], k: int, vectors: Vectors) -> _Some:
    """The first photos, as many as make k different pictures and the copies of these that come
    before the next one. `search`: as many of the first as it is told; None where it cannot, which
    is returned."""
    most = max(k, _MOST)
    wanted = min(k + _SPARE, most)
    while True:
        found = search(wanted)
        if found is None or len(found) < wanted or wanted == most:
            return found
        if len(folded(found, vectors)) > k:
            return found
        wanted = min(2 * wanted, most)


def folded(found: Sequence[_T], vectors: Vectors) -> list[list[_T]]:
    """Copies together, in the order of the first of each. `vectors`: those of ids."""
    groups = Groups(vectors)
    together: list[list[_T]] = []
    for one in found:
        group = groups.place(one.record)
        if group == len(together):
            together.append([])
        together[group].append(one)
    return together


def largest(group: Sequence[Record], roots: Roots) -> tuple[Record, Located]:
    """The largest picture whose file is there, else the largest; and where it lies."""
    first = None
    for record in sorted(group, key=comparing.largest_first):
        found = locations.located(roots.root(record.library), record)
        if found.path is not None and not found.missing:
            return record, found
        first = first or (record, found)
    assert first is not None  # a group holds one photo at least
    return first
