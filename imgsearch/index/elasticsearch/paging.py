"""Reading everything of an index, page by page, as it was at one point in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from imgsearch.errors import ImgsearchError
from imgsearch.index.elasticsearch import answers
from imgsearch.index.elasticsearch.client import Cluster
from imgsearch.index.elasticsearch.requests import page_body

KEEP_ALIVE = "10m"  # between two pages: a reader may embed or copy what it got in the meantime


def pages(
    cluster: Cluster,
    index: str,
    place: str,
    *,
    query: Mapping[str, Any],
    fields: Mapping[str, Any],
    size: int,
    sort: str,
    retry_for: float,
) -> Iterator[list[dict[str, Any]]]:
    """Hits in the order of `sort`. The view is the one of the first `next`."""
    opened = cluster.call(
        "POST", f"/{index}/_pit", place=place, retry_for=retry_for, keep_alive=KEEP_ALIVE
    )
    pit = answers.text(place, opened, "id")
    after: Any = None
    try:
        while True:
            body = page_body(pit, sort, size, query, fields)
            if after is not None:
                body["search_after"] = after
            # a shard that is gone must be an error, not a shorter list
            answer = cluster.call(
                "POST",
                "/_search",
                body,
                place=place,
                retry_for=retry_for,
                allow_partial_search_results=False,
            )
            if "pit_id" in answer:
                pit = answers.text(place, answer, "pit_id")
            hits = answers.hits(place, answer)
            if hits:
                yield hits
            if len(hits) < size:
                return
            before, after = after, hits[-1].get("sort")
            if after is None or after == before:  # the same page would come for ever
                answers.odd(place, "a page of it does not follow the one before")
    finally:
        _close(cluster, pit)


def _close(cluster: Cluster, pit: str) -> None:
    try:
        cluster.call("DELETE", "/_pit", {"id": pit}, timeout=5.0)
    except ImgsearchError:
        return  # it ends by itself after KEEP_ALIVE
