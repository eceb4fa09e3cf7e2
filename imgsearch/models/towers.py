"""A tower is one half of a model pair (images or texts), exported to ONNX in a folder of its own:

cache/text-clip-ViT-B-32-multilingual-v1-5f1c2a90/
    manifest.json      what it is, where it came from, how well the export agrees
    model.onnx         the optimised graph
    model.data         its weights, mapped into memory by the runtimes
    tokenizer.json     (texts) and its WordPieces, if it has any: pieces.npy, piece_ids.npy
    references.npz     what sentence-transformers answers: new runtimes are held against it
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from imgsearch.dataclass import dataclass
from imgsearch.models.base import Kind, ModelIdentity, ModelPair

ServedBy = Literal["onnx", "sentence-transformers"]

MANIFEST = "manifest.json"
MODEL_FILE, WEIGHTS_FILE = "model.onnx", "model.data"
REFERENCES_FILE = "references.npz"


@dataclass(frozen=True)
class Tower:
    """One exported tower, as its manifest describes it."""

    kind: Kind
    identity: ModelIdentity
    dims: int
    folder: Path
    source: str  # as in ModelNames
    source_folder: Path  # the sentence-transformers directory: torch serves from it
    served_by: ServedBy
    verified: float  # lowest cosine between the export and sentence-transformers
    warning: str  # for people, empty when all is well
    inputs: tuple[str, ...]  # of the graph, in order
    preprocessing: Mapping[str, Any]  # images: see imgsearch.models.preprocessing; texts: empty
    checked: Mapping[str, float]  # runtime and version -> lowest cosine against the references
    size_bytes: int

    @property
    def model_file(self) -> Path:
        return self.folder / MODEL_FILE


@dataclass(frozen=True)
class ModelSet:
    image: Tower
    text: Tower

    def pair(self, quantized: bool = False) -> ModelPair:
        return ModelPair(self.image.identity, self.text.identity, self.image.dims, quantized)
