"""Damage in the full-text index that SQLite does not notice: FTS5 keeps no checksums, and takes a
block of zeros for one without entries, so that photos are missing from what it finds.

A block of entries (`words_data`, numbered by segment and page) has a head of four bytes, the last
two of them its length; after these, two zeros never stand beside each other: its numbers are
written without leading zeros, and words hold none. `words_idx` says in which pages the entries of a
word lie."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterable
from pathlib import Path

from imgsearch.errors import IndexDamaged
from imgsearch.index.local.database import BACKUP, Database

PARTS = ("data", "idx", "content", "docsize", "config")  # tables in which FTS5 keeps all
_TABLE = "select sql from sqlite_master where name = 'words' and type = 'table'"
_SEGMENT, _PAGE = 37, 31  # bits of a block's number above those of its segment, and of its page
_STRUCTURE = 10  # the block that lists the segments
_ZEROED = (
    "(length(block) < 4 or substr(block, 3, 2) = x'0000' or instr(substr(block, 5), x'0000') > 0)"
)
# segments are listed after a number of four bytes; zeros there: no segment
_LOST = (
    f"select count(*) from words_data where id = {_STRUCTURE} and substr(block, 5, 2) = x'0000'"
    " and exists (select 1 from words_docsize)"
)
ZEROED_BLOCKS = (  # in all of it
    f"select ({_LOST}) + (select count(*) from words_data where id >= 1 << {_SEGMENT}"
    f" and (id >> {_PAGE}) & {(1 << _SEGMENT - _PAGE) - 1} = 0 and {_ZEROED})"
)
_SEGMENTS = """
    with recursive found(segment) as (
        select min(segid) from words_idx
        union all
        select (select min(segid) from words_idx where segid > segment) from found
        where segment is not null
    )
    select segment from found where segment is not null
"""
_FIRST = "select pgno >> 1 from words_idx where segid = ? and term <= ? order by term desc limit 1"
_NEXT = "select pgno >> 1 from words_idx where segid = ? and term > ? order by term limit 1"


def check(database: Database, tokens: Iterable[str]) -> None:
    """Raises IndexDamaged if a block in which entries of those tokens lie is zeroed or missing."""
    if database.value(_LOST):
        raise damaged(database)
    segments = [number for (number,) in database.rows(_SEGMENTS)]
    for token in set(tokens):
        term = b"0" + token.encode()  # the mark of FTS5's main index, and the word
        for segment in segments:
            if not _is_sound(database, segment, term):
                raise damaged(database)


def _is_sound(database: Database, segment: int, term: bytes) -> bool:
    first = database.rows(_FIRST, [segment, term])
    if not first:
        return True  # all its words come later
    page, following = first[0][0], database.rows(_NEXT, [segment, term])
    base = segment << _SEGMENT
    last = following[0][0] - 1 if following else (1 << _PAGE) - 1
    [(there, zeroed)] = database.rows(
        f"select count(*), total({_ZEROED}) from words_data where id between ? and ?",
        [base + page, base + max(page, last)],
    )
    expected = 1 if not following else max(page, last) - page + 1
    return there >= expected and not zeroed


def damaged(database: Database) -> IndexDamaged:
    return IndexDamaged(f"The words of names and captions in {database.path} are damaged.", BACKUP)


def found(connection: sqlite3.Connection, deep: bool) -> bool:
    """Whether damage is found. `deep`: SQLite's own check too, of a copy, as it wants to write."""
    if connection.execute(ZEROED_BLOCKS).fetchone()[0]:
        return True
    return deep and not _is_intact(connection)


def _is_intact(connection: sqlite3.Connection) -> bool:
    """What FTS5 says: words against the entries in its blocks."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "words.sqlite"
        with contextlib.closing(sqlite3.connect(path)) as copy:
            copy.execute(connection.execute(_TABLE).fetchone()[0])
            for part in PARTS:
                copy.execute(f"delete from words_{part}")
                rows = connection.execute(f"select * from words_{part}")
                places = ", ".join("?" * len(rows.description))
                copy.executemany(f"insert into words_{part} values ({places})", rows)
            copy.commit()
        with contextlib.closing(sqlite3.connect(path)) as copy:
            try:
                copy.execute("insert into words (words) values ('integrity-check')")
            except sqlite3.DatabaseError:
                return False
    return True
