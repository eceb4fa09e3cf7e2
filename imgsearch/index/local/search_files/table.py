"""The photos of the database as the search files number them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from imgsearch.index.local import photo_vectors
from imgsearch.index.local.database import Database
from imgsearch.index.local.search_files.codes import Codes, Rows

BLOCK = 8192  # rows that are read or copied at a time: 16 MB of f32


def last_row(database: Database) -> int | None:
    row: int | None = database.value("select max(row) from photos")
    return row


def photos_above(database: Database, row: int) -> int:
    """And those whose number is none that a row gets, which are in no file."""
    statement = "select count(*) from photos where row > ? or row <= 0"
    return int(database.value(statement, (row,)))


def end_of_next(database: Database, first: int, size: int) -> int:
    """The row that ends a file of `size` rows which begins above `first`. By counting:
    the numbers of rows may leap."""
    statement = "select row from photos where row > ? order by row limit 1 offset ?"
    row: int | None = database.value(statement, (first, size - 1))
    return last_row(database) or first if row is None else row


def live(database: Database, first: int, last: int) -> Rows:
    found = database.rows(
        "select row from photos where row > ? and row <= ? order by row", (first, last)
    )
    return np.fromiter((row for (row,) in found), np.int64, len(found))


def blocks_of_vectors(
    database: Database, first: int, last: int | None, dims: int
) -> Iterator[Codes]:
    """Without what cannot be read as a vector."""
    while True:
        found = database.rows(
            "select row, vector, checksum from embeddings join photos using (row)"
            " where row > ? and row <= ? order by row limit ?",
            (first, 2**63 - 1 if last is None else last, BLOCK),
        )
        if not found:
            return
        first = found[-1][0]
        rows, vectors = photo_vectors.readable(found, dims)
        if len(rows):
            yield Codes.of(rows, vectors)
