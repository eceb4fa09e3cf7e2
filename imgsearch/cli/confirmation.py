"""Questions that a person answers with yes or no."""

from __future__ import annotations

import sys


def confirmed(question: str) -> bool:
    """Whether the answer on stdin is yes; an empty line is no, and so is Ctrl-D on a terminal.
    Raises UsageError where stdin ends without an answer, as in cron."""
    from imgsearch.errors import UsageError

    while True:
        sys.stderr.write(f"{question} [y/N]: ")
        sys.stderr.flush()
        try:
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            sys.stderr.write("\n")
            raise
        answer = line.strip().lower()
        if answer in ("y", "yes"):
            return True
        if answer in ("n", "no") or (line and not answer):
            return False
        if not line:
            sys.stderr.write("\n")
            if sys.stdin.isatty():
                return False
            raise UsageError(
                "There is no terminal to answer on.", "To go on without the question: --yes"
            )
