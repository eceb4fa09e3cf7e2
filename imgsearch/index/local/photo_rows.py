"""Records and vectors as rows of the tables, and back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from imgsearch.index import untrusted_values
from imgsearch.index.base import HASH_BYTES, Look, Record, Row
from imgsearch.index.local import photo_parts, photo_vectors, word_search
from imgsearch.roots import locations

COLUMNS = (
    "id, library, relative_path, path_escaped, size, mtime_ns, content_hash, format, width, height,"
    " taken, taken_offset, latitude, longitude, camera, lens, taken_precision, taken_source, title,"
    " caption, tags, rating, country, city, metadata_mark, perceptual_hash"
)

LOOK = (
    "id, content_hash, perceptual_hash, size, width, height, taken, taken_precision, taken_source"
)


def id_blob(photo_id: str) -> bytes | None:
    """16 bytes; None: no such id can exist."""
    try:
        blob = bytes.fromhex(photo_id)
    except ValueError:
        return None
    return blob if blob.hex() == photo_id and len(blob) == 16 else None


def hash_blob(content_hash: str) -> bytes | str:
    """A content hash as stored: lower-case hexadecimal in half the space, any other text as it
    is."""
    try:
        blob = bytes.fromhex(content_hash)
    except ValueError:
        return content_hash
    return blob if blob.hex() == content_hash else content_hash


def columns_of(record: Record, photo_id: bytes, library: int) -> tuple[Any, ...]:
    """The values of a record, in the order of COLUMNS."""
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
        record.taken_precision,
        record.taken_source,
        record.title,
        record.caption,
        json.dumps(record.tags, ensure_ascii=False) if record.tags else None,
        record.rating,
        record.country,
        record.city,
        record.metadata_mark,
        None if record.perceptual_hash is None else bytes.fromhex(record.perceptual_hash),
    )


def record_of(columns: tuple[Any, ...], libraries: Mapping[int, str]) -> Record | None:
    """From a row of COLUMNS. The database may be a stranger's, or damaged: None where the row
    cannot be a photo's; what else is not what it should be is left out of the record."""
    content_hash = columns[6]
    if isinstance(content_hash, bytes):
        content_hash = content_hash.hex()
    if not _is_photo(columns, content_hash, libraries):
        return None
    return Record(
        id=columns[0].hex(),
        library=libraries[columns[1]],
        relative_path=columns[2],
        path_escaped=bool(columns[3]),
        size=columns[4],
        mtime_ns=columns[5],
        content_hash=content_hash,
        format=columns[7],
        width=columns[8],
        height=columns[9],
        taken=untrusted_values.text(columns[10]),
        taken_offset=untrusted_values.text(columns[11]),
        latitude=untrusted_values.degrees(columns[12], 90),
        longitude=untrusted_values.degrees(columns[13], 180),
        camera=untrusted_values.text(columns[14]),
        lens=untrusted_values.text(columns[15]),
        taken_precision=untrusted_values.text(columns[16]),
        taken_source=untrusted_values.text(columns[17]),
        title=untrusted_values.text(columns[18]),
        caption=untrusted_values.text(columns[19]),
        tags=untrusted_values.tags(columns[20]),
        rating=columns[21] if isinstance(columns[21], int) else None,
        country=untrusted_values.text(columns[22]),
        city=untrusted_values.text(columns[23]),
        metadata_mark=columns[24] if isinstance(columns[24], int) else 0,
        perceptual_hash=perceptual_hash(columns[25]),
    )


def _is_photo(columns: tuple[Any, ...], content_hash: Any, libraries: Mapping[int, str]) -> bool:
    id, library, path, escaped, size, mtime, _, format, width, height, *_ = columns
    return (
        is_id(id)
        and isinstance(library, int)
        and library in libraries
        and isinstance(path, str)
        and isinstance(escaped, int)
        and locations.relative_bytes(path, bool(escaped)) is not None
        and isinstance(mtime, int)
        and _is_count(size)
        and _is_count(width)
        and _is_count(height)
        and untrusted_values.is_text(content_hash)
        and untrusted_values.is_text(format)
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 0


def perceptual_hash(value: object) -> str | None:
    """As a record has it."""
    return value.hex() if isinstance(value, bytes) and len(value) == HASH_BYTES else None


def look_of(columns: Sequence[Any]) -> Look | None:
    """The `Look` of a row; None where it cannot be a photo's."""
    id, content_hash, seen, size, width, height, *taken = columns
    if isinstance(content_hash, bytes):
        content_hash = content_hash.hex()
    numbers = all(isinstance(each, int) and each >= 0 for each in (size, width, height))
    if not (is_id(id) and numbers and untrusted_values.is_text(content_hash)):
        return None
    moment = [untrusted_values.text(each) for each in taken]
    return Look(id.hex(), content_hash, perceptual_hash(seen), size, width, height, *moment)


def is_id(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == 16


def library_names(rows: Iterable[tuple[Any, Any]]) -> dict[int, str]:
    """Library names by number, without those that cannot be a library's."""
    return {
        number: name
        for number, name in rows
        if untrusted_values.is_text(name) and name and "\0" not in name
    }


def id_blobs(ids: Collection[str]) -> list[bytes]:
    return [blob for blob in map(id_blob, ids) if blob is not None]


def upserted(connection: sqlite3.Connection, row: Row, dims: int) -> str | None:
    """The reason why it cannot be, if so."""
    photo = id_blob(row.record.id)
    if photo is None:
        return "its id is not 32 hexadecimal digits"
    stored = None
    if row.vector is not None:
        reason = photo_vectors.refused(row.vector, dims)
        if reason is not None:
            return reason
        stored = photo_vectors.stored(row.vector)
    reason = photo_parts.refused(row.parts, dims) if row.parts else None
    if reason is not None:
        return reason
    try:
        number = _stored(connection, row.record, photo, stored)
    except (UnicodeEncodeError, OverflowError) as error:
        return f"a value of it cannot be stored: {error}"
    if isinstance(number, str):
        return number
    if row.parts:
        photo_parts.store(connection, number, row.parts)
    word_search.store(connection, number, row.record)
    return None


def _stored(
    connection: sqlite3.Connection,
    record: Record,
    photo: bytes,
    stored: tuple[bytes, int] | None,
) -> int | str:
    """The photo's number; or the reason why it cannot be stored."""
    columns = columns_of(record, photo, _library_number(connection, record.library))
    known = connection.execute(
        "select photos.row, vector, checksum from photos left join embeddings using (row)"
        " where id = ?",
        (photo,),
    ).fetchone()
    if stored is None and (known is None or known[1] is None):
        return "it has no vector, and none is stored"
    if known is not None and (stored is None or stored == known[1:]):
        names = ", ".join(f"{name.strip()} = ?" for name in COLUMNS.split(","))
        connection.execute(f"update photos set {names} where row = ?", (*columns, known[0]))
        connection.execute("delete from tags where photo = ?", (known[0],))
        _store_tags(connection, known[0], record.tags)
        return int(known[0])
    if known is not None:
        word_search.delete_photos(connection, [photo])
    places = ", ".join("?" * len(columns))
    cursor = connection.execute(f"insert into photos ({COLUMNS}) values ({places})", columns)
    assert stored is not None
    assert cursor.lastrowid is not None
    connection.execute(
        "insert or replace into embeddings (row, photo, vector, checksum) values (?, ?, ?, ?)",
        (cursor.lastrowid, cursor.lastrowid, *stored),
    )
    _store_tags(connection, cursor.lastrowid, record.tags)
    return cursor.lastrowid


def _store_tags(connection: sqlite3.Connection, photo: int, tags: Sequence[str]) -> None:
    """Store a photo's tags in lower case, for searching. The record keeps them as they were
    written."""
    connection.executemany(
        "insert or ignore into tags (tag, photo) values (?, ?)",
        [(tag.lower(), photo) for tag in tags],
    )


def _library_number(connection: sqlite3.Connection, name: str) -> int:
    known = connection.execute("select number from libraries where name = ?", (name,)).fetchone()
    if known is not None:
        return int(known[0])
    cursor = connection.execute("insert into libraries (name) values (?)", (name,))
    assert cursor.lastrowid is not None
    return cursor.lastrowid
