"""One row of the table: a goal, what was measured of it, and whether it holds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

# What a goal is of. "machine": a ratio to what this machine can do at all, measured in the same
# minute (the bare pipeline, the roofline, a bare walk), so that it holds on any processor. "peer":
# a ratio to another program, which falls where the forward pass, that both need, takes most of the
# time. "figure": seconds, bytes or a share of this machine alone
Kind = Literal["machine", "peer", "figure"]


@dataclass(frozen=True)
class Goal:
    """`what` in words; the median has to be at least (or at most) `bound`."""

    what: str
    bound: float
    at_least: bool
    unit: str = "x"  # "x" for a ratio of paired runs, or "s", "ms", "KB", "MB", "files/s"
    peer: bool = False  # a ratio to another program

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:,g} {self.unit}".rstrip()

    @property
    def kind(self) -> Kind:
        if self.unit != "x":
            return "figure"
        return "peer" if self.peer else "machine"


@dataclass(frozen=True)
class Row:
    """One value a repetition. `note`: the figures behind a ratio, or where the limit is."""

    goal: Goal
    values: tuple[float, ...]
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def holds(self) -> bool:
        goal = self.goal
        return self.median >= goal.bound if goal.at_least else self.median <= goal.bound

    def plain(self) -> dict[str, Any]:
        """For results.json."""
        return asdict(self)

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Row:
        """What `plain` was made of."""
        return cls(Goal(**plain["goal"]), tuple(plain["values"]), plain["note"])


@dataclass(frozen=True)
class Bench:
    """What every section is given. `scratch` is kept between runs: photos, exports, other tools."""

    scratch: Path
    repeats: int
    say: Callable[[str], None]  # progress, to stderr

    def folder(self, name: str) -> Path:
        """A folder under `scratch`, made."""
        folder = self.scratch / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


Section = Callable[[Bench], Iterator[Row]]
Taken = TypeVar("Taken")


def in_turns(ways: Sequence[Callable[[], Taken]], repeats: int) -> list[tuple[Taken, ...]]:
    """Every way once per repetition, in an order that turns round each time: one tuple per way,
    so that values of the same place were taken side by side."""
    taken: list[list[Taken]] = [[] for _ in ways]
    for turn in range(repeats):
        order = range(len(ways)) if turn % 2 == 0 else reversed(range(len(ways)))
        for number in order:
            taken[number].append(ways[number]())
    return [tuple(values) for values in taken]
