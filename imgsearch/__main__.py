"""`imgsearch` and `python -m imgsearch`."""

from __future__ import annotations

import gc


def main() -> None:
    # Looking for garbage takes a third of a query's time: while modules are imported, which leave
    # none, and at the end, when the system takes all memory back anyway. `cli.common` enables it
    # again for commands that work for long.
    gc.disable()
    try:
        from imgsearch.cli import streams

        streams.prepare()
        from imgsearch.cli.main import app

        app(prog_name="imgsearch")
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()
