"""Words to vectors inside the cluster of the index, and whether to ask there at all.

The text model of the index may be deployed in its cluster (`imgsearch setup-model`, or another
tool's import). Then a query sends words: as one search from 8.7 on, else in two requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from imgsearch.dataclass import dataclass
from imgsearch.errors import (
    Action,
    ImgsearchError,
    IndexContradiction,
    ModelError,
    ModelUnavailable,
)
from imgsearch.index.base import ALL, Filter, Near, TextChoice, TextRequest, Wanted
from imgsearch.index.elasticsearch.client import Cluster, symptom_of
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
    """A deployed text model; it serves as a `TextEncoder`, and searches by words in one request.
    `name`: the deployment's, by which inference and searches call the model."""

    def __init__(
        self, model: ClusterModel, described: Model, name: str, text: ModelIdentity
    ) -> None:
        self.identity, self.dims, self.name = text, described.dims or 0, name
        self.model, self.described = model, described

    def encode(self, texts: Sequence[str]) -> Vectors:
        return inference.embed(self.model, self.described, self.name, texts)

    def search(
        self,
        index: ElasticsearchIndex,
        text: str,
        k: int,
        where: Filter = ALL,
        wanted: Wanted | None = None,
    ) -> Near:
        """Raises ModelError, ModelUnavailable where the model is the reason."""
        try:
            if index.takes_text(k):
                return index.search_by_text(text, self.name, k, where, wanted)
            [vector] = self.encode([text])
            if wanted is None:
                return Near(index.search(vector, k, where), [], None)
            return index.search_words(vector, k, wanted, where)
        except ImgsearchError as error:
            raise explained(error, self.model.place, self.model.model_id) from None


_T = TypeVar("_T")


class _Inside:
    """A deployed text model, together with the index that it serves. That it is deployed is first
    shown by its answer: what was assumed or remembered is asked anew where a request is refused."""

    def __init__(
        self, texts: ClusterTexts, index: ElasticsearchIndex, request: TextRequest
    ) -> None:
        self._texts, self._index, self._request = texts, index, request
        self._answered = False

    def encode(self, texts: Sequence[str]) -> Vectors:
        return self._answer(lambda: self._texts.encode(texts))

    def search(self, words: str, k: int, where: Filter, wanted: Wanted | None) -> Near:
        return self._answer(lambda: self._texts.search(self._index, words, k, where, wanted))

    def _answer(self, ask: Callable[[], _T]) -> _T:
        try:
            answer = ask()
        except ImgsearchError as error:
            told = symptom_of(error)
            if told is None or told.kind != "http":
                raise
            self._look_anew(error)
            answer = ask()
        if not self._answered:
            self._remember()
        return answer

    def _look_anew(self, error: ImgsearchError) -> None:
        """Raises `error` where nothing but the deployment's name could be the reason, and it is
        right; ModelError, ModelUnavailable where the model has changed."""
        comparisons.forget_deployed(self._request.cache, self._texts.model)
        found = _cluster_or_reason(self._index.cluster, self._request, looks=True)
        if found.texts is None or found.texts.name == self._texts.name:
            raise error
        self._texts = found.texts

    def _remember(self) -> None:
        self._answered = True
        cache, texts, uuid = self._request.cache, self._texts, self._index.uuid
        if comparisons.recall_deployed(cache, texts.model, uuid, texts.identity) is None:
            found = comparisons.Deployed(texts.described, texts.name)
            comparisons.remember_deployed(cache, texts.model, uuid, texts.identity, found)


class ClusterTextModels:
    """Implements `imgsearch.index.base.TextModels` for one index."""

    def __init__(self, index: ElasticsearchIndex) -> None:
        self._index = index

    def usual_id(self, text_model: str) -> str:
        return default_model_id(text_model)

    def choose(self, request: TextRequest) -> TextChoice:
        request = replace(request, model_id=checked_id(request.model_id))
        chosen = self._remembered(request) or choose(
            self._index.cluster, request, looks=request.ask_anew
        )
        inside = None if chosen.texts is None else _Inside(chosen.texts, self._index, request)
        return TextChoice(inside, chosen.reason)

    def _remembered(self, request: TextRequest) -> Choice | None:
        """Of an index that records its models alone: any other is held against the one here."""
        text, model = request.text, ClusterModel(self._index.cluster, request.model_id)
        if request.mode == "local" or request.ask_anew or text is None:
            return None
        found = comparisons.recall_deployed(request.cache, model, self._index.uuid, text)
        if found is None or found.model.dims not in (None, request.dims):
            return None
        texts = ClusterTexts(model, found.model, found.deployment, text)
        return Choice(texts, _deployed_there(request.model_id))

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


def _deployed_there(model_id: str) -> str:
    return f"{model_id} is deployed there"


def choose(cluster: Cluster, request: TextRequest, *, looks: bool = True) -> Choice:
    """Where to encode. Under mode "cluster" what stands against it is raised (ModelError,
    ModelUnavailable, IndexContradiction), under "auto" it is the reason. `looks`: at the deployment
    too; else a model that is known to be the index's is taken to be deployed under its own id,
    which saves a request."""
    if request.mode == "local":
        return Choice(None, "as text_encoder says")
    try:
        return _cluster_or_reason(cluster, request, looks)
    except ImgsearchError as error:
        if request.mode == "cluster":
            raise
        return Choice(None, error.message)


def _cluster_or_reason(cluster: Cluster, request: TextRequest, looks: bool) -> Choice:
    model_id, text, dims = request.model_id, request.text, request.dims
    model = ClusterModel(cluster, model_id)
    if request.mode == "auto" and not request.ask_anew:
        reason = comparisons.absent(request.cache, model)
        if reason:
            return Choice(None, reason)
    try:
        described = _looked_at(model)
        known = text is not None and _is_known(request, model, described, text)
        name = model_id if known and not looks else _deployment(model).name
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
            "Set the local model up, so that the two can be compared",
            Action("set up"),
        )
    texts = ClusterTexts(model, described, name, text)
    if described.ours and not _same_by_note(described, text):
        reason = f"other weights of {described.ours.get('text_model', 'a text model')}"
        raise failure("other_weights", place=model.place, model_id=model_id, reason=reason)
    if _is_known(request, model, described, text):
        return Choice(texts, _deployed_there(model_id))
    return _compared(texts, here, request)


def deployed(model: ClusterModel) -> tuple[Model, Deployment]:
    """The model in the cluster and its deployment. Raises ModelUnavailable where none answers."""
    return _looked_at(model), _deployment(model)


def _looked_at(model: ClusterModel) -> Model:
    described = model.look()
    if described is None:
        raise failure("absent", place=model.place, model_id=model.model_id)
    return described


def _deployment(model: ClusterModel) -> Deployment:
    deployment = model.deployment()
    if deployment is None or not deployment.started:
        raise failure("not_deployed", place=model.place, model_id=model.model_id)
    return deployment


def _is_known(
    request: TextRequest, model: ClusterModel, described: Model, text: ModelIdentity
) -> bool:
    """To make the vectors of `text`: by our note, or found out by this machine before."""
    if described.ours:
        return _same_by_note(described, text)
    return comparisons.remembered(request.cache, model, described, text)


def _same_by_note(described: Model, text: ModelIdentity) -> bool:
    """Set up by us from the very same weights: it would not be deployed had it not been verified
    (`imgsearch.index.elasticsearch.text_model.setup`)."""
    return described.ours.get("digest") == text.digest


def _compared(texts: ClusterTexts, here: TextEncoder | None, request: TextRequest) -> Choice:
    """Whether a model that another tool uploaded makes the same vectors. Compared once a
    machine."""
    model = texts.model
    if here is None:
        reason = f"{model.model_id} was imported by another tool and has not been compared yet"
        return Choice(texts if request.mode == "cluster" else None, reason)
    if not here.identity.same_as(texts.identity):
        raise IndexContradiction(
            f"The local text model is not the index's ({texts.identity.name}).",
            "Leave the model options out.",
        )
    cosine, text = inference.compare(model, texts.described, texts.name, here)
    if not cosine >= inference.AGREES:
        raise failure(
            "differs", place=model.place, model_id=model.model_id, cosine=cosine, text=text
        )
    comparisons.remember(request.cache, model, texts.described, here.identity)
    return Choice(texts, f"{model.model_id} is deployed there, and answers as the model here")
