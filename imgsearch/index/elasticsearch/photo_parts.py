"""Parts of photos in an index on a cluster: read, and kept where a photo is written anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from imgsearch.index.base import PART_KINDS, PartCount, PartKind, Parts, PartTexts, Row
from imgsearch.index.elasticsearch import answers, part_fields
from imgsearch.index.elasticsearch.part_fields import Stored
from imgsearch.index.elasticsearch.requests import LINE_COUNT, LINES, PARTED, PARTS, VECTOR

if TYPE_CHECKING:
    from imgsearch.index.elasticsearch.current_index import LiveIndex
    from imgsearch.index.elasticsearch.reader import Reader

_AT_A_TIME = 1000  # documents without their parts
_VECTORS_AT_A_TIME = 500  # 5 MB of JSON


class Marked(NamedTuple):
    """Which kinds of parts a photo was looked through for, and how many it has."""

    kinds: tuple[PartKind, ...]
    parts: int  # with vectors


def marked(reader: Reader, ids: Sequence[str]) -> dict[str, Marked]:
    """Of those photos that were looked through for parts, by id."""
    found = {}
    for start in range(0, len(ids), _AT_A_TIME):
        fields = [PARTED, f"{PARTS}.kind"]
        for id, source in reader.documents(ids[start : start + _AT_A_TIME], fields):
            kinds = part_fields.kinds_of(source)
            if kinds:
                found[id] = Marked(kinds, part_fields.count_of(source))
    return found


def stored(reader: Reader, marks: Mapping[str, Marked]) -> dict[str, Stored]:
    """The vectors and parts of these photos, each photo's as they were at one moment."""
    found = {}
    for ids in _slices(marks):
        for id, source in reader.documents(ids, [VECTOR, PARTED, PARTS, LINES], vectors=True):
            vector = reader.vector(answers.at(source, VECTOR))
            found[id] = Stored(vector, part_fields.parts_of(source, reader.dims or 0))
    return found


def _slices(marks: Mapping[str, Marked]) -> Iterator[list[str]]:
    """Ids of photos that have few enough vectors to be read together."""
    ids: list[str] = []
    vectors = 0
    for id, mark in marks.items():
        if ids and vectors + mark.parts >= _VECTORS_AT_A_TIME:
            yield ids
            ids, vectors = [], 0
        ids.append(id)
        vectors += 1 + mark.parts
    if ids:
        yield ids


def of(reader: Reader, ids: Sequence[str]) -> dict[str, Parts]:
    """`Index.parts`."""
    found = stored(reader, marked(reader, ids))
    return {id: each.parts for id, each in found.items() if each.parts is not None}


def texts(index: LiveIndex, ids: Sequence[str]) -> dict[str, PartTexts]:
    """`Capabilities.texts`."""
    found: dict[str, PartTexts] = {}
    for start in range(0, len(ids) if index.found.holds_parts else 0, _AT_A_TIME):
        for id, source in index.reader.documents(ids[start : start + _AT_A_TIME], [LINES]):
            read = part_fields.texts_of(source)
            if read.texts:
                found[id] = read
    return found


def with_parts(reader: Reader, rows: Sequence[Row]) -> list[Row]:
    """Rows that were read without their parts, with them; without those of a vector that was
    written since."""
    found = stored(reader, marked(reader, [row.record.id for row in rows]))
    return [
        row._replace(parts=found[row.record.id].parts)
        if row.record.id in found and _same(row, found[row.record.id])
        else row
        for row in rows
    ]


def with_stored(reader: Reader, rows: Sequence[Row]) -> list[Row]:
    """Rows to be written, with those stored parts that are to stay: of kinds that a row does not
    name, where its vector is the stored one. A row of which all parts stay untouched names none."""
    ids = [row.record.id for row in rows if row.vector is not None or row.parts]
    marks = marked(reader, ids)
    given = {row.record.id: (row.parts or {}).keys() for row in rows}
    keeping = {id: mark for id, mark in marks.items() if set(mark.kinds) - given[id]}
    found = stored(reader, keeping)
    return [
        row._replace(parts={**(found[row.record.id].parts or {}), **(row.parts or {})})
        if row.record.id in found and (row.vector is None or _same(row, found[row.record.id]))
        else row
        for row in rows
    ]


def _same(row: Row, there: Stored) -> bool:
    return (
        row.vector is not None
        and there.vector is not None
        and row.vector.tobytes() == there.vector.tobytes()
    )


def counts(reader: Reader) -> dict[PartKind, PartCount]:
    """Of the kinds that some photo was looked through for."""
    kinds = {"terms": {"field": f"{PARTS}.kind", "size": 100}}
    asked = {
        "photos": {"terms": {"field": PARTED, "size": 100}},
        "parts": {"nested": {"path": PARTS}, "aggs": {"kinds": kinds}},
        "lines": {"sum": {"field": LINE_COUNT}},
    }
    answer = reader.call("POST", "/_search", {"size": 0, "track_total_hits": False, "aggs": asked})
    photos = _by_kind(reader, answer, "aggregations", "photos", "buckets")
    parts = _by_kind(reader, answer, "aggregations", "parts", "kinds", "buckets")
    if "text" in photos:
        parts["text"] = round(
            answers.number(reader.place, answer, "aggregations", "lines", "value")
        )
    return {
        kind: PartCount(photos[kind], parts.get(kind, 0)) for kind in PART_KINDS if kind in photos
    }


def _by_kind(reader: Reader, answer: object, *keys: str) -> dict[str, int]:
    if answers.at(answer, "aggregations") is None:  # of an index without a shard yet
        return {}
    return {
        answers.text(reader.place, bucket, "key"): answers.integer(
            reader.place, bucket, "doc_count"
        )
        for bucket in answers.objects(reader.place, answer, *keys)
    }
