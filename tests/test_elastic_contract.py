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
    # servers of version 8 choose among a photo's parts by the quantised vectors, and score the
    # photo by the full one; `tests/test_elastic_parts.py` compares unquantised ones exactly
    inexact = 0.01

    @pytest.fixture
    def index_factory(self, version: str) -> Iterator[IndexFactory]:
        with servers.space(version) as space:
            yield space.open
