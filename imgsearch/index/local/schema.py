"""The tables of a local index, and how older ones become today's."""

from __future__ import annotations

import os
import re
import sqlite3
import zlib
from collections.abc import Callable, Mapping

from imgsearch import installation
from imgsearch.errors import Action, IndexDamaged, IndexTooNew, IndexUnavailable
from imgsearch.index.local import facet_counts, photo_texts, words
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

Migration = Callable[[sqlite3.Connection], None]


def _sketches_for_graphs(connection: sqlite3.Connection) -> None:
    """Files that the next ingest makes anew, and clears away."""
    connection.execute("alter table segments rename to old_segments")
    connection.execute(SEGMENTS)
    columns = "first, last, rows, codes, codes_digest"
    connection.execute(f"insert into segments ({columns}) select {columns} from old_segments")
    connection.execute("drop table old_segments")


def _sketches_that_compare(connection: sqlite3.Connection) -> None:
    """The next ingest makes them anew."""
    connection.execute("update segments set sketch = null, sketch_digest = null")


def _embeddings_for_vectors(connection: sqlite3.Connection) -> None:
    """Checksums; and room for more than one vector a photo."""
    connection.create_function("crc32", 1, zlib.crc32, deterministic=True)
    connection.execute("drop trigger if exists photo_gone")
    for name in ("photo_moved", "embeddings", "embeddings_by_photo"):
        connection.execute(EXPECTED[name])
    last = 0
    while True:  # some at a time: what is deleted makes room for what follows
        (until,) = connection.execute(
            "select max(row) from (select row from vectors where row > ? order by row limit 10000)",
            (last,),
        ).fetchone()
        if until is None:
            break
        connection.execute(
            "insert into embeddings (row, photo, vector, checksum)"
            " select row, row, vector, crc32(vector) from vectors where row > ? and row <= ?",
            (last, until),
        )
        connection.execute("delete from vectors where row > ? and row <= ?", (last, until))
        last = until
    connection.execute("drop table vectors")


def _photos_described(connection: sqlite3.Connection) -> None:
    """What pictures say about themselves. The next ingest fills it in, from headers alone."""
    for column in (
        "taken_precision text",
        "taken_source text",
        "title text",
        "caption text",
        "tags text",
        "rating integer",
        "country text",
        "city text",
        "metadata_mark integer not null default 0",
    ):
        connection.execute(f"alter table photos add column {column}")
    connection.execute("drop trigger if exists photo_gone")
    for name in (
        "photos_by_taken",
        "photos_by_picture",
        "photos_by_place",
        "photos_by_latitude",
        "tags",
        "tags_by_photo",
        "photo_gone",
    ):
        connection.execute(EXPECTED[name])


def _copies_and_counts(connection: sqlite3.Connection) -> None:
    """Perceptual hashes, which are made when copies are looked for; and counts of facets."""
    connection.execute("alter table photos add column perceptual_hash blob")
    for statement in _statements(facet_counts.TABLES):
        connection.execute(statement)
    facet_counts.count_all(connection)


def _parts_of_photos(connection: sqlite3.Connection) -> None:
    connection.execute("alter table photos add column parted integer not null default 0")


def _texts_of_photos(connection: sqlite3.Connection) -> None:
    """Among the words, too; SQLite adds no column to an FTS5 table."""
    connection.execute("drop trigger if exists photo_gone")
    connection.execute("drop table if exists words")
    for name in ("texts", "photo_gone", "words"):
        connection.execute(EXPECTED[name])
    words.fill(connection)


# from the version that is the key to the next one
MIGRATIONS: Mapping[int, Migration] = {
    1: _sketches_for_graphs,
    2: _sketches_that_compare,
    3: _embeddings_for_vectors,
    4: _photos_described,
    5: _copies_and_counts,
    6: lambda connection: None,  # words, which version 9 makes anew
    7: _parts_of_photos,
    8: _texts_of_photos,
}


def prepare(
    database: Database,
    migrations: Mapping[int, Migration] = MIGRATIONS,
    current: int = VERSION,
) -> None:
    """Makes the tables of a new file, brings older ones up to date, all in one transaction.
    Raises IndexTooNew, IndexDamaged (another program's database)."""
    if _is_current(database, current):
        return
    if not database.writable:
        raise IndexUnavailable(
            f"{database.path} is of an older version and cannot be written to.",
            "Copy the index folder to a place where it can be, and use it there.",
        )
    with database.transaction() as connection:
        if _is_current(database, current):  # another process has done it meanwhile
            return
        if not database.value("select count(*) from sqlite_master"):
            _create(connection)
        else:
            for version in range(database.value("pragma user_version"), current):
                if version not in migrations:
                    raise _not_ours(database, f"no imgsearch wrote schema {version}")
                migrations[version](connection)
        connection.execute(f"pragma user_version = {current}")


def _is_current(database: Database, current: int) -> bool:
    if not database.value("select count(*) from sqlite_master"):
        return False
    if database.value("pragma application_id") != APPLICATION_ID:
        raise IndexDamaged(
            f"{database.path} is a database of another program.",
            "Name another place",
            Action("name an index"),
        )
    if database.value(COMPUTED):
        raise _not_ours(database, "it holds views or virtual tables")
    version: int = database.value("pragma user_version")
    if version > current:
        raise IndexTooNew(
            f"{database.path} was written by a newer imgsearch (schema {version}; this one knows"
            f" {current}).",
            f"Update imgsearch: {installation.upgrade_command()}",
        )
    return version == current


def _create(connection: sqlite3.Connection) -> None:
    connection.execute(f"pragma application_id = {APPLICATION_ID}")
    for statement in EXPECTED.values():
        connection.execute(statement)
    connection.execute("insert into meta values ('index_id', ?)", (os.urandom(16).hex(),))


def _statements(script: str) -> list[str]:
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


_ALL = f"{words.TABLE}{TABLES}{photo_texts.TABLE}{facet_counts.TABLES}{SEGMENTS};"
EXPECTED: Mapping[str, str] = {_name(statement): statement for statement in _statements(_ALL)}


def check(database: Database) -> None:
    """Whether all tables are as they were made: the database may be a stranger's. What holds no
    data of its own (indexes, triggers, the list of search files) is made again, or, in a database
    that cannot be written to, left as it is. Raises IndexDamaged."""
    odd = _odd(database)
    lasting = [name for name in odd if _lasting(name)]
    if lasting:
        raise _not_ours(database, f"its table {lasting[0]!r} is not as it was made")
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
                words.fill(connection)
        database.notes.append(f"{database.path} was not as imgsearch makes it; it was mended.")
    elif "segments" in odd or "words" in odd:
        name = "segments" if "segments" in odd else "words"
        raise _not_ours(database, f"its table {name!r} is not as it was made")


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
        if kind is None or _plain(sql) != _plain(expected):
            odd[name] = kind
    for name, (kind, table, sql) in found.items():
        added = name not in EXPECTED and kind in ("trigger", "index") and sql is not None
        if added and (table in EXPECTED or kind == "trigger"):
            odd[name] = kind
    return odd


def _plain(sql: str | None) -> str:
    """Without what SQLite changes: spaces, the case of its own words, the final semicolon."""
    spaced = " ".join((sql or "").split()).rstrip("; ").lower()
    return re.sub(r" ?([(),]) ?", r"\1", spaced)


def _not_ours(database: Database, how: str) -> IndexDamaged:
    return IndexDamaged(f"{database.path} is damaged: {how}.", BACKUP)
