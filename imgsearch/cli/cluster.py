"""Opens what works with a text model inside a cluster: for `setup-model`, `query`, `status`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from imgsearch import paths
from imgsearch.cli import parts
from imgsearch.cli.error_handler import say
from imgsearch.paths import ClusterPlace

if TYPE_CHECKING:
    from imgsearch.cli.parts import Parts
    from imgsearch.index.base import Filter, Hit
    from imgsearch.index.elasticsearch.client import Cluster
    from imgsearch.index.elasticsearch.index import ElasticsearchIndex
    from imgsearch.index.elasticsearch.text_model.choice import Choice, Mode
    from imgsearch.models import Check, ModelNames
    from imgsearch.models.base import TextEncoder
    from imgsearch.search import Ask
    from imgsearch.settings import Settings


def on_cluster(chosen: Settings) -> bool:
    return isinstance(parts.index_place(chosen), ClusterPlace)


@contextlib.contextmanager
def connected(chosen: Settings) -> Iterator[Cluster]:
    from imgsearch.index import connection
    from imgsearch.index.elasticsearch.client import Cluster
    from imgsearch.index.elasticsearch.index import READ_RETRY_SECONDS
    from imgsearch.index.elasticsearch.retry import patiently

    place = parts.index_place(chosen)
    assert isinstance(place, ClusterPlace)
    cluster = patiently(lambda: Cluster.connect(connection(place, chosen)), READ_RETRY_SECONDS)
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
    from imgsearch.models.recorded import names_beside

    if not (chosen.model or chosen.text_model):
        try:
            index = open_index(parts.index_place(chosen), chosen, create=False)
        except IndexError_:
            pass  # none yet, or not for this user to see: the model is for the index to come
        else:
            recorded = index.models()
            index.close()
            if recorded is not None:
                names = names_beside(recorded, parts.model_cache(), None, None, None)
                return names, parts.same_as_recorded(recorded, index.place)
    return models.model_names(chosen.model, chosen.image_model, chosen.text_model), None


def model_id(chosen: Settings, names: ModelNames) -> str:
    from imgsearch import models
    from imgsearch.index.elasticsearch.text_model.state import checked_id, default_model_id

    if chosen.model_id:
        return checked_id(chosen.model_id)
    return default_model_id(models.shown_name(names.text))


def _index(open_parts: Parts) -> ElasticsearchIndex:
    from imgsearch.index.elasticsearch.index import ElasticsearchIndex

    assert isinstance(open_parts.index, ElasticsearchIndex)
    return open_parts.index


def choice(open_parts: Parts, mode: Mode, *, ask_anew: bool = False) -> Choice:
    """Where this index's queries are encoded, and why."""
    from imgsearch.index.elasticsearch.text_model import choice as cluster_text

    index = _index(open_parts)
    recorded = index.models()
    names = open_parts.model_names()
    return cluster_text.choose(
        index.cluster,
        model_id(open_parts.settings, names),
        None if recorded is None else recorded.text_model,
        None if recorded is None else recorded.dims,
        mode,
        paths.cache_dir(),
        lambda: _local(names),
        ask_anew=ask_anew,
    )


def _local(names: ModelNames) -> TextEncoder | None:
    """This machine's, if it need not be fetched."""
    from imgsearch import models
    from imgsearch.models import encoders

    found = models.cached(names, parts.model_cache())
    return None if found is None else encoders.text_encoder(found.text)


def ask(open_parts: Parts, verbose: bool) -> Ask | None:
    """None: the words are to be encoded on this machine. Raises UsageError, ModelError and
    ModelUnavailable where `--text-encoder cluster` cannot be had."""
    from imgsearch.errors import ModelError, UsageError

    mode = open_parts.settings.text_encoder
    if not on_cluster(open_parts.settings):  # before anything of the client is imported
        if mode == "cluster":
            raise UsageError(
                "--text-encoder cluster: this index lies on no cluster.",
                "Leave the option out, or name one: --index https://host:9200/my-photos",
            )
        return None
    index = _index(open_parts)
    open_parts.check_model_options()
    chosen = choice(open_parts, mode)
    texts = chosen.texts
    if verbose:
        where = "on this machine" if texts is None else "in the cluster"
        say(f"The text is encoded {where}: {chosen.reason}.".replace("..", "."))
    if texts is None:
        return None

    def ask_there(text: str, k: int, where: Filter) -> list[Hit]:
        try:
            return texts.search(index, text, k, where)
        except ModelError as error:
            if mode == "cluster":
                raise
            say(f"{error.message}\nThe text is encoded on this machine instead.")
            [vector] = open_parts.text_encoder().encode([text])
            return index.search(vector, k, where)

    return ask_there


def encoded_where(open_parts: Parts) -> str:
    """For `status`: with the reason that lies deepest."""
    from imgsearch.errors import ImgsearchError
    from imgsearch.index.elasticsearch.text_model.setup import check_possible

    mode = open_parts.settings.text_encoder
    chosen = choice(open_parts, "local" if mode == "local" else "auto", ask_anew=True)
    if chosen.texts is not None:
        return f"in the cluster ({chosen.reason})"
    reason = chosen.reason
    try:
        if mode != "local":
            check_possible(_index(open_parts).cluster)
    except ImgsearchError as error:
        reason = error.message
    return f"on this machine ({reason.rstrip('.')})"
