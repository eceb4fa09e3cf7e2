"""What the index already holds, small enough to keep in memory: 32 bytes a photo, whatever the
length of its path. Answers for a thousand photos at a time, because a walk over unchanged photos
should cost little more than the walk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from itertools import compress, islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from imgsearch.index.base import Fingerprints, Record
from imgsearch.ingest import file_states
from imgsearch.ingest.file_states import Numbers, States
from imgsearch.photos.sidecars import Sidecar
from imgsearch.photos.walk import Photo

METADATA_VERSION = 1  # raised when more of it is read than before
CHUNK = 65_536  # ids looked up at a time


class State(IntEnum):
    NEW = 0
    CHANGED = 1  # known, with another fingerprint
    UNCHANGED = 2
    OTHERWISE_DESCRIBED = 3  # the same bytes; what describes them has changed
    WITHOUT_PARTS = 4  # the same bytes, which were not looked through for parts that are wanted


def metadata_mark(sidecar: Sidecar | None) -> int:
    """What a photo's metadata is read from, as a number that a record keeps: another one means that
    it is to be read again."""
    if sidecar is None:
        return METADATA_VERSION
    told = f"{METADATA_VERSION} {sidecar.size} {sidecar.mtime_ns} {os.path.basename(sidecar.path)}"
    digest = hashlib.blake2b(told.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1 | 1 << 62  # above all versions


class Found(NamedTuple):
    """Photos as a walk finds them, in columns. `marks`: `metadata_mark` of each."""

    sizes: Numbers  # bytes
    mtimes: Numbers  # ns
    ctimes: Numbers  # ns; 0: not known
    inodes: Numbers  # 0: not known
    marks: Numbers


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
        marks: npt.NDArray[np.int64],
        parted: npt.NDArray[np.int64],
    ) -> None:
        order = np.argsort(keys)
        self._keys, self._sizes, self._mtimes = keys[order], sizes[order], mtimes[order]
        self._marks, self._parted = marks[order], parted[order]
        self._seen = np.zeros(len(keys), dtype=bool)
        self._ctimes, self._inodes = file_states.NONE.of(self._keys)
        self._confirmed: dict[str, tuple[int, int]] = {}  # ctime and inode of what was written
        self._distinct_sizes = np.unique(sizes)
        self._new_sizes: set[int] = set()
        self._all_sizes = False  # any size may be known

    @classmethod
    def of(cls, records: Iterable[Record], parted: Mapping[str, int]) -> KnownPhotos:
        """These photos alone: of a large index it is not worth loading all for a few files. That a
        size is unknown cannot be said then. `parted`: as `Fingerprint` has it, by id."""
        found = list(records)
        columns = [
            np.array([getattr(record, name) for record in found], dtype=np.int64)
            for name in ("size", "mtime_ns", "metadata_mark")
        ]
        columns.append(np.array([parted.get(record.id, 0) for record in found], np.int64))
        known = cls(_keys("".join(record.id for record in found)), *columns)
        known._all_sizes = True
        return known

    @classmethod
    def load(cls, fingerprints: Iterable[Fingerprints]) -> KnownPhotos:
        keys, sizes, mtimes, marks, parted = [], [], [], [], []
        for some in fingerprints:
            keys.append(_keys(some.ids))
            sizes.append(some.sizes)
            mtimes.append(some.mtimes)
            marks.append(some.marks)
            parted.append(some.parted)
        if not keys:
            none = np.empty(0, np.int64)
            return cls(np.empty(0, np.uint64), none, none, none, none)
        numbers = (np.concatenate(column) for column in (sizes, mtimes, marks, parted))
        return cls(np.concatenate(keys), *numbers)

    def use_states(self, states: States) -> None:
        """What the files were like when their photos were last compared."""
        self._ctimes, self._inodes = states.of(self._keys)

    def see(
        self, ids: Sequence[str], found: Found, parts: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[np.int8]:
        """The `State` of each photo; those that are known count as seen from now on. `parts`: of
        each the wanted ones (`parts_mark`)."""
        if not len(self._keys):
            return np.zeros(len(ids), dtype=np.int8)
        place, known = self._find(ids)
        self._seen[place[known]] = True
        same = (
            known
            & (self._sizes[place] == found.sizes)
            & (self._mtimes[place] == found.mtimes)
            & ~self._other_file(place, known, found)
        )
        self._ctimes[place[same]] = found.ctimes[same]
        self._inodes[place[same]] = found.inodes[same]
        described = self._marks[place] == found.marks
        same_bytes = np.where(described, State.UNCHANGED, State.OTHERWISE_DESCRIBED)
        if parts is not None:
            lacking = (self._parted[place] & parts) != parts
            same_bytes = np.where(lacking, State.WITHOUT_PARTS, same_bytes)
        states = np.where(same, same_bytes, State.CHANGED)
        return np.where(known, states, State.NEW).astype(np.int8)

    def _other_file(
        self, place: npt.NDArray[np.intp], known: npt.NDArray[np.bool_], found: Found
    ) -> npt.NDArray[np.bool_]:
        """Whether each is another file than it was, by what is known of it. Some file systems make
        inodes up anew each time (FAT, FUSE, SMB): where most are others, they say nothing."""
        ctimes, inodes = self._ctimes[place], self._inodes[place]
        both = known & (inodes != 0) & (found.inodes != 0)
        moved = both & (inodes != found.inodes)
        if 2 * moved.sum() > both.sum():
            moved &= self._exchanged(place, found)
        changed = (ctimes != 0) & (found.ctimes != 0) & (ctimes != found.ctimes)
        other: npt.NDArray[np.bool_] = moved | changed
        return other

    def _exchanged(self, place: npt.NDArray[np.intp], found: Found) -> npt.NDArray[np.bool_]:
        """Whether the inode that is found was another photo's, of the same size, mtime and ctime:
        folders of files that are that much alike were exchanged."""
        order = np.argsort(self._inodes)
        at = np.searchsorted(self._inodes, found.inodes, sorter=order)
        other = order[np.minimum(at, len(order) - 1)]
        alike: npt.NDArray[np.bool_] = self._inodes[other] == found.inodes
        for column in (self._sizes, self._mtimes, self._ctimes):
            alike &= column[other] == column[place]
        return alike

    def confirm(self, id: str, photo: Photo) -> None:
        """The index holds what this file held when it was like that."""
        self._confirmed[id] = photo.ctime_ns, photo.inode

    def states(self) -> States:
        """What is known of the files that were there at the start, and of those confirmed since."""
        known = States(self._keys, self._ctimes, self._inodes)
        if not self._confirmed:
            return known
        keys, first = np.unique(_keys("".join(self._confirmed)), return_index=True)
        ctimes, inodes = np.array(list(self._confirmed.values()), np.int64)[first].T
        return known.with_these(States(keys, ctimes, inodes))

    def among(self, ids: Sequence[str]) -> list[str]:
        """Those that were in the index at the start."""
        if not (ids and len(self._keys)):
            return []
        _, known = self._find(ids)
        return list(compress(ids, known.tolist()))

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
        if self._all_sizes or size in self._new_sizes:
            return True
        place = int(np.searchsorted(self._distinct_sizes, size))
        return place < len(self._distinct_sizes) and int(self._distinct_sizes[place]) == size

    def add_size(self, size: int) -> None:
        self._new_sizes.add(size)
