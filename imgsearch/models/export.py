"""From a sentence-transformers directory to an ONNX file that both runtimes map into memory.

    load -> what it answers (references) -> trace -> optimise -> hold against the references

Imports torch and transformers, and runs once for each tower. Whatever the modules of the model
are, they are traced as sentence-transformers has put them together; what cannot be traced, or
answers differently afterwards, is served by sentence-transformers itself.
"""

from __future__ import annotations

import errno
import gc
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imgsearch.dataclass import dataclass
from imgsearch.errors import ModelError
from imgsearch.models import files, preprocessing, tokenizer, verification
from imgsearch.models.base import Kind, Vectors
from imgsearch.models.loading import (
    FIXED_LENGTH,
    REFUSALS,
    first_line,
    load,
    max_length,
    model_type,
    muted,
)
from imgsearch.models.runtimes import OnnxRuntime, RuntimeFailure, onnx_door
from imgsearch.models.tokenizer import Tokens
from imgsearch.models.towers import MODEL_FILE, REFERENCES_FILE, WEIGHTS_FILE
from imgsearch.progress import Progress

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

_OPSET = 17
_UNMAPPED = 1024  # weights smaller than this (bytes) stay in the graph


class NotExportable(Exception):
    """Why a model is served by sentence-transformers instead."""


@dataclass(frozen=True)
class _Answers:
    """Vectors that sentence-transformers makes of the samples, and the inputs of its model."""

    vectors: Vectors  # not of unit length
    inputs: tuple[str, ...]


def export(kind: Kind, source: Path, folder: Path, progress: Progress) -> dict[str, Any]:
    """Write the tower's files into `folder`; gives what the manifest says about them.

    Raises ModelError when sentence-transformers cannot load the model, or it has no such tower.
    """
    progress(f"loading the {kind} model", 0, 0)
    model = load(source)
    answers = _ask(model, kind, source)
    parameters: dict[str, Any] = {}
    try:
        parameters = _write_front(model, kind, folder)
        progress(f"exporting the {kind} model", 0, 0)
        graph = _write_graph(model, kind, answers.inputs, folder)
        del model
        gc.collect()  # the weights leave memory before onnxruntime reads them
        _optimise(graph, folder)
        progress(f"verifying the {kind} model", 0, 0)
        runtime, cosine = _verify(kind, answers, parameters, folder)
    except (NotExportable, RuntimeFailure) as problem:  # the second: a graph of fixed shapes, say
        _raise_if_passing(problem, folder)
        return _thrown_away(kind, answers, folder, str(problem))
    verification.save_references(folder / REFERENCES_FILE, answers.vectors)
    return _described(answers) | {
        "preprocessing": parameters,
        "served_by": "onnx",
        "verified": cosine,
        "checked": {runtime: cosine},
        "warning": "",
    }


_NO_MEMORY = re.compile(r"bad_alloc|allocate memory|out of memory|not enough memory", re.IGNORECASE)


def _raise_if_passing(problem: Exception, folder: Path) -> None:
    """A full disk or memory says nothing about the model: the next command tries again.

    onnxruntime's message does not mention the disk. The graph and its weights still lie in
    `folder`; the optimised form needs as much room again.
    """
    if _NO_MEMORY.search(str(problem)):
        raise ModelError(
            f"There was not enough memory to export the model ({problem}).",
            "Close other programs, or take a machine with more, and give the same command again.",
        ) from problem
    needed = _UNMAPPED + sum(path.stat().st_size for path in folder.glob("traced.*"))
    if shutil.disk_usage(folder).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from problem


def _thrown_away(kind: Kind, answers: _Answers, folder: Path, why: str) -> dict[str, Any]:
    if kind == "image" and len(answers.inputs) != 1:  # images of many shapes (NaFlex)
        raise ModelError(
            f"This image model wants {', '.join(answers.inputs)}, which imgsearch does not make.",
            "Choose its variant of fixed size, such as google/siglip2-base-patch16-224.",
        )
    for path in folder.iterdir():
        path.unlink()
    return _described(answers) | {
        "preprocessing": {},
        "served_by": "sentence-transformers",
        "verified": 1.0,
        "checked": {},
        "libraries": files.libraries(),
        "warning": f"The export of the {kind} model was thrown away ({why}). sentence-transformers "
        "itself serves it: right, but slow to start.",
    }


def _described(answers: _Answers) -> dict[str, Any]:
    return {"dims": int(answers.vectors.shape[1]), "inputs": list(answers.inputs)}


# --- what sentence-transformers answers


def _ask(model: SentenceTransformer, kind: Kind, source: Path) -> _Answers:
    samples: Sequence[Any] = verification.TEXTS if kind == "text" else verification.pictures()
    with muted():
        try:
            vectors = np.asarray(model.encode(list(samples), batch_size=4), np.float32)
            features = model.preprocess(list(samples[:2]))
        except REFUSALS as problem:
            raise ModelError(
                f"The model in {source} takes no {kind}s: {first_line(problem)}",
                f"Name another one with --{kind}-model.",
            ) from problem
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise ModelError(
            f"The model in {source} gives no usable vectors for {kind}s.",
            "Its weights are damaged or of another model: fetch or save it again.",
        )
    return _Answers(vectors, tuple(name for name in features if hasattr(features[name], "shape")))


# --- the graph


def _write_front(model: SentenceTransformer, kind: Kind, folder: Path) -> dict[str, Any]:
    """Write what comes before the graph: the tokenizer's file, or the parameters for images."""
    try:
        if kind == "text":
            fixed = model_type(model) in FIXED_LENGTH
            tokenizer.write(model.tokenizer, folder, max_length(model), fixed)
            return {}
        processor = model[0].processor
        return preprocessing.from_processor(
            getattr(processor, "image_processor", processor).to_dict()
        )
    except (ValueError, KeyError, AttributeError) as problem:  # of another kind than we know
        raise NotExportable(first_line(problem)) from problem


def _write_graph(
    model: SentenceTransformer, kind: Kind, inputs: tuple[str, ...], folder: Path
) -> Path:
    """The plain graph by tracing, its weights in a file beside it.

    The weights are written here and not by the exporter, which would hold them three times.
    """
    import torch

    supported = tokenizer.supports(inputs) if kind == "text" else len(inputs) == 1
    if not supported:
        raise NotExportable(f"its inputs are {', '.join(inputs)}")
    samples: Sequence[Any] = verification.TEXTS[:2] if kind == "text" else verification.pictures()
    features = model.preprocess(list(samples[:2]))
    tower = _tower_module(model, kind, inputs)
    graph = folder / "traced.onnx"
    axes = {name: {0: "n", 1: "length"} if kind == "text" else {0: "n"} for name in inputs}
    try:
        with muted(), torch.no_grad():
            torch.onnx.export(
                tower,
                tuple(features[name] for name in inputs),
                str(graph),
                input_names=list(inputs),
                output_names=["vectors"],
                dynamic_axes={**axes, "vectors": {0: "n"}},
                opset_version=_OPSET,
                dynamo=False,  # its graph runs slower
                export_params=False,
                do_constant_folding=False,  # onnxruntime folds, without a copy of the weights
            )
    # OnnxExporterError is a RuntimeError; the others come out of models that cannot be traced
    except REFUSALS as problem:
        raise NotExportable(first_line(problem)) from problem
    _attach_weights(graph, tower, inputs)
    return graph


def _tower_module(
    model: SentenceTransformer, modality: str, inputs: tuple[str, ...]
) -> torch.nn.Module:
    """The whole of a SentenceTransformer as one module from tensors to vectors."""
    import torch

    class Tower(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
            features: dict[str, Any] = dict(zip(inputs, tensors, strict=True))
            vectors: torch.Tensor = self.model({**features, "modality": modality})[
                "sentence_embedding"
            ]
            return vectors

    return Tower()


def _attach_weights(graph: Path, tower: torch.nn.Module, inputs: tuple[str, ...]) -> None:
    """Turn the inputs that are weights into initializers that lie in a file of their own."""
    import onnx

    weights = {**dict(tower.named_parameters()), **dict(tower.named_buffers())}
    described = onnx.load(str(graph))
    with graph.with_suffix(".data").open("wb") as file:
        for entry in [entry for entry in described.graph.input if entry.name not in inputs]:
            array = np.ascontiguousarray(weights[entry.name].detach().numpy())
            file.seek(-file.tell() % 4096, 1)  # pages, so that they can be mapped
            tensor = described.graph.initializer.add()
            tensor.name = entry.name
            tensor.dims.extend(array.shape)
            tensor.data_type = entry.type.tensor_type.elem_type
            tensor.data_location = onnx.TensorProto.EXTERNAL
            place = {"location": file.name, "offset": file.tell(), "length": array.nbytes}
            place["location"] = Path(file.name).name
            for key, value in place.items():
                tensor.external_data.add(key=key, value=str(value))
            file.write(array.data)
            described.graph.input.remove(entry)
    onnx.save(described, str(graph))


def _optimise(graph: Path, folder: Path) -> None:
    """Constants folded and the graph tidied, once and for all; both runtimes map the result."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # EXTENDED would add onnxruntime's own operators: no faster here, and OpenVINO reads some of
    # them wrongly (FusedMatMul in SigLIP's head)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folder / MODEL_FILE)
    options.log_severity_level = 3
    for key, value in {
        "session.optimized_model_external_initializers_file_name": WEIGHTS_FILE,
        "session.optimized_model_external_initializers_min_size_in_bytes": str(_UNMAPPED),
        "session.disable_prepacking": "1",
    }.items():
        options.add_session_config_entry(key, value)
    with onnx_door():
        onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    for path in (graph, graph.with_suffix(".data")):
        path.unlink(missing_ok=True)


def _verify(
    kind: Kind, answers: _Answers, parameters: dict[str, Any], folder: Path
) -> tuple[str, float]:
    """The runtime's name and its lowest cosine, through our own tokens and pixels, as in use."""
    runtime = OnnxRuntime(folder / MODEL_FILE)
    inputs: list[dict[str, Any]]
    if kind == "text":
        tokens = Tokens(folder, answers.inputs)
        inputs = [dict(tokens([text])) for text in verification.TEXTS]
    else:
        prepared = preprocessing.from_manifest(parameters)
        inputs = [{answers.inputs[0]: prepared.pixels(image)} for image in verification.pictures()]
    found = np.concatenate([runtime.run(one) for one in inputs])
    cosine = verification.lowest_cosine(found, answers.vectors)
    if cosine < verification.EXACT:
        raise NotExportable(f"lowest cosine {cosine:.4f}, wanted {verification.EXACT}")
    return runtime.name, cosine
