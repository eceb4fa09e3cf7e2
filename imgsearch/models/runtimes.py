"""What runs a tower: onnxruntime for one vector at a time, OpenVINO for many, torch on a GPU.

Each takes named arrays and gives the vectors as the model makes them, not yet of unit length.
Which one serves when is decided in `imgsearch.models.encoders`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from imgsearch import cpu_and_memory
from imgsearch.models.base import Precision, Vectors
from imgsearch.models.towers import WEIGHTS_FILE

if TYPE_CHECKING:
    import openvino
    import torch

Inputs = Mapping[str, npt.NDArray[Any]]
Device = Literal["cuda", "mps", "cpu"]


# bytes; what is larger is a table of words, of which a text needs a few rows
_LARGEST_OF_A_LAYER = 64 << 20
_WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"


class RuntimeFailure(Exception):
    """A runtime cannot read a model, or cannot run it; the message is the runtime's."""


class Runtime(Protocol):
    name: str  # with version and precision, as the manifest remembers it
    precision: Precision

    def run(self, inputs: Inputs) -> Vectors: ...


class OnnxRuntime:
    """f32. The weights stay in the file and are mapped: open in tens of milliseconds."""

    precision: Precision = "f32"

    def __init__(self, model: Path, threads: int = 0, inner: Sequence[str] = ()) -> None:
        """`inner`: names of tensors inside the graph, which `run_with_inner` gives too."""
        import onnxruntime

        onnxruntime.disable_telemetry_events()  # on Windows; elsewhere the environment does it
        options = onnxruntime.SessionOptions()
        # The graph was optimised when it was exported; repacked weights would be copied into memory
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry("session.disable_prepacking", "1")
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.intra_op_num_threads = threads or min(cpu_and_memory.cores(), 4)
        options.log_severity_level = 3
        self.name = f"onnxruntime {onnxruntime.__version__}"
        source: str | bytes = str(model)
        if inner:
            source = _with_outputs(model, inner)
            options.add_session_config_entry(_WEIGHTS_FOLDER, str(model.parent))
            options.enable_cpu_mem_arena = False  # it would keep twice what is answered
        with onnx_door():
            self._session = onnxruntime.InferenceSession(
                source, options, providers=["CPUExecutionProvider"]
            )
        self._outputs = [output.name for output in self._session.get_outputs()]
        if not inner:
            # half of the first answer's time goes into that; meanwhile tokens or pixels are
            # prepared. Whoever wants inner tensors is in no hurry, and lets go of the weights
            cpu_and_memory.map_ahead(model.with_name(WEIGHTS_FILE), _LARGEST_OF_A_LAYER)

    def run(self, inputs: Inputs) -> Vectors:
        with onnx_door():
            vectors: Vectors = self._session.run(self._outputs[:1], dict(inputs))[0]
        return vectors

    def run_with_inner(self, inputs: Inputs) -> tuple[Vectors, list[npt.NDArray[np.float32]]]:
        """The vectors, and the inner tensors in the order of their names."""
        with onnx_door():
            vectors, *found = self._session.run(self._outputs, dict(inputs))
        return vectors, found


def _with_outputs(model: Path, names: Sequence[str]) -> bytes:
    """The graph of the model, which gives these tensors too; its weights stay in their file."""
    import onnx

    described = onnx.load(str(model), load_external_data=False)
    described.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    graph: bytes = described.SerializeToString()
    return graph


@contextlib.contextmanager
def onnx_door() -> Iterator[None]:
    """onnxruntime's exceptions, which have no class in common, as RuntimeFailure."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = (
        "Fail InvalidArgument NoSuchFile NoModel EngineError RuntimeException InvalidProtobuf"
        " NotImplemented InvalidGraph EPFail"
    )
    known = tuple(getattr(state, name) for name in names.split() if hasattr(state, name))
    try:
        yield
    except (RuntimeError, *known) as problem:
        raise RuntimeFailure(_first_line(problem)) from problem


def _first_line(problem: Exception) -> str:
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(problem).__name__


class OpenVino:
    """bf16 where the CPU has it, or f32; int8 when the model file is a quantised one.

    `run` may be called from many threads at once: each has its own request, on its own stream.
    """

    def __init__(
        self,
        model: Path | openvino.Model,
        precision: Precision | Literal["auto"],
        streams: int,
        folder: Path | None = None,
        threads: int | None = None,
    ) -> None:
        """`folder`: where the weights of a model that was built in memory lie. `threads`: of all
        streams; None: one for each core."""
        import openvino

        core = openvino.Core()
        has_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "auto":
            precision = "bf16" if has_bf16 else "f32"
        # int8: what a quantised file leaves in floats
        half = precision == "bf16" or (precision == "int8" and has_bf16)
        settings = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "NUM_STREAMS": str(streams),
            "INFERENCE_PRECISION_HINT": "bf16" if half else "f32",
        }
        threads = threads or cpu_and_memory.cores()
        if threads < (os.cpu_count() or 1):  # OpenVINO does not see a container's limit
            settings["INFERENCE_NUM_THREADS"] = str(threads)
        self.precision: Precision = precision
        self.name = f"openvino {openvino.__version__.split('-')[0]} {precision}"
        # No model cache: compiling takes as long as reading a compiled copy, of 350 MB, would
        try:
            source = str(model) if isinstance(model, Path) else model
            self._model = core.compile_model(source, "CPU", settings)
        except RuntimeError as problem:  # all that OpenVINO raises
            raise RuntimeFailure(_first_line(problem)) from problem
        self._folder = model.parent if isinstance(model, Path) else folder
        self._of_thread = threading.local()
        # The first array that reaches OpenVINO makes it look up NumPy. Two threads that do so at
        # once wait for each other for ever (the one for a lock, the other for the GIL).
        openvino.Tensor(np.empty(1, np.float32)).data  # noqa: B018

    def run(self, inputs: Inputs) -> Vectors:
        of_thread = self._of_thread
        packing: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
        if not hasattr(of_thread, "request"):
            of_thread.request = self._model.create_infer_request()
            if self._folder is not None:  # it packs the weights, and reads the file's no more
                packing = cpu_and_memory.letting_go_of(self._folder)
        with packing:  # the arrays outlive the call, so that they need not be copied
            found = of_thread.request.infer(dict(inputs), share_inputs=True)[0]
        vectors: Vectors = found.copy()  # the answer is the request's
        return vectors


class TorchTower:
    """sentence-transformers itself: on a GPU for many pictures, on any device where an export
    failed its check."""

    def __init__(
        self, source_folder: Path, modality: str, device: Device, precision: Precision
    ) -> None:
        import torch

        from imgsearch.models.loading import load

        half = torch.bfloat16 if device != "mps" else torch.float16
        self._dtype = half if precision == "bf16" else torch.float32
        self.precision: Precision = precision
        self.name = f"torch {torch.__version__} {device} {precision}"
        self._device = device
        self._modality = modality
        self._model = load(source_folder).to(device=device, dtype=self._dtype)

    def preprocess(self, inputs: Sequence[Any]) -> dict[str, npt.NDArray[Any]]:
        """Texts or images as sentence-transformers prepares them."""
        features = self._model.preprocess(list(inputs))
        return {name: value.numpy() for name, value in features.items() if hasattr(value, "numpy")}

    def run(self, inputs: Inputs) -> Vectors:
        import torch

        features = {name: self._tensor(array) for name, array in inputs.items()}
        with torch.inference_mode():
            found = self._model({**features, "modality": self._modality})["sentence_embedding"]
        vectors: Vectors = found.float().cpu().numpy()
        return vectors

    def _tensor(self, array: npt.NDArray[Any]) -> torch.Tensor:
        import torch

        tensor = torch.from_numpy(np.ascontiguousarray(array)).to(self._device)
        return tensor.to(self._dtype) if tensor.is_floating_point() else tensor


def accelerator() -> Device:
    """The GPU that torch would use. torch is imported only where the machine seems to have one."""
    if platform.system() == "Darwin":
        if platform.machine() != "arm64":
            return "cpu"
        import torch

        return "mps" if torch.backends.mps.is_available() else "cpu"
    if not _has_nvidia_driver():
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _has_nvidia_driver() -> bool:
    try:
        ctypes.CDLL("nvcuda.dll" if platform.system() == "Windows" else "libcuda.so.1")
    except OSError:
        return False
    return True
