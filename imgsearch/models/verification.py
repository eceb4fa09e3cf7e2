"""Does a runtime answer what sentence-transformers answers?

At set-up the answers of `SentenceTransformer.encode` to a few texts or pictures are kept beside
the export (`references.npz`). The export is held against them at once; every other runtime, and
every new version of one, the first time it serves the tower.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imgsearch.models.base import Vectors, unit

if TYPE_CHECKING:
    from PIL.Image import Image

EXACT = 0.9999  # f32
ROUNDED = 0.99  # bf16; .9996 is usual, and random weights reach .99996
QUANTIZED = 0.9  # int8

TEXTS = (
    "a dog on the beach at sunset",
    "Ein alter Traktor vor der Scheune, schwarz-weiß fotografiert",
    "un café à Montréal, déjà vu",
    "żółta łódź na jeziorze",
    "жовтий будинок біля моря",
    "海辺で遊ぶ子供たち",
    "红色的回收标志",
    "قطة نائمة على الأريكة",
    "חוף הים בלילה",
    "समुद्र के किनारे सूर्यास्त",
    "🐶🌈 2 dogs & 1 rainbow!",
    "  Blanks\tand\nlines  ",
    "x",
    # beyond any model's length: the cut must fall in the same place
    " ".join(f"and then photo number {number} of the long road to the top" for number in range(40)),
)
_SHAPES = ((640, 480), (360, 540), (900, 300), (448, 448), (61, 47))


@functools.cache  # made three times over in a set-up otherwise
def pictures(count: int = len(_SHAPES)) -> tuple[Image, ...]:
    """RGB images of several shapes: waves of every size over a gradient, with a disc and grain.
    The same on every machine."""
    return tuple(_picture(number, *_SHAPES[number % len(_SHAPES)]) for number in range(count))


def _picture(seed: int, width: int, height: int) -> Image:
    from PIL import Image

    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    planes = []
    for _ in range(3):
        plane = x * random.normal() + y * random.normal()
        for octave in range(1, 7):
            turn, phase = random.uniform(0, 2 * np.pi, 2)
            wave = np.sin(2**octave * 3 * (x * np.cos(turn) + y * np.sin(turn)) + phase)
            plane = plane + wave / octave
        disc = (x - random.uniform(0.2, 0.8)) ** 2 + (y - random.uniform(0.2, 0.8)) ** 2 < 0.02
        planes.append(plane + 2 * disc + random.normal(0, 0.1, plane.shape))
    image = np.stack(planes, -1)
    image = (image - image.min()) / (image.max() - image.min()) * 255
    return Image.fromarray(image.astype(np.uint8))


def lowest_cosine(found: Vectors, references: Vectors) -> float:
    """The worst agreement of rows; -1 for vectors that are not numbers or not as many."""
    if found.shape != references.shape or not np.isfinite(found).all():
        return -1.0
    return float(np.min((unit(found) * unit(references)).sum(axis=1)))


def save_references(path: Path, vectors: Vectors) -> None:
    np.savez(path, vectors=vectors)


def load_references(path: Path) -> Vectors:
    with np.load(path) as file:
        vectors: Vectors = file["vectors"]
    return vectors
