"""Opening an index, wherever it lies."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from imgsearch import paths
from imgsearch.paths import ClusterPlace, LocalPlace

if TYPE_CHECKING:
    from imgsearch.index.base import Index
    from imgsearch.index.elasticsearch.connection import Connection
    from imgsearch.settings import Settings


def _local(place: LocalPlace, settings: Settings, create: bool) -> Index:
    from imgsearch.index.local.opening import open_local

    return open_local(place.folder, create=create)


def connection(place: ClusterPlace, settings: Settings) -> Connection:
    """The address of a cluster and the credentials for it."""
    from imgsearch.index.elasticsearch.connection import Connection

    return Connection(
        url=place.url,
        cloud_id=None if place.url else settings.es_cloud_id,
        api_key=settings.es_api_key,
        user=settings.es_user,
        password=settings.es_password,
        ca_certs=settings.ca_certs,
        verify_certs=settings.verify_certs,
        ssl_assert_fingerprint=settings.ssl_assert_fingerprint,
    )


def _cluster(place: ClusterPlace, settings: Settings, create: bool) -> Index:
    from imgsearch.index.elasticsearch.opening import open_elasticsearch
    from imgsearch.index.elasticsearch.requests import CreateOptions

    options = CreateOptions(
        shards=settings.shards,
        replicas=settings.replicas,
        quantization=settings.quantization,
        source_vectors=settings.source_vectors,
    )
    return open_elasticsearch(
        connection(place, settings),
        place.index_name,
        create=create,
        options=options,
        num_candidates=settings.num_candidates,
        cache=paths.cache_dir(),
    )


BACKENDS: dict[type, Callable[[Any, Settings, bool], Index]] = {
    LocalPlace: _local,
    ClusterPlace: _cluster,
}


def open_index(place: LocalPlace | ClusterPlace, settings: Settings, *, create: bool) -> Index:
    """Raises IndexNotFound where there is none and `create` is not set."""
    return BACKENDS[type(place)](place, settings, create)
