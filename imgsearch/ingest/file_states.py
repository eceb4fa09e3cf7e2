"""What this machine's file systems say of each photo besides its size and mtime: ctime and inode.
They tell an edit that keeps the mtime, and names that were exchanged among files of one size and
mtime. Another machine's are others, so they are kept here and not in the index: one file an index,
24 bytes a photo. Whoever has none of a photo goes by its size and mtime."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]  # the first 8 bytes of photos' ids
Numbers = npt.NDArray[np.int64]


class States(NamedTuple):
    """`keys` in rising order. `ctimes` (ns) and `inodes`: 0 where nothing is known."""

    keys: Keys
    ctimes: Numbers
    inodes: Numbers

    def of(self, keys: Keys) -> tuple[Numbers, Numbers]:
        """The ctimes and inodes of these keys."""
        if not len(self.keys):
            return np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        known = self.keys[place] == keys
        return np.where(known, self.ctimes[place], 0), np.where(known, self.inodes[place], 0)

    def with_these(self, newer: States) -> States:
        """Both; where both have a key, the newer one's."""
        older = self.keys[~np.isin(self.keys, newer.keys)]
        ctimes, inodes = self.of(older)
        keys = np.concatenate([older, newer.keys])
        order = np.argsort(keys)
        return States(
            keys[order],
            np.concatenate([ctimes, newer.ctimes])[order],
            np.concatenate([inodes, newer.inodes])[order],
        )


NONE = States(np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, np.int64))


class FileStates:
    """Those of one index's photos on this machine. `folder` None: nothing is kept."""

    def __init__(self, folder: Path | None = None, index_id: str = "") -> None:
        name = hashlib.blake2b(index_id.encode("utf-8", "replace"), digest_size=16).hexdigest()
        self._path = None if folder is None else folder / f"{name}.npy"

    def load(self) -> States:
        """NONE where there are none, or they cannot be read."""
        if self._path is None:
            return NONE
        try:
            found = np.load(self._path, allow_pickle=False)
        except (OSError, ValueError, EOFError, SyntaxError):  # SyntaxError: a damaged header
            return NONE
        if found.dtype != np.int64 or found.ndim != 2 or len(found) != 3:
            return NONE
        keys = found[0].view(np.uint64)
        order = np.argsort(keys)
        return States(keys[order], found[1][order], found[2][order])

    def save(self, states: States, before: States) -> None:
        """In place of those that were loaded, unless they are the same. What cannot be written is
        not kept: the next ingest goes by sizes and mtimes then."""
        if self._path is None or all(map(np.array_equal, states, before)):
            return
        table = np.stack([states.keys.view(np.int64), states.ctimes, states.inodes])
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            number, partial = tempfile.mkstemp(".partial", dir=self._path.parent)
            try:
                with open(number, "wb") as file:
                    np.save(file, table, allow_pickle=False)
                os.replace(partial, self._path)
            except OSError:
                os.unlink(partial)
                raise
