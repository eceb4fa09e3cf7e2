"""Measure everything side by side, and print goal, figures and verdict:

    python -m tests.benchmarks [SECTION ...] [--repeats 3] [--scratch FOLDER] [--write]

README.md in this folder says what is compared with what, and how. `--write` puts the rows into
results.json, from which `python -m tests.readme` makes the README's table."""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.table import Bench, Row

RESULTS = Path(__file__).with_name("results.json")
SECTIONS = {  # in this order: what needs an idle machine most comes first
    "ingest": "photos into the index, beside rclip and the tutorial's loop",
    "queries": "one question in a new process",
    "upkeep": "nothing changed, memory and cost from 1,000 to 100,000",
    "web": "the page with 100,000 photos behind it",
    "web_soak": "its memory, for 20 minutes",
    "index_scale": "search at a million rows, and ten more",
    "elasticsearch_bulk": "rows into Elasticsearch beside the bare helper",
}


def cpu() -> str:
    """The processor in its maker's words."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine() -> str:
    """The machine in a line: figures of two machines cannot be compared."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{cpu()}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()}"


def figure(value: float, unit: str) -> str:
    """Three digits that count."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f} {unit}"


def show(rows: list[Row]) -> Table:
    """One line a row."""
    table = Table("what", "goal", "min", "median", "max", "verdict", "note", title=machine())
    for row in rows:
        unit = row.goal.unit
        low, median, high = min(row.values), row.median, max(row.values)
        table.add_row(
            row.goal.what,
            str(row.goal),
            figure(low, unit),
            figure(median, unit),
            figure(high, unit),
            "holds" if row.holds else "[bold]MISSED[/]",
            row.note,
        )
    return table


def merged(rows: list[Row]) -> list[dict[str, Any]]:
    """The rows of earlier runs on this machine, with these in their places."""
    known: dict[str, dict[str, Any]] = {}
    if RESULTS.exists():
        before = json.loads(RESULTS.read_text("utf-8"))
        if before["machine"] == machine():
            known = {row["goal"]["what"]: row for row in before["rows"]}
    return list((known | {row.goal.what: row.plain() for row in rows}).values())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], default=[])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--scratch", type=Path, default=Path.home() / ".cache" / "imgsearch-benchmarks"
    )
    parser.add_argument("--write", action="store_true", help="keep the rows in results.json")
    options = parser.parse_args()
    progress = Console(stderr=True)
    bench = Bench(options.scratch.resolve(), options.repeats, progress.print)
    rows: list[Row] = []
    for name in options.sections or SECTIONS:
        progress.rule(f"{name}: {SECTIONS[name]}")
        module = importlib.import_module(f"tests.benchmarks.{name}")
        for row in module.measured(bench):
            rows.append(row)
            progress.print(f"{row.goal.what}: {figure(row.median, row.goal.unit)} ({row.goal})")
    Console(width=None if sys.stdout.isatty() else 160).print(show(rows))
    if options.write:
        today = datetime.date.today().isoformat()
        found = {"machine": machine(), "date": today, "rows": merged(rows)}
        text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
        RESULTS.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
