"""A sample of an index's vectors, against which a question's scores are judged: how far they
spread, and how high they come by chance. It is kept in this machine's cache, since on a cluster it
takes a second to fetch."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch import paths

if TYPE_CHECKING:
    from imgsearch.index.base import Index
    from imgsearch.models.base import Vectors

SIZE = 2000  # vectors: their mean and spread are known to 2 %
_GROWTH = 1.2  # of the index, from which on the sample is drawn again
_KEPT = 20  # files, of as many indexes


class Background:
    """The sample of one index. `folder`: where samples are kept. May be used from several
    threads."""

    def __init__(self, index: Index, folder: Path) -> None:
        self._index, self._folder = index, folder
        self._lock = threading.Lock()
        self._drawn: tuple[int, Vectors] | None = None  # photos in the index at that time

    def vectors(self, *, needed: bool) -> Vectors | None:
        """A sample of the index's vectors: (n, dims), at most SIZE rows; all of them where the
        index holds fewer."""
        with self._lock:
            if not needed and self._index.capabilities.distant:
                # Of any size: to ask how many photos there are by now would cost a request. Each
                # ingest looks whether it has to be drawn again.
                self._drawn = self._drawn or self._kept(None)
            else:
                count = self._index.count()
                if self._drawn is None or not _serves(self._drawn[0], count):
                    self._drawn = self._kept(count) or self._draw(count)
            return None if self._drawn is None else self._drawn[1]

    def _kept(self, count: int | None) -> tuple[int, Vectors] | None:
        import numpy as np

        for file in self._folder.glob(f"{self._key()}-*.npy"):
            drawn_at = file.stem.rpartition("-")[2]
            if not drawn_at.isdecimal():
                continue
            if count is not None and not _serves(int(drawn_at), count):
                continue
            with contextlib.suppress(OSError, ValueError, EOFError):  # damaged: drawn again
                # mapped and summed: to read it into memory and to test each number takes 3 ms
                vectors = np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
                if vectors.ndim == 2 and vectors.dtype == np.float32 and _all_finite(vectors):
                    return int(drawn_at), vectors
        return None

    def _draw(self, count: int) -> tuple[int, Vectors]:
        vectors = self._index.sample(SIZE)
        with contextlib.suppress(OSError):  # the cache cannot be written to: kept in memory alone
            self._keep(vectors, count)
        return count, vectors

    def _keep(self, vectors: Vectors, count: int) -> None:
        import numpy as np

        paths.private_folder(self._folder)
        key = self._key()
        number, name = tempfile.mkstemp(dir=self._folder, suffix=".part")
        try:
            with os.fdopen(number, "wb") as part:
                np.save(part, vectors, allow_pickle=False)
            old = list(self._folder.glob(f"{key}-*.npy"))
            os.replace(name, self._folder / f"{key}-{count}.npy")
        except BaseException:  # Ctrl-C too leaves no part of a file
            os.unlink(name)
            raise
        newest = sorted(self._folder.glob("*.npy"), key=lambda file: -file.stat().st_mtime)
        for useless in {*old, *newest[_KEPT:]} - {self._folder / f"{key}-{count}.npy"}:
            useless.unlink(missing_ok=True)

    def _key(self) -> str:
        """The sample's name in the cache. An index that was embedded anew keeps its id, so the
        models are part of it."""
        models = self._index.models()
        told = [self._index.index_id]
        if models is not None:
            told += [models.image_model.name, models.image_model.digest, str(models.quantized)]
        return hashlib.blake2b("\0".join(map(str, told)).encode(), digest_size=16).hexdigest()


def _serves(drawn_at: int, count: int) -> bool:
    return count <= drawn_at * _GROWTH and drawn_at <= count * _GROWTH


def _all_finite(vectors: Vectors) -> bool:
    import numpy as np

    with np.errstate(over="ignore", invalid="ignore"):  # told by the sum
        return bool(np.isfinite(vectors.sum()))
