"""Search results with their thumbnails, for a terminal that draws pictures: several hits side by
side, each with what a line of the table would say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from imgsearch.dataclass import dataclass
from imgsearch.output import pictures
from imgsearch.output.results_table import Page, Piece, by_fit, facts_beside, title_line
from imgsearch.output.terminal import Cell, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image

    from imgsearch.results import Hit, Results

Drawing = Protocol | Literal["blocks"]

ROWS = 5  # of a thumbnail; a line between the rows of hits is left empty
COLUMNS = 14  # of a thumbnail: 4 to 3 where a cell is twice as high as wide
_GAP = 2  # columns between a thumbnail and its text, and between two hits
_HIT = 40  # columns that a hit needs: 2 of them in 80, 3 in 120, 5 in 200
NARROWEST = 32  # columns; below, names would not be readable
LOWEST = ROWS + 2  # lines of a terminal


@dataclass(frozen=True, slots=True)
class Sheet:
    """What hits are drawn on. `encoding`: of the terminal. `cell`: pixels of one character.
    `thumbnail`: WebP of a hit, None where there is none."""

    page: Page  # whose columns are known
    encoding: str
    drawing: Drawing
    cell: Cell
    thumbnail: Callable[[Hit], bytes | None]


def pixels_needed(cell: Cell) -> int:
    """The longer side of a thumbnail, in pixels."""
    return max(COLUMNS * cell.width, ROWS * cell.height)


def drawn(results: Results, title: str | None, sheet: Sheet) -> Iterator[bytes]:
    """What draws them, row by row. The cursor begins and ends at the beginning of a line."""
    if title is not None:
        yield _line(title_line(title, sheet.page), sheet)
    columns = sheet.page.columns or 0
    beside = max(1, columns // _HIT)
    for told, hits in by_fit(results):
        if told is not None:
            yield _line(told, sheet)
        for start in range(0, len(hits), beside):
            yield b"".join(_row(hits[start : start + beside], columns // beside, sheet))


def _row(hits: Sequence[Hit], columns: int, sheet: Sheet) -> Iterator[bytes]:
    """The text first: a terminal scrolls for it, and what is drawn then stays where it is."""
    images = [pictures.opened(sheet.thumbnail(hit)) for hit in hits]
    lefts = [_blocks(image) if sheet.drawing == "blocks" else [] for image in images]
    rights = [facts_beside(hit, columns - COLUMNS - 2 * _GAP, sheet.page) for hit in hits]
    for number in range(ROWS):
        line = _Line()
        for hit, (left, right) in enumerate(zip(lefts, rights, strict=True)):
            line.add(hit * columns, left[number : number + 1])
            line.add(hit * columns + COLUMNS + _GAP, right[number : number + 1])
        yield _line(line.text, sheet)
    if sheet.drawing != "blocks":
        yield b"".join(_placed(images, columns, sheet.drawing, sheet.cell))
    yield _line("", sheet)


def _blocks(image: Image | None) -> list[Piece]:
    if image is None:
        return []
    lines, across = pictures.blocks(image, COLUMNS, ROWS)
    return [(line, across) for line in lines]


def _placed(
    images: Sequence[Image | None], columns: int, protocol: Protocol, cell: Cell
) -> Iterator[bytes]:
    """From the line below the text: up, from one picture to the next, and down again."""
    yield b"\x1b[%dA" % ROWS
    for number, image in enumerate(images):
        if image is not None:
            to_the_right = b"\x1b[%dC" % (number * columns) if number else b""
            picture = pictures.drawn(image, protocol, COLUMNS, ROWS, cell)
            yield b"\r%s\x1b7%s\x1b8" % (to_the_right, picture)
    yield b"\r\x1b[%dB" % ROWS


class _Line:
    """Text that is put together from pieces at given columns."""

    def __init__(self) -> None:
        self.text, self._columns = "", 0

    def add(self, column: int, pieces: Sequence[Piece]) -> None:
        """Add at most one piece to a line, at `column`."""
        for text, columns in pieces:
            self.text += " " * (column - self._columns) + text
            self._columns = column + columns


def _line(text: str, sheet: Sheet) -> bytes:
    return f"{text}\n".encode(sheet.encoding, "backslashreplace")
