"""Paths that have changed, until they have come to rest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

MOST = 10_000  # paths; more are one look through the whole folder
LONGEST = 15  # times `settle`: a folder that is never quiet gives up what is


class Pending:
    """Those of one folder, from any thread. `settle`: seconds without a change after which a path
    is taken, so that a file that is still being written is not."""

    def __init__(self, settle: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._settle, self._clock = settle, clock
        self._lock = threading.Lock()
        self._changed: dict[str, float] = {}  # path: when it changed last
        self._since = 0.0  # when the oldest of them changed first
        self._last = 0.0
        self._all = False  # the whole folder is to be looked through

    def add(self, path: str) -> None:
        with self._lock:
            self._note_time()
            if self._all:
                return
            self._changed[path] = self._last
            if len(self._changed) > MOST:
                self._all, self._changed = True, {}

    def add_all(self) -> None:
        with self._lock:
            self._note_time()
            self._all, self._changed = True, {}

    def _note_time(self) -> None:
        self._last = self._clock()
        if not self._changed and not self._all:
            self._since = self._last

    def take(self) -> set[str] | None:
        """Paths that have come to rest (none: an empty set); None for the whole folder."""
        with self._lock:
            now = self._clock()
            quiet = now - self._last >= self._settle
            if not quiet and now - self._since < LONGEST * self._settle:
                return set()
            if self._all:
                self._all = False
                return None
            taken = {path for path, at in self._changed.items() if now - at >= self._settle}
            for path in taken:
                del self._changed[path]
            return taken

    def put_back(self, taken: set[str] | None) -> None:
        """What was taken and could not be ingested."""
        if taken is None:
            self.add_all()
        for path in taken or ():
            self.add(path)

    def clear(self) -> None:
        with self._lock:
            self._all, self._changed = False, {}

    def __len__(self) -> int:
        return len(self._changed)
