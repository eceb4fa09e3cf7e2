"""What the index already holds, small enough to keep in memory: 24 bytes a photo, whatever the
length of its path. Answers for a thousand photos at a time, because a walk over unchanged photos
should cost little more than the walk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from itertools import islice

import numpy as np
import numpy.typing as npt

from imgsearch.index.base import Fingerprints

CHUNK = 65_536  # ids looked up at a time


class State(IntEnum):
    NEW = 0
    CHANGED = 1  # known, with another fingerprint
    UNCHANGED = 2


def _keys(ids: str) -> npt.NDArray[np.uint64]:
    """The first 8 of an id's 16 bytes. Two of ten million photos share them once in 400,000
    libraries; the price would be one photo compared by its bytes instead of its fingerprint."""
    return np.frombuffer(bytes.fromhex(ids), dtype="<u8")[::2]


class KnownPhotos:
    def __init__(
        self,
        keys: npt.NDArray[np.uint64],
        sizes: npt.NDArray[np.int64],
        mtimes: npt.NDArray[np.int64],
    ) -> None:
        order = np.argsort(keys)
        self._keys, self._sizes, self._mtimes = keys[order], sizes[order], mtimes[order]
        self._seen = np.zeros(len(keys), dtype=bool)
        self._distinct_sizes = np.unique(sizes)
        self._new_sizes: set[int] = set()

    @classmethod
    def load(cls, fingerprints: Iterable[Fingerprints]) -> KnownPhotos:
        keys, sizes, mtimes = [], [], []
        for some in fingerprints:
            keys.append(_keys(some.ids))
            sizes.append(some.sizes)
            mtimes.append(some.mtimes)
        if not keys:
            return cls(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64))
        return cls(np.concatenate(keys), np.concatenate(sizes), np.concatenate(mtimes))

    def see(
        self, ids: Sequence[str], sizes: Sequence[int], mtimes: Sequence[int]
    ) -> npt.NDArray[np.int8]:
        """The `State` of each photo; those that are known count as seen from now on."""
        if not len(self._keys):
            return np.zeros(len(ids), dtype=np.int8)
        place, known = self._find(ids)
        self._seen[place[known]] = True
        same = (
            known
            & (self._sizes[place] == np.array(sizes, dtype=np.int64))
            & (self._mtimes[place] == np.array(mtimes, dtype=np.int64))
        )
        states = np.where(same, State.UNCHANGED, State.CHANGED)
        return np.where(known, states, State.NEW).astype(np.int8)

    def unseen_of(self, ids: Iterable[str]) -> Iterator[str]:
        """Those of the index's ids that were there at the start and were not seen since."""
        if self._seen.all():
            return
        iterator = iter(ids)
        while chunk := list(islice(iterator, CHUNK)):
            place, known = self._find(chunk)
            unseen = known & ~self._seen[place]
            yield from (id for id, missed in zip(chunk, unseen.tolist(), strict=True) if missed)

    def _find(self, ids: Sequence[str]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        keys = _keys("".join(ids))
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return place, self._keys[place] == keys

    def has_size(self, size: int) -> bool:
        """Whether a photo of this many bytes is in the index: if not, its bytes cannot be known."""
        if size in self._new_sizes:
            return True
        place = int(np.searchsorted(self._distinct_sizes, size))
        return place < len(self._distinct_sizes) and int(self._distinct_sizes[place]) == size

    def add_size(self, size: int) -> None:
        self._new_sizes.add(size)
