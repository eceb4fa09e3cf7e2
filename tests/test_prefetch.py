from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from imgsearch.ingest.prefetch import Ahead


def test_items_come_in_order() -> None:
    assert list(Ahead(range(1000), 10)) == list(range(1000))


def test_an_error_is_raised_where_it_stood() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("no disk")

    running = Ahead(items(), 5)
    assert next(running) == 1
    with pytest.raises(OSError, match="no disk"):
        next(running)


def test_it_runs_ahead_by_no_more_than_the_distance() -> None:
    made = []
    enough = threading.Event()

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            if number == 5:
                enough.set()
            yield number

    with closing(Ahead(items(), 4)) as running:
        assert next(running) == 0
        assert enough.wait(10), "it did not run ahead"
        assert len(made) <= 7  # one given, four ready, one waiting for room, one being made


def test_closing_early_ends_the_thread() -> None:
    before = threading.active_count()
    running = Ahead(iter(int, 1), 3)
    next(running)
    running.close()
    assert threading.active_count() == before


def test_each_item_goes_to_one_of_several_readers() -> None:
    shared = Ahead(range(1000), 10)
    with ThreadPoolExecutor(4) as pool:
        found = [future.result() for future in [pool.submit(list, shared) for _ in range(4)]]
    assert sorted(item for items in found for item in items) == list(range(1000))


def test_closing_ends_readers_and_those_that_wait_for_the_source() -> None:
    """As when a disk does not answer, and the user has given up."""
    stuck = threading.Event()

    def items() -> Iterator[int]:
        stuck.wait(20)
        yield 1

    source = Ahead(items(), 3)
    doubled = Ahead((2 * item for item in source), 3, source=source)
    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(list, doubled)
        begun = time.monotonic()
        doubled.close()
        assert reader.result(10) == []
    assert time.monotonic() - begun < 10
    stuck.set()
