"""Lines of text that were read in photos, as rows of `texts`, and back. The database may be a
stranger's, or damaged: what cannot be a line is left out."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from imgsearch.index import untrusted_values
from imgsearch.index.local.database import chunks, quoted
from imgsearch.index.records import PartTexts, Place, is_place

TABLE = """
create table texts (
    photo integer not null references photos,
    number integer not null,
    place text not null,
    text text not null,
    primary key (photo, number)
) without rowid;
"""
MOST = 500  # lines of a photo, and characters of a line: an ingest writes fewer
_PLACE = re.compile(r"[0-9]{1,10}(,[0-9]{1,10}){0,3}")

Execute = Callable[[str, Sequence[Any]], Iterable[tuple[Any, ...]]]


def place_of(written: object) -> Place | None:
    """Whole numbers with commas between, as a place; None for what is none."""
    if not (isinstance(written, str) and _PLACE.fullmatch(written)):
        return None
    return tuple(map(int, written.split(",")))


def read(execute: Execute, photos: Sequence[int]) -> dict[int, PartTexts]:
    """The lines of photos that have some, by the photo's number. `execute`: a statement with its
    values."""
    lines: dict[int, list[tuple[Place, str]]] = {}
    for some in chunks(photos):
        statement = (
            f"select photo, place, text from texts where photo in ({quoted(len(some))})"
            f" and number < {MOST} order by photo, number"
        )
        for photo, written, text in execute(statement, some):
            place = place_of(written)
            if place is not None and is_place("text", place) and untrusted_values.is_text(text):
                lines.setdefault(photo, []).append((place, text[:MOST]))
    return {
        photo: PartTexts(tuple(place for place, _ in found), tuple(text for _, text in found))
        for photo, found in lines.items()
    }


def refused(found: PartTexts) -> str | None:
    """Why lines cannot be stored, if so."""
    places, texts = found
    if len(places) != len(texts) or not all(is_place("text", place) for place in places):
        return "a place of its text cannot be one"
    if len(texts) > MOST or any(len(text) > MOST for text in texts):
        return "it has more text than an index holds"
    if not all(map(untrusted_values.is_text, texts)):
        return "its text cannot be stored"
    return None


def store(connection: sqlite3.Connection, photo: int, found: PartTexts) -> None:
    """In the place of those that there are, in the transaction that writes the photo. `photo`: its
    number."""
    connection.execute("delete from texts where photo = ?", (photo,))
    connection.executemany(
        "insert into texts (photo, number, place, text) values (?, ?, ?, ?)",
        [
            (photo, number, ",".join(map(str, place)), text)
            for number, (place, text) in enumerate(zip(*found, strict=True))
        ],
    )
