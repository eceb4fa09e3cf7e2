"""What is kept of an index besides its photos: its last ingest, for `status`, and the rules of its
libraries. In an index of its own: NAME-notes, two documents for each index of photos. Not in the
mapping's `_meta`, which is replaced as a whole: a summary written there at the wrong moment took
away what another machine had just recorded."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from imgsearch.errors import ImgsearchError, IndexError_
from imgsearch.index import recorded_models
from imgsearch.index.elasticsearch.answers import at
from imgsearch.index.elasticsearch.client import Cluster, symptom_of

if TYPE_CHECKING:
    from imgsearch.index.elasticsearch.current_index import LiveIndex

_ATTEMPTS = 10  # to change what another machine changes at the same moment
_FORBIDDEN, _NOT_FOUND, _CONFLICT = 403, 404, 409  # HTTP


def notes_index(name: str) -> str:
    return f"{name}-notes"


def record(
    cluster: Cluster, name: str, index_id: str, report: Mapping[str, Any], retry_for: float
) -> None:
    """Replaces the last one's report. Raises IndexUnavailable."""
    place = cluster.index_place(name)
    _make(cluster, name, retry_for)
    cluster.call(
        "PUT",
        f"/{notes_index(name)}/_doc/{index_id}",
        {"last_ingest": report},
        place=place,
        retry_for=retry_for,
    )


class StoredRules:
    """Implements `imgsearch.index.base.StoredValue`: nothing where this user may not see an
    index's notes."""

    def __init__(self, live: LiveIndex) -> None:
        self._live = live

    def read(self) -> Any:
        """Raises IndexUnavailable: without them what was removed would be taken in again."""
        return _rules_in(self._document())

    def change(self, change: Callable[[Any], Any]) -> None:
        """Raises IndexUnavailable."""
        for last in (*[False] * (_ATTEMPTS - 1), True):
            found = self._document()
            if found is None:
                _make(self._live.cluster, self._live.name, self._live.retry_for)
            try:
                self._put({"rules": json.dumps(change(_rules_in(found)))}, _unless_changed(found))
                return
            except IndexError_ as error:
                told = symptom_of(error)
                if last or told is None or told.status != _CONFLICT:
                    raise

    @property
    def _path(self) -> str:
        return f"/{notes_index(self._live.name)}/_doc/{self._live.found.index_id}-rules"

    def _document(self) -> Any:
        try:
            return self._live.cluster.call("GET", self._path, retry_for=self._live.retry_for)
        except IndexError_ as error:
            told = symptom_of(error)
            if told is None or told.status not in (_FORBIDDEN, _NOT_FOUND):
                raise
            return None

    def _put(self, body: Mapping[str, Any], version: Mapping[str, Any]) -> None:
        live = self._live
        live.cluster.call(
            "PUT", self._path, body, place=live.place, retry_for=live.retry_for, **version
        )


def _unless_changed(document: Any) -> dict[str, Any]:
    """The server refuses what is written with these parameters where another was faster."""
    if document is None:
        return {"op_type": "create"}
    return {
        "if_seq_no": at(document, "_seq_no"),
        "if_primary_term": at(document, "_primary_term"),
    }


def _rules_in(document: Any) -> Any:
    try:
        return json.loads(at(document, "_source", "rules"))
    except (TypeError, ValueError, RecursionError):
        return None


def _make(cluster: Cluster, name: str, retry_for: float) -> None:
    body: dict[str, Any] = {"mappings": {"dynamic": False}}
    if not cluster.features.serverless:
        body["settings"] = {"number_of_shards": 1, "auto_expand_replicas": "0-1"}
    try:
        place = cluster.index_place(name)
        cluster.call("PUT", f"/{notes_index(name)}", body, place=place, retry_for=retry_for)
    except IndexError_ as error:
        told = symptom_of(error)
        if told is None or told.type != "resource_already_exists_exception":
            raise


def last_ingest(cluster: Cluster, name: str, index_id: str) -> dict[str, Any] | None:
    """The last ingest's summary; None where there is none, or this user may not read it."""
    try:
        found = cluster.call("GET", f"/{notes_index(name)}/_doc/{index_id}", timeout=20.0)
    except ImgsearchError:
        return None
    return recorded_models.last_ingest(at(found, "_source", "last_ingest"))
