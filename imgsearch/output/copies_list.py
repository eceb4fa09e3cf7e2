"""Groups of copies, for a person and for programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from imgsearch.escaping import json_text, shown
from imgsearch.output import console, machine_formats
from imgsearch.output.results_table import path_shown
from imgsearch.question import Question
from imgsearch.results import Hit, Results

if TYPE_CHECKING:
    from imgsearch.copies.groups import Duplicates, Group
    from imgsearch.index.base import Record
    from imgsearch.library import Library


def summary(found: Duplicates) -> str:
    if not found.copies:
        return f"No copies among {console.count(found.photos, 'photo')}."
    return (
        f"{told(found)}, among {console.count(found.photos, 'photo')};"
        f" {console.size(found.saved)} could be saved. Nothing was deleted."
    )


def told(found: Duplicates) -> str:
    """How many files show how few pictures: "25 files of 11 pictures, 14 more than needed"."""
    files, pictures = found.copies + len(found), console.count(len(found), "picture")
    return f"{files:,} files of {pictures}, {found.copies:,} more than needed"


def heading(group: Group) -> str:
    """Of a group: all of its files count, as in `summary`."""
    return f"{group.count:,} files, {console.size(group.saved)} could be saved"


def as_results(library: Library, group: Group) -> Results:
    hits = [_hit(library, record, rank) for rank, record in enumerate(group.photos, start=1)]
    return Results(question=Question(), hits=tuple(hits))


def _hit(library: Library, record: Record, rank: int) -> Hit:
    place = library.location(record)
    return Hit(
        rank=rank,
        score=None,
        record=record,
        raw_path=place.path,
        missing=place.missing,
        refusal=place.refusal,
    )


def print_groups(library: Library, found: Duplicates) -> None:
    """Each photo in a line, with what differs between copies: size, format, date."""
    for group in found:
        cells = [_cells(library, record) for record in group.photos]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        sys.stdout.write(f"{heading(group)}\n")
        for photo in cells:
            line = "  ".join(cell.ljust(width) for cell, width in zip(photo, widths, strict=True))
            sys.stdout.write(f"  {line.rstrip()}\n")
        sys.stdout.write("\n")


def _cells(library: Library, record: Record) -> tuple[str, ...]:
    return (
        f"{record.width} x {record.height}",
        console.size(record.size),
        shown(record.format),
        shown((record.taken_known or "")[:19].replace("T", " ")),
        path_shown(_hit(library, record, rank=1), columns=None),
    )


def print_json(library: Library, found: Duplicates) -> None:
    """One group a line: its photos as in results, the largest first, and what the others take."""
    for group in found:
        line: dict[str, Any] = {"saved_bytes": group.saved, "photos": []}
        for hit in as_results(library, group):
            told = machine_formats.as_dict(hit)
            told.pop("rank")
            told.pop("score")
            record = hit.record
            line["photos"].append({**told, "bytes": record.size, "format": record.format})
        console.write_bytes(json_text(line).encode() + b"\n")


def print_csv(library: Library, found: Duplicates) -> None:
    """One photo a line, with the number of its group, from 1, in which the largest comes first."""
    left_out = {"rank", "score", "fits", "why", "surprise"}
    fields = ("group", *(name for name in machine_formats.FIELDS if name not in left_out))
    rows = (
        {"group": number, **machine_formats.csv_values(hit)}
        for number, group in enumerate(found, start=1)
        for hit in as_results(library, group)
    )
    machine_formats.print_rows(fields, ({name: row[name] for name in fields} for row in rows))


def print_paths(library: Library, found: Duplicates, nul: bool) -> int:
    """Those besides the largest of each group. Returns how many have none that can be printed."""
    left_out = 0
    for group in found:
        results = as_results(library, group)
        others = Results(question=results.question, hits=results.hits[1:])
        left_out += sum(hit.raw_path is None for hit in others)
        left_out += machine_formats.print_paths(others, nul)
    sys.stdout.flush()
    return left_out
