"""Runs a program on a pseudo-terminal and keeps every byte that it wrote there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Sequence
from pathlib import Path


def on_terminal(
    arguments: Sequence[str | bytes | Path],
    env: dict[str, str],
    cwd: Path,
    *,
    columns: int = 120,
    typed: bytes = b"",
) -> tuple[int, bytes]:
    """Exit code, and what stdout and stderr wrote to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, ours)
        process = subprocess.Popen(
            arguments, env=env, cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        if typed:
            os.write(ours, typed)
        return _read(ours, process)


def _read(ours: int, process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    written = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says so when the other end is closed
            part = b""
        if not part:
            return process.wait(timeout=60), written
        written += part
