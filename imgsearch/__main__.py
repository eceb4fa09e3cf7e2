"""`imgsearch` and `python -m imgsearch`."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading


def main() -> None:
    # Looking for garbage takes a third of a query's time: while modules are imported, which leave
    # none, and at the end, when the system takes all memory back anyway. `cli.program` enables it
    # again for commands that work for long.
    gc.disable()
    try:
        from imgsearch.cli import streams

        streams.prepare()
        from imgsearch.cli.main import app

        app(prog_name="imgsearch")
    finally:
        gc.freeze()


def run() -> None:
    """`main` as a process of its own, which ends without taking the interpreter apart: that takes
    17 of a query's 220 ms, and the system takes everything back anyway."""
    try:
        main()
    except SystemExit as ended:
        code = ended.code or 0
        waits = any(not each.daemon for each in threading.enumerate()[1:])
        if waits or not isinstance(code, int):
            raise
        atexit._run_exitfuncs()
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            raise ended from None
        os._exit(code)


if __name__ == "__main__":
    run()
