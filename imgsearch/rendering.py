"""Results for people (Rich tables) and for programs (JSON lines, CSV, paths)."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from imgsearch import photos
from imgsearch.escaping import json_text, shown, shown_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from imgsearch.search import Result

FIELDS = (
    *("rank", "score", "id", "path", "relative_path", "name", "taken", "width", "height"),
    *("library", "missing", "path_escaped", "relative_path_escaped"),
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for one
_LINE_BREAK = re.compile(rb"[\r\n]")


def console(stderr: bool = False) -> Console:
    from rich.console import Console

    class OurConsole(Console):
        def on_broken_pipe(self) -> None:
            raise  # the BrokenPipeError that Rich is handling: cli.door ends quietly

    return OurConsole(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=stderr)


def results_table(results: Sequence[Result], title: str | None) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title and Text(shown(title)), title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("rank", justify="right", style="dim", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("name", overflow="fold", ratio=3)
    table.add_column("folder", overflow="fold", ratio=3, style="dim")
    table.add_column("date", no_wrap=True)
    for result in results:
        folder, name = _folder_and_name(result)
        text = Text(name)
        if result.missing:
            text.append(" (missing)", style="yellow")
        taken = (result.record.taken or "")[:10]
        table.add_row(
            str(result.rank), f"{result.score:.3f}", text, Text(folder), Text(shown(taken))
        )
    return table


def _raw_relative(result: Result) -> bytes:
    return photos.path_bytes(result.record.relative_path, result.record.path_escaped)


def _folder_and_name(result: Result) -> tuple[str, str]:
    folder, _, name = _raw_relative(result).rpartition(b"/")
    return shown(result.record.library.encode() + (b"/" + folder if folder else b"")), shown(name)


def as_dict(result: Result) -> dict[str, Any]:
    """One result for a program, with FIELDS as keys. Names that are not UTF-8 have percent-escaped
    bytes, and say so."""
    record = result.record
    path, path_escaped = (None, False) if result.path is None else photos.path_text(result.path)
    return {
        "rank": result.rank,
        "score": round(result.score, 6),
        "id": record.id,
        "path": path,
        "relative_path": record.relative_path,
        "name": record.relative_path.rpartition("/")[2],
        "taken": (record.taken + (record.taken_offset or "")) if record.taken else None,
        "width": record.width,
        "height": record.height,
        "library": record.library,
        "missing": result.missing,
        "path_escaped": path_escaped,
        "relative_path_escaped": record.path_escaped,
    }


def print_json_lines(results: Iterable[Result]) -> None:
    _write(b"".join(_utf8(json_text(as_dict(result))) for result in results))


def print_json(value: Any) -> None:
    _write(_utf8(json_text(value, indent=2)))


def _utf8(json: str) -> bytes:
    """JSON is UTF-8 whatever the stream's encoding is."""
    return json.encode() + b"\n"


def _write(data: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def print_csv(results: Iterable[Result]) -> None:
    """By RFC 4180, all at once. A terminal gets control characters escaped."""
    on_terminal = sys.stdout.isatty()
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, FIELDS)
    writer.writeheader()
    for result in results:
        cells = as_dict(result).items()
        writer.writerow({name: _cell(value, on_terminal) for name, value in cells})
    _write(text.getvalue().encode(sys.stdout.encoding, "backslashreplace"))


def _cell(value: Any, on_terminal: bool) -> Any:
    """A spreadsheet would calculate a text that begins like a formula: an apostrophe makes it text
    (https://owasp.org/www-community/attacks/CSV_Injection)."""
    if not isinstance(value, str):
        return value
    text = f"'{value}" if value.startswith(FORMULA) else value
    return shown(text) if on_terminal else text


def print_paths(results: Iterable[Result], nul: bool) -> tuple[int, int]:
    """Raw bytes, one path a line (or NUL-ended); on a terminal, escaped. Returns how many had no
    path on this machine, and how many were left out because a line break would split them."""
    without = split = 0
    lines = []
    escape = sys.stdout.isatty()
    for result in results:
        if result.path is None:
            without += 1
        elif escape:
            lines.append(shown(result.path).encode(sys.stdout.encoding, "backslashreplace"))
        elif nul or not _LINE_BREAK.search(result.path):
            lines.append(result.path)
        else:
            split += 1
    end = b"\0" if nul else b"\n"
    _write(b"".join(line + end for line in lines))
    return without, split


def facts_table(title: str, facts: Mapping[str, str]) -> Table:
    """Two columns: what, and its value."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", title_style="bold", box=None)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for what, value in facts.items():
        table.add_row(Text(shown(what)), Text(shown_lines(value)))
    return table


def size(number: float) -> str:
    """Bytes for a person: 1.2 MB."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(number) < 1000 or unit == "GB":
            break
        number /= 1000
    return f"{number:,.0f} {unit}" if unit == "bytes" else f"{number:,.1f} {unit}"


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
