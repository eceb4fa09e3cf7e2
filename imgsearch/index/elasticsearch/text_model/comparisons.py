"""What this machine has found out about clusters' models: which answer as the local model does.
A file in the cache; without it, a model is held against the local one again."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imgsearch.index.elasticsearch.text_model.state import ClusterModel, Model
from imgsearch.models.base import ModelIdentity

FILE = "cluster-models.json"
ABSENT_FOR = 600.0  # seconds that a model which was not there is not asked for again


def remembered(cache: Path, model: ClusterModel, described: Model, text: ModelIdentity) -> bool:
    return _read(cache).get(_key(model)) == _verdict(described, text)


def remember(cache: Path, model: ClusterModel, described: Model, text: ModelIdentity) -> None:
    _change(cache, _key(model), _verdict(described, text))
    if _absent_key(model) in _read(cache):
        _change(cache, _absent_key(model), None)


def absent(cache: Path, model: ClusterModel) -> str | None:
    """Why it did not answer a few minutes ago. Setting it up from this machine ends that."""
    found = _read(cache).get(_absent_key(model))
    if not isinstance(found, dict) or not isinstance(found.get("since"), int | float):
        return None
    return str(found.get("reason")) if 0 <= time.time() - found["since"] < ABSENT_FOR else None


def remember_absent(cache: Path, model: ClusterModel, reason: str) -> None:
    _change(cache, _absent_key(model), {"since": time.time(), "reason": reason})


def forget(cache: Path, model: ClusterModel) -> None:
    _change(cache, _key(model), None)


def _change(cache: Path, key: str, verdict: Mapping[str, object] | None) -> None:
    found = {**_read(cache), key: verdict}
    kept = {name: value for name, value in found.items() if value is not None}
    new = cache / f".{FILE}"
    with contextlib.suppress(OSError):  # a cache that cannot be written: asked again next time
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        new.write_text(json.dumps(kept, indent=1), "utf-8")
        new.replace(cache / FILE)


def _key(model: ClusterModel) -> str:
    cluster = model.cluster.info.get("cluster_uuid") or model.place
    return f"{cluster}/{model.model_id}"


def _absent_key(model: ClusterModel) -> str:
    """By the address: a query does not always ask which cluster it is."""
    return f"{model.place}/{model.model_id}/absent"


def _verdict(described: Model, text: ModelIdentity) -> dict[str, str]:
    return {"stamp": described.stamp, "digest": text.digest}


def _read(cache: Path) -> dict[str, Any]:
    try:
        found = json.loads((cache / FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
