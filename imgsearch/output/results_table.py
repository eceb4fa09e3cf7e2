"""Search results for a person: a table of plain text, one pasteable path a hit. It is written
without Rich, whose import would take a tenth of a query's time."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from imgsearch import photos
from imgsearch.dataclass import dataclass
from imgsearch.escaping import shell_quoted, shown
from imgsearch.output.captions import found_part
from imgsearch.roots.locations import Refusal
from imgsearch.search.cut_off import LEAST_SURPRISE

if TYPE_CHECKING:
    from imgsearch.results import Hit, Results, SomeWords

NARROW = 60  # columns; below, a hit takes two lines
TITLE_AT_MOST = 200  # columns of the title, however wide the output
ELLIPSIS = "…"
_LINE = 30  # columns of a line of text that was read in a photo
DIM, _BOLD, _YELLOW, _PLAIN = "\x1b[2m", "\x1b[1m", "\x1b[33m", "\x1b[0m"
# Latin letters, and the dashes, quotation marks and ellipsis of a title: one column each, for which
# Rich's tables need not be imported
_NARROW = re.compile("[\x20-\x7e\xa1-\xac\xae-\u02ff\u2010-\u2026]*")
_WORDS = re.compile(r"\w+|\W")


Piece = tuple[str, int]  # text, with its styles; the columns that it takes


@dataclass(frozen=True, slots=True)
class Page:
    """The width and style of the output. `columns`: None where lines may have any length."""

    columns: int | None
    styled: bool
    links: bool = False


def table_lines(results: Results, title: str | None, page: Page) -> Iterator[str]:
    """The table, line by line, without trailing blanks."""
    if title is not None:
        yield title_line(title, page)
    if page.columns is not None and page.columns < NARROW:
        yield from _two_lines_each(results, page, page.columns)
    else:
        yield from _one_line_each(results, page)


def title_line(title: str, page: Page) -> str:
    columns = min(page.columns or TITLE_AT_MOST, TITLE_AT_MOST)
    return styling(page.styled)(_BOLD, cut(shown(title), columns))


def facts_beside(hit: Hit, columns: int, page: Page) -> list[Piece]:
    """What the table says of a hit, in up to five lines of so many columns: rank and score, path,
    where its words are, date, and what is the matter with the file."""
    style = styling(page.styled)
    numbers = "  ".join(filter(None, [str(hit.rank), _score(hit)]))
    path = path_shown(hit, columns)
    note = cut(_note(hit).strip(), columns)
    name = _linked(path, hit, page), width(path)
    lines = [(numbers, width(numbers)), name]
    why = cut(_why(hit), columns)
    for code, text in ((DIM, why), (DIM, _date(hit)), (_YELLOW, note)):
        if text:
            lines.append((style(code, text), width(text)))
    return lines


def _one_line_each(results: Results, page: Page) -> Iterator[str]:
    style = styling(page.styled)
    before = [[str(hit.rank)] for hit in results]
    names = ["rank"]
    numbered = 1
    for name, cell in _COLUMNS.items():
        if any(map(cell, results)):
            names.append(name)
            numbered += cell in (_cosine, _surprise)
            for cells, hit in zip(before, results, strict=True):
                cells.append(cell(hit))
    widths = [max(map(width, column)) for column in zip(names, *before, strict=True)]
    head = "  ".join(map(str.ljust, names, widths))
    yield style(DIM, f"{head}  path")
    indent = width(head) + 2
    for cells, hit in zip(before, results, strict=True):
        yield from _line_of_fitting(results, hit, style)
        numbers = [cell.rjust(size) for cell, size in zip(cells[:numbered], widths, strict=False)]
        dates = [
            cell.ljust(size) for cell, size in zip(cells[numbered:], widths[numbered:], strict=True)
        ]
        note = _note(hit)
        left = None if page.columns is None else page.columns - indent - width(note)
        path = _linked(path_shown(hit, left), hit, page)
        yield f"{'  '.join([*numbers, *dates])}  {path}{style(_YELLOW, note)}".rstrip()


def _two_lines_each(results: Results, page: Page, columns: int) -> Iterator[str]:
    style = styling(page.styled)
    rank_width = max(len(str(hit.rank)) for hit in results) if results else 1
    for hit in results:
        yield from _line_of_fitting(results, hit, style)
        facts = [str(hit.rank).rjust(rank_width), _score(hit), _why(hit), _date(hit)]
        first = "  ".join(filter(None, facts))
        yield f"{first}{style(_YELLOW, _note(hit))}"
        path = path_shown(hit, columns - rank_width - 2)
        yield " " * (rank_width + 2) + _linked(path, hit, page)


def _linked(text: str, hit: Hit, page: Page) -> str:
    if not page.links or hit.raw_path is None or hit.missing:
        return text
    from imgsearch.output import links

    return links.linked(text, hit.raw_path)


def styling(styled: bool) -> Callable[[str, str], str]:
    def style(code: str, text: str) -> str:
        return f"{code}{text}{_PLAIN}" if styled and text else text

    return style


def _score(hit: Hit) -> str:
    """The cosine; where it tells whether the hit fits, also how surprising that is."""
    return f"{_cosine(hit)} {_surprise(hit):>5}".rstrip()


def _cosine(hit: Hit) -> str:
    return "" if hit.score is None else f"{hit.score:.3f}"


def _surprise(hit: Hit) -> str:
    """How surprising the cosine is in this index, in percent; nothing where the hit has no such
    number. Below the line it is never rounded up to the line's."""
    if hit.surprise is None:
        return ""
    if hit.surprise >= LEAST_SURPRISE:
        return f"{100 * hit.surprise:.0f} %"
    return f"{min(int(100 * hit.surprise), round(100 * LEAST_SURPRISE) - 1)} %"


def _why(hit: Hit) -> str:
    """Which part of it was found; whether that is nearly the picture that is asked for; and where
    its words are, of those that were read in the photo the line; else nothing."""
    fields = [reason for reason in hit.why if reason != "fit"]
    line = "" if hit.line is None else f"“{cut(shown(hit.line), _LINE)}”"
    told = [line or reason if reason == "text" else reason for reason in hit.why]
    part = [found_part(hit.part)] if hit.part is not None and not line else []
    is_near = hit.why == ("fit",) and hit.surprise is None and hit.score is not None
    near = ["near copy"] if is_near else []
    return ", ".join([*part, *near, *(told if fields else ())])


def _line_of_fitting(results: Results, hit: Hit, style: Callable[[str, str], str]) -> Iterator[str]:
    """Ahead of the first hit that does not fit."""
    told = fitting_told(results)
    if told is not None and hit is next((one for one in results if not one.fits), None):
        yield style(DIM, told)


def fitting_told(results: Results) -> str | None:
    """Where what fits ends, for a person; None where the end is not on this page."""
    if results.fitting is None or all(hit.fits for hit in results) or results.by_date:
        return None
    if results.question.offset > results.fitting:
        return None  # told on a page before
    if results.some_words is not None:
        return _words_told(results, results.fitting, results.some_words)
    if not results.fitting:
        return "Nothing fits clearly; these are the nearest:"
    verb = "fits" if results.fitting == 1 else "fit"
    return f"{results.fitting:,} {verb}; then the nearest others:"


def _words_told(results: Results, fitting: int, some: SomeWords) -> str:
    """The same, where words were looked for alone."""
    if fitting:
        have = "1 has" if fitting == 1 else f"{fitting:,} have"
        return f"{have} all the words; then those with some:"
    if not some.nowhere:
        return "No photo has all of the words; these have some:"
    named = " or ".join(f"“{shown(word)}”" for word in some.nowhere)
    return f"No photo has {named}; these have {_some_of_it(results)}:"


def more_told(results: Results) -> str | None:
    """How many photos have only some of the words, for a person; None where there are none, or
    where they are among the results."""
    some = results.some_words
    if some is None or not some.photos or not results or not all(hit.fits for hit in results):
        return None
    verb = "photo has" if some.photos == 1 else "photos have"
    least = "at least " if some.at_least else ""
    told = f"{least}{some.photos:,} more {verb} {_some_of_it(results)}"
    return told[:1].upper() + told[1:]


def _some_of_it(results: Results) -> str:
    several = len((results.question.match or "").split()) > 1
    return "some of the words" if several else "parts of it"


def by_fit(results: Results) -> Iterator[tuple[str | None, Sequence[Hit]]]:
    """The hits of a page in order: those that fit, and the others with the line to be told ahead of
    them; all at once where no such line is."""
    told = fitting_told(results)
    if told is None:
        yield None, results.hits
        return
    first = next(place for place, hit in enumerate(results) if not hit.fits)
    yield None, results.hits[:first]
    yield told, results.hits[first:]


def _date(hit: Hit) -> str:
    return shown((hit.record.taken_known or "")[:10])


_COLUMNS: Mapping[str, Callable[[Hit], str]] = {  # after the rank, those that say something
    "score": _cosine,
    "surprise": _surprise,
    "why": _why,
    "date": _date,
}


def _note(hit: Hit) -> str:
    copies = f" +{hit.copies:,}" if hit.copies else ""
    if hit.missing:
        return f"{copies} (missing)"
    if hit.raw_path is not None:
        return copies
    leads_out = hit.refusal is Refusal.LEADS_OUT
    return f"{copies} ({'leads out of its library' if leads_out else 'not on this machine'})"


def path_shown(hit: Hit, columns: int | None) -> str:
    """A path as a shell takes it: relative to the working directory where that is shorter; where
    it lies on another machine, the library and the path in it. `similar` takes all of them, also
    shortened to so many columns."""
    if hit.raw_path is None:
        record = hit.record
        relative = photos.path_bytes(record.relative_path, record.path_escaped)
        return _shortened(record.library.encode(errors="replace") + b"/" + relative, columns)
    return _shortened(_nearest(hit.raw_path), columns)


def _nearest(path: bytes) -> bytes:
    try:
        relative = os.path.relpath(path)
    except (OSError, ValueError):  # the working directory is gone; another drive on Windows
        return path
    return relative if len(relative) < len(path) else path


def _shortened(path: bytes, columns: int | None) -> str:
    """Folders in the middle go first, then words in the middle of the name, then characters."""

    def text(pieces: Sequence[bytes]) -> str:
        return shell_quoted(b"".join(pieces))

    whole = text([path])
    if columns is None or width(whole) <= columns:
        return whole
    folders = re.split(rb"(?<=/)", path)
    for pieces in _fewer(folders, b"/"):
        if width(text(pieces)) <= columns:
            return text(pieces)
    name = [word.encode("utf-8", "surrogateescape") for word in _words(folders[-1])]
    for pieces in _fewer(name, b""):
        if len(pieces) > 1 and width(text(pieces)) <= columns:
            return text(pieces)
    return cut_in_the_middle(text(folders[-1:]), columns)


def _words(name: bytes) -> list[str]:
    return _WORDS.findall(name.decode("utf-8", "surrogateescape"))


def _fewer(pieces: Sequence[bytes], separator: bytes) -> Iterator[list[bytes]]:
    """With an ellipsis in the place of ever more of the pieces in the middle; the last piece
    stays."""
    gap = ELLIPSIS.encode() + separator
    for kept in range(len(pieces) - 1, 0, -1):
        first = kept // 2
        last = kept - first
        yield [*pieces[:first], gap, *pieces[len(pieces) - last :]]


def width(text: str) -> int:
    """The number of terminal columns that a text takes."""
    if _NARROW.fullmatch(text):
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def cut(text: str, columns: int) -> str:
    """The beginning, and an ellipsis if that is not all."""
    if width(text) <= columns:
        return text
    kept = text[: max(columns - 1, 0)]
    while kept and width(kept) > columns - 1:
        kept = kept[:-1]
    return kept.rstrip() + ELLIPSIS


def cut_in_the_middle(text: str, columns: int) -> str:
    """The beginning and the end, which says what kind of file it is."""
    if width(text) <= columns:
        return text
    half = max(columns - 1, 2) // 2
    first, last = text[:half], text[-half:]
    while width(first) > half:
        first = first[:-1]
    while width(last) > half:
        last = last[1:]
    return f"{first}{ELLIPSIS}{last}"
