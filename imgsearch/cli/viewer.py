"""Opens pictures with the program that the system has for them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence

PROGRAM = {"darwin": "open", "win32": "Windows"}.get(sys.platform, "xdg-open")
PATIENCE = 2.0  # seconds; xdg-open says by then that it has found nothing


def open_files(paths: Sequence[bytes]) -> int:
    """How many were opened, as far as the system says so: a viewer that still runs counts."""
    if sys.platform == "win32":
        return sum(map(_start_on_windows, paths))
    started = [process for path in paths if (process := _start(path)) is not None]
    until = time.monotonic() + PATIENCE
    return sum(_succeeded(process, until) for process in started)


def _start_on_windows(path: bytes) -> bool:
    try:
        os.startfile(os.fsdecode(path))  # type: ignore[attr-defined,unused-ignore] # there alone
    except OSError:
        return False
    return True


def _start(path: bytes) -> subprocess.Popen[bytes] | None:
    """In a session of its own, so that Ctrl-C here does not close it; silent."""
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
