"""The contract suite on every backend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imgsearch.index.base import Index
from imgsearch.index.local.opening import open_local
from imgsearch.index.local.search_files.segments import Limits
from tests.index_contract import IndexContract, IndexFactory
from tests.parts_contract import PartsContract

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


class TestLocal(IndexContract, PartsContract):
    @pytest.fixture(params=[None, SMALL_LIMITS], ids=["usual files", "small files"])
    def index_factory(
        self, tmp_path: Path, request: pytest.FixtureRequest
    ) -> Iterator[IndexFactory]:
        yield from local_factory(tmp_path, request.param)
