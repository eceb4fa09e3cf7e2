"""Hearing of changes in a folder from the system, by watchfiles.

watchfiles rather than watchdog: both watch 10,000 folders in 0.24 s, and watchdog lost the events
that followed; that it tells of renamed files is of no use here, where bytes are compared. Both
watch every folder, excluded ones too. Events can be lost (a full queue, a name that is not UTF-8, a
disk of another machine), so whoever watches also looks through everything now and then."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imgsearch.index.local.filesystems import on_network
from imgsearch.watching.pending import Pending

_LIMIT = Path("/proc/sys/fs/inotify/max_user_watches")
ENOUGH = 524_288  # folders: half a gigabyte of kernel memory at most
_GROUPED, _STEP, _TIMEOUT = 500, 50, 500  # ms
_BETWEEN = 1.0  # seconds until it is tried again after a failure
_MODIFIED = 2  # watchfiles.Change


class Unwatchable(Exception):
    """The reason, and what can be done about it ("" for nothing), in words for a person."""

    def __init__(self, reason: str, cure: str = "") -> None:
        super().__init__(reason)
        self.reason, self.cure = reason, cure


class Observer:
    """Adds what changes below `folder` to `pending`, but for paths that are `ignored`, until it is
    closed."""

    def __init__(self, folder: Path, pending: Pending, ignored: Callable[[str], bool]) -> None:
        """Raises Unwatchable, and FileNotFoundError where there is no such folder."""
        self._folder, self._pending, self._ignored = folder, pending, ignored
        self._closed = threading.Event()
        if on_network(folder):
            raise Unwatchable("it lies on a network share, which does not tell of all changes")
        self._watched = _watched(folder)
        self._thread = threading.Thread(target=self._listen, name="imgsearch-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._thread.join(2.0)
        self._watched.close()

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                changes = self._watched.watch(_GROUPED, _STEP, _TIMEOUT, self._closed)
            except (RuntimeError, OSError):  # a name that is not UTF-8: it is of no use now
                self._closed.wait(_BETWEEN)
                self._begin_again()
                continue
            if isinstance(changes, set):
                for kind, path in changes:
                    if not self._ignored(path) and not (kind == _MODIFIED and os.path.isdir(path)):
                        self._pending.add(path)

    def _begin_again(self) -> None:
        self._watched.close()
        try:
            self._watched = _watched(self._folder)
        except (Unwatchable, OSError):  # who watches notices that the folder is away
            self._closed.set()
        self._pending.add_all()


def _watched(folder: Path) -> Any:
    """watchfiles' object. Raises Unwatchable, FileNotFoundError."""
    from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

    def begin(ignore_permission_denied: bool) -> RustNotify:
        return RustNotify([os.fspath(folder)], False, False, 300, True, ignore_permission_denied)

    try:
        try:
            return begin(False)
        except PermissionError:  # without the folders in it that nobody may read; a limit that is
            return begin(True)  # reached is not noticed then
    except FileNotFoundError:
        raise
    except (OSError, WatchfilesRustInternalError) as error:
        raise _reason(error) from None
    except UnicodeEncodeError:
        raise Unwatchable("its path is not UTF-8") from None


def _reason(error: Exception) -> Unwatchable:
    said = str(error)
    if sys.platform == "linux" and "watch limit" in said:
        try:
            limit = f" of {int(_LIMIT.read_text()):,}"
        except (OSError, ValueError):
            limit = ""
        return Unwatchable(
            f"the limit{limit} watched folders is reached",
            f"Raise it: sudo sysctl fs.inotify.max_user_watches={ENOUGH}",
        )
    if sys.platform == "linux" and "Too many open files" in said:
        return Unwatchable(
            "the limit of watching programs is reached",
            "Raise it: sudo sysctl fs.inotify.max_user_instances=1024",
        )
    return Unwatchable(f"the system says: {said}")
