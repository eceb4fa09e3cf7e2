"""What this machine has found out about clusters' models: which answer as the local model does, and
which was deployed a few minutes ago, under what name. A file in the cache; without it, all of that
is asked again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imgsearch.dataclass import dataclass
from imgsearch.index.elasticsearch import cluster_cache
from imgsearch.index.elasticsearch.text_model.state import OURS, ClusterModel, Model
from imgsearch.models.base import ModelIdentity

FILE = "cluster-models.json"
ABSENT_FOR = 600.0  # seconds that a model which was not there is not asked for again
DEPLOYED_FOR = 600.0  # seconds; within them another machine may put other weights in its place


def remembered(cache: Path, model: ClusterModel, described: Model, text: ModelIdentity) -> bool:
    return cluster_cache.read(cache / FILE).get(_key(model)) == _compared_with(described, text)


def remember(cache: Path, model: ClusterModel, described: Model, text: ModelIdentity) -> None:
    _change(cache, _key(model), _compared_with(described, text))
    if _absent_key(model) in cluster_cache.read(cache / FILE):
        _change(cache, _absent_key(model), None)


def absent(cache: Path, model: ClusterModel) -> str | None:
    """Why it did not answer a few minutes ago. Setting it up from this machine ends that."""
    found = cluster_cache.read(cache / FILE).get(_absent_key(model))
    if not isinstance(found, dict) or not _is_recent(found.get("since"), ABSENT_FOR):
        return None
    return str(found.get("reason"))


def remember_absent(cache: Path, model: ClusterModel, reason: str) -> None:
    _change(cache, _absent_key(model), {"since": time.time(), "reason": reason})


@dataclass(frozen=True, slots=True)
class Deployed:
    """A model that has answered: `model` as the cluster described it, and the deployment's name."""

    model: Model
    deployment: str


def recall_deployed(
    cache: Path, model: ClusterModel, index_uuid: str, text: ModelIdentity
) -> Deployed | None:
    """The deployment that answered a few minutes ago for the index of that UUID with vectors of
    `text`; None where there was none."""
    found = cluster_cache.read(cache / FILE).get(_deployed_key(model))
    if not isinstance(found, dict) or not _is_recent(found.get("since"), DEPLOYED_FOR):
        return None
    if not index_uuid or (found.get("index"), found.get("digest")) != (index_uuid, text.digest):
        return None
    described = _described(model.model_id, found.get("model"))
    name = found.get("deployment")
    return Deployed(described, name) if described is not None and isinstance(name, str) else None


def remember_deployed(
    cache: Path, model: ClusterModel, index_uuid: str, text: ModelIdentity, found: Deployed
) -> None:
    kept = {name: getattr(found.model, name) for name in _DESCRIBED}
    _change(
        cache,
        _deployed_key(model),
        {
            "since": time.time(),
            "index": index_uuid,
            "digest": text.digest,
            "deployment": found.deployment,
            "model": {**kept, "metadata": {OURS: dict(found.model.ours)}},
        },
    )


def forget_deployed(cache: Path, model: ClusterModel) -> None:
    if _deployed_key(model) in cluster_cache.read(cache / FILE):
        _change(cache, _deployed_key(model), None)


_DESCRIBED: dict[str, tuple[type, ...]] = {
    "complete": (bool,),
    "created": (int,),
    "field": (str,),
    "result": (str,),
    "search_prefix": (str,),
    "dims": (int, type(None)),
}


def _described(model_id: str, kept: Any) -> Model | None:
    """A remembered model; None where the file is damaged or was written by another version."""
    if not isinstance(kept, dict) or not isinstance(kept.get("metadata"), dict):
        return None
    values: dict[str, Any] = {name: kept.get(name) for name in _DESCRIBED}
    if any(type(values[name]) not in kinds for name, kinds in _DESCRIBED.items()):
        return None
    return Model(model_id=model_id, metadata=kept["metadata"], **values)


def forget(cache: Path, model: ClusterModel) -> None:
    _change(cache, _key(model), None)
    forget_deployed(cache, model)


def _change(cache: Path, key: str, compared: Mapping[str, object] | None) -> None:
    found = {**cluster_cache.read(cache / FILE), key: compared}
    kept = {name: value for name, value in found.items() if value is not None}
    cluster_cache.write(cache / FILE, kept)


def _key(model: ClusterModel) -> str:
    cluster = model.cluster.info.get("cluster_uuid") or model.place
    return f"{cluster}/{model.model_id}"


def _absent_key(model: ClusterModel) -> str:
    """The key for a model that was not there. Made of the address, because a query does not always
    ask for the cluster's id."""
    return f"{model.place}/{model.model_id}/absent"


def _deployed_key(model: ClusterModel) -> str:
    return f"{model.place}/{model.model_id}/deployed"


def _is_recent(since: Any, seconds: float) -> bool:
    return isinstance(since, int | float) and 0 <= time.time() - since < seconds


def _compared_with(described: Model, text: ModelIdentity) -> dict[str, str]:
    return {"stamp": described.stamp, "digest": text.digest}
