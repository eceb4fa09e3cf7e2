"""Which runtime serves a tower, and the encoders that the rest of the program sees.

one text, one picture    onnxruntime, memory-mapped: a new process answers in 0.2 s
many pictures            OpenVINO (bf16 or f32; int8 where that has passed its trial, or on
                         request); torch where there is a GPU
an export that failed    sentence-transformers, slow and right
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from imgsearch.errors import ModelError
from imgsearch.models import preprocessing, verification
from imgsearch.models.base import Pixels, Precision, Vectors, unit
from imgsearch.models.cache import forget, remember_check
from imgsearch.models.hub import quiet_environment
from imgsearch.models.runtimes import (
    OnnxRuntime,
    OpenVino,
    Runtime,
    RuntimeFailure,
    TorchTower,
    accelerator,
)
from imgsearch.models.tokenizer import Tokens
from imgsearch.models.towers import REFERENCES_FILE, Tower

if TYPE_CHECKING:
    from PIL.Image import Image

    from imgsearch.models import int8_trial
    from imgsearch.models.base import ImageEncoder, TextEncoder

_TEXTS_AT_ONCE = 32
_BOUNDS: dict[Precision, float] = {
    "f32": verification.EXACT,
    "bf16": verification.ROUNDED,
    "int8": verification.QUANTIZED,
}


class Texts:
    """The text encoder over an exported tower."""

    def __init__(self, tower: Tower, runtime: Runtime) -> None:
        self.identity, self.dims = tower.identity, tower.dims
        self._tokens = Tokens(tower.folder, tower.inputs)
        self._runtime = runtime

    def encode(self, texts: Sequence[str]) -> Vectors:
        """(n, dims), unit rows; one row for each text, empty ones too."""
        rows = [
            unit(self._runtime.run(self._tokens(texts[first : first + _TEXTS_AT_ONCE])))
            for first in range(0, len(texts), _TEXTS_AT_ONCE)
        ]
        return np.concatenate(rows) if rows else np.empty((0, self.dims), np.float32)

    def characters_read(self, text: str) -> int | None:
        return self._tokens.characters_read(text)


class ReferenceTexts:
    """The text encoder over sentence-transformers."""

    def __init__(self, tower: Tower) -> None:
        self.identity, self.dims = tower.identity, tower.dims
        self._torch = TorchTower(tower.source_folder, "text", "cpu", "f32")

    def encode(self, texts: Sequence[str]) -> Vectors:
        rows = [unit(self._torch.run(self._torch.preprocess([text]))) for text in texts]
        return np.concatenate(rows) if rows else np.empty((0, self.dims), np.float32)

    def characters_read(self, text: str) -> int | None:
        del text  # sentence-transformers does not say
        return None


class Images:
    """The image encoder over an exported tower, on whichever runtime."""

    def __init__(self, tower: Tower, runtime: Runtime, warning: str = "") -> None:
        self.identity, self.dims, self.warning = tower.identity, tower.dims, warning
        self.precision = runtime.precision
        self._preprocessing = preprocessing.from_manifest(tower.preprocessing)
        self.image_size = max(self._preprocessing.width, self._preprocessing.height)
        self._input = tower.inputs[0]
        self._runtime = runtime

    def prepare(self, image: Image) -> Pixels:
        return self._preprocessing.pixels(image)

    def encode(self, pixels: Pixels) -> Vectors:
        return unit(self._runtime.run({self._input: pixels}))

    def on_trial(self, tower: Tower, index_id: str, streams: int) -> Images:
        """This one, which tries int8 with the pictures that it embeds; itself where OpenVINO does
        not serve."""
        if not isinstance(self._runtime, OpenVino):
            return self
        from imgsearch.models import int8_trial

        trial = int8_trial.Trial(tower, index_id, self._runtime, streams)
        return ImagesOnTrial(tower, self._runtime, trial)


class ImagesOnTrial(Images):
    """The image encoder of an ingest, which goes on in int8 once that has passed its trial."""

    def __init__(self, tower: Tower, runtime: OpenVino, trial: int8_trial.Trial) -> None:
        super().__init__(tower, runtime)
        self._trial: int8_trial.Trial | None = trial

    def encode(self, pixels: Pixels) -> Vectors:
        vectors = super().encode(pixels)
        trial = self._trial
        if trial is not None:
            trial.see(pixels)
            if trial.outcome is not None:
                self._runtime = trial.outcome
                self.precision = self._runtime.precision
            if trial.over:
                self._trial = None
        return vectors


class OpeningImages:
    """An image encoder whose runtime is being opened on a thread of its own, which takes a second:
    pictures are prepared meanwhile. `encode` waits for it, and raises what went wrong."""

    def __init__(self, tower: Tower, open_encoder: Callable[[], ImageEncoder]) -> None:
        self.identity, self.dims = tower.identity, tower.dims
        self._preprocessing = preprocessing.from_manifest(tower.preprocessing)
        self.image_size = max(self._preprocessing.width, self._preprocessing.height)
        from concurrent.futures import ThreadPoolExecutor

        opener = ThreadPoolExecutor(1, thread_name_prefix="imgsearch-model")
        self._opened = opener.submit(open_encoder)
        opener.shutdown(wait=False)

    @property
    def precision(self) -> Precision:
        """Waits: which one it is depends on the runtime."""
        return self._opened.result().precision

    def prepare(self, image: Image) -> Pixels:
        return self._preprocessing.pixels(image)

    def encode(self, pixels: Pixels) -> Vectors:
        return self._opened.result().encode(pixels)


class ReferenceImages:
    """The image encoder over sentence-transformers, with its own preparation of images."""

    precision: Precision = "f32"

    def __init__(self, tower: Tower) -> None:
        self.identity, self.dims = tower.identity, tower.dims
        self._torch = TorchTower(tower.source_folder, "image", accelerator(), "f32")
        self._input = tower.inputs[0]
        self.image_size = max(self.prepare(verification.pictures()[0]).shape[2:])

    def prepare(self, image: Image) -> Pixels:
        pixels: Pixels = self._torch.preprocess([image])[self._input]
        return pixels

    def encode(self, pixels: Pixels) -> Vectors:
        return unit(self._torch.run({self._input: pixels}))


def text_encoder(tower: Tower) -> TextEncoder:
    """For queries: onnxruntime, or sentence-transformers where the export failed its check.

    Raises ModelError when the export can no longer be read, or no longer agrees.
    """
    quiet_environment()
    if tower.served_by == "sentence-transformers":
        return ReferenceTexts(tower)
    runtime = _mapped(tower)
    encoder = Texts(tower, runtime)
    if not _agrees(tower, runtime, lambda: encoder.encode(verification.TEXTS)):
        raise _forsaken(tower, runtime)
    return encoder


def image_encoder(
    tower: Tower,
    *,
    precision: Literal["auto", "f32", "bf16", "int8"] = "auto",
    streams: int = 1,
    many: bool = False,
) -> ImageEncoder:
    """`many`: for an ingest, with `streams` callers at once. Else for the one picture of a query,
    in f32, or int8 where that is asked for. Raises ModelError as `text_encoder`."""
    quiet_environment()
    if tower.served_by == "sentence-transformers":
        return ReferenceImages(tower)
    warning = ""
    if many or precision == "int8":
        encoder, warning = _fast_encoder(tower, precision, streams)
        if encoder is not None:
            return encoder
    mapped = _mapped(tower)
    one = Images(tower, mapped, warning)
    if not _agrees(tower, mapped, lambda: _sample_vectors(one)):
        raise _forsaken(tower, mapped)
    return one


def ingest_encoder(
    tower: Tower,
    *,
    precision: Literal["auto", "f32", "bf16", "int8"],
    streams: int,
    tell: Callable[[str], None],
    index_id: str = "",
) -> ImageEncoder:
    """`image_encoder` for an ingest, back before the runtime is open; but not with int8, where
    whether it works here has to be known before anything is written. `tell`: what a person should
    hear, from whichever thread. `index_id`: of the index for whose photos int8 may be tried, and
    used where it has passed; empty: it may not."""

    from imgsearch.models import int8_trial

    def open_encoder() -> ImageEncoder:
        may_try = bool(index_id) and precision == "auto" and accelerator() == "cpu"
        proven = int8_trial.proven(tower, index_id, streams) if may_try else None
        if proven is not None:
            return Images(tower, proven)
        encoder = image_encoder(tower, precision=precision, streams=streams, many=True)
        if not isinstance(encoder, Images):
            return encoder
        if encoder.warning:
            tell(encoder.warning)
        worth_it = may_try and int8_trial.worth_it(tower, index_id)
        return encoder.on_trial(tower, index_id, streams) if worth_it else encoder

    if precision == "int8" or tower.served_by == "sentence-transformers":
        return open_encoder()
    return OpeningImages(tower, open_encoder)


def _fast_encoder(
    tower: Tower, precision: Precision | Literal["auto"], streams: int
) -> tuple[Images | None, str]:
    """The fast one; or why there is none here."""
    try:
        runtime = _for_many(tower, precision, streams)
        encoder = Images(tower, runtime)
        if _agrees(tower, runtime, lambda: _sample_vectors(encoder)):
            return encoder, ""
        why = f"{runtime.name} does not agree with sentence-transformers"
    except RuntimeFailure as problem:
        why = str(problem)
    if precision == "int8":  # f32 in its place would not mix with what the index holds
        raise ModelError(f"int8 does not work with this model here: {why}.", "Leave it at auto.")
    return None, f"onnxruntime embeds the pictures, which is slower ({why})."


def _for_many(tower: Tower, precision: Precision | Literal["auto"], streams: int) -> Runtime:
    if precision == "int8":
        from imgsearch.models import quantization

        return OpenVino(quantization.model_file(tower), "int8", streams)
    device = accelerator()
    if device != "cpu":
        half: Precision = "f32" if precision == "f32" else "bf16"
        return TorchTower(tower.source_folder, "image", device, half)
    return OpenVino(tower.model_file, precision, streams)


def _mapped(tower: Tower) -> Runtime:
    """onnxruntime over the export. A file that it cannot read means that the cache is damaged."""
    try:
        return OnnxRuntime(tower.model_file)
    except RuntimeFailure as problem:
        raise _damaged(tower, str(problem)) from problem


def _sample_vectors(encoder: ImageEncoder) -> Vectors:
    return encoder.encode(
        np.concatenate([encoder.prepare(picture) for picture in verification.pictures()])
    )


def _agrees(tower: Tower, runtime: Runtime, answer: Callable[[], Vectors]) -> bool:
    """Hold a runtime against the references, the first time that this version of it serves."""
    if runtime.name in tower.checked:
        return True
    references = verification.load_references(tower.folder / REFERENCES_FILE)
    cosine = verification.lowest_cosine(answer(), references)
    if cosine < _BOUNDS[runtime.precision]:
        return False
    remember_check(tower, runtime.name, cosine)
    return True


def _forsaken(tower: Tower, runtime: Runtime) -> ModelError:
    return _damaged(tower, f"{runtime.name} answers other vectors than when it was made")


def _damaged(tower: Tower, reason: str) -> ModelError:
    """The entry is given up, so that the next command makes it anew."""
    forget(tower)
    return ModelError(
        f"The exported {tower.kind} model in {tower.folder} cannot be used: {reason}.",
        "Do the same again: the model is exported anew.",
    )
