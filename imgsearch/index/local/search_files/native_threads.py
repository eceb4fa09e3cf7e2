"""Work on all cores at once: the scans leave Python's lock alone."""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from imgsearch import cpu_and_memory

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST = 8  # threads: further ones would start when the work is nearly done


def at_once(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """In the order of the items. Whoever is free takes the next one, this thread too. The others
    are started anew each time, in a twentieth of a millisecond: a pool of them would take two to be
    imported, which is what the first search of a process saves by them."""
    results: dict[int, Result] = {}
    failures: list[BaseException] = []
    left = deque(enumerate(items))

    def some() -> None:
        while left:
            try:
                number, item = left.popleft()
            except IndexError:  # another thread has taken the last
                return
            results[number] = work(item)

    def help_out() -> None:
        try:
            some()
        except BaseException as failure:  # noqa: BLE001 - raised again by the thread that asked
            failures.append(failure)

    count = min(_cores(), len(items), _MOST) - 1
    helpers = [threading.Thread(target=help_out, name="index") for _ in range(count)]
    for helper in helpers:
        helper.start()
    try:
        some()
    finally:
        for helper in helpers:
            helper.join()
    if failures:
        raise failures[0]
    return [results[number] for number in range(len(items))]


@functools.cache
def _cores() -> int:
    """As this process began: to ask costs as much as a tenth of a search."""
    return cpu_and_memory.cores()
