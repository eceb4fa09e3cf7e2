"""Decode and embed, and nothing else: no walk, no hash, no metadata, no index, no command line. The
fastest shape found: as many workers as cores, each decoding a batch and then running it on its own
single-threaded stream.

    python -m tests.benchmarks.bare both|decode|forward FOLDER TOWER

TOWER is an exported image tower. Prints photos a second without imports and loading, and the sum of
all vectors, so that nobody can leave any out. `decode` and `forward` are the two halves alone."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from imgsearch.models.hub import quiet_environment
from imgsearch.photos import downscaling
from tests.benchmarks.processes import timed

WORKERS = os.cpu_count() or 1
BATCH = 8  # photos
EDGE = 224
LEAST = downscaling.least(EDGE)  # pixels to which a photo is decoded, as imgsearch does

Pixels = npt.NDArray[np.float32]  # (n, 3, EDGE, EDGE)

_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
_STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
_SCALE, _OFFSET = 1 / (255 * _STD), -_MEAN / _STD


def run(what: str, folder: Path, tower: Path) -> tuple[float, float]:
    """Seconds of the whole new process, and its rate (photos a second) once all is loaded."""
    command: list[str | Path] = [sys.executable, "-m", "tests.benchmarks.bare", what, folder, tower]
    root = Path(__file__).parents[2]
    seconds, said = timed(command, cwd=root, environment=os.environ)
    return seconds, float(json.loads(said)["rate"])


def decoded(path: str) -> Pixels:
    """Scaled while it is decoded, to LEAST at least; then the middle square of it."""
    with Image.open(path) as image:
        image.draft("RGB", (LEAST, LEAST))
        image.load()
    if image.mode != "RGB":
        image = image.convert("RGB")
    factor = min(image.size) // LEAST
    if factor > 1:
        image = image.reduce(factor)
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    square = np.asarray(image.resize((EDGE, EDGE), Image.Resampling.BICUBIC, box=box))
    pixels: Pixels = np.empty((1, 3, EDGE, EDGE), np.float32)
    for channel in range(3):
        np.multiply(square[:, :, channel], _SCALE[channel], out=pixels[0, channel])
    pixels += _OFFSET[:, None, None]
    return pixels


def compiled(tower: Path) -> Callable[[Pixels], npt.NDArray[np.float32]]:
    """The forward pass, with a request for each thread that calls it."""
    quiet_environment()  # OpenVINO would count its users
    import openvino

    settings = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": str(WORKERS)}
    model = openvino.Core().compile_model(str(tower / "model.onnx"), "CPU", settings)
    openvino.Tensor(np.empty(1, np.float32)).data  # noqa: B018 - NumPy looked up before threads
    of_thread = threading.local()

    def forward(pixels: Pixels) -> npt.NDArray[np.float32]:
        if not hasattr(of_thread, "request"):
            of_thread.request = model.create_infer_request()
        found = of_thread.request.infer([pixels], share_inputs=True)[0]
        vectors: npt.NDArray[np.float32] = found.copy()
        return vectors

    return forward


def main() -> None:
    what, folder, tower = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    paths = sorted(os.fspath(path) for path in folder.iterdir())
    batches = [paths[first : first + BATCH] for first in range(0, len(paths), BATCH)]
    forward: Any = compiled(tower) if what != "decode" else lambda pixels: pixels[:, 0, 0, :1]
    noise = np.random.default_rng(0).standard_normal((BATCH, 3, EDGE, EDGE)).astype(np.float32)

    def one(batch: list[str]) -> float:
        if what == "forward":
            pixels = noise[: len(batch)]
        else:
            pixels = np.concatenate([decoded(path) for path in batch])
        return float(np.abs(forward(pixels)).sum())

    with ThreadPoolExecutor(WORKERS) as pool:
        if what == "forward":  # the first call lays out memory: not at its best yet
            list(pool.map(one, batches[: 2 * WORKERS]))
        begun = time.perf_counter()
        checksum = sum(pool.map(one, batches))
        seconds = time.perf_counter() - begun
    print(json.dumps({"rate": len(paths) / seconds, "checksum": checksum}))


if __name__ == "__main__":
    main()
