"""Words to vectors inside the cluster of the index, and whether to ask there at all.

The text model of the index may be deployed in its cluster (`imgsearch setup-model`, or another
tool's import). Then a query sends words: as one search from 8.7 on, else in two requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from imgsearch.errors import ImgsearchError, IndexContradiction, ModelError, ModelUnavailable
from imgsearch.index.base import ALL, Filter, Hit
from imgsearch.index.elasticsearch.client import Cluster
from imgsearch.index.elasticsearch.index import ElasticsearchIndex
from imgsearch.index.elasticsearch.text_model import comparisons, inference
from imgsearch.index.elasticsearch.text_model.errors import explained, failure
from imgsearch.index.elasticsearch.text_model.state import ClusterModel, Deployment, Model
from imgsearch.models.base import ModelIdentity, TextEncoder, Vectors

Mode = Literal["auto", "local", "cluster"]


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
    ) -> list[Hit]:
        """Raises ModelError, ModelUnavailable where the model is the reason."""
        try:
            if index.takes_text(k):
                return index.search_by_text(text, self.name, k, where)
            [vector] = self.encode([text])
            return index.search(vector, k, where)
        except ImgsearchError as error:
            raise explained(error, self._model.place, self._model.model_id) from None


@dataclass(frozen=True)
class Choice:
    """`texts` None: encode on this machine. `reason`: why, in words for a person."""

    texts: ClusterTexts | None
    reason: str


def choose(
    cluster: Cluster,
    model_id: str,
    text: ModelIdentity | None,
    dims: int | None,
    mode: Mode,
    cache: Path,
    local: Callable[[], TextEncoder | None],
    *,
    ask_anew: bool = False,
) -> Choice:
    """Where to encode. `text`, `dims`: the index's own, None where it records none. `local`: this
    machine's encoder if its model is here already. `ask_anew`: even where the model did not answer
    a few minutes ago. Under `cluster` what stands against it is
    raised (ModelError, ModelUnavailable, IndexContradiction), under `auto` it is the reason."""
    if mode == "local":
        return Choice(None, "as --text-encoder says")
    try:
        return _cluster_or_reason(cluster, model_id, text, dims, mode, cache, local, ask_anew)
    except ImgsearchError as error:
        if mode == "cluster":
            raise
        return Choice(None, error.message)


def _cluster_or_reason(
    cluster: Cluster,
    model_id: str,
    text: ModelIdentity | None,
    dims: int | None,
    mode: Mode,
    cache: Path,
    local: Callable[[], TextEncoder | None],
    ask_anew: bool,
) -> Choice:
    model = ClusterModel(cluster, model_id)
    if mode == "auto" and not ask_anew and (reason := comparisons.absent(cache, model)):
        return Choice(None, reason)
    try:
        described, deployment = deployed(model)
    except ModelUnavailable as error:
        comparisons.remember_absent(cache, model, error.message)
        raise
    if dims is not None and described.dims is not None and described.dims != dims:
        raise failure(
            "other_space", place=model.place, model_id=model_id, dims=described.dims, asked=dims
        )
    here = None if text is not None and _same_by_note(described, text) else local()
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
    if described.ours or comparisons.remembered(cache, model, described, text):
        return Choice(texts, f"{model_id} is deployed there")
    return _compared(model, texts, described, deployment, here, mode, cache)


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
    mode: Mode,
    cache: Path,
) -> Choice:
    """Another tool's: its vectors decide, once for each machine."""
    if here is None:
        reason = f"{model.model_id} was imported by another tool and has not been compared yet"
        return Choice(texts if mode == "cluster" else None, reason)
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
    comparisons.remember(cache, model, described, here.identity)
    return Choice(texts, f"{model.model_id} is deployed there, and answers as the model here")
