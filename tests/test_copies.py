"""Copies of one picture: which photos are, how results fold them, and what `duplicates` lists."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgsearch.copies import comparing, folding
from imgsearch.index.base import Neighbour
from imgsearch.models.base import Vector
from tests import pictures
from tests.command import Command
from tests.copies_contract import ONE, CopiesContract, differing, seen
from tests.elasticsearch import servers
from tests.index_contract import IndexFactory, towards, vector
from tests.test_elastic_contract import version as version
from tests.test_index_contract import local_factory
from tests.test_perceptual_hash import frame, ground


@pytest.mark.parametrize(
    ("changes", "are"),
    [
        ({}, True),
        ({"perceptual_hash": differing(ONE, 10)}, True),
        ({"perceptual_hash": differing(ONE, 11)}, False),
        ({"perceptual_hash": None}, False),
        ({"width": 1000, "height": 750}, True),
        ({"width": 1000, "height": 1000}, False),
        ({"width": 121, "height": 90}, True),  # of a thumbnail rounded to whole pixels
        ({"taken": "2019-07-14T12:30:01"}, False),
        ({"taken": "2019-07-14T12:30:01", "taken_source": "name"}, True),
        ({"taken": "2019-07-01T00:00:00", "taken_precision": "month"}, True),
        ({"taken": None}, True),
        ({"id": "far"}, False),
        ({"id": "without a vector"}, False),
        ({"id": "far", "content_hash": seen("a.jpg").content_hash}, True),
    ],
)
def test_copies_are_told_by_bytes_and_by_hash_shape_moment_and_vector(
    changes: Mapping[str, object], are: bool
) -> None:
    moment = {"taken": "2019-07-14T12:30:00", "taken_precision": "second", "taken_source": "exif"}
    one = seen("a.jpg", **moment)
    other = dataclasses.replace(seen("b.jpg", **moment), **changes)  # type: ignore[arg-type]

    def vectors(ids: Sequence[str]) -> dict[str, Vector]:
        known = {one.id: vector(1), "far": vector(2)}
        near = towards(vector(1), vector(2), 0.1)
        return {id: known.get(id, near) for id in ids if id != "without a vector"}

    groups = comparing.Groups(vectors)
    assert groups.place(one) == 0
    assert groups.place(other) == (0 if are else 1)
    assert groups.place(one) == 0


def test_a_plain_surface_is_a_copy_of_its_own_bytes_alone() -> None:
    groups = comparing.Groups(lambda ids: dict.fromkeys(ids, vector(1)))
    blank = [seen(f"{n}.jpg", "00" * 31 + "03") for n in range(2)]
    assert [groups.place(each) for each in blank] == [0, 1]
    same = dataclasses.replace(seen("c.jpg"), content_hash=blank[1].content_hash)
    assert groups.place(same) == 1


def test_ten_pages_show_no_picture_twice_and_miss_none() -> None:
    """Whatever the size of the pages, though later photos are copies of earlier ones."""
    chance = np.random.default_rng(7)
    hashes = [chance.bytes(32).hex() for _ in range(60)]
    photos = [
        seen(f"{n}.jpg", differing(hashes[kind], int(chance.integers(0, 6))), size=1000 + n)
        for n, kind in enumerate(chance.integers(0, 60, 300).tolist())
    ]
    ranked = [Neighbour(photo, 1 - n / 1000) for n, photo in enumerate(photos)]

    def vectors(ids: Sequence[str]) -> dict[str, Vector]:
        return dict.fromkeys(ids, vector(1))

    whole = [group[0].record.id for group in folding.folded(ranked, vectors)]
    assert 40 < len(whole) <= 60
    for size in (1, 4, 7):
        shown: list[str] = []
        for offset in range(0, len(whole), size):
            found = folding.distinct(lambda k: ranked[:k], offset + size, vectors)
            assert found is not None
            groups = folding.folded(found, vectors)[offset : offset + size]
            shown += [group[0].record.id for group in groups]
        assert shown == whole


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    return made_versions(tmp_path / "album")


def made_versions(album: Path) -> Path:
    """A photo, the same smaller and as PNG, byte by byte, and another frame of the scene."""
    album.mkdir()
    scene = ground("coffee.png")
    image = frame(scene)
    original = pictures.encoded(image, ".jpg", quality=92)
    (album / "original.jpg").write_bytes(original)
    (album / "same bytes.jpg").write_bytes(original)
    half = image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)
    (album / "half.jpg").write_bytes(pictures.encoded(half, ".jpg", quality=70))
    (album / "quarter.png").write_bytes(
        pictures.encoded(image.resize((image.width // 4, image.height // 4)), ".png")
    )
    (album / "next frame.jpg").write_bytes(pictures.encoded(frame(scene, 0.02, 0.02), ".jpg"))
    (album / "cat.jpg").write_bytes(pictures.encoded(frame(ground("chelsea.png")), ".jpg"))
    return album


def test_results_fold_copies_of_one_picture_and_show_the_largest(
    command: Command, versions: Path
) -> None:
    command.run("ingest", versions)
    lines = command.run("query", "coffee", "--json").json_lines
    copies_of = {line["name"]: line.get("copies") for line in lines}
    [largest] = {"original.jpg", "same bytes.jpg"} & set(copies_of)
    assert copies_of == {largest: 3, "next frame.jpg": 0, "cat.jpg": 0}
    assert "+3" in command.run("query", "coffee").stdout
    every = command.run("query", "coffee", "--no-fold", "--json").json_lines
    assert len(every) == 6
    assert not any(line["copies"] for line in every)
    pages = [
        command.run("query", "coffee", "-k", "1", "--offset", str(n), "--json").json_lines
        for n in range(4)
    ]
    assert [line["id"] for page in pages for line in page] == [line["id"] for line in lines]
    by_date = command.run("query", "--sort", "oldest", "--json").json_lines
    assert {line["id"] for line in by_date} == {line["id"] for line in lines}
    os.remove(versions / "original.jpg")
    os.remove(versions / "same bytes.jpg")
    names = {line["name"] for line in command.run("query", "coffee", "--json").json_lines}
    assert names == {"half.jpg", "next frame.jpg", "cat.jpg"}


# -- of a whole index


class TestLocal(CopiesContract):
    @pytest.fixture
    def index_factory(self, tmp_path: Path) -> Iterator[IndexFactory]:
        yield from local_factory(tmp_path, None)


class TestElasticsearch(CopiesContract):
    @pytest.fixture
    def index_factory(self, version: str) -> Iterator[IndexFactory]:
        with servers.space(version) as space:
            yield space.open
