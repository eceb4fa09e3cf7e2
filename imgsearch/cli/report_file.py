"""`ingest --report FILE`: what became of each file, written while the ingest goes on."""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from imgsearch import photos
from imgsearch.errors import UsageError
from imgsearch.escaping import json_text, shown
from imgsearch.output import cures
from imgsearch.output.machine_formats import csv_cell

if TYPE_CHECKING:
    from imgsearch.ingest.events import Event
    from imgsearch.ingest.result import Result

FIELDS = ("status", "path", "old_path", "reason", "detail", "path_escaped", "old_path_escaped")
ENDINGS = (".csv", ".json")


class _Csv:
    """A row each, and no summary."""

    def __init__(self, file: TextIO) -> None:
        self._rows = csv.writer(file)
        self._rows.writerow(FIELDS)

    def __call__(self, event: Event) -> None:
        self._rows.writerow([csv_cell(value) for value in as_dict(event).values()])

    def close(self, result: Result | None) -> None:
        """Nothing is left to be written."""


class _Json:
    """{"files": [...], "complete": whether the ingest came to its end, "summary": as `--json`,
    without the skipped files, or null}."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._before = file, "\n"
        file.write('{"files": [')

    def __call__(self, event: Event) -> None:
        self._file.write(f"{self._before}{json_text(as_dict(event))}")
        self._before = ",\n"
        self._file.flush()

    def close(self, result: Result | None) -> None:
        from imgsearch.ingest.run import report_of

        summary = None if result is None else report_of(result)
        if summary is not None:
            del summary["skipped"]
        end = json_text({"complete": result is not None, "summary": summary})
        self._file.write(f"\n],\n{end[1:]}\n")


Report = _Csv | _Json


def as_dict(event: Event) -> dict[str, Any]:
    """With FIELDS as keys. Names that are not UTF-8 have percent-escaped bytes, and say so."""
    path, escaped = photos.path_text(os.fsencode(event.path))
    old_path, old_escaped = photos.path_text(os.fsencode(event.old_path))
    detail = cures.shown(event.detail)
    said = (event.kind, path, old_path, event.reason, detail, escaped, old_escaped)
    return dict(zip(FIELDS, said, strict=True))


def check(name: str | None) -> None:
    """Raises UsageError where the ending does not say how to write it."""
    if name is not None and Path(name).suffix.lower() not in ENDINGS:
        raise UsageError(
            f"--report {shown(name)}: the ending decides how it is written.",
            "Name a file that ends in .csv or .json.",
        )


class Written:
    """A report while it is written; `result` is set when the ingest has come to its end."""

    result: Result | None = None

    def __init__(self, report: Report | None) -> None:
        self.event = report


def _new_file(name: str) -> TextIO:
    """Written line by line. Raises OSError."""
    return open(name, "w", 1, encoding="utf-8", errors="backslashreplace", newline="")


@contextlib.contextmanager
def opened(name: str | None) -> Iterator[Written]:
    """A file that `check` has let through, made anew; None: nothing is reported. Each row is in it
    at once: a kill costs JSON its closing brackets, and CSV nothing. Raises UsageError."""
    if name is None:
        yield Written(None)
        return
    try:
        file = _new_file(name)
    except OSError as error:
        raise UsageError(
            f"--report {shown(name)} cannot be written: {error.strerror or error}.",
            "Name a file in a folder that you may write to.",
        ) from None
    with file:
        report = (_Csv if Path(name).suffix.lower() == ".csv" else _Json)(file)
        written = Written(report)
        try:
            yield written
        finally:
            report.close(written.result)
