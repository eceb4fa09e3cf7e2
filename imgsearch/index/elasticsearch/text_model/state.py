"""What lies in a cluster under a model's id: the model as its configuration describes it, and its
deployment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from imgsearch.errors import ImgsearchError
from imgsearch.index.elasticsearch.client import Cluster
from imgsearch.index.elasticsearch.features import Features
from imgsearch.index.elasticsearch.text_model.errors import explained, failure, recognised

OURS = "imgsearch"  # our part of a model's metadata
STARTED, STARTING, STOPPING, FAILED = "started", "starting", "stopping", "failed"
_ID = re.compile(r"[a-z0-9](?:[a-z0-9_.-]*[a-z0-9])?")
_LONGEST_ID = 64

# libtorch in the server, by the first version that has it
_LIBTORCH = [
    ((8, 6), "1.11"),
    ((8, 7), "1.13.1"),
    ((8, 13), "2.1.2"),
    ((8, 15, 2), "2.3.1"),
    ((8, 18), "2.5.1"),
    ((9, 2), "2.7.1"),
]
LOADS_OUR_TRACES = (8, 13)
_OVERHEAD = 240 << 20  # bytes that the server reckons for the process


def default_model_id(text_model: str) -> str:
    """The id that eland gives a model of the hub, so that one imported with it is found; the demo
    and directories of the user's by their own names. Raises ModelError where none can be made."""
    if text_model == "demo":
        return "imgsearch__demo-text"
    name = text_model.rstrip("/\\")
    if name.startswith(("/", "\\")) or name[1:3] in (":\\", ":/"):
        name = re.split(r"[/\\]", name)[-1]
    made = re.sub(r"[\s\\/]", "__", name).lower()[-_LONGEST_ID:].removeprefix("__")
    return checked_id(made)


def checked_id(model_id: str) -> str:
    """Raises ModelError where the server would not have it."""
    if not _ID.fullmatch(model_id) or len(model_id) > _LONGEST_ID:
        raise failure("bad_id", model_id=model_id)
    return model_id


def libtorch(features: Features) -> str:
    """Patch releases from 8.19.8 and 9.1.8 on have what 9.2 has."""
    version = features.version
    if (8, 19, 8) <= version < (9,) or (9, 1, 8) <= version < (9, 2):
        return "2.7.1"
    return [name for first, name in _LIBTORCH if version >= first or first == (8, 6)][-1]


def loads_our_traces(features: Features) -> bool:
    return features.serverless or features.version >= LOADS_OUR_TRACES


def memory_wanted(file_bytes: int, per_deployment: int, per_allocation: int, count: int) -> int:
    """Bytes, as the server reckons: it holds the file twice while it loads it."""
    running = file_bytes + per_deployment + count * per_allocation
    return _OVERHEAD + max(2 * file_bytes, running)


@dataclass(frozen=True)
class Model:
    """A model as the cluster describes it."""

    model_id: str
    complete: bool  # every part of its definition is there
    created: int  # ms since 1970
    field: str  # the name of its input
    result: str  # the name of its answer
    search_prefix: str
    dims: int | None
    metadata: Mapping[str, Any]

    @property
    def ours(self) -> Mapping[str, Any]:
        """What our upload noted in it; empty where another tool made it."""
        found = self.metadata.get(OURS)
        return found if isinstance(found, dict) else {}

    @property
    def stamp(self) -> str:
        """Another one for another upload under the same id."""
        return f"{self.created}-{self.ours.get('upload', '')}"


@dataclass(frozen=True)
class Deployment:
    """`name`: what inference and searches say; the model's id unless somebody chose another."""

    name: str
    state: str
    allocations: int  # that answer
    wanted: int
    threads: int
    priority: str
    reason: str

    @property
    def started(self) -> bool:
        return self.state == STARTED and self.allocations > 0

    def __str__(self) -> str:
        return f"{self.state}, {self.allocations} of {self.wanted} allocations"


class ClusterModel:
    """One id in a cluster's list of models, whatever lies there."""

    def __init__(self, cluster: Cluster, model_id: str) -> None:
        self.cluster, self.model_id = cluster, checked_id(model_id)
        self.place = cluster.place

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Raises `imgsearch.errors` in the words of `failures`."""
        whole = f"/_ml/trained_models/{quote(self.model_id, safe='')}{path}"
        return self.ask(method, whole, body, **options)

    def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        try:
            return self.cluster.call(method, path, body, **options)
        except ImgsearchError as error:
            raise explained(error, self.place, self.model_id) from None

    def look(self) -> Model | None:
        answer = self._found("", include="definition_status")
        configs = answer["trained_model_configs"] if answer else []
        return _model(configs[0]) if configs else None

    def deployment(self) -> Deployment | None:
        """The one that answers; else the one that may come to it."""
        answer = self._found("/_stats")
        rows = answer["trained_model_stats"] if answer else []
        found = [_deployment(row["deployment_stats"]) for row in rows if "deployment_stats" in row]
        found.sort(key=lambda one: (one.started, one.name == self.model_id), reverse=True)
        return found[0] if found else None

    def _found(self, path: str, **parameters: Any) -> Any:
        try:
            return self.cluster.call(
                "GET", f"/_ml/trained_models/{quote(self.model_id, safe='')}{path}", **parameters
            )
        except ImgsearchError as error:
            if recognised(error) == "absent":
                return None
            raise explained(error, self.place, self.model_id) from None


def _model(config: Mapping[str, Any]) -> Model:
    (inference,) = config.get("inference_config", {"": {}}).values()
    created = config.get("create_time", 0)
    return Model(
        model_id=config["model_id"],
        # servers that cannot tell leave it out; then the start will
        complete=bool(config.get("fully_defined", True)),
        created=created if isinstance(created, int) else 0,
        field=(config.get("input", {}).get("field_names") or ["text_field"])[0],
        result=inference.get("results_field") or "predicted_value",
        search_prefix=config.get("prefix_strings", {}).get("search", ""),
        dims=inference.get("embedding_size"),
        metadata=config.get("metadata") or {},
    )


def _deployment(stats: Mapping[str, Any]) -> Deployment:
    status = stats.get("allocation_status", {})
    failed = [
        node["routing_state"].get("reason", "")
        for node in stats.get("nodes", ())
        if node.get("routing_state", {}).get("routing_state") == FAILED
    ]
    return Deployment(
        name=stats.get("deployment_id") or stats["model_id"],
        state=stats.get("state", STARTING),
        allocations=status.get("allocation_count", 0),
        wanted=status.get("target_allocation_count", stats.get("number_of_allocations", 1)),
        threads=stats.get("threads_per_allocation", 1),
        priority=stats.get("priority", "normal"),
        reason=stats.get("reason") or next(iter(failed), ""),
    )
