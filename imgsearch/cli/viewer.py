"""Opens pictures and pages with the programs that the system has for them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PROGRAM = {"darwin": "open", "win32": "Windows"}.get(sys.platform, "xdg-open")
WAIT = 2.0  # seconds; xdg-open says by then that it has found nothing


def open_files(paths: Sequence[bytes]) -> int:
    """How many were opened, as far as the system says so: a viewer that still runs counts."""
    if sys.platform == "win32":
        return sum(map(_start_on_windows, paths))
    started = [process for path in paths if (process := _start(path)) is not None]
    until = time.monotonic() + WAIT
    return sum(_succeeded(process, until) for process in started)


def open_in_browser(page: Path) -> bool:
    """Whether a browser was found for an HTML file, as far as the system says so."""
    if not _has_a_screen():
        return False
    if "BROWSER" not in os.environ and (sys.platform == "win32" or shutil.which(PROGRAM)):
        return bool(open_files([os.fsencode(page)]))
    import webbrowser

    return webbrowser.open(page.absolute().as_uri())


def _has_a_screen() -> bool:
    """Whether a graphical browser can be expected. Without a screen Python would start a text
    browser, which shows no pictures, unless the user has chosen one."""
    if sys.platform in ("darwin", "win32"):
        return True
    named = ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME", "BROWSER")
    return any(os.environ.get(name) for name in named)


def _start_on_windows(path: bytes) -> bool:
    try:
        os.startfile(os.fsdecode(path))  # type: ignore[attr-defined,unused-ignore] # there alone
    except OSError:
        return False
    return True


def _start(path: bytes) -> subprocess.Popen[bytes] | None:
    """Start a viewer in a session of its own, without output, so that Ctrl-C here does not close
    it."""
    try:
        return subprocess.Popen(
            [PROGRAM, path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return None


def _succeeded(process: subprocess.Popen[bytes], until: float) -> bool:
    try:
        return process.wait(max(until - time.monotonic(), 0.01)) == 0
    except subprocess.TimeoutExpired:
        return True
