"""How a local index is made, and how one of an older version becomes today's."""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Callable, Mapping

from imgsearch.errors import Action, IndexDamaged, IndexTooNew, IndexUnavailable
from imgsearch.index.local import facet_counts, word_search
from imgsearch.index.local.database import Database
from imgsearch.index.local.schema import (
    APPLICATION_ID,
    COMPUTED,
    EXPECTED,
    SEGMENTS,
    VERSION,
    not_ours,
    statements,
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
    for statement in statements(facet_counts.TABLES):
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
    word_search.fill(connection)


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
                    raise not_ours(database, f"no imgsearch wrote schema {version}")
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
        raise not_ours(database, "it holds views or virtual tables")
    version: int = database.value("pragma user_version")
    if version > current:
        from imgsearch import installation

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
