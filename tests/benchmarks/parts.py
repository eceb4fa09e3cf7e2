"""What parts of photos cost: an ingest with each kind beside one with none, and a search among two
million vectors of parts. The search by hand, and for other sizes:

    python -m tests.benchmarks.parts 20000"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from imgsearch.index.base import PartVectors
from imgsearch.index.base import Row as Photo
from imgsearch.index.local.index import LocalIndex
from imgsearch.index.parts import Calibration
from imgsearch.models.base import Vectors, unit
from tests.benchmarks.index_scale import DIMS, MODELS, Cloud, K, photo
from tests.benchmarks.table import Bench

PHOTOS, PARTS = 200_000, 10  # vectors of parts a photo
P50, RECALL = 12, 0.98
_BATCH = 2048  # photos
_KEPT = 64  # best photos of each question, whole and by parts, of which the exact answer is made

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


class Best(NamedTuple):
    """(questions, n): photos with their scores."""

    scores: Floats
    numbers: Numbers

    @classmethod
    def of(cls, some: list[Best]) -> Best:
        scores = np.concatenate([each.scores for each in some], axis=1)
        numbers = np.concatenate([each.numbers for each in some], axis=1)
        top = np.argsort(-scores, axis=1)[:, :_KEPT]
        return cls(np.take_along_axis(scores, top, 1), np.take_along_axis(numbers, top, 1))


def batches(cloud: Cloud, total: int) -> Iterator[tuple[int, Vectors, Vectors]]:
    """The number of the first photo, vectors of whole photos (n, dims), and of their parts
    (n, PARTS, dims): each part shares something with its photo."""
    for start in range(0, total, _BATCH):
        count = min(_BATCH, total - start)
        whole = cloud.vectors(start + 10, count)
        own = cloud.vectors(start + 11, count * PARTS)
        parts = unit(0.55 * np.repeat(whole, PARTS, axis=0) + 0.75 * own)
        yield start, whole, parts.reshape(count, PARTS, DIMS)


def fill(index: LocalIndex, cloud: Cloud, total: int, bench: Bench) -> None:
    """Goes on where it was interrupted: a batch is there or it is not."""
    began, there = time.perf_counter(), index.count()
    index.stamp(MODELS)
    places = tuple((10 * n, 20, 300, 200) for n in range(PARTS))
    with index.lock():
        for start, whole, parts in batches(cloud, total):
            if start >= there:
                index.write(
                    [
                        Photo(photo(start + n), vector, {"region": PartVectors(places, parts[n])})
                        for n, vector in enumerate(whole)
                    ]
                )
        bench.say(f"{time.perf_counter() - began:.1f} s to write")
        began = time.perf_counter()
        index.finish()
    bench.say(f"{time.perf_counter() - began:.1f} s to finish")


def exact(index: LocalIndex, cloud: Cloud, total: int, queries: Vectors) -> list[set[int]]:
    """Numbers of the K best photos of each question, by f32."""
    whole: list[Best] = []
    by_part: list[Best] = []
    for start, vectors, parts in batches(cloud, total):
        numbers = np.broadcast_to(np.arange(start, start + len(vectors)), (len(queries), -1))
        numbers = np.tile(np.arange(start, start + len(vectors)), (len(queries), 1))
        whole = [Best.of([*whole, Best(queries @ vectors.T, numbers)])]
        scores = (queries @ parts.reshape(-1, DIMS).T).reshape(len(queries), -1, PARTS).max(2)
        by_part = [Best.of([*by_part, Best(scores, numbers)])]
    samples = index.sample(256), index.sample_of_parts(256)
    found = []
    for at, query in enumerate(queries):
        scale = Calibration.of(query, *samples)
        best = dict(zip(whole[0].numbers[at].tolist(), whole[0].scores[at].tolist(), strict=True))
        for number, score in zip(
            by_part[0].numbers[at].tolist(), by_part[0].scores[at].tolist(), strict=True
        ):
            best[number] = max(best.get(number, -1.0), scale.score(score, PARTS))
        found.append(set(sorted(best, key=lambda number: -best[number])[:K]))
    return found
