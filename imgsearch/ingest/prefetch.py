"""An iterator that runs ahead of its readers, on a thread of its own, by a bounded distance."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_POLL = 0.1  # seconds: how soon a waiting thread sees that it was closed
_FAREWELL = 1.0  # seconds: a thread that waits for a disk for longer is left to itself


class _End:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Ahead(Iterator[T], Generic[T]):
    """The same items in the same order, to one thread or to several, each item to one of them; an
    exception of theirs is raised where it stood. `close` stops the thread early, and ends it for
    readers that wait. `source`: what the items are made from, if it is closed with this."""

    def __init__(self, items: Iterable[T], distance: int, source: Ahead[Any] | None = None) -> None:
        self._source = source
        self._ready: queue.Queue[T | _End] = queue.Queue(distance)
        self._closed = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(items,), name="imgsearch-ahead", daemon=True
        )
        self._thread.start()

    def _run(self, items: Iterable[T]) -> None:
        error: BaseException | None = None
        try:
            for item in items:
                self._put(item)
                if self._closed.is_set():
                    break
        except BaseException as raised:  # noqa: BLE001 - raised again in a reader's thread
            error = raised
        self._put(_End(error))

    def _put(self, item: T | _End) -> None:
        while not self._closed.is_set():
            try:
                self._ready.put(item, timeout=_POLL)
                return
            except queue.Full:
                continue

    def __next__(self) -> T:
        while not self._closed.is_set():
            try:
                item = self._ready.get(timeout=_POLL)
            except queue.Empty:
                continue
            if not isinstance(item, _End):
                return item
            self._ready.put(_End(None))  # for the next reader: there is room where this one was
            if item.error is not None:
                raise item.error
            break
        raise StopIteration

    def close(self) -> None:
        if self._source is not None:
            self._source.close()
        self._closed.set()
        self._thread.join(_FAREWELL)
