"""Words of names, captions, tags and places, and of text that was read in photos, in SQLite's
full-text index (FTS5): kept in step with `photos` and `texts`, from which it can be made again at
any time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from imgsearch.errors import ImgsearchError, IndexDamaged
from imgsearch.index import untrusted_values
from imgsearch.index.base import Record
from imgsearch.index.local import filters, photo_texts, word_search_damage
from imgsearch.index.local.database import Database
from imgsearch.index.local.search_files.codes import Rows
from imgsearch.index.records import NO_TEXTS
from imgsearch.question import Filter
from imgsearch.word_splitting import FIELDS, Field, Wanted, words_of, words_read

# Kept in step by whoever writes: SQLite forbids triggers to use virtual tables in a database that
# is not trusted. It holds tokens of `imgsearch.word_splitting` with spaces between; in some scripts
# marks are parts of letters.
TABLE = """
create virtual table words using fts5(
    name, caption, tag, place, text,
    tokenize = "unicode61 remove_diacritics 0 categories 'L* N* M*'"
);
"""
MOST = 20_000  # photos with the wanted words that are looked at
_AT_A_TIME = 5000


def store(connection: sqlite3.Connection, row: int, record: Record) -> None:
    """In the transaction that writes the photo, after its lines of text."""
    connection.execute("delete from words where rowid = ?", (row,))
    read = photo_texts.read(connection.execute, [row]).get(row, NO_TEXTS)
    _insert(connection, [(row, {**record.words, **words_read(read.texts)})])


def _insert(
    connection: sqlite3.Connection, rows: Sequence[tuple[int, Mapping[Field, str]]]
) -> None:
    """Photos without a word have no row."""
    columns = ", ".join(FIELDS)
    places = ", ".join("?" * len(FIELDS))
    connection.executemany(
        f"insert into words (rowid, {columns}) values (?, {places})",
        [(row, *(words.get(name, "") for name in FIELDS)) for row, words in rows if words],
    )


def delete_photos(connection: sqlite3.Connection, ids: Sequence[bytes]) -> None:
    """Photos with all that belongs to them."""
    one = "select row from photos where id = ?"
    blobs = [(id,) for id in ids]
    connection.executemany(f"delete from words where rowid = ({one})", blobs)
    connection.executemany("delete from photos where id = ?", blobs)


def fill(connection: sqlite3.Connection) -> None:
    """All of it anew. The photos may be a stranger's: what is no text has no words."""
    connection.execute("delete from words")
    last = 0
    while True:
        found = connection.execute(
            "select row, relative_path, title, caption, tags, country, city from photos"
            " where row > ? order by row limit ?",
            (last, _AT_A_TIME),
        ).fetchall()
        if not found:
            return
        last = found[-1][0]
        read = photo_texts.read(connection.execute, [row for row, *_ in found])
        _insert(
            connection,
            [
                (row, {**_words(*texts), **words_read(read.get(row, NO_TEXTS).texts)})
                for row, *texts in found
            ],
        )


_Done = TypeVar("_Done")


def mending(database: Database, work: Callable[[], _Done]) -> _Done:
    """What `work` returns, which uses the full-text index; again, where that was damaged and could
    be made anew. Raises IndexDamaged."""
    try:
        return work()
    except IndexDamaged as damage:
        try:
            with database.transaction() as connection:
                _make_anew(connection)
        except ImgsearchError:  # it lies on read-only media, or the photos are damaged too
            raise damage from None
    database.notes.append(
        f"The words of names, captions and tags in {database.path} were damaged; they have been"
        " read again from its photos."
    )
    return work()


def mend(database: Database) -> None:
    """Make the full-text index anew if a block of it is zeroed, which SQLite does not notice."""

    def look() -> None:
        if database.value(word_search_damage.ZEROED_BLOCKS):
            raise word_search_damage.damaged(database)

    mending(database, look)


def or_none(database: Database, work: Callable[[], Rows]) -> Rows:
    """Rows that `work` finds; none, and a note, where the full-text index is damaged and cannot be
    made anew."""
    try:
        return mending(database, work)
    except IndexDamaged:
        database.notes.append(
            f"The words of names, captions and tags in {database.path} are damaged and could not be"
            " made anew: only the pictures themselves were compared."
        )
        return np.empty(0, np.int64)


def _make_anew(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("drop table words")
    except sqlite3.Error:  # too damaged to be opened, and so to be dropped
        connection.execute("pragma writable_schema = on")
        connection.execute("delete from sqlite_master where name = 'words'")
        connection.execute("pragma writable_schema = reset")
        for part in word_search_damage.PARTS:
            connection.execute(f"drop table if exists words_{part}")
    connection.execute(TABLE)
    fill(connection)


def _words(
    path: object, title: object, caption: object, tags: object, country: object, city: object
) -> Mapping[Field, str]:
    return words_of(
        untrusted_values.text(path) or "",
        (untrusted_values.text(title), untrusted_values.text(caption)),
        untrusted_values.tags(tags),
        untrusted_values.text(country),
        untrusted_values.text(city),
    )


def forget_erased(database: Database) -> None:
    """Words of photos that are gone stay in the full-text index until its parts are merged."""

    def merged() -> None:
        with database.transaction() as connection:
            connection.execute("insert into words (words) values ('optimize')")

    mending(database, merged)


def having_all(database: Database, wanted: Wanted, where: Filter) -> Rows:
    """Rows of photos that have each of the words, ascending; no more than `MOST`. In a `view`.
    Raises IndexDamaged."""
    if not wanted.words:
        return np.empty(0, np.int64)
    word_search_damage.check(database, wanted.tokens)
    each = (" OR ".join(map(_quoted, phrases)) for phrases in wanted.words)
    text = " AND ".join(f"({one})" for one in each)
    return database.numbers(*_having(text, where, MOST))


def having_any(database: Database, wanted: Wanted, where: Filter, most: int) -> list[int]:
    """Rows of photos that have some of the words, the best first (BM25)."""
    if not wanted.words:
        return []
    each = " OR ".join(_quoted((token,)) for token in wanted.tokens)
    found = database.rows(*_having(each, where, most, "order by words.rank"))
    return [row for (row,) in found]


def _quoted(phrase: Sequence[str]) -> str:
    """Tokens hold nothing but letters, marks and digits."""
    return f'"{" ".join(phrase)}"'


def _having(text: str, where: Filter, most: int, order: str = "") -> tuple[str, list[Any]]:
    """A statement for `row` of the photos that a full-text query finds, and its values."""
    sql, values = filters.condition(where)
    beside = f" join photos on photos.row = words.rowid where words match ? and {sql}"
    statement = f"select words.rowid as row from words{beside if sql else ' where words match ?'}"
    return f"{statement} {order} limit ?", [text, *values, most]
