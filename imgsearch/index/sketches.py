"""A first look at the rows of a large file: of each vector only the directions in which the file's
vectors differ most (its leading principal components), an int8 each. They lie in cells, rows that
are alike beside each other, and of the cells only those nearest to a question are scanned, about
half of all rows. A scan of an eighth of the directions names some thousand rows; twice as many
directions leave some hundred of those, among which the nearest by their whole codes are. It is
derived, takes seconds to make, and is only used where it has shown that it finds what a scan of the
codes finds.

Why no HNSW graph: of a million vectors made like CLIP's, graphs over five files had to visit 20,000
nodes, in 10 ms, to find .985 of the ten nearest, because each node lies elsewhere in memory. They
took six minutes to build and .66 KB a photo, and served a filter badly."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

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
    quantised,
    top,
)

USUAL = 25  # results for which is measured how many rows are looked at: ten, and some to spare
_SHARES = ((8, 4), (4, 2))  # widths that are tried: parts of the dimensions, first and in all
_CELLS, _ROUNDS = 64, 8  # more would tell more apart, and cost a call each
_AT_LEAST = 8192, 512, 256  # rows are scanned, looked at twice, and read: so few cost nothing
_WITHIN = 0.98, 0.995, 0.995  # of the sample's nearest are within those
_TRAINED_ON = 32_768  # rows
_SAMPLE, _K = 64, 10
_BLOCK = 16_384  # rows that are projected at a time: 32 MB of f32 at 512 dimensions
# magic, rows, dims, width at first, in all, cells, rows scanned, looked at twice, read
_HEADER = struct.Struct("<16s8Q")
_MAGIC = b"imgsearch sketch"
_PARTS_AT = 4096
_AT_ONCE = 65_536  # rows: new memory for all products of a large file would cost half of their time
_NARROW = 128  # bytes a row; below, one of numkong's ways is faster, above the other

Floats = npt.NDArray[np.float32]
Short = npt.NDArray[np.int8]
Places = npt.NDArray[np.uint32]
Spans = npt.NDArray[np.int64]  # (n, 2): starts and ends of rows


class Cells(NamedTuple):
    """k-means of the rows' first widths."""

    centres: Floats  # (cells, first width)
    ends: Rows  # (cells,): of each cell's rows, which follow those of the cell before

    def nearest(self, short: Floats) -> tuple[Rows, Rows]:
        """Numbers of all cells, by how near their rows are on the whole; and how many rows there
        are up to each."""
        order = np.argsort(-(self.centres @ short[: self.centres.shape[1]]))
        return order, np.diff(self.ends, prepend=0)[order].cumsum()

    def reach(self, short: Floats, places: Rows) -> Rows:
        """(places,): in how many rows, by order of the cells, each of those would be found."""
        order, reached = self.nearest(short)
        by_cell = np.empty_like(reached)
        by_cell[order] = reached
        return np.asarray(by_cell[np.searchsorted(self.ends, places, side="right")])

    def spans(self, short: Floats, rows: int) -> Spans:
        """Of the nearest cells with so many rows, in file order."""
        order, reached = self.nearest(short)
        near = np.sort(order[: int(np.searchsorted(reached, rows)) + 1])
        starts, ends = np.concatenate([[0], self.ends])[near], self.ends[near]
        apart = starts[1:] != ends[:-1]
        first, last = np.concatenate([[True], apart]), np.concatenate([apart, [True]])
        return np.stack([starts[first], ends[last]], axis=1)


@dataclass(frozen=True, slots=True)
class Sketch:
    """Of one file of codes."""

    basis: Floats  # (dims, width), orthonormal columns
    cells: Cells
    places: Places  # (n,): where a row of the sketch is among the codes
    first: Short  # (n, some of the width)
    rest: Short  # (n, what is left)
    scanned: int = 0  # rows, for USUAL results
    twice: int = 0  # of them, rows that the rest is looked at of
    read: int = 0  # rows whose codes have to be read then
    kept: Scores = field(init=False, repr=False)  # of the last question

    def __post_init__(self) -> None:
        object.__setattr__(self, "kept", np.empty(len(self.first), np.float32))

    def __len__(self) -> int:
        return len(self.first)

    def nearest(self, query: Query, count: int) -> Rows:
        """Places among the codes, ascending, among which about `count` of the nearest are."""
        short = query.vector @ self.basis
        code = quantised(short[None])
        near_cells = count <= USUAL and self.scanned < len(self)
        spans = self.cells.spans(short, self.scanned) if near_cells else self._everything()
        looks = self._looks(code, spans)
        near = top(looks, _enough(self.twice, count))
        rows = _unpacked(spans, near)
        again = looks[near] + self._second_looks(code, rows)
        return np.sort(self.places[rows[top(again, _enough(self.read, count))]]).astype(np.int64)

    def _everything(self) -> Spans:
        return np.array([[0, len(self)]])

    def _looks(self, code: Short, spans: Spans) -> Scores:
        """A number for each row of the spans, the larger the nearer; good until the next question.
        Numbers of two sketches cannot be compared."""
        dots = _dots_with(code[:, : self.first.shape[1]])
        at = 0
        for begin, end in spans.tolist():
            for start in range(begin, end, _AT_ONCE):
                found = dots(self.first[start : min(end, start + _AT_ONCE)])
                self.kept[at : at + len(found)] = found
                at += len(found)
        return self.kept[:at]

    def _second_looks(self, code: Short, rows: Rows | slice) -> Scores:
        """What is to be added to the first ones."""
        return _dots_with(code[:, self.first.shape[1] :])(self.rest[rows])


def _unpacked(spans: Spans, packed: Rows) -> Rows:
    """Rows of the sketch, from places in the spans one after the other."""
    starts, lengths = spans[:, 0], spans[:, 1] - spans[:, 0]
    ends = lengths.cumsum()
    span = np.searchsorted(ends, packed, side="right")
    return np.asarray(packed - (ends - lengths)[span] + starts[span])


def _enough(usual: int, count: int) -> int:
    return max(count, -(-usual * count // USUAL))


def _dots_with(code: Short) -> Callable[[Short], Scores]:
    """Rows -> whole numbers below 2^24, which an f32 holds as well."""
    import numkong

    if code.shape[1] >= _NARROW:
        return lambda rows: np.asarray(numkong.cdist(code, rows, "dot", out_dtype="float32"))[0]
    # 64 bytes: 5 against 11 ns a row; 128: 18 against 11
    packed = numkong.dots_pack(np.ascontiguousarray(code))
    return lambda rows: np.asarray(numkong.dots_packed(rows, packed))[:, 0]


def build(codes: Codes, path: Path, share: float) -> bool:
    """Writes the narrowest sketch that needs a second look at no more than this share of the rows.
    False: none does, and no file is left."""
    dims = codes.codes.shape[1]
    mean, basis = _directions(codes, dims // _SHARES[-1][1])
    queries = [Query.of(vector) for vector in _sample_queries(codes)]
    nearest = [_nearest_by_scan(codes, query) for query in queries]
    for parts in _SHARES:
        at_first, in_all = (max(1, dims // part) for part in parts)
        narrow = np.ascontiguousarray(basis[:, :in_all])
        sketch = _in_cells(narrow, *_projected(codes, mean, narrow, at_first))
        sketch = _needed(sketch, queries, nearest)
        if sketch.twice <= max(_AT_LEAST[1], share * len(codes)):
            _write(path, sketch)
            return True
    return False


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


def _projected(codes: Codes, mean: Floats, basis: Floats, at_first: int) -> tuple[Short, Short]:
    """The first of the width and the rest, all by one scale, so that products compare. The mean,
    which is the same in every product, would only take up the range of an int8."""
    width = basis.shape[1]
    first = np.empty((len(codes), at_first), np.int8)
    rest = np.empty((len(codes), width - at_first), np.int8)
    scale: float | None = None
    for start in range(0, len(codes), _BLOCK):
        block = slice(start, start + _BLOCK)
        short = (_unit(codes, block) - mean) @ basis
        if scale is None:
            scale = 127.0 / (1.25 * float(np.abs(short).max()) or 1.0)
        short = np.clip(np.rint(short * scale), -127, 127)
        first[block], rest[block] = short[:, :at_first], short[:, at_first:]
    return first, rest


def _in_cells(basis: Floats, first: Short, rest: Short) -> Sketch:
    """k-means on a sample, then all rows cell by cell."""
    chance = np.random.default_rng(len(first))
    places = chance.choice(len(first), min(_TRAINED_ON, len(first)), replace=False)
    sample = first[places].astype(np.float32)
    centres = sample[:_CELLS].copy()
    for _ in range(_ROUNDS):
        cell = _cell_of(sample, centres)
        for number in np.unique(cell):
            centres[number] = sample[cell == number].mean(axis=0)
    blocks = [first[start : start + _BLOCK] for start in range(0, len(first), _BLOCK)]
    cell = np.concatenate([_cell_of(block.astype(np.float32), centres) for block in blocks])
    order = np.argsort(cell, kind="stable")
    ends = np.bincount(cell, minlength=len(centres)).cumsum()
    return Sketch(
        basis, Cells(centres, ends), order.astype(np.uint32), first[order], rest[order], len(first)
    )


def _cell_of(rows: Floats, centres: Floats) -> Rows:
    nearness = rows @ centres.T - (centres**2).sum(axis=1) / 2
    return np.asarray(nearness.argmax(axis=1))


def _needed(sketch: Sketch, queries: list[Query], nearest: list[Rows]) -> Sketch:
    """With the numbers of rows that have to be looked at, by the sample's questions."""
    row_of = np.empty(len(sketch), np.int64)
    row_of[sketch.places] = np.arange(len(sketch))
    ranks: tuple[list[int], list[int], list[int]] = ([], [], [])
    for query, places in zip(queries, nearest, strict=True):
        short, rows = query.vector @ sketch.basis, row_of[places]
        code = quantised(short[None])
        looks = sketch._looks(code, sketch._everything())
        again = looks + sketch._second_looks(code, slice(None))
        ranks[0].extend(sketch.cells.reach(short, rows).tolist())
        for found, some in zip(ranks[1:], (looks, again), strict=True):
            found += [int(np.count_nonzero(some >= look)) for look in some[rows]]
    scanned, twice, read = (
        max(least, int(np.quantile(found, share)))
        for least, found, share in zip(_AT_LEAST, ranks, _WITHIN, strict=True)
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


def _nearest_by_scan(codes: Codes, query: Query) -> Rows:
    """Places."""
    scores = codes.cosines(query)
    count = min(_K, len(scores))
    return np.asarray(np.argpartition(scores, len(scores) - count)[len(scores) - count :])


def _write(path: Path, sketch: Sketch) -> None:
    dims, width = sketch.basis.shape
    cells, at_first = sketch.cells.centres.shape
    shape = (len(sketch), dims, at_first, width, cells)
    with private_file(path) as file:
        file.write(_HEADER.pack(_MAGIC, *shape, sketch.scanned, sketch.twice, sketch.read))
        file.seek(_PARTS_AT)
        for part, kind in zip(_parts(sketch), _kinds(*shape), strict=True):
            file.write(part.astype(kind[0], copy=False).data)
        file.flush()
        os.fsync(file.fileno())


def _parts(sketch: Sketch) -> tuple[npt.NDArray[Any], ...]:
    """In the order in which they are written."""
    cells = sketch.cells
    return sketch.basis, cells.centres, cells.ends, sketch.places, sketch.first, sketch.rest


def _kinds(
    rows: int, dims: int, at_first: int, width: int, cells: int
) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """What each of them is: type and shape."""
    return (
        ("<f4", (dims, width)),
        ("<f4", (cells, at_first)),
        ("<i8", (cells,)),
        ("<u4", (rows,)),
        ("|i1", (rows, at_first)),
        ("|i1", (rows, width - at_first)),
    )


def loaded(path: Path, rows: int, dims: int) -> Sketch:
    """In memory: mapped, in a file's small pages, a scan takes twice as long. Raises BrokenFile."""
    try:
        with path.open("rb") as file:
            magic, *shape, scanned, twice, read = _HEADER.unpack(file.read(_HEADER.size))
            kinds = _kinds(*shape)
            whole = sum(np.dtype(kind).itemsize * math.prod(shape) for kind, shape in kinds)
            if (
                magic != _MAGIC
                or shape[:2] != [rows, dims]
                or path.stat().st_size != _PARTS_AT + whole
            ):
                raise BrokenFile("not the file that was written")
            file.seek(_PARTS_AT)
            basis, centres, ends, places, first, rest = (
                np.fromfile(file, kind, math.prod(shape)).reshape(shape) for kind, shape in kinds
            )
    except (OSError, ValueError, struct.error) as error:
        raise BrokenFile(str(error)) from error
    return Sketch(basis, Cells(centres, ends), places, first, rest, scanned, twice, read)
