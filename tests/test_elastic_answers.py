"""Wrong answers of a cluster, such as a proxy gives: each part of each answer of another kind."""

from __future__ import annotations

import contextlib
import inspect
import json
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from imgsearch.doctor.findings import Finding
from imgsearch.errors import ImgsearchError, IndexUnavailable
from imgsearch.index.base import Index
from imgsearch.index.elasticsearch import doctor
from imgsearch.index.elasticsearch.client import Cluster
from imgsearch.index.elasticsearch.connection import Connection
from imgsearch.index.elasticsearch.features import Features
from imgsearch.index.elasticsearch.text_model import choice, inference
from imgsearch.index.elasticsearch.text_model.doctor import TextModel
from imgsearch.index.elasticsearch.text_model.state import ClusterModel
from tests.elasticsearch import servers
from tests.elasticsearch.front import Answer, Front, Request
from tests.elasticsearch.servers import Space
from tests.index_contract import MODELS, filled, row, vector

ODD: tuple[Any, ...] = (None, [], {}, "text", -1, [None], 1e300)
GONE = object()
_MOST = 500  # wrong answers that are tried of one kind


@pytest.fixture(scope="module")
def space() -> Iterator[Space]:
    with servers.space() as made:
        filled(made.open, [row(f"{n}.jpg", n) for n in range(3)])
        yield made


@pytest.fixture
def front(space: Space) -> Iterator[Front]:
    with Front([space.server]) as made:
        yield made


def changes(value: Any, others: tuple[Any, ...] = ODD) -> Iterator[Any]:
    """The value with one part of it, at any depth, replaced by another or left out."""
    yield from others
    if isinstance(value, dict):
        for key in value:
            yield {other: value[other] for other in value if other != key}
            for changed in changes(value[key], others):
                yield {**value, key: changed}
    elif isinstance(value, list):
        for place in range(min(len(value), 2)):
            yield value[:place] + value[place + 1 :]
            for changed in changes(value[place], others):
                yield [*value[:place], changed, *value[place + 1 :]]


class Liar:
    """In a front: answers requests whose `METHOD path` ends like `ending` with `lie`."""

    def __init__(self, front: Front, ending: str) -> None:
        self._front, self._ending = front, ending
        self.lie: Any = GONE
        self.true: Any = GONE  # the last answer of the node
        front.handlers.insert(0, self)

    def __call__(self, request: Request) -> Answer | None:
        if not f"{request.method} {request.path}".endswith(self._ending):
            return None
        if self.lie is not GONE:
            return Answer.json(self.lie)
        answer = self._front._forwarded(request, request.body)
        self.true = json.loads(answer.body)
        return answer


USES: dict[str, tuple[str, Callable[[Index], object]]] = {
    "search": ("/_search", lambda index: index.search(vector(1), 2)),
    "count": ("/_count", lambda index: index.count()),
    "records": ("/_mget", lambda index: index.records(_ids(3))),
    "vectors": ("/_mget", lambda index: index.vectors(_ids(3))),
    "libraries": ("/_search", lambda index: index.libraries()),
    "hashes": ("/_search", lambda index: index.records_by_hash(["a", "b"])),
    "open pages": ("/_pit", lambda index: list(index.ids())),
    "ids": ("POST /_search", lambda index: list(index.ids())),
    "rows": ("POST /_search", lambda index: list(index.rows())),
    "fingerprints": ("POST /_search", lambda index: [list(s) for s in index.fingerprints()]),
    "bulk": ("/_bulk", lambda index: index.write([row("0.jpg", 0)], ["5" * 32])),
    "health": ("/_cluster/health/{index}", lambda index: index.info()),
    "licence": ("/_license", lambda index: index.info()),
    "statistics": ("/_stats/docs", lambda index: index.info()),
    "size": ("/_stats/store", lambda index: index.info()),
    "fields": ("/_disk_usage", lambda index: index.info()),
    "index": ("GET /{index}", lambda index: index.info()),
    "refresh": ("/_refresh", lambda index: index.finish()),
}


def _ids(count: int) -> list[str]:
    return [row(f"{n}.jpg", n).record.id for n in range(count)]


@pytest.mark.parametrize("use", USES)
def test_each_part_of_an_answer_may_be_wrong(space: Space, front: Front, use: str) -> None:
    ending, act = USES[use]
    index = space.open(through=front.url, create=use == "refresh")
    liar = Liar(front, ending.format(index=f"{space.name()}-000001"))
    act(index)
    assert liar.true is not GONE, "the request was not made"
    lies = list(changes(liar.true, ODD[:3] if "info" in inspect.getsource(act) else ODD))
    assert len(lies) > 10
    if len(lies) > _MOST:
        lies = random.Random(use).sample(lies, _MOST)
    for lie in lies:
        liar.lie = lie
        with contextlib.suppress(ImgsearchError):  # and nothing else, which is told as a bug
            act(index)


@pytest.mark.parametrize("lie", [[], None, "text", {}, {"version": {"number": "x"}}])
def test_a_cluster_that_tells_something_else_of_itself(
    space: Space, front: Front, lie: Any
) -> None:
    liar = Liar(front, "GET /")
    liar.lie = lie
    with pytest.raises(IndexUnavailable):
        space.open("another", through=front.url, retry_for=0.0)


@pytest.mark.parametrize(
    "error",
    [None, [], "text", 5, {"root_cause": "x"}, {"root_cause": [None]}, {"root_cause": [[]]},
     {"type": ["x"], "reason": {"a": 1}}, {"caused_by": [1]}],
)  # fmt: skip
@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_an_odd_error(space: Space, front: Front, status: int, error: Any) -> None:
    index = space.open(through=front.url, create=False, retry_for=0.0)
    front.handlers.append(
        lambda request: (
            Answer.json({"error": error, "status": status}, status)
            if request.path.endswith("/_search")
            else None
        )
    )
    with pytest.raises(ImgsearchError):
        index.search(vector(1), 2)


PAGE = b"<html><body>no</body></html>"
HEADERS: tuple[dict[str, str], ...] = ({}, {"content-type": "text/html"}, {"content-type": "a/b"},
    {"content-type": "application/json"})  # fmt: skip


@pytest.mark.parametrize("headers", HEADERS)
@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "credentials"), (413, "too large"), (502, "502"), (503, "503"), (429, "429")],
)
def test_the_status_counts_whatever_the_body_is(
    space: Space, front: Front, status: int, words: str, headers: dict[str, str]
) -> None:
    index = space.open(through=front.url, create=False, retry_for=0.0)
    front.handlers.append(
        lambda request: Answer(status, PAGE, headers) if request.path.endswith("/_search") else None
    )
    with pytest.raises(ImgsearchError) as caught:
        index.search(vector(1), 2)
    assert words in caught.value.message


@pytest.mark.parametrize("headers", HEADERS)
def test_a_proxys_413_halves_a_request(space: Space, front: Front, headers: dict[str, str]) -> None:
    with servers.space() as own:
        index = own.open(connection=Connection(url=front.url), retry_for=0.0)
        index.stamp(MODELS)
        refused: list[int] = []

        def handler(request: Request) -> Answer | None:
            if request.path.endswith("/_bulk") and len(request.body) > 3000:
                refused.append(len(request.body))
                return Answer(413, PAGE, headers)
            return None

        front.handlers.append(handler)
        assert index.write([row(f"{n}.jpg", n) for n in range(16)]) == []
        index.finish()
        assert index.count() == 16
        assert refused


MODEL = {
    "model_id": "m",
    "fully_defined": True,
    "create_time": 5,
    "input": {"field_names": ["text_field"]},
    "inference_config": {"text_embedding": {"results_field": "r", "embedding_size": 4}},
    "prefix_strings": {"search": "query: "},
    "metadata": {"imgsearch": {"upload": "u", "part_bytes": 5}, "per_deployment_memory_bytes": 1},
}
DEPLOYMENT = {
    "deployment_id": "m",
    "model_id": "m",
    "state": "started",
    "allocation_status": {"allocation_count": 1, "target_allocation_count": 1},
    "nodes": [{"routing_state": {"routing_state": "failed", "reason": "killed"}}],
    "number_of_allocations": 1,
}
ML: dict[str, Any] = {
    "/_ml/trained_models/m": {"trained_model_configs": [MODEL]},
    "/_ml/trained_models/m/_stats": {"trained_model_stats": [{"deployment_stats": DEPLOYMENT}]},
    "/_ml/trained_models/m/_infer": {"inference_results": [{"r": [0.5, 0.5, 0.5, 0.5]}]},
    "/_ml/memory/_stats": {
        "nodes": {"a": {"roles": ["ml"], "mem": {"ml": {"max_in_bytes": 1 << 40}}}}
    },
    "/_license": {"license": {"type": "trial", "status": "active"}},
}


@pytest.mark.parametrize("path", ML)
def test_each_part_of_what_is_said_of_a_text_model_may_be_wrong(path: str) -> None:
    answered = dict(ML)
    with Front([]) as front:
        front.handlers.insert(
            0,
            lambda request: (
                Answer.json(answered[request.path]) if request.path in answered else None
            ),
        )
        cluster = Cluster(Connection(url=front.url))
        cluster.features = Features((9, 5, 3))
        model = ClusterModel(cluster, "m")

        def use() -> list[Finding]:
            described, deployment = choice.deployed(model)
            inference.embed(model, described, deployment.name, ["a"])
            return list(TextModel(model, None, True).look())

        assert use()
        for lie in list(changes(ML[path])):
            answered[path] = lie
            with contextlib.suppress(ImgsearchError):
                use()
        cluster.close()


DOCTOR: dict[str, tuple[str, Callable[[Cluster], Iterable[Finding]]]] = {
    "clock": ("/_cluster/stats", doctor.clock),
    "health": ("/_cluster/health", lambda cluster: doctor.health(cluster, None)),
    "settings": ("/_cluster/settings", doctor.disks),
    "disks": ("/_nodes/stats/fs", doctor.disks),
}


@pytest.mark.parametrize("name", DOCTOR)
def test_the_doctor_reads_whatever_a_cluster_says(front: Front, name: str) -> None:
    ending, check = DOCTOR[name]
    cluster = Cluster.connect(Connection(url=front.url))
    liar = Liar(front, ending)
    assert list(check(cluster))
    for lie in list(changes(liar.true)):
        liar.lie = lie
        with contextlib.suppress(ImgsearchError):
            assert list(check(cluster))
    cluster.close()
