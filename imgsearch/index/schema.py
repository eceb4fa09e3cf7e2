"""The tables of a local index, and how older ones become today's."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping

from imgsearch import installation
from imgsearch.errors import IndexDamaged, IndexTooNew, IndexUnavailable
from imgsearch.index.database import Database

APPLICATION_ID = 0x696D6773  # "imgs"
VERSION = 3  # of a local index alone

# `row` numbers a vector for good: another vector is another row, so what is derived from a row
# stays true or its row is gone. AUTOINCREMENT: no number is used twice.
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
    lens text
);
create index photos_by_path on photos (library, relative_path);
create index photos_by_hash on photos (content_hash);
create trigger photo_added after insert on photos begin
    update libraries set photos = photos + 1 where number = new.library;
end;
create trigger photo_gone after delete on photos begin
    update libraries set photos = photos - 1 where number = old.library;
    delete from vectors where row = old.row;
end;
create table vectors (row integer primary key, vector blob not null);
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


# from the version that is the key to the next one
MIGRATIONS: Mapping[int, Migration] = {1: _sketches_for_graphs, 2: _sketches_that_compare}


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
                migrations[version](connection)
        connection.execute(f"pragma user_version = {current}")


def _is_current(database: Database, current: int) -> bool:
    if not database.value("select count(*) from sqlite_master"):
        return False
    if database.value("pragma application_id") != APPLICATION_ID:
        raise IndexDamaged(
            f"{database.path} is a database of another program.",
            "Name another place with --index.",
        )
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
    for statement in _statements(TABLES + SEGMENTS):
        connection.execute(statement)
    connection.execute("insert into meta values ('index_id', ?)", (os.urandom(16).hex(),))


def _statements(script: str) -> list[str]:
    """`executescript` would commit in the middle."""
    found, part = [], ""
    for piece in script.split(";"):
        part += piece + ";"
        if sqlite3.complete_statement(part):
            found.append(part)
            part = ""
    return found
