"""Every row and every vector of a local index, read and held against its checksum."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from imgsearch.index.local import photo_rows, photo_vectors
from imgsearch.index.local.photo_rows import COLUMNS


def damaged(connection: sqlite3.Connection, dims: int) -> Iterator[str]:
    """Ids of photos whose record, or a vector of it, cannot be right, in the order of rows; "row N"
    where the id itself cannot be."""
    names = photo_rows.library_names(connection.execute("select number, name from libraries"))
    columns = ", ".join(f"photos.{name.strip()}" for name in COLUMNS.split(","))
    found = connection.execute(
        f"select photos.row, {columns}, vector, checksum from photos"
        " left join embeddings on photo = photos.row order by photos.row, embeddings.row"
    )
    last = None
    for row, *fields, blob, checksum in found:
        record = photo_rows.record_of(tuple(fields), names)
        is_sound = record is not None and photo_vectors.read(blob, checksum, dims) is not None
        if not is_sound and row != last:
            last = row
            yield fields[0].hex() if photo_rows.is_id(fields[0]) else f"row {row}"
