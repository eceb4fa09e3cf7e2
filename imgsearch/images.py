"""Pictures as pixels: what a file is by its content, and its upright sRGB image at a size that a
model needs. Pillow, pillow-heif and rawpy are known here and nowhere else; whatever they raise on a
bad file leaves as Undecodable, with a reason for people."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from imgsearch import metadata, photos
from imgsearch.metadata import Metadata
from imgsearch.photos import SkipReason

HEAD_BYTES = 4096  # of a file, enough to tell what it is
HUGE_PIXELS = 50_000_000  # decoded at a time beyond this: one picture

Source = bytes | memoryview | str  # a file's bytes, or its path


@dataclass(frozen=True, slots=True)
class Decoded:
    """`image`: RGB, upright; where the file is larger, scaled to at least twice the target."""

    image: Image.Image
    metadata: Metadata


class Undecodable(Exception):
    """Why a file gives no image."""

    def __init__(self, reason: SkipReason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail


# -- what a file is

# EPS starts Ghostscript; WMF is drawn by Windows alone; the others hold no picture to decode, or
# are met by luck in files of any kind; Pillow gives IM up.
_LEFT_OUT = {"EPS", "IM", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "IPTC", "IMT", "MCIDAS"}
# Too little in their first bytes to tell them from other files: their ending must say it too.
_BY_ENDING = {
    "TGA": (".tga", ".icb", ".vda", ".vst"),
    "PCD": (".pcd",),
    "SPIDER": (".spi", ".spider"),
    "PCX": (".pcx",),
    "DCX": (".dcx",),
    "XBM": (".xbm",),
    "MSP": (".msp",),
    "FLI": (".fli", ".flc"),
    "GBR": (".gbr",),
    "SGI": (".sgi", ".rgb", ".rgba", ".bw"),
    "CUR": (".cur",),
    "DIB": (".dib",),
}
_BMP_HEADERS = {struct.pack("<I", size) for size in (12, 16, 40, 52, 56, 64, 108, 124)}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_CHECKS: dict[str, Callable[[bytes], Any]] = {  # where Pillow's own glance is too short
    "BMP": lambda head: head[:2] == b"BM" and head[14:18] in _BMP_HEADERS,
    "PPM": re.compile(rb"P[1-6Ffy]\s+(#|-?\d)|P7\s").match,
    "ICO": re.compile(rb"\x00\x00\x01\x00[^\x00]\x00...\x00", re.DOTALL).match,
    "AVIF": lambda head: bool(_brands(head) & {b"avif", b"avis"}),
    "HEIF": lambda head: bool(_brands(head) & _HEIF_BRANDS) and not _CHECKS["AVIF"](head),
}
_RAW_MAGIC = re.compile(
    rb"FUJIFILMCCD-RAW|IIR[OS]\x08|MMOR|IIU\0|FOVb|\0MRM|II\x1a\0\0\0HEAPCCDR|II\*\0....CR\x02"
    rb"|....ftypcrx ",
    re.DOTALL,
)
_RAW_ENDINGS = {
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq",
    ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2",
    ".rwl", ".sr2", ".srf", ".srw", ".x3f",
}  # fmt: skip
_UNREAD = {  # pictures that nothing here can read: said so, not called something else
    "JPEG XL": re.compile(rb"\xff\x0a|\0\0\0\x0cJXL "),
    "GIMP": re.compile(rb"gimp xcf "),
    "PostScript": re.compile(rb"%!PS-Adobe-[\d.]+ EPSF|\xc5\xd0\xd3\xc6"),
}
_HEIF_ENDINGS = frozenset((".heic", ".heics", ".heif", ".heifs", ".hif"))
_UNREAD_ENDINGS = frozenset((".jxl", ".xcf", ".eps"))
_OTHER_USES = frozenset((".fit", ".msp", ".ras", ".spi"))  # of endings: no promise


def has_picture_ending(name: str) -> bool:
    """Whether a person would call a file of this name a picture."""
    return _ending(name) in _picture_endings()


def looks_like_picture(head: bytes, name: str) -> bool:
    """By the first HEAD_BYTES of a file; the name only counts for formats without a mark."""
    if _is_raw(head) or any(mark.match(head) for mark in _UNREAD.values()):
        return True
    return bool(_formats(head, _ending(name)))


def _ending(name: str) -> str:
    return os.path.splitext(name)[1].lower()


@functools.lru_cache(maxsize=1)
def _pillow_formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in Image.OPEN if name not in _LEFT_OUT | {"HEIF"})


@functools.lru_cache(maxsize=1)
def _picture_endings() -> frozenset[str]:
    readable = {*_pillow_formats(), "MPO"}
    known = {ending for ending, name in Image.EXTENSION.items() if name in readable}
    return frozenset(known | _RAW_ENDINGS | _HEIF_ENDINGS | _UNREAD_ENDINGS) - _OTHER_USES


def _formats(head: bytes, ending: str | None) -> list[str]:
    """Those that the content allows. `ending` None: the file's name was looked at before."""
    found = [name for name in ("HEIF", *_pillow_formats()) if _allows(name, head, ending)]
    return sorted(found, key=_BY_ENDING.__contains__)  # a sure mark before a weak one


def _allows(name: str, head: bytes, ending: str | None) -> bool:
    endings = _BY_ENDING.get(name)
    if endings is not None and ending is not None and ending not in endings:
        return False
    if check := _CHECKS.get(name):
        return bool(check(head))
    accept = Image.OPEN[name][1]
    return accept is None or accept(head[:16]) is True


def _brands(head: bytes) -> set[bytes]:
    """Of an ISO media file: the major one and those it is compatible with."""
    if head[4:8] != b"ftyp":
        return set()
    end = min(struct.unpack(">I", head[:4])[0], len(head))
    return {head[8:12], *(head[at : at + 4] for at in range(16, end, 4))}


def _is_raw(head: bytes) -> bool:
    """Camera RAW, also where it poses as a TIFF with a thumbnail in it."""
    if _RAW_MAGIC.match(head):
        return True
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4])
    if order is None:
        return False
    try:
        return _is_raw_directory(head, struct.unpack_from(order + "I", head, 4)[0], order)
    except struct.error:  # the directory lies beyond the head: cameras write it in front
        return False


_SUB_IFDS, _DNG_VERSION = 330, 50706
_RAW_VALUES = {
    259: {32767, 32769, 32770, 34713, 65535},  # compression: Sony, Epson, Samsung, Nikon, Pentax
    262: {32803, 34892},  # photometric interpretation: colour filter array, linear raw
}


def _is_raw_directory(head: bytes, start: int, order: str, depth: int = 0) -> bool:
    (count,) = struct.unpack_from(order + "H", head, start)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, type_, n = struct.unpack_from(order + "HHI", head, at)
        (value,) = struct.unpack_from(order + ("H" if type_ == 3 else "I"), head, at + 8)
        if tag == _DNG_VERSION or value in _RAW_VALUES.get(tag, ()):
            return True
        if tag == _SUB_IFDS and depth == 0:
            offsets = struct.unpack_from(f"{order}{min(n, 8)}I", head, at + 8 if n == 1 else value)
            if any(_is_raw_directory_somewhere(head, offset, order) for offset in offsets):
                return True
    return False


def _is_raw_directory_somewhere(head: bytes, start: int, order: str) -> bool:
    with contextlib.suppress(struct.error):
        return _is_raw_directory(head, start, order, depth=1)
    return False


# -- decoding

_BROKEN = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError,
    AssertionError, EOFError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip
_TRUNCATED = re.compile(
    r"truncat|end of file|premature|not enough|unexpected eof|not process", re.I
)
_huge = threading.Lock()
_registering = threading.Lock()
_SILENT = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


def decode(source: Source, *, target: int, max_megapixels: float) -> Decoded:
    """`source`: a file's bytes, which `looks_like_picture` has accepted, or its path. `target`:
    pixels of the square that the model sees. Raises Undecodable, nothing else, for a bad file."""
    _prepare_pillow(max_megapixels)
    try:
        with _opened(source) as file:
            head = file.read(HEAD_BYTES)
            file.seek(0)
            if _is_raw(head):
                return _decode_raw(file, target, max_megapixels)
            ending = _ending(source) if isinstance(source, str) else None
            formats = _known(head, ending)
            return _decode_by_pillow(file, formats, target, max_megapixels)
    except UnidentifiedImageError:
        if all(name in _BY_ENDING for name in formats):  # nothing but a name spoke for it
            raise Undecodable(SkipReason.NOT_A_PICTURE, "by its content") from None
        raise Undecodable(SkipReason.DAMAGED, "its header cannot be read") from None
    except MemoryError:
        raise Undecodable(SkipReason.TOO_LARGE, "not enough memory") from None
    except Image.DecompressionBombError as error:
        raise Undecodable(SkipReason.TOO_LARGE, str(error)) from None
    except _BROKEN as error:
        raise _undecodable(error) from error


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


def _known(head: bytes, ending: str | None) -> list[str]:
    """The formats to try. Raises Undecodable when there are none."""
    if not head:
        raise Undecodable(SkipReason.EMPTY, "0 bytes")
    for name, mark in _UNREAD.items():
        if mark.match(head):
            raise Undecodable(SkipReason.UNSUPPORTED, name)
    formats = _formats(head, ending)
    if not formats:
        raise Undecodable(SkipReason.NOT_A_PICTURE, "by its content")
    if "HEIF" in formats:
        _register_heif()
    return formats


def _prepare_pillow(max_megapixels: float) -> None:
    """Its own guard at our limit, and its warnings about broken tags silenced for good:
    `warnings.catch_warnings` would not be safe among threads."""
    Image.MAX_IMAGE_PIXELS = max(1, int(max_megapixels * 1e6))
    if not warnings.filters or warnings.filters[0] != _SILENT:
        warnings.filterwarnings("ignore", module=r"PIL\.")


def _register_heif() -> None:
    with _registering:
        if "HEIF" not in Image.OPEN:
            import pillow_heif

            pillow_heif.register_heif_opener()


def _undecodable(error: Exception) -> Undecodable:
    text = str(error) or type(error).__name__
    truncated = isinstance(error, EOFError) or _TRUNCATED.search(text)
    return Undecodable(SkipReason.TRUNCATED if truncated else SkipReason.DAMAGED, text)


def _decode_by_pillow(
    file: IO[bytes], formats: list[str], target: int, max_megapixels: float
) -> Decoded:
    with Image.open(file, formats=formats) as image:
        width, height = image.size
        _check_size(width, height, max_megapixels)
        # TIFF: Pillow turns it upright by itself, and forgets its tags once it is loaded
        early = _metadata(image, width, height) if image.format == "TIFF" else None
        image.draft(None, (2 * target, 2 * target)) if image.format in ("JPEG", "MPO") else None
        with _one_at_a_time(image):
            image.load()
            turn = _TURNS.get(_orientation(image))
            if turn in _SIDEWAYS:
                width, height = height, width
            found = early or _metadata(image, width, height)
            small = _rgb(_reduced(image, target))
    return Decoded(small if turn is None else small.transpose(turn), found)


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
    except _BROKEN:
        return None


def _orientation(image: Image.Image) -> int:
    exif = _exif(image)
    try:
        return int(exif.get(ExifTags.Base.Orientation, 1)) if exif is not None else 1
    except _BROKEN:
        return 1


def _metadata(image: Image.Image, width: int, height: int) -> Metadata:
    format = image.format or "unknown"
    return metadata.read(_exif(image), format=format, width=width, height=height)


def _reduced(image: Image.Image, target: int) -> Image.Image:
    """By a whole factor, still at least twice the target: everything after it costs less."""
    factor = min(image.size) // (2 * target)
    if factor < 2:
        return image
    info = image.info
    if image.mode in ("1", "P"):  # numbers of colours have no mean
        opaque = "L" if image.mode == "1" else "RGB"
        image = image.convert("RGBA" if _has_alpha(image) else opaque)
        info = {"icc_profile": info.get("icc_profile")}
    if image.mode not in ("L", "RGB", "RGBA", "LA", "CMYK", "YCbCr"):
        return image
    small = image.reduce(factor)
    small.info = info
    return small


# -- colour


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bits(image)
    profile = image.info.get("icc_profile")
    if _has_alpha(image):
        image = _on_white(image)
    elif image.mode not in ("L", "CMYK", "LAB"):
        image = image.convert("RGB")
    if isinstance(profile, bytes) and profile and (transform := _to_srgb(profile, image.mode)):
        with contextlib.suppress(*_BROKEN, ImageCms.PyCMSError):  # else the colours as they are
            converted = transform.apply(image)
            converted.load()
            return converted
    return image if image.mode == "RGB" else image.convert("RGB")


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or (
        image.mode in ("1", "L", "P", "RGB") and "transparency" in image.info
    )


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "La":  # Pillow has no direct way
        image = image.convert("LA")
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and floating-point grey to L. Pillow's own conversion clips to white."""
    values = np.asarray(image).astype(np.float32)
    values[~np.isfinite(values)] = 0
    low, high = float(values.min()), float(values.max())
    if image.mode == "F" and low >= 0 and high <= 255:
        values *= 255 if high <= 1 else 1
    elif low >= 0 and high <= 65535 and image.mode != "F":  # mode I too: Pillow's 16-bit PGM
        values /= 257
    else:
        values = (values - low) * (255 / (high - low)) if high > low else values * 0
    grey = Image.fromarray((values + 0.5).astype(np.uint8))
    grey.info = {**image.info, "transparency": None}
    del grey.info["transparency"]
    return grey


@functools.lru_cache(maxsize=16)  # one camera, one profile
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """None: the colours are sRGB already, or the profile is broken or of another kind of image."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        description = ImageCms.getProfileDescription(source)
        if "sRGB" in description and "linear" not in description.lower():
            return None
        space = source.profile.xcolor_space.strip()
        if {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}.get(space) != mode:
            return None
        flags = ImageCms.Flags.NOCACHE  # many threads share it
        return ImageCms.buildTransform(source, _srgb(), mode, "RGB", flags=flags)
    except (*_BROKEN, ImageCms.PyCMSError):
        return None


@functools.lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


# -- camera RAW

_RAW_TURNS = {3: 3, 5: 8, 6: 6}  # LibRaw's flip to EXIF's orientation


def _decode_raw(file: IO[bytes], target: int, max_megapixels: float) -> Decoded:
    """The camera's own JPEG where it is large enough, else half of the sensor's pixels."""
    try:
        import rawpy
    except ImportError:
        raise Undecodable(
            SkipReason.UNSUPPORTED, "camera RAW: pip install 'imgsearch[raw]'"
        ) from None
    try:
        with rawpy.imread(file) as raw:
            width, height, flip = raw.sizes.width, raw.sizes.height, raw.sizes.flip
            _check_size(width, height, max_megapixels)
            preview = _preview(raw, rawpy)
            exif = _raw_exif(file, preview)
            image = _preview_image(preview, flip, target, max_megapixels) if preview else None
            if image is None:
                lock = _huge if width * height > HUGE_PIXELS else contextlib.nullcontext()
                with lock:
                    image = Image.fromarray(raw.postprocess(half_size=True, use_camera_wb=True))
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
        raise _undecodable(error) from None
    if flip in (5, 6):
        width, height = height, width
    return Decoded(image, metadata.read(exif, format="RAW", width=width, height=height))


def _preview(raw: Any, rawpy: Any) -> bytes | None:
    try:
        found = raw.extract_thumb()
    except (rawpy.LibRawError, rawpy.NotSupportedError):
        return None
    return found.data if found.format == rawpy.ThumbFormat.JPEG else None


def _preview_image(
    preview: bytes, flip: int, target: int, max_megapixels: float
) -> Image.Image | None:
    """None where it is too small or broken."""
    try:
        with Image.open(io.BytesIO(preview), formats=["JPEG", "MPO"]) as image:
            if min(image.size) < 2 * target:
                return None
            turned = _orientation(image) != 1
            sideways = image.width > image.height and flip in (5, 6)
        found = _decode_by_pillow(io.BytesIO(preview), ["JPEG"], target, max_megapixels).image
    except (*_BROKEN, Undecodable):
        return None
    turn = _TURNS.get(_RAW_TURNS.get(flip, 1))
    if turned or turn is None or (flip in (5, 6) and not sideways):
        return found
    return found.transpose(turn)


def _raw_exif(file: IO[bytes], preview: bytes | None) -> Image.Exif | None:
    """Of the RAW itself where it is built like a TIFF, else of the preview in it."""
    exif = Image.Exif()
    with contextlib.suppress(*_BROKEN):
        file.seek(0)
        exif.load_from_fp(file)
        for section in (metadata.EXIF_IFD, metadata.GPS_IFD):
            exif.get_ifd(section)  # now, while the file is open
        return exif
    with contextlib.suppress(*_BROKEN):
        if preview:
            return Image.open(io.BytesIO(preview), formats=["JPEG"]).getexif()
    return None
