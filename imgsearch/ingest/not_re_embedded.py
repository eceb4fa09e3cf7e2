"""Photos that an index loses when everything is embedded anew: their old vectors are of another
model, and what cannot be read gets no new one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice

from imgsearch.dataclass import dataclass
from imgsearch.index.base import Index, Record
from imgsearch.photos import Skip
from imgsearch.roots import Roots, locations

MISSING = "missing"
GIVEN_UP = "not within reach"
_AT_A_TIME = 1000  # records


@dataclass(frozen=True, slots=True)
class Lost:
    """A photo of the old index that the new one does not have. `path`: as `os.fsdecode` gives it;
    `reason`: `MISSING`, `GIVEN_UP`, or why it was skipped."""

    id: str
    path: str
    reason: str


def lost(old: Index, new: Index, roots: Roots, skipped: list[Skip]) -> list[Lost]:
    """Without those whose bytes the new index has from another path, and those that the user has
    excluded since."""
    reasons = {skip.path: skip.reason.value for skip in skipped}
    return [
        Lost(record.id, path, reason)
        for record in _not_taken_over(old, new)
        for path, reason in _loss(record, roots, reasons)
    ]


def _not_taken_over(old: Index, new: Index) -> Iterator[Record]:
    ids = iter(old.ids())
    while some := list(islice(ids, _AT_A_TIME)):
        there = new.records(some).keys()
        rest = list(old.records([id for id in some if id not in there]).values())
        elsewhere = new.records_by_hash([one.content_hash for one in rest if one.content_hash])
        yield from (one for one in rest if one.content_hash not in elsewhere)


def _loss(record: Record, roots: Roots, reasons: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    found = locations.located(roots.root(record.library), record)
    if found.path is None:
        yield f"{record.library}/{record.relative_path}", GIVEN_UP
        return
    path = os.fsdecode(found.path)
    folders = path
    while folders not in reasons and folders != os.path.dirname(folders):
        folders = os.path.dirname(folders)  # of a folder that may not be read
    if folders in reasons:
        yield path, reasons[folders]
    elif found.missing:
        yield path, MISSING


def by_reason(losses: list[Lost]) -> str:
    """missing: 2, truncated: 1"""
    counts = Counter(one.reason for one in losses)
    return ", ".join(f"{reason}: {number:,}" for reason, number in counts.most_common())
