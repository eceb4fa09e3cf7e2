"""How a file of codes gets its sketch, and what a sketch has to show before it is used."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from imgsearch.index.local.search_files import sketch_files
from imgsearch.index.local.search_files.codes import Codes, Query, Rows
from imgsearch.index.local.search_files.sketches import (
    Cells,
    Family,
    Floats,
    Projection,
    Short,
    Sketch,
)
from imgsearch.models.base import unit

_SHARES = ((8, 4), (4, 2))  # widths that are tried: parts of the dimensions, first and in all
_CELLS, _ROUNDS = 64, 8  # more would tell more apart, and be scanned in shorter pieces
_CELL = 2048  # rows on average, at least: calls for fewer keep cores waiting for Python's lock
_AT_LEAST = 8192, 512, 256  # rows are scanned, looked at twice, and read: so few cost nothing
_WITHIN = 0.985, 0.995, 0.998  # of the sample's nearest are within those
_FEW_TWICE = 2048  # looks, which cost nothing
_TRAINED_ON = 32_768  # rows
_SAMPLE, _K, _FEW = 128, 10, 3  # questions; their nearest of all files, and of a small one
_BLOCK = 16_384  # rows that are projected at a time: 32 MB of f32 at 512 dimensions


def build(
    codes: Codes, path: Path, looked_at: float, share: float = 1.0, known: Projection | None = None
) -> bool:
    """Writes a sketch that needs a second look at no more than `looked_at` of the rows: of the
    known projection, else the narrowest. False: none does, and no file is left.

    `share`: of all rows that are searched, how many this file has. The nearest of all are among
    the first few of a file with few."""
    queries = [Query.of(vector) for vector in _sample_queries(codes)]
    count = max(_FEW, math.ceil(_K * share))
    found = [_nearest_by_scan(codes, query, count) for query in queries]
    for projection in _projections(codes, known):
        sketch = _needed(
            _in_cells(projection, *_projected(codes, projection)), queries, found, share
        )
        if sketch.twice <= max(_FEW_TWICE, looked_at * len(codes)):
            sketch_files.write(path, sketch)
            return True
    return False


def _projections(codes: Codes, known: Projection | None) -> Iterator[Projection]:
    if known is not None:
        yield known
    dims = codes.codes.shape[1]
    mean, basis = _directions(codes, dims // _SHARES[-1][1])
    for parts in _SHARES:
        at_first, in_all = (max(1, dims // part) for part in parts)
        narrow = np.ascontiguousarray(basis[:, :in_all])
        short = (_unit(codes, slice(0, _BLOCK)) - mean) @ narrow
        scale = 127.0 / (1.25 * float(np.abs(short).max()) or 1.0)
        yield Projection(mean, narrow, at_first, scale)


def _directions(codes: Codes, width: int) -> tuple[Floats, Floats]:
    """The mean (dims,) and the leading principal components (dims, width) of a sample."""
    chance = np.random.default_rng(len(codes))
    places = np.sort(chance.choice(len(codes), min(_TRAINED_ON, len(codes)), replace=False))
    vectors = _unit(codes, places)
    mean = vectors.mean(axis=0)
    vectors -= mean
    _, directions = np.linalg.eigh(vectors.T @ vectors)  # ascending
    return mean, np.ascontiguousarray(directions[:, : -width - 1 : -1])


def _unit(codes: Codes, places: Rows | slice) -> Floats:
    return codes.codes[places].astype(np.float32) * codes.norms[places, None]


def _projected(codes: Codes, projection: Projection) -> tuple[Short, Short]:
    """The first of the width and the rest."""
    first = np.empty((len(codes), projection.at_first), np.int8)
    rest = np.empty((len(codes), projection.basis.shape[1] - projection.at_first), np.int8)
    for start in range(0, len(codes), _BLOCK):
        block = slice(start, start + _BLOCK)
        short = projection.codes(_unit(codes, block))
        first[block], rest[block] = np.hsplit(short, [projection.at_first])
    return first, rest


def _in_cells(projection: Projection, first: Short, rest: Short) -> Sketch:
    """k-means on a sample, then all rows cell by cell, each beside one that is near: those that a
    question scans then lie together in about half as many pieces."""
    chance = np.random.default_rng(len(first))
    places = chance.choice(len(first), min(_TRAINED_ON, len(first)), replace=False)
    sample = first[places].astype(np.float32)
    centres = sample[: max(1, min(_CELLS, len(first) // _CELL))].copy()
    for _ in range(_ROUNDS):
        cell = _cell_of(sample, centres)
        for number in np.unique(cell):
            centres[number] = sample[cell == number].mean(axis=0)
    centres = _chained(centres)
    blocks = [first[start : start + _BLOCK] for start in range(0, len(first), _BLOCK)]
    cell = np.concatenate([_cell_of(block.astype(np.float32), centres) for block in blocks])
    order = np.argsort(cell, kind="stable")
    ends = np.bincount(cell, minlength=len(centres)).cumsum()
    cells = Cells(centres, ends)
    return Sketch(projection, cells, order.astype(np.uint32), first[order], rest[order])


def _chained(centres: Floats) -> Floats:
    """The same, each after the nearest of those that are left."""
    left = list(centres)
    chain = [left.pop(0)]
    while left:
        away = np.square(np.stack(left) - chain[-1]).sum(axis=1)
        chain.append(left.pop(int(away.argmin())))
    return np.stack(chain)


def _cell_of(rows: Floats, centres: Floats) -> Rows:
    nearness = rows @ centres.T - (centres**2).sum(axis=1) / 2
    return np.asarray(nearness.argmax(axis=1))


def _needed(sketch: Sketch, queries: list[Query], nearest: list[Rows], share: float) -> Sketch:
    """With the numbers of rows that have to be looked at, by the sample's questions."""
    alone = Family.of([sketch])
    everything = np.arange(len(sketch))
    row_of = np.empty_like(everything)
    row_of[sketch.places] = everything
    ranks: tuple[list[int], list[int], list[int]] = ([], [], [])
    for query, places in zip(queries, nearest, strict=True):
        short, code = sketch.projection.of_query(query)
        looks = alone.looks(code, alone.everything())
        again = looks + alone.second_looks(code, everything)
        rows = row_of[places]
        ranks[0].extend(sketch.cells.reach(short, rows).tolist())
        for found, some in zip(ranks[1:], (looks, again), strict=True):
            found += [int(np.count_nonzero(some >= look)) for look in some[rows]]
    scanned, twice, read = (
        max(math.ceil(least * share), int(np.quantile(found, within)))
        for least, found, within in zip(_AT_LEAST, ranks, _WITHIN, strict=True)
    )
    return replace(sketch, scanned=scanned, twice=twice, read=read)


def _sample_queries(codes: Codes) -> Floats:
    """At a cosine of .6 to a stored vector, and else in any direction: as hard to answer as texts,
    which lie outside the cloud of the pictures, and harder than pictures."""
    chance = np.random.default_rng(len(codes))
    places = np.sort(chance.choice(len(codes), min(_SAMPLE, len(codes)), replace=False))
    near = unit(codes.codes[places].astype(np.float32))
    noise = unit(chance.standard_normal(near.shape, dtype=np.float32))
    return unit(0.6 * near + 0.8 * noise)


def _nearest_by_scan(codes: Codes, query: Query, count: int) -> Rows:
    """Places."""
    scores = codes.cosines(query)
    count = min(count, len(scores))
    return np.asarray(np.argpartition(scores, len(scores) - count)[len(scores) - count :])
