"""Trying again: with growing pauses, until a time limit. What was tried again is logged."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from imgsearch.errors import ImgsearchError
from imgsearch.index.elasticsearch.client_exceptions import Symptom

T = TypeVar("T")

log = logging.getLogger("imgsearch.elastic")

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 20.0  # seconds
WARNED_FROM = 3  # the attempt that is worth a person's attention


class Backoff:
    """The pauses of one piece of work, for `limit` seconds from now on, or from `renew`."""

    def __init__(
        self,
        limit: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limit, self._clock, self._sleep = limit, clock, sleep
        self.renew()

    def renew(self) -> None:
        """Start the time limit anew, after a request has succeeded."""
        self._attempts, self._since = 0, self._clock()

    @property
    def spent(self) -> bool:
        return self._clock() - self._since >= self._limit

    def pause(self, what: str, why: str) -> None:
        """Wait before the next attempt: half of the time fixed, half random, so that two machines
        do not retry in step."""
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**self._attempts)
        seconds = longest / 2 + random.uniform(0, longest / 2)
        self._attempts += 1
        level = logging.WARNING if self._attempts >= WARNED_FROM else logging.INFO
        log.log(level, "%s: %s; trying again in %.1f s (%d)", what, why, seconds, self._attempts)
        self._sleep(seconds)


def with_retries(ask: Callable[[], T], limit: float) -> T:
    """What a first request returns, sent again for `limit` seconds while the server there says
    that it cannot answer yet. An address where nothing answers is told at once."""
    waiting = Backoff(limit)
    while True:
        try:
            return ask()
        except ImgsearchError as error:
            told: Symptom | None = getattr(error, "symptom", None)
            if told is None or told.kind != "http" or not told.passing or waiting.spent:
                raise
        waiting.pause("the first request", f"{told.status} {told.type}")
