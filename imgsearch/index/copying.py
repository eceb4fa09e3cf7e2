"""Moves photos between two indexes, on one machine or on clusters: records and vectors, nothing is
embedded again. Knows the index protocol alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from imgsearch.errors import IndexContradiction, IndexNotFound
from imgsearch.index.base import Failure, Index, Record, Row
from imgsearch.progress import Progress, silent
from imgsearch.roots import locations

T = TypeVar("T")
CHUNK = 256  # rows
SAMPLE_EVERY = 97  # one vector of so many is read back and compared


@dataclass(slots=True)
class Result:
    copied: int = 0
    already_there: int = 0
    failures: list[Failure] = field(default_factory=list)
    in_source: int = 0
    in_target: int = 0
    compared: int = 0  # vectors read back
    different: int = 0  # of these, not the same bit for bit

    @property
    def complete(self) -> bool:
        return not self.failures and not self.different and self.in_target >= self.in_source


def copy(source: Index, target: Index, progress: Progress = silent) -> Result:
    """Passes over rows that the target has already, so that an interrupted copy goes on where it
    stopped. Raises IndexNotFound (empty source), IndexContradiction (other models)."""
    models = source.models()
    if models is None:
        raise IndexNotFound(
            f"There is nothing in {source.place} to copy.", "Name the index to copy from first."
        )
    stamped = target.models()
    if stamped is not None and not stamped.same_space(models):
        raise IndexContradiction(
            f"{target.place} was made with other models than {source.place}.",
            "Copy into another index, or ingest the photos there.",
        )
    if stamped is None:
        target.stamp(models)
    result = Result(in_source=source.count())
    sample: list[str] = []
    for rows in _chunks(source.rows(), max(target.rows_per_write, CHUNK)):
        _copy_rows(rows, target, result)
        sample += [row.record.id for row in rows if int(row.record.id[:8], 16) % SAMPLE_EVERY == 0]
        progress("photos", result.copied + result.already_there, result.in_source)
    target.finish(progress)
    result.in_target = target.count()
    _compare(sample or [row.record.id for row in islice(source.rows(), 10)], source, target, result)
    return result


def _copy_rows(rows: list[Row], target: Index, result: Result) -> None:
    there = target.records([row.record.id for row in rows])
    sound = [row for row in rows if _stays_inside(row.record)]
    result.failures += [
        Failure(row.record.id, "its path leads out of its library")
        for row in rows
        if not _stays_inside(row.record)
    ]
    new = [row for row in sound if there.get(row.record.id) != row.record]
    failures = target.write(new) if new else []
    result.failures += failures
    result.copied += len(new) - len(failures)
    result.already_there += len(sound) - len(new)


def _stays_inside(record: Record) -> bool:
    return locations.relative_bytes(record.relative_path, record.path_escaped) is not None


def _compare(ids: list[str], source: Index, target: Index, result: Result) -> None:
    for chunk in _chunks(ids, 256):
        theirs = target.vectors(chunk)
        for id, vector in source.vectors(chunk).items():
            result.compared += 1
            result.different += id not in theirs or vector.tobytes() != theirs[id].tobytes()


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
