"""The vectors of the database as the search files number them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from imgsearch.dataclass import dataclass
from imgsearch.index.local import photo_vectors
from imgsearch.index.local.database import Database
from imgsearch.index.local.search_files.codes import Codes, Rows

BLOCK = 8192  # rows that are read or copied at a time: 16 MB of f32
PARTS_ABOVE = (
    1 << 40
)  # parts of photos have higher numbers in `embeddings`, whole photos lower ones
LAST_PART = "last_part"  # key in `meta`: the highest number that a part ever had


@dataclass(frozen=True, slots=True)
class Space:
    """Vectors that are searched together, under numbers of their own, in SQL. `above`: their lowest
    number is higher."""

    above: int
    # a table and a condition: all of them, as `row`, to be asked for above a number
    rows: str
    joined: str  # with their photos, as `photos`
    row: str  # the number's name in that
    highest: str  # a query for the highest number that there is or ever was


WHOLE = Space(
    above=0,
    rows="photos where true",
    joined="photos where true",
    row="photos.row",
    highest="select seq from sqlite_sequence where name = 'photos'"
    " union all select max(row) from photos",
)
PARTS = Space(
    above=PARTS_ABOVE,
    rows="embeddings where kind > 0",
    joined="embeddings join photos on photos.row = embeddings.photo"
    f" where embeddings.row > {PARTS_ABOVE} and embeddings.kind > 0",
    row="embeddings.row",
    highest=f"select cast(value as integer) from meta where key = '{LAST_PART}'"
    f" union all select max(row) from embeddings where row > {PARTS_ABOVE}",
)


def last_row(database: Database, space: Space) -> int:
    """The highest number; `space.above` where there is none."""
    table = "photos" if space is WHOLE else "embeddings"
    row = database.value(f"select max(row) from {table}")
    return max(row or 0, space.above)


def count_above(database: Database, space: Space, row: int) -> int:
    """And, of whole photos, those whose number is none that a row gets, which are in no file."""
    odd = " or row <= 0" if space is WHOLE else ""
    return int(database.value(f"select count(*) from {space.rows} and (row > ?{odd})", (row,)))


def count(database: Database) -> int:
    """How many parts there are. From an index of the table, since the vectors fill many pages."""
    if last_row(database, PARTS) == PARTS_ABOVE:
        return 0
    statement = "select count(*) from embeddings indexed by embeddings_by_photo where kind > 0"
    return int(database.value(statement))


def highest_row(database: Database, space: Space) -> int:
    """Of all that there ever were: no later one is lower."""
    rows = database.rows(space.highest)
    return max((row for (row,) in rows if isinstance(row, int)), default=space.above)


def any_between(database: Database, space: Space, first: int, last: int) -> bool:
    statement = f"select 1 from {space.rows} and row > ? and row <= ? limit 1"
    return database.value(statement, (first, last)) is not None


def end_of_next(database: Database, space: Space, first: int, size: int) -> int:
    """The row that ends a file of `size` rows which begins above `first`. By counting:
    the numbers of rows may leap."""
    statement = f"select row from {space.rows} and row > ? order by row limit 1 offset ?"
    row: int | None = database.value(statement, (first, size - 1))
    return max(first, last_row(database, space)) if row is None else row


def live(database: Database, space: Space, first: int, last: int) -> Rows:
    found = database.rows(
        f"select row from {space.rows} and row > ? and row <= ? order by row", (first, last)
    )
    return np.fromiter((row for (row,) in found), np.int64, len(found))


def blocks_of_vectors(
    database: Database, space: Space, first: int, last: int | None, dims: int
) -> Iterator[Codes]:
    """Without what cannot be read as a vector."""
    source = "embeddings join photos using (row) where true" if space is WHOLE else space.rows
    while True:
        found = database.rows(
            f"select row, vector, checksum from {source}"
            " and row > ? and row <= ? order by row limit ?",
            (first, 2**63 - 1 if last is None else last, BLOCK),
        )
        if not found:
            return
        first = found[-1][0]
        rows, vectors = photo_vectors.readable(found, dims)
        if len(rows):
            yield Codes.of(rows, vectors)
