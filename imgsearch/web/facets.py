"""What the photos of a question have in common, counted: years and months, places, cameras,
folders, kinds and shapes. Each value links to the question that asks for it, or no longer does."""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

from imgsearch.dataclass import dataclass
from imgsearch.index.base import FACETS, Facet
from imgsearch.question import Filter, Folder, Question
from imgsearch.web import state

if TYPE_CHECKING:
    from imgsearch.library import Library

FIRST = 8  # values of a group that are shown before the rest is asked for
BAR = 20  # steps of a bar's length
_NO_DATES: dict[str, Any] = {"taken_from": None, "taken_to": None, "undated": False}
_FIELDS: dict[
    Facet, dict[str, Any]
] = {  # fields of a filter that a facet sets, when they are unset
    "year": _NO_DATES,
    "month": _NO_DATES,
    "country": {"country": None, "city": None},
    "city": {"city": None},
    "camera": {"camera": ()},
    "folder": {"under": ()},
    "format": {"format": ()},
    "orientation": {"orientation": None},
}
_TITLES: dict[Facet, str] = {
    "year": "Date",
    "country": "Country",
    "city": "City",
    "camera": "Camera",
    "folder": "Folder",
    "format": "Kind",
    "orientation": "Shape",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A value. `question`: with it, or without it where it is chosen. `bar`: its count beside the
    largest of its kind, 1 to BAR. `is_part`: it belongs to the choice before it, as a month to its
    year."""

    value: str
    label: str
    count: int
    question: Question
    is_chosen: bool
    bar: int = 0
    is_part: bool = False

    @property
    def address(self) -> str:
        return state.address(self.question)


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    choices: Sequence[Choice]
    is_open: bool

    @property
    def first(self) -> Sequence[Choice]:
        """The choices that are shown at once, including those that are chosen."""
        last = max(
            (n for n, one in enumerate(self.choices, 1) if one.is_chosen or one.is_part), default=0
        )
        return self.choices[: max(FIRST, last)]

    @property
    def rest(self) -> Sequence[Choice]:
        return self.choices[len(self.first) :]


def groups(library: Library, question: Question) -> list[Group]:
    """For a page. What has one value alone, and is not chosen, divides nothing and is left out."""
    counts = counted(library, question.filter)
    found = []
    for name, title in _TITLES.items():
        choices = list(
            _dates(library, question, counts["year"])
            if name == "year"
            else of(question, name, counts[name])
        )
        if len(choices) > 1 or any(choice.is_chosen for choice in choices):
            is_open = name in ("year", "country") or any(one.is_chosen for one in choices)
            found.append(Group(title, choices, is_open))
    return found


def counted(library: Library, where: Filter) -> dict[Facet, list[tuple[str, int]]]:
    """How many photos have each value of each facet, whatever value of it `where` asks for: so a
    person sees what else could be chosen."""
    by_filter: dict[Filter, list[Facet]] = {}
    for name in FACETS:
        by_filter.setdefault(replace(where, **_FIELDS[name]), []).append(name)
    found: dict[Facet, list[tuple[str, int]]] = {}
    for others, names in by_filter.items():
        found |= library.facets(others, names)
    return found


def of(question: Question, name: Facet, counts: Sequence[tuple[str, int]]) -> Iterator[Choice]:
    """The choices of one facet, in the order of `counts`."""
    for value, count in counts:
        other, is_chosen = _chosen(question, name, value)
        yield Choice(
            value=value,
            label=_label(name, value),
            count=count,
            question=other,
            is_chosen=is_chosen,
        )


def _chosen(question: Question, name: Facet, value: str) -> tuple[Question, bool]:
    """The question with a value that it lacks, or without one that it has; whether it has it."""
    where = question.filter
    if name in ("year", "month"):
        year, month = int(value[:4]), int(value[5:7]) if name == "month" else None
        other = state.in_month(question, year, month)
        is_chosen = (where.taken_from, where.taken_to) == _span(other.filter)
        if is_chosen:
            other = state.with_filter(question, **_NO_DATES)
            return (other if month is None else state.in_month(question, year)), True
        return other, False
    if name == "folder":
        folder = Folder.read(value)
        return state.toggled(question, "under", folder), folder in where.under
    present = getattr(where, name)
    is_chosen = value in present if isinstance(present, tuple) else value == present
    other = state.toggled(question, name, value)
    return (state.with_filter(other, city=None) if name == "country" else other), is_chosen


def _span(where: Filter) -> tuple[date | None, date | None]:
    return where.taken_from, where.taken_to


def _label(name: Facet, value: str) -> str:
    if name == "month":
        return calendar.month_name[int(value[5:7])]
    if name == "country":
        from imgsearch import gazetteer

        return gazetteer.country_name(value) or value
    if name == "folder":
        return Folder.read(value).path or value
    return value


def _dates(
    library: Library, question: Question, years: Sequence[tuple[str, int]]
) -> Iterator[Choice]:
    """Years, newest first; the year in which the question's days lie with its months; and photos
    without a date."""
    most = max((count for _, count in years), default=1)
    for year in of(question, "year", years):
        yield _with_bar(year, most)
        if _holds(question.filter, year.value):
            yield from _months(library, question, int(year.value))
    undated = _undated(library, question, sum(count for _, count in years))
    if undated.count or undated.is_chosen:
        yield undated


def _with_bar(choice: Choice, most: int) -> Choice:
    return replace(choice, bar=max(1, round(BAR * choice.count / most)))


def _holds(where: Filter, year: str) -> bool:
    first, last = _span(where)
    return first is not None and last is not None and {first.year, last.year} == {int(year)}


def _months(library: Library, question: Question, year: int) -> Iterator[Choice]:
    whole = state.in_month(question, year).filter
    months = library.facets(whole, ["month"])["month"]
    most = max((count for _, count in months), default=1)
    for month in of(question, "month", months):
        yield replace(_with_bar(month, most), is_part=True)


def _undated(library: Library, question: Question, dated: int) -> Choice:
    where = question.filter
    total = library.count(replace(where, **_NO_DATES))
    other = state.with_filter(question, **{**_NO_DATES, "undated": not where.undated})
    return Choice(
        value="",
        label="No date",
        count=max(0, total - dated),
        question=other,
        is_chosen=where.undated,
    )
