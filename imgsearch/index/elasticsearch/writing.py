"""Writing photos into an index, and taking them out of it for good."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from imgsearch.errors import ImgsearchError
from imgsearch.index.base import Failure, Row
from imgsearch.index.elasticsearch import bulk_lines, part_fields, photo_parts
from imgsearch.index.elasticsearch.bulk import OPERATIONS_PER_REQUEST
from imgsearch.index.elasticsearch.current_index import LiveIndex

_ERASED_AT_A_TIME = 10_000


def write(index: LiveIndex, rows: Sequence[Row], delete: Sequence[str]) -> list[Failure]:
    """Sent in requests of bounded size, two at a time; returns when all are durable. Deletions
    go last, in the same request where that is the only one. On an error some rows may have
    been written: writing them again is harmless."""
    dims = index.found.dims
    if dims is None:
        raise ValueError("an index is stamped before it is written to")
    failures: list[Failure] = []
    latest = {row.record.id: row for row in rows}
    if any(row.parts for row in rows):
        part_fields.add(index)
    if index.found.holds_parts:
        merged = photo_parts.with_stored(index.reader, list(latest.values()))
        latest = {row.record.id: row for row in merged}
    # programs that read vectors in _source want numbers there, not base64
    pack = index.cluster.features.takes_base64 and not index.found.keeps_vectors_in_source
    upserts = bulk_lines.upserts(latest.values(), dims, failures, pack=pack)
    deletes = bulk_lines.deletions(id for id in dict.fromkeys(delete) if id not in latest)
    index.written = True
    if len(latest) < OPERATIONS_PER_REQUEST:
        failures += index.writer.write([*upserts, *deletes]).failures
    else:
        failures += index.writer.write(upserts).failures
        failures += index.writer.write(deletes).failures
    index.remember(latest.values())
    return failures


def erase(index: LiveIndex, ids: Iterable[str]) -> int:
    """How many there were. What is deleted is invisible at once, and leaves the disk when the
    segments that hold it are merged, which is asked for here and goes on in the background.
    (Copies that lag behind may keep it for up to twelve hours:
    `index.soft_deletes.retention_lease.period`.)"""
    deleted = 0
    iterator = iter(ids)
    while some := list(islice(iterator, _ERASED_AT_A_TIME)):
        deleted += index.writer.write(bulk_lines.deletions(some)).deleted
        index.written = True
    index.refresh()
    index.neighbours.photos = None
    if deleted:
        _expunge(index)
    return deleted


def _expunge(index: LiveIndex) -> None:
    try:
        index.reader.call("POST", "/_flush")
        index.reader.call(
            "POST", "/_forcemerge", only_expunge_deletes=True, wait_for_completion=False
        )
    except ImgsearchError as error:
        index.cluster.notes.append(
            f"What was removed leaves the disk at the cluster's next merge: {error.message}"
        )
