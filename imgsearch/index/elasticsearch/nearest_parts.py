"""Photos by the nearest of their parts, weighed against whole photos by the scores of a sample. The
server scores the sample, so that no vectors travel for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from imgsearch.index.base import Neighbour, Part
from imgsearch.index.elasticsearch import answers, part_fields
from imgsearch.index.elasticsearch.reader import Reader
from imgsearch.index.elasticsearch.requests import (
    MOST,
    PART_VECTOR,
    PARTED,
    PARTS,
    VECTOR,
    Words,
)
from imgsearch.index.parts import SAMPLE, Best, Calibration, merged
from imgsearch.models.base import Vector

# Photos whose parts are the sample of parts. Those of one photo are alike: all parts of a few
# photos would tell little.
SAMPLED = 96
_PARTS_OF_ONE = 100  # the nearest: the server's limit
_SCORES = (
    "responses.status,responses.error,responses.hits.hits._score,"
    f"responses.hits.hits.inner_hits.{PARTS}.hits.hits._score"
)

Body = dict[str, Any]
Knn = Callable[[Vector | Words, int, Sequence[Body], str], Body]


class NearestParts:
    """`knn`: a search for a vector, so many photos, the filters and the field that is compared.
    `id_field`: of photos' ids, which are hashes."""

    def __init__(self, reader: Reader, knn: Knn, id_field: str) -> None:
        self._reader, self._knn, self._id_field = reader, knn, id_field

    def body(
        self, vector: Vector | Words, photos: int, filters: Sequence[Body], *, vectors: bool
    ) -> Body:
        """A search for photos by their parts; `vectors`: with those of the best parts."""
        body = self._knn(vector, photos, [{"exists": {"field": PARTED}}, *filters], PART_VECTOR)
        fields = [f"{PARTS}.kind", f"{PARTS}.place", *([PART_VECTOR] if vectors else [])]
        body["knn"]["inner_hits"] = {"size": 1, "_source": fields}
        return body

    def folded(
        self,
        whole: Sequence[Neighbour],
        answer: Any,
        vector: Vector | Words,
        k: int,
        filters: Sequence[Body],
        counts: tuple[int, int],
        *,
        vectors: bool,
    ) -> list[Neighbour]:
        """The k best photos, by themselves or by a part. `whole`: the k nearest by themselves.
        `answer`: to `body` for `ahead(k)` photos. `counts`: of all photos, and of those that were
        looked through for parts."""
        first = [answer]

        def parts(wanted: int) -> Best:
            size = min(wanted, MOST)
            if first:
                return self._best(first.pop(), size, vector if vectors else None)
            body = self.body(vector, size, filters, vectors=vectors)
            answer = self._reader.call("POST", "/_search", body)
            return self._best(answer, size, vector if vectors else None)

        return merged(whole, parts, self._calibration(vector, *counts), k)

    def _best(self, answer: Any, wanted: int, vector: Vector | Words | None) -> Best:
        photos, counts = [], {}
        hits = answers.hits(self._reader.place, answer)
        for hit in hits:
            record, score = self._reader.record(hit), self._cosine(hit)
            inner = answers.at(hit, "inner_hits", PARTS, "hits")
            part, its_vector = self._best_part(inner)
            if part is None:
                self._reader.note(record.id, [PARTS])
                continue
            if its_vector is not None and vector is not None and not isinstance(vector, Words):
                score = max(-1.0, min(1.0, float(its_vector @ vector)))
            counts[record.id] = answers.integer(self._reader.place, inner, "total", "value")
            photos.append(Neighbour(record, score, part))
        photos.sort(key=lambda one: (-one.score, one.record.id))
        return Best(photos, counts, complete=len(hits) < wanted)

    def _best_part(self, inner: Any) -> tuple[Part | None, Vector | None]:
        for hit in answers.objects(self._reader.place, inner, "hits"):
            source = hit.get("_source")
            vector = self._reader.vector(answers.at(source, "vector"))
            return part_fields.part_of(source), vector
        return None, None

    def _calibration(self, vector: Vector | Words, photos: int, parted: int) -> Calibration:
        whole = self._knn(vector, 2 * SAMPLE, [*self._some(photos, SAMPLE, VECTOR)], VECTOR)
        parts = self._knn(vector, 2 * SAMPLED, [*self._some(parted, SAMPLED, PARTED)], PART_VECTOR)
        parts["knn"]["inner_hits"] = {"size": _PARTS_OF_ONE, "_source": False}
        bodies = [{**body, "_source": False} for body in (whole, parts)]
        of_whole, of_parts = self._reader.searches(bodies, filter_path=_SCORES)
        inner = [answers.at(hit, "inner_hits", PARTS) for hit in self._hits(of_parts)]
        return Calibration.of_scores(
            [self._cosine(hit) for hit in self._hits(of_whole)],
            [self._cosine(hit) for each in inner for hit in self._hits(each)],
        )

    def _some(self, count: int, wanted: int, field: str) -> Iterator[Body]:
        """Filters that let about so many photos through, of `count` that have the field."""
        yield {"exists": {"field": field}}
        if count > wanted:
            below = 16**12 * wanted // count
            yield {"range": {self._id_field: {"lt": f"{below:012x}"}}}

    def _hits(self, answer: Any) -> list[Any]:
        """None where `filter_path` has left nothing."""
        found = answers.at(answer, "hits", "hits")
        return [] if found is None else answers.hits(self._reader.place, answer)

    def _cosine(self, hit: Any) -> float:
        """The server's score is (1 + cosine) / 2."""
        score = 2 * answers.number(self._reader.place, hit, "_score") - 1
        return max(-1.0, min(1.0, score))
