"""What an index backend keeps to that holds parts of photos (`Capabilities.no_parts` is None): see
`tests/index_contract.py`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from imgsearch.index import copy_between_indexes
from imgsearch.index.base import Filter, Index, PartCount, Parts, Row
from imgsearch.index.records import Part, PartVectors, parts_mark
from imgsearch.models.base import ModelIdentity, ModelPair, Vector, unit
from imgsearch.question import Folder
from tests.index_contract import record

Making = Callable[..., Index]
DIMS = 32
MODELS = ModelPair(ModelIdentity("picture model", "a1"), ModelIdentity("text model", "b2"), DIMS)
QUESTION = unit(np.random.default_rng(999).standard_normal(DIMS))


def near(seed: int, share: float = 0.1) -> Vector:
    """A vector near QUESTION: the nearer, the smaller `share` is."""
    return unit((1 - share) * QUESTION + share * noise(seed))


def noise(seed: int) -> Vector:
    return unit(np.random.default_rng(seed).standard_normal(DIMS))


def regions(*vectors: Vector) -> Parts:
    places = tuple((10 * n, 5, 100, 80) for n in range(len(vectors)))
    return {"region": PartVectors(places, np.array(vectors, np.float32).reshape(-1, DIMS))}


def photo(path: str, vector: Vector | None, parts: Parts | None = None) -> Row:
    return Row(record(path), vector, parts)


def crowd(count: int, parts: bool = False) -> list[Row]:
    """Photos that have nothing to do with QUESTION."""
    return [
        photo(
            f"c/{n}.jpg",
            noise(n),
            regions(*map(noise, range(50 * n, 50 * n + 8))) if parts else None,
        )
        for n in range(1, count + 1)
    ]


def same(one: Mapping[str, Parts], other: Mapping[str, Parts]) -> bool:
    def plain(found: Mapping[str, Parts]) -> object:
        return {
            id: {
                kind: sorted(zip(places, map(bytes, vectors), strict=True))
                for kind, (places, vectors) in parts.items()
            }
            for id, parts in found.items()
        }

    return plain(one) == plain(other)


class PartsContract:
    inexact = 0.0  # by how much the part of a hit may be farther than the photo's nearest one

    @pytest.fixture
    def with_parts(self, index_factory: Making) -> Callable[[Sequence[Row]], Index]:
        def make(rows: Sequence[Row], name: str = "photos") -> Index:
            index = index_factory(name)
            index.stamp(MODELS)
            assert index.write(rows) == []
            index.finish()
            return index

        return make

    def test_a_hit_is_a_photo_with_its_best_part(self, with_parts: Making) -> None:
        """Each once, though most of the nearest vectors are parts of one photo."""
        many = photo("many.jpg", noise(1001), regions(*(near(n) for n in range(2000, 2040))))
        others = [
            photo(f"{n}.jpg", noise(n), regions(noise(n + 1), near(n, 0.3)))
            for n in range(3000, 3010)
        ]
        whole = photo("whole.jpg", near(1, 0.05), regions(near(2, 0.4)))
        index = with_parts([many, *others, whole, *crowd(80, parts=True)])
        hits = index.search(QUESTION, 12)
        names = [hit.record.relative_path for hit in hits]
        assert len(set(names)) == 12
        assert set(names) == {
            "many.jpg",
            "whole.jpg",
            *(each.record.relative_path for each in others),
        }
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        found = {hit.record.relative_path: hit for hit in hits}
        assert names[0] == "whole.jpg"
        assert found["whole.jpg"].part is None
        assert all(
            found[each.record.relative_path].part == Part("region", (10, 5, 100, 80))
            for each in others
        )
        scores = [float(near(2000 + n) @ QUESTION) for n in range(40)]
        part = found["many.jpg"].part
        assert part in [Part("region", (10 * n, 5, 100, 80)) for n in range(40)]
        assert scores[part.place[0] // 10] >= max(scores) - self.inexact
        assert index.search(QUESTION, 1)[0].record == whole.record

    def test_photos_with_many_parts_do_not_win_by_their_number(self, with_parts: Making) -> None:
        plain = [photo(f"p/{n}.jpg", noise(n + 5000)) for n in range(200)]
        index = with_parts([*crowd(100, parts=True), *plain])
        hits = [hit for n in range(40) for hit in index.search(noise(7000 + n), 10)]
        share = sum(hit.record.relative_path.startswith("c/") for hit in hits) / len(hits)
        assert 0.2 < share < 0.5  # a third of the photos

    def test_the_first_photos_are_the_first_of_more(self, with_parts: Making) -> None:
        """Also where a photo with one part and one with twelve are next to each other."""
        rows = [
            photo(f"{n}.jpg", noise(n), regions(*map(noise, range(30 * n, 30 * n + count))))
            for n, count in zip(range(1, 301), [12, 12, 12, 1] * 75, strict=True)
        ]
        index = with_parts(rows)
        for seed in range(8000, 8012):
            more = index.search(noise(seed), 120)
            assert index.search(noise(seed), 3) == more[:3]
            assert index.search(noise(seed), 15) == more[:15]

    def test_parts_stay_with_the_vector_they_were_written_with(self, with_parts: Making) -> None:
        one = photo("one.jpg", noise(1), regions(near(1), noise(2)))
        none = photo("none.jpg", noise(3), regions())
        index = with_parts([one, none, *crowd(20)])
        id = one.record.id

        def there() -> dict[str, Parts]:
            return index.parts([id, none.record.id, photo("c/1.jpg", None).record.id])

        expected = {id: regions(near(1), noise(2)), none.record.id: regions()}
        assert same(there(), expected)
        assert index.info().parts == {"region": PartCount(2, 2)}
        renamed = dataclasses.replace(one.record, mtime_ns=5)
        for row in (Row(renamed, None), Row(renamed, one.vector)):  # touched
            assert index.write([row]) == []
            assert same(there(), expected)
        assert index.write([Row(renamed, None, regions(near(4)))]) == []
        assert same(there(), {**expected, id: regions(near(4))})
        stored = {row.record.id: row.parts for row in index.rows()}
        assert same({id: stored[id] or {}}, {id: regions(near(4))})
        assert stored[photo("c/1.jpg", None).record.id] is None
        marks = {each.id: each.parted for some in index.fingerprints() for each in some}
        assert marks[id] == marks[none.record.id] == parts_mark(["region"])
        assert sum(marks.values()) == 2 * parts_mark(["region"])
        assert index.write([Row(renamed, noise(9))]) == []  # another picture
        assert same(there(), {none.record.id: regions()})
        assert all(hit.part is None for hit in index.search(QUESTION, 22))

    def test_filters_exclusions_and_deletions_count_for_parts(
        self, with_parts: Making, index_factory: Making
    ) -> None:
        inside = photo("in/1.jpg", noise(1), regions(near(1)))
        outside = photo("out/1.jpg", noise(2), regions(near(2)))
        index = with_parts([inside, outside, *crowd(60)])
        where = Filter(under=(Folder("holiday", "in"),))
        assert [hit.record for hit in index.search(QUESTION, 3, where)] == [inside.record]
        first = index.search(QUESTION, 1, exclude=[inside.record.id])
        assert [hit.record for hit in first] == [outside.record]
        target = index_factory("copied")
        assert copy_between_indexes.copy(index, target).complete
        ids = [inside.record.id, outside.record.id]
        assert same(target.parts(ids), index.parts(ids))
        index.write([], [inside.record.id])
        assert [hit.record for hit in index.search(QUESTION, 1)] == [outside.record]
        assert index.erase([outside.record.id]) == 1
        assert index.parts(ids) == {}
        assert all(hit.part is None for hit in index.search(QUESTION, 5))

    def test_what_cannot_be_a_part_is_refused(self, with_parts: Making) -> None:
        good = photo("good.jpg", noise(1), regions(near(1)))
        long = photo("long.jpg", noise(2), regions(near(2) * 2))
        nowhere = photo(
            "nowhere.jpg", noise(3), {"region": PartVectors(((0, 0, 0, 5),), near(3)[None])}
        )
        index = with_parts([good, *crowd(20)])
        failures = index.write([good, long, nowhere])
        assert {each.id for each in failures} == {long.record.id, nowhere.record.id}
        assert all("part" in each.reason for each in failures)
        assert long.record.id not in index.records([long.record.id])
