"""What `imgsearch status` tells of an index on a cluster. What a user may not see is left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from imgsearch.errors import ImgsearchError
from imgsearch.index.elasticsearch.client import Cluster
from imgsearch.index.elasticsearch.requests import INDEX_TYPES, VECTOR

# Which bytes belong to which field is found by reading the whole index: seconds per GB.
FIELD_USAGE_UP_TO = 1 << 30  # bytes


def bytes_on_disk(cluster: Cluster, index: str) -> int:
    """Of all copies."""
    stats = _asked(cluster, f"/{index}/_stats/store", filter_path="_all.total.store")
    return int(_at(stats, "_all", "total", "store", "size_in_bytes") or 0)


def details(
    cluster: Cluster, index: str, alias: str, settings: dict[str, Any], vector: dict[str, Any]
) -> dict[str, str]:
    lines = {
        "server": f"Elasticsearch {cluster.features} at {cluster.place}",
        "index behind the name": f"{alias} → {index}" if alias != index else index,
    }
    licence = _asked(cluster, "/_license")
    if kind := _at(licence, "license", "type"):
        lines["licence"] = f"{kind} ({_at(licence, 'license', 'status')})"
    lines |= _health(cluster, index) | _shards(settings) | _documents(cluster, index)
    if vector:
        lines["quantization"] = quantization(vector)
        left_out = _at(settings, "mapping", "exclude_source_vectors") == "true"
        lines["vectors in _source"] = "left out" if left_out else "kept"
    return lines | _by_field(cluster, index)


def quantization(vector: dict[str, Any]) -> str:
    kind = _at(vector, "index_options", "type")
    named = {index_type: name for name, index_type in INDEX_TYPES.items()}
    return f"{named[kind]} ({kind})" if kind in named else str(kind or "the server's default")


def _health(cluster: Cluster, index: str) -> dict[str, str]:
    found = _asked(cluster, f"/_cluster/health/{index}")
    if not found:
        return {}
    nodes = found["number_of_nodes"]
    return {"health": f"{found['status']}, {nodes} {'node' if nodes == 1 else 'nodes'}"}


def _shards(settings: dict[str, Any]) -> dict[str, str]:
    if "number_of_shards" not in settings:
        return {}
    replicas = settings.get("auto_expand_replicas")
    if replicas in (None, "false"):
        replicas = settings.get("number_of_replicas")
    return {"shards": f"{settings['number_of_shards']}, replicas {replicas}"}


def _documents(cluster: Cluster, index: str) -> dict[str, str]:
    found = _asked(cluster, f"/{index}/_stats/docs", filter_path="_all.primaries.docs")
    documents = _at(found, "_all", "primaries", "docs")
    if not documents:
        return {}
    return {"documents": f"{documents['count']:,} ({documents['deleted']:,} deleted, not merged)"}


def _by_field(cluster: Cluster, index: str) -> dict[str, str]:
    size = bytes_on_disk(cluster, index)
    if not 0 < size <= FIELD_USAGE_UP_TO:
        return {}
    found = _asked(cluster, f"/{index}/_disk_usage", method="POST", run_expensive_tasks=True)
    fields = _at(found, index, "fields") or {}
    sizes = {name: usage["total_in_bytes"] for name, usage in fields.items()}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:5]
    if not largest:
        return {}
    parts = ", ".join(f"{name} {sizes[name] / 1e6:.1f} MB" for name in largest)
    lines = {"largest fields": parts}
    if VECTOR in sizes:
        lines["vectors on disk"] = f"{sizes[VECTOR] / 1e6:.1f} MB"
    return lines


def health_hint(cluster: Cluster, index: str, place: str) -> Iterator[str]:
    """A line when copies are missing."""
    found = _asked(cluster, f"/_cluster/health/{index}")
    status = _at(found, "status")
    if status == "yellow":
        yield (
            f"{place} is yellow: it can be searched, but a copy is missing. With one node that is"
            " so for --replicas above 0; with more, a node may be down."
        )
    elif status == "red":
        yield (
            f"{place} is red: a part of it is lost to searches until its node is back. See"
            f" GET _cluster/allocation/explain"
        )


def _asked(cluster: Cluster, path: str, method: str = "GET", **parameters: Any) -> Any:
    try:
        return cluster.call(method, path, timeout=20.0, **parameters)
    except ImgsearchError:
        return (
            None  # a privilege or an endpoint that is missing; what matters has been asked before
        )


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value
