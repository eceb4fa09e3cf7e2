"""The chain of directories in a TIFF, one a page, followed at little cost: a stranger's may run in
a circle, or name the same bytes a million times."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO

import numpy as np

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # classic and BigTIFF, in both byte orders
_MOST_ENTRIES = 32_000  # of all directories together
_SHARED = 4 << 20  # bytes of values that directories may share
_TYPE_SIZES = np.array([0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8])
_HUGE = 1 << 40


def count(file: IO[bytes], most: int) -> int:
    """How many follow each other, `most` at most. The chain ends before one that came before or is
    cut off, and before one with which the values of all would be larger than the file."""
    size = file.seek(0, 2)
    found: set[int] = set()
    entries, room = _MOST_ENTRIES, size + _SHARED
    for at, values in _chain(file, size):
        entries -= len(values)
        room -= int(values.sum())
        if at in found or entries < 0 or room < 0 or len(found) == most:
            break
        found.add(at)
    return len(found)


def _chain(file: IO[bytes], size: int) -> Iterator[tuple[int, np.ndarray]]:
    """Where each begins, and how many bytes each of its values has; up to the first that lies
    beyond the file's end."""
    file.seek(0)
    head = file.read(16)
    order, big = "<" if head[:2] == b"II" else ">", head[:4] in MAGIC[2:]
    number, offset = struct.Struct(order + "HQ"[big]), struct.Struct(order + "IQ"[big])
    entry = np.dtype(
        {
            "names": ["type", "count"],
            "formats": [f"{order}u2", f"{order}u{offset.size}"],
            "offsets": [2, 4],
            "itemsize": 4 + 2 * offset.size,
        }
    )
    at = offset.unpack(head[-offset.size :] if big else head[4:8])[0] if len(head) == 16 else 0
    while 0 < at <= size - number.size - offset.size:
        file.seek(at)
        (length,) = number.unpack(file.read(number.size))
        if at + number.size + length * entry.itemsize + offset.size > size:
            return
        entries = np.frombuffer(file.read(length * entry.itemsize), entry)
        sizes = _TYPE_SIZES[np.minimum(entries["type"], len(_TYPE_SIZES) - 1)]
        yield at, sizes * np.minimum(entries["count"].astype(np.uint64), _HUGE).astype(np.int64)
        (at,) = offset.unpack(file.read(offset.size))
