"""Which models go with an index: those that the user chose, else those that the index records, else
the default pair; and their encoders, made when they are first needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from imgsearch.dataclass import dataclass
from imgsearch.errors import Action, IndexContradiction, ModelError, ModelUnavailable
from imgsearch.models import recorded as recorded_names
from imgsearch.models.cache import cached, cached_tower, set_up
from imgsearch.models.names import is_directory, model_names
from imgsearch.progress import Talk

if TYPE_CHECKING:
    from imgsearch.models import int8_trial
    from imgsearch.models.base import ImageEncoder, Kind, ModelIdentity, ModelPair, TextEncoder
    from imgsearch.models.cache import Check
    from imgsearch.models.names import ModelNames
    from imgsearch.models.towers import ModelSet

Precision = Literal["auto", "f32", "bf16", "int8"]

_CONTRADICTION_CURE = (
    "Ask for what the index was made with, use another index, or embed everything anew."
)


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The models that the user named; None where nothing was said."""

    model: str | None = None
    image_model: str | None = None
    text_model: str | None = None
    precision: Precision = "auto"

    @property
    def names_a_model(self) -> bool:
        return bool(self.model or self.image_model or self.text_model)


class ModelSelection:
    """The models of one index. `recorded`: what the index records at this moment, None while it is
    empty. `cache`: the folder of exported towers. May be used from several threads."""

    def __init__(
        self,
        choice: ModelChoice,
        recorded: Callable[[], ModelPair | None],
        index_name: str,
        cache: Path,
        talk: Talk,
    ) -> None:
        self.choice = choice
        self.cache = cache
        self._recorded = recorded
        self._index_name = index_name
        self._talk = talk
        self._lock = threading.RLock()
        self._text: TextEncoder | None = None
        self._image: ImageEncoder | None = None
        # of the last ingest, for the next: runtimes keep some MB of each model that is opened anew
        self.loaded: tuple[object, ImageEncoder] | None = None
        self.seconds = 0.0  # of the clock, that models for ingests took to be fetched, made, opened

    def names(self) -> ModelNames:
        chosen = self.choice
        return recorded_names.names_beside(
            self._recorded(), self.cache, chosen.model, chosen.image_model, chosen.text_model
        )

    def names_for_successor(self) -> ModelNames:
        """The models of an index that is to take this one's place: only what the user chose
        counts."""
        chosen = self.choice
        if chosen.model or self._recorded() is None:
            return model_names(chosen.model, chosen.image_model, chosen.text_model)
        return self.names()

    def ready(self) -> ModelSet:
        """The index's towers, from the cache or set up now, checked against what it records before
        anything of them is loaded. Raises IndexContradiction, ModelError, ModelUnavailable."""
        with self._lock:
            check = same_as_recorded(self._recorded(), self._index_name)
            return ready_models(self.names(), self.cache, self._talk, check)

    def check_choice(self) -> None:
        """Raises IndexContradiction where the choice contradicts the index, even if nothing will be
        embedded; nothing is fetched only to find that out."""
        recorded = self._recorded()
        if recorded is None:
            return
        self.precision()
        if not self.choice.names_a_model:
            return
        names = self.names()
        if (names.image, names.text) == (recorded.image_model.name, recorded.text_model.name):
            return
        found = cached(names, self.cache)
        if found is not None:
            _check_pair(found.pair(), same_as_recorded(recorded, self._index_name))
        elif not (is_directory(names.image) or is_directory(names.text)):
            raise IndexContradiction(
                f"{self._index_name} was made with {recorded.image_model.name} and"
                f" {recorded.text_model.name}; the options say {names.image} and {names.text}.",
                _CONTRADICTION_CURE,
                Action("re-embed"),
            )
        else:
            self.ready()

    def precision(self) -> Precision:
        """The one asked for; `auto` is what the index was made with."""
        asked = self.choice.precision
        recorded = self._recorded()
        if recorded is None or asked == "auto":
            return "int8" if recorded is not None and recorded.quantized else asked
        if recorded.quantized != (asked == "int8"):
            made = "int8" if recorded.quantized else "f32 or bf16"
            raise IndexContradiction(
                f"{self._index_name} was made with precision {made}; the option says {asked}.",
                _CONTRADICTION_CURE,
                Action("re-embed"),
            )
        return asked

    def text_encoder(self) -> TextEncoder:
        """The text encoder, made once."""
        from imgsearch.models import encoders

        with self._lock:
            if self._text is None:
                self._text = encoders.text_encoder(self.ready().text)
            return self._text

    def text_encoder_at_hand(self) -> TextEncoder | None:
        """The text encoder; None where the model would have to be fetched or exported first."""
        from imgsearch.models import encoders

        found = cached(self.names(), self.cache)
        return None if found is None else encoders.text_encoder(found.text)

    def image_encoder(self) -> ImageEncoder:
        """The image encoder for one picture at a time, made once."""
        from imgsearch.models import encoders

        with self._lock:
            if self._image is None:
                self._image = encoders.image_encoder(self.ready().image)
            return self._image

    def ingest_encoder(self, streams: int, index_id: str) -> tuple[ImageEncoder, ModelPair]:
        """For many pictures, on so many threads at once; and what the index has to record."""
        with self._timed():
            return self._ingest_encoder(streams, index_id)

    def _ingest_encoder(self, streams: int, index_id: str) -> tuple[ImageEncoder, ModelPair]:
        from imgsearch.models import encoders

        found, precision = self.ready(), self.precision()
        asked = found.image, precision, streams, index_id
        if self.loaded is None or self.loaded[0] != asked:
            encoder = encoders.ingest_encoder(
                found.image,
                precision=precision,
                streams=streams,
                tell=self._talk.tell,
                index_id=index_id,
            )
            self.loaded = asked, encoder
        return self.loaded[1], found.pair(quantized=precision == "int8")

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - began

    def int8_figures(self, index_id: str) -> int8_trial.Figures | None:
        """How int8 did with photos of that index, on this machine; None where it was not tried."""
        from imgsearch.models import int8_trial

        try:
            tower = cached_tower("image", self.names().image, self.cache)
        except ModelError:  # a folder that is gone
            return None
        return None if tower is None else int8_trial.figures(tower, index_id)

    def successor_pair(self) -> ModelPair:
        """The pair that is recorded by an index that is to take this one's place."""
        with self._timed():
            found = ready_models(self.names_for_successor(), self.cache, self._talk)
        return found.pair(quantized=self.choice.precision == "int8")


def same_as_recorded(recorded: ModelPair | None, index_name: str) -> Check | None:
    """A check that raises IndexContradiction for another model than the one the index was made
    with."""
    if recorded is None:
        return None

    def check(kind: Kind, ours: ModelIdentity) -> None:
        theirs = recorded.image_model if kind == "image" else recorded.text_model
        if not ours.same_as(theirs):
            same_name = " (other weights of the same name)" if ours.name == theirs.name else ""
            raise IndexContradiction(
                f"{index_name} was made with the {kind} model {theirs.name};"
                f" this command would use {ours.name}{same_name}.",
                _CONTRADICTION_CURE,
                Action("re-embed"),
            )

    return check


def _check_pair(pair: ModelPair, check: Check | None) -> None:
    if check is not None:
        check("image", pair.image_model)
        check("text", pair.text_model)


def ready_models(
    names: ModelNames, cache: Path, talk: Talk, check: Check | None = None
) -> ModelSet:
    """The exported towers: from the cache, else set up now. `check` sees each model's digest before
    anything of the model is loaded. Raises ModelError, ModelUnavailable."""
    found = cached(names, cache)
    if found is None:
        _ask_before_fetching(names, recorded_names.to_be_fetched(names, cache), talk)
        with talk.model_progress() as progress:
            found = set_up(names, cache, progress, check)
    _check_pair(found.pair(), check)
    for tower in (found.image, found.text):
        if tower.warning:
            talk.tell(tower.warning)
    return found


def _ask_before_fetching(names: ModelNames, missing: Sequence[str], talk: Talk) -> None:
    """A model that only the index names is fetched where the user agrees."""
    if not missing:
        return
    said = f"The index was made with {' and '.join(missing)}, which this machine does not have."
    if talk.may_fetch(said):
        return
    options = " ".join(f"--{kind}-model {getattr(names, kind)}" for kind in names.from_index)
    raise ModelUnavailable(said, f"To have it fetched from the hub, name it: {options}")
