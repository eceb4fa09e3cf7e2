"""The options of `query` and `similar`: what to look for, which photos, how many, and how they are
shown."""

from __future__ import annotations

from typing import Literal

from imgsearch.question import Box, read_box
from imgsearch.settings import values
from imgsearch.settings.options import CommandOptions, arguments, flag, option, several
from imgsearch.settings.table import SHOWN
from imgsearch.settings.values import OneOf, one_of, text

TERMS = "What to look for"
WHICH = "Which photos"

Orientation = Literal["landscape", "portrait", "square"]
Order = Literal["fit", "newest", "oldest"]
_ORIENTATION: OneOf[Orientation] = one_of("landscape", "portrait", "square")
_ORDER: OneOf[Order] = one_of("fit", "newest", "oldest")
Preview = Literal["auto", "blocks", "kitty", "iterm2", "sixel"]
_PREVIEW: OneOf[Preview] = one_of("auto", "blocks", "kitty", "iterm2", "sixel")

STDOUT = "-"  # as the name of a file
SETTINGS = ("k", "min_score", "num_candidates")  # of the table of settings


class Asked(CommandOptions):
    """The options that `query` and `similar` share."""

    plus: tuple[str, ...] = several(
        text, "--plus [N:]WORDS", "These words too, N times as much (repeatable).", heading=TERMS
    )
    minus: tuple[str, ...] = several(
        text, "--minus [N:]WORDS", "Rather without this (repeatable).", heading=TERMS
    )
    like: tuple[str, ...] = several(
        text,
        "--like [N:]PHOTO",
        "Like this picture or rank (@2) too: as for similar (repeatable).",
        heading=TERMS,
        completion="files",
    )
    match: str | None = option(
        text,
        "--match WORDS",
        "With these whole words in name, caption, tags or place too.",
        heading=TERMS,
    )
    taken_from: str | None = option(
        text, "--from DATE", "Taken on this day, month or year, or later.", heading=WHICH
    )
    taken_to: str | None = option(
        text, "--to DATE", "Taken on this day, month or year, or before.", heading=WHICH
    )
    taken_on: str | None = option(
        text, "--on DATE", "Taken on this day, in this month or year.", heading=WHICH
    )
    undated: bool = flag("--undated", "Without a date.", heading=WHICH)
    place: str | None = option(
        text,
        "--in PLACE",
        "Taken in this country or city, named in any language.",
        heading=WHICH,
        completion="places",
    )
    near: str | None = option(
        text,
        "--near LAT,LON",
        "Taken near these coordinates, or near a city.",
        heading=WHICH,
        completion="places",
    )
    within: str | None = option(
        text, "--within KM", "With --near: so near.", heading=WHICH, default_text="10 km"
    )
    camera: tuple[str, ...] = several(
        text, "--camera NAME", "Of this make or model (repeatable).", heading=WHICH
    )
    lens: tuple[str, ...] = several(
        text, "--lens NAME", "Taken with this lens (repeatable).", heading=WHICH
    )
    under: tuple[str, ...] = several(
        text,
        "--under FOLDER",
        "In this folder or library (repeatable).",
        heading=WHICH,
        completion="libraries",
    )
    not_under: tuple[str, ...] = several(
        text, "--not-under FOLDER", "Not in it (repeatable).", heading=WHICH, completion="libraries"
    )
    format: tuple[str, ...] = several(
        text,
        "--format NAME",
        "JPEG, PNG, HEIF, RAW, ... (repeatable).",
        heading=WHICH,
        completion="formats",
    )
    orientation: Orientation | None = option(
        _ORIENTATION, "--orientation", "Of this shape.", heading=WHICH
    )
    min_megapixels: float | None = option(
        values.zero_or_more,
        "--min-megapixels N",
        "With so many million pixels or more.",
        heading=WHICH,
    )
    max_megapixels: float | None = option(
        values.zero_or_more,
        "--max-megapixels N",
        "With so many million pixels or fewer.",
        heading=WHICH,
    )
    tag: tuple[str, ...] = several(
        text, "--tag WORD", "With this keyword (repeatable: with all of them).", heading=WHICH
    )
    rating: int | None = option(
        values.stars, "--rating 1-5", "With so many stars or more.", heading=WHICH
    )
    offset: int = option(
        values.not_negative,
        "--offset N",
        "Leave out so many of the best.",
        default=0,
        heading=SHOWN,
    )
    sort: Order = option(
        _ORDER, "--sort", "Best first, or those 100 by date.", default="fit", heading=SHOWN
    )
    only_fitting: bool = flag(
        "--only-fitting", "Leave out what does not fit; exit 1 if nothing fits.", heading=SHOWN
    )
    fold: bool = flag(
        "--[no-]fold",
        "Copies of one picture are one result, the largest, shown as +3.",
        default=True,
        heading=SHOWN,
    )
    json: bool = flag("--json", "One JSON object a line.", heading=SHOWN)
    csv: bool = flag("--csv", "Comma-separated values, with a header; no formulas.", heading=SHOWN)
    paths: bool = flag("--paths", "Paths alone, one a line.", heading=SHOWN)
    nul: bool = flag("-0", "With --paths: end each with NUL, for xargs -0.", heading=SHOWN)
    html: str | None = option(
        text,
        "--html FILE",
        "Write a gallery in one file too; -: to stdout.",
        heading=SHOWN,
        completion="files",
    )
    open: bool = flag("--open", "Open the results as a gallery in the browser.", heading=SHOWN)
    preview: Preview | None = option(
        _PREVIEW,
        "--preview [auto|blocks|kitty|iterm2|sixel]",
        "Show thumbnails, also of more than a hundred; blocks: as characters.",
        heading=SHOWN,
        default_text="where the terminal draws pictures",
        alone="auto",
    )
    no_preview: bool = flag("--no-preview", "Show no thumbnails.", heading=SHOWN)
    root: tuple[str, ...] = several(
        text,
        "--root [LIBRARY=]DIR",
        "Where a library lies here, for an index made elsewhere; remembered.",
        heading=SHOWN,
        completion="folders",
    )


class AskedInWords(Asked):
    """The options and arguments of `query`."""

    text: tuple[str, ...] = arguments(
        values.text, "[TEXT...]", "What to look for, in any language; -: see --from-file."
    )
    from_file: str | None = option(
        values.text,
        "--from-file FILE",
        "Ask each line of a file (-: of stdin) as a question of its own.",
        heading=TERMS,
        completion="files",
    )
    match: str | None = option(
        values.text,
        "--match WORDS",
        "With these whole words in name, caption, tags or place: alone, or beside the rest"
        "; '': none.",
        heading=TERMS,
        default_text="the words of a plain question",
    )
    any_word: bool = flag(
        "--any-word",
        "With --match alone: photos with only some of its words, too.",
        heading=TERMS,
    )
    literal: bool = flag("--literal", "Do not read dates and places from the words.", heading=TERMS)


class AskedByPictures(Asked):
    """The options and arguments of `similar`."""

    photos: tuple[str, ...] = arguments(
        text,
        "PHOTO...",
        "A picture file (-: stdin), or the id, the relative path or the rank in the last result"
        " list (@3) of an indexed photo; several: what is like all of them.",
        completion="files",
    )
    box: Box | None = option(
        read_box,
        "--box LEFT,TOP,WIDTH,HEIGHT",
        "Only that part of the (first) photo, in pixels of the upright picture.",
        heading=TERMS,
    )
