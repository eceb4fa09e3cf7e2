"""A first look at the rows of large files: of each vector only the directions in which the vectors
differ most (leading principal components), an int8 each. They lie in cells, rows that are alike
beside each other, and of the cells only those nearest to a question are scanned, about half of all
rows. A scan of an eighth of the directions names some thousand rows; twice as many directions leave
some hundred of those, among which the nearest by their whole codes are. A file's sketch takes the
projection of an earlier one where that serves it: such files are searched as one. A sketch is
derived, takes seconds to make, and is only used where it has shown that it finds what a scan of the
codes finds.

Why no HNSW graph: of a million vectors made like CLIP's, graphs over five files had to visit 20,000
nodes, in 10 ms, to find .985 of the ten nearest, because each node lies elsewhere in memory. They
took six minutes to build and .66 KB a photo, and served a filter badly."""

from __future__ import annotations

import hashlib
import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from imgsearch.dataclass import dataclass
from imgsearch.index.local.search_files.codes import Query, Rows, quantised, top
from imgsearch.index.local.search_files.native_threads import at_once

USUAL = 25  # results for which is measured how many rows are looked at: ten, and some to spare
_AT_ONCE = 32_768  # rows at most, so that every core gets some

Floats = npt.NDArray[np.float32]
Short = npt.NDArray[np.int8]
Places = npt.NDArray[np.uint32]
Spans = npt.NDArray[np.int64]  # (n, 2): starts and ends of rows
Looks = npt.NDArray[np.int32]  # (n,): products of short codes
Block = tuple[Short, Any]  # rows that lie together; the part of a Tensor for their products


@dataclass(frozen=True)
class Projection:
    """From vectors to short codes, all by one scale, so that products compare."""

    mean: Floats  # (dims,); the same in every product, it would only take up the range of an int8
    basis: Floats  # (dims, width), orthonormal columns
    at_first: int  # of the width
    scale: float

    @cached_property
    def name(self) -> bytes:
        """Equal where the products of two sketches compare."""
        numbers = struct.pack("<Qd", self.at_first, self.scale)
        return hashlib.blake2b(self.mean.tobytes() + self.basis.tobytes() + numbers).digest()

    def codes(self, vectors: Floats) -> Short:
        """(n, dims) -> (n, width)"""
        short = (vectors - self.mean) @ self.basis
        return np.clip(np.rint(short * self.scale), -127, 127).astype(np.int8)

    def of_query(self, query: Query) -> tuple[Floats, Short]:
        """(width,) and, as a code, (1, width)"""
        short = query.vector @ self.basis
        return short, quantised(short[None])


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

    projection: Projection
    cells: Cells
    places: Places  # (n,): where a row of the sketch is among the codes
    first: Short  # (n, some of the width)
    rest: Short  # (n, what is left)
    scanned: int = 0  # rows, for USUAL results
    twice: int = 0  # of them, rows that the rest is looked at of
    read: int = 0  # rows whose codes have to be read then

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True, slots=True)
class Family:
    """Sketches of one projection, searched as one: a row of a sketch is one of all rows, from where
    that sketch starts."""

    sketches: Sequence[Sketch]
    starts: Rows  # (sketches + 1,)

    @classmethod
    def of(cls, sketches: Sequence[Sketch]) -> Family:
        return cls(sketches, np.cumsum([0, *map(len, sketches)]))

    def __len__(self) -> int:
        return int(self.starts[-1])

    def nearest(self, query: Query, count: int) -> list[Rows]:
        """For each sketch, places among its codes, ascending. Among them all are about `count` of
        the nearest."""
        scanned = _enough(sum(each.scanned for each in self.sketches), count)
        twice = sum(each.twice for each in self.sketches)
        read = sum(each.read for each in self.sketches)
        short, code = self.sketches[0].projection.of_query(query)
        near_cells = scanned < len(self)
        spans = self._cells().spans(short, scanned) if near_cells else self.everything()
        looks = self.looks(code, spans)
        near = np.sort(top(looks, _enough(twice, count)))
        rows = _unpacked(spans, near)
        again = looks[near] + self.second_looks(code, rows)
        rows = np.sort(rows[top(again, _enough(read, count))])
        return [np.sort(sketch.places[own]).astype(np.int64) for sketch, own in self._parted(rows)]

    def everything(self) -> Spans:
        return np.array([[0, len(self)]])

    def _cells(self) -> Cells:
        starts = self.starts[:-1]
        return Cells(
            np.concatenate([each.cells.centres for each in self.sketches]),
            np.concatenate(
                [each.cells.ends + at for each, at in zip(self.sketches, starts, strict=True)]
            ),
        )

    def looks(self, code: Short, spans: Spans) -> Looks:
        """A number for each row of the spans, the larger the nearer."""
        import numkong

        width = self.sketches[0].projection.at_first
        packed = numkong.dots_pack(np.ascontiguousarray(code[:, :width]))
        # a Tensor, as the products need not be copied then
        found = numkong.empty((int((spans[:, 1] - spans[:, 0]).sum()), 1), dtype="int32")

        def scan(block: Block) -> None:
            rows, products = block
            numkong.dots_packed(rows, packed, out=products)

        at_once(scan, list(self._blocks(spans, found)))
        return np.asarray(found)[:, 0]

    def _blocks(self, spans: Spans, found: Any) -> Iterator[Block]:
        starts, at = self.starts.tolist(), 0
        for begin, end in spans.tolist():
            while begin < end:
                number = bisect_right(starts, begin) - 1
                until = min(end, starts[number + 1], begin + _AT_ONCE)
                own = slice(begin - starts[number], until - starts[number])
                yield self.sketches[number].first[own], found[at : at + until - begin]
                begin, at = until, at + until - begin

    def second_looks(self, code: Short, rows: Rows) -> Looks:
        """What is to be added to the first ones, of rows that ascend."""
        import numkong

        width = self.sketches[0].projection.at_first
        packed = numkong.dots_pack(np.ascontiguousarray(code[:, width:]))
        rest = np.concatenate([sketch.rest[own] for sketch, own in self._parted(rows)])
        return np.asarray(numkong.dots_packed(rest, packed))[:, 0]

    def _parted(self, rows: Rows) -> Iterator[tuple[Sketch, Rows]]:
        """Each sketch's own of the rows (ascending)."""
        ends = np.searchsorted(rows, self.starts)
        for number, sketch in enumerate(self.sketches):
            yield sketch, rows[ends[number] : ends[number + 1]] - self.starts[number]


def _unpacked(spans: Spans, packed: Rows) -> Rows:
    """Rows, from places in the spans one after the other."""
    starts, lengths = spans[:, 0], spans[:, 1] - spans[:, 0]
    ends = lengths.cumsum()
    span = np.searchsorted(ends, packed, side="right")
    return np.asarray(packed - (ends - lengths)[span] + starts[span])


def _enough(usual: int, count: int) -> int:
    """How many rows are looked at for `count` results, of those that USUAL ones need."""
    return max(count, -(-usual * count // USUAL))
