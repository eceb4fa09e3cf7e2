"""Opens what `setup-model` works with in a cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from imgsearch.cli.error_handler import say
from imgsearch.paths import ClusterPlace, LocalPlace

if TYPE_CHECKING:
    from imgsearch.index.elasticsearch.client import Cluster
    from imgsearch.models import Check, ModelNames
    from imgsearch.settings import Settings


def on_cluster(chosen: Settings) -> bool:
    return isinstance(_place(chosen), ClusterPlace)


def _place(chosen: Settings) -> LocalPlace | ClusterPlace:
    from imgsearch.library import index_place

    return index_place(chosen)


@contextlib.contextmanager
def connected(chosen: Settings) -> Iterator[Cluster]:
    from imgsearch.index import connection
    from imgsearch.index.elasticsearch.client import Cluster
    from imgsearch.index.elasticsearch.opening import READ_RETRY_SECONDS
    from imgsearch.index.elasticsearch.retry import with_retries

    place = _place(chosen)
    assert isinstance(place, ClusterPlace)
    cluster = with_retries(lambda: Cluster.connect(connection(place, chosen)), READ_RETRY_SECONDS)
    try:
        yield cluster
    finally:
        for note in cluster.notes:
            say(note)
        cluster.close()


def names_there(chosen: Settings) -> tuple[ModelNames, Check | None]:
    """The models of the index if there is one, else those that the options name; and what checks
    them against the index."""
    from imgsearch import models
    from imgsearch.errors import IndexError_
    from imgsearch.index import open_index
    from imgsearch.library import index_place, model_cache
    from imgsearch.models.recorded import names_beside
    from imgsearch.models.selection import same_as_recorded

    if not (chosen.model or chosen.text_model):
        try:
            index = open_index(index_place(chosen), chosen, create=False)
        except IndexError_:
            pass  # none yet, or not for this user to see: the model is for the index to come
        else:
            recorded = index.models()
            index.close()
            if recorded is not None:
                names = names_beside(recorded, model_cache(), None, None, None)
                return names, same_as_recorded(recorded, index.place)
    return models.model_names(chosen.model, chosen.image_model, chosen.text_model), None


def model_id(chosen: Settings, names: ModelNames) -> str:
    from imgsearch import models
    from imgsearch.index.elasticsearch.text_model.state import checked_id, default_model_id

    if chosen.model_id:
        return checked_id(chosen.model_id)
    return default_model_id(models.shown_name(names.text))
