"""The nearest photos are found in whatever files the rows lie: recall of the derived search files
against all vectors, where sketches choose the rows that are looked at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from imgsearch.index.base import Row
from imgsearch.index.local.opening import open_local
from imgsearch.index.local.search_files.native_threads import at_once
from imgsearch.index.local.search_files.segments import Limits
from imgsearch.models.base import ModelIdentity, ModelPair, Vectors
from tests.index_contract import record

K, LEAST_RECALL = 10, 0.98
SMALL = Limits(flush_at_end=256, sketch_from=5000, sketch=1500, looked_at=1 / 4)
_AT_A_TIME = 4000  # rows written


@dataclass(frozen=True)
class Size:
    rows: int
    dims: int
    limits: Limits
    small_files: int  # rows of the largest file, where there are to be many
    questions: int


SIZES = [
    pytest.param(Size(12_000, 64, SMALL, 2048, 60), id="12,000"),
    pytest.param(
        Size(200_000, 256, Limits(), 16_384, 200),
        id="200,000",
        marks=pytest.mark.slow,
    ),
]


def _cloud(size: Size) -> Vectors:
    """(rows, dims), of unit length: clusters with most of the variance in a few directions, as
    models of photos make them."""
    chance = np.random.default_rng(2)
    centres = 4 * chance.standard_normal((200, size.dims))
    found = chance.standard_normal((size.rows, size.dims))
    found += centres[chance.integers(200, size=size.rows)]
    return _unit(found / np.arange(1, size.dims + 1) ** 0.5 + 1)


def _unit(vectors: np.ndarray) -> Vectors:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def _questions(size: Size, vectors: Vectors) -> Vectors:
    """Each at a cosine of about .7 to a stored vector, as far away as texts are."""
    chance = np.random.default_rng(5)
    near = vectors[chance.integers(size.rows, size=size.questions)]
    return _unit(near + chance.standard_normal(near.shape) / size.dims**0.5)


def _name(number: int) -> str:
    return f"{number}.jpg"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("files", "removed"),
    [("one", 0.0), ("many", 0.0), ("one", 0.5), pytest.param("many", 0.5, marks=pytest.mark.slow)],
)
def test_ten_nearest_in_every_arrangement(
    size: Size, files: str, removed: float, tmp_path: Path
) -> None:
    most = size.rows if files == "one" else size.small_files
    limits = replace(size.limits, flush=most, segment=most)
    vectors = _cloud(size)
    rows = [Row(record(_name(n)), vector) for n, vector in enumerate(vectors)]
    gone = np.random.default_rng(3).random(size.rows) < removed
    index = open_local(tmp_path / "index", create=True, limits=limits)
    index.stamp(ModelPair(ModelIdentity("a", "1"), ModelIdentity("b", "2"), size.dims))
    for start in range(0, size.rows, _AT_A_TIME):
        index.write(rows[start : start + _AT_A_TIME])
    index.finish()
    made = {kind: len([*tmp_path.rglob(f"*.{kind}")]) for kind in ("codes", "sketch")}
    assert made["codes"] == made["sketch"] == 1 if files == "one" else made["sketch"] > 4
    index.write([], delete=[rows[n].record.id for n in np.flatnonzero(gone)])

    left = np.flatnonzero(~gone)
    found = 0
    for question in _questions(size, vectors):
        nearest = left[np.argsort(-(vectors[left] @ question))[:K]]
        hits = index.search(question, K)
        found += len({_name(n) for n in nearest} & {hit.record.relative_path for hit in hits})
    index.close()
    assert found >= LEAST_RECALL * K * size.questions


def test_work_on_all_cores_keeps_its_order_and_tells_of_failures() -> None:
    assert at_once(lambda number: number * number, range(1000)) == [n * n for n in range(1000)]
    with pytest.raises(ZeroDivisionError):
        at_once(lambda number: 1 // (number - 700), range(1000))
