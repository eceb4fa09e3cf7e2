"""The door to usearch: an HNSW graph over one file of codes, for libraries so large that scanning
them all takes too long. It is derived, and only used where it has shown that it finds what the
scan finds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imgsearch.embedding import unit
from imgsearch.index.codes import (
    BrokenFile,
    Codes,
    Query,
    Rows,
    Scores,
    private_file,
    sampled_digest,
)

CONNECTIVITY, EXPANSION_ADD = 16, 128
EXPANSIONS = (64, 96, 128, 192, 256, 384, 512)  # beyond it, scanning is as fast
FETCHED = 64  # candidates of a query whose ten nearest are wanted
WANTED_RECALL = 0.985  # of the sample, which is harder than what people ask
_SAMPLE, _K = 64, 10
_FIRST, _SLICE = 2048, 8192  # rows between two steps of progress


class Graph:
    def __init__(self, index: Any, expansion: int) -> None:
        self._index = index
        self._expansion = expansion

    def nearest(self, query: Query, count: int) -> tuple[Rows, Scores]:
        """About `count` rows and their cosines by code, best first."""
        self._index.expansion_search = max(self._expansion, count)
        found = self._index.search(query.code[0], count, threads=1)
        return found.keys.astype(np.int64), 1.0 - found.distances.astype(np.float32)


def build(codes: Codes, path: Path, progress: Callable[[int], None]) -> int | None:
    """Writes the graph and returns the expansion at which it finds what a scan finds.
    None: it does so at none that is faster than a scan, and no file is left."""
    index = _new(codes.codes.shape[1])
    # The first ones one by one: threads that add to a nearly empty graph do not see each other,
    # and leave rows that no way leads to.
    starts = [0, *range(_FIRST, len(codes), _SLICE)]
    for start, stop in zip(starts, [*starts[1:], len(codes)], strict=True):
        index.add(
            codes.rows[start:stop].astype(np.uint64),
            np.ascontiguousarray(codes.codes[start:stop]),
            threads=0 if start else 1,
        )
        progress(stop)
    expansion = _least_expansion(Graph(index, 0), codes)
    if expansion is not None:
        private_file(path).close()
        index.save(str(path))
    return expansion


def opened(path: Path, digest: str, dims: int, expansion: int) -> Graph:
    """Mapped. Raises BrokenFile, before usearch sees the file: on a wrong one it may crash."""
    if sampled_digest(path) != digest:
        raise BrokenFile("not the file that was written")
    index = _new(dims)
    try:
        index.view(str(path))
    except RuntimeError as error:  # usearch has no other
        raise BrokenFile(str(error)) from error
    return Graph(index, expansion)


def _new(dims: int) -> Any:
    from usearch.index import Index  # 80 ms, which only large libraries pay

    return Index(
        ndim=dims,
        metric="cos",
        dtype="i8",
        connectivity=CONNECTIVITY,
        expansion_add=EXPANSION_ADD,
    )


def _least_expansion(graph: Graph, codes: Codes) -> int | None:
    queries = [Query.of(vector) for vector in _sample_queries(codes)]
    truths = [_nearest_by_scan(codes, query) for query in queries]
    for expansion in EXPANSIONS:
        graph._expansion = expansion
        found = sum(
            len(np.intersect1d(graph.nearest(query, FETCHED)[0], truth))
            for query, truth in zip(queries, truths, strict=True)
        )
        if found >= WANTED_RECALL * sum(map(len, truths)):
            return expansion
    return None


def _sample_queries(codes: Codes) -> npt.NDArray[np.float32]:
    """At a cosine of .6 to a stored vector, and else in any direction: as hard to answer as texts,
    which lie outside the cloud of the pictures, and harder than pictures. (Of 50,000 vectors made
    like CLIP's, an expansion of 128 found .98 of the ten nearest for these and for texts.)"""
    chance = np.random.default_rng(len(codes))
    places = np.sort(chance.choice(len(codes), min(_SAMPLE, len(codes)), replace=False))
    near = unit(codes.codes[places].astype(np.float32))
    noise = unit(chance.standard_normal(near.shape, dtype=np.float32))
    return unit(0.6 * near + 0.8 * noise)


def _nearest_by_scan(codes: Codes, query: Query) -> Rows:
    scores = codes.cosines(query)
    return np.asarray(codes.rows[np.argsort(-scores, kind="stable")[:_K]])
