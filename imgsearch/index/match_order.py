"""Photos that have wanted words: which come first."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from imgsearch.index.base import Record
from imgsearch.matching import Wanted

CANDIDATES = 1000  # of the best by the backend's own score, at least


def in_order(records: Iterable[Record], wanted: Wanted) -> list[Record]:
    """Of `CANDIDATES` and more, best by the backend's own score first: the very string before all
    words before some of them, those with more of them first; then by id, so that the order is the
    same on every backend. What follows behind the first `CANDIDATES` stays behind them, so that the
    order is the same however many are asked for."""
    rest = iter(records)
    first = islice(rest, CANDIDATES)
    ordered = sorted(first, key=lambda record: (*_lacks(record, wanted), record.id))
    return [*ordered, *rest]


def _lacks(record: Record, wanted: Wanted) -> tuple[bool, bool, int]:
    words = record.words
    return not is_exact(record, wanted), not wanted.fields(words), -wanted.near(words)


def is_exact(record: Record, wanted: Wanted) -> bool:
    """Whether the very string is in its name, caption, title or tags."""
    texts = (record.relative_path, record.title, record.caption, *record.tags)
    return wanted.is_exactly_in(text for text in texts if text)
