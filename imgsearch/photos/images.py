"""Photos as pixels: a file's upright sRGB image at a size that a model needs. `formats` says what a
file is, `colour` makes it sRGB, `raw` opens camera RAW; whatever Pillow, pillow-heif and rawpy
raise on a bad file leaves as Undecodable, with a reason for people."""

from __future__ import annotations

import contextlib
import io
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from imgsearch import photos
from imgsearch.photos import (
    SkipReason,
    colour,
    formats,
    jpeg,
    metadata,
    netpbm,
    photoshop,
    png,
    raw,
    tiff,
)
from imgsearch.photos.formats import BROKEN, undecodable
from imgsearch.photos.formats import (
    Undecodable as Undecodable,  # what `decode` raises, for its callers
)
from imgsearch.photos.metadata import Metadata
from imgsearch.photos.quiet import keep_quiet

_STRIP = 32  # lines of the smaller picture
HUGE_PIXELS = 50_000_000  # decoded at a time beyond this: one picture

Source = bytes | memoryview | str  # a file's bytes, or its path


@dataclass(frozen=True, slots=True)
class Decoded:
    """`image`: RGB, upright; where the file is larger, scaled to at least twice the target."""

    image: Image.Image
    metadata: Metadata


Reader = Callable[[IO[bytes], Callable[[int, int], None]], Image.Image]
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# formats whose fourth channel is often not used, and then 0 everywhere
_LOOSE_ALPHA = {"TGA", "BMP", "DIB", "ICO", "CUR", "SGI", "DDS", "PSD", "TIFF"}
_huge = threading.Lock()
_registering = threading.Lock()
_SILENT = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


def decode(source: Source, *, target: int, max_megapixels: float) -> Decoded:
    """`source`: a file's bytes, which `formats.looks_like_picture` has accepted, or its path.
    `target`: pixels of the square that the model sees. Raises Undecodable, nothing else, for a bad
    file."""
    _prepare_pillow(max_megapixels)
    try:
        with _opened(source) as file:
            head = file.read(formats.HEAD_BYTES)
            file.seek(0)
            is_raw = formats.is_raw(head, file)
            file.seek(0)
            if is_raw:
                return _decode_raw(file, target, max_megapixels)
            candidates = formats.possible(head, source if isinstance(source, str) else None)
            if "HEIF" in candidates:
                _register_heif()
            if own := _own_reader(head):
                return _decode_by_own(own, candidates[0], file, target, max_megapixels)
            try:
                return _decode_by_pillow(file, candidates, target, max_megapixels)
            except BROKEN:
                repaired = _decode_repaired(file, head, target, max_megapixels)
                if repaired is None:
                    raise
                return repaired
    except UnidentifiedImageError:
        if formats.only_by_ending(candidates):
            raise Undecodable(SkipReason.NOT_A_PICTURE, "by its content") from None
        raise Undecodable(SkipReason.DAMAGED, "its header cannot be read") from None
    except MemoryError:
        raise Undecodable(SkipReason.TOO_LARGE, "not enough memory") from None
    except Image.DecompressionBombError as error:
        raise _too_large(error, max_megapixels) from None
    except BROKEN as error:
        raise undecodable(error) from error


@contextlib.contextmanager
def _opened(source: Source) -> Iterator[IO[bytes]]:
    if not isinstance(source, str):
        yield io.BytesIO(source)
        return
    try:
        file = open(source, "rb")  # noqa: SIM115 - closed below; only opening is caught
    except OSError as error:
        skip = photos.unreadable(source, error)
        raise Undecodable(skip.reason, skip.detail) from None
    with file:
        yield file


def _prepare_pillow(max_megapixels: float) -> None:
    """Its own guard at our limit, and its warnings about broken tags silenced for good:
    `warnings.catch_warnings` would not be safe among threads."""
    keep_quiet()
    Image.MAX_IMAGE_PIXELS = max(1, int(max_megapixels * 1e6))
    if not warnings.filters or warnings.filters[0] != _SILENT:
        warnings.filterwarnings("ignore", module=r"PIL\.")


def _register_heif() -> None:
    with _registering:
        if "HEIF" not in Image.OPEN:
            import pillow_heif

            pillow_heif.register_heif_opener()


def _own_reader(head: bytes) -> Reader | None:
    """For what Pillow does not know."""
    if head.startswith(netpbm.MAGIC):
        return netpbm.read
    return photoshop.read if photoshop.is_unknown_to_pillow(head) else None


def _decode_by_own(
    read: Reader, format: str, file: IO[bytes], target: int, max_megapixels: float
) -> Decoded:
    """By a reader that gives the picture as it is stored and leaves the rest to us."""
    image = read(file, lambda width, height: _check_size(width, height, max_megapixels))
    image.format = format
    exif = tiff.exif(file) if format == "TIFF" else image.getexif()
    turn = _TURNS.get(_orientation(exif))
    width, height = image.size[::-1] if turn in _SIDEWAYS else image.size
    small = colour.rgb(_reduced(image, target))
    upright = small if turn is None else small.transpose(turn)
    return Decoded(upright, metadata.read(exif, format=format, width=width, height=height))


def _decode_repaired(
    file: IO[bytes], head: bytes, target: int, max_megapixels: float
) -> Decoded | None:
    """What Pillow gave up although its pixels are there; None for all else. Raises Undecodable and
    what Pillow raises."""
    if head.startswith(png.MAGIC):
        clean, profile = png.clean(file)
        return _decode_by_pillow(clean, ["PNG"], target, max_megapixels, profile)
    if head.startswith(jpeg.MAGIC):
        whole = jpeg.whole(file, target)
        if whole is not None:
            return _decode_by_pillow(whole, ["JPEG", "MPO"], target, max_megapixels)
    if head[:4] in _TIFF_MAGIC:
        return _decode_by_own(tiff.read, "TIFF", file, target, max_megapixels)
    return None


def _decode_by_pillow(
    file: IO[bytes],
    candidates: list[str],
    target: int,
    max_megapixels: float,
    profile: bytes | None = None,
) -> Decoded:
    """`profile`: an ICC profile that Pillow does not find in the file."""
    with Image.open(file, formats=candidates) as image:
        width, height = image.size
        _check_size(width, height, max_megapixels)
        if profile:
            image.info["icc_profile"] = profile
        if isinstance(image, TiffImageFile) and not tiff.readable_by_pillow(
            image.tag_v2, *image.size
        ):
            return _decode_by_own(tiff.read, "TIFF", file, target, max_megapixels)
        # TIFF: Pillow turns it upright by itself, and forgets its tags once it is loaded
        early = _metadata(image, width, height) if image.format == "TIFF" else None
        image.draft(None, (2 * target, 2 * target)) if image.format in ("JPEG", "MPO") else None
        with _one_at_a_time(image):
            reduced = _heif_reduced(image, file, target)
            if reduced is None:
                image.load()
            turn = _TURNS.get(_orientation(_exif(image)))
            if turn in _SIDEWAYS:
                width, height = height, width
            found = early or _metadata(image, width, height)
            if reduced is None:
                reduced = _reduced(_with_true_alpha(image, file), target)
            small = colour.rgb(reduced)
    return Decoded(small if turn is None else small.transpose(turn), found)


def _with_true_alpha(image: Image.Image, file: IO[bytes]) -> Image.Image:
    if png.needs_key(image):
        return png.with_key(image, file)
    if image.format in _LOOSE_ALPHA and colour.is_invisible(image):
        return image.convert(image.mode[:-1])
    return image


def _too_large(error: Exception, max_megapixels: float) -> Undecodable:
    """Pillow's own guard, at a file's header."""
    found = re.search(r"\((\d+) pixels\)", str(error))
    size = f"{int(found[1]) / 1e6:.4g} megapixels" if found else "too many pixels"
    return Undecodable(SkipReason.TOO_LARGE, f"{size}; --max-megapixels is {max_megapixels:g}")


def _check_size(width: int, height: int, max_megapixels: float) -> None:
    megapixels = width * height / 1e6
    if megapixels > max_megapixels:
        raise Undecodable(
            SkipReason.TOO_LARGE,
            f"{width} x {height} = {megapixels:.4g} megapixels; --max-megapixels is"
            f" {max_megapixels:g}",
        )


def _one_at_a_time(image: Image.Image) -> contextlib.AbstractContextManager[Any]:
    """What is held while decoding: few of a large JPEG's pixels, unless it is progressive."""
    pixels = image.width * image.height
    if image.info.get("progressive"):
        pixels *= 8
    return _huge if pixels > HUGE_PIXELS else contextlib.nullcontext()


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = {_TURNS[orientation] for orientation in (5, 6, 7, 8)}


def _exif(image: Image.Image) -> Image.Exif | None:
    """None: there is none, or it cannot be read, which is no fault of the picture."""
    try:
        return image.getexif()
    except BROKEN:
        return None


def _orientation(exif: Image.Exif | None) -> int:
    try:
        return int(exif.get(ExifTags.Base.Orientation, 1)) if exif is not None else 1
    except BROKEN:
        return 1


def _metadata(image: Image.Image, width: int, height: int) -> Metadata:
    format = image.format or "unknown"
    return metadata.read(_exif(image), format=format, width=width, height=height)


def _factor(image: Image.Image, target: int) -> int:
    """By which an image is still at least twice the target when it is reduced; below 2: not at
    all."""
    return min(image.size) // (2 * target)


def _reduced(image: Image.Image, target: int) -> Image.Image:
    """Everything after it costs less."""
    factor = _factor(image, target)
    if factor < 2:
        return image
    info = image.info
    if image.mode in ("1", "P"):  # numbers of colours have no mean
        opaque = "L" if image.mode == "1" else "RGB"
        image = image.convert("RGBA" if colour.has_alpha(image) else opaque)
        info = {"icc_profile": info.get("icc_profile")}
    if image.mode not in ("L", "RGB", "RGBA", "LA", "CMYK", "YCbCr"):
        return image
    small = image.reduce(factor)
    small.info = info
    return small


def _heif_reduced(image: Image.Image, file: IO[bytes], target: int) -> Image.Image | None:
    """As `_reduced`, in strips, straight from libheif's pixels: a copy of them all for Pillow would
    be 48 MB of a usual photo, and 7 % of the time. None: it is of another kind, or small."""
    factor = _factor(image, target)
    if image.format != "HEIF" or image.mode != "RGB" or factor < 2:
        return None
    import pillow_heif

    file.seek(0)
    # the first three as pillow-heif's own plugin has them
    opened = pillow_heif.open_heif(
        file, convert_hdr_to_8bit=True, hdr_to_16bit=True, remove_stride=False
    )
    frame = opened[image.tell()]
    pixels, stride = np.frombuffer(frame.data, np.uint8), frame.stride
    if frame.size != image.size:  # its header was wrong
        return None
    width, height = frame.size
    small = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    lines = _STRIP * factor
    for top in range(0, height, lines):
        size = (width, min(lines, height - top))
        part = pixels[top * stride : (top + size[1]) * stride]
        strip = Image.frombuffer("RGB", size, part, "raw", "RGB", stride, 1)
        small.paste(strip.reduce(factor), (0, top // factor))
    small.info = image.info
    return small


def _decode_raw(file: IO[bytes], target: int, max_megapixels: float) -> Decoded:
    """The camera's own JPEG where it is large enough, else half of the sensor's pixels."""
    with raw.opened(file) as shot:
        _check_size(shot.width, shot.height, max_megapixels)
        preview = shot.preview()
        exif = shot.exif(preview)
        image = _preview_image(shot, preview, target, max_megapixels) if preview else None
        if image is None:
            large = shot.width * shot.height > HUGE_PIXELS
            with _huge if large else contextlib.nullcontext():
                image = shot.develop()
        width, height = shot.upright_size
    return Decoded(image, metadata.read(exif, format="RAW", width=width, height=height))


def _preview_image(
    shot: raw.Raw, preview: bytes, target: int, max_megapixels: float
) -> Image.Image | None:
    """None where it is too small or broken."""
    try:
        with Image.open(io.BytesIO(preview), formats=["JPEG", "MPO"]) as image:
            if min(image.size) < 2 * target:
                return None
            turn = shot.preview_turn(image.size, _orientation(_exif(image)))
        found = _decode_by_pillow(io.BytesIO(preview), ["JPEG"], target, max_megapixels).image
    except (*BROKEN, Undecodable):
        return None
    return found if turn is None else found.transpose(turn)
