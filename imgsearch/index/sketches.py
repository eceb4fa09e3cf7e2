"""A first look at the rows of a large file: of each vector only the directions in which the file's
vectors differ most (its leading principal components), an int8 each. A scan of an eighth of them
names some thousand rows; twice as many directions leave some hundred of those, among which the
nearest by their whole codes are. It is derived, takes seconds to make, and is only used where it
has shown that it finds what a scan of the codes finds.

Why no HNSW graph: of a million vectors made like CLIP's, graphs over five files had to visit 20,000
nodes, in 10 ms, to find .985 of the ten nearest, because each node lies elsewhere in memory. They
took six minutes to build and .66 KB a photo, and served a filter badly."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imgsearch.embedding import unit
from imgsearch.index.codes import BrokenFile, Codes, Query, Rows, Scores, private_file, top

USUAL = 25  # results for which is measured how many rows are looked at: ten, and some to spare
_SHARES = ((8, 4), (4, 2))  # widths that are tried: parts of the dimensions, first and in all
_FOUND = 0.995  # of the sample's nearest are within the rows that are looked at
_AT_LEAST = 512, 256  # rows are looked at twice, and read: it costs nothing
_TRAINED_ON = 32_768  # rows
_SAMPLE, _K = 64, 10
_BLOCK = 16_384  # rows that are projected at a time: 32 MB of f32 at 512 dimensions
# magic, rows, dims, width at first, in all, looked at twice, read
_HEADER = struct.Struct("<16s6Q")
_MAGIC = b"imgsearch sketch"
_BASIS_AT = 4096
_AT_ONCE = 65_536  # rows: new memory for all products of a large file would cost half of their time
_NARROW = 128  # bytes a row; below, one of numkong's ways is faster, above the other

Floats = npt.NDArray[np.float32]
Short = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Sketch:
    """Of one file of codes, in the same order."""

    basis: Floats  # (dims, width), orthonormal columns
    first: Short  # (n, some of the width)
    rest: Short  # (n, what is left)
    twice: int = 0  # rows that the rest is looked at of, for USUAL results
    read: int = 0  # rows whose codes have to be read then
    kept: Scores = field(init=False, repr=False)  # of the last question

    def __post_init__(self) -> None:
        object.__setattr__(self, "kept", np.empty(len(self.first), np.float32))

    def __len__(self) -> int:
        return len(self.first)

    def looks(self, query: Query) -> Scores:
        """(n,): a number for each row, the larger the nearer; good until the next question. Numbers
        of two sketches cannot be compared."""
        code = self._short(query)[:, : self.first.shape[1]]
        for start in range(0, len(self), _AT_ONCE):
            stop = start + _AT_ONCE
            self.kept[start:stop] = _dots(self.first[start:stop], code)
        return self.kept

    def second_looks(self, query: Query, places: Rows | slice) -> Scores:
        """What is to be added to the first ones."""
        return _dots(self.rest[places], self._short(query)[:, self.first.shape[1] :])

    def nearest(self, query: Query, looks: Scores, count: int) -> Rows:
        """Places, ascending, among which about `count` of the nearest are."""
        near = top(looks, _enough(self.twice, count))
        again = looks[near] + self.second_looks(query, near)
        return np.sort(near[top(again, _enough(self.read, count))])

    def _short(self, query: Query) -> Short:
        """(1, width)"""
        short = query.vector @ self.basis
        largest = float(np.abs(short).max()) or 1.0  # 0: at right angles to every direction
        code: Short = np.rint(short * (127.0 / largest)).astype(np.int8)[None]
        return code


def _enough(usual: int, count: int) -> int:
    return max(count, -(-usual * count // USUAL))


def _dots(rows: Short, code: Short) -> Scores:
    """Whole numbers below 2^24, which an f32 holds as well."""
    import numkong

    if rows.shape[1] < _NARROW:  # 64 bytes: 5 against 11 ns a row; 128: 18 against 11
        code = np.ascontiguousarray(code)
        products: Scores = np.asarray(numkong.dots_packed(rows, numkong.dots_pack(code)))[:, 0]
    else:
        products = np.asarray(numkong.cdist(code, rows, "dot", out_dtype="float32"))[0]
    return products


def build(codes: Codes, path: Path, share: float) -> int | None:
    """Writes the narrowest sketch that needs a second look at no more than this share of the rows,
    and returns at how many. None: none does, and no file is left."""
    dims = codes.codes.shape[1]
    mean, basis = _directions(codes, dims // _SHARES[-1][1])
    queries = [Query.of(vector) for vector in _sample_queries(codes)]
    nearest = [_nearest_by_scan(codes, query) for query in queries]
    for parts in _SHARES:
        at_first, in_all = (max(1, dims // part) for part in parts)
        narrow = np.ascontiguousarray(basis[:, :in_all])
        sketch = _needed(_projected(codes, mean, narrow, at_first), queries, nearest)
        if sketch.twice <= max(_AT_LEAST[0], share * len(codes)):
            _write(path, sketch)
            return sketch.twice
    return None


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


def _projected(codes: Codes, mean: Floats, basis: Floats, at_first: int) -> Sketch:
    """All by one scale, so that products compare. The mean, which is the same in every product,
    would only take up the range of an int8."""
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
    return Sketch(basis, first, rest)


def _needed(sketch: Sketch, queries: list[Query], nearest: list[Rows]) -> Sketch:
    """With the numbers of rows that have to be looked at, by the sample's questions."""
    ranks: tuple[list[int], list[int]] = ([], [])
    for query, places in zip(queries, nearest, strict=True):
        looks = sketch.looks(query)
        again = looks + sketch.second_looks(query, slice(None))
        for found, some in zip(ranks, (looks, again), strict=True):
            found += [int(np.count_nonzero(some >= look)) for look in some[places]]
    twice, read = (
        max(least, int(np.quantile(found, _FOUND)))
        for least, found in zip(_AT_LEAST, ranks, strict=True)
    )
    return Sketch(sketch.basis, sketch.first, sketch.rest, twice, read)


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
    header = (len(sketch), dims, sketch.first.shape[1], width, sketch.twice, sketch.read)
    with private_file(path) as file:
        file.write(_HEADER.pack(_MAGIC, *header))
        file.seek(_BASIS_AT)
        file.write(sketch.basis.astype("<f4").data)
        file.write(sketch.first.data)
        file.write(sketch.rest.data)
        file.flush()
        os.fsync(file.fileno())


def loaded(path: Path, rows: int, dims: int) -> Sketch:
    """In memory: mapped, in a file's small pages, a scan takes twice as long. Raises BrokenFile."""
    try:
        with path.open("rb") as file:
            magic, *shape, at_first, width, twice, read = _HEADER.unpack(file.read(_HEADER.size))
            whole = _BASIS_AT + 4 * dims * width + rows * width
            if magic != _MAGIC or shape != [rows, dims] or path.stat().st_size != whole:
                raise BrokenFile("not the file that was written")
            file.seek(_BASIS_AT)
            basis = np.fromfile(file, "<f4", dims * width).reshape(dims, width)
            first = np.fromfile(file, np.int8, rows * at_first).reshape(rows, at_first)
            rest = np.fromfile(file, np.int8, rows * (width - at_first)).reshape(rows, -1)
    except (OSError, ValueError, struct.error) as error:
        raise BrokenFile(str(error)) from error
    return Sketch(basis, first, rest, twice, read)
