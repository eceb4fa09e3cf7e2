"""Work on all cores at once: the scans leave Python's lock alone."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from imgsearch import cpu_and_memory

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

Item = TypeVar("Item")
Result = TypeVar("Result")


def at_once(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """In the order of the items. Whoever is free takes the next one, this thread too: the others
    take a tenth of a millisecond to wake up, and of two tasks put into a pool one after the other,
    one thread of it often did both while the other slept."""
    if len(items) < 2:
        return [work(item) for item in items]
    results: dict[int, Result] = {}
    left = deque(enumerate(items))

    def some() -> None:
        while left:
            try:
                number, item = left.popleft()
            except IndexError:  # another thread has taken the last
                return
            results[number] = work(item)

    helpers = [_threads().submit(some) for _ in range(min(_cores(), len(items)) - 1)]
    some()
    for helper in helpers:
        helper.result()
    return [results[number] for number in range(len(items))]


@functools.cache
def _threads() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(_cores(), thread_name_prefix="index")


@functools.cache
def _cores() -> int:
    """As this process began: to ask costs as much as a tenth of a search."""
    return cpu_and_memory.cores()
