"""A selection to take along: paths, CSV, JSON, a ZIP of the originals, or a gallery to send."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from starlette.responses import Response, StreamingResponse

from imgsearch import photos, regular_files
from imgsearch.errors import UsageError
from imgsearch.escaping import json_text
from imgsearch.output import gallery
from imgsearch.output.machine_formats import csv_cell
from imgsearch.results import Hit
from imgsearch.roots import locations

if TYPE_CHECKING:
    from imgsearch.index.base import Record
    from imgsearch.library import Library
    from imgsearch.thumbnails import Thumbnails

KINDS = {
    "paths": "Paths",
    "csv": "CSV",
    "json": "JSON",
    "zip": "ZIP of the originals",
    "gallery": "Gallery",
}
_CHUNK = 1 << 20
_FIELDS = (
    "id",
    "path",
    "library",
    "relative_path",
    "taken",
    "taken_precision",
    "width",
    "height",
    "camera",
)

Selected = Sequence[tuple["Record", "bytes | None"]]


def response(library: Library, ids: Sequence[str], kind: str, thumbnails: Thumbnails) -> Response:
    """A file to save. Ids that the index does not have are passed over. Raises UsageError for a
    kind that does not exist."""
    if kind not in KINDS:
        raise UsageError("There is no such export.", f"Choose one of {', '.join(KINDS)}.")
    records = library.index.records(ids)
    records = {id: records[id] for id in ids if id in records}  # in this order
    selected = [(record, library.location(record).path) for record in records.values()]
    if kind == "gallery":
        hits = [_hit(library, n, records[id]) for n, id in enumerate(records, start=1)]
        pieces = gallery.html([gallery.Section(title="Photos", hits=hits)], thumbnails)
        return _download(StreamingResponse(pieces, media_type="text/html; charset=utf-8"), "html")
    if kind == "zip":
        return _download(StreamingResponse(_zip(selected), media_type="application/zip"), "zip")
    if kind == "paths":
        return _download(Response(_paths(selected), media_type="text/plain; charset=utf-8"), "txt")
    if kind == "csv":
        return _download(Response(_csv(selected), media_type="text/csv; charset=utf-8"), "csv")
    rows = json_text([_row(*each) for each in selected], indent=1)
    return _download(Response(rows, media_type="application/json"), "json")


def _hit(library: Library, rank: int, record: Record) -> Hit:
    found = library.location(record)
    return Hit(
        rank=rank,
        score=None,
        record=record,
        raw_path=found.path,
        missing=found.missing,
        refusal=found.refusal,
    )


def _download(answer: Response, ending: str) -> Response:
    answer.headers["content-disposition"] = f'attachment; filename="photos.{ending}"'
    answer.headers["cache-control"] = "private, no-store"
    return answer


def _paths(selected: Selected) -> bytes:
    """The selected paths, one a line, without those that a line break would split."""
    paths = [path for _, path in selected if path and b"\n" not in path and b"\r" not in path]
    return b"".join(path + b"\n" for path in paths)


def _row(record: Record, path: bytes | None) -> dict[str, object]:
    values = {name: getattr(record, name) for name in _FIELDS if name != "path"}
    return {"id": record.id, "path": photos.path_text(path)[0] if path else None} | values


def _csv(selected: Selected) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(_FIELDS)
    for each in selected:
        row = _row(*each) | {"taken": each[0].taken_known}
        writer.writerow([csv_cell(row[name]) for name in _FIELDS])
    return out.getvalue()


def _zip(selected: Selected) -> Iterator[bytes]:
    """A ZIP of the originals, not compressed, since pictures are already. At most one chunk of a
    file is in memory."""
    out = _Sink()
    names: set[str] = set()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for record, path in selected:
            if path is None or not locations.may_be_opened(path):
                continue
            entry = zipfile.ZipInfo(_free_name(record, names))
            with (
                regular_files.opened(path, follow_links=True) as file,
                archive.open(entry, "w", force_zip64=True) as target,
            ):
                while data := file.read(_CHUNK):
                    target.write(data)
                    yield out.taken()
    yield out.taken()


def _free_name(record: Record, taken: set[str]) -> str:
    """The file's name, numbered where two photos have the same."""
    path = PurePosixPath(PurePosixPath(record.relative_path).name)
    name, number = str(path), 1
    while name.casefold() in taken:
        number += 1
        name = f"{path.stem} ({number}){path.suffix}"
    taken.add(name.casefold())
    return name


class _Sink(io.RawIOBase):
    """What a ZipFile writes, taken away piece by piece; it cannot be sought."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:  # bytes-like
        piece = bytes(data)  # type: ignore[call-overload] # bytes-like
        self._pieces.append(piece)
        return len(piece)

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
