"""A cluster for tests of the model alone: the front and its machine learning, without a real node.
It says of itself whatever version it is given."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imgsearch.index.elasticsearch.client import Cluster
from imgsearch.index.elasticsearch.connection import Connection
from imgsearch.index.elasticsearch.features import Features
from imgsearch.index.elasticsearch.text_model import trace
from imgsearch.index.elasticsearch.text_model.setup import Arranged, Wish, arrange
from imgsearch.models import Tower
from imgsearch.models.base import TextEncoder
from imgsearch.progress import Progress, silent
from tests.elasticsearch.front import Answer, Front, Request
from tests.elasticsearch.ml_node import MlNode

MODEL_ID = "imgsearch__demo-text"


class MlCluster:
    """`cache`: this machine's. `traced`: a trace of the tower, so that no test makes its own."""

    def __init__(
        self, front: Front, ml: MlNode, tower: Tower, encoder: TextEncoder, cache: Path
    ) -> None:
        self.front, self.ml, self.tower, self.encoder = front, ml, tower, encoder
        self.cache = cache
        self.shown: list[str] = []

    def connect(self) -> Cluster:
        return Cluster.connect(Connection(url=self.front.url))

    def arrange(
        self, model_id: str = MODEL_ID, progress: Progress | None = None, **wish: Any
    ) -> Arranged:
        cluster = self.connect()
        try:
            return arrange(
                cluster,
                self.tower,
                lambda: self.encoder,
                self.cache,
                Wish(model_id, **wish),
                progress or self._show,
            )
        finally:
            cluster.close()

    def _show(self, what: str, done: int, total: int) -> None:
        self.shown.append(what)

    def uploads(self) -> Path:
        return self.cache / "uploads" / f"{MODEL_ID}-{self.tower.identity.digest[:8]}"

    def keep(self, traced: Path) -> None:
        """As if an earlier run had made the trace and sent nothing."""
        shutil.copytree(traced, self.uploads())

    def sent(self, pattern: str) -> int:
        return len(self.front.seen(pattern))


def answer_root(version: str, **more: Any) -> Any:
    """A handler for `GET /`."""
    info = {
        "name": "front",
        "cluster_name": "test",
        "cluster_uuid": uuid.uuid4().hex,
        "version": {"number": version, **more},
        "tagline": "You Know, for Search",
    }

    def handle(request: Request) -> Answer | None:
        return Answer.json(info) if request.path == "/" else None

    return handle


@contextmanager
def ml_cluster(
    tower: Tower,
    encoder: TextEncoder,
    cache: Path,
    version: str = "9.5.3",
    licence: str = "trial",
    **more: Any,
) -> Iterator[MlCluster]:
    with Front([], licence=licence) as front:
        front.handlers.append(answer_root(version, **more))
        ml = MlNode(front, version=tuple(map(int, version.split("."))))
        try:
            yield MlCluster(front, ml, tower, encoder, cache)
        finally:
            ml.close()


def make_trace(tower: Tower, folder: Path) -> Path:
    trace.make(tower, folder, Features((9, 5, 3)), silent)
    return folder


_traces: dict[str, Path] = {}


def shared_trace(tower: Tower, folder: Path) -> Path:
    """Made once for all test files: torch and eland take half a minute to import."""
    if tower.identity.digest not in _traces:
        _traces[tower.identity.digest] = make_trace(tower, folder / "trace")
    return _traces[tower.identity.digest]
