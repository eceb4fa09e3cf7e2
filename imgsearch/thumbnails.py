"""Small pictures of photos, made when they are first asked for and kept in the cache folder."""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch import paths
from imgsearch.dataclass import dataclass
from imgsearch.photos import film_formats

if TYPE_CHECKING:
    from PIL.Image import Image

    from imgsearch.index.base import Part, Record
    from imgsearch.photos.formats import Source
    from imgsearch.question import Box
    from imgsearch.results import Hit

SIZES = (240, 480, 1280, 2560)  # pixels of the longer side at most
GRID = 480  # of photos beside each other
KEPT_BYTES = 2_000_000_000
CONTENT_TYPE = "image/webp"
_QUALITY = {240: 78, 480: 80, 1280: 84, 2560: 86}
_ROOM_MADE = 0.9  # of the limit that stays when it was reached
_MAKERS = 2  # threads for what a browser waits for
_AHEAD_AT_MOST = 200  # that are made or wait, before none is made ahead


@dataclass(frozen=True, slots=True)
class _Wanted:
    record: Record
    path: bytes
    size: int
    part: Part | None = None  # a page or a film's frame; None: the whole photo's picture


class Thumbnails:
    """WebP files by content and size in `folder`, of at most `limit` bytes together: those that
    were not asked for the longest leave first. May be used from several threads."""

    def __init__(self, folder: Path, max_megapixels: float, limit: int) -> None:
        self._folder, self._limit, self._max_megapixels = folder, limit, max_megapixels
        self._makers = ThreadPoolExecutor(_MAKERS, thread_name_prefix="imgsearch-thumbnails")
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="imgsearch-thumbnails-ahead")
        self._making: dict[Path, Future[bytes]] = {}
        self._lock = threading.RLock()  # a cancelled future calls `_made` while it is held
        self._total: int | None = None  # bytes of all; None: not counted yet

    def get(self, record: Record, path: bytes, size: int, part: Part | None = None) -> bytes:
        """WebP bytes of the picture at `path`, its longer side `size` pixels or less. `part`: a
        region gets a frame around it, a page or a film's frame is shown itself. Raises
        imgsearch.photos.decode.Undecodable, OSError."""
        box = None if part is None else part.box
        data = self._whole(_Wanted(record, path, size, part if box is None else None))
        return data if box is None else framed(data, record, box)

    def _whole(self, wanted: _Wanted) -> bytes:
        kept = self._file(wanted)
        with contextlib.suppress(OSError):
            data = kept.read_bytes()
            os.utime(kept)
            return data
        return self._submit(wanted, self._makers).result()

    def of(self, hit: Hit, size: int) -> bytes | None:
        """A hit's thumbnail as WebP bytes, with the part that was found as `get` shows it; None
        where its file is not here or cannot be read."""
        from imgsearch.photos.decode import Undecodable

        if hit.raw_path is None or hit.missing:
            return None
        try:
            return self.get(hit.record, hit.raw_path, size, hit.part)
        except (OSError, Undecodable):
            return None

    def keep(self, content_hash: str, image: Image, longer: int, source: Source) -> None:
        """Makes the one of a grid from a picture that is decoded anyway. `image` may be reduced too
        far for it: then `source`, a path or a file's bytes, is decoded again. `longer`: pixels of
        the longer side as it is in the file. What cannot be made now is made when it is asked
        for."""
        from imgsearch.photos.decode import Undecodable

        kept = self._named(content_hash, GRID)
        if kept.exists():
            return
        with contextlib.suppress(OSError, Undecodable):
            if max(image.size) >= min(longer, GRID):
                self._keep(kept, encoded(image, GRID))
            else:
                self._keep(kept, made(source, GRID, self._max_megapixels))

    def prepare(self, photos: Iterable[tuple[Record, bytes]], size: int) -> None:
        """Makes those that are missing in the background, while few are waited for; none of films,
        of which it matters at which moment."""
        for record, path in photos:
            if len(self._making) >= _AHEAD_AT_MOST:
                return
            if record.format in film_formats.FORMATS:
                continue
            wanted = _Wanted(record, path, size)
            if not self._file(wanted).exists():
                self._submit(wanted, self._ahead)

    def close(self) -> None:
        for makers in (self._makers, self._ahead):
            makers.shutdown(wait=False, cancel_futures=True)

    def _submit(self, wanted: _Wanted, makers: ThreadPoolExecutor) -> Future[bytes]:
        """Queue the making of a thumbnail. Those that are waited for come before those that are
        made ahead."""
        kept = self._file(wanted)
        with self._lock:
            running = self._making.get(kept)
            if running is not None and (makers is self._ahead or not running.cancel()):
                return running
            submitted = makers.submit(self._make, wanted, kept)
            self._making[kept] = submitted
        submitted.add_done_callback(lambda done: self._made(kept, done))
        return submitted

    def _made(self, kept: Path, done: Future[bytes]) -> None:
        with self._lock:
            if self._making.get(kept) is done:
                del self._making[kept]

    def _make(self, wanted: _Wanted, kept: Path) -> bytes:
        data = made(os.fsdecode(wanted.path), wanted.size, self._max_megapixels, wanted.part)
        with contextlib.suppress(OSError):  # a full disk: it is made again the next time
            self._keep(kept, data)
        return data

    def _keep(self, kept: Path, data: bytes) -> None:
        paths.private_folder(kept.parent)
        partial = kept.with_suffix(f".{os.getpid()}-{threading.get_ident()}.partial")
        partial.write_bytes(data)
        partial.replace(kept)
        with self._lock:
            if self._total is not None:
                self._total += len(data)
            is_full = self._total is None or self._total > self._limit
        if is_full:
            self._make_room()

    def _make_room(self) -> None:
        kept = sorted(self._kept())
        total = sum(size for _, size, _ in kept)
        for _, size, file in kept:
            if total <= self._limit * _ROOM_MADE:
                break
            with contextlib.suppress(OSError):
                file.unlink()
                total -= size
        with self._lock:
            self._total = total

    def _kept(self) -> list[tuple[float, int, Path]]:
        """(seconds of last use, bytes, file) of each, those too that an end cut short."""
        found = []
        for file in self._folder.glob("*/*"):
            with contextlib.suppress(OSError):
                status = file.stat()
                found.append((status.st_mtime, status.st_size, file))
        return found

    def _file(self, wanted: _Wanted) -> Path:
        """Named by what the picture is, never by what its file is called."""
        record = wanted.record
        what = record.content_hash or f"{record.id} {record.mtime_ns} {record.size}"
        if wanted.part is not None:
            kind = "" if wanted.part.kind == "page" else f"{wanted.part.kind} "
            what += f" {kind}{wanted.part.place[0]}"
        return self._named(what, wanted.size)

    def _named(self, what: str, size: int) -> Path:
        name = hashlib.sha256(what.encode("utf-8", "surrogatepass")).hexdigest()
        return self._folder / name[:2] / f"{name[2:40]}-{size}.webp"


@contextlib.contextmanager
def opened(cache: Path, max_megapixels: float) -> Iterator[Thumbnails]:
    """Those in the cache folder, at most so many bytes as the page keeps."""
    thumbnails = Thumbnails(cache / "thumbnails", max_megapixels, KEPT_BYTES)
    try:
        yield thumbnails
    finally:
        thumbnails.close()


def made(source: Source, size: int, max_megapixels: float, part: Part | None = None) -> bytes:
    """WebP of a picture file, or of its bytes, as `Thumbnails.get` returns it. `part`: a page, or a
    film's frame. Raises imgsearch.photos.decode.Undecodable."""
    from imgsearch.photos import decode, films, multi_page
    from imgsearch.photos.downscaling import SPARE

    target = math.ceil(size / SPARE)
    if part is not None and part.kind == "frame":
        assert isinstance(source, str)  # films are read from files alone
        shown = films.at(source, part.place[0], side=size, max_megapixels=max_megapixels)
    elif part is not None:
        [page] = part.place
        shown = multi_page.one(source, page, target=target, max_megapixels=max_megapixels)
    else:
        shown = decode.decode(
            source, target=target, max_megapixels=max_megapixels, preview=True
        ).image
    return encoded(shown, size)


def framed(webp: bytes, record: Record, box: Box) -> bytes:
    """A thumbnail with a frame around a part of the picture. `box`: in the record's pixels."""
    from PIL import Image, ImageDraw

    with Image.open(io.BytesIO(webp)) as opened:
        image = opened.convert("RGB")
    across, down = image.width / max(1, record.width), image.height / max(1, record.height)
    left, top, width, height = box
    line = max(1, round(max(image.size) / 160))
    corners = (left * across, top * down, (left + width) * across, (top + height) * down)
    inside = [
        min(max(0, round(corner)), side - 1)
        for corner, side in zip(corners, (*image.size, *image.size), strict=True)
    ]
    draw = ImageDraw.Draw(image)
    draw.rectangle(inside, outline="black", width=2 * line)  # seen on light and dark pictures
    draw.rectangle(inside, outline="white", width=line)
    return encoded(image, max(image.size))


def encoded(image: Image, size: int) -> bytes:
    """WebP of an upright RGB image, reduced so that its longer side is `size` pixels or less."""
    small = image.copy() if max(image.size) <= size else _reduced(image, size)
    out = io.BytesIO()
    small.save(out, "WEBP", quality=_QUALITY.get(size, 80), method=2)
    return out.getvalue()


def _reduced(image: Image, size: int) -> Image:
    small = image.copy()
    small.thumbnail((size, size), reducing_gap=2.0)
    return small
