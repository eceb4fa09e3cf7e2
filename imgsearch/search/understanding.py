"""One line of words as a question: its date and its place become a filter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from imgsearch.question import ALL, Filter, Folder, Question, Term

if TYPE_CHECKING:
    from imgsearch.index.base import Index
    from imgsearch.phrases import Filter as Meaning

Evidence = Callable[[Filter], bool]
_LONGEST_NAME = 60  # letters of a line that may end with a place's name
_KNOWN = 100_000  # people of a city that may be meant
_MOST_PLACES = 3  # of one name


def understand(text: str, today: date | None = None, evidence: Evidence | None = None) -> Question:
    """The question that a line of words asks: `text` without the date and the place that it names,
    which are in `filter` as `taken_from` and `taken_to` (inclusive), `country` (ISO 3166 alpha-2)
    and `city` (GeoNames' English name).

    `today`: from which "last summer" is told (default: this day). `evidence`: whether any photo
    fulfils a filter; what none fulfils stays a word. None: any date or place is taken."""
    from imgsearch import phrases

    seen = None if evidence is None else lambda meaning: evidence(_filter(meaning))
    found = phrases.understand(text, today or date.today(), seen)
    terms = (Term(words=found.text),) if found.text.strip() or not found.spans else ()
    return Question(terms=terms, filter=_filter(found.filter))


def of_index(index: Index, where: Filter) -> Evidence:
    """What the photos of an index tell, for a line that is asked beside a filter."""
    return within(where, lambda asked: bool(index.browse(asked, "newest", 1)))


def within(where: Filter, lies: Evidence) -> Evidence:
    """The evidence for a line that is asked beside a filter: a date or a place that the filter says
    already is not taken out of the words."""

    def evidence(meaning: Filter) -> bool:
        dated = meaning.taken_from is not None or meaning.taken_to is not None
        if dated and (where.taken_from or where.taken_to or where.undated):
            return False
        if meaning.country is not None and where.country is not None:
            return False
        return lies(both(where, meaning))

    return evidence


def both(where: Filter, meaning: Filter) -> Filter:
    """`where` with the date and the place that were understood."""
    return replace(
        where,
        taken_from=meaning.taken_from or where.taken_from,
        taken_to=meaning.taken_to or where.taken_to,
        country=meaning.country or where.country,
        city=meaning.city or where.city,
    )


class PlaceAsWord(NamedTuple):
    """A name in a line of words that stayed one of its words, and the place that has it too.
    `others`: the words without it."""

    name: str
    filter: Filter
    others: str


def place_as_word(text: str, evidence: Evidence) -> PlaceAsWord | None:
    """The place, if `evidence` says that photos were taken there, whose name is all of the line or
    its last word, with a capital. To be asked where `understand` has taken no place: names such as
    Wien, Nice and Jordan are words, people and brands as well."""
    from imgsearch import gazetteer

    words = text.split()
    if not words or len(text) > _LONGEST_NAME:
        return None
    names = [(text.strip(), "")]
    if len(words) > 1 and words[-1][:1].isupper():
        names.append((words[-1], " ".join(words[:-1])))
    for name, others in names:
        for place in gazetteer.find(name)[:_MOST_PLACES]:
            where = Filter(country=place.country, city=place.city)
            known = place.city is None or place.population >= _KNOWN
            if known and evidence(where):
                return PlaceAsWord(name, where, others)
    return None


def _filter(meaning: Meaning) -> Filter:
    return Filter(
        taken_from=meaning.taken_from,
        taken_to=meaning.taken_to,
        country=meaning.country,
        city=meaning.city,
    )


# -- in words


def told(question: Question, beside: Filter = ALL) -> str:
    """What was understood, for a person: “beach”, taken in 2019, in Italy. `beside`: what was asked
    for besides the words. Empty: nothing was taken out of them."""
    where, taken = question.filter, Filter()
    if (where.taken_from, where.taken_to) != (beside.taken_from, beside.taken_to):
        taken = replace(taken, taken_from=where.taken_from, taken_to=where.taken_to)
    if (where.country, where.city) != (beside.country, beside.city):
        taken = replace(taken, country=where.country, city=where.city)
    if taken == ALL:
        return ""
    words = [f"“{question.text}”"] if question.text else []
    return ", ".join([*words, *described(taken)])


def described(where: Filter) -> Iterator[str]:
    """What a filter asks for, in words: the date and the place first."""
    first, last = where.taken_from, where.taken_to
    if first is not None and last is not None:
        yield f"taken {_days(first, last)}"
    elif first is not None:
        yield f"taken on {first} or later"
    elif last is not None:
        yield f"taken on {last} or before"
    if where.country is not None:
        from imgsearch import gazetteer

        country = gazetteer.country_name(where.country) or where.country
        yield f"in {country}" if where.city is None else f"in {where.city}, {country}"
    elif where.city is not None:
        yield f"in {where.city}"
    if where.undated:
        yield "without a date"
    if where.near is not None:
        circle = where.near
        yield f"within {circle.km:g} km of {circle.latitude:g}, {circle.longitude:g}"
    yield from (f"in the folder {_folder(one)}" for one in where.under)
    yield from (f"not in the folder {_folder(one)}" for one in where.not_under)
    yield from (f"tagged “{tag}”" for tag in where.tags)
    yield from _of_the_picture(where)


def _folder(folder: Folder) -> str:
    return "/".join(part for part in (folder.library, folder.path) if part)


def _of_the_picture(where: Filter) -> Iterator[str]:
    if where.camera:
        yield f"camera {' or '.join(where.camera)}"
    if where.lens:
        yield f"lens {' or '.join(where.lens)}"
    if where.format:
        yield " or ".join(where.format)
    if where.orientation is not None:
        yield where.orientation
    if where.min_megapixels is not None:
        yield f"at least {where.min_megapixels:g} megapixels"
    if where.max_megapixels is not None:
        yield f"at most {where.max_megapixels:g} megapixels"
    if where.min_rating is not None:
        yield f"{where.min_rating} stars or more"


def _days(first: date, last: date) -> str:
    import calendar

    if first == last:
        return f"on {first}"
    ends_month = last.day == calendar.monthrange(last.year, last.month)[1]
    if first.day == 1 and ends_month and first.year == last.year:
        if first.month == last.month:
            return f"in {calendar.month_name[first.month]} {first.year}"
        if (first.month, last.month) == (1, 12):
            return f"in {first.year}"
    return f"from {first} to {last}"
