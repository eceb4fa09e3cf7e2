"""Measure everything side by side, and print goal, figures and verdict:

    python -m tests.benchmarks [SECTION ...] [--repeats 3] [--scratch FOLDER] [--write]

README.md in this folder says what is compared with what, and how. `--write` puts the rows among
those of this machine in results.json, from which `python -m tests.readme` makes the guide's
table."""

from __future__ import annotations

import argparse
import datetime
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.benchmarks import results
from tests.benchmarks.table import Bench, Row

SECTIONS = {  # in this order: what needs an idle machine most comes first
    "ingest": "photos into the index, beside rclip and the tutorial's loop",
    "int8": "the forward pass in int8, and what it finds",
    "queries": "one question in a new process",
    "upkeep": "nothing changed, memory and cost from 1,000 to 100,000",
    "web": "the page with 100,000 photos behind it",
    "web_soak": "its memory, for 20 minutes",
    "index_scale": "search at a million rows, and ten more",
    "parts": "photos with parts, and search among two million of them",
    "elasticsearch_bulk": "rows into Elasticsearch beside the bare helper",
}


def figure(value: float, unit: str) -> str:
    """Three digits that count."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f} {unit}"


def show(rows: list[Row], elsewhere: Sequence[results.Measured]) -> Table:
    """One line a row; behind it, what other machines measured."""
    table = Table("what", "goal", "of", "min", "median", "max", "verdict", "note")
    table.title = results.machine()
    for each in elsewhere:
        table.add_column(each.machine)
    for row in rows:
        unit = row.goal.unit
        low, median, high = min(row.values), row.median, max(row.values)
        table.add_row(
            row.goal.what,
            str(row.goal),
            row.goal.kind,
            figure(low, unit),
            figure(median, unit),
            figure(high, unit),
            "holds" if row.holds else "[bold]MISSED[/]",
            row.note,
            *(measured(each.rows.get(row.goal.what)) for each in elsewhere),
        )
    return table


def measured(row: Row | None) -> str:
    """What one machine measured, in a cell; nothing where it did not measure it."""
    if row is None:
        return ""
    low, median, high = (
        figure(value, row.goal.unit) for value in (min(row.values), row.median, max(row.values))
    )
    between = f" ({low} to {high})" if len(row.values) > 1 else ""
    return f"{median}{between}{'' if row.holds else ' missed'}"


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
    known, here = results.read(), results.machine()
    elsewhere = [each for each in known if each.machine != here]
    Console(width=None if sys.stdout.isatty() else 160).print(show(rows, elsewhere))
    if options.write:
        today = datetime.date.today().isoformat()
        results.write(results.merged(known, here, today, rows))


if __name__ == "__main__":
    main()
