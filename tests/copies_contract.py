"""What every index backend answers about copies: `imgsearch.copies.groups.find`. What is right is
found here by trying every pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from imgsearch.copies import comparing, groups
from imgsearch.index.base import ALL, Filter, Record, Row
from imgsearch.models.base import Vector
from tests.index_contract import IndexFactory, filled, record, towards, vector

ONE = "0f" * 32  # 128 bits


def differing(hash: str, bits: int) -> str:
    """The hash with so many other bits, spread over it."""
    number = int(hash, 16)
    for at in range(bits):
        number ^= 1 << (at * 25) % 256
    return f"{number:064x}"


def seen(path: str, hash: str | None = ONE, **changes: object) -> Record:
    return record(path, perceptual_hash=hash, **changes)


def expected(rows: Sequence[Row]) -> list[set[str]]:
    """Groups by trying every pair, each photo with the largest that it is a copy of."""
    vectors = {row.record.id: row.vector for row in rows if row.vector is not None}
    order = sorted((row.record for row in rows), key=comparing.largest_first)
    groups: list[list[Record]] = []
    for photo in order:
        for group in groups:
            if _is_copy(group[0], photo, vectors):
                group.append(photo)
                break
        else:
            groups.append([photo])
    return [{each.id for each in group} for group in groups if len(group) > 1]


def _is_copy(one: Record, other: Record, vectors: Mapping[str, Vector]) -> bool:
    if one.content_hash == other.content_hash:
        return True
    bits = comparing.bits_of(one), comparing.bits_of(other)
    return (
        None not in bits
        and comparing.look_alike(
            int(one.perceptual_hash or "", 16), int(other.perceptual_hash or "", 16)
        )
        and comparing.may_be_one(one, other)
        and float(vectors[one.id] @ vectors[other.id]) >= comparing.LEAST_COSINE
    )


def library(count: int) -> list[Row]:
    """Photos of which a third have copies: other sizes, the same bytes, and frames of one scene."""
    chance = np.random.default_rng(3)
    rows: list[Row] = []
    for number in range(count):
        hash, own = chance.bytes(32).hex(), vector(number)
        width, height = (4000, 3000) if number % 2 else (3000, 4000)
        facts = {"width": width, "height": height, "size": 1000 + number}
        rows.append(Row(seen(f"{number}.jpg", hash, **facts), own))
        for copy in range(int(chance.integers(1, 4)) if number % 3 == 0 else 0):
            kind = chance.integers(4)
            near = towards(own, vector(10_000 + number), 0.05)
            small = {"width": width // 4, "height": height // 4, "size": 90 + copy}
            name = f"{number} copy {copy}.jpg"
            if kind == 0:
                same = {**facts, "content_hash": seen(f"{number}.jpg").content_hash}
                rows.append(Row(seen(name, hash, **same), own))
            elif kind == 1:
                rows.append(
                    Row(seen(name, differing(hash, int(chance.integers(10))), **small), near)
                )
            elif kind == 2:
                rows.append(Row(seen(name, differing(hash, 40), **facts), near))
            else:
                rows.append(Row(seen(name, hash, **facts), vector(20_000 + number)))
    return rows


class CopiesContract:
    def test_all_copies_of_an_index_are_found(self, index_factory: IndexFactory) -> None:
        rows = library(300)
        index = filled(index_factory, rows)
        found = groups.find(index)
        listed = list(found)
        right = expected(rows)
        assert len(right) > 60
        assert sorted(map(sorted, right)) == sorted(
            sorted(each.id for each in group.photos) for group in listed
        )
        saved = [group.saved for group in listed]
        assert saved == sorted(saved, reverse=True)
        assert (len(found), found.saved) == (len(listed), sum(saved))
        assert found.copies == sum(len(group.photos) - 1 for group in listed)
        assert (found.photos, found.unseen) == (len(rows), 0)
        for group in listed:
            assert list(group.photos) == sorted(group.photos, key=comparing.largest_first)

    def test_the_threshold_and_the_folder_count(self, index_factory: IndexFactory) -> None:
        one, two = vector(1), vector(2)
        rows = [
            Row(seen("a/1.jpg"), one),
            Row(seen("a/2.jpg"), towards(one, two, 0.2)),
            Row(seen("b/3.jpg"), one),
        ]
        index = filled(index_factory, rows)

        def names(where: Filter = ALL, threshold: float = 0.95) -> list[set[str]]:
            found = groups.find(index, where, threshold)
            return [{each.relative_path for each in group.photos} for group in found]

        assert names() in ([{"a/1.jpg", "a/2.jpg", "b/3.jpg"}], [{"a/1.jpg", "b/3.jpg"}])
        assert names(threshold=0.99) == [{"a/1.jpg", "b/3.jpg"}]
        assert names(threshold=0.5) == [{"a/1.jpg", "a/2.jpg", "b/3.jpg"}]
        assert names(Filter.within("holiday", "a"), 0.99) == []
        assert names(Filter.within("holiday", "a"), 0.5) == [{"a/1.jpg", "a/2.jpg"}]

    def test_photos_of_a_version_before_are_compared_by_their_bytes(
        self, index_factory: IndexFactory
    ) -> None:
        rows = [Row(seen(f"{n}.jpg", None), vector(1)) for n in range(3)]
        rows.append(
            Row(seen("same.jpg", None, content_hash=rows[1].record.content_hash), vector(1))
        )
        found = groups.find(filled(index_factory, rows))
        assert [{each.relative_path for each in group.photos} for group in found] == [
            {"1.jpg", "same.jpg"}
        ]
        assert found.unseen == 4

    def test_an_empty_index_has_no_copies(self, index_factory: IndexFactory) -> None:
        found = groups.find(index_factory())
        assert (list(found), found.photos, found.copies, found.saved) == ([], 0, 0, 0)
