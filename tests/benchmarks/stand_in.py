"""imgsearch with a model that looks at the first photos only, so that a library of 100,000 is made
in a minute: the others get vectors that are drawn. All else is the command's own: walking, reading,
hashing, decoding, the model in memory, the index.

    python -m tests.benchmarks.stand_in CLOCKS REAL ARGUMENT...

REAL: how many photos the model looks at. CLOCKS: a file for the times of `Clocks`, as JSON."""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from imgsearch.__main__ import main
from imgsearch.models import encoders
from imgsearch.models.base import ImageEncoder, Pixels, Vectors, unit

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass
class Clocks:
    """Seconds of one clock: when the first photo was prepared, when the model had seen its last,
    when the command ended."""

    first: float = 0.0
    real: float = 0.0
    end: float = 0.0


class StandIn:
    """Behaves as `encoder` for so many photos; after them it prepares and embeds at no cost."""

    def __init__(self, encoder: ImageEncoder, real: int, clocks: Clocks) -> None:
        self.identity, self.dims = encoder.identity, encoder.dims
        self.image_size = encoder.image_size
        self.precision = encoder.precision  # known when the model is open
        self._encoder, self._left, self._clocks = encoder, real, clocks
        self._lock = threading.Lock()
        self._chance = np.random.default_rng(0)
        self._blank = np.zeros((1, 3, self.image_size, self.image_size), np.float32)
        clocks.first = clocks.real = time.monotonic()

    def prepare(self, image: Image) -> Pixels:
        return self._encoder.prepare(image) if self._left > 0 else self._blank

    def encode(self, pixels: Pixels) -> Vectors:
        with self._lock:
            looks, self._left = self._left > 0, self._left - len(pixels)
            if not looks:
                drawn = self._chance.standard_normal((len(pixels), self.dims), np.float32)
        if not looks:
            return unit(drawn)
        vectors = self._encoder.encode(pixels)
        self._clocks.real = time.monotonic()
        return vectors


def run(clocks_file: Path, real: int, arguments: list[str]) -> None:
    """Ends the process, as the command does."""
    clocks = Clocks()
    opened = encoders.ingest_encoder

    def open_stand_in(*given: Any, **options: Any) -> ImageEncoder:
        return StandIn(opened(*given, **options), real, clocks)

    encoders.ingest_encoder = open_stand_in
    sys.argv = ["imgsearch", *arguments]
    try:
        main()
    finally:
        clocks.end = time.monotonic()
        clocks_file.write_text(json.dumps(asdict(clocks)), "utf-8")


if __name__ == "__main__":
    run(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
