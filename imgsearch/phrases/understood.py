"""What a line of words was understood as."""

from __future__ import annotations

from dataclasses import field
from datetime import date
from typing import Protocol

from imgsearch.dataclass import dataclass


@dataclass(frozen=True)
class Filter:
    """Where and when photos were taken: dates inclusive, `country` as ISO 3166 alpha-2, `city` as
    GeoNames' English name. None where nothing is asked."""

    taken_from: date | None = None
    taken_to: date | None = None
    country: str | None = None
    city: str | None = None


@dataclass(frozen=True)
class Span:
    """The letters [start, stop) of the line, which became the filter `meaning`."""

    start: int
    stop: int
    text: str
    meaning: Filter


@dataclass(frozen=True)
class Understood:
    """`text` is what is left of the words, `filter` what was taken out of them, `spans` where each
    part stood, in the line's order."""

    text: str
    filter: Filter = field(default_factory=Filter)
    spans: tuple[Span, ...] = ()


class Evidence(Protocol):
    """What the index knows: whether any of its photos matches a filter."""

    def __call__(self, asked: Filter, /) -> bool: ...
