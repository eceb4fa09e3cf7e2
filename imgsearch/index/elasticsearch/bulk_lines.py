"""Rows as the lines of bulk requests, encoded as the server takes them fastest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from imgsearch.index.base import Failure, Row
from imgsearch.index.elasticsearch import part_fields
from imgsearch.index.elasticsearch.bulk import Operation
from imgsearch.index.elasticsearch.client import encode
from imgsearch.index.elasticsearch.documents import document, packed, refusal
from imgsearch.index.elasticsearch.requests import VECTOR


def upserts(
    rows: Iterable[Row], dims: int, failures: list[Failure], *, pack: bool
) -> Iterator[Operation]:
    """`pack`: vectors as base64, else as numbers. What cannot be stored goes to `failures`."""
    for row in rows:
        record, vector, parts = row
        reason = None if vector is None else refusal(vector, dims)
        if reason is None and parts:
            reason = part_fields.refused(parts, dims)
        try:
            if reason is None:
                yield _upsert(row, pack=pack)
        except TypeError as error:  # half a surrogate pair, a number above 64 bits
            reason = f"a value of it cannot be stored: {error}"
        if reason is not None:
            failures.append(Failure(record.id, reason))


def _upsert(row: Row, *, pack: bool) -> Operation:
    record, vector, parts = row
    full = document(record)
    if parts:
        full |= part_fields.fields_of(parts, pack=pack)
    if vector is None:  # the rest of the document, and the vector in it, stays
        action = {"update": {"_id": record.id, "retry_on_conflict": 3}}
        return Operation(record.id, encode(action, {"doc": full}))
    full["exif"] = {key: value for key, value in full["exif"].items() if value is not None}
    full = {key: value for key, value in full.items() if value is not None}
    vector = np.ascontiguousarray(vector, np.float32)
    full[VECTOR] = packed(vector) if pack else vector
    return Operation(record.id, encode({"index": {"_id": record.id}}, full))


def deletions(ids: Iterable[str]) -> list[Operation]:
    return [Operation(id, encode({"delete": {"_id": id}})) for id in ids if id]
