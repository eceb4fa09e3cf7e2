"""All search files of an index: those of whole photos and those of parts."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from imgsearch.index.local.database import Database
from imgsearch.index.local.search_files import table
from imgsearch.index.local.search_files.segments import Limits, Segments
from imgsearch.progress import Progress, silent

_DEAD_SHARE = 0.2  # of a file's rows may be gone before it is written again


class SearchFiles:
    """`in_use`: held while they are opened or changed, which threads share. `exclusive`: as
    `Segments` says."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        notes: list[str],
        exclusive: Callable[[], AbstractContextManager[bool]],
        limits: Limits,
    ) -> None:
        self._database, self._folder, self._limits = database, folder, limits
        self.whole = Segments(database, folder, notes, exclusive, limits)
        self.parts = Segments(database, folder, notes, exclusive, limits, table.PARTS)
        self.in_use = threading.RLock()

    def close(self) -> None:
        self.whole.close()
        self.parts.close()

    def has_parts(self) -> bool:
        return table.last_row(self._database, table.PARTS) > table.PARTS_ABOVE

    def flush(self, dims: int) -> None:
        """To be called when rows were written."""
        with self.in_use:
            self.whole.flush(dims)
            if self.has_parts():
                self.parts.flush(dims)

    def finish(self, dims: int, photos: int, progress: Progress = silent) -> None:
        """To be called at the end of an ingest."""
        counts = ((self.whole, photos), (self.parts, table.count(self._database)))
        with self.in_use:
            for segments, vectors in counts:
                segments.flush(dims, self._limits.flush_at_end)
                if segments.dead(vectors) > _DEAD_SHARE * vectors:
                    segments.compact(dims, _DEAD_SHARE)
                segments.build_sketches(dims, progress)

    def purge(self, dims: int) -> None:
        """Write every file anew that has a row which is gone."""
        with self.in_use:
            for segments in (self.whole, self.parts):
                segments.compact(dims)
                segments.build_sketches(dims)

    def drop_orphans(self) -> None:
        """Delete files that an interrupted run left. Only under the lock."""
        pieces = (*self.whole.pieces(), *self.parts.pieces())
        known = {name for piece in pieces for name in (piece.codes, piece.sketch)}
        for pattern in ("*.codes", "*.sketch", "*.usearch", "*.partial"):  # usearch: schema 1
            for path in self._folder.glob(pattern):
                if path.name not in known:
                    with contextlib.suppress(PermissionError, IsADirectoryError):
                        path.unlink(missing_ok=True)
