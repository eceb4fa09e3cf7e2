"""What `imgsearch status` tells of an index on a cluster. What a user may not see is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from imgsearch.errors import ImgsearchError
from imgsearch.index.base import ALL, SCHEMA_VERSION, IndexInfo, LibrarySummary
from imgsearch.index.elasticsearch import index_metadata, photo_parts
from imgsearch.index.elasticsearch.answers import at
from imgsearch.index.elasticsearch.catalogue import Found
from imgsearch.index.elasticsearch.client import Cluster
from imgsearch.index.elasticsearch.requests import INDEX_TYPES, PART_VECTOR, VECTOR
from imgsearch.models.base import ModelPair

if TYPE_CHECKING:
    from imgsearch.index.elasticsearch.current_index import LiveIndex

# Which bytes belong to which field is found by reading the whole index: seconds per GB.
FIELD_USAGE_UP_TO = 1 << 30  # bytes


def of(
    index: LiveIndex, models: ModelPair | None, libraries: dict[str, LibrarySummary]
) -> IndexInfo:
    """All that `status` shows of an index."""
    cluster, found = index.cluster, index.found
    return IndexInfo(
        models=models,
        schema_version=found.meta.get("schema_version", SCHEMA_VERSION),
        photos=index.reader.count(ALL),
        bytes_on_disk=bytes_on_disk(cluster, found.index),
        libraries=libraries,
        last_ingest=index_metadata.last_ingest(cluster, index.name, found.index_id)
        or found.meta.get("last_ingest"),  # where versions before kept it
        details=details(cluster, index.name, found),
        parts=photo_parts.counts(index.reader) if found.holds_parts else {},
    )


def bytes_on_disk(cluster: Cluster, index: str) -> int:
    """The size of all copies of an index, in bytes."""
    stats = _asked(cluster, f"/{index}/_stats/store", filter_path="_all.total.store")
    size = at(stats, "_all", "total", "store", "size_in_bytes")
    return size if type(size) is int else 0


def details(cluster: Cluster, alias: str, found: Found) -> dict[str, str]:
    index, settings, vector = found.index, found.settings, found.vector
    lines = {
        "server": f"Elasticsearch {cluster.features} at {cluster.place}",
        "index behind the name": f"{alias} → {index}" if alias != index else index,
    }
    licence = _asked(cluster, "/_license")
    if kind := at(licence, "license", "type"):
        lines["licence"] = f"{kind} ({at(licence, 'license', 'status')})"
    lines |= _health(cluster, index) | _shards(settings) | _documents(cluster, index)
    if vector:
        lines["quantization"] = quantization(vector)
        left_out = at(settings, "mapping", "exclude_source_vectors") == "true"
        lines["vectors in _source"] = "left out" if left_out else "kept"
    return lines | _by_field(cluster, index)


def quantization(vector: Mapping[str, Any]) -> str:
    kind = str(at(vector, "index_options", "type") or "")
    named = {index_type: name for name, index_type in INDEX_TYPES.items()}
    return f"{named[kind]} ({kind})" if kind in named else kind or "the server's default"


def _health(cluster: Cluster, index: str) -> dict[str, str]:
    found = _asked(cluster, f"/_cluster/health/{index}")
    status, nodes = at(found, "status"), at(found, "number_of_nodes")
    if not isinstance(status, str) or type(nodes) is not int:
        return {}
    return {"health": f"{status}, {nodes} {'node' if nodes == 1 else 'nodes'}"}


def _shards(settings: Mapping[str, Any]) -> dict[str, str]:
    if "number_of_shards" not in settings:
        return {}
    replicas = settings.get("auto_expand_replicas")
    if replicas in (None, "false"):
        replicas = settings.get("number_of_replicas")
    return {"shards": f"{settings['number_of_shards']}, replicas {replicas}"}


def _documents(cluster: Cluster, index: str) -> dict[str, str]:
    found = _asked(cluster, f"/{index}/_stats/docs", filter_path="_all.primaries.docs")
    documents = at(found, "_all", "primaries", "docs")
    count, deleted = at(documents, "count"), at(documents, "deleted")
    if type(count) is not int or type(deleted) is not int:
        return {}
    return {"documents": f"{count:,} ({deleted:,} deleted, not merged)"}


def _by_field(cluster: Cluster, index: str) -> dict[str, str]:
    size = bytes_on_disk(cluster, index)
    if not 0 < size <= FIELD_USAGE_UP_TO:
        return {}
    found = _asked(cluster, f"/{index}/_disk_usage", method="POST", run_expensive_tasks=True)
    fields = at(found, index, "fields")
    if not isinstance(fields, dict):
        return {}
    used = {name: at(usage, "total_in_bytes") for name, usage in fields.items()}
    sizes = {name: size for name, size in used.items() if type(size) is int}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:5]
    if not largest:
        return {}
    parts = ", ".join(f"{name} {sizes[name] / 1e6:.1f} MB" for name in largest)
    lines = {"largest fields": parts}
    for name, field in (("vectors on disk", VECTOR), ("vectors of parts", PART_VECTOR)):
        if field in sizes:
            lines[name] = f"{sizes[field] / 1e6:.1f} MB"
    return lines


def health_hint(cluster: Cluster, index: str, place: str) -> Iterator[str]:
    """A line when copies are missing."""
    found = _asked(cluster, f"/_cluster/health/{index}")
    status = at(found, "status")
    if status == "yellow":
        yield (
            f"{place} is yellow: it can be searched, but a copy is missing. With one node that is"
            " so for replicas above 0; with more, a node may be down."
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
