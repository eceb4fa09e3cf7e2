"""The tables of a local index, and whether a file's are these. `migrations` makes them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping

from imgsearch.errors import IndexDamaged
from imgsearch.index.local import facet_counts, photo_texts, word_search
from imgsearch.index.local.database import BACKUP, Database

APPLICATION_ID = 0x696D6773  # "imgs"
VERSION = 9  # of a local index alone

# `row` numbers a vector for good: another vector is another row, so what is derived from a row
# stays true or its row is gone. AUTOINCREMENT: no number is used twice. A photo has one embedding
# of kind 0 (the whole photo, no place in it), whose row is the photo's, and parts (`photo_parts`),
# whose rows are above 2^40. `parted`: the kinds of parts it was looked through for, as bits.
TABLES = """
create table meta (key text primary key, value text not null) without rowid;
create table libraries (
    number integer primary key,
    name text not null unique,
    photos integer not null default 0,
    root_hint text
);
create table photos (
    row integer primary key autoincrement,
    id blob not null unique,
    library integer not null references libraries,
    relative_path text not null,
    path_escaped integer not null,
    size integer not null,
    mtime_ns integer not null,
    content_hash blob not null,
    format text not null,
    width integer not null,
    height integer not null,
    taken text,
    taken_offset text,
    latitude real,
    longitude real,
    camera text,
    lens text,
    taken_precision text,
    taken_source text,
    title text,
    caption text,
    tags text,
    rating integer,
    country text,
    city text,
    metadata_mark integer not null default 0,
    perceptual_hash blob,
    parted integer not null default 0
);
create index photos_by_path on photos (library, relative_path);
create index photos_by_hash on photos (content_hash);
create index photos_by_taken on photos (taken, taken_precision);
create index photos_by_picture on photos (format, camera, width, height);
create index photos_by_place on photos (country, city);
create index photos_by_latitude on photos (latitude, longitude) where latitude is not null;
create table tags (
    tag text not null,
    photo integer not null references photos,
    primary key (tag, photo)
) without rowid;
create index tags_by_photo on tags (photo);
create trigger photo_added after insert on photos begin
    update libraries set photos = photos + 1 where number = new.library;
end;
create trigger photo_moved after update of library on photos
when old.library is not new.library begin
    update libraries set photos = photos - 1 where number = old.library;
    update libraries set photos = photos + 1 where number = new.library;
end;
create table embeddings (
    row integer primary key,
    photo integer not null references photos,
    kind integer not null default 0,
    place text,
    vector blob not null,
    checksum integer not null
);
create unique index embeddings_by_photo on embeddings (photo, kind, coalesce(place, ''));
create trigger photo_gone after delete on photos begin
    update libraries set photos = photos - 1 where number = old.library;
    delete from embeddings where photo = old.row;
    delete from tags where photo = old.row;
    delete from texts where photo = old.row;
end;
"""
SEGMENTS = """
create table segments (
    first integer primary key,
    last integer not null,
    rows integer not null,
    codes text not null,
    codes_digest text not null,
    sketch text,
    sketch_digest text
)
"""

# what may compute for ever: no imgsearch has made any
COMPUTED = (
    "select count(*) from sqlite_master where type = 'view'"
    " or sql like 'create virtual%' and sql not like 'create virtual table words using fts5(%'"
)


def statements(script: str) -> list[str]:
    """`executescript` would commit in the middle."""
    found, part = [], ""
    for piece in script.split(";"):
        part += piece + ";"
        if sqlite3.complete_statement(part):
            found.append(part.strip())
            part = ""
    return [statement for statement in found if statement != ";"]


def _name(statement: str) -> str:
    """Of what a `create` makes."""
    parts = statement.split()
    return parts[3] if parts[1] in ("unique", "virtual") else parts[2]


_ALL = f"{word_search.TABLE}{TABLES}{photo_texts.TABLE}{facet_counts.TABLES}{SEGMENTS};"
EXPECTED: Mapping[str, str] = {_name(statement): statement for statement in statements(_ALL)}


def check(database: Database) -> None:
    """Whether all tables are as they were made: the database may be a stranger's. What holds no
    data of its own (indexes, triggers, the list of search files) is made again, or, in a database
    that cannot be written to, left as it is. Raises IndexDamaged."""
    odd = _odd(database)
    lasting = [name for name in odd if _lasting(name)]
    if lasting:
        raise not_ours(database, f"its table {lasting[0]!r} is not as it was made")
    if odd and database.writable:
        with database.transaction() as connection:
            for name, kind in odd.items():
                if kind is not None:
                    quoted = name.replace('"', '""')
                    connection.execute(f'drop {kind} "{quoted}"')
            for name in EXPECTED:
                if name in odd:
                    connection.execute(EXPECTED[name])
            if "words" in odd:
                word_search.fill(connection)
        database.notes.append(f"{database.path} was not as imgsearch makes it; it was mended.")
    elif "segments" in odd or "words" in odd:
        name = "segments" if "segments" in odd else "words"
        raise not_ours(database, f"its table {name!r} is not as it was made")


def _lasting(name: str) -> bool:
    return name in EXPECTED and EXPECTED[name].startswith("create table") and name != "segments"


def _odd(database: Database) -> dict[str, str | None]:
    """What differs: the name, and what it is (None: it is missing). Another's tables and views do
    no harm, another's triggers and indexes on our tables do."""
    found = {
        name: (kind, table, sql)
        for kind, name, table, sql in database.rows(
            "select type, name, tbl_name, sql from sqlite_master"
        )
    }
    odd: dict[str, str | None] = {}
    for name, expected in EXPECTED.items():
        kind, _, sql = found.get(name, (None, None, ""))
        if kind is None or not _same(sql, expected):
            odd[name] = kind
    for name, (kind, table, sql) in found.items():
        added = name not in EXPECTED and kind in ("trigger", "index") and sql is not None
        if added and (table in EXPECTED or kind == "trigger"):
            odd[name] = kind
    return odd


def _same(sql: str | None, expected: str) -> bool:
    """Whether both make the same. SQLite keeps what was written, but for "create table"."""
    as_written = (sql or "").lower() == expected.rstrip("; ").lower()
    return as_written or _plain(sql) == _plain(expected)


def _plain(sql: str | None) -> str:
    """Without what SQLite changes: spaces, the case of its own words, the final semicolon."""
    spaced = " ".join((sql or "").split()).rstrip("; ").lower()
    return re.sub(r" ?([(),]) ?", r"\1", spaced)


def not_ours(database: Database, how: str) -> IndexDamaged:
    return IndexDamaged(f"{database.path} is damaged: {how}.", BACKUP)
