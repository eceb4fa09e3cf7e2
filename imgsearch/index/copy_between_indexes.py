"""Moves photos between two indexes, on one machine or on clusters: records and vectors, nothing is
embedded again. Knows the index protocol alone."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import field, replace
from itertools import islice
from typing import TypeVar

from imgsearch import photos
from imgsearch.dataclass import dataclass
from imgsearch.errors import Action, IndexContradiction, IndexNotFound
from imgsearch.index.base import Failure, Index, Record, Row
from imgsearch.ingest import rules
from imgsearch.models.base import ModelPair
from imgsearch.progress import Progress, silent
from imgsearch.roots import locations

T = TypeVar("T")
_PHOTO_ID = re.compile(r"[0-9a-f]{32}")
CHUNK = 256  # rows
SAMPLE_EVERY = 97  # one vector of so many is read back and compared


@dataclass(slots=True)
class Result:
    copied: int = 0
    already_there: int = 0
    failures: list[Failure] = field(default_factory=list)
    in_source: int = 0
    in_target: int = 0
    without_vector: int = 0  # of those in the source: they hold none that can be compared
    twice: int = 0  # of those in the source: the same library and path as another
    without_parts: int = 0  # photos whose parts the target cannot hold
    compared: int = 0  # vectors read back
    different: int = 0  # of these, not the same bit for bit

    @property
    def complete(self) -> bool:
        wanted = self.in_source - self.without_vector - self.twice
        return not self.failures and not self.different and self.in_target >= wanted


def copy(
    source: Index, target: Index, progress: Progress = silent, assumed: ModelPair | None = None
) -> Result:
    """Passes over rows that the target has already, so that an interrupted copy goes on where it
    stopped. Ids that another program chose become ours. `assumed`: the models of a source that
    records none. Raises IndexNotFound (empty source), IndexContradiction (other models)."""
    models = source.models() or assumed
    if models is None:
        raise IndexNotFound(
            f"There is nothing in {source.place} to copy.", "Name the index to copy from first."
        )
    _check_models(source, target, models)
    if target.models() is None:
        target.stamp(models)
    result = Result(in_source=source.count())
    sample: dict[str, str] = {}  # ids in the source, and in the target
    renamed: set[str] = set()
    rows_read = 0
    for rows in _chunks(source.rows(), max(target.rows_per_write, CHUNK)):
        rows_read += len(rows)
        own = _with_own_ids(rows, renamed)
        result.twice += len(rows) - len(own)
        _copy_rows(list(own.values()), target, result)
        sample |= {
            id: row.record.id
            for id, row in own.items()
            if _is_sampled(row) or len(sample) < 10  # of a small index some
        }
        progress("photos", result.copied + result.already_there, result.in_source)
    rules.copy(source, target)
    target.finish(progress)
    result.in_target = target.count()
    result.without_vector = max(0, result.in_source - rows_read)
    _compare(sample, source, target, result)
    return result


def _check_models(source: Index, target: Index, models: ModelPair) -> None:
    stamped = target.models()
    if stamped is not None and not stamped.same_space(models):
        raise IndexContradiction(
            f"{target.place} was made with other models than {source.place}.",
            "Copy into another index, or ingest the photos there.",
        )
    for row in islice(source.rows(), 1):
        if row.vector is not None and row.vector.size != models.dims:
            raise IndexContradiction(
                f"{source.place} holds vectors of {row.vector.size} dimensions;"
                f" {models.image_model.name} makes {models.dims}.",
                "Name the model that made them.",
                Action("name one model"),
            )


def _with_own_ids(rows: list[Row], renamed: set[str]) -> dict[str, Row]:
    """By their ids in the source; without those whose photo, as another program's ids do not tell,
    was there before. `renamed`: the ids that were given until now."""
    own = {}
    for row in rows:
        id, record = row.record.id, row.record
        path = locations.relative_bytes(record.relative_path, record.path_escaped)
        if _PHOTO_ID.fullmatch(id) is None and path is not None:
            record = replace(record, id=photos.photo_id(record.library, path))
            if record.id in renamed:
                continue
            renamed.add(record.id)
        own[id] = row._replace(record=record)
    return own


def _is_sampled(row: Row) -> bool:
    return zlib.crc32(row.record.id.encode()) % SAMPLE_EVERY == 0


def _copy_rows(rows: list[Row], target: Index, result: Result) -> None:
    there = target.records([row.record.id for row in rows])
    sound = [row for row in rows if _stays_inside(row.record)]
    result.failures += [
        Failure(row.record.id, "its path leads out of its library")
        for row in rows
        if not _stays_inside(row.record)
    ]
    if target.capabilities.no_parts:
        result.without_parts += sum(bool(row.parts) for row in sound)
        sound = [row._replace(parts=None) for row in sound]
    parts = target.parts([row.record.id for row in sound if row.parts])
    new = [
        row
        for row in sound
        if there.get(row.record.id) != row.record
        or (row.parts or {}).keys() - parts.get(row.record.id, {}).keys()
    ]
    failures = target.write(new) if new else []
    result.failures += failures
    result.copied += len(new) - len(failures)
    result.already_there += len(sound) - len(new)


def _stays_inside(record: Record) -> bool:
    return locations.relative_bytes(record.relative_path, record.path_escaped) is not None


def _compare(sample: dict[str, str], source: Index, target: Index, result: Result) -> None:
    """Compare a sample of rows in both indexes. `sample`: the id in the source, and the id in the
    target."""
    for ids in _chunks(sample, CHUNK):
        theirs = target.vectors([sample[id] for id in ids])
        for id, vector in source.vectors(ids).items():
            found = theirs.get(sample[id])
            result.compared += 1
            result.different += found is None or vector.tobytes() != found.tobytes()


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
