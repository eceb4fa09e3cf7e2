"""Search results for programs: JSON lines, CSV, paths."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from imgsearch import photos
from imgsearch.escaping import json_text, shown
from imgsearch.output.console import write_bytes

if TYPE_CHECKING:
    from imgsearch.results import Hit, Results

FIELDS = (
    *("rank", "score", "id", "path", "relative_path", "name", "taken", "width", "height"),
    *("library", "missing", "path_escaped", "relative_path_escaped", "fits", "why", "surprise"),
    *("copies", "title", "caption", "tags", "rating", "country", "city", "latitude", "longitude"),
    *("camera", "lens", "format", "bytes", "box", "page", "line", "moment", "taken_precision"),
)
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for one
_LINE_BREAK = re.compile(rb"[\r\n]")


def as_dict(hit: Hit) -> dict[str, Any]:
    """One hit for a program, with FIELDS as keys. Names that are not UTF-8 have percent-escaped
    bytes, and say so."""
    record = hit.record
    path, path_escaped = (None, False) if hit.raw_path is None else photos.path_text(hit.raw_path)
    return {
        "rank": hit.rank,
        "score": None if hit.score is None else round(hit.score, 6),
        "id": record.id,
        "path": path,
        "relative_path": record.relative_path,
        "name": record.relative_path.rpartition("/")[2],
        "taken": (record.taken + (record.taken_offset or "")) if record.taken else None,
        "width": record.width,
        "height": record.height,
        "library": record.library,
        "missing": hit.missing,
        "path_escaped": path_escaped,
        "relative_path_escaped": record.path_escaped,
        "fits": hit.fits,
        "why": list(hit.why),
        "surprise": None if hit.surprise is None else round(hit.surprise, 4),
        "copies": hit.copies,
        "title": record.title,
        "caption": record.caption,
        "tags": list(record.tags),
        "rating": record.rating,
        "country": record.country,
        "city": record.city,
        "latitude": record.latitude,
        "longitude": record.longitude,
        "camera": record.camera,
        "lens": record.lens,
        "format": record.format,
        "bytes": record.size,
        "box": None if hit.box is None else list(hit.box),
        "page": hit.page,
        "line": hit.line,
        "moment": hit.moment,
        "taken_precision": record.taken_precision,
    }


def print_json_lines(results: Results, asked: str | None = None) -> None:
    """`asked`: the question, where it is one of several."""
    about = {} if asked is None else {"question": asked}
    lines = (json_text({**about, **as_dict(hit)}) for hit in results)
    write_bytes(b"".join(line.encode() + b"\n" for line in lines))


def print_csv(results: Results, asked: str | None = None, *, header: bool = True) -> None:
    """`asked`: the question, where it is one of several."""
    about = {} if asked is None else {"question": asked}
    rows = ({**about, **csv_values(hit)} for hit in results)
    print_rows((*about, *FIELDS), rows, header=header)


def print_rows(
    fields: Sequence[str], rows: Iterable[Mapping[str, Any]], *, header: bool = True
) -> None:
    """As CSV by RFC 4180, all at once; several values of one field with "; " between. A terminal
    gets control characters escaped."""
    on_terminal = sys.stdout.isatty()
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fields)
    if header:
        writer.writeheader()
    for row in rows:
        writer.writerow({name: csv_cell(value, on_terminal) for name, value in row.items()})
    write_bytes(text.getvalue().encode(sys.stdout.encoding, "backslashreplace"))


def csv_values(hit: Hit) -> dict[str, Any]:
    """As in JSON, but for a date of which less than a second is known: that much of it."""
    record, values = hit.record, as_dict(hit)
    return values if record.taken_known == record.taken else {**values, "taken": record.taken_known}


def csv_cell(value: Any, on_terminal: bool = False) -> Any:
    """A spreadsheet would calculate a text that begins like a formula: an apostrophe makes it text
    (https://owasp.org/www-community/attacks/CSV_Injection). Yes and no are written as in JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        value = "; ".join(map(str, value))
    if not isinstance(value, str):
        return value
    text = f"'{value}" if value.startswith(FORMULA) else value
    return shown(text) if on_terminal else text


def print_paths(results: Results, nul: bool) -> int:
    """Raw bytes of those that are there, one path a line (or NUL-ended); on a terminal, escaped.
    Returns how many were left out because a line break would split them."""
    split = 0
    lines = []
    escape = sys.stdout.isatty()
    for hit in results:
        if hit.raw_path is None or hit.missing:
            continue
        if escape:
            lines.append(shown(hit.raw_path).encode(sys.stdout.encoding, "backslashreplace"))
        elif nul or not _LINE_BREAK.search(hit.raw_path):
            lines.append(hit.raw_path)
        else:
            split += 1
    end = b"\0" if nul else b"\n"
    write_bytes(b"".join(line + end for line in lines))
    return split
