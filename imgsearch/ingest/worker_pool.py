"""Threads in named groups, and one that leads them: it hands out tasks and goes on with what comes
back, in whichever order, and never waits for one task in particular."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")


class WorkerPool:
    """`sizes`: threads by group. `busy`: tasks of a group whose result was not yet gone on with."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._groups = {
            name: ThreadPoolExecutor(size, thread_name_prefix=f"imgsearch-{name}")
            for name, size in sizes.items()
        }
        self.busy = dict.fromkeys(sizes, 0)
        self._done: queue.SimpleQueue[tuple[str, Future[Any], Callable[[Any], None]]]
        self._done = queue.SimpleQueue()

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Cancel tasks that were not started, and wait for those that were."""
        for group in self._groups.values():
            group.shutdown(wait=False, cancel_futures=True)
        for group in self._groups.values():
            group.shutdown(wait=True)

    def give(
        self, group: str, then: Callable[[T], None], task: Callable[..., T], *arguments: Any
    ) -> None:
        """Queue a task for a group of threads. `then` gets its result, on the thread that leads."""
        self.busy[group] += 1
        future = self._groups[group].submit(task, *arguments)
        future.add_done_callback(lambda future: self._done.put((group, future, then)))

    def go_on(self, seconds: float) -> bool:
        """Goes on with one result; False: none came in so many seconds. Raises what a task did."""
        try:
            group, future, then = self._done.get(timeout=seconds)
        except queue.Empty:
            return False
        self.busy[group] -= 1
        then(future.result())
        return True
