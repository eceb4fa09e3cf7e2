from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from imgsearch.lookahead import ahead


def test_items_come_in_order() -> None:
    assert list(ahead(range(1000), 10)) == list(range(1000))


def test_an_error_is_raised_where_it_stood() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("no disk")

    running = ahead(items(), 5)
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

    with closing(ahead(items(), 4)) as running:
        assert next(running) == 0
        assert enough.wait(10), "it did not run ahead"
        assert len(made) <= 7  # one given, four ready, one waiting for room, one being made


def test_closing_early_ends_the_thread() -> None:
    before = threading.active_count()
    running = ahead(iter(int, 1), 3)
    next(running)
    running.close()
    assert threading.active_count() == before
