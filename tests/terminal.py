"""Runs a program on a pseudo-terminal and keeps every byte that it wrote there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Session:
    """`written`: what the program wrote. `left`: what the terminal said and the program did not
    read, so that the shell would."""

    code: int
    written: bytes
    left: bytes
    seconds: float


def in_session(
    arguments: Sequence[str | bytes | Path],
    env: dict[str, str],
    cwd: Path,
    *,
    columns: int = 120,
    lines: int = 50,
    answers: Mapping[bytes, bytes] | None = None,
    typed: bytes = b"",
) -> Session:
    """Runs a program as a shell does, on a terminal of its own, which answers what it is asked."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, ours)
        stack.callback(os.close, theirs)
        if typed:
            os.write(ours, typed)
        began = time.monotonic()
        process = subprocess.Popen(
            arguments,
            env=env,
            cwd=cwd,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        written = _converse(ours, process, answers or {})
        seconds = time.monotonic() - began
        return Session(process.wait(), written, _unread(theirs), seconds)


def _converse(ours: int, process: subprocess.Popen[bytes], answers: Mapping[bytes, bytes]) -> bytes:
    written, asked = b"", 0
    pattern = re.compile(b"|".join(map(re.escape, answers)) or b"(?!)")
    while True:
        is_over = process.poll() is not None
        ready, _, _ = select.select([ours], [], [], 0 if is_over else 0.05)
        if ready:
            written += os.read(ours, 65536)
            for question in pattern.finditer(written, asked):
                os.write(ours, answers[question[0]])
                asked = question.end()
        elif is_over:
            return written


def _unread(theirs: int) -> bytes:
    raw = termios.tcgetattr(theirs)
    raw[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(theirs, termios.TCSANOW, raw)
    os.set_blocking(theirs, False)
    try:
        return os.read(theirs, 65536)
    except BlockingIOError:
        return b""
