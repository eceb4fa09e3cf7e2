"""Vectors as int8 codes in a file that is mapped: 1 byte a dimension, scanned exactly at about
25 ns a row. Why no graph: on vectors without structure HNSW has to visit nearly every row (100,000
random ones: recall@10 .52 at an expansion of 1,024, 12 ms), while the scan takes 2–3 ms, needs no
building, and serves every filter alike; `sketches` makes it quicker. Scores from codes only choose
the candidates; what a user sees is computed from the f32 vectors in SQLite."""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
from collections.abc import Iterable, Sequence
from io import BufferedRandom
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imgsearch import regular_files
from imgsearch.dataclass import dataclass
from imgsearch.models.base import Vector, Vectors

Rows = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]

_HEADER = struct.Struct("<16sQQ")  # magic, rows, dims
_MAGIC = b"imgsearch codes1"
_CODES_AT = 4096  # rows and norms follow the codes, which begin on a page
_DIGEST_BLOCKS, _DIGEST_BLOCK = 32, 4096
TIED = 1000  # candidates that score as the last one, which are then looked at as well


class BrokenFile(Exception):
    """A derived file that is missing, of another index, or damaged. Never reaches a user."""


def quantised(vectors: Vectors) -> npt.NDArray[np.int8]:
    """(n, dims): each row scaled by its own largest component. With one scale for all, unit
    vectors of 512 dims use 6 of 127 steps. The cosine does not see the scale."""
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    largest[largest == 0] = 1
    codes: npt.NDArray[np.int8] = np.rint(vectors * (127.0 / largest)).astype(np.int8)
    return codes


def inverse_norms(codes: npt.NDArray[np.int8]) -> Scores:
    wide = codes.astype(np.float32)
    return np.asarray(1.0 / np.sqrt(np.einsum("ij,ij->i", wide, wide)), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Query:
    """A query as the scans want it."""

    vector: Vector  # (dims,)
    code: npt.NDArray[np.int8]  # (1, dims)
    inverse_norm: float

    @classmethod
    def of(cls, vector: Vector) -> Query:
        code = quantised(vector[None])
        return cls(vector, code, float(inverse_norms(code)[0]))


@dataclass(frozen=True, slots=True)
class Codes:
    """`rows` ascend. Mapped from a file, or in memory."""

    rows: Rows  # (n,)
    norms: Scores  # (n,) inverse norms of the codes
    codes: npt.NDArray[np.int8]  # (n, dims)

    @classmethod
    def of(cls, rows: Rows, vectors: Vectors) -> Codes:
        codes = quantised(vectors)
        return cls(rows, inverse_norms(codes), codes)

    def __len__(self) -> int:
        return len(self.rows)

    def above(self, row: int) -> Codes:
        return self.between(int(np.searchsorted(self.rows, row, side="right")), len(self))

    def between(self, start: int, stop: int) -> Codes:
        """Those at positions [start, stop)."""
        return Codes(self.rows[start:stop], self.norms[start:stop], self.codes[start:stop])

    def at(self, places: Rows) -> Codes:
        return Codes(self.rows[places], self.norms[places], self.codes[places])

    def only(self, rows: Rows) -> Codes:
        """Those of `rows` (ascending) that are here."""
        if not len(self):
            return self
        start, stop = np.searchsorted(rows, [self.rows[0], self.rows[-1] + 1])
        rows = rows[start:stop]
        places = np.searchsorted(self.rows, rows)
        places[places == len(self)] = 0  # a damaged file's rows may not ascend
        return self.at(places[self.rows[places] == rows])

    def let_go(self) -> None:
        """What was read of the mapped file no longer counts as memory of this process."""
        mapping: object = self.codes.base
        if isinstance(mapping, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            mapping.madvise(mmap.MADV_DONTNEED)

    def cosines(self, query: Query) -> Scores:
        """(n,), up to the error of the codes (about .001)."""
        if not len(self):
            return np.empty(0, np.float32)
        import numkong  # 10 ms

        products = numkong.cdist(query.code, self.codes, "dot", out_dtype="float32")
        scores: Scores = np.asarray(products)[0] * self.norms
        scores *= query.inverse_norm
        return scores


def top(scores: Scores | npt.NDArray[np.int32], count: int) -> Rows:
    """Places of the `count` best, and of those that tie with the last of them."""
    if count >= len(scores):
        return np.arange(len(scores))
    least = np.partition(scores, len(scores) - count)[len(scores) - count]
    if np.isnan(least):  # a file that somebody made up; NaN counts as the largest number there
        return top(np.where(np.isnan(scores), np.float32(-np.inf), scores), count)
    places = np.flatnonzero(scores >= least)
    better = scores[places] > least
    tied = places[~better]
    return np.concatenate([places[better], tied[: count - len(places) + len(tied) + TIED]])


def nothing(dims: int) -> Codes:
    return Codes(np.empty(0, np.int64), np.empty(0, np.float32), np.empty((0, dims), np.int8))


def joined(blocks: Sequence[Codes]) -> Codes:
    return Codes(
        np.concatenate([block.rows for block in blocks]),
        np.concatenate([block.norms for block in blocks]),
        np.concatenate([block.codes for block in blocks]),
    )


def write(path: Path, blocks: Iterable[Codes], dims: int) -> int:
    """Writes the blocks one after the other, in bounded memory, and returns how many rows."""
    rows, norms = [], []
    with private_file(path) as file:
        file.seek(_CODES_AT)
        for block in blocks:
            file.write(np.ascontiguousarray(block.codes).data)
            rows.append(np.array(block.rows, dtype="<i8"))
            norms.append(np.array(block.norms, dtype="<f4"))
        count = sum(map(len, rows))
        file.seek(_CODES_AT + _padded(count * dims))
        for part in (*rows, *norms):
            file.write(part.data)
        file.seek(0)
        file.write(_HEADER.pack(_MAGIC, count, dims))
        file.flush()
        os.fsync(file.fileno())
    return count


def mapped(path: Path, dims: int) -> Codes:
    """Raises BrokenFile."""
    try:
        with regular_files.opened(path) as file:
            magic, count, its_dims = _HEADER.unpack(file.read(_HEADER.size))
            size = os.fstat(file.fileno()).st_size
    except (OSError, struct.error) as error:
        raise BrokenFile(str(error)) from error
    rows_at = _CODES_AT + _padded(count * dims)
    if magic != _MAGIC or its_dims != dims or size != rows_at + 12 * count or not count:
        raise BrokenFile("not the file that was written")
    return Codes(
        np.memmap(path, "<i8", "r", rows_at, (count,)),
        np.memmap(path, "<f4", "r", rows_at + 8 * count, (count,)),
        np.memmap(path, np.int8, "r", _CODES_AT, (count, dims)),
    )


def _padded(size: int) -> int:
    return -(-size // 8) * 8


def private_file(path: Path) -> BufferedRandom:
    """A new file in the place of whatever had its name, open for writing, that its owner alone can
    read. A link is replaced, not followed."""
    path.unlink(missing_ok=True)
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags, 0o600), "w+b")


def sampled_digest(path: Path) -> str:
    """Of the size and of 32 blocks spread over the file, first and last among them: tells a file
    that is not the one we wrote, in a millisecond. Raises BrokenFile where there is none."""
    try:
        with regular_files.opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            digest = hashlib.blake2b(size.to_bytes(8, "little"), digest_size=16)
            for place in range(_DIGEST_BLOCKS):
                file.seek(max(0, size - _DIGEST_BLOCK) * place // (_DIGEST_BLOCKS - 1))
                digest.update(file.read(_DIGEST_BLOCK))
    except OSError as error:
        raise BrokenFile(str(error)) from error
    return digest.hexdigest()
