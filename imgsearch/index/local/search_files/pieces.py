"""The table `segments`: which files hold which rows for searching. It is derived and may be a
stranger's, so what cannot be right in it does not count: those rows are searched in memory until
the next ingest writes the files anew."""

from __future__ import annotations

import re
import sqlite3
from typing import Any, NamedTuple

from imgsearch.index.local.database import Database

_COLUMNS = "first, last, rows, codes, codes_digest, sketch, sketch_digest"
_NAME = re.compile(r"[0-9]{1,20}-[0-9a-f]{8}\.(codes|sketch)")


class Piece(NamedTuple):
    """A row of the table: rows of `photos` in (first, last]."""

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


def read_pieces(database: Database) -> list[Piece]:
    """In order, up to the first that cannot be right: all rows up to the last one's end are in
    some file."""
    found = database.rows(f"select {_COLUMNS} from segments order by first")
    top = _highest_row(database) if found else 0
    pieces: list[Piece] = []
    for columns in found:
        piece = _piece(columns)
        before = pieces[-1].last if pieces else 0
        if piece is None or not before <= piece.first < piece.last <= top:
            break
        if piece.first > before and _photos_between(database, before, piece.first):
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


def _highest_row(database: Database) -> int:
    """Of all that there ever were: no later one is lower."""
    rows = database.rows(
        "select seq from sqlite_sequence where name = 'photos' union all"
        " select max(row) from photos"
    )
    return max((row for (row,) in rows if isinstance(row, int)), default=0)


def _photos_between(database: Database, first: int, last: int) -> bool:
    statement = "select 1 from photos where row > ? and row <= ? limit 1"
    return database.value(statement, (first, last)) is not None


def forget_others(connection: sqlite3.Connection, pieces: list[Piece]) -> None:
    """Deletes the rows that `read_pieces` passed over; their files are orphans then."""
    known = {piece.first for piece in pieces}
    for (first,) in connection.execute("select first from segments").fetchall():
        if first not in known:
            connection.execute("delete from segments where first = ?", (first,))
