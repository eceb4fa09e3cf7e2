"""An iterator that runs ahead of its reader, on a thread of its own, by a bounded distance."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

T = TypeVar("T")


class _End:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(items: Iterable[T], distance: int) -> Generator[T, None, None]:
    """The same items in the same order; an exception of theirs is raised where it stood. Close it
    (`contextlib.closing`) to stop the thread early."""
    ready: queue.Queue[T | _End] = queue.Queue(distance)
    stopped = threading.Event()

    def put(item: T | _End) -> None:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def run() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    break
        except BaseException as raised:  # noqa: BLE001 - raised again in the reader's thread
            error = raised
        put(_End(error))

    thread = threading.Thread(target=run, name="imgsearch-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stopped.set()
        thread.join()
