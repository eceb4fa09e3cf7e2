"""The question that the options of `query` and `similar` make."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

from imgsearch.cli.query_options import Asked
from imgsearch.escaping import shell_quoted, shown, typed_text
from imgsearch.search import place_names

if TYPE_CHECKING:
    from imgsearch.index.base import Record
    from imgsearch.library import Library
    from imgsearch.question import Box, Filter, Question, Term

_PLACES = place_names.Fields("--near", "--within", "--in")


def asked(library: Library, given: Asked) -> Question:
    """The question that the options ask, without the command's own words and pictures. Raises
    UsageError, PhotoError."""
    from imgsearch.question import Question

    for root in given.root:
        library.name_root(root)
    terms = [*_words(given.plus, 1), *_words(given.minus, -1)]
    likes = [picture(library, name, weight) for weight, name in map(_picture, given.like)]
    return Question(
        terms=(*terms, *(term for one in likes for term in one.terms)),
        exclude=tuple(id for one in likes for id in one.exclude),
        filter=_filter(library, given),
        match=None if given.match is None else typed_text(given.match),
        k=library.settings.k,
        offset=given.offset,
        order=given.sort,
        min_score=library.settings.min_score,
        only_fitting=given.only_fitting,
        fold=given.fold,
    )


def with_words(
    library: Library, options: Question, words: str, *, literal: bool
) -> tuple[Question, str]:
    """What the options and a line of words ask for together; and what was understood of the words,
    for a person, empty where they are asked as they are."""
    from dataclasses import replace

    from imgsearch.question import ALL, Question

    asks_already = options.terms or options.match or options.filter != ALL
    if not words.strip() and (asks_already or options.order != "fit"):
        return options, ""
    if literal:
        asked = Question.of(words, filter=options.filter)
    else:
        asked = library.understand(words, options.filter)
    understood = ""
    if asked.filter != options.filter:
        from imgsearch.search import understanding

        understood = understanding.told(asked, options.filter)
    terms = (*asked.terms, *options.terms)
    return replace(options, terms=terms, filter=asked.filter), understood


def place_left(library: Library, question: Question) -> str:
    """That a place's name stayed one of the words, though photos were taken there; else empty."""
    found = library.lines.place_left(question)
    if found is None:
        return ""
    name = shell_quoted(os.fsencode(found.name))
    return f"“{shown(found.name)}” is searched as a word; --in {name} for photos taken there"


# "5:30 train" is no train with the weight 5
_WEIGHTED = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)):\s*(?!\d\d\b)(.*)", re.DOTALL)


def _weighted(text: str) -> tuple[float, str]:
    found = _WEIGHTED.fullmatch(text)
    return (1.0, text.strip()) if found is None else (float(found[1]), found[2].strip())


def _words(texts: Sequence[str] | None, sign: int) -> list[Term]:
    from imgsearch.question import Term

    pairs = [_weighted(typed_text(text)) for text in texts or ()]
    return [Term(words=words, weight=sign * weight) for weight, words in pairs]


def pictures(given: Asked) -> list[str]:
    """The names of pictures, as they were typed."""
    return [_picture(text)[1] for text in given.like]


def _picture(text: str) -> tuple[float, str]:
    """The weight, and the name; a file may be called as if it had a weight."""
    return (1.0, text) if os.path.exists(text) else _weighted(text)


def picture(library: Library, name: str, weight: float = 1.0, box: Box | None = None) -> Question:
    """A term for a picture that is looked for (an argument of `similar`), or for a part of it. The
    name "-" reads it from stdin."""
    from imgsearch.question import Question, Term

    record = ranked(library, name)
    if record is not None:
        return Question(terms=(Term(photo=record.id, weight=weight, box=box),))
    if name != "-":
        return library.like(name, weight, box)
    if name not in library.pictures:
        library.pictures[name] = _stdin_picture()
    return Question(terms=(Term(picture=name, weight=weight, box=box),))


def ranked(library: Library, name: str) -> Record | None:
    """The photo that "@3" names, None for any other name. Raises PhotoError where the last result
    list has no such rank, or the photo is no longer in the index."""
    from imgsearch.errors import PhotoError
    from imgsearch.search import last_results

    rank = last_results.rank(name)
    if rank is None:
        return None
    id = last_results.id_at(library.index.place, rank)
    record = library.record(id)
    if record is None:
        raise PhotoError(
            f"{name} was the photo {shown(id)}, which is no longer in {library.index.place}.",
            "Search again.",
        )
    _say_which_list(library.index.place)
    return record


@functools.cache
def _say_which_list(place: str) -> None:
    """Once: two terminals may search two indexes in turns, and each has its own @3."""
    from imgsearch.cli.error_handler import say
    from imgsearch.search import last_results

    if last_results.is_older_than_another(place):
        say(f"Ranks are of the last search in {shown(place)}; a later one was in another index.")


def shown_names(library: Library, names: Sequence[str]) -> list[str]:
    """As they were typed, but for ranks: these as the path of their photo."""
    found = [(name, ranked(library, name)) for name in names]
    return [name if record is None else record.relative_path for name, record in found]


_MOST_BYTES = 1 << 30  # of a picture from stdin


def _stdin_picture() -> bytes:
    import sys

    from imgsearch.errors import PhotoError, UsageError

    if sys.stdin.isatty():
        raise UsageError(
            "A picture is read from stdin, which is the terminal.",
            "Pipe one in: curl … | imgsearch similar -",
        )
    read = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(read) > _MOST_BYTES:
        raise PhotoError("The picture on stdin is larger than 1 GB.", "Show a smaller one.")
    if not read:
        raise PhotoError("There is no picture on stdin: it is empty.", "Pipe a picture in.")
    return read


def joined(one: Question, other: Question) -> Question:
    """The terms of both, and what else `other` asks for."""
    from dataclasses import replace

    return replace(other, terms=(*one.terms, *other.terms), exclude=(*one.exclude, *other.exclude))


def check_stdin(from_file: str | None, given: Asked) -> None:
    """Raises UsageError where both the questions and a picture would be read from it."""
    from imgsearch.errors import UsageError

    if from_file == "-" and "-" in pictures(given):
        raise UsageError(
            "--from-file - and --like - would both read stdin.", "Name a file for one of them."
        )


def lines_of(name: str, text: Sequence[str] | None) -> Iterator[tuple[int, str]]:
    """The lines of a file, "-": of stdin, as they come, with their numbers from 1. Empty ones are
    left out."""
    import contextlib
    import sys

    from imgsearch.errors import UsageError

    if text:
        raise UsageError(
            "--from-file goes without a text on the command line.", "Leave one of them out."
        )
    with contextlib.ExitStack() as opened:
        lines = sys.stdin.buffer if name == "-" else opened.enter_context(_opened(name))
        for number, line in enumerate(lines, start=1):
            words = line.decode("utf-8-sig", "replace").strip()
            if words:
                yield number, words


def _opened(name: str) -> IO[bytes]:
    from imgsearch.errors import UsageError

    try:
        return open(name, "rb")
    except OSError as error:
        raise UsageError(
            f"--from-file: {shown(name)} cannot be read: {error.strerror}.",
            "Name a text file with one question a line, or - for stdin.",
        ) from None


def _filter(library: Library, given: Asked) -> Filter:
    from imgsearch.question import Filter

    first, last = _days(given)
    country, city = None, None
    if given.place is not None:
        country, city = place_names.named(given.place, _PLACES.country)
    if given.under or given.not_under:
        library.check_not_empty()
    under = [folder for name in given.under for folder in library.folder(name).under]
    not_under = [f for name in given.not_under for f in library.folder(name).under]
    return Filter(
        under=tuple(under),
        not_under=tuple(not_under),
        taken_from=first,
        taken_to=last,
        undated=given.undated,
        country=country,
        city=city,
        near=place_names.circle(given.near, given.within, _PLACES),
        camera=_texts_of(given.camera),
        lens=_texts_of(given.lens),
        format=tuple(map(_format, _texts_of(given.format))),
        orientation=given.orientation,
        min_megapixels=given.min_megapixels,
        max_megapixels=given.max_megapixels,
        tags=_texts_of(given.tag),
        min_rating=given.rating,
    )


def _texts_of(values: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(text for text in (typed_text(value).strip() for value in values or ()) if text)


def _format(name: str) -> str:
    """The name that Pillow has for a picture format, such as "JPEG" for "jpg"."""
    upper = name.lstrip(".").upper()
    usual = {"JPG": "JPEG", "TIF": "TIFF", "HEIC": "HEIF", "PSB": "PSD"}
    return usual.get(upper, upper)


# -- dates


def _days(given: Asked) -> tuple[Any, Any]:
    """The first and the last day, None where there is no limit."""
    from imgsearch.errors import UsageError

    start, end, on = given.taken_from, given.taken_to, given.taken_on
    if on is not None and (start is not None or end is not None):
        raise UsageError("--on goes without --from and --to.", "Give --on alone, or the others.")
    if given.undated and (on or start or end):
        raise UsageError(
            "--undated asks for photos without a date: --from, --to and --on go without it.",
            "Leave one of them out.",
        )
    first = _span("--on", on)[0] if on is not None else _span("--from", start)[0]
    last = _span("--on", on)[1] if on is not None else _span("--to", end)[1]
    if first is not None and last is not None and first > last:
        raise UsageError(
            f"--from {start} is later than --to {end}.", "Exchange them: --from is the earlier one."
        )
    return first, last


_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")


def _span(option: str, text: str | None) -> tuple[Any, Any]:
    """The first and the last day of a day, a month or a year."""
    from datetime import date, timedelta

    from imgsearch.errors import UsageError

    if text is None:
        return None, None
    found = _DATE.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError(text)
        year, month, day = (None if part is None else int(part) for part in found.groups())
        first = date(year or 0, month or 1, day or 1)
        if day is not None:
            return first, first
        if month is None:
            return first, date(first.year, 12, 31)
        following = date(first.year + month // 12, month % 12 + 1, 1) if first.year < 9999 else None
        return first, following - timedelta(days=1) if following else date(9999, 12, 31)
    except ValueError:
        raise UsageError(
            f"{option}: {text!r} is not a date.",
            "Write a day, a month or a year: 2019-07-14, 2019-07 or 2019.",
        ) from None
