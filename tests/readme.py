"""Writes what the program itself knows into the README: the commands' help, what can go wrong with
a cluster, and how fast it was when last measured. `python -m tests.readme`"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from tests.benchmarks.__main__ import RESULTS, figure
from tests.benchmarks.table import Row
from tests.command import SCRIPT

README = Path(__file__).parent.parent / "README.md"


def _help(*words: str) -> str:
    return subprocess.run(
        [os.fspath(SCRIPT), *words, "--help"],
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "COLUMNS": "88", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def generated(readme: str) -> str:
    """The README as it should be now."""
    readme = _between(readme, "<!-- help begins -->", "<!-- help ends -->", _commands())
    readme = _between(readme, "<!-- speed begins -->", "<!-- speed ends -->", _speed())
    return _between(readme, "<!-- troubles begin -->", "<!-- troubles end -->", _troubles())


def _between(readme: str, begin: str, end: str, text: str) -> str:
    section = re.compile(rf"({begin}\n).*?({end})", re.DOTALL)
    return section.sub(lambda match: f"{match[1]}\n{text}\n{match[2]}", readme)


def _troubles() -> str:
    from imgsearch.index.elasticsearch import errors as troubles
    from imgsearch.index.elasticsearch.text_model import errors

    lines = ["| what you see | what to do |", "|---|---|"]
    for seen, cure in (*troubles.rows(), *errors.rows()):
        cells = (cell.replace("|", "\\|").replace("<", "&lt;") for cell in (seen, cure))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _speed() -> str:
    measured = json.loads(RESULTS.read_text("utf-8"))
    lines = [
        f"On {measured['machine']}, {measured['date']}:\n",
        "| what | goal | measured: median (minimum to maximum) | |",
        "|---|---|---|---|",
    ]
    for row in map(Row.of, measured["rows"]):
        figures = (min(row.values), row.median, max(row.values))
        low, median, high = (figure(value, row.goal.unit) for value in figures)
        seen = f"{median} ({low} to {high})" if len(row.values) > 1 else median
        cells = (row.goal.what, str(row.goal), seen, "" if row.holds else "**missed**")
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _commands() -> str:
    overview = _help()
    commands = re.findall(
        r"^  ([a-z-]+)  ", overview.partition("Commands:")[2].partition("\n\n")[0], re.MULTILINE
    )
    blocks = [f"```text\n{overview}\n```\n"]
    for name in commands:
        blocks.append(f"<details><summary><code>imgsearch {name}</code></summary>\n")
        blocks.append(f"```text\n{_help(name)}\n```\n\n</details>\n")
    return "\n".join(blocks)


if __name__ == "__main__":
    README.write_text(generated(README.read_text("utf-8")), "utf-8")
