"""The contract suite on every backend."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgsearch.index import copy_between_indexes
from imgsearch.index.base import Capabilities, Index, PartCount, Parts, PartVectors
from imgsearch.index.local.opening import open_local
from imgsearch.index.local.search_files.segments import Limits
from tests.index_contract import IndexContract, IndexFactory, filled, row, vector
from tests.parts_contract import PartsContract
from tests.texts_contract import TextsContract

# so that a few dozen rows go through files, merges and sketches
SMALL_LIMITS = Limits(
    flush=16, flush_at_end=2, segment=400, sketch_from=100, sketch=50, looked_at=1
)


def local_factory(folder: Path, limits: Limits | None) -> Iterator[IndexFactory]:
    opened: list[Index] = []

    def open_it(name: str = "photos") -> Index:
        opened.append(open_local(folder / name, create=True, limits=limits))
        return opened[-1]

    yield open_it
    for index in opened:
        index.close()


def test_a_copy_says_what_the_target_cannot_hold(tmp_path: Path) -> None:
    """And a later one into an index that can adds it to photos that were copied without."""
    parts: Parts = {"region": PartVectors(((0, 0, 9, 9),), vector(9)[None])}
    with (
        contextlib.closing(open_local(tmp_path / "old", create=True)) as old,
        contextlib.closing(open_local(tmp_path / "new", create=True)) as new,
    ):
        filled(lambda name: old, [row("a.jpg", 1)._replace(parts=parts), row("b.jpg", 2)])
        new.capabilities = Capabilities(no_parts="Whole photos only.")  # type: ignore[misc]
        result = copy_between_indexes.copy(old, new)
        assert result.complete
        assert (result.copied, result.without_parts) == (2, 1)
        assert new.info().parts == {}
        new.capabilities = Capabilities()
        result = copy_between_indexes.copy(old, new)
        assert (result.copied, result.already_there, result.without_parts) == (1, 1, 0)
        assert new.info().parts == old.info().parts == {"region": PartCount(1, 1)}


class TestLocal(IndexContract, PartsContract, TextsContract):
    @pytest.fixture(params=[None, SMALL_LIMITS], ids=["usual files", "small files"])
    def index_factory(
        self, tmp_path: Path, request: pytest.FixtureRequest
    ) -> Iterator[IndexFactory]:
        yield from local_factory(tmp_path, request.param)
