"""What the page's handlers work with: the library, opened when it is first needed, and limits."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from imgsearch.dataclass import dataclass
from imgsearch.errors import ImgsearchError, IndexError_
from imgsearch.thumbnails import Thumbnails
from imgsearch.web.duplicates import Comparisons
from imgsearch.web.limits import Limits, Places, Turns
from imgsearch.web.security import Policy
from imgsearch.web.uploads import Uploads

if TYPE_CHECKING:
    from imgsearch.doctor.findings import Finding
    from imgsearch.library import Library

T = TypeVar("T")
_COMPARED_AT_ONCE = 1  # indexes: a million photos take half a GB
_DECODED_AT_ONCE = 2  # uploads, each of which is in memory then
FAILURE_SECONDS = 2.0  # in which an index that could not be opened is not tried again


@dataclass(slots=True)
class _Opened:
    """`users`: calls that work with it now; it is closed after the last one, once `retired`."""

    library: Library
    users: int = 0
    retired: bool = False


class Libraries:
    """The library while it works. After an error of the index it is opened anew, so that a page
    whose cluster was away, or whose index was made later, recovers by itself."""

    def __init__(self, open_library: Callable[[], Library]) -> None:
        self._open = open_library
        self._now: _Opened | None = None
        self._failed: tuple[float, ImgsearchError] | None = None
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def using(self) -> Iterator[Library]:
        """The open library, which knows where other processes have found its folders since. Raises
        ImgsearchError where it cannot be opened."""
        with self._lock:
            opened = self._now = self._now or self._opened_now()
            opened.users += 1
        try:
            opened.library.roots.refresh()
            yield opened.library
        except IndexError_:
            self._retire(opened)
            raise
        finally:
            with self._lock:
                opened.users -= 1
                is_over = opened.retired and not opened.users
            if is_over:
                _close(opened.library)

    def _opened_now(self) -> _Opened:
        """Many requests at once share one failure: a cluster that is away is waited for once."""
        if self._failed is not None and time.monotonic() - self._failed[0] < FAILURE_SECONDS:
            error = self._failed[1]
            raise type(error)(error.message, error.cure, error.action)
        try:
            opened = _Opened(self._open())
        except ImgsearchError as error:
            self._failed = (time.monotonic(), error)
            raise
        self._failed = None
        return opened

    def _retire(self, opened: _Opened) -> None:
        with self._lock:
            opened.retired = True
            if self._now is opened:
                self._now = None

    def close(self) -> None:
        """Close the library, as soon as no call works with it."""
        with self._lock:
            opened, self._now = self._now, None
            if opened is None:
                return
            opened.retired = True
            in_use = opened.users > 0
        if not in_use:
            _close(opened.library)


def _close(library: Library) -> None:
    with contextlib.suppress(ImgsearchError):
        library.close()


@dataclass(slots=True, kw_only=True)
class Context:
    """`local`: the browser runs on this machine, so that it may ask for its file manager.
    `report_bug` writes a report of an exception that nobody expected, and returns a sentence.
    `examine`: what `imgsearch doctor` finds."""

    libraries: Libraries
    policy: Policy
    limits: Limits
    thumbnails: Thumbnails
    uploads: Uploads
    local: bool
    report_bug: Callable[[Exception], str]
    examine: Callable[[], Iterable[Finding]]
    comparisons: Comparisons = field(init=False)
    turns: Turns = field(init=False)
    comparing_turns: Turns = field(init=False)
    media_turns: Turns = field(init=False)
    upload_turns: Turns = field(init=False)
    upload_places: Places = field(init=False)

    def __post_init__(self) -> None:
        limits = self.limits
        self.turns = Turns(limits.searches, limits.searches_waiting)
        self.comparisons = Comparisons()
        self.comparing_turns = Turns(_COMPARED_AT_ONCE, limits.comparisons_waiting)
        self.media_turns = Turns(limits.pictures, limits.pictures_waiting)
        self.upload_turns = Turns(_DECODED_AT_ONCE, limits.uploads)
        self.upload_places = Places(limits.uploads)

    async def ask(self, work: Callable[[Library], T], turns: Turns | None = None) -> T:
        """What `work` returns, on a thread, when it is its turn (None: among searches). Raises
        ImgsearchError, HTTPException."""

        def with_library() -> T:
            with self.libraries.using() as library:
                return work(library)

        return await (turns or self.turns).run(with_library)

    def close(self) -> None:
        self.thumbnails.close()
        self.libraries.close()


def made(
    open_library: Callable[[], Library],
    policy: Policy,
    cache: Path,
    max_megapixels: float,
    *,
    local: bool,
    report_bug: Callable[[Exception], str],
    examine: Callable[[], Iterable[Finding]] = tuple,
    limits: Limits | None = None,
) -> Context:
    """`cache`: the folder in which thumbnails and uploads are kept."""
    limits = limits or Limits()
    return Context(
        libraries=Libraries(open_library),
        policy=policy,
        limits=limits,
        thumbnails=Thumbnails(cache / "thumbnails", max_megapixels, limits.thumbnail_bytes),
        uploads=Uploads(cache / "uploads", max_megapixels),
        local=local,
        report_bug=report_bug,
        examine=examine,
    )
