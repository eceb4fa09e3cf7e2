"""`--preview`: thumbnails beside the hits, where the terminal draws pictures."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

from imgsearch import paths
from imgsearch.cli.error_handler import say
from imgsearch.errors import UsageError

if TYPE_CHECKING:
    from imgsearch.cli.query_options import Preview as Mode
    from imgsearch.library import Library
    from imgsearch.output.contact_sheet import Drawing
    from imgsearch.output.terminal import Cell, Terminal
    from imgsearch.results import Results

MANY = 100  # hits; from so many on thumbnails are shown only where they are asked for


class Preview:
    """Shows hits with their thumbnails, or says that it cannot."""

    def __init__(self, wanted: Mode | None = None, *, never: bool = False) -> None:
        """`wanted`: as the user says; None: automatic. Raises UsageError."""
        if wanted is not None and never:
            raise UsageError("--preview and --no-preview exclude each other.", "Give one of them.")
        self._wanted: Mode | None = None if never else wanted or "auto"
        self._is_asked_for = wanted is not None
        self._terminal: Terminal | None = None
        self._has_said = False

    def show(self, results: Results, title: str | None, library: Library) -> bool:
        """Whether it was shown; what was asked for and cannot be is said once."""
        from imgsearch.output import console

        if self._wanted is None:
            return False
        if not self._is_asked_for and (len(results) > MANY or not console.is_styled()):
            return False
        drawing, obstacle = self._drawing()
        if drawing is None:
            if self._is_asked_for and not self._has_said:
                say(obstacle)
                self._has_said = True
            return False
        _draw(results, title, drawing, self._asked().cell, library)
        return True

    def _drawing(self) -> tuple[Drawing | None, str]:
        """How thumbnails are drawn; None where they cannot be, and why."""
        if not sys.stdout.isatty():
            return None, "Thumbnails are drawn on a terminal alone."
        if not _has_room():
            return None, "The terminal's window is too small for thumbnails."
        if self._wanted == "blocks":
            if not sys.stdout.encoding.lower().startswith("utf"):
                return None, "Half blocks need a terminal with UTF-8."
            return "blocks", ""
        protocol = self._asked().protocol if self._wanted == "auto" else self._wanted
        if protocol is None:
            return None, (
                "This terminal does not say that it draws pictures; --preview blocks draws them"
                " with characters."
            )
        return protocol, ""

    def _asked(self) -> Terminal:
        from imgsearch.output import terminal

        if self._terminal is None:
            self._terminal = terminal.PLAIN if self._wanted == "blocks" else terminal.asked()
        return self._terminal


def _draw(
    results: Results, title: str | None, drawing: Drawing, cell: Cell, library: Library
) -> None:
    from imgsearch import thumbnails
    from imgsearch.output import console, contact_sheet
    from imgsearch.results import located

    needed = contact_sheet.pixels_needed(cell)
    size = next((each for each in thumbnails.SIZES if each >= needed), thumbnails.SIZES[-1])
    with thumbnails.opened(paths.cache_dir(), library.settings.max_megapixels) as made:
        made.prepare(located(results), size)
        sheet = contact_sheet.Sheet(
            page=console.page_of(_window().columns),
            encoding=sys.stdout.encoding,
            drawing=drawing,
            cell=cell,
            thumbnail=lambda hit: made.of(hit, size),
        )
        for row in contact_sheet.drawn(results, title, sheet):
            console.write_bytes(row)


def _window() -> os.terminal_size:
    """Columns and lines of the terminal, (0, 0) where they are not known."""
    from imgsearch.output import console

    with contextlib.suppress(OSError):
        size = os.get_terminal_size(sys.stdout.fileno())
        return os.terminal_size((min(size.columns, console.columns() or 0), size.lines))
    return os.terminal_size((0, 0))


def _has_room() -> bool:
    from imgsearch.output.contact_sheet import LOWEST, NARROWEST

    window = _window()
    return window.columns >= NARROWEST and window.lines >= LOWEST
