"""The contract suite on real servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.elasticsearch import servers
from tests.index_contract import IndexContract, IndexFactory
from tests.parts_contract import PartsContract
from tests.texts_contract import TextsContract


@pytest.fixture(scope="session", params=servers.versions())
def version(request: pytest.FixtureRequest) -> str:
    """Of the session, so that one version's tests run together and few nodes have to start."""
    return str(request.param)


class TestElasticsearch(IndexContract, PartsContract, TextsContract):
    # Servers of version 8 choose among a photo's parts by the quantised vectors, and score the
    # photo by the full one; `tests/test_elastic_parts.py` compares unquantised ones exactly. On
    # 8.19.9, of 400 photos with 40 parts as near to each other as the contract's, the part that was
    # chosen was up to 0.0026 farther than the nearest (20 questions, 20 photos of each). Parts that
    # lie farther apart lose more: up to 0.025 at 32 dimensions, 0.016 at 128 and 0.0023 at 512.
    inexact = 0.01

    @pytest.fixture
    def index_factory(self, version: str) -> Iterator[IndexFactory]:
        with servers.space(version) as space:
            yield space.open
