"""What a model is to the rest of the program: an identity, and an encoder from texts or images to
unit vectors. No runtime is imported here; `imgsearch.models.runtimes` holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import numpy.typing as npt

from imgsearch.dataclass import dataclass

if TYPE_CHECKING:
    from PIL.Image import Image

Vector = npt.NDArray[np.float32]  # (dims,), unit length
Vectors = npt.NDArray[np.float32]  # (n, dims), each row of unit length
Pixels = npt.NDArray[np.float32]  # (n, 3, height, width), normalised as the model wants them

Kind = Literal["image", "text"]
Precision = Literal["f32", "bf16", "int8"]


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """A model as an index remembers it. `name` is for people; `digest` (of the weights) decides."""

    name: str
    digest: str

    def same_as(self, other: ModelIdentity) -> bool:
        return self.digest == other.digest


@dataclass(frozen=True, slots=True)
class ModelPair:
    """The two towers of one space. `quantized`: int8 vectors, which do not mix with float ones."""

    image_model: ModelIdentity
    text_model: ModelIdentity
    dims: int
    quantized: bool = False

    def same_space(self, other: ModelPair) -> bool:
        """Whether vectors of both may stand in one index."""
        return (
            self.image_model.same_as(other.image_model)
            and self.text_model.same_as(other.text_model)
            and self.quantized == other.quantized
        )


class TextEncoder(Protocol):
    identity: ModelIdentity
    dims: int

    def encode(self, texts: Sequence[str]) -> Vectors: ...

    def characters_read(self, text: str) -> int | None:
        """How many of a text's characters the model reads before its limit; None: all of them, or
        that is not known."""
        ...


class ImageEncoder(Protocol):
    """`prepare` runs on many threads at once; so does `encode`, each call on its own stream."""

    identity: ModelIdentity
    dims: int
    image_size: int  # pixels of the square that the model sees

    @property
    def precision(self) -> Precision: ...

    def prepare(self, image: Image) -> Pixels:
        """Turn an upright RGB image into pixels (1, 3, image_size, image_size)."""
        ...

    def encode(self, pixels: Pixels) -> Vectors: ...


def unit(vectors: npt.NDArray[np.floating]) -> Vectors:
    """Rows scaled to unit length, f32."""
    rows = np.asarray(vectors, dtype=np.float32)
    scaled: Vectors = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return scaled
