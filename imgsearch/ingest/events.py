"""What an ingest says of each file while it goes on: `Options.report`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Literal

from imgsearch.dataclass import dataclass
from imgsearch.photos import Skip

Kind = Literal[
    "added",
    "updated",
    "renamed",
    "described",
    "looked_through",
    "unchanged",
    "removed",
    "excluded",
    "missing",
    "skipped",
]


@dataclass(frozen=True, slots=True)
class Event:
    """What became of one file. `path`: absolute, as `os.fsdecode` gives it, so that any name
    survives. `old_path`: where a renamed photo was. `reason`, `detail`: why one was skipped."""

    kind: Kind
    path: str
    old_path: str = ""
    reason: str = ""
    detail: str = ""


class Teller:
    """Passes events on, one at a time, from whichever thread they come. Unchanged files are not
    worth one."""

    def __init__(self, report: Callable[[Event], None] | None) -> None:
        self._report = report
        self._lock = threading.Lock()

    def __call__(self, events: Iterable[Event]) -> None:
        if self._report is None:
            return
        with self._lock:
            for event in events:
                if event.kind != "unchanged":
                    self._report(event)

    def skipped(self, skips: Iterable[Skip]) -> None:
        self(Event("skipped", skip.path, "", skip.reason.value, skip.detail) for skip in skips)


SILENT = Teller(None)
