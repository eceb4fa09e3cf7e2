"""Servers that tests share: each version is started once, when the first test wants it. The quick
ones are for all processes of a test run, and end with it; others end with their process.
`IMGSEARCH_TEST_ES_URL` names a server to use instead of any of them.

Where none can be started, tests are skipped, in one loud line; under `IMGSEARCH_TEST_REQUIRE_ES=1`
they fail."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import sys
import tempfile
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import pytest
from filelock import FileLock

from imgsearch.index.elasticsearch.connection import Connection
from imgsearch.index.elasticsearch.index import ElasticsearchIndex
from imgsearch.index.elasticsearch.opening import open_elasticsearch
from imgsearch.index.elasticsearch.requests import CreateOptions
from tests.elasticsearch import node

OUTSIDE = os.environ.get("IMGSEARCH_TEST_ES_URL")
REQUIRED = os.environ.get("IMGSEARCH_TEST_REQUIRE_ES") == "1"
AT_ONCE = 2  # nodes of one process that run at a time: a gigabyte each
SHARED = "IMGSEARCH_TEST_ES_SHARED"  # the folder that says what nodes of this test run there are

_running: dict[str, tuple[str, ExitStack]] = {}
_refused: dict[str, str] = {}
_skipped: list[str] = []


def versions(quick: tuple[str, ...] = node.QUICK) -> list[Any]:
    """For `pytest.mark.parametrize`: all of them, those that are not `quick` as slow."""
    if OUTSIDE:
        return ["outside"]
    return [
        version if version in quick else pytest.param(version, marks=pytest.mark.slow)
        for version in node.ALL
    ]


NEWEST = "outside" if OUTSIDE else node.QUICK[-1]


def url(version: str = NEWEST) -> str:
    """Of a running server; skips or fails the test where there can be none."""
    if OUTSIDE:
        return OUTSIDE.rstrip("/")
    if version in _refused:
        give_up(_refused[version])
    if version in node.QUICK and SHARED in os.environ:
        try:
            return _of_all_processes(version, Path(os.environ[SHARED]))
        except node.Unavailable as error:
            _refused[version] = str(error)
            give_up(str(error))
    if version not in _running:
        while len(_running) >= AT_ONCE:
            _, oldest = _running.pop(next(iter(_running)))
            oldest.close()
        stack = ExitStack()
        try:
            running = stack.enter_context(node.start(version))
        except node.Unavailable as error:
            _refused[version] = str(error)
            give_up(str(error))
        _running[version] = (running.url, stack)
    return _running[version][0]


def _of_all_processes(version: str, folder: Path) -> str:
    """The URL of the node that all processes of this test run use. Raises Unavailable."""
    said = folder / f"{version}.json"
    with FileLock(folder / f"{version}.lock"):
        if not said.exists():
            running = node.launch(version)
            known = {"url": running.url, "pid": running.process.pid, "home": str(running.home)}
            said.write_text(json.dumps(known))
            try:
                node.wait_until_ready(running)
            except node.Unavailable:
                running.stop()
                said.unlink()
                raise
            running.process.returncode = 0  # it outlives this process, which need not wait for it
    return str(json.loads(said.read_text())["url"])


def shared() -> Callable[[], None]:
    """Lets the processes that this one starts share nodes. Returns what ends those nodes."""
    folder = Path(tempfile.mkdtemp(prefix="imgsearch-es-shared-"))
    os.environ[SHARED] = str(folder)

    def end() -> None:
        del os.environ[SHARED]
        for said in folder.glob("*.json"):
            known = json.loads(said.read_text())
            with suppress(ProcessLookupError):
                os.kill(known["pid"], getattr(signal, "SIGKILL", signal.SIGTERM))
            shutil.rmtree(known["home"], ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)

    return end


@contextmanager
def cluster(version: str, nodes: int = 3) -> Iterator[list[node.Node]]:
    """Of a test's own, whose nodes it may kill."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(node.start_cluster(version, nodes))
        except node.Unavailable as error:
            give_up(str(error))
        yield running


def give_up(reason: str) -> NoReturn:
    if REQUIRED:
        pytest.fail(f"IMGSEARCH_TEST_REQUIRE_ES=1, and no Elasticsearch: {reason}")
    line = f"NO ELASTICSEARCH: {reason}".splitlines()[0]
    _skipped.append(line)
    pytest.skip(line)


@atexit.register
def stop_all() -> None:
    if _skipped:  # here, where pytest captures no longer
        print(f"{_skipped[0]} ({len(_skipped)} tests SKIPPED)", file=sys.stderr, flush=True)
    while _running:
        _, (_, stack) = _running.popitem()
        stack.close()


def request(server: str, method: str, path: str, body: Any = None) -> Any:
    """Without the code under test. Raises urllib's errors."""
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(
        f"{server}/{path.lstrip('/')}",
        data=data,
        method=method,
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.loads(answer.read() or b"null")


class Space:
    """Indices of one test, all of them gone at its end."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.prefix = f"t{uuid.uuid4().hex[:12]}"
        self._opened: list[ElasticsearchIndex] = []

    def name(self, name: str = "photos") -> str:
        return f"{self.prefix}-{name}"

    def open(
        self,
        name: str = "photos",
        *,
        create: bool = True,
        through: str | None = None,
        options: CreateOptions | None = None,
        **more: Any,
    ) -> ElasticsearchIndex:
        """`through`: the URL of a front, with the server behind it."""
        connection = more.pop("connection", None) or Connection(url=through or self.server)
        index = open_elasticsearch(
            connection, self.name(name), create=create, options=options, **more
        )
        self._opened.append(index)
        return index

    def request(self, method: str, path: str, body: Any = None) -> Any:
        return request(self.server, method, path, body)

    def documents(self, name: str = "photos", size: int = 100) -> list[dict[str, Any]]:
        """Hits with their whole source: from 9.2 on servers leave vectors out unless asked."""
        number = self.request("GET", "/")["version"]["number"]
        leaves_out = tuple(map(int, number.split(".")[:2])) >= (9, 2)
        source: Any = {"exclude_vectors": False} if leaves_out else True
        body = {"size": size, "_source": source}
        found = self.request("POST", f"/{self.name(name)}/_search", body)
        return found["hits"]["hits"]  # type: ignore[no-any-return]

    def refresh(self) -> None:
        self.request("POST", f"{self.prefix}*/_refresh")

    def clear(self) -> None:
        for index in self._opened:
            index.close()
        # by name: servers refuse to delete by pattern
        found = self.request("GET", f"{self.prefix}*?filter_path=*.settings.index.uuid")
        for index_name in found:
            self.request("PUT", f"{index_name}/_settings", {"index.blocks.read_only": None,
                "index.blocks.read_only_allow_delete": None})  # fmt: skip
            self.request("DELETE", index_name)


@contextmanager
def space(version: str = NEWEST) -> Iterator[Space]:
    made = Space(url(version))
    try:
        yield made
    finally:
        made.clear()
