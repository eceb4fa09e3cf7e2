"""How many photos have each value of a facet: kept by triggers as photos come and go, since to
count a million takes a second for each."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from imgsearch.index.base import FACET_VALUES, Facet
from imgsearch.index.local.database import Database

_FIRST_FOLDER = "substr({0}.relative_path, 1, instr({0}.relative_path, '/') - 1)"
_VALUES: Mapping[Facet, str] = {  # of a row {0}; null: the photo is not counted
    "year": "substr({0}.taken, 1, 4)",
    "month": "case when {0}.taken_precision is not 'year' then substr({0}.taken, 1, 7) end",
    "country": "{0}.country",
    "city": "{0}.city",
    "camera": "{0}.camera",
    "folder": f"nullif({_FIRST_FOLDER}, '')",
    "format": "{0}.format",
    "orientation": "case when {0}.width > {0}.height then 'landscape'"
    " when {0}.width < {0}.height then 'portrait' else 'square' end",
}
_COLUMNS = (
    *("library", "relative_path", "taken", "taken_precision", "country", "city", "camera"),
    *("format", "width", "height"),
)
_TABLE = """create table facet_counts (
    facet text not null,
    library integer not null,
    value text not null,
    photos integer not null,
    primary key (facet, library, value)
) without rowid;
"""


def value_of(facet: Facet, row: str = "photos") -> str:
    """SQL for a photo's value of a facet; null where it has none."""
    return _VALUES[facet].format(row)


def _values_of(row: str) -> str:
    """Facets and values of one photo, as a query."""
    each = [f"select '{facet}' as facet, {value_of(facet, row)} as value" for facet in _VALUES]
    return " union all ".join(each)


def _counted(row: str, by: int) -> str:
    """What no photo has any more is not kept."""
    return (
        "insert into facet_counts (facet, library, value, photos)"
        f" select facet, {row}.library, value, {by} from ({_values_of(row)})"
        " where value is not null"
        f" on conflict (facet, library, value) do update set photos = photos + {by};"
    ) + (" delete from facet_counts where photos < 1;" if by < 0 else "")


def _statements() -> Iterator[str]:
    changed = " or ".join(f"old.{name} is not new.{name}" for name in _COLUMNS)
    yield _TABLE
    yield "create index facet_counts_gone on facet_counts (photos) where photos < 1;\n"
    yield f"create trigger photo_counted after insert on photos begin {_counted('new', 1)} end;\n"
    yield (
        f"create trigger photo_counted_anew after update of {', '.join(_COLUMNS)} on photos"
        f" when {changed} begin {_counted('old', -1)} {_counted('new', 1)} end;\n"
    )
    gone = _counted("old", -1)
    yield f"create trigger photo_uncounted after delete on photos begin {gone} end;\n"


TABLES = "".join(_statements())  # and triggers


def count_all(connection: sqlite3.Connection) -> None:
    """Fills the table, which is empty, from all photos."""
    for facet in _VALUES:
        connection.execute(
            "insert into facet_counts (facet, library, value, photos)"
            f" select '{facet}', library, {value_of(facet)} as value, count(*) from photos"
            " where value is not null group by library, value"
        )


_IMPOSSIBLE = (  # without a look at the photos
    "select exists (select 1 from libraries where photos != coalesce((select sum(photos) from"
    " facet_counts where facet = 'orientation' and library = number), 0))"
    " or exists (select 1 from facet_counts where typeof(photos) != 'integer' or photos < 1)"
    " or exists (select 1 from facet_counts group by facet, library having sum(photos) >"
    " coalesce((select photos from libraries where number = library), 0))"
)


def are_wrong(value: Callable[[str], Any], *, exactly: bool) -> bool:
    """Whether counts are damaged, of which SQLite knows nothing. `value` returns what a statement
    finds. `exactly`: all photos are counted, else only what no photos can have is found."""
    if value(_IMPOSSIBLE):
        return True
    return exactly and any(value(_differing(facet)) for facet in _VALUES)


def _differing(facet: Facet) -> str:
    """SQL that says whether the counts of a facet are not those of the photos."""
    counted = (
        f"select library, {value_of(facet)} as value, count(*) from photos"
        " where value is not null group by library, value"
    )
    stored = f"select library, value, photos from facet_counts where facet = '{facet}'"
    return (
        f"select exists (select * from ({counted}) except {stored})"
        f" or exists ({stored} except select * from ({counted}))"
    )


def kept(database: Database, facet: Facet) -> list[tuple[Any, ...]] | None:
    """Library, value and count of the values with the most photos (of years and months: the
    latest), `FACET_VALUES` at most for each library that has a folder of that name, or for all
    libraries together. None: what is kept cannot be right, and has to be counted."""
    library = "library" if facet == "folder" else "0"
    order = "2 desc" if facet in ("year", "month") else "3 desc, 1, 2"
    right = database.value(
        "select (select count(*) from libraries where photos != coalesce((select sum(photos) from"
        " facet_counts where facet = 'orientation' and library = number), 0)) = 0"
        " and not exists (select 1 from facet_counts where facet = ? and"
        " (typeof(photos) != 'integer' or photos < 1))",
        (facet,),
    )
    if not right:
        return None
    return database.rows(
        f"select {library}, value, sum(photos) from facet_counts where facet = ?"
        f" group by 1, 2 order by {order} limit {FACET_VALUES}",
        (facet,),
    )
