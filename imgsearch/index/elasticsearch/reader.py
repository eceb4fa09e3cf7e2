"""Reading an index on a cluster: listings, records, vectors. What was written and not
yet refreshed is seen by `records` and `vectors` alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from imgsearch.errors import Action, Advice
from imgsearch.escaping import shell_quoted
from imgsearch.index.base import Fingerprints, Look, Record, Row
from imgsearch.index.elasticsearch import answers, filters, part_fields, photo_parts, word_search
from imgsearch.index.elasticsearch.catalogue import Found
from imgsearch.index.elasticsearch.client import Cluster, encode
from imgsearch.index.elasticsearch.documents import (
    LOOK,
    faults_of,
    fingerprint,
    is_text,
    look,
    parsed,
    unpacked,
)
from imgsearch.index.elasticsearch.filters import Fields
from imgsearch.index.elasticsearch.paging import pages
from imgsearch.index.elasticsearch.requests import (
    LINE_WORDS,
    MOST,
    NOT_OF_RECORDS,
    PART_VECTOR,
    PARTED,
    RECORDS_AT_A_TIME,
    VECTOR,
    WITHOUT_VECTORS,
    sample_body,
)
from imgsearch.models.base import Vector, Vectors
from imgsearch.question import ALL, Filter

_VECTORS_AT_A_TIME = 500  # 5 MB of JSON
_HASHES_AT_A_TIME = 500
_LONGEST_ID = 512  # bytes: the server's limit
_HAS_VECTOR = {"exists": {"field": VECTOR}}


class Reader:
    """`library`: the name for photos of another program, whose documents name none."""

    def __init__(
        self, cluster: Cluster, found: Found, place: str, library: str, retry_for: float
    ) -> None:
        self._cluster, self._found, self.place = cluster, found, place
        self._library = library
        self.retry_for = retry_for  # seconds

    def call(self, method: str, path: str, body: Any = None, **parameters: Any) -> Any:
        """About this index: `path` is appended to its name."""
        return self._cluster.call(
            method,
            f"/{self._found.index}{path}",
            body,
            place=self.place,
            retry_for=self.retry_for,
            **parameters,
        )

    def searches(self, bodies: Sequence[Any], **parameters: Any) -> list[Any]:
        """The answers of several searches in one request. One that was refused is sent by itself,
        which says why."""
        if len(bodies) == 1:
            return [self.call("POST", "/_search", bodies[0])]
        lines = b"".join(encode({}, body) for body in bodies)
        answer = self.call("POST", "/_msearch", lines, lines=True, **parameters)
        found = answers.objects(self.place, answer, "responses")
        if len(found) != len(bodies):
            answers.odd(self.place, f"it answers {len(found)} of {len(bodies)} searches")
        return [
            self.call("POST", "/_search", body) if "error" in one else one
            for one, body in zip(found, bodies, strict=True)
        ]

    # -- listings

    def count(self, where: Filter) -> int:
        answer = self.call("POST", "/_count", {"query": self.query(where)})
        return answers.integer(self.place, answer, "count")

    def libraries(self) -> dict[str, int]:
        """Photos by library; no more than 10,000 libraries. Documents that name none are another
        program's, and counted as `library`."""
        if not self._found.ours:
            photos = self.count(ALL)
            return {self._library: photos} if photos else {}
        by_library: dict[str, Any] = {
            "terms": {"field": "library", "size": MOST, "order": {"_key": "asc"}}
        }
        by_library["terms"]["missing"] = self._library
        answer = self.call("POST", "/_search", {"size": 0, "aggs": {"libraries": by_library}})
        if "aggregations" not in answer:  # of an index without a shard yet
            return {}
        found: dict[str, int] = {}
        for bucket in answers.objects(self.place, answer, "aggregations", "libraries", "buckets"):
            # what cannot be a library's name is read as a document that names none (`parsed`)
            name = bucket["key"] if is_text(bucket.get("key")) else self._library
            photos = answers.integer(self.place, bucket, "doc_count")
            found[name] = found.get(name, 0) + photos
        return found

    def fingerprints(self) -> Iterator[Fingerprints]:
        """From doc values alone: no document is opened. There is none of another program's photos,
        nor of one whose vector was taken away, which is then embedded anew."""
        names = [self._found.keyword("image_id"), "bytes", "mtime_ns", "metadata_mark"]
        named = [*names, PARTED] if self._found.holds_parts else names
        fields = {"stored_fields": "_none_", "docvalue_fields": named}
        query = _HAS_VECTOR if self._found.vector else {"match_all": {}}
        for hits in self._pages(query, fields, MOST, "_shard_doc"):
            read = (hit.get("fields") for hit in hits)
            each = (
                fingerprint(one, names, part_fields.mark_of(answers.at(one, PARTED)))
                for one in read
            )
            some = [found for found in each if found is not None]
            if some:
                yield Fingerprints.of(some)

    def looks(self, where: Filter) -> Iterator[Look]:
        """`Look` of every photo, from doc values alone. For another program's index, only the
        ids."""
        if not self._found.ours:
            for id in self.ids(where):
                yield Look(id, "", None, 0, 0, 0, None, None, None)
            return
        id_field = self._found.keyword("image_id")
        fields = {"stored_fields": "_none_", "docvalue_fields": [id_field, *LOOK]}
        for hits in self._pages(self.query(where), fields, MOST, "_shard_doc"):
            each = (look(hit.get("fields"), id_field) for hit in hits)
            yield from (found for found in each if found is not None)

    def ids(self, where: Filter) -> Iterator[str]:
        """The `_id` of each document, by which it can be deleted. (Its `image_id` may be another
        document's.)"""
        sort = self._found.keyword("image_id") if self._found.ours else "_shard_doc"
        for hits in self._pages(self.query(where), {"_source": False}, MOST, sort):
            yield from (answers.text(self.place, hit, "_id") for hit in hits)

    def rows(self, where: Filter) -> Iterator[Row]:
        sort = self._found.keyword("image_id") if self._found.ours else "_shard_doc"
        fields = {**WITHOUT_VECTORS, "fields": [VECTOR]}
        for hits in self._pages(self.query(where), fields, _VECTORS_AT_A_TIME, sort):
            read = ((hit, self.vector(answers.at(hit, "fields", VECTOR))) for hit in hits)
            rows = [Row(self.record(hit), vector) for hit, vector in read if vector is not None]
            yield from photo_parts.with_parts(self, rows) if self._found.holds_parts else rows

    def sample(self, size: int) -> Vectors:
        """Vectors (n, dims) of random photos; the same ones as long as nothing is written."""
        if not self._found.vector:
            return np.zeros((0, 0), np.float32)
        found: list[Vector] = []
        for start in range(0, size, _VECTORS_AT_A_TIME):
            count = min(_VECTORS_AT_A_TIME, size - start)
            answer = self.call("POST", "/_search", sample_body(start, count))
            hits = answers.hits(self.place, answer)
            read = (self.vector(answers.at(hit, "fields", VECTOR)) for hit in hits)
            found += [vector for vector in read if vector is not None]
            if len(hits) < count:
                break
        vectors: Vectors = np.array(found, np.float32).reshape(len(found), self._found.dims or 0)
        return vectors

    def faults(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Of each document its `_id`, and the fields that imgsearch does not write like that."""
        theirs = not self._found.ours or bool(self._found.meta.get("adopted"))
        every: dict[str, Any] = {"match_all": {}}
        fields = {"_source": {"excludes": [VECTOR, PART_VECTOR, LINE_WORDS]}}
        for hits in self._pages(every, fields, RECORDS_AT_A_TIME, "_shard_doc"):
            for hit in hits:
                id = answers.text(self.place, hit, "_id")
                source = hit.get("_source")
                faults = faults_of(id, source, self._library, theirs=theirs)
                parts = part_fields.faults_of(source) if self._found.holds_parts else ()
                yield id, (*faults, *parts)

    def without_vector(self, most: int) -> tuple[int, list[str]]:
        """How many documents there are that no search finds, and the ids of some."""
        query = {"bool": {"must_not": _HAS_VECTOR}}
        body = {"query": query, "size": most, "_source": False, "track_total_hits": True}
        answer = self.call("POST", "/_search", body)
        hits = answers.hits(self.place, answer)
        count = answers.integer(self.place, answer, "hits", "total", "value")
        return count, [answers.text(self.place, hit, "_id") for hit in hits]

    def _pages(
        self, query: Mapping[str, Any], fields: Mapping[str, Any], size: int, sort: str
    ) -> Iterator[list[dict[str, Any]]]:
        return pages(
            self._cluster,
            self._found.index,
            self.place,
            query=query,
            fields=fields,
            size=size,
            sort=sort,
            retry_for=self.retry_for,
        )

    def without_words(self) -> Iterator[list[Record]]:
        """Photos whose words are not known yet: of a version before."""
        for hits in self._pages(
            word_search.UNKNOWN, WITHOUT_VECTORS, RECORDS_AT_A_TIME, "_shard_doc"
        ):
            yield [self.record(hit) for hit in hits]

    def query(self, where: Filter) -> dict[str, Any]:
        """The photos that a filter lets through."""
        clauses = self.conditions(where)
        return {"bool": {"filter": clauses}} if clauses else {"match_all": {}}

    def conditions(self, where: Filter, exclude: Collection[str] = ()) -> list[dict[str, Any]]:
        return filters.conditions(where, exclude, self.fields)

    @property
    def fields(self) -> Fields:
        nameless = self._library, not self._found.ours
        return Fields(self._found.keyword("relative_path"), self._found.kinds, nameless)

    # -- by id and by hash

    def records(self, ids: Sequence[str]) -> dict[str, Record]:
        found = {}
        for some in _slices(_possible(ids), RECORDS_AT_A_TIME):
            answer = self.call("POST", "/_mget", {"ids": some}, _source_excludes=NOT_OF_RECORDS)
            for document in answers.objects(self.place, answer, "docs"):
                if document.get("found") is True:
                    id = answers.text(self.place, document, "_id")
                    found[id] = self.record(document)
        return found

    def photo(self, ids: Sequence[str]) -> tuple[Record, Vector | None] | None:
        possible = _possible(ids)
        if not possible:
            return None
        options = {"_source_excludes": NOT_OF_RECORDS[1:], **self._vectors_too}
        answer = self.call("POST", "/_mget", {"ids": possible}, **options)
        found = {
            answers.text(self.place, document, "_id"): document
            for document in answers.objects(self.place, answer, "docs")
            if document.get("found") is True
        }
        first = next((found[id] for id in ids if id in found), None)
        if first is None:
            return None
        return self.record(first), self.vector(answers.at(first, "_source", VECTOR))

    @property
    def _vectors_too(self) -> dict[str, Any]:
        return (
            {"_source_exclude_vectors": False} if self._cluster.features.leaves_vectors_out else {}
        )

    def vectors(self, ids: Sequence[str]) -> dict[str, Vector]:
        found = {}
        for some in _slices(ids, _VECTORS_AT_A_TIME):
            for id, source in self.documents(some, [VECTOR], vectors=True):
                vector = self.vector(answers.at(source, VECTOR))
                if vector is not None:
                    found[id] = vector
        return found

    def documents(
        self, ids: Sequence[str], fields: Sequence[str], *, vectors: bool = False
    ) -> Iterator[tuple[str, Any]]:
        """Ids and these fields of those documents that there are, unrefreshed ones too."""
        possible = _possible(ids)
        if not possible:
            return
        options = self._vectors_too if vectors else {}
        answer = self.call("POST", "/_mget", {"ids": possible}, _source_includes=fields, **options)
        for document in answers.objects(self.place, answer, "docs"):
            if document.get("found") is True:
                yield answers.text(self.place, document, "_id"), document.get("_source")

    def ids_named(self, name: str) -> list[str]:
        """Ids of documents with this relative path or `image_id`; at most `MOST`."""
        if not is_text(name):
            return []
        fields = [self._found.keyword(field) for field in ("relative_path", "image_id")]
        query = {"bool": {"should": [{"term": {field: name}} for field in fields]}}
        body = {"size": MOST, "query": query, "_source": False, "track_total_hits": False}
        answer = self.call("POST", "/_search", body)
        hits = answers.hits(self.place, answer)
        return sorted(answers.text(self.place, hit, "_id") for hit in hits)

    def ids_by_hash(self, hashes: Sequence[str]) -> set[str]:
        found: set[str] = set()
        if not self._found.ours:
            return found
        for some in _slices(list(hashes), _HASHES_AT_A_TIME):
            query = {"terms": {"content_hash": some}}
            body = {"size": MOST, "query": query, "_source": False, "track_total_hits": False}
            answer = self.call("POST", "/_search", body)
            hits = answers.hits(self.place, answer)
            found.update(answers.text(self.place, hit, "_id") for hit in hits)
        return found

    def record(self, hit: Mapping[str, Any]) -> Record:
        id = answers.text(self.place, hit, "_id")
        record, faults = parsed(id, hit.get("_source"), self._library)
        if faults:
            self.note(id, faults)
        return record

    @property
    def dims(self) -> int | None:
        return self._found.dims

    def vector(self, value: Any) -> Vector | None:
        return None if value is None else unpacked(value, self._found.dims)

    def note(self, id: str, faults: Sequence[str]) -> None:
        """Note odd values of a document, once a command."""
        beginning = f"{self.place} holds documents with values that no photo has"
        if not any(note.startswith(beginning) for note in self._cluster.notes):
            named = f"{shell_quoted(id.encode('utf-8', 'surrogatepass'))} ({', '.join(faults)})"
            told = f"{beginning}; these values were left out. One is {named}."
            self._cluster.notes.append(Advice(told, Action("list odd documents")))


def _possible(ids: Sequence[str]) -> list[str]:
    """The server refuses a whole request for one id that cannot be."""
    return [id for id in ids if _is_possible(id)]


def _is_possible(id: str) -> bool:
    try:
        return 0 < len(id.encode()) <= _LONGEST_ID
    except UnicodeEncodeError:
        return False


def _slices(items: Sequence[str], size: int) -> Iterator[list[str]]:
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some
