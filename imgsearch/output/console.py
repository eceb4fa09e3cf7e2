"""What every command writes with: Rich for people, JSON for programs, both to stdout."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TextIO

from imgsearch.escaping import json_text, shown, shown_lines

if TYPE_CHECKING:
    from rich.console import Console

    from imgsearch.output.results_table import Page
    from imgsearch.results import Results

_TRAILING_BLANKS = re.compile(r"[ \t]+(?=\n)")
DEFAULT_COLUMNS = 80  # of a terminal that does not know
UNLIMITED = 10_000  # columns of a pipe, for Rich, which must have a number


def console() -> Console:
    """Rich on stdout, in which no text is markup."""
    from rich.console import Console

    class OurConsole(Console):
        def on_broken_pipe(self) -> None:
            raise  # the BrokenPipeError that Rich is handling: cli.error_handler ends quietly

    file: Any = sys.stdout if sys.stdout.isatty() else Trimmed(sys.stdout)
    width = columns() or UNLIMITED
    return OurConsole(file=file, width=width, highlight=False, markup=False, emoji=False)


class Trimmed:
    """stdout in a pipe, without the blanks to which Rich fills every line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding

    def write(self, text: str) -> int:
        self._stream.write(_TRAILING_BLANKS.sub("", text))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()


def print_json(value: Any) -> None:
    """JSON is UTF-8 whatever the stream's encoding is."""
    write_bytes(json_text(value, indent=2).encode() + b"\n")


def write_bytes(data: bytes) -> None:
    """Write bytes to stdout, after any text that was written before."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def print_results(results: Results, title: str | None) -> None:
    from imgsearch.output.results_table import table_lines

    page = page_of(columns())
    sys.stdout.write("".join(f"{line}\n" for line in table_lines(results, title, page)))


def page_of(columns: int | None) -> Page:
    """What results are written on: stdout."""
    from imgsearch.output import links
    from imgsearch.output.results_table import Page

    styled = is_styled()
    return Page(columns, styled, styled and links.are_known())


def columns() -> int | None:
    """The width of the terminal, or COLUMNS; None in a pipe, where lines may have any length."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    if not sys.stdout.isatty():
        return None
    with contextlib.suppress(OSError):
        return os.get_terminal_size(sys.stdout.fileno()).columns or DEFAULT_COLUMNS
    return DEFAULT_COLUMNS


def is_styled() -> bool:
    """Whether stdout is a terminal that shows colours, and its user wants them."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") in ("dumb", "unknown"):
        return False
    on_windows = sys.platform == "win32" and "WT_SESSION" not in os.environ
    return sys.stdout.isatty() and not on_windows


def print_facts(title: str, facts: Mapping[str, str], *, apart: bool = False) -> None:
    """Two columns, what and its value; `apart`: below an empty line. Lines are broken between words
    alone: a path that is longer than the terminal is wide can be copied whole."""
    from imgsearch.output.results_table import DIM, styling, title_line, width

    page = page_of(columns())
    style = styling(page.styled)
    names = {what: shown(what) for what in facts}
    widest = max(map(width, names.values()), default=0)
    room = None if page.columns is None else max(page.columns - widest - 3, 1)
    written = [""] * apart + [title_line(title, page)]
    for what, value in facts.items():
        name = style(DIM, names[what]) + " " * (widest - width(names[what]))
        for text in shown_lines(value).split("\n"):
            for line in _wrapped(text, room):
                written.append(f" {name}  {line}".rstrip())
                name = " " * widest
    sys.stdout.write("".join(f"{line}\n" for line in written))


def _wrapped(text: str, room: int | None) -> Iterator[str]:
    """Lines of so many columns; a longer word has a line of its own."""
    from imgsearch.output.results_table import width

    line = ""
    for word in [text] if room is None else text.split(" "):
        longer = f"{line} {word}" if line else word
        if line and room is not None and width(longer) > room:
            yield line
            longer = word
        line = longer
    yield line


def moment(iso: str) -> str:
    """An ISO date and time for a person: "2 hours ago (2026-11-25 20:52)". Another text stays."""
    from datetime import datetime

    from imgsearch.progress import ago

    try:
        at = datetime.fromisoformat(iso)
        return f"{ago(datetime.now().astimezone() - at)} ({at:%Y-%m-%d %H:%M})"
    except (TypeError, ValueError):  # TypeError: a time without its zone, as nobody writes it
        return iso


def size(number: float) -> str:
    """A number of bytes for people, such as "1.2 MB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(number) < 1000 or unit == "GB":
            break
        number /= 1000
    return f"{number:,.0f} {unit}" if unit == "bytes" else f"{number:,.1f} {unit}"


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
