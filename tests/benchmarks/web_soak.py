"""Memory of the page while it is asked without a pause, with the load of `web`. It may run on a
busy machine, where that one may not."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator

from tests.benchmarks.table import Bench, Goal, Row
from tests.benchmarks.web import Library, resident_mb

MINUTES = float(os.environ.get("IMGSEARCH_SOAK_MINUTES", "20"))


def measured(bench: Bench) -> Iterator[Row]:
    library = Library(bench)
    goal = Goal("page: memory while it is used", 600, at_least=False, unit="MB")
    until = time.monotonic() + 60 * MINUTES
    seen: list[float] = []
    with library.serving() as server:
        while time.monotonic() < until or not seen:
            library.at_once(server)
            library.thumbnails(server)
            seen.append(resident_mb(server.process.pid))
    tenth = max(1, len(seen) // 10)
    note = (
        f"{MINUTES:g} minutes, {len(seen)} rounds of 50 questions and 24 pictures; first tenth"
        f" {statistics.mean(seen[:tenth]):.0f} MB, last {statistics.mean(seen[-tenth:]):.0f} MB"
    )
    yield Row(goal, (max(seen),), note)
