"""How much may be going on at once, how large a request may be, and how long it may take to arrive.
Work waits for its turn; what is too much, too large or too slow is refused."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

import anyio
import anyio.to_thread
from starlette.exceptions import HTTPException

from imgsearch.dataclass import dataclass
from imgsearch.thumbnails import KEPT_BYTES

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may cost, and all of them together."""

    connections: int = 1000  # more are answered with 503
    idle_seconds: int = 20  # of a connection on which no request has arrived completely
    body_seconds: float = 120.0  # for a body to arrive
    body_bytes: int = 256 << 20
    picture_bytes: int = 64 << 20  # of one picture that is shown to the page
    thumbnail_bytes: int = KEPT_BYTES  # of all that are kept
    searches: int = 4  # at once; each holds a thread
    searches_waiting: int = 400
    comparisons_waiting: int = 20  # for copies in the whole index, one after the other
    pictures: int = 8  # at once: thumbnails, originals
    pictures_waiting: int = 800
    uploads: int = 8  # under way at once; none waits, since each holds its body


class Turns:
    """At most `at_once` calls run on threads, at most `waiting` wait for one."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._limiter = anyio.CapacityLimiter(at_once)
        self._places = Places(at_once + waiting)

    async def run(self, work: Callable[[], T]) -> T:
        """Raises HTTPException 429 when too many wait already."""
        with self._places.taken():
            return await anyio.to_thread.run_sync(work, limiter=self._limiter)


class Places:
    """A number of places, each taken by one request at a time."""

    def __init__(self, number: int) -> None:
        self._free = number

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Take a place for the time of the block. Raises HTTPException 429 where none is free."""
        if self._free < 1:
            raise HTTPException(
                429, "Too many requests at once. Try again in a moment.", {"retry-after": "1"}
            )
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
