"""What ingests leave for `status`, in an index of its own beside the photos': NAME-notes, one
document for each index of photos. Not in the mapping's `_meta`, which is replaced as a whole: a
summary written there at the wrong moment took away what another machine had just recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imgsearch.errors import ImgsearchError, IndexError_
from imgsearch.index import recorded_models
from imgsearch.index.elasticsearch.answers import at
from imgsearch.index.elasticsearch.client import Cluster, symptom_of


def notes_index(name: str) -> str:
    return f"{name}-notes"


def record(
    cluster: Cluster, name: str, index_id: str, report: Mapping[str, Any], patience: float
) -> None:
    """Replaces the last one's report. Raises IndexUnavailable."""
    place = cluster.index_place(name)
    _make(cluster, name, patience)
    cluster.call(
        "PUT",
        f"/{notes_index(name)}/_doc/{index_id}",
        {"last_ingest": report},
        place=place,
        patience=patience,
    )


def _make(cluster: Cluster, name: str, patience: float) -> None:
    body: dict[str, Any] = {"mappings": {"dynamic": False}}
    if not cluster.features.serverless:
        body["settings"] = {"number_of_shards": 1, "auto_expand_replicas": "0-1"}
    try:
        place = cluster.index_place(name)
        cluster.call("PUT", f"/{notes_index(name)}", body, place=place, patience=patience)
    except IndexError_ as error:
        told = symptom_of(error)
        if told is None or told.type != "resource_already_exists_exception":
            raise


def last_ingest(cluster: Cluster, name: str, index_id: str) -> dict[str, Any] | None:
    """None: nothing is recorded, or it is not for this user to see."""
    try:
        found = cluster.call("GET", f"/{notes_index(name)}/_doc/{index_id}", timeout=20.0)
    except ImgsearchError:
        return None
    return recorded_models.last_ingest(at(found, "_source", "last_ingest"))
