"""Parts of photos as rows of `embeddings`, and back. The database may be a stranger's, or damaged:
what cannot be a part is left out."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from imgsearch.index.base import PartCount, PartKind, Parts
from imgsearch.index.local import photo_texts, photo_vectors
from imgsearch.index.local.database import chunks, quoted
from imgsearch.index.local.search_files import table
from imgsearch.index.part_kinds import PART_KINDS
from imgsearch.index.records import (
    NO_TEXTS,
    Part,
    PartVectors,
    Place,
    is_place,
    parts_mark,
    parts_marked,
    texts_in,
    with_vectors,
)

Execute = Callable[[str, Sequence[Any]], Iterable[tuple[Any, ...]]]


def kind_number(kind: PartKind) -> int:
    """As `embeddings.kind` has it; 0 is the whole photo."""
    return PART_KINDS.index(kind) + 1


def part_of(kind: object, place: object) -> Part | None:
    """The part that a row of `embeddings` is."""
    if not (isinstance(kind, int) and 1 <= kind <= len(PART_KINDS)):
        return None
    numbers = photo_texts.place_of(place)
    if numbers is None or not is_place(PART_KINDS[kind - 1], numbers):
        return None
    return Part(PART_KINDS[kind - 1], numbers)


def read(execute: Execute, marks: Mapping[int, Any], dims: int) -> dict[int, Parts]:
    """Parts by the number of their photo. `marks`: `photos.parted` by that number. `execute`: a
    statement with its values."""
    marked = [row for row, mark in marks.items() if isinstance(mark, int) and mark]
    found: dict[int, dict[PartKind, list[tuple[Place, Any]]]] = {
        row: {kind: [] for kind in parts_marked(marks[row])} for row in marked
    }
    for some in chunks(marked):
        statement = (
            "select photo, kind, place, vector, checksum from embeddings"
            f" where photo in ({quoted(len(some))}) and kind > 0 order by row"
        )
        for photo, kind, place, blob, checksum in execute(statement, some):
            part, vector = part_of(kind, place), photo_vectors.read(blob, checksum, dims)
            if part is not None and vector is not None and part.kind in found[photo]:
                found[photo][part.kind].append((part.place, vector))
    texts = photo_texts.read(execute, [row for row in marked if "text" in found[row]])
    return {
        row: {
            kind: texts.get(row, NO_TEXTS) if kind == "text" else _together(parts, dims)
            for kind, parts in kinds.items()
        }
        for row, kinds in found.items()
    }


def _together(parts: Sequence[tuple[Place, Any]], dims: int) -> PartVectors:
    vectors = np.array([vector for _, vector in parts], np.float32).reshape(len(parts), dims)
    return PartVectors(tuple(place for place, _ in parts), vectors)


def refused(parts: Parts, dims: int) -> str | None:
    """Why parts cannot be stored, if so."""
    for kind, (places, vectors) in with_vectors(parts).items():
        if len(places) != len(vectors) or not all(is_place(kind, place) for place in places):
            return f"a place of its parts cannot be one ({kind})"
        for vector in vectors:
            reason = photo_vectors.refused(vector, dims)
            if reason is not None:
                return f"of a part, {reason}"
    return photo_texts.refused(texts_in(parts))


def store(connection: sqlite3.Connection, photo: int, parts: Parts) -> None:
    """In the place of those of the same kinds, in the transaction that writes the photo. `photo`:
    its number."""
    number = _highest(connection)
    for kind, (places, vectors) in with_vectors(parts).items():
        connection.execute(
            "delete from embeddings where photo = ? and kind = ?", (photo, kind_number(kind))
        )
        for place, vector in zip(places, vectors, strict=True):
            number += 1
            written = ",".join(map(str, place))
            connection.execute(
                "insert or replace into embeddings (row, photo, kind, place, vector, checksum)"
                " values (?, ?, ?, ?, ?, ?)",
                (number, photo, kind_number(kind), written, *photo_vectors.stored(vector)),
            )
    connection.execute("insert or replace into meta values (?, ?)", (table.LAST_PART, str(number)))
    if "text" in parts:
        photo_texts.store(connection, photo, texts_in(parts))
    connection.execute(
        "update photos set parted = parted | ? where row = ?", (parts_mark(parts), photo)
    )


def _highest(connection: sqlite3.Connection) -> int:
    """No number is used twice, so that what is derived from one stays true."""
    found = connection.execute(table.PARTS.highest).fetchall()
    return max((row for (row,) in found if isinstance(row, int)), default=table.PARTS_ABOVE)


def counts(
    rows: Callable[[str], Iterable[tuple[Any, ...]]],
) -> dict[PartKind, PartCount]:
    """Of the kinds that some photo was looked through for. `rows`: of a statement."""
    if not any(isinstance(row, int) for (row,) in rows(table.PARTS.highest)):
        return {}  # none was ever stored
    photos = dict.fromkeys(PART_KINDS, 0)
    marks = rows("select parted, count(*) from photos where parted != 0 group by parted")
    for mark, count in marks:
        for kind in parts_marked(mark) if isinstance(mark, int) else ():
            photos[kind] += count
    statement = "select kind, count(*) from embeddings indexed by embeddings_by_photo"
    found = rows(f"{statement} where kind > 0 group by kind")
    numbers = {kind: count for kind, count in found}  # noqa: C416 # rows are of any length
    if photos["text"]:
        [(lines,)] = rows("select count(*) from texts")
        numbers[kind_number("text")] = lines
    return {
        kind: PartCount(count, numbers.get(kind_number(kind), 0))
        for kind, count in photos.items()
        if count
    }
