"""What lies in a cluster under a model's id: the model as its configuration describes it, and its
deployment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from imgsearch.dataclass import dataclass
from imgsearch.errors import ImgsearchError
from imgsearch.index.elasticsearch import answers
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
    """The model id. Raises ModelError where the server would refuse it."""
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
        """What our upload recorded in the model's metadata; empty for another tool's."""
        found = self.metadata.get(OURS)
        return found if isinstance(found, dict) else {}

    @property
    def stamp(self) -> str:
        """A text that identifies this upload. Another upload under the same id has another one."""
        return f"{self.created}-{self.ours.get('upload', '')}"


@dataclass(frozen=True)
class Deployment:
    """A running deployment. `name`: what inference and searches call it; the model's id unless
    somebody chose another."""

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
    """One id in the cluster's list of models, and whatever lies there."""

    def __init__(self, cluster: Cluster, model_id: str) -> None:
        self.cluster, self.model_id = cluster, checked_id(model_id)
        self.place = cluster.place

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Send a request about this model. Raises errors in the words of the table."""
        whole = f"/_ml/trained_models/{quote(self.model_id, safe='')}{path}"
        return self.ask(method, whole, body, **options)

    def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        try:
            return self.cluster.call(method, path, body, **options)
        except ImgsearchError as error:
            raise explained(error, self.place, self.model_id) from None

    def look(self) -> Model | None:
        answer = self._found("", include="definition_status")
        if answer is None:
            return None
        configs = answers.objects(self.place, answer, "trained_model_configs")
        return _model(configs[0], self.place) if configs else None

    def deployment(self) -> Deployment | None:
        """The one that answers; else the one that may come to it."""
        answer = self._found("/_stats")
        if answer is None:
            return None
        rows = answers.objects(self.place, answer, "trained_model_stats")
        found = [
            _deployment(row["deployment_stats"], self.place)
            for row in rows
            if isinstance(row.get("deployment_stats"), dict)
        ]
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


def _model(config: Mapping[str, Any], place: str) -> Model:
    inference: Any = next(iter(_object(config.get("inference_config")).values()), None)
    fields = answers.at(config, "input", "field_names")
    return Model(
        model_id=answers.text(place, config, "model_id"),
        # servers that cannot tell leave it out; then the start will
        complete=bool(config.get("fully_defined", True)),
        created=whole(config.get("create_time"), 0),
        field=_text(fields[0] if isinstance(fields, list) and fields else None, "text_field"),
        result=_text(answers.at(inference, "results_field"), "predicted_value"),
        search_prefix=_text(answers.at(config, "prefix_strings", "search"), ""),
        dims=whole(answers.at(inference, "embedding_size"), None),
        metadata=_object(config.get("metadata")),
    )


def _deployment(stats: Mapping[str, Any], place: str) -> Deployment:
    status = _object(stats.get("allocation_status"))
    nodes = stats.get("nodes")
    each = nodes if isinstance(nodes, list) else []
    routes = [_object(answers.at(node, "routing_state")) for node in each]
    failed = [
        _text(route.get("reason"), "") for route in routes if route.get("routing_state") == FAILED
    ]
    name = "deployment_id" if stats.get("deployment_id") else "model_id"
    asked = whole(stats.get("number_of_allocations"), 1)
    return Deployment(
        name=answers.text(place, stats, name),
        state=_text(stats.get("state"), STARTING),
        allocations=whole(status.get("allocation_count"), 0),
        wanted=whole(status.get("target_allocation_count"), asked),
        threads=whole(stats.get("threads_per_allocation"), 1),
        priority=_text(stats.get("priority"), "normal"),
        reason=_text(stats.get("reason"), "") or next(iter(failed), ""),
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any, otherwise: str) -> str:
    return value if isinstance(value, str) and value else otherwise


_N = TypeVar("_N", int, None)


def whole(value: Any, otherwise: _N) -> int | _N:
    """A whole number; `otherwise` where it is none."""
    return value if type(value) is int else otherwise
