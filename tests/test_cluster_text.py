"""Queries whose words become vectors in the cluster: the same answers as with the model here, the
choice between the two, and what is said where it cannot be had."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgsearch import models
from imgsearch.errors import ImgsearchError, ModelError, ModelUnavailable
from imgsearch.index.base import Row, TextMode, TextRequest
from imgsearch.index.elasticsearch.client import Cluster
from imgsearch.index.elasticsearch.connection import Connection
from imgsearch.index.elasticsearch.features import Features
from imgsearch.index.elasticsearch.text_model import choice as cluster_text
from imgsearch.index.elasticsearch.text_model import comparisons
from imgsearch.index.elasticsearch.text_model.choice import Choice
from imgsearch.index.elasticsearch.text_model.setup import Wish, arrange
from imgsearch.models import DEMO_MODELS, Tower, encoders
from imgsearch.models.base import ModelIdentity, ModelPair, TextEncoder, unit
from imgsearch.output import cures
from tests.command import Command, Finished
from tests.elasticsearch import servers
from tests.elasticsearch.front import Answer, Front, User
from tests.elasticsearch.ml_cluster import MODEL_ID, MlCluster, ml_cluster, shared_trace
from tests.elasticsearch.ml_node import MlNode
from tests.elasticsearch.servers import Space
from tests.index_contract import record

WORDS = ("a photo of a cat", "eine Tasse Kaffee", "red heart")


@pytest.fixture(scope="session")
def tower(model_cache: Path) -> Tower:
    cache = model_cache / "imgsearch" / "models"
    return models.set_up_tower("text", str(DEMO_MODELS / "text"), cache)


@pytest.fixture(scope="session")
def encoder(tower: Tower) -> TextEncoder:
    return encoders.text_encoder(tower)


@pytest.fixture(scope="session")
def traced(tower: Tower, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_trace(tower, tmp_path_factory.mktemp("trace"))


@pytest.fixture
def there(tower: Tower, encoder: TextEncoder, traced: Path, tmp_path: Path) -> Iterator[MlCluster]:
    """A cluster with the model deployed and verified by this machine."""
    with ml_cluster(tower, encoder, tmp_path / "cache") as made:
        made.keep(traced)
        made.arrange()
        made.front.requests.clear()
        yield made


# -- as a user does, on real servers


class Whole:
    """A real node behind a front with machine learning, and the command that talks to it."""

    def __init__(self, space: Space, front: Front, ml: MlNode, command: Command) -> None:
        self.space, self.front, self.ml, self.command = space, front, ml, command

    def run(self, *arguments: Any, **options: Any) -> Finished:
        index = f"{self.front.url}/{self.space.name()}"
        return self.command.run("--index", index, *arguments, **options)

    def found(self, words: str, mode: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.run(
            "query", words, "--json", "--text-encoder", mode
        ).json_lines
        return found


@contextmanager
def whole(version: str, command: Command, traced: Path, tower: Tower) -> Iterator[Whole]:
    with servers.space(version) as space:
        users = {"elastic": User("pass word#1")}
        with Front([space.server], users=users, licence="trial") as front:
            numbers = tuple(map(int, version.split("."))) if version[0].isdigit() else (9, 5, 3)
            ml = MlNode(front, version=numbers)
            command.environment |= {"ES_USER": "elastic", "ES_PASSWORD": "pass word#1"}
            uploads = command.cache / "imgsearch" / "uploads"
            folder = uploads / f"{MODEL_ID}-{tower.identity.digest[:8]}"
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(traced, folder)
            try:
                yield Whole(space, front, ml, command)
            finally:
                ml.close()


def _versions() -> list[Any]:
    """Those whose libtorch loads our traces."""
    each = servers.versions(quick=(servers.NEWEST,))
    return [one for one in each if "8.6.2" not in (one, *getattr(one, "values", ()))]


@pytest.mark.parametrize("version", _versions())
def test_the_same_ranking_in_the_cluster_and_here(
    version: str, command: Command, traced: Path, tower: Tower, demo_photos: Path, tmp_path: Path
) -> None:
    some = tmp_path / "some"
    some.mkdir()
    for photo in sorted(path for path in demo_photos.rglob("*") if path.is_file())[:40]:
        shutil.copy(photo, some / photo.name)
    with whole(version, command, traced, tower) as it:
        said = it.run("setup-model").stdout
        assert "uploaded, started" in said
        assert "nothing was missing" in it.run("setup-model").stdout
        it.run("ingest", some)
        forget_the_sample(it)
        for words in WORDS:
            here = it.found(words, "local")
            it.front.requests.clear()
            in_cluster = it.found(words, "cluster")
            [search] = it.front.seen("POST .*/_m?search$")[-1:]
            if version == "8.13.4":  # it cannot score quantised hits again: the vector comes here
                assert it.front.seen("POST .*/_infer")
            else:  # one round trip
                assert "query_vector_builder" in json.loads(search.body.splitlines()[-1])["knn"]
                assert not it.front.seen("POST .*/_infer")
            assert [hit["id"] for hit in in_cluster] == [hit["id"] for hit in here]
            scores = [
                (hit["score"], other["score"]) for hit, other in zip(here, in_cluster, strict=True)
            ]
            assert all(abs(one - other) < 1e-4 for one, other in scores)
        it.run("query", WORDS[0], "--like", a_photo(it))  # fetches the sample that tells what fits
        fit = [(hit["fits"], hit["surprise"]) for hit in it.found(WORDS[0], "local")]
        assert None not in {each for one in fit for each in one}
        it.front.requests.clear()
        there = [(hit["fits"], hit["surprise"]) for hit in it.found(WORDS[0], "cluster")]
        assert it.front.seen("POST .*/_infer")
        assert [fits for fits, _ in there] == [fits for fits, _ in fit]
        assert [each for _, each in there] == pytest.approx([each for _, each in fit], abs=1e-3)
        verbose = it.run("-v", "query", WORDS[0], "--text-encoder", "auto")
        assert "in the cluster" in verbose.stderr
        assert "in the cluster" in it.run("status").stdout
        assert "stopped" in it.run("setup-model", "--stop").stdout
        fallback = it.run("-v", "query", WORDS[0])
        assert "on this machine" in fallback.stderr
        assert "not deployed" in fallback.stderr
        refused = it.run("query", WORDS[0], "--text-encoder", "cluster", code=1)
        assert "is not deployed" in refused.stderr
        assert f"{it.space.name()} setup-model" in refused.stderr
        assert "deleted" in it.run("setup-model", "--delete").stdout
        assert "has no model" in it.run("status").stdout.replace("\n", " ")
        it.front.licence = "basic"
        assert "licence" in it.run("status").stdout
        refused = it.run("setup-model", code=1)
        assert "does not cover machine learning" in refused.stderr


@pytest.fixture
def deployed(
    command: Command, traced: Path, tower: Tower, demo_photos: Path, tmp_path: Path
) -> Iterator[Whole]:
    """Six photos in an index whose text model is deployed beside it."""
    some = tmp_path / "some"
    some.mkdir()
    for photo in sorted(path for path in demo_photos.rglob("*") if path.is_file())[:6]:
        shutil.copy(photo, some / photo.name)
    command.environment["XDG_CACHE_HOME"] = str(tmp_path / "own cache")
    shutil.copytree(command.cache / "imgsearch" / "models", tmp_path / "own cache/imgsearch/models")
    command.cache = tmp_path / "own cache"
    with whole(servers.NEWEST, command, traced, tower) as it:
        it.run("setup-model")
        it.run("ingest", some)
        forget_the_sample(it)
        yield it


def asked(it: Whole, *words: str) -> tuple[Finished, list[str]]:
    """What a query with the model in the cluster prints, and its requests."""
    it.front.requests.clear()
    finished = it.run("-v", "query", *words)
    return finished, [f"{one.method} {one.path}" for one in it.front.requests]


def a_photo(it: Whole) -> str:
    [hit] = it.found("a cat", "local")[:1]
    return str(hit["path"])


def forget_the_sample(it: Whole) -> None:
    """As on a machine that has not ingested: what fits is not told there, and one request does."""
    shutil.rmtree(it.command.cache / "imgsearch" / "samples")


def forget_the_cluster(it: Whole) -> None:
    """As on another machine."""
    for left in it.command.cache.rglob("cluster-*.json"):
        left.unlink()


def test_a_query_by_the_clusters_model_asks_three_times_and_then_twice(deployed: Whole) -> None:
    forget_the_cluster(deployed)
    first, requests = asked(deployed, "a cat")
    again, fewer = asked(deployed, "red heart")
    assert "in the cluster" in first.stderr
    assert "in the cluster" in again.stderr
    assert len(requests) <= 3, requests
    assert len(fewer) <= 2, fewer
    deployed.run(
        "query", "red heart", "-k", "1", "--like", a_photo(deployed)
    )  # which fetches the sample
    assert len(asked(deployed, "red heart")[1]) <= 3  # the vector comes here, to tell what fits


def test_what_is_remembered_of_the_clusters_model_is_asked_anew_where_it_is_wrong(
    deployed: Whole,
) -> None:
    """The deployment gets another name; then it is stopped; then the model is gone."""
    expected = deployed.found("a cat", "local")
    asked(deployed, "a cat")
    stored = deployed.ml.models[MODEL_ID]
    stored.deployments["for-search"] = stored.deployments.pop(MODEL_ID)
    stored.deployments["for-search"]["deployment_id"] = "for-search"
    for _ in range(2):
        found = deployed.found("a cat", "cluster")
        assert [hit["id"] for hit in found] == [hit["id"] for hit in expected]
    finished, requests = asked(deployed, "a cat")
    assert "in the cluster" in finished.stderr
    assert len(requests) <= 2, requests
    stored.deployments.clear()
    finished, _ = asked(deployed, "a cat")
    assert "is not deployed" in finished.stderr
    assert "on this machine" in finished.stderr
    assert len(asked(deployed, "a cat")[1]) <= 2  # nor is this asked each time
    deployed.ml.models.clear()
    refused = deployed.run("query", "a cat", "--text-encoder", "cluster", code=1)
    assert "has no model" in refused.stderr


def test_a_model_that_was_replaced_from_this_machine_is_not_remembered(deployed: Whole) -> None:
    asked(deployed, "a cat")
    deployed.run("setup-model", "--replace")
    deployed.ml.models[MODEL_ID].config["metadata"]["imgsearch"]["digest"] = "other weights"
    refused = deployed.run("query", "a cat", "--text-encoder", "cluster", code=1)
    assert "other weights" in refused.stderr


@pytest.mark.parametrize("text", ["[]", "{", '{"%": []}', '{"%": {"since": 1e999}}', "\0"])
def test_a_damaged_memory_of_the_clusters_model_is_forgotten(deployed: Whole, text: str) -> None:
    asked(deployed, "a cat")
    [memory] = deployed.command.cache.rglob("cluster-models.json")
    [key] = [key for key in json.loads(memory.read_text()) if key.endswith("/deployed")]
    memory.write_text(text.replace("%", key))
    assert "in the cluster" in asked(deployed, "a cat")[0].stderr


def test_options_that_make_no_sense(command: Command, demo_photos: Path) -> None:
    refused = command.run("setup-model", "--stop", code=2)
    assert "lies on none" in refused.stderr
    refused = command.run("setup-model", "--index", "http://x:1/y", "--priority", "high", code=2)
    assert "normal, low" in refused.stderr
    refused = command.run("setup-model", "--index", "http://x:1/y", "--stop", "--replace", code=2)
    assert "exclude" in refused.stderr
    command.run("ingest", demo_photos, "--limit", "2")
    refused = command.run("query", "x", "--text-encoder", "cluster", code=2)
    assert "this index lies on none" in refused.stderr


# -- the choice


def choose(
    there: MlCluster,
    mode: TextMode = "auto",
    text: ModelIdentity | None = None,
    local: TextEncoder | None = None,
    **more: Any,
) -> Choice:
    client = there.connect()
    try:
        dims = more.get("dims", there.encoder.dims)
        model_id = more.get("model_id", MODEL_ID)
        request = TextRequest(model_id, text, dims, mode, there.cache, lambda: local)
        return cluster_text.choose(client, request)
    finally:
        client.close()


def test_our_own_upload_is_known_by_its_weights(there: MlCluster, tower: Tower) -> None:
    """Two requests, no inference, and no model on this machine."""
    choice = choose(there, text=tower.identity)
    assert choice.texts is not None
    assert "deployed there" in choice.reason
    asked = [request.target for request in there.front.requests[1:]]
    assert len(asked) == 2
    assert all("_infer" not in target for target in asked)


def test_local_asks_nothing(there: MlCluster, tower: Tower) -> None:
    client = there.connect()
    there.front.requests.clear()
    request = TextRequest(MODEL_ID, tower.identity, 128, "local", there.cache, lambda: None)
    choice = cluster_text.choose(client, request)
    client.close()
    assert choice.texts is None
    assert there.front.requests == []


def _another_tools(there: MlCluster) -> None:
    del there.ml.models[MODEL_ID].config["metadata"]["imgsearch"]
    there.ml.models[MODEL_ID].created += 1


def test_another_tools_deployment_is_compared_once(
    there: MlCluster, tower: Tower, encoder: TextEncoder
) -> None:
    _another_tools(there)
    first = choose(there, text=tower.identity, local=encoder)
    assert first.texts is not None
    assert there.sent("POST .*/_infer") == 4
    assert choose(there, text=tower.identity).texts is not None  # remembered
    assert there.sent("POST .*/_infer") == 4


def test_another_tools_deployment_without_a_model_here(there: MlCluster, tower: Tower) -> None:
    _another_tools(there)
    choice = choose(there, text=tower.identity)
    assert choice.texts is None
    assert "another tool" in choice.reason
    assert choose(there, "cluster", text=tower.identity).texts is not None


def test_another_tools_configuration_is_respected(
    there: MlCluster, tower: Tower, encoder: TextEncoder
) -> None:
    """The name of its input, of its result, of its deployment, and its prefix."""
    _another_tools(there)
    stored = there.ml.models[MODEL_ID]
    stored.config["input"] = {"field_names": ["my_words"]}
    stored.inference["results_field"] = "my_vector"
    stored.deployments["for-search"] = stored.deployments.pop(MODEL_ID)
    stored.deployments["for-search"]["deployment_id"] = "for-search"
    choice = choose(there, text=tower.identity, local=encoder)
    assert choice.texts is not None
    assert choice.texts.name == "for-search"
    stored.config["prefix_strings"] = {"search": "query: "}
    client = there.connect()
    dims, cache = encoder.dims, there.cache
    request = TextRequest(MODEL_ID, tower.identity, dims, "cluster", cache, lambda: None)
    choice = cluster_text.choose(client, request)
    assert choice.texts is not None
    [vector] = choice.texts.encode(["a cat"])
    client.close()
    [expected] = encoder.encode(["query: a cat"])
    assert float(vector @ expected) > 0.999


def test_a_prefix_that_changes_vectors_means_local(
    there: MlCluster, tower: Tower, encoder: TextEncoder
) -> None:
    _another_tools(there)
    there.ml.models[MODEL_ID].config["prefix_strings"] = {"search": "a drawing of many words: "}
    choice = choose(there, text=tower.identity, local=encoder)
    assert choice.texts is None
    assert "other vectors" in choice.reason


def _absent(there: MlCluster) -> None:
    there.ml.models.clear()


def _stopped(there: MlCluster) -> None:
    there.ml.models[MODEL_ID].deployments.clear()


def _starting(there: MlCluster) -> None:
    [state] = there.ml.models[MODEL_ID].deployments.values()
    state["state"] = "starting"
    state["allocation_status"]["allocation_count"] = 0


def _off(there: MlCluster) -> None:
    there.ml.enabled = False


def _serverless(there: MlCluster) -> None:
    there.ml.serverless = True


def _other_weights(there: MlCluster) -> None:
    there.ml.models[MODEL_ID].config["metadata"]["imgsearch"]["digest"] = "x"


def _other_dims(there: MlCluster) -> None:
    there.ml.models[MODEL_ID].inference["embedding_size"] = 768


def _unprivileged(there: MlCluster) -> None:
    reason = "action [cluster:monitor/xpack/ml/inference/get] is unauthorized for user [x]"
    refused = Answer.error(403, "security_exception", reason)
    there.front.handlers.insert(0, lambda r: refused if "/_ml/" in r.path else None)


CHOICES: list[tuple[Callable[[MlCluster], None], str, str, type[ImgsearchError]]] = [
    (_absent, "has no model", "imgsearch setup-model", ModelUnavailable),
    (_stopped, "is not deployed", "imgsearch setup-model", ModelUnavailable),
    (_starting, "is not deployed", "imgsearch setup-model", ModelUnavailable),
    (_off, "switched off", "xpack.ml.enabled", ModelUnavailable),
    (_serverless, "serverless", "project", ModelUnavailable),
    (_other_weights, "other weights", "--replace", ModelError),
    (_other_dims, "768 dimensions", "--model-id", ModelError),
    (_unprivileged, "may not do that", "monitor_ml", ModelError),
]


@pytest.mark.parametrize(
    ("break_it", "seen", "cure", "error"), CHOICES, ids=[row[0].__name__[1:] for row in CHOICES]
)
def test_what_stands_against_the_cluster(
    there: MlCluster,
    tower: Tower,
    encoder: TextEncoder,
    break_it: Callable[[MlCluster], None],
    seen: str,
    cure: str,
    error: type[ImgsearchError],
) -> None:
    break_it(there)
    choice = choose(there, text=tower.identity, local=encoder)
    assert choice.texts is None
    assert seen in choice.reason
    with pytest.raises(error) as caught:
        choose(there, "cluster", text=tower.identity, local=encoder)
    assert seen in caught.value.message
    assert cure in cures.of(caught.value)


def test_an_index_that_records_no_models(
    there: MlCluster, tower: Tower, encoder: TextEncoder
) -> None:
    """The tutorial's: the model in use here decides."""
    assert choose(there, local=encoder).texts is not None
    choice = choose(there)
    assert choice.texts is None
    assert "not recorded" in choice.reason


def test_a_verdict_is_of_one_cluster(there: MlCluster, tower: Tower) -> None:
    client = there.connect()
    from imgsearch.index.elasticsearch.text_model.state import ClusterModel

    model = ClusterModel(client, MODEL_ID)
    described = model.look()
    assert described is not None
    assert comparisons.remembered(there.cache, model, described, tower.identity)
    client.info = {**client.info, "cluster_uuid": "another"}
    assert not comparisons.remembered(there.cache, model, described, tower.identity)
    client.close()


# -- the search


@contextmanager
def filled(
    tower: Tower, encoder: TextEncoder, traced: Path, tmp_path: Path
) -> Iterator[tuple[Any, cluster_text.ClusterTexts, Front, MlNode]]:
    """A real index of forty random vectors, and a deployed model."""
    with servers.space() as space, Front([space.server], licence="trial") as front:
        ml = MlNode(front)
        index = space.open(through=front.url)
        pair = ModelPair(ModelIdentity("image", "i"), tower.identity, encoder.dims)
        index.stamp(pair)
        vectors = unit(np.random.default_rng(0).normal(size=(40, encoder.dims)))
        index.write([Row(record(f"{n}.jpg"), vector) for n, vector in enumerate(vectors)])
        index.finish()
        client = Cluster.connect(Connection(url=front.url))
        cache = tmp_path / "cache"
        shutil.copytree(traced, cache / "uploads" / f"{MODEL_ID}-{tower.identity.digest[:8]}")
        arrange(client, tower, lambda: encoder, cache, Wish(MODEL_ID))
        dims = encoder.dims
        request = TextRequest(MODEL_ID, tower.identity, dims, "cluster", cache, lambda: None)
        choice = cluster_text.choose(client, request)
        assert choice.texts is not None
        try:
            yield index, choice.texts, front, ml
        finally:
            client.close()
            ml.close()


def test_one_request_or_two(
    tower: Tower, encoder: TextEncoder, traced: Path, tmp_path: Path
) -> None:
    """From 8.7 on one; before, and where hits are scored again here, two. The same answers."""
    with filled(tower, encoder, traced, tmp_path) as (index, texts, front, _):
        [vector] = encoder.encode(["a cat"])
        expected = [hit.record.id for hit in index.search(vector, 5)]
        front.requests.clear()
        one = texts.search(index, "a cat", 5)
        assert [hit.record.id for hit in one.neighbours] == expected
        assert len(front.requests) == 1
        for version in ((8, 6, 2), (8, 15, 0)):
            index.cluster.features = Features(version)
            front.requests.clear()
            two = texts.search(index, "a cat", 5)
            assert [hit.record.id for hit in two.neighbours] == expected
            assert [request.path.rpartition("/")[2] for request in front.requests] == [
                "_infer",
                "_search",
            ]


SEARCH_FAILURES: list[tuple[Callable[[Front, MlNode], None], str]] = [
    (lambda front, ml: setattr(front, "licence", "basic"), "does not cover machine learning"),
    (lambda front, ml: ml.models[MODEL_ID].deployments.clear(), "is not deployed"),
    (lambda front, ml: ml.models.clear(), "has no model"),
]


def test_failures_while_searching(
    tower: Tower, encoder: TextEncoder, traced: Path, tmp_path: Path
) -> None:
    """Between the choice and the search, something has changed."""
    with filled(tower, encoder, traced, tmp_path) as (index, texts, front, ml):
        for change, seen in SEARCH_FAILURES:
            licence, kept = front.licence, dict(ml.models)
            deployments = dict(ml.models[MODEL_ID].deployments)
            change(front, ml)
            for version in ((9, 5, 3), (8, 6, 2)):
                index.cluster.features = Features(version)
                with pytest.raises(ModelError, match=seen) as caught:
                    texts.search(index, "a cat", 5)
                assert "--text-encoder" in cures.of(caught.value)
            front.licence = licence
            ml.models = kept
            ml.models[MODEL_ID].deployments.update(deployments)


def test_words_reach_the_server_as_they_are(
    tower: Tower, encoder: TextEncoder, traced: Path, tmp_path: Path
) -> None:
    with filled(tower, encoder, traced, tmp_path) as (index, texts, front, _):
        texts.search(index, '  "ø" \\ 海辺  ', 3)
        sent = json.loads(front.seen("POST .*/_search$")[-1].body)
        assert sent["knn"]["query_vector_builder"]["text_embedding"] == {
            "model_id": MODEL_ID,
            "model_text": '  "ø" \\ 海辺  ',
        }
