"""`imgsearch` and `python -m imgsearch`."""

from __future__ import annotations


def main() -> None:
    from imgsearch.cli.app import app

    app(prog_name="imgsearch")


if __name__ == "__main__":
    main()
