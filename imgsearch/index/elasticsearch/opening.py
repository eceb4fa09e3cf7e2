"""Opening an index on a cluster, or making one, with as few requests as that takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from imgsearch.errors import Action, Advice
from imgsearch.index.elasticsearch import catalogue, cluster_cache
from imgsearch.index.elasticsearch.catalogue import Found
from imgsearch.index.elasticsearch.client import Cluster
from imgsearch.index.elasticsearch.connection import Connection
from imgsearch.index.elasticsearch.current_index import LiveIndex
from imgsearch.index.elasticsearch.errors import cluster_error
from imgsearch.index.elasticsearch.features import Features
from imgsearch.index.elasticsearch.index import ElasticsearchIndex
from imgsearch.index.elasticsearch.requests import CreateOptions, check_name, quantization_of
from imgsearch.index.elasticsearch.retry import with_retries

RETRY_SECONDS = 300.0  # for a node to come back, while ingesting
READ_RETRY_SECONDS = 10.0  # while somebody waits for an answer


def open_elasticsearch(
    connection: Connection,
    index_name: str,
    *,
    create: bool,
    options: CreateOptions | None = None,
    num_candidates: int | None = None,
    retry_for: float = RETRY_SECONDS,
    cache: Path | None = None,
) -> ElasticsearchIndex:
    """`create`: for ingesting; makes the index where there is none, and is patient with a cluster
    that has a bad moment (`retry_for` seconds). `cache`: the folder of what this machine remembers
    of the server, which saves a request. Raises IndexNotFound, IndexUnavailable (no
    connection, no privilege), IndexContradiction (several indices, or none of pictures),
    IndexTooNew, UsageError (the name; an option that the server's version does not have)."""
    check_name(index_name)
    options = options or CreateOptions()
    retry_for = retry_for if create else min(retry_for, READ_RETRY_SECONDS)
    if create:
        cluster = with_retries(lambda: Cluster.connect(connection), retry_for)
    else:
        cluster = Cluster(connection)
    try:
        if create:
            found = _found_or_made(cluster, index_name, options, retry_for)
        else:
            found = _found_for_reading(cluster, index_name, retry_for, cache)
        index = ElasticsearchIndex(
            LiveIndex(
                cluster,
                index_name,
                found,
                options,
                retry_for,
                num_candidates,
                reads_only=not create,
            )
        )
    except BaseException:  # Ctrl-C too leaves no connection open
        cluster.close()
        raise
    if cache is not None and cluster.info.get("cluster_uuid"):
        cluster_cache.remember(cache, cluster.place, found.uuid, cluster.info)
    return index


def _found_or_made(cluster: Cluster, name: str, options: CreateOptions, retry_for: float) -> Found:
    found = catalogue.find(cluster, name, retry_for=retry_for)
    place = cluster.index_place(name)
    if found is None:
        quantization_of(options, cluster.features, dims=512, place=place)  # refused at once
        return catalogue.create(cluster, name, options, alias=name)
    if found.ours and catalogue.add_fields(cluster, name, found):
        found = catalogue.find(cluster, name, retry_for=retry_for) or found
    if options.source_vectors and not found.keeps_vectors_in_source:
        cluster.notes.append(
            Advice(
                f"source_vectors comes too late for {place}: how vectors are kept was decided when"
                " the index was made. To change it, copy the photos into a new index",
                Action("copy"),
            )
        )
    return found


def _found_for_reading(cluster: Cluster, name: str, retry_for: float, cache: Path | None) -> Found:
    """One request where the server's version is known: from the last command, or from the index,
    which notes by what version it was made (a newer one can do no less)."""
    found = with_retries(lambda: catalogue.find(cluster, name), retry_for)
    if found is None:
        _supported_features(cluster, cluster.call("GET", "/", retry_for=retry_for))
        raise cluster_error("not_found", place=cluster.index_place(name))
    info = cluster_cache.recall(cache, cluster.place, found.uuid) if cache is not None else None
    if info is None and isinstance(found.meta.get("server"), dict):
        info = {"version": found.meta["server"]}
    known = Features.of(info) if info is not None else None
    if info is None or known is None or not known.supported:
        info = cluster.call("GET", "/", retry_for=retry_for)
        known = _supported_features(cluster, info)
    cluster.info, cluster.features = info, known
    return found


def _supported_features(cluster: Cluster, info: dict[str, Any]) -> Features:
    """By the answer to `GET /`. Raises IndexUnavailable for a server that is too old."""
    known = Features.of(info)
    if not known.supported:
        raise cluster_error("too_old", place=cluster.place, version=known)
    return known
