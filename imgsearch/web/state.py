"""A question as the page shows it: its address, and a link for each change that one can make."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from imgsearch.dataclass import dataclass
from imgsearch.question import ALL, Filter, Folder, Near, Order, Question, Term

if TYPE_CHECKING:
    from imgsearch.results import Hit

WEIGHTS = {"more of it": 1.0, "a little of it": 0.5, "less of it": -0.5}
PHOTOS = 60  # at a time
_K = re.compile(r"(^|&)k=\d")
MAX_TERMS = 12
_ORDERS: dict[Order, str] = {"fit": "best fit", "newest": "newest", "oldest": "oldest"}


@dataclass(frozen=True, slots=True)
class Chip:
    """A part of the question: `without` is the address of the question that lacks it."""

    kind: str  # "words", "picture", "photo", "filter"
    label: str
    without: str
    value: str = ""  # of a picture: the upload's name; of a photo: its id
    weight: float = 1.0
    reweighted: tuple[tuple[str, str], ...] = ()  # ("less of it", address) …
    box: str = ""  # of a part of a photo: left,top,width,height


def question_of(query: str, k: int = PHOTOS) -> Question:
    """The question that the query part of an address asks; `k`: where it does not say how many.
    Raises UsageError."""
    question = Question.from_address(query)
    return question if _K.search(query) else replace(question, k=k)


def query(question: Question) -> str:
    """The query part of the question's address on the page, where PHOTOS are shown at a time."""
    rest = replace(question, k=Question().k).to_address()
    k = "" if question.k == PHOTOS else f"k={question.k}"
    return "&".join(filter(None, [rest, k]))


def address(question: Question) -> str:
    return f"/?{query(question)}".rstrip("?")


def large(question: Question, hit: Hit) -> str:
    """The address of a hit's large view, from which one comes back to the results."""
    return f"/photo/{quote(hit.record.id, safe='')}?{query(question)}&at={hit.rank}"


def chips(question: Question) -> list[Chip]:
    return [*_term_chips(question), *_filter_chips(question)]


def _term_chips(question: Question) -> Iterator[Chip]:
    for position, term in enumerate(question.terms):
        others = question.terms[:position] + question.terms[position + 1 :]
        kind = "words" if term.words else ("picture" if term.picture else "photo")
        yield Chip(
            kind,
            term.words or _shown_as(term),
            address(first_page(replace(question, terms=others))),
            term.picture or term.photo or "",
            term.weight,
            tuple(
                (name, address(first_page(_with_weight(question, position, weight))))
                for name, weight in WEIGHTS.items()
                if weight != term.weight
            ),
            ",".join(map(str, term.box or ())),
        )


def _shown_as(term: Term) -> str:
    if term.box is not None:
        return "Part of your picture" if term.picture else "Part of a photo"
    return "Your picture" if term.picture else "Photo"


def _with_weight(question: Question, position: int, weight: float) -> Question:
    terms = list(question.terms)
    terms[position] = replace(terms[position], weight=weight)
    return replace(question, terms=tuple(terms))


def first_page(question: Question) -> Question:
    return replace(question, offset=0)


def with_term(question: Question, term: Term) -> Question:
    """The question with one more term; the same term with another weight takes its place."""
    kept = tuple(
        each for each in question.terms if replace(each, weight=1.0) != replace(term, weight=1.0)
    )
    return first_page(replace(question, terms=(*kept, term)[-MAX_TERMS:]))


def with_photo(question: Question, photo: str, weight: float = 1.0) -> Question:
    return with_term(question, Term(photo=photo, weight=weight))


def similar_to(question: Question, photo: str) -> Question:
    """Photos like one alone, under the same filter."""
    return Question(terms=(Term(photo=photo),), filter=question.filter, k=question.k)


def with_filter(question: Question, **changes: Any) -> Question:
    return first_page(replace(question, filter=replace(question.filter, **changes)))


def orders(question: Question) -> Iterator[tuple[str, str | None]]:
    """What photos can be sorted by, each with its address; None: they are in this order."""
    now, can_fit = question.order, bool(question.terms or question.match)
    if not can_fit and now == "fit":
        now = "newest"
    for order, name in _ORDERS.items():
        if can_fit or order != "fit":
            yield name, None if order == now else address(with_order(question, order))


def with_order(question: Question, order: Order) -> Question:
    return first_page(replace(question, order=order))


def toggled(question: Question, name: str, value: Any) -> Question:
    """A choice of a list of alternatives: added, or taken away where it is chosen already."""
    present = getattr(question.filter, name)
    if isinstance(present, tuple):
        kept = tuple(each for each in present if each != value)
        return with_filter(question, **{name: kept if value in present else (*present, value)})
    return with_filter(question, **{name: None if present == value else value})


def in_month(question: Question, year: int, month: int | None = None) -> Question:
    first = date(year, month or 1, 1)
    following = date(year + (month in (None, 12)), (month or 12) % 12 + 1, 1)
    return with_filter(
        question, taken_from=first, taken_to=following - timedelta(days=1), undated=False
    )


def _filter_chips(question: Question) -> Iterator[Chip]:
    where = question.filter
    if where.taken_from or where.taken_to:
        without = with_filter(question, taken_from=None, taken_to=None)
        yield Chip("filter", _span(where.taken_from, where.taken_to), address(without))
    for each in fields(Filter):
        value = getattr(where, each.name)
        if value == getattr(ALL, each.name) or each.name in ("taken_from", "taken_to"):
            continue
        if isinstance(value, tuple):
            for one in value:
                kept = tuple(other for other in value if other != one)
                without = with_filter(question, **{each.name: kept})
                yield Chip("filter", label(each.name, one), address(without))
        else:
            without = with_filter(question, **{each.name: each.default})
            yield Chip("filter", label(each.name, value), address(without))
    if question.match is not None:
        without = first_page(replace(question, match=None, any_word=False))
        yield Chip("filter", f"named “{question.match}”", address(without))
    if question.any_word:
        without = first_page(replace(question, any_word=False))
        yield Chip("filter", "some of the words are enough", address(without))
    if question.only_fitting:
        without = first_page(replace(question, only_fitting=False))
        yield Chip("filter", "only what fits", address(without))


def _span(first: date | None, last: date | None) -> str:
    """A span of days as people say it: "2019", "July 2019", "since 2019-07-14"."""
    if first is None or last is None:
        return f"until {last}" if first is None else f"since {first}"
    if first == last:
        return first.isoformat()
    next_day = last + timedelta(days=1)
    if first.day == next_day.day == 1:
        months = (next_day.year - first.year) * 12 + next_day.month - first.month
        if months == 12 and first.month == 1:
            return str(first.year)
        if months == 1:
            return f"{first:%B} {first.year}"
    return f"{first} to {last}"


_LABELS = {
    "undated": "no date",
    "not_under": "not in {}",
    "under": "in {}",
    "country": "in {}",
    "city": "in {}",
    "camera": "{}",
    "min_megapixels": "at least {:g} megapixels",
    "max_megapixels": "at most {:g} megapixels",
    "min_rating": "{} stars or more",
    "tags": "tagged {}",
}


def label(name: str, value: Any) -> str:
    """A filter's value in words."""
    if name == "country":
        from imgsearch import gazetteer

        value = gazetteer.country_name(value) or value
    if isinstance(value, Folder):
        value = "/".join(part for part in (value.library, value.path) if part)
    if isinstance(value, Near):
        return f"within {value.km:g} km of {value.latitude:.3f}, {value.longitude:.3f}"
    return _LABELS.get(name, "{}").format(value)
