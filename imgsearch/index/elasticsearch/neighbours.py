"""The photos nearest to a vector, or to what a model in the cluster makes of words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from imgsearch.index.base import Neighbour
from imgsearch.index.elasticsearch import answers
from imgsearch.index.elasticsearch.catalogue import Found
from imgsearch.index.elasticsearch.client import Cluster
from imgsearch.index.elasticsearch.errors import trouble
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

_RESCORED_HERE = 200  # hits: 2 MB of JSON


class Neighbours:
    """`num_candidates`: of each shard; None for as many as fit the number of hits."""

    def __init__(
        self, cluster: Cluster, found: Found, reader: Reader, num_candidates: int | None
    ) -> None:
        self._cluster, self._found, self._reader = cluster, found, reader
        self._num_candidates = num_candidates
        self.photos: int | None = None  # in the whole index, as the last search saw

    def nearest(
        self, vector: Vector | Words, k: int, where: Filter, exclude: Collection[str]
    ) -> list[Neighbour]:
        """The server cuts photos of equal score off as it likes. Asking for some more shows
        whether the last score goes on; then for many more, until it does not."""
        if k > MOST:
            raise trouble("too_many_wanted", asked=k)
        filters = self._reader.conditions(where, exclude)
        wanted = k + EXPECTED_TIES
        while True:
            wanted = min(wanted, MOST)
            hits = sorted(
                self._nearest(vector, wanted, filters), key=lambda hit: (-hit.score, hit.record.id)
            )
            complete = len(hits) < wanted or wanted == MOST
            if complete or hits[k - 1].score > hits[-1].score:
                return hits[:k]
            wanted *= 4

    def rescores_here(self, k: int) -> bool:
        """Whether hits are scored again by us, for which the query's vector must be here."""
        quantised = self._found.index_type in OVERSAMPLE
        return quantised and not self._cluster.features.rescores and k <= _RESCORED_HERE

    def _nearest(
        self, vector: Vector | Words, k: int, filters: Sequence[Mapping[str, Any]]
    ) -> Iterator[Neighbour]:
        features, index_type = self._cluster.features, self._found.index_type
        body = knn_body(
            vector,
            k,
            filters,
            num_candidates=self._num_candidates,
            index_type=index_type,
            features=features,
        )
        # 8.12 to 8.17 quantise, but cannot score again: their scores are off by a thousandth
        rescore = self.rescores_here(k) and not isinstance(vector, Words)
        if rescore:
            body["fields"] = [VECTOR]
        body["aggs"] = {"all": {"global": {}}}  # saves the request that would count the photos
        answer = self._reader.call("POST", "/_search", body)
        photos = answers.at(answer, "aggregations", "all", "doc_count")
        self.photos = photos if type(photos) is int else None
        for hit in answers.hits(self._reader.place, answer):
            # the server's is (1 + cosine) / 2
            score = 2 * answers.number(self._reader.place, hit, "_score") - 1
            if rescore and not isinstance(vector, Words):
                stored = self._reader.vector(answers.at(hit, "fields", VECTOR))
                score = score if stored is None else float(stored @ vector)
            yield Neighbour(self._reader.record(hit), max(-1.0, min(1.0, score)))
