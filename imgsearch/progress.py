"""How long work tells the outer ring where it is, without knowing tqdm, Rich or a terminal."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """`what`: the step, in words for a person; `done` of `total` in the step's own unit (bytes for
    downloads and uploads, rows for an index). `total` 0: not known."""

    def __call__(self, what: str, done: int, total: int) -> None: ...


def silent(what: str, done: int, total: int) -> None:
    """For callers that show nothing."""
