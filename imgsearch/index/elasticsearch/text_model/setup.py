"""From nothing to a model that answers in the cluster, doing only what is missing. Whatever ends a
run, the next one goes on from what lies there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import field
from pathlib import Path

from imgsearch.dataclass import dataclass
from imgsearch.errors import ImgsearchError, ModelError
from imgsearch.index.elasticsearch.answers import at
from imgsearch.index.elasticsearch.client import Cluster
from imgsearch.index.elasticsearch.text_model import comparisons, inference, trace, upload
from imgsearch.index.elasticsearch.text_model import deployment as deployments
from imgsearch.index.elasticsearch.text_model.deployment import Asked
from imgsearch.index.elasticsearch.text_model.errors import failure, recognised
from imgsearch.index.elasticsearch.text_model.state import (
    ClusterModel,
    Deployment,
    Model,
    libtorch,
    loads_our_traces,
)
from imgsearch.models import Tower
from imgsearch.models.base import TextEncoder
from imgsearch.progress import Progress, silent

TIMEOUT = 600.0  # seconds for a start
ABANDONED_SECONDS = 900.0  # another tool's upload that has not ended by then never will


@dataclass(frozen=True, slots=True)
class Wish:
    model_id: str
    asked: Asked = field(default_factory=Asked)
    timeout: float = TIMEOUT
    replace: bool = False


@dataclass(frozen=True)
class Arranged:
    """`done`: what was missing, in words. `seconds`: by stage. `sent`: bytes of the definition."""

    model_id: str
    deployment: Deployment
    cosine: float
    done: tuple[str, ...]
    sent: int
    seconds: dict[str, float]


def check_possible(cluster: Cluster) -> None:
    """Raises ModelUnavailable where a text model cannot run in this cluster, before anything large
    is made."""
    if not loads_our_traces(cluster.features):
        raise failure(
            "libtorch",
            place=cluster.place,
            version=cluster.features,
            libtorch=libtorch(cluster.features),
            torch=_torch_version(),
        )
    kind, active = licence(cluster)
    if kind == "basic" or not active:
        reason = f"a {kind} licence" if active else f"the {kind} licence has expired"
        raise failure("licence", place=cluster.place, reason=reason)


def licence(cluster: Cluster) -> tuple[str, bool]:
    """Its type, "" where that cannot be seen, and whether it is active."""
    try:
        found = at(cluster.call("GET", "/_license"), "license")
    except ImgsearchError:
        return "", True  # no privilege, or a project without licences: the requests will tell
    return str(at(found, "type") or ""), (at(found, "status") or "active") == "active"


def arrange(
    cluster: Cluster,
    tower: Tower,
    open_encoder: Callable[[], TextEncoder],
    cache: Path,
    wish: Wish,
    progress: Progress = silent,
) -> Arranged:
    """Ends with a verified model. Raises ModelError, ModelUnavailable, IndexUnavailable."""
    return _Run(cluster, tower, cache, wish, progress).run(open_encoder)


class _Run:
    def __init__(
        self, cluster: Cluster, tower: Tower, cache: Path, wish: Wish, progress: Progress
    ) -> None:
        self._model = ClusterModel(cluster, wish.model_id)
        self._tower, self._cache, self._wish, self._progress = tower, cache, wish, progress
        self._folder = cache / "uploads" / f"{wish.model_id}-{tower.identity.digest[:8]}"
        self._done: list[str] = []
        self._seconds: dict[str, float] = {}
        self._sent = 0
        self._since = time.monotonic()

    def run(self, open_encoder: Callable[[], TextEncoder]) -> Arranged:
        check_possible(self._model.cluster)
        described = self._usable(self._model.look())
        known = described is not None and comparisons.remembered(
            self._cache, self._model, described, self._tower.identity
        )
        if described is None or not described.complete or not known:
            described = self._complete(described)
        deployment = self._deployed(described)
        cosine = self._verified(described, deployment, open_encoder())
        self._lap("verify")
        return Arranged(
            self._model.model_id, deployment, cosine, tuple(self._done), self._sent, self._seconds
        )

    def _deployed(self, described: Model) -> Deployment:
        try:
            deployment = self._ready()
        except ModelError as error:
            if recognised(error) != "vocabulary" or not described.ours:
                raise
            # an upload that ended just before it, on another machine
            traced = trace.kept(self._folder) or self._traced()
            upload.Upload(self._model, described, traced).put_vocabulary()
            deployment = self._ready()
        self._lap("start")
        return deployment

    def _ready(self) -> Deployment:
        deployment, begun = deployments.ready(
            self._model, self._wish.asked, self._wish.timeout, self._progress
        )
        if begun:
            self._done.append("started")
        return deployment

    def _lap(self, stage: str) -> None:
        now = time.monotonic()
        self._seconds[stage] = self._seconds.get(stage, 0.0) + now - self._since
        self._since = now

    def _usable(self, found: Model | None) -> Model | None:
        """What an earlier run left, if it can be completed. What cannot, and does not belong to
        anybody, is deleted."""
        if found is None:
            return None
        if self._wish.replace:
            self._delete("deleted the model that was there")
            return None
        ours = found.ours
        if not ours:
            if found.complete:
                return found  # another tool's: verified like our own
            if time.time() - found.created / 1000 < ABANDONED_SECONDS:
                raise self._failure("half_uploaded")
            self._delete("deleted another tool's broken upload")
            return None
        if ours.get("digest") != self._tower.identity.digest:
            reason = f"other weights of {ours.get('text_model', 'a text model')}"
            raise self._failure("other_weights", reason=reason)
        if found.complete:
            return found
        kept = trace.kept(self._folder)
        if kept is None or kept.sha256 != ours.get("sha256"):
            self._delete("deleted a broken upload of other bytes")
            return None
        return found

    def _delete(self, why: str) -> None:
        deployments.delete(self._model)
        comparisons.forget(self._cache, self._model)
        self._done.append(why)

    def _complete(self, found: Model | None) -> Model:
        """Every part and the vocabulary are there, and the model as the cluster then describes
        it."""
        traced = trace.kept(self._folder)
        if found is not None and found.complete and (traced is None or not found.ours):
            return found  # if the vocabulary is missing all the same, the start will tell
        if traced is None:
            traced = self._traced()
        if found is None:
            found = upload.announce(self._model, traced, self._tower)
            upload.begun(traced, found)
        sending = upload.Upload(self._model, found, traced)
        if not found.complete:
            sending.run(self._progress)
        sending.put_vocabulary()
        self._sent = sending.sent
        if sending.parts_sent:
            self._done.append("uploaded")
        self._lap("upload")
        return self._model.look() or found

    def _traced(self) -> trace.Trace:
        made = trace.make(self._tower, self._folder, self._model.cluster.features, self._progress)
        self._done.append("traced")
        self._lap("trace")
        return made

    def _verified(self, described: Model, deployment: Deployment, encoder: TextEncoder) -> float:
        self._progress("comparing the cluster's vectors with this machine's", 0, 0)
        cosine, text = inference.compare(self._model, described, deployment.name, encoder)
        if not cosine >= inference.AGREES:  # nor for NaN
            comparisons.forget(self._cache, self._model)
            if described.ours:  # nobody is to search with it: where ours is deployed, it is right
                deployments.stop(self._model)
            raise self._failure("differs", cosine=cosine, text=text)
        comparisons.remember(self._cache, self._model, described, self._tower.identity)
        trace.forget(self._folder)
        return cosine

    def _failure(self, name: str, **values: object) -> ImgsearchError:
        return failure(name, place=self._model.place, model_id=self._model.model_id, **values)


def _torch_version() -> str:
    from importlib.metadata import version

    return version("torch").partition("+")[0]
