"""Other programs, timed from outside as a user's clock would."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


class Failed(Exception):
    """A program that is measured ended with an error; what it said is the message."""


def timed(
    command: Sequence[str | Path], *, cwd: Path, environment: Mapping[str, str]
) -> tuple[float, str]:
    """Seconds from start to end of a new process, and its stdout. Raises Failed."""
    words = [os.fspath(word) for word in command]
    begun = time.perf_counter()
    done = subprocess.run(
        words,
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - begun
    if done.returncode:
        said = (done.stdout + done.stderr)[-3000:]
        raise Failed(f"{' '.join(words[:4])} … ended with {done.returncode}:\n{said}")
    return seconds, done.stdout
