"""`imgsearch doctor`: silent where all is well, the right cause first where it is not, and nothing
changed by looking."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from imgsearch import cpu_and_memory, models, settings
from imgsearch.doctor import machine
from imgsearch.doctor.examination import findings
from imgsearch.doctor.findings import Finding, examine, ok
from imgsearch.index import recorded_models
from imgsearch.index.elasticsearch import doctor as clusters
from imgsearch.index.elasticsearch.client import Cluster
from imgsearch.index.elasticsearch.connection import Connection
from imgsearch.index.elasticsearch.features import Features
from imgsearch.index.elasticsearch.requests import CreateOptions, create_body, vector_mapping
from imgsearch.index.elasticsearch.text_model.setup import Wish, arrange
from imgsearch.models import ModelSet, encoders
from imgsearch.output import cures
from imgsearch.paths import ClusterPlace, LocalPlace
from tests.command import Command
from tests.elasticsearch import certificates, node, servers
from tests.elasticsearch.front import Answer, Front, Request, User
from tests.elasticsearch.ml_cluster import MODEL_ID, answer_root, shared_trace
from tests.elasticsearch.ml_node import MlNode
from tests.elasticsearch.security import Security

PASSWORD = "pass word#1"


@pytest.fixture(scope="session")
def cache(model_cache: Path) -> Path:
    return model_cache / "imgsearch"


@pytest.fixture(scope="session")
def pair(cache: Path) -> ModelSet:
    return models.set_up(models.model_names("demo", None, None), cache / "models")


def look(place: Path | ClusterPlace, cache: Path, **options: Any) -> Iterator[Finding]:
    """Lazily: what comes after the first cause need not be looked at."""
    chosen = settings.defaults(model="demo", **options)
    where = LocalPlace(place) if isinstance(place, Path) else place
    return findings(chosen, where, cache)


def first_cause(found: Iterator[Finding]) -> Finding:
    return next(finding for finding in found if finding.state != "ok")


def not_ok(found: Iterator[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.state != "ok"]


# -- an index on this machine


@pytest.fixture(scope="session")
def ingested(
    tmp_path_factory: pytest.TempPathFactory, model_cache: Path, demo_photos: Path
) -> Path:
    home = tmp_path_factory.mktemp("home")
    command = Command(home, model_cache, {"IMGSEARCH_MODEL": "demo"})
    command.run("--index", home / "index", "ingest", demo_photos, "--limit", "5")
    return home / "index"


@pytest.fixture
def folder(ingested: Path, tmp_path: Path) -> Path:
    shutil.copytree(ingested, tmp_path / "index")
    return tmp_path / "index"


def database(folder: Path) -> Path:
    return folder / "generation-1" / "index.sqlite"


def test_a_healthy_machine_has_no_warning(folder: Path, cache: Path) -> None:
    found = list(look(folder, cache))
    assert not_ok(iter(found)) == []
    names = {finding.name for finding in found}
    assert names >= {
        "Python",
        "libraries",
        "index",
        "journal",
        "image model",
        "text model",
        "formats",
    }
    assert names >= {"processor", "GPU", "disk"}
    [regions] = [finding.detail for finding in found if finding.name == "regions"]
    assert regions.startswith("not asked for; ")
    assert regions.endswith(" (imgsearch ingest --regions)")


def test_formats_are_those_of_the_readme() -> None:
    text = " ".join((Path(__file__).parents[1] / "README.md").read_text("utf-8").split())
    listed = text.partition("It reads ")[2].partition(" and what else Pillow reads")[0]
    [finding] = machine.formats()
    assert set(finding.detail.partition(" and others; ")[0].split(", ")) == set(listed.split(", "))


def test_the_threads_are_those_that_an_ingest_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 640)
    [processor] = [each for each in machine.processor("auto") if each.name == "processor"]
    assert f"{cpu_and_memory.cores()} of 640 threads" in processor.detail


def test_no_index_yet_is_no_fault(tmp_path: Path, cache: Path) -> None:
    assert not_ok(look(tmp_path / "none", cache)) == []
    assert not (tmp_path / "none").exists()


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*")
    }


def test_looking_changes_nothing(folder: Path, cache: Path) -> None:
    before = snapshot(folder), snapshot(cache)
    list(look(folder, cache))
    assert (snapshot(folder), snapshot(cache)) == before


def _current(folder: Path) -> None:
    (folder / "CURRENT").write_text("nonsense")


def _no_database(folder: Path) -> None:
    database(folder).unlink()


def _no_sqlite(folder: Path) -> None:
    database(folder).write_bytes(b"not a database" * 1000)


def _damaged(folder: Path) -> None:
    with database(folder).open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(size // 2)
        file.write(os.urandom(size // 2))


def _changed(statement: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with contextlib.closing(sqlite3.connect(database(folder))) as connection:
            connection.executescript(statement)
            connection.execute("pragma wal_checkpoint(truncate)")

    return change


def _large_wal(folder: Path) -> None:
    with database(folder).with_name("index.sqlite-wal").open("wb") as file:
        file.truncate(300 << 20)


def _other_weights(folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(database(folder))) as connection:
        (stamp,) = connection.execute("select value from meta where key = 'models'").fetchone()
        changed = json.loads(stamp)
        changed["text_model"]["digest"] = "another"
        connection.execute("update meta set value = ? where key = 'models'", (json.dumps(changed),))
        connection.commit()
        connection.execute("pragma wal_checkpoint(truncate)")


LOCAL: list[tuple[Callable[[Path], None], str, str, str]] = [
    (_current, "failure", "index", "CURRENT names no generation"),
    (_no_database, "failure", "index", "is missing"),
    (_no_sqlite, "failure", "index", "not a database"),
    (_damaged, "failure", "index", "damaged"),
    (_changed("pragma user_version = 99"), "failure", "index", "newer imgsearch"),
    (_changed("delete from embeddings where row = 2"), "failure", "index", "have no vector"),
    (_changed("delete from meta where key = 'models'"), "failure", "index", "which models"),
    (_large_wal, "warning", "journal", "not copied"),
    (_other_weights, "failure", "text model", "other weights"),
]


@pytest.mark.parametrize(("break_it", "state", "name", "detail"), LOCAL)
def test_broken_indexes(
    folder: Path,
    cache: Path,
    break_it: Callable[[Path], None],
    state: str,
    name: str,
    detail: str,
) -> None:
    break_it(folder)
    cause = first_cause(look(folder, cache))
    assert (cause.state, cause.name) == (state, name)
    assert detail in cause.detail
    assert cause.cure


def test_an_old_python(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.python_version", lambda: "3.9.1")
    cause = first_cause(look(folder, cache))
    assert (cause.state, cause.name) == ("failure", "Python")


@pytest.mark.parametrize(("version", "seen"), [("5.0.1", "<5"), (None, "missing")])
def test_a_library_that_does_not_fit(
    folder: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: str | None,
    seen: str,
) -> None:
    """eland breaks on transformers 5."""
    real = metadata.version

    def other(name: str) -> str:
        if name == "transformers":
            if version is None:
                raise metadata.PackageNotFoundError(name)
            return version
        return real(name)

    monkeypatch.setattr("importlib.metadata.version", other)
    cause = first_cause(look(folder, cache))
    assert (cause.state, cause.name) == ("failure", "libraries")
    assert "transformers" in cause.detail
    assert seen in cause.detail


def test_a_model_that_is_not_here(folder: Path, tmp_path: Path) -> None:
    cause = first_cause(look(folder, tmp_path / "empty"))
    assert (cause.state, cause.name) == ("warning", "image model")
    assert "setup-model" in cures.shown(cause.cure, cause.action)


_Usage = namedtuple("_Usage", "total used free")


@pytest.mark.parametrize(("free", "state"), [(1 << 20, "failure"), (1 << 30, "warning")])
def test_a_disk_that_is_nearly_full(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: _Usage(10**12, 0, free))
    cause = first_cause(look(folder, cache))
    assert (cause.state, cause.name) == (state, "disk")


def test_a_pillow_without_avif(folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.features.check_module", lambda name: name != "avif")
    cause = first_cause(look(folder, cache))
    assert (cause.state, cause.name) == ("warning", "formats")
    assert "AVIF" in cause.detail


def test_a_check_that_fails_stops_no_other() -> None:
    def broken() -> Iterator[Finding]:
        yield ok("first", "fine")
        raise OSError("no such device")

    found = list(examine([("broken", broken), ("next", lambda: [ok("next", "fine")])]))
    assert [(one.name, one.state) for one in found] == [
        ("first", "ok"),
        ("broken", "warning"),
        ("next", "ok"),
    ]
    assert "no such device" in found[1].detail


def test_the_command(command: Command, folder: Path) -> None:
    said = command.run("doctor", "--index", folder)
    assert "failure" not in said.stdout
    counted = command.run("doctor", "--json", "--index", folder).json
    assert counted["counts"]["failure"] == 0
    assert {"name", "state", "detail", "cure"} == set(counted["findings"][0])
    _current(folder)
    broken = command.run("doctor", "--index", folder, code=1)
    assert "CURRENT names no generation" in " ".join(broken.stdout.split())
    assert "→" in broken.stdout
    assert "1 failure" in broken.stderr.splitlines()[-1]
    assert re.search(r"\d+ checks", said.stderr.splitlines()[-1])


# -- a cluster (canned answers of a real one; the last tests ask a real one)


class Canned:
    """What a healthy cluster answers, to be broken by a test."""

    def __init__(self, front: Front, ml: MlNode, security: Security, pair: ModelSet) -> None:
        self.front, self.ml, self.security = front, ml, security
        body = create_body([], {}, CreateOptions(), Features((9, 5, 3)))
        meta = {
            "schema_version": 1,
            "index_id": "x",
            "models": recorded_models.dump(pair.pair()),
        }
        properties = {**body["mappings"]["properties"], **vector_mapping(pair.text.dims, "int8")}
        self.index: dict[str, Any] = {
            "aliases": {"photos": {}},
            "mappings": {"_meta": meta, "properties": properties, "dynamic": "strict"},
            "settings": {"index": {}},
        }
        self.health, self.skew, self.free = "green", 0.0, 500 << 30
        front.handlers.append(self.handle)

    def handle(self, request: Request) -> Answer | None:
        answers: dict[str, Callable[[], Any]] = {
            "/photos": lambda: {"photos-000001": self.index},
            "/_cluster/stats": lambda: {"timestamp": int((time.time() + self.skew) * 1000)},
            "/_cluster/health/photos-000001": lambda: {"status": self.health, "number_of_nodes": 1},
            "/_cluster/settings": lambda: {
                "defaults": {
                    f"cluster.routing.allocation.disk.watermark.{mark}": f"{percent}%"
                    for mark, percent in (("low", 85), ("high", 90), ("flood_stage", 95))
                }
            },
            "/_nodes/stats/fs": lambda: {
                "nodes": {
                    "a": {
                        "name": "node-1",
                        "fs": {
                            "total": {
                                "total_in_bytes": 1 << 40,
                                "available_in_bytes": self.free,
                            }
                        },
                    }
                }
            },
        }
        reads: dict[str, Any] = {
            "POST /photos-000001/_pit": {"id": "view"},
            "POST /_search": {"hits": {"hits": []}},
            "POST /photos-000001/_search": {"hits": {"hits": [], "total": {"value": 0}}},
            "DELETE /_pit": {},
        }
        if f"{request.method} {request.path}" in reads:
            return Answer.json(reads[f"{request.method} {request.path}"])
        answer = answers.get(request.path)
        return Answer.json(answer()) if answer and request.method == "GET" else None


@pytest.fixture(scope="module")
def running(
    cache: Path, pair: ModelSet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Front, MlNode, Security]]:
    """With the model deployed, once for all tests."""
    users = {"elastic": User(PASSWORD)}
    with Front([], users=users, licence="trial") as front:
        front.handlers.append(answer_root("9.5.3"))
        ml, security = MlNode(front), Security(front)
        own = tmp_path_factory.mktemp("cache")
        traced = shared_trace(pair.text, tmp_path_factory.mktemp("trace"))
        shutil.copytree(traced, own / "uploads" / f"{MODEL_ID}-{pair.text.identity.digest[:8]}")
        client = Cluster.connect(Connection(url=front.url, user="elastic", password=PASSWORD))
        encoder = encoders.text_encoder(pair.text)
        arrange(client, pair.text, lambda: encoder, own, Wish(MODEL_ID))
        client.close()
        yield front, ml, security
        ml.close()


@pytest.fixture
def canned(running: tuple[Front, MlNode, Security], pair: ModelSet) -> Iterator[Canned]:
    """Put right again after each test."""
    import copy

    front, ml, security = running
    handlers, stored = list(front.handlers), copy.deepcopy(ml.models[MODEL_ID])
    front.requests.clear()
    yield Canned(front, ml, security, pair)
    front.handlers[:] = handlers
    front.licence = "trial"
    ml.models, ml.enabled, ml.nodes, ml.memory = {MODEL_ID: stored}, True, 1, 4 << 30
    security.granted = None


def look_at(canned: Canned, cache: Path, **options: Any) -> Iterator[Finding]:
    place = ClusterPlace(canned.front.url, "photos")
    given = {"es_user": "elastic", "es_password": PASSWORD, **options}
    return look(place, cache, **given)


def test_a_healthy_cluster_has_no_warning(canned: Canned, cache: Path) -> None:
    found = list(look_at(canned, cache))
    assert not_ok(iter(found)) == []
    names = [finding.name for finding in found]
    for name in (
        "cluster", "TLS", "clock", "login", "privileges", "index", "disks", "health",
        "models alike", "licence", "text model there",
    ):  # fmt: skip
        assert name in names
    assert not_ok(look_at(canned, cache, text_encoder="cluster")) == []


def test_looking_at_a_cluster_changes_nothing(canned: Canned, cache: Path) -> None:
    list(look_at(canned, cache))
    changing = {
        f"{request.method} {request.path}"
        for request in canned.front.requests
        if request.method != "GET"
    }
    documents = {"POST /photos-000001/_pit", "POST /_search", "DELETE /_pit"}  # a view of them
    documents.add("POST /photos-000001/_search")
    assert changing == {"POST /_security/user/_has_privileges", *documents}


def _set(**values: Any) -> Callable[[Canned], None]:
    return lambda canned: [setattr(canned, *item) for item in values.items()] and None


def _block(canned: Canned) -> None:
    canned.index["settings"]["index"]["blocks"] = {"read_only_allow_delete": "true"}


def _foreign(canned: Canned) -> None:
    canned.index["mappings"]["_meta"] = {}


def _lacking(canned: Canned) -> None:
    del canned.index["mappings"]["properties"]["content_hash"]


def _retyped(canned: Canned) -> None:
    canned.index["mappings"]["properties"]["library"] = {"type": "text"}


def _dot_product(canned: Canned) -> None:
    canned.index["mappings"]["properties"]["image_embedding"]["similarity"] = "l2_norm"


def _newer(canned: Canned) -> None:
    canned.index["mappings"]["_meta"]["schema_version"] = 99


def _other_index_weights(canned: Canned) -> None:
    canned.index["mappings"]["_meta"]["models"]["image_model"]["digest"] = "x"


def _deployment(**state: Any) -> Callable[[Canned], None]:
    return lambda canned: canned.ml.models[MODEL_ID].deployments[MODEL_ID].update(state)


def _stopped(canned: Canned) -> None:
    canned.ml.models[MODEL_ID].deployments.clear()


def _incomplete(canned: Canned) -> None:
    del canned.ml.models[MODEL_ID].parts[3]


def _other_model_weights(canned: Canned) -> None:
    canned.ml.models[MODEL_ID].config["metadata"]["imgsearch"]["digest"] = "x"


def _no_ml_node(canned: Canned) -> None:
    _stopped(canned)
    canned.ml.nodes = 0


def _no_ml_memory(canned: Canned) -> None:
    _stopped(canned)
    canned.ml.memory = 100 << 20


def _licence(kind: str) -> Callable[[Canned], None]:
    return lambda canned: setattr(canned.front, "licence", kind)


def _granted(*names: str) -> Callable[[Canned], None]:
    return lambda canned: setattr(canned.security, "granted", set(names))


def _ml_off(canned: Canned) -> None:
    canned.ml.enabled = False


_SEARCH = ("monitor", "read", "view_index_metadata")
_INGEST = (*_SEARCH, "write", "create_index", "manage", "maintenance")
BROKEN: list[tuple[str, Callable[[Canned], None], str, str, str]] = [
    # mode of the text encoder, what is broken, state, name, words of the detail
    ("auto", _set(skew=-120.0), "warning", "clock", "ahead of"),
    ("auto", _set(skew=600.0), "warning", "clock", "behind"),
    ("auto", _set(health="yellow"), "warning", "health", "yellow"),
    ("auto", _set(health="red"), "failure", "health", "red"),
    ("auto", _set(free=120 << 30), "warning", "disks", "low watermark"),
    ("auto", _set(free=90 << 30), "warning", "disks", "high watermark"),
    ("auto", _set(free=10 << 30), "failure", "disks", "flood_stage watermark"),
    ("auto", _granted("monitor"), "failure", "privileges", "searching"),
    ("auto", _granted(*_SEARCH), "warning", "privileges", "ingesting"),
    ("auto", _granted(*_INGEST), "warning", "privileges", "its text model"),
    ("auto", _block, "failure", "index", "read-only"),
    ("auto", _foreign, "warning", "index", "another program"),
    ("auto", _lacking, "failure", "index", "lacks content_hash"),
    ("auto", _retyped, "failure", "index", "library is text, not keyword"),
    ("auto", _dot_product, "failure", "index", "l2_norm"),
    ("auto", _newer, "failure", "index", "newer imgsearch"),
    ("auto", _other_index_weights, "failure", "models alike", "other weights"),
    ("auto", _licence("expired"), "warning", "licence", "expired"),
    ("cluster", _licence("basic"), "failure", "licence", "basic licence"),
    ("cluster", _ml_off, "failure", "text model there", "switched off"),
    ("auto", _stopped, "warning", "text model there", "not deployed"),
    ("cluster", _stopped, "failure", "text model there", "not deployed"),
    ("auto", _incomplete, "warning", "text model there", "not uploaded completely"),
    ("auto", _other_model_weights, "warning", "text model there", "other weights"),
    ("auto", _no_ml_node, "warning", "memory for ML", "no node for machine learning"),
    ("auto", _no_ml_memory, "warning", "memory for ML", "the model wants"),
    ("auto", _deployment(state="failed", reason="killed"), "warning", "text model there", "killed"),
    ("auto", _deployment(state="starting"), "warning", "text model there", "not ready"),
    (
        "cluster",
        lambda canned: canned.ml.models.clear(),
        "failure",
        "text model there",
        "no imgsearch__demo-text",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "break_it", "state", "name", "detail"), BROKEN)
def test_broken_clusters(
    canned: Canned,
    cache: Path,
    mode: str,
    break_it: Callable[[Canned], None],
    state: str,
    name: str,
    detail: str,
) -> None:
    break_it(canned)
    cause = first_cause(look_at(canned, cache, text_encoder=mode))
    assert (cause.state, cause.name) == (state, name)
    assert detail in cause.detail
    assert cause.cure


@pytest.mark.parametrize("break_it", [_licence("basic"), _ml_off])
def test_no_machine_learning_is_no_fault(
    canned: Canned, cache: Path, break_it: Callable[[Canned], None]
) -> None:
    break_it(canned)
    found = list(look_at(canned, cache))
    assert not_ok(iter(found)) == []
    assert any("on this machine" in finding.detail for finding in found)


def test_a_libtorch_that_is_too_old(canned: Canned, cache: Path) -> None:
    canned.front.handlers.insert(0, answer_root("8.10.2"))
    assert not_ok(look_at(canned, cache)) == []
    cause = first_cause(look_at(canned, cache, text_encoder="cluster"))
    assert "libtorch 1.13.1" in cause.detail


@pytest.mark.parametrize(
    ("options", "handler", "seen"),
    [
        ({"es_password": "wrong"}, None, "does not accept the password"),
        ({"es_user": None, "es_password": None}, None, "wants credentials"),
        ({}, answer_root("8.4.0"), "runs Elasticsearch 8.4.0"),
        (
            {},
            lambda request: Answer(200, b"<html>", {"content-type": "text/html"}),
            "not Elasticsearch",
        ),
    ],
)
def test_clusters_that_cannot_be_used(
    canned: Canned, cache: Path, options: dict[str, Any], handler: Any, seen: str
) -> None:
    if handler is not None:
        canned.front.handlers.insert(0, handler)
    cause = first_cause(look_at(canned, cache, **options))
    assert (cause.state, cause.name) == ("failure", "cluster")
    assert seen in cause.detail


@pytest.mark.parametrize(
    ("options", "days", "state", "seen"),
    [
        ({}, 90, "failure", "not trusted"),
        ({"verify_certs": False}, 90, "warning", "not verified"),
        ({"ca": True}, 10, "warning", "holds for 10 days"),
        ({"ca": True}, 90, "ok", ""),
    ],
)
def test_certificates(
    authority: certificates.Authority,
    cache: Path,
    options: dict[str, Any],
    days: int,
    state: str,
    seen: str,
) -> None:
    given = dict(options)
    if given.pop("ca", False):
        given["ca_certs"] = str(authority.ca)
    with Front([], tls=authority.context(days=days)) as front:
        front.handlers.append(answer_root("9.5.3"))
        Security(front)
        front.handlers.append(lambda request: Answer.error(404, "index_not_found_exception", "no"))
        found = look(ClusterPlace(front.url, "photos"), cache, **given)
        cause = next((one for one in found if one.state != "ok" or one.name == "clock"), ok("", ""))
    if state == "ok":
        assert cause.name == "clock"  # it comes after TLS
    else:
        assert cause.state == state
        assert seen in cause.detail


@pytest.mark.parametrize(
    ("total", "watermark", "headroom", "free"),
    [
        (1000, "85%", "", 150),
        (1 << 40, "85%", "200gb", (1 << 40) * 0.15),
        (100 << 40, "85%", "200gb", 200 << 30),
        (1 << 40, "50gb", "", 50 << 30),
        (1000, "0.9", "", 100),
    ],
)
def test_watermarks(total: int, watermark: str, headroom: str, free: float) -> None:
    assert clusters.must_be_free(total, watermark, headroom) == pytest.approx(free)


@pytest.mark.parametrize(
    "version",
    [servers.NEWEST, *(pytest.param(one, marks=pytest.mark.slow) for one in node.ALL[:-1])],
)
def test_a_real_server_has_no_warning(version: str, command: Command, demo_photos: Path) -> None:
    """Security and licence are the front's; everything else is the server's own."""
    users = {"elastic": User(PASSWORD)}
    with servers.space(version) as space, Front([space.server], users=users) as front:
        Security(front)
        command.environment |= {"ES_USER": "elastic", "ES_PASSWORD": PASSWORD}
        index = f"{front.url}/{space.name()}"
        command.run("--index", index, "ingest", demo_photos, "--limit", "5")
        counted = command.run("--index", index, "doctor", "--json").json
        assert [one for one in counted["findings"] if one["state"] != "ok"] == []
        details = {one["name"]: one["detail"] for one in counted["findings"]}
        assert "mapping as ours" in details["index"]
        assert "s apart" in details["clock"]
        assert "queries are encoded on this machine" in details["licence"]
