"""Watching: the loop that waits for changes, and ingests them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.dataclass import dataclass
from imgsearch.errors import IndexLocked, IndexUnavailable, PhotoError
from imgsearch.escaping import shown
from imgsearch.ingest.run import run_jobs
from imgsearch.watching.observer import Observer, Unwatchable
from imgsearch.watching.pending import Pending
from imgsearch.watching.targets import Target, is_ignored, jobs, targets

if TYPE_CHECKING:
    from imgsearch.ingest.options import Options
    from imgsearch.ingest.result import Result
    from imgsearch.library import Library
    from imgsearch.models.base import ImageEncoder

COUNTS = ("added", "updated", "renamed", "described", "missing")
KEPT_OPEN = 60.0  # seconds without work, after which the index is closed
UNWATCHED = 300.0  # seconds between looks at what cannot be watched, at most
RETRY, LONGEST_RETRY = 5.0, 300.0  # seconds


@dataclass(frozen=True, slots=True)
class Times:
    """In seconds. `settle`: without a change, before it is ingested; `rescan`: between two looks
    through everything."""

    settle: float = 2.0
    rescan: float = 3600.0

    @property
    def tick(self) -> float:
        return min(0.5, self.settle / 4)


class _Later(Exception):
    """The index is not to be had now."""


@dataclass(slots=True)
class _State:
    """Of a watched folder. `identity`: of the folder that is observed, None while it is away."""

    pending: Pending
    next_look: float = 0.0
    identity: tuple[int, int] | None = None
    observer: Observer | None = None
    unwatchable: str = ""  # why; said once
    away: bool = False  # said
    left: tuple[int, int] = (0, 0)  # missing and skipped ones when all was looked through

    def stop_observing(self) -> None:
        if self.observer is not None:
            self.observer.close()
        self.observer = None


class Watch:
    """`open_library` makes the index where there is none. `folders`: which; none: all libraries of
    this machine, also those that come later. `say` gets a line for the log. `index_folder`: of a
    local index."""

    def __init__(
        self,
        open_library: Callable[[], Library],
        folders: Sequence[str],
        options: Options,
        times: Times,
        say: Callable[[str], None],
        index_folder: Path | None = None,
    ) -> None:
        self._open_library, self._folders, self._options = open_library, folders, options
        self._times, self._say, self._index_folder = times, say, index_folder
        self._states: dict[Target, _State] = {}
        self._library: Library | None = None
        self._used = 0.0  # when the library was
        self._loaded: tuple[object, ImageEncoder] | None = None  # the library's model, once closed
        self._not_before, self._retry = 0.0, RETRY
        self._trouble: type[Exception] | None = None  # that was said

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set. Raises what no waiting mends: UsageError, PhotoError (no such
        folder), ModelError, IndexDamaged, and Interrupted where Ctrl-C comes while something is
        ingested."""
        try:
            while not self._begin():
                if stop.wait(self._times.settle):
                    return
            while not stop.wait(self._times.tick):
                self._step()
        finally:
            self._let_go()
            for state in self._states.values():
                state.stop_observing()

    def _begin(self) -> bool:
        """Ingests folders that are new to the index. False: it is not to be had yet."""
        if time.monotonic() < self._not_before:
            return False
        with suppress(_Later), self._using(to_write=bool(self._folders)) as library:
            self._find_targets(library)
            new = [t for t in self._states if library.roots.get(t.library) != t.root]
            if new:
                began = time.perf_counter()
                result = library.ingest([target.folder for target in new], self._options)
                for target in new:  # what is left is said now, and not by the next look
                    self._states[target].left = result.missing, len(result.skipped)
                self._report(", ".join(t.library for t in new), result, began)
            folders = ", ".join(shown(target.folder) for target in self._states)
            self._say(f"Watching {folders}.")
            return True
        return False

    def _find_targets(self, library: Library) -> None:
        found = targets(
            self._folders, library.roots, library.index, self._options.exclude, self._say
        )
        for target in found:
            if target not in self._states:
                self._states[target] = _State(Pending(self._times.settle))
        for target in set(self._states).difference(found):
            self._states.pop(target).stop_observing()

    def _step(self) -> None:
        now = time.monotonic()
        for target, state in self._states.items():
            self._look_after(target, state)
        if now < self._not_before:
            return
        due = [state for state in self._states.values() if now >= state.next_look]
        if due and not self._folders:
            self._let_go()  # the libraries of this machine are read when it is opened
            with suppress(_Later), self._using() as library:
                self._find_targets(library)  # libraries that were ingested meanwhile
        for state in due:
            state.pending.add_all()
            state.next_look = now + self._between(state)
        for target, state in list(self._states.items()):
            if state.identity is not None and time.monotonic() >= self._not_before:
                self._take(target, state)
        if now - self._used > KEPT_OPEN:
            self._let_go()

    def _between(self, state: _State) -> float:
        watched = state.observer is not None
        return self._times.rescan if watched else min(self._times.rescan, UNWATCHED)

    # -- folders that come and go

    def _look_after(self, target: Target, state: _State) -> None:
        """Notices that the folder, or another disk in its place, has come or gone."""
        identity = target.identity
        if identity is None and not state.away:
            state.away = True
            self._say(
                f"{shown(target.folder)} is not within reach, or empty: is a disk not mounted?"
                f" Nothing of library {target.library!r} is removed."
            )
        if identity == state.identity:
            return
        state.stop_observing()
        state.identity = identity
        state.pending.clear()
        if identity is None:
            return
        if state.away:
            state.away = False
            self._say(f"{shown(target.folder)} is there again.")
        self._observe(target, state)
        state.pending.add_all()  # what changed before

    def _observe(self, target: Target, state: _State) -> None:
        ignored = is_ignored(target, self._index_folder)
        reason = cure = ""
        try:
            state.observer = Observer(target.folder, state.pending, ignored)
        except FileNotFoundError:  # gone again: noticed with the next step
            state.identity = None
        except Unwatchable as error:
            reason, cure = error.reason, error.cure
        state.next_look = time.monotonic() + self._between(state)
        if reason and reason != state.unwatchable:
            every = self._between(state) / 60
            self._say(
                f"{shown(target.folder)} cannot be watched: {reason}. It is looked through every"
                f" {every:g} minutes instead. {cure}".rstrip()
            )
        state.unwatchable = reason

    # -- ingesting

    def _take(self, target: Target, state: _State) -> None:
        changed = state.pending.take()
        if changed is not None and not changed:
            return
        began = time.perf_counter()
        try:
            with self._using(to_write=True) as library:
                wanted = jobs(target, changed, library.roots, library.index)
                result = run_jobs(library, wanted, self._options)
        except (_Later, PhotoError):  # the second: emptied meanwhile, which the next step notices
            state.pending.put_back(changed)
            return
        left = result.missing, len(result.skipped)
        if changed is None and left == state.left:  # said before
            result.missing, result.skipped = 0, []
        state.left = left if changed is None else state.left
        self._report(target.library, result, began)

    def _report(self, libraries: str, result: Result, began: float) -> None:
        counts = {name: getattr(result, name) for name in COUNTS} | {"skipped": len(result.skipped)}
        told = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
        if told:
            self._say(f"{shown(libraries)}: {told} ({time.perf_counter() - began:.1f} s)")

    @contextmanager
    def _using(self, *, to_write: bool = False) -> Iterator[Library]:
        """The index, which stays open for a while. Raises _Later where it is not to be had now:
        said once, and tried again."""
        try:
            if self._library is None:
                self._library = self._open_library()
                self._library.models.loaded = self._loaded
            with self._library.locked() if to_write else nullcontext():
                yield self._library
        except (IndexLocked, IndexUnavailable) as error:
            self._let_go()
            if type(error) is not self._trouble:
                self._say(f"{error.message} It is tried again.")
            self._trouble = type(error)
            self._not_before = time.monotonic() + self._retry
            if not isinstance(error, IndexLocked):
                self._retry = min(2 * self._retry, LONGEST_RETRY)
            raise _Later from None
        self._trouble, self._retry, self._used = None, RETRY, time.monotonic()

    def _let_go(self) -> None:
        if self._library is not None:
            self._loaded = self._library.models.loaded
            self._library.close()
        self._library = None
