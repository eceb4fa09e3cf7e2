"""How long work tells the outer ring where it is, without knowing tqdm, Rich or a terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Protocol

from imgsearch.dataclass import dataclass


class Progress(Protocol):
    """`what`: the step, in words for a person; `done` of `total` in the step's own unit (bytes for
    downloads and uploads, rows for an index). `total` 0: not known."""

    def __call__(self, what: str, done: int, total: int) -> None: ...


def silent(what: str, done: int, total: int) -> None:
    """A `Progress` that shows nothing."""


def ago(age: timedelta) -> str:
    """How long ago, in one unit: "20 seconds ago", "3 days ago". Never in the future, whatever
    another machine's clock says."""
    seconds = max(int(age.total_seconds()), 0)
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            number = seconds // length
            return f"{number:,} {unit}{'' if number == 1 else 's'} ago"
    return "just now" if seconds < 2 else f"{seconds} seconds ago"


@contextlib.contextmanager
def silently() -> Iterator[Progress]:
    yield silent


def _nobody(line: str) -> None:
    pass


def _never(said: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Talk:
    """How long work speaks with a person. `tell` gets a line for them. `model_progress` is entered
    while a model is set up (steps in bytes), `photo_progress` while photos are taken in (steps in
    photos or rows). `may_fetch` is asked before a model is fetched that only an index names,
    `may_remove` before the photos of a whole folder are removed."""

    tell: Callable[[str], None] = _nobody
    model_progress: Callable[[], contextlib.AbstractContextManager[Progress]] = silently
    photo_progress: Callable[[], contextlib.AbstractContextManager[Progress]] = silently
    may_fetch: Callable[[str], bool] = _never
    may_remove: Callable[[str], bool] = _never


SILENT = Talk()
