"""Which checks, in which order: what a failure would explain comes after it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from imgsearch import models
from imgsearch.doctor import local_index, machine
from imgsearch.doctor.findings import Check, Finding, examine, of_error
from imgsearch.errors import ImgsearchError
from imgsearch.index import connection
from imgsearch.index.elasticsearch import catalogue, document_check
from imgsearch.index.elasticsearch import doctor as clusters
from imgsearch.index.elasticsearch.catalogue import Found
from imgsearch.index.elasticsearch.client import Cluster
from imgsearch.index.elasticsearch.connection import settled
from imgsearch.index.elasticsearch.retry import with_retries
from imgsearch.index.elasticsearch.text_model.doctor import TextModel
from imgsearch.index.elasticsearch.text_model.state import ClusterModel, default_model_id
from imgsearch.models import ModelNames
from imgsearch.models.base import ModelPair
from imgsearch.models.recorded import names_beside
from imgsearch.paths import ClusterPlace, LocalPlace
from imgsearch.settings import Settings

_RETRY_SECONDS = 10.0  # seconds, with a cluster that cannot answer yet


def findings(
    settings: Settings, place: LocalPlace | ClusterPlace, cache: Path, *, deep: bool = False
) -> Iterator[Finding]:
    """In the order of the page. `cache`: the program's; models lie in a folder of it. `deep`: the
    index is read as a whole."""
    yield from examine([("Python", machine.python), ("libraries", machine.libraries)])
    if isinstance(place, LocalPlace):
        recorded = local_index.recorded_models(place.folder)
        yield from examine(
            [
                ("index", partial(local_index.index, place.folder, deep)),
                ("disk", partial(machine.space, "disk", place.folder)),
            ]
        )
        yield from _rest(settings, cache, recorded)
    else:
        yield from _of_cluster(settings, place, cache, deep)


def _rest(settings: Settings, cache: Path, recorded: ModelPair | None) -> Iterator[Finding]:
    folder = cache / "models"

    def towers() -> Iterator[Finding]:
        yield from machine.models(_names(settings, recorded, folder), folder, recorded)

    yield from examine(
        [
            ("models", towers),
            ("disk of the cache", partial(machine.space, "disk of the cache", folder)),
            ("formats", machine.formats),
            ("processor", partial(machine.processor, settings.precision)),
        ]
    )


def _names(settings: Settings, recorded: ModelPair | None, cache: Path) -> ModelNames:
    """What a command would take: the options, else the index's, else the default pair. `cache`: of
    the exported models."""
    return names_beside(recorded, cache, settings.model, settings.image_model, settings.text_model)


def _of_cluster(
    settings: Settings, place: ClusterPlace, cache: Path, deep: bool
) -> Iterator[Finding]:
    """Findings about a cluster. Without a connection there is only one, which says why."""
    try:
        there = with_retries(lambda: Cluster.connect(connection(place, settings)), _RETRY_SECONDS)
    except ImgsearchError as error:
        yield of_error("cluster", error)
        yield from _rest(settings, cache, None)
        return
    try:
        yield from _of_connected(settings, place, cache, there, deep)
    finally:
        there.close()


def _of_server(settings: Settings, place: ClusterPlace, there: Cluster) -> list[tuple[str, Check]]:
    return [
        ("cluster", partial(clusters.server, there)),
        ("TLS", partial(clusters.certificate, settled(connection(place, settings), []))),
        ("clock", partial(clusters.clock, there)),
        ("login", partial(clusters.identity, there)),
        ("privileges", partial(clusters.privileges, there, place.index_name)),
    ]


def _of_connected(
    settings: Settings, place: ClusterPlace, cache: Path, there: Cluster, deep: bool
) -> Iterator[Finding]:
    yield from examine(_of_server(settings, place, there))
    found: Found | None = None
    try:
        found = catalogue.find(there, place.index_name)
    except ImgsearchError as error:
        yield of_error("index", error)
        index: list[tuple[str, Check]] = []
    else:
        name = there.index_place(place.index_name)
        index = [
            ("index", partial(clusters.mapping, found, name)),
            ("documents", partial(document_check.documents, there, found, name, deep)),
        ]
    recorded = found.models if found else None

    def towers() -> Iterator[Finding]:
        folder = cache / "models"
        local = models.cached(_names(settings, recorded, folder), folder)
        yield from clusters.same_models(found, local)

    def text_model() -> Iterator[Finding]:
        name = models.shown_name(_names(settings, recorded, cache / "models").text)
        model = ClusterModel(there, settings.model_id or default_model_id(name))
        text = None if recorded is None else recorded.text_model
        yield from TextModel(model, text, settings.text_encoder == "cluster").look()

    yield from examine(
        [
            *index,
            ("disks", partial(clusters.disks, there)),
            ("health", partial(clusters.health, there, found)),
            ("models alike", towers),
            ("text model there", text_model),
        ]
    )
    yield from _rest(settings, cache, recorded)
