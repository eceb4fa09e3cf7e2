"""Pictures over the network: thumbnails and originals, by a photo's id alone, never by a path."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from imgsearch import regular_files
from imgsearch.index.base import Part
from imgsearch.photos import film_formats
from imgsearch.photos.formats import HEAD_BYTES
from imgsearch.question import read_box
from imgsearch.roots import locations
from imgsearch.thumbnails import CONTENT_TYPE, SIZES

if TYPE_CHECKING:
    from starlette.requests import Request

    from imgsearch.index.base import Record
    from imgsearch.library import Library
    from imgsearch.web.context import Context

# of originals, told by what imgsearch found the file to be, never by its name
_TYPES = {
    "JPEG": "image/jpeg",
    "MPO": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "BMP": "image/bmp",
    "AVIF": "image/avif",
    "HEIF": "image/heic",
    "JPEG2000": "image/jp2",
}
_NUMBER = re.compile("[1-9][0-9]{0,6}")
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,3})?")
_FOREVER = "private, max-age=31536000, immutable"
_ASK_AGAIN = "private, no-cache"


async def thumbnail(request: Request) -> Response:
    """`/thumbnail/ID?size=240`: WebP; with `&box=10,20,300,200`, a frame around that part; with
    `&page=7`, that page; with `&moment=83.2`, a film at that second. 404 where there is no such
    photo here, 410 where its file is gone or cannot be read."""
    context: Context = request.app.state.context
    size = _size(request.query_params.get("size", "480"))
    id = request.path_params["id"]
    record, path = await context.ask(lambda library: located(library, id))
    part = _part(request.query_params)
    data = await context.media_turns.run(lambda: _made(context, record, path, size, part))
    headers = {"cache-control": _FOREVER if "v" in request.query_params else _ASK_AGAIN}
    return Response(data, media_type=CONTENT_TYPE, headers=headers)


def _size(text: str) -> int:
    try:
        wanted = int(text)
    except ValueError:
        wanted = 0
    if wanted < 1:
        raise HTTPException(400, "A size is a number of pixels.")
    return next((size for size in SIZES if size >= wanted), SIZES[-1])


def _part(asked: Mapping[str, str]) -> Part | None:
    """Of a photo, which is to be shown: the first that is asked for. Raises HTTPException 400 where
    one cannot be read."""
    parts = [read(asked[name]) for name, read in _PARTS.items() if name in asked]
    return parts[0] if parts else None


def _page(text: str) -> Part:
    if _NUMBER.fullmatch(text) is None:
        raise HTTPException(400, "A page is a number from 1.")
    return Part("page", (int(text),))


def _frame(text: str) -> Part:
    if _SECONDS.fullmatch(text) is None:
        raise HTTPException(400, "A moment is a number of seconds from the film's start.")
    return Part("frame", (round(1000 * float(text)),))


def _region(text: str) -> Part:
    try:
        return Part("region", read_box(text))
    except ValueError:
        raise HTTPException(400, "A box is four numbers: left,top,width,height.") from None


_PARTS: Mapping[str, Callable[[str], Part]] = {"page": _page, "moment": _frame, "box": _region}


def _made(
    context: Context, record: Record, path: bytes, size: int, part: Part | None = None
) -> bytes:
    from imgsearch.photos.decode import Undecodable

    try:
        return context.thumbnails.get(record, path, size, part)
    except (OSError, Undecodable):
        raise HTTPException(410, "The photo's file is gone, or cannot be read.") from None


async def original(request: Request) -> Response:
    """The file itself, as a download."""
    context: Context = request.app.state.context
    id = request.path_params["id"]
    record, path = await context.ask(lambda library: located(library, id))
    if not await context.media_turns.run(lambda: locations.may_be_opened(path)):
        raise HTTPException(410, "The photo's file is gone, or is no picture any more.")
    name = PurePosixPath(record.relative_path).name
    headers = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "cache-control": _ASK_AGAIN,
    }
    known = _TYPES | film_formats.CONTENT_TYPES
    media_type = known.get(record.format, "application/octet-stream")
    return FileResponse(os.fsdecode(path), media_type=media_type, headers=headers)


async def film(request: Request) -> Response:
    """`/film/ID`: a film to be played, or the range of its bytes that is asked for. 404 where there
    is no such film here, 410 where its file is none any more."""
    context: Context = request.app.state.context
    id = request.path_params["id"]
    _, path = await context.ask(lambda library: located(library, id))
    format = await context.media_turns.run(lambda: _format_of_film(path))
    if format is None:
        raise HTTPException(410, "The film's file is gone, or is no film.")
    headers = {"cache-control": _ASK_AGAIN}
    media_type = film_formats.CONTENT_TYPES[format]
    return FileResponse(os.fsdecode(path), media_type=media_type, headers=headers)


def _format_of_film(path: bytes) -> str | None:
    """By its content; None for what is no film, or cannot be read."""
    try:
        head = regular_files.read(path, follow_links=True, limit=HEAD_BYTES)
    except OSError:
        return None
    return film_formats.format_of(head, os.fsdecode(path))


async def uploaded(request: Request) -> Response:
    """`/upload/NAME`: a picture that was shown to the page."""
    context: Context = request.app.state.context
    file = context.uploads.file(request.path_params["name"])
    return FileResponse(file, media_type=CONTENT_TYPE, headers={"cache-control": _FOREVER})


def located(library: Library, id: str) -> tuple[Record, bytes]:
    """A photo of the index and its file on this machine. 404 where there is no such photo, and
    where its file is not known here or would lie outside its library."""
    record = library.record(id)
    path = None if record is None else library.location(record).path
    if record is None or path is None:
        raise HTTPException(404, "There is no such photo here.")
    return record, path
