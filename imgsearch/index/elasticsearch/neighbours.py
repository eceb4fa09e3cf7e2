"""The photos nearest to a vector, or to what a model in the cluster makes of words; and those that
have words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from imgsearch.index import recorded_models, word_matches
from imgsearch.index.base import NAMED, NO_TEXTS, Near, Neighbour, PartTexts, Record, Wanted
from imgsearch.index.elasticsearch import answers, part_fields, word_search
from imgsearch.index.elasticsearch.catalogue import Found
from imgsearch.index.elasticsearch.client import Cluster
from imgsearch.index.elasticsearch.errors import cluster_error
from imgsearch.index.elasticsearch.nearest_parts import NearestParts
from imgsearch.index.elasticsearch.reader import Reader
from imgsearch.index.elasticsearch.requests import (
    EXPECTED_TIES,
    MOST,
    OVERSAMPLE,
    PARTED,
    VECTOR,
    WITH_LINES,
    WITHOUT_VECTORS,
    Words,
    knn_body,
)
from imgsearch.index.parts import ahead
from imgsearch.models.base import Vector
from imgsearch.question import Filter
from imgsearch.word_splitting import Field

_RESCORED_HERE = 1000  # hits: 10 MB of JSON


class Neighbours:
    """Searches one index. `num_candidates`: how many each shard looks at; None to choose by the
    number of hits."""

    def __init__(
        self, cluster: Cluster, found: Found, reader: Reader, num_candidates: int | None
    ) -> None:
        self._cluster, self._found, self._reader = cluster, found, reader
        self._num_candidates = num_candidates
        self.photos: int | None = None  # in the whole index, as the last search saw
        self.chosen: int | None = None  # of these, by its filter
        self.parted = 0  # of the whole index: those that were looked through for parts
        self._parts = NearestParts(reader, self._knn, found.keyword("image_id"))

    def nearest(
        self, vector: Vector | Words, k: int, where: Filter, exclude: Collection[str]
    ) -> list[Neighbour]:
        return self.near(vector, k, None, where, exclude).neighbours

    def _can_find(self, vector: Vector | Words, k: int) -> bool:
        """Raises UsageError for too many photos, IndexContradiction for other dimensions."""
        if not self._found.vector or k < 1:
            return False
        if k > MOST:
            raise cluster_error("too_many_wanted", asked=k)
        dims, models = self._found.dims, self._found.models
        if not isinstance(vector, Words) and vector.shape != (dims,):
            made = "which is not recorded" if models is None else recorded_models.named(models)
            place = self._reader.place
            raise cluster_error(
                "other_dims", place=place, dims=dims, asked=vector.size, models=made
            )
        return True

    def rescores_here(self, k: int) -> bool:
        """Whether hits are scored again by us, for which the query's vector must be here."""
        quantised = self._found.index_type in OVERSAMPLE
        return (
            quantised
            and not self._cluster.features.rescores
            and k <= _RESCORED_HERE + EXPECTED_TIES
        )

    def _scored_here(self, vector: Vector | Words, k: int) -> bool:
        return self.rescores_here(k) and not isinstance(vector, Words)

    def near(
        self,
        vector: Vector | Words,
        k: int,
        wanted: Wanted | None,
        where: Filter,
        exclude: Collection[str],
    ) -> Near:
        """The nearest, and the nearest with the wanted words, in one request. In two more at most
        where photos have parts; in another where scores tie beyond what was asked for."""
        if not self._can_find(vector, k):
            return Near([], [], None)
        filters = self._reader.conditions(where, exclude)
        size, most = min(k + EXPECTED_TIES, MOST), max(k, NAMED)
        bodies = [self._body(vector, size, filters)]
        if self._found.holds_parts:
            rescored = self._scored_here(vector, k)
            bodies.append(self._parts.body(vector, ahead(k), filters, vectors=rescored))
        if wanted is not None and wanted.words:
            having = [*filters, word_search.having_all(wanted, self._reader.fields)]
            bodies.append({**self._body(vector, most, having), **self._source})
        first, *others = self._reader.searches(bodies)
        self._note_photos(first)
        found = self._complete(first, vector, k, size, filters)
        if self._found.holds_parts:
            by_parts = others.pop(0)
            if self.parted:
                counts = self.photos or 0, self.parted
                found = self._parts.folded(
                    found, by_parts, vector, k, filters, counts, vectors=rescored
                )
        if not others or wanted is None:
            return Near(found, [], self.chosen)
        texts = self._texts(answers.hits(self._reader.place, others[0]))
        named = [
            one
            for one in sorted(self._hits(others[0], vector, most), key=_best)
            if wanted.fields(_words_of(one.record, texts))
        ]
        return Near(found, named, self.chosen, texts)

    def _complete(
        self,
        answer: Any,
        vector: Vector | Words,
        k: int,
        wanted: int,
        filters: Sequence[Mapping[str, Any]],
    ) -> list[Neighbour]:
        """The server cuts photos of equal score off as it likes. Asking for some more shows
        whether the last score goes on; then for many more, until it does not."""
        while True:
            hits = sorted(self._hits(answer, vector, wanted), key=_best)
            complete = len(hits) < wanted or wanted == MOST
            if complete or hits[k - 1].score > hits[-1].score:
                return hits[:k]
            wanted = min(4 * wanted, MOST)
            answer = self._reader.call("POST", "/_search", self._body(vector, wanted, filters))
            self._note_photos(answer)

    def matching(self, wanted: Wanted, k: int, where: Filter) -> list[Record]:
        """Photos with some of the words, the best first, in one request."""
        if not wanted.words or k < 1:
            return []
        query = word_search.having_any(wanted, self._reader.fields)
        query["bool"]["filter"] = filters = self._reader.conditions(where)
        size = min(max(k, word_matches.CANDIDATES), MOST)
        body = {"query": query, "size": size, "track_total_hits": False, **self._source}
        answer = self._reader.call("POST", "/_search", {**body, "aggs": _counting(filters)})
        self._note_photos(answer)
        hits = answers.hits(self._reader.place, answer)
        texts = self._texts(hits)
        records = [self._reader.record(hit) for hit in hits]
        having = (one for one in records if wanted.near(_words_of(one, texts)))
        return word_matches.in_order(having, wanted, texts)[:k]

    @property
    def _source(self) -> Mapping[str, Any]:
        """What is fetched of photos that have words."""
        return WITH_LINES if self._found.holds_parts else WITHOUT_VECTORS

    def _texts(self, hits: Sequence[Mapping[str, Any]]) -> dict[str, PartTexts]:
        """What was read in those photos that have text, by id."""
        if not self._found.holds_parts:
            return {}
        place = self._reader.place
        each = (
            (answers.text(place, hit, "_id"), part_fields.texts_of(hit.get("_source")))
            for hit in hits
        )
        return {id: read for id, read in each if read.texts}

    def _body(
        self, vector: Vector | Words, k: int, filters: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        body = self._knn(vector, k, filters)
        # 8.12 to 8.17 quantise, but cannot score again: their scores are off by a thousandth
        if self._scored_here(vector, k):
            body["fields"] = [VECTOR]
        body["aggs"] = _counting(filters)
        return body

    def _knn(
        self,
        vector: Vector | Words,
        k: int,
        filters: Sequence[Mapping[str, Any]],
        field: str = VECTOR,
    ) -> dict[str, Any]:
        return knn_body(
            vector,
            k,
            filters,
            num_candidates=self._num_candidates,
            index_type=self._found.index_type,
            features=self._cluster.features,
            field=field,
        )

    def _note_photos(self, answer: Any) -> None:
        every = answers.at(answer, "aggregations", "all")
        photos, chosen, parted = (
            answers.at(every, *keys, "doc_count") for keys in ((), ("chosen",), ("parted",))
        )
        self.photos = photos if type(photos) is int else None
        self.chosen = chosen if type(chosen) is int else self.photos
        self.parted = parted if type(parted) is int and parted > 0 else 0

    @property
    def outdated(self) -> bool:
        """Whether the last search saw parts, for which there were no fields when the mapping was
        read."""
        return self.parted > 0 and PARTED not in self._found.properties

    def _hits(self, answer: Any, vector: Vector | Words, k: int) -> Iterator[Neighbour]:
        for hit in answers.hits(self._reader.place, answer):
            # the server's is (1 + cosine) / 2
            score = 2 * answers.number(self._reader.place, hit, "_score") - 1
            if not isinstance(vector, Words) and self._scored_here(vector, k):
                stored = self._reader.vector(answers.at(hit, "fields", VECTOR))
                score = score if stored is None else float(stored @ vector)
            yield Neighbour(self._reader.record(hit), max(-1.0, min(1.0, score)))


def _counting(filters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Aggregations that save the requests which would count the photos: all, those that may have
    parts, and those that the filters choose."""
    counted: dict[str, Any] = {"parted": {"filter": {"exists": {"field": PARTED}}}}
    if filters:
        counted["chosen"] = {"filter": {"bool": {"filter": list(filters)}}}
    return {"all": {"global": {}, "aggs": counted}}


def _words_of(record: Record, texts: Mapping[str, PartTexts]) -> dict[Field, str]:
    return word_matches.words_of(record, texts.get(record.id, NO_TEXTS))


def _best(hit: Neighbour) -> tuple[float, str]:
    return -hit.score, hit.record.id
