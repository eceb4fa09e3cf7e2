"""The text model in a cluster: whether there can be one, and whether the one there serves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from imgsearch.doctor.findings import Finding, failure, of_error, ok, warning
from imgsearch.errors import Action, ImgsearchError
from imgsearch.index.elasticsearch import answers
from imgsearch.index.elasticsearch.text_model import errors
from imgsearch.index.elasticsearch.text_model.setup import licence
from imgsearch.index.elasticsearch.text_model.state import (
    FAILED,
    ClusterModel,
    Deployment,
    Model,
    libtorch,
    loads_our_traces,
    memory_wanted,
    whole,
)
from imgsearch.models.base import ModelIdentity

LOCAL = "queries are encoded on this machine"


class TextModel:
    """Checks the text model in a cluster. `must`: the user asked for the cluster's encoder, so what
    is missing is a failure."""

    def __init__(self, model: ClusterModel, text: ModelIdentity | None, must: bool) -> None:
        self._model, self._text, self._must = model, text, must

    def look(self) -> Iterator[Finding]:
        """The first thing that stands against it, or all that speaks for it."""
        cluster = self._model.cluster
        if not loads_our_traces(cluster.features):
            detail = f"libtorch {libtorch(cluster.features)} of {cluster.features} is too old"
            yield self._without(detail, "Upgrade the cluster to 8.13 or later.")
            return
        kind, active = licence(cluster)
        if not active:
            cure = "Renew it: what needs a licence, as the text model there, has stopped."
            yield warning("licence", f"the {kind} licence has expired", cure)
            return
        if kind == "basic":
            yield self._without(
                "a basic licence has no machine learning",
                "Start a trial, or have queries encoded on this machine",
                Action("encode here"),
                "licence",
            )
            return
        yield ok("licence", kind or "not for this user to see")
        try:
            described, deployment = self._model.look(), self._model.deployment()
        except ImgsearchError as error:
            if self._must or errors.recognised(error) not in ("ml_off", "serverless"):
                yield of_error("text model there", error)
            else:
                yield ok("text model there", f"{error.message} {LOCAL}")
            return
        if described is None:
            detail = f"no {self._model.model_id} at {cluster.place}"
            yield self._without(detail, "Put it there", Action("set up"))
            yield from self._memory(None)
            return
        yield from self._there(described, deployment)

    def _without(
        self, detail: str, cure: str, action: Action | None = None, name: str = "text model there"
    ) -> Finding:
        if self._must:
            return failure(name, f"{detail}, and text_encoder is cluster", cure, action)
        return ok(name, f"{detail}: {LOCAL}")

    def _there(self, described: Model, deployment: Deployment | None) -> Iterator[Finding]:
        name, again = "text model there", Action("set up")
        digest = described.ours.get("digest")
        worse = failure if self._must else warning
        if not described.complete:
            yield worse(name, "it is not uploaded completely", "Go on with it", again)
        elif digest and self._text is not None and digest != self._text.digest:
            other = described.ours.get("text_model", "another model")
            detail = f"{described.model_id} has other weights ({other}) than the index's model"
            yield worse(name, detail, "Replace it, or keep both", Action("replace or keep both"))
        elif deployment is None:
            yield from self._memory(described)
            yield worse(name, f"{described.model_id} is not deployed", "Start it", again)
        elif deployment.state == FAILED:
            detail = f"its deployment has failed: {deployment.reason}"
            yield worse(name, detail, "Stop it, then set it up again", Action("stop and set up"))
        elif not deployment.started:
            yield worse(name, f"it is not ready: {deployment}", "Wait for it", again)
        else:
            whose = "" if digest else ", imported by another tool"
            yield ok(name, f"{described.model_id}: {deployment}{whose}")

    def _memory(self, described: Model | None) -> Iterator[Finding]:
        """Whether there is room for it to start."""
        try:
            answer: Any = self._model.ask("GET", "/_ml/memory/_stats")
        except ImgsearchError:
            return  # not for this user to see; the start would tell
        nodes = [
            answers.integer(self._model.place, node, "mem", "ml", "max_in_bytes")
            for node in answers.values(self._model.place, answer, "nodes")
            if "ml" in (node.get("roles") or ())
        ]
        name = "memory for ML"
        worse = failure if self._must else warning
        if not nodes or not max(nodes):
            if self._must or described is not None:
                cure = "Give one node the role ml (node.roles), or switch autoscaling on."
                yield worse(name, "the cluster has no node for machine learning", cure)
            return
        if described is None:
            return
        wanted = wanted_bytes(described)
        detail = f"{max(nodes) / 2**30:.1f} GiB on one node, the model wants {wanted / 2**30:.1f}"
        if wanted > max(nodes):
            cure = "Give the node more memory, or xpack.ml.use_auto_machine_memory_percent: true"
            yield worse(name, detail, cure)
        else:
            yield ok(name, detail)


def wanted_bytes(described: Model) -> int:
    each_deployment = whole(described.metadata.get("per_deployment_memory_bytes"), 0)
    return memory_wanted(
        whole(described.ours.get("size"), 0) or each_deployment,
        each_deployment,
        whole(described.metadata.get("per_allocation_memory_bytes"), 0),
        1,
    )
