"""Putting one index in another's place while other machines may write to it: what they wrote since
a moment is found by the sequence numbers of documents, and a block holds them off for the switch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from imgsearch.dataclass import dataclass
from imgsearch.index import recorded_models
from imgsearch.index.base import Record
from imgsearch.index.elasticsearch import answers, catalogue
from imgsearch.index.elasticsearch.catalogue import Found
from imgsearch.index.elasticsearch.current_index import LiveIndex
from imgsearch.index.elasticsearch.errors import cluster_error
from imgsearch.index.elasticsearch.reader import Reader
from imgsearch.index.elasticsearch.requests import INDEX_TYPES, CreateOptions
from imgsearch.models.base import ModelPair

_AT_A_TIME = 1000  # documents
_NAMED = 5  # paths in a message


@dataclass(frozen=True, slots=True)
class Moment:
    """The highest sequence number of each shard, -1 for an empty one. Every write to a document
    gets a higher one."""

    numbers: tuple[int, ...]

    @classmethod
    def now(cls, reader: Reader, found: Found) -> Moment:
        reader.call("POST", "/_refresh")
        highest = {"highest": {"max": {"field": "_seq_no"}}}
        numbers = []
        for shard in range(_shards(found)):
            answer = _search(reader, shard, {"size": 0, "aggs": highest})
            value = answers.at(answer, "aggregations", "highest", "value")
            numbers.append(int(value) if isinstance(value, (int, float)) else -1)
        return cls(tuple(numbers))

    @classmethod
    def before_all(cls, found: Found) -> Moment:
        return cls((-1,) * _shards(found))

    def written_since(self, reader: Reader) -> Iterator[list[Record]]:
        reader.call("POST", "/_refresh")
        for shard, number in enumerate(self.numbers):
            while True:
                body = {
                    "query": {"range": {"_seq_no": {"gt": number}}},
                    "sort": ["_seq_no"],
                    "size": _AT_A_TIME,
                    "_source": False,
                    "track_total_hits": False,
                }
                hits = answers.hits(reader.place, _search(reader, shard, body))
                if hits:
                    ids = [answers.text(reader.place, hit, "_id") for hit in hits]
                    yield list(reader.records(ids).values())
                    number = _sequence_number(reader.place, hits[-1], after=number)
                if len(hits) < _AT_A_TIME:
                    break


def _sequence_number(place: str, hit: answers.Object, after: int) -> int:
    """The one that it was sorted by."""
    found = hit.get("sort")
    if not isinstance(found, list) or len(found) != 1:
        answers.odd(place, "a document has no sequence number")
    number = answers.integer(place, {"sort": found[0]}, "sort")
    if number <= after:
        answers.odd(place, "a page of it does not follow the one before")
    return number


def _shards(found: Found) -> int:
    return int(found.settings.get("number_of_shards", 1))


def _search(reader: Reader, shard: int, body: dict[str, Any]) -> Any:
    return reader.call(
        "POST",
        "/_search",
        body,
        preference=f"_shards:{shard}",
        allow_partial_search_results=False,
    )


def begun(index: LiveIndex, models: ModelPair) -> LiveIndex:
    """The one that is to take its place, with a connection of its own."""
    options = _options_of_successor(index)
    return LiveIndex(
        index.cluster.again(),
        index.name,
        _found_or_made(index, models, options),
        options,
        index.retry_for,
        index.num_candidates,
        reads_only=False,
    )


def _found_or_made(index: LiveIndex, models: ModelPair, options: CreateOptions) -> Found:
    """The one that takes its place: of an interrupted run with these models, or a new one. Raises
    IndexContradiction where its name belongs to another index."""
    cluster = index.cluster
    alias = catalogue.next_alias(index.name)
    found = catalogue.find(cluster, alias, retry_for=index.retry_for)
    if found is not None:
        if found.meta.get("successor_of") != index.found.index_id:
            named = f"{index.found.index}, {found.index}"
            raise cluster_error("several", place=index.place, indices=named)
        if found.models is not None and recorded_models.same(found.models, models):
            return found
        cluster.call("DELETE", f"/{found.index}", place=index.place)
    meta = {
        "index_id": index.found.index_id,
        "root_hints": index.found.meta.get("root_hints", {}),
        "successor_of": index.found.index_id,
    }
    return catalogue.create(cluster, index.name, options, alias=alias, meta=meta)


def _options_of_successor(index: LiveIndex) -> CreateOptions:
    """The options for the index that takes this one's place. What was not asked for anew stays as
    it is."""
    if index.options.quantization is not None:
        return index.options
    kinds = {kind: name for name, kind in INDEX_TYPES.items()}
    return replace(index.options, quantization=kinds.get(index.found.index_type))


def not_taken_over(moment: Moment, old: Reader, new: Reader) -> list[Record]:
    """Records written to `old` since that moment which are not in `new` with the same size and
    date."""
    missing = []
    for records in moment.written_since(old):
        there = new.records([record.id for record in records])
        missing += [
            record
            for record in records
            if record.id not in there or _fingerprint(there[record.id]) != _fingerprint(record)
        ]
    return missing


def _fingerprint(record: Record) -> tuple[int, int]:
    return record.size, record.mtime_ns


def check_nothing_is_lost(missing: Sequence[Record], place: str) -> None:
    """Raises IndexUnavailable where records are missing, naming some."""
    if missing:
        named = [f"{record.library}/{record.relative_path}" for record in missing[:_NAMED]]
        more = [f"and {len(missing) - _NAMED} more"] if len(missing) > _NAMED else []
        photos = f"{len(missing)} {'photo' if len(missing) == 1 else 'photos'}"
        raise cluster_error(
            "written_meanwhile", place=place, photos=photos, paths=", ".join([*named, *more])
        )


@contextlib.contextmanager
def writes_blocked(reader: Reader) -> Iterator[None]:
    """No document of the index changes until the end, or for good where the index is deleted
    meanwhile. What other machines are writing has ended when this begins; what they begin then,
    they try again (`imgsearch.index.elasticsearch.bulk`)."""
    reader.call("PUT", "/_block/write")
    try:
        yield
    except BaseException:  # Ctrl-C too
        reader.call("PUT", "/_settings", {"index.blocks.write": None})
        raise
