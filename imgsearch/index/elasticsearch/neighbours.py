"""The photos nearest to a vector, or to what a model in the cluster makes of words; and those that
have words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from imgsearch.index import match_order, recorded_models
from imgsearch.index.base import NAMED, Near, Neighbour, Record, Wanted
from imgsearch.index.elasticsearch import answers, words
from imgsearch.index.elasticsearch.catalogue import Found
from imgsearch.index.elasticsearch.client import Cluster, encode
from imgsearch.index.elasticsearch.errors import cluster_error
from imgsearch.index.elasticsearch.reader import Reader
from imgsearch.index.elasticsearch.requests import (
    EXPECTED_TIES,
    MOST,
    OVERSAMPLE,
    VECTOR,
    Words,
    knn_body,
)
from imgsearch.models.base import Vector
from imgsearch.question import Filter

_WITHOUT_VECTOR = {"_source": {"excludes": [VECTOR]}}
_RESCORED_HERE = 200  # hits: 2 MB of JSON


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

    def nearest(
        self, vector: Vector | Words, k: int, where: Filter, exclude: Collection[str]
    ) -> list[Neighbour]:
        """The server cuts photos of equal score off as it likes. Asking for some more shows
        whether the last score goes on; then for many more, until it does not."""
        if not self._can_find(vector, k):
            return []
        filters = self._reader.conditions(where, exclude)
        wanted = k + EXPECTED_TIES
        while True:
            wanted = min(wanted, MOST)
            hits = sorted(self._nearest(vector, wanted, filters), key=_best)
            complete = len(hits) < wanted or wanted == MOST
            if complete or hits[k - 1].score > hits[-1].score:
                return hits[:k]
            wanted *= 4

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
        return quantised and not self._cluster.features.rescores and k <= _RESCORED_HERE

    def near(
        self,
        vector: Vector | Words,
        k: int,
        wanted: Wanted | None,
        where: Filter,
        exclude: Collection[str],
    ) -> Near:
        """The nearest, and the nearest with the wanted words, in one request; two where scores tie
        beyond what was asked for."""
        if wanted is None or not wanted.words:
            return Near(self.nearest(vector, k, where, exclude), [], self.chosen)
        if not self._can_find(vector, k):
            return Near([], [], None)
        filters = self._reader.conditions(where, exclude)
        having = [*filters, words.having_all(wanted, self._reader.fields)]
        size = min(k + EXPECTED_TIES, MOST)
        most = max(k, NAMED)
        bodies = [self._body(vector, size, filters), self._body(vector, most, having)]
        first, second = self._answers(bodies)
        self._note_photos(first)
        found = sorted(self._hits(first, vector, size), key=_best)
        named = sorted(self._hits(second, vector, most), key=_best)
        if len(found) == size < MOST and found[k - 1].score == found[-1].score:
            found = self.nearest(vector, k, where, exclude)
        named = [one for one in named if wanted.fields(one.record.words)]
        return Near(found[:k], named, self.chosen)

    def matching(self, wanted: Wanted, k: int, where: Filter) -> list[Record]:
        """Photos with some of the words, the best first."""
        if not wanted.words or k < 1:
            return []
        query = words.having_any(wanted, self._reader.fields)
        query["bool"]["filter"] = self._reader.conditions(where)
        size = min(max(k, match_order.CANDIDATES), MOST)
        body = {"query": query, "size": size, "track_total_hits": False, **_WITHOUT_VECTOR}
        hits = answers.hits(self._reader.place, self._reader.call("POST", "/_search", body))
        records = [self._reader.record(hit) for hit in hits]
        return match_order.in_order((one for one in records if wanted.near(one.words)), wanted)[:k]

    def _answers(self, bodies: Sequence[Any]) -> list[Any]:
        """Of several searches in one request. One that was refused is sent by itself, which says
        why."""
        lines = b"".join(encode({}, body) for body in bodies)
        answer = self._reader.call("POST", "/_msearch", lines, lines=True)
        found = answers.objects(self._reader.place, answer, "responses")
        if len(found) != len(bodies):
            what = f"it answers {len(found)} of {len(bodies)} searches"
            answers.odd(self._reader.place, what)
        return [
            self._reader.call("POST", "/_search", body) if "error" in one else one
            for one, body in zip(found, bodies, strict=True)
        ]

    def _nearest(
        self, vector: Vector | Words, k: int, filters: Sequence[Mapping[str, Any]]
    ) -> Iterator[Neighbour]:
        answer = self._reader.call("POST", "/_search", self._body(vector, k, filters))
        self._note_photos(answer)
        return self._hits(answer, vector, k)

    def _body(
        self, vector: Vector | Words, k: int, filters: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        body = knn_body(
            vector,
            k,
            filters,
            num_candidates=self._num_candidates,
            index_type=self._found.index_type,
            features=self._cluster.features,
        )
        # 8.12 to 8.17 quantise, but cannot score again: their scores are off by a thousandth
        if self.rescores_here(k) and not isinstance(vector, Words):
            body["fields"] = [VECTOR]
        # saves the requests that would count the photos: all, and those that the filters choose
        every: dict[str, Any] = {"global": {}}
        if filters:
            every["aggs"] = {"chosen": {"filter": {"bool": {"filter": list(filters)}}}}
        body["aggs"] = {"all": every}
        return body

    def _note_photos(self, answer: Any) -> None:
        every = answers.at(answer, "aggregations", "all")
        photos, chosen = answers.at(every, "doc_count"), answers.at(every, "chosen", "doc_count")
        self.photos = photos if type(photos) is int else None
        self.chosen = chosen if type(chosen) is int else self.photos

    def _hits(self, answer: Any, vector: Vector | Words, k: int) -> Iterator[Neighbour]:
        for hit in answers.hits(self._reader.place, answer):
            # the server's is (1 + cosine) / 2
            score = 2 * answers.number(self._reader.place, hit, "_score") - 1
            if self.rescores_here(k) and not isinstance(vector, Words):
                stored = self._reader.vector(answers.at(hit, "fields", VECTOR))
                score = score if stored is None else float(stored @ vector)
            yield Neighbour(self._reader.record(hit), max(-1.0, min(1.0, score)))


def _best(hit: Neighbour) -> tuple[float, str]:
    return -hit.score, hit.record.id
