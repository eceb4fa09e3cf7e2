"""What was measured, by machine: each has its own rows in results.json, and they stand side by side
in the tables."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.table import Row

RESULTS = Path(__file__).with_name("results.json")


@dataclass(frozen=True)
class Measured:
    """On one machine. `date`: of the last run. `rows`: by what they measure."""

    machine: str
    date: str
    rows: Mapping[str, Row]


def machine() -> str:
    """This machine in a line: seconds of two machines cannot be compared."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{_cpu()}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()}"


def _cpu() -> str:
    """The processor in its maker's words."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def read(path: Path = RESULTS) -> list[Measured]:
    if not path.exists():
        return []
    return [
        Measured(
            each["machine"],
            each["date"],
            {row.goal.what: row for row in map(Row.of, each["rows"])},
        )
        for each in json.loads(path.read_text("utf-8"))
    ]


def write(everything: Iterable[Measured], path: Path = RESULTS) -> None:
    plain = [
        {
            "machine": each.machine,
            "date": each.date,
            "rows": [row.plain() for row in each.rows.values()],
        }
        for each in everything
    ]
    path.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", "utf-8")


def merged(
    known: Sequence[Measured], machine: str, date: str, rows: Iterable[Row]
) -> list[Measured]:
    """`rows` in their places among those of this machine; all others as they are."""
    before = next((each.rows for each in known if each.machine == machine), {})
    now = Measured(machine, date, {**before, **{row.goal.what: row for row in rows}})
    others = {each.machine: each for each in known}
    return list((others | {machine: now}).values())


def worse(known: Sequence[Measured], what: str) -> float:
    """The median of the machine on which it is farther from its goal: what may be promised."""
    rows = [each.rows[what] for each in known if what in each.rows]
    medians = [row.median for row in rows]
    return min(medians) if rows[0].goal.at_least else max(medians)
