"""Words to vectors inside the cluster of the index, and whether to ask there at all.

The text model of the index may be deployed in its cluster (`imgsearch setup-model`, or another
tool's import). Then a query sends words: as one search from 8.7 on, else in two requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imgsearch.errors import ImgsearchError, IndexContradiction, ModelError, ModelUnavailable
from imgsearch.index.base import ALL, Filter, Neighbour, TextChoice, TextRequest
from imgsearch.index.elasticsearch.client import Cluster
from imgsearch.index.elasticsearch.text_model import comparisons, inference
from imgsearch.index.elasticsearch.text_model.errors import explained, failure
from imgsearch.index.elasticsearch.text_model.state import (
    ClusterModel,
    Deployment,
    Model,
    checked_id,
    default_model_id,
)
from imgsearch.models.base import ModelIdentity, TextEncoder, Vectors

if TYPE_CHECKING:
    from imgsearch.index.elasticsearch.index import ElasticsearchIndex


class ClusterTexts:
    """A deployed text model; it serves as a `TextEncoder`, and searches by words in one request."""

    def __init__(
        self, model: ClusterModel, described: Model, deployment: Deployment, text: ModelIdentity
    ) -> None:
        self.identity, self.dims = text, described.dims or 0
        self.name = deployment.name
        self._model, self._described, self._deployment = model, described, deployment

    def encode(self, texts: Sequence[str]) -> Vectors:
        return inference.embed(self._model, self._described, self._deployment, texts)

    def search(
        self, index: ElasticsearchIndex, text: str, k: int, where: Filter = ALL
    ) -> list[Neighbour]:
        """Raises ModelError, ModelUnavailable where the model is the reason."""
        try:
            if index.takes_text(k):
                return index.search_by_text(text, self.name, k, where)
            [vector] = self.encode([text])
            return index.search(vector, k, where)
        except ImgsearchError as error:
            raise explained(error, self._model.place, self._model.model_id) from None


class _Inside:
    """A deployed text model, together with the index that it serves."""

    def __init__(self, texts: ClusterTexts, index: ElasticsearchIndex) -> None:
        self._texts, self._index = texts, index

    def encode(self, texts: Sequence[str]) -> Vectors:
        return self._texts.encode(texts)

    def search(self, words: str, k: int, where: Filter) -> list[Neighbour]:
        return self._texts.search(self._index, words, k, where)


class ClusterTextModels:
    """Implements `imgsearch.index.base.TextModels` for one index."""

    def __init__(self, index: ElasticsearchIndex) -> None:
        self._index = index

    def usual_id(self, text_model: str) -> str:
        return default_model_id(text_model)

    def choose(self, request: TextRequest) -> TextChoice:
        request = replace(request, model_id=checked_id(request.model_id))
        chosen = choose(self._index.cluster, request)
        inside = None if chosen.texts is None else _Inside(chosen.texts, self._index)
        return TextChoice(inside, chosen.reason)

    def obstacle(self) -> str | None:
        from imgsearch.index.elasticsearch.text_model.setup import check_possible

        try:
            check_possible(self._index.cluster)
        except ImgsearchError as error:
            return error.message
        return None


@dataclass(frozen=True)
class Choice:
    """`texts` None: encode on this machine. `reason`: why, in words for a person."""

    texts: ClusterTexts | None
    reason: str


def choose(cluster: Cluster, request: TextRequest) -> Choice:
    """Where to encode. Under mode "cluster" what stands against it is raised (ModelError,
    ModelUnavailable, IndexContradiction), under "auto" it is the reason."""
    if request.mode == "local":
        return Choice(None, "as --text-encoder says")
    try:
        return _cluster_or_reason(cluster, request)
    except ImgsearchError as error:
        if request.mode == "cluster":
            raise
        return Choice(None, error.message)


def _cluster_or_reason(cluster: Cluster, request: TextRequest) -> Choice:
    model_id, text, dims = request.model_id, request.text, request.dims
    model = ClusterModel(cluster, model_id)
    if request.mode == "auto" and not request.ask_anew:
        reason = comparisons.absent(request.cache, model)
        if reason:
            return Choice(None, reason)
    try:
        described, deployment = deployed(model)
    except ModelUnavailable as error:
        comparisons.remember_absent(request.cache, model, error.message)
        raise
    if dims is not None and described.dims is not None and described.dims != dims:
        raise failure(
            "other_space", place=model.place, model_id=model_id, dims=described.dims, asked=dims
        )
    here = None if text is not None and _same_by_note(described, text) else request.at_hand()
    text = text or (here.identity if here is not None else None)
    if text is None:
        raise ModelError(
            f"{cluster.place}: which text model belongs to the index is not recorded.",
            "Set the local model up, so that the two can be compared: imgsearch setup-model",
        )
    texts = ClusterTexts(model, described, deployment, text)
    if described.ours and not _same_by_note(described, text):
        reason = f"other weights of {described.ours.get('text_model', 'a text model')}"
        raise failure("other_weights", place=model.place, model_id=model_id, reason=reason)
    if described.ours or comparisons.remembered(request.cache, model, described, text):
        return Choice(texts, f"{model_id} is deployed there")
    return _compared(model, texts, described, deployment, here, request)


def deployed(model: ClusterModel) -> tuple[Model, Deployment]:
    """Raises ModelUnavailable where there is none that answers."""
    described = model.look()
    if described is None:
        raise failure("absent", place=model.place, model_id=model.model_id)
    deployment = model.deployment()
    if deployment is None or not deployment.started:
        raise failure("not_deployed", place=model.place, model_id=model.model_id)
    return described, deployment


def _same_by_note(described: Model, text: ModelIdentity) -> bool:
    """Set up by us from the very same weights: it would not be deployed had it not been verified
    (`imgsearch.index.elasticsearch.text_model.setup`)."""
    return described.ours.get("digest") == text.digest


def _compared(
    model: ClusterModel,
    texts: ClusterTexts,
    described: Model,
    deployment: Deployment,
    here: TextEncoder | None,
    request: TextRequest,
) -> Choice:
    """Another tool's: its vectors decide, once for each machine."""
    if here is None:
        reason = f"{model.model_id} was imported by another tool and has not been compared yet"
        return Choice(texts if request.mode == "cluster" else None, reason)
    if not here.identity.same_as(texts.identity):
        raise IndexContradiction(
            f"The local text model is not the index's ({texts.identity.name}).",
            "Leave the model options out.",
        )
    cosine, text = inference.compare(model, described, deployment, here)
    if not cosine >= inference.AGREES:
        raise failure(
            "differs", place=model.place, model_id=model.model_id, cosine=cosine, text=text
        )
    comparisons.remember(request.cache, model, described, here.identity)
    return Choice(texts, f"{model.model_id} is deployed there, and answers as the model here")
