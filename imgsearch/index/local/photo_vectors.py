"""Vectors as the database keeps them: little-endian f32, with a CRC-32, so that a bit that the disk
has lost is noticed when the vector is read."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from imgsearch.models.base import Vector, Vectors

UNIT_TOLERANCE = 1e-3  # of the length


def stored(vector: Vector) -> tuple[bytes, int]:
    """The bytes, and their checksum."""
    blob = np.asarray(vector, "<f4").tobytes()
    return blob, zlib.crc32(blob)


def refused(vector: Vector, dims: int) -> str | None:
    """Why a vector cannot be stored, if so."""
    if vector.shape != (dims,):
        return f"its vector has {vector.size} dimensions, not {dims}"
    length = float(np.linalg.norm(vector))
    if not abs(length - 1) <= UNIT_TOLERANCE:  # NaN is not
        return f"its vector has the length {length:.4g}, not 1"
    return None


def read(blob: object, checksum: object, dims: int) -> Vector | None:
    """A vector of unit length, as it was stored; None: it is damaged."""
    if not _is_whole(blob, checksum, dims):
        return None
    vector = np.frombuffer(blob, "<f4").copy()  # type: ignore[call-overload] # bytes, as checked
    return None if refused(vector, dims) else vector


def readable(
    found: Iterable[tuple[int, Any, Any]], dims: int
) -> tuple[npt.NDArray[np.int64], Vectors]:
    """The rows (n,) whose vectors are undamaged, and these vectors (n, dims). `found`: row, blob
    and checksum of each."""
    whole = [(row, blob) for row, blob, checksum in found if _is_whole(blob, checksum, dims)]
    rows = np.fromiter((row for row, _ in whole), np.int64, len(whole))
    vectors = np.frombuffer(b"".join(blob for _, blob in whole), "<f4").reshape(len(whole), dims)
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    sound = np.abs(lengths - 1) <= UNIT_TOLERANCE
    return (rows, vectors) if sound.all() else (rows[sound], vectors[sound])


def _is_whole(blob: object, checksum: object, dims: int) -> bool:
    return isinstance(blob, bytes) and len(blob) == 4 * dims and zlib.crc32(blob) == checksum
