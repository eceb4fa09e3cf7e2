"""What `query` and `similar` can be asked with besides their words and pictures: options, and the
question that they make."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from imgsearch.escaping import shown, typed_text

if TYPE_CHECKING:
    from imgsearch.library import Library
    from imgsearch.question import Filter, Question, Term

TERMS = "What to look for"
WHICH = "Which photos"
SHOWN = "How many, and how they are shown"


def _text(name: str, metavar: str, help: str, panel: str = WHICH) -> Any:
    option = typer.Option(name, metavar=metavar, help=help, rich_help_panel=panel)
    return Annotated[str | None, option]


def _texts(name: str, metavar: str, help: str, panel: str = WHICH) -> Any:
    option = typer.Option(name, metavar=metavar, help=help, rich_help_panel=panel)
    return Annotated[list[str] | None, option]


def _number(kind: Any, *names: str, help: str, panel: str = WHICH, **limits: Any) -> Any:
    return Annotated[kind | None, typer.Option(*names, help=help, rich_help_panel=panel, **limits)]


def _flag(*names: str, help: str, panel: str = SHOWN) -> Any:
    return Annotated[bool, typer.Option(*names, help=help, rich_help_panel=panel)]


OPTIONS: dict[str, Any] = {
    "plus": _texts("--plus", "[N:]WORDS", "These words too, N times as much (repeatable).", TERMS),
    "minus": _texts("--minus", "[N:]WORDS", "Rather without this (repeatable).", TERMS),
    "like": _texts(
        "--like", "[N:]PHOTO", "Like this picture too: as for similar (repeatable).", TERMS
    ),
    "taken_from": _text("--from", "DATE", "Taken on this day, month or year, or later."),
    "taken_to": _text("--to", "DATE", "Taken on this day, month or year, or before."),
    "taken_on": _text("--on", "DATE", "Taken on this day, in this month or year."),
    "undated": _flag("--undated", help="Without a date.", panel=WHICH),
    "place": _text("--in", "PLACE", "Taken in this country or city, named in any language."),
    "near": _text("--near", "LAT,LON", "Taken near these coordinates, or near a city."),
    "within": _text("--within", "KM", "With --near: so near (default: 10 km)."),
    "camera": _texts("--camera", "NAME", "Of this make or model (repeatable)."),
    "lens": _texts("--lens", "NAME", "Taken with this lens (repeatable)."),
    "under": _texts("--under", "FOLDER", "In this folder or library (repeatable)."),
    "not_under": _texts("--not-under", "FOLDER", "Not in it (repeatable)."),
    "format": _texts("--format", "NAME", "JPEG, PNG, HEIF, RAW, ... (repeatable)."),
    "orientation": _text("--orientation", "landscape|portrait|square", "Of this shape."),
    "min_megapixels": _number(
        float, "--min-megapixels", help="With so many million pixels or more.", min=0
    ),
    "max_megapixels": _number(
        float, "--max-megapixels", help="With so many million pixels or fewer.", min=0
    ),
    "tag": _texts("--tag", "WORD", "With this keyword (repeatable: with all of them)."),
    "rating": _number(int, "--rating", help="With so many stars or more.", min=1, max=5),
    "k": _number(int, "-k", help="How many results (default: 10).", panel=SHOWN, min=1),
    "offset": _number(int, "--offset", help="Leave out so many of the best.", panel=SHOWN, min=0),
    "sort": _text("--sort", "fit|newest|oldest", "Best first, or those 100 by date.", SHOWN),
    "min_score": _number(
        float,
        "--min-score",
        help="Leave out results below this cosine.",
        panel=SHOWN,
        min=-1,
        max=1,
    ),
    "only_fitting": _flag(
        "--only-fitting", help="Stop where chance begins; exit 1 if nothing fits."
    ),
    "fold": _flag("--fold", help="Copies of one file count as one result, shown as +3."),
    "json": _flag("--json", help="One JSON object a line."),
    "csv": _flag("--csv", help="Comma-separated values, with a header; no formulas."),
    "paths": _flag("--paths", help="Paths alone, one a line."),
    "nul": _flag("-0", help="With --paths: end each with NUL, for xargs -0."),
    "html": _text("--html", "FILE", "Write a gallery in one file too; -: to stdout.", SHOWN),
    "open": _flag("--open", help="Open the results as a gallery in the browser."),
    "root": _texts(
        "--root",
        "[LIBRARY=]DIR",
        "Where a library lies here, for an index made elsewhere; remembered.",
        SHOWN,
    ),
}
DEFAULTS: dict[str, Any] = {
    name: False if annotation.__origin__ is bool else None for name, annotation in OPTIONS.items()
}


def asked(library: Library, given: Mapping[str, Any]) -> Question:
    """What the options ask for, without the command's own words and pictures. Raises UsageError,
    PhotoError."""
    from imgsearch.question import Question

    for root in given["root"] or ():
        library.name_root(root)
    terms = [*_words(given["plus"], 1), *_words(given["minus"], -1)]
    likes = [picture(library, name, weight) for weight, name in map(_picture, given["like"] or ())]
    return Question(
        terms=(*terms, *(term for one in likes for term in one.terms)),
        exclude=tuple(id for one in likes for id in one.exclude),
        filter=_filter(library, given),
        k=library.settings.k,
        offset=given["offset"] or 0,
        order=_one_of("--sort", given["sort"] or "fit", ("fit", "newest", "oldest")),
        min_score=library.settings.min_score,
        only_fitting=given["only_fitting"],
        fold=given["fold"],
    )


def with_words(
    library: Library, options: Question, words: str, *, literal: bool
) -> tuple[Question, str]:
    """What the options and a line of words ask for together; and what was understood of the words,
    for a person, empty where they are asked as they are."""
    from dataclasses import replace

    from imgsearch.question import ALL, Question

    if not words.strip() and (options.terms or options.filter != ALL or options.order != "fit"):
        return options, ""
    if literal:
        asked = Question.of(words, filter=options.filter)
    else:
        asked = library.understand(words, options.filter)
    understood = ""
    if asked.filter != options.filter:
        from imgsearch import understanding

        understood = understanding.told(asked, options.filter)
    terms = (*asked.terms, *options.terms)
    return replace(options, terms=terms, filter=asked.filter), understood


# "5:30 train" is no train with the weight 5
_WEIGHTED = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)):\s*(?!\d\d\b)(.*)", re.DOTALL)


def _weighted(text: str) -> tuple[float, str]:
    found = _WEIGHTED.fullmatch(text)
    return (1.0, text.strip()) if found is None else (float(found[1]), found[2].strip())


def _words(texts: Sequence[str] | None, sign: int) -> list[Term]:
    from imgsearch.question import Term

    pairs = [_weighted(typed_text(text)) for text in texts or ()]
    return [Term(words=words, weight=sign * weight) for weight, words in pairs]


def pictures(given: Mapping[str, Any]) -> list[str]:
    """The names of pictures, as they were typed."""
    return [_picture(text)[1] for text in given["like"] or ()]


def _picture(text: str) -> tuple[float, str]:
    """The weight, and the name; a file may be called as if it had a weight."""
    return (1.0, text) if os.path.exists(text) else _weighted(text)


def picture(library: Library, name: str, weight: float = 1.0) -> Question:
    """One that is looked for: `similar`'s argument; "-" is read from stdin."""
    from imgsearch.question import Question, Term

    if name != "-":
        return library.like(name, weight)
    if name not in library.pictures:
        library.pictures[name] = _stdin_picture()
    return Question(terms=(Term(picture=name, weight=weight),))


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


def check_stdin(from_file: str | None, given: Mapping[str, Any]) -> None:
    """Raises UsageError where both the questions and a picture would be read from it."""
    from imgsearch.errors import UsageError

    if from_file == "-" and "-" in pictures(given):
        raise UsageError(
            "--from-file - and --like - would both read stdin.", "Name a file for one of them."
        )


def lines_of(name: str, text: Sequence[str] | None) -> Iterator[str]:
    """The lines of a file, "-": of stdin, as they come. Empty ones are left out."""
    import contextlib
    import sys

    from imgsearch.errors import UsageError

    if text:
        raise UsageError(
            "--from-file goes without a text on the command line.", "Leave one of them out."
        )
    with contextlib.ExitStack() as opened:
        lines = sys.stdin.buffer if name == "-" else opened.enter_context(_opened(name))
        for line in lines:
            words = line.decode("utf-8-sig", "replace").strip()
            if words:
                yield words


def _opened(name: str) -> IO[bytes]:
    from imgsearch.errors import UsageError

    try:
        return open(name, "rb")
    except OSError as error:
        raise UsageError(
            f"--from-file: {shown(name)} cannot be read: {error.strerror}.",
            "Name a text file with one question a line, or - for stdin.",
        ) from None


def _filter(library: Library, given: Mapping[str, Any]) -> Filter:
    from imgsearch.cli import places
    from imgsearch.question import ORIENTATIONS, Filter

    first, last = _days(given)
    country, city = places.named(given["place"]) if given["place"] is not None else (None, None)
    if given["under"] or given["not_under"]:
        library.check_not_empty()
    under = [folder for name in given["under"] or () for folder in library.folder(name).under]
    not_under = [f for name in given["not_under"] or () for f in library.folder(name).under]
    return Filter(
        under=tuple(under),
        not_under=tuple(not_under),
        taken_from=first,
        taken_to=last,
        undated=given["undated"],
        country=country,
        city=city,
        near=places.circle(given["near"], given["within"]),
        camera=_texts_of(given["camera"]),
        lens=_texts_of(given["lens"]),
        format=tuple(map(_format, _texts_of(given["format"]))),
        orientation=_one_of("--orientation", given["orientation"], ORIENTATIONS),
        min_megapixels=given["min_megapixels"],
        max_megapixels=given["max_megapixels"],
        tags=_texts_of(given["tag"]),
        min_rating=given["rating"],
    )


def _texts_of(values: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(text for text in (typed_text(value).strip() for value in values or ()) if text)


def _format(name: str) -> str:
    """As Pillow names it."""
    upper = name.lstrip(".").upper()
    usual = {"JPG": "JPEG", "TIF": "TIFF", "HEIC": "HEIF", "PSB": "PSD"}
    return usual.get(upper, upper)


def _one_of(option: str, value: str | None, choices: Sequence[str]) -> Any:
    from imgsearch.errors import UsageError

    if value is None or value.lower() in choices:
        return value and value.lower()
    named = ", ".join(choices[:-1])
    raise UsageError(
        f"{option}: {value!r} is none of {', '.join(choices)}.",
        f"Give {named} or {choices[-1]}.",
    )


# -- dates


def _days(given: Mapping[str, Any]) -> tuple[Any, Any]:
    """The first and the last day, None where there is no limit."""
    from imgsearch.errors import UsageError

    start, end, on = given["taken_from"], given["taken_to"], given["taken_on"]
    if on is not None and (start is not None or end is not None):
        raise UsageError("--on goes without --from and --to.", "Give --on alone, or the others.")
    if given["undated"] and (on or start or end):
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
