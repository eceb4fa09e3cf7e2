"""The table `segments`: which files hold which rows for searching. It is derived and may be a
stranger's, so what cannot be right in it does not count: those rows are searched in memory until
the next ingest writes the files anew."""

from __future__ import annotations

import re
import sqlite3
from typing import Any, NamedTuple

from imgsearch.index.local.database import Database
from imgsearch.index.local.search_files import table
from imgsearch.index.local.search_files.table import Space

_COLUMNS = "first, last, rows, codes, codes_digest, sketch, sketch_digest"
_NAME = re.compile(r"[0-9]{1,20}-[0-9a-f]{8}\.(codes|sketch)")


class Piece(NamedTuple):
    """A row of the table: numbers of vectors in (first, last]."""

    first: int
    last: int
    rows: int
    codes: str
    codes_digest: str
    sketch: str | None  # None: not made; "": tried, and no better than scanning
    sketch_digest: str | None


def is_file_name(name: object, kind: str) -> bool:
    """Whether it is a name that `segments` gives: without a folder."""
    return isinstance(name, str) and name.endswith(kind) and bool(_NAME.fullmatch(name))


def read_pieces(database: Database, space: Space) -> list[Piece]:
    """In order, up to the first that cannot be right: all rows up to the last one's end are in
    some file."""
    found = database.rows(f"select {_COLUMNS} from segments where {_of(space)} order by first")
    top = table.highest_row(database, space) if found else 0
    pieces: list[Piece] = []
    for columns in found:
        piece = _piece(columns)
        before = pieces[-1].last if pieces else space.above
        if piece is None or not before <= piece.first < piece.last <= top:
            break
        if piece.first > before and table.any_between(database, space, before, piece.first):
            break
        pieces.append(piece)
    return pieces


def _piece(columns: tuple[Any, ...]) -> Piece | None:
    first, last, rows, codes, codes_digest, sketch, sketch_digest = columns
    if not (isinstance(last, int) and isinstance(rows, int) and isinstance(codes_digest, str)):
        return None
    if not (1 <= rows <= last - first and is_file_name(codes, ".codes")):
        return None
    if sketch != "" and not is_file_name(sketch, ".sketch"):
        sketch = None
    if not isinstance(sketch_digest, str):
        sketch, sketch_digest = sketch or None, None
    return Piece(first, last, rows, codes, codes_digest, sketch, sketch_digest)


def _of(space: Space) -> str:
    """A condition on `segments`."""
    return f"first {'<' if space is table.WHOLE else '>='} {table.PARTS_ABOVE}"


def forget_others(connection: sqlite3.Connection, space: Space, pieces: list[Piece]) -> None:
    """Deletes the rows that `read_pieces` passed over; their files are orphans then."""
    known = {piece.first for piece in pieces}
    for (first,) in connection.execute(f"select first from segments where {_of(space)}").fetchall():
        if first not in known:
            connection.execute("delete from segments where first = ?", (first,))
