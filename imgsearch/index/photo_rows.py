"""Records and vectors as rows of the tables, and back."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from imgsearch.embedding import Vector
from imgsearch.index.base import Filter, Record, Row

UNIT_TOLERANCE = 1e-3

COLUMNS = (
    "id, library, relative_path, path_escaped, size, mtime_ns, content_hash, format, width, height,"
    " taken, taken_offset, latitude, longitude, camera, lens"
)


def id_blob(photo_id: str) -> bytes | None:
    """16 bytes; None: no such id can exist."""
    try:
        blob = bytes.fromhex(photo_id)
    except ValueError:
        return None
    return blob if blob.hex() == photo_id and len(blob) == 16 else None


def hash_blob(content_hash: str) -> bytes | str:
    """Half the space for lower-case hexadecimal, which is what hashes come as."""
    try:
        blob = bytes.fromhex(content_hash)
    except ValueError:
        return content_hash
    return blob if blob.hex() == content_hash else content_hash


def columns_of(record: Record, photo_id: bytes, library: int) -> tuple[Any, ...]:
    """In the order of COLUMNS."""
    return (
        photo_id,
        library,
        record.relative_path,
        int(record.path_escaped),
        record.size,
        record.mtime_ns,
        hash_blob(record.content_hash),
        record.format,
        record.width,
        record.height,
        record.taken,
        record.taken_offset,
        record.latitude,
        record.longitude,
        record.camera,
        record.lens,
    )


def record_of(columns: tuple[Any, ...], libraries: Mapping[int, str]) -> Record:
    content_hash = columns[6]
    return Record(
        id=columns[0].hex(),
        library=libraries[columns[1]],
        relative_path=columns[2],
        path_escaped=bool(columns[3]),
        size=columns[4],
        mtime_ns=columns[5],
        content_hash=content_hash.hex() if isinstance(content_hash, bytes) else content_hash,
        format=columns[7],
        width=columns[8],
        height=columns[9],
        taken=columns[10],
        taken_offset=columns[11],
        latitude=columns[12],
        longitude=columns[13],
        camera=columns[14],
        lens=columns[15],
    )


def condition(where: Filter) -> tuple[str, list[Any]]:
    """SQL for a filter over `photos`, empty for all. `a/b` holds `a/b/c`, not `a/bc`: the paths
    from "a/b/" up to, without, "a/b0" ("0" follows "/")."""
    parts, values = [], []
    folder = (where.folder or "").strip("/")
    if where.library is not None:
        parts.append("photos.library = (select number from libraries where name = ?)")
        values.append(where.library)
    elif folder:
        parts.append("photos.library in (select number from libraries)")  # lets the index serve
    if folder:
        parts.append("photos.relative_path >= ? and photos.relative_path < ?")
        values += [f"{folder}/", f"{folder}0"]
    return " and ".join(parts), values


def id_blobs(ids: Collection[str]) -> list[bytes]:
    return [blob for blob in map(id_blob, ids) if blob is not None]


def upserted(connection: sqlite3.Connection, row: Row, dims: int) -> str | None:
    """The reason why it cannot be, if so."""
    photo = id_blob(row.record.id)
    if photo is None:
        return "its id is not 32 hexadecimal digits"
    blob = None
    if row.vector is not None:
        blob = np.asarray(row.vector, "<f4").tobytes()
        reason = _vector_refused(row.vector, dims)
        if reason is not None:
            return reason
    try:
        return _stored(connection, row.record, photo, blob)
    except (UnicodeEncodeError, OverflowError) as error:
        return f"a value of it cannot be stored: {error}"


def _stored(
    connection: sqlite3.Connection, record: Record, photo: bytes, blob: bytes | None
) -> str | None:
    columns = columns_of(record, photo, _library_number(connection, record.library))
    known = connection.execute(
        "select row, vector from photos join vectors using (row) where id = ?", (photo,)
    ).fetchone()
    if blob is None and known is None:
        return "it has no vector, and none is stored"
    if known is not None and blob in (None, known[1]):
        names = ", ".join(f"{name.strip()} = ?" for name in COLUMNS.split(","))
        connection.execute(f"update photos set {names} where row = ?", (*columns, known[0]))
        return None
    if known is not None:
        connection.execute("delete from photos where row = ?", (known[0],))
    places = ", ".join("?" * len(columns))
    cursor = connection.execute(f"insert into photos ({COLUMNS}) values ({places})", columns)
    connection.execute("insert into vectors values (?, ?)", (cursor.lastrowid, blob))
    return None


def _library_number(connection: sqlite3.Connection, name: str) -> int:
    known = connection.execute("select number from libraries where name = ?", (name,)).fetchone()
    if known is not None:
        return int(known[0])
    cursor = connection.execute("insert into libraries (name) values (?)", (name,))
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _vector_refused(vector: Vector, dims: int) -> str | None:
    if vector.shape != (dims,):
        return f"its vector has {vector.size} dimensions, not {dims}"
    length = float(np.linalg.norm(vector))
    if not abs(length - 1) <= UNIT_TOLERANCE:  # NaN is not
        return f"its vector has the length {length:.4g}, not 1"
    return None
