"""What a file is, by its content and its ending: a picture, and of which formats; or why it is none
that can be decoded."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

from PIL import Image

from imgsearch.photos import SkipReason, unreadable
from imgsearch.photos.raw_pairs import RAW_ENDINGS

HEAD_BYTES = 4096  # of a file, enough to tell what it is

BROKEN = (  # what Pillow raises on a bad file
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError,
    AssertionError, EOFError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip
_MISTAKES = (
    struct.error, TypeError, LookupError, ArithmeticError, AttributeError, AssertionError,
)  # fmt: skip
_TRUNCATED = re.compile(
    r"truncat|end of file|premature|not enough|unexpected eof|not process|requires a buffer", re.I
)
_MOST_BOXES = 1000  # of an ISO media file

# EPS starts Ghostscript; WMF is drawn by Windows alone; the others hold no picture to decode, or
# are met by luck in files of any kind; Pillow gives IM up.
_LEFT_OUT = {"EPS", "IM", "WMF", "BUFR", "GRIB", "HDF5", "MPEG", "IPTC", "IMT", "MCIDAS"}
_DOCUMENTS = frozenset((b".svg", b".svgz", b".pdf", b".ai", b".eps"))
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
    "JPEG XL": re.compile(rb"\xff\x0a|\0\0\0\x0cJXL ").match,
    "JPEG XR": re.compile(rb"II\xbc\x01").match,
}
_RAW_MAGIC = re.compile(
    rb"FUJIFILMCCD-RAW|IIR[OS]\x08|MMOR|IIU\0|FOVb|\0MRM|II\x1a\0\0\0HEAPCCDR|II\*\0....CR\x02"
    rb"|....ftypcrx ",
    re.DOTALL,
)
_UNREAD = {  # pictures that nothing here can read: said so, not called something else
    "OpenEXR": re.compile(rb"\x76\x2f\x31\x01"),
    "Radiance HDR": re.compile(rb"#\?(RADIANCE|RGBE)\s"),
    "GIMP": re.compile(rb"gimp xcf "),
    "PostScript": re.compile(rb"%!PS-Adobe-[\d.]+ EPSF|\xc5\xd0\xd3\xc6"),
}
_HEIF_ENDINGS = frozenset((".heic", ".heics", ".heif", ".heifs", ".hif"))
_OTHERS = ("HEIF", "JPEG XL", "JPEG XR")  # that Pillow alone does not know
_OTHERS_ENDINGS = frozenset((".jxl", ".jxr", ".wdp", ".hdp", ".jls"))
_UNREAD_ENDINGS = frozenset((".xcf", ".eps", ".exr", ".hdr"))
_OTHER_USES = frozenset((".fit", ".msp", ".ras", ".spi"))  # of endings: no promise


Source = bytes | memoryview | str  # a file's bytes, or its path


class Undecodable(Exception):
    """Raised for a file that gives no image, with the reason."""

    def __init__(self, reason: SkipReason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail


def undecodable(error: Exception) -> Undecodable:
    """The error for what a decoder raised on a bad file, in one line. What Python says of a
    decoder's mistake tells a person nothing."""
    text = " ".join(str(error).split()) or type(error).__name__
    truncated = isinstance(error, EOFError) or _TRUNCATED.search(text)
    if isinstance(error, _MISTAKES):
        text = "it ends too early" if truncated else "its structure is broken"
    return Undecodable(SkipReason.TRUNCATED if truncated else SkipReason.DAMAGED, text)


@contextlib.contextmanager
def opened(source: Source) -> Iterator[IO[bytes]]:
    """A file's bytes to read from. Raises Undecodable."""
    if not isinstance(source, str):
        yield io.BytesIO(source)
        return
    try:
        file = open(source, "rb")  # noqa: SIM115 - closed below; only opening is caught
    except OSError as error:
        skip = unreadable(source, error)
        raise Undecodable(skip.reason, skip.detail) from None
    with file:
        yield file


def ends_early(file: IO[bytes]) -> bool:
    """Whether a container (WebP, and the ISO media files: HEIF, AVIF, JPEG 2000, JPEG XL) claims
    more bytes than there are."""
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(12)
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        return int.from_bytes(head[4:8], "little") + 8 > size
    if head[4:8] not in (b"ftyp", b"jP  ", b"JXL "):
        return False
    at = 0
    for _ in range(_MOST_BOXES):
        file.seek(at)
        start = file.read(16)
        if len(start) < 8:
            break
        length = int.from_bytes(start[:4], "big")
        if length == 1 and len(start) == 16:
            length = int.from_bytes(start[8:], "big")
        if length < 8:  # 0: to the end of the file
            return False
        at += length
    return at != size


def has_picture_ending(name: str) -> bool:
    """Whether a person would call a file of this name a picture."""
    return _ending(name) in _picture_endings()


def has_picture_ending_bytes(name: bytes) -> bool:
    """`has_picture_ending`, for a million names."""
    dot = name.rfind(b".")
    return dot > 0 and _is_picture_ending(name[dot:])


def has_document_ending(name: bytes) -> bool:
    """Whether a file is called as a drawing or a document is: a person sees a picture, but there
    are no pixels in it."""
    return name[name.rfind(b".") :].lower() in _DOCUMENTS


@functools.lru_cache(maxsize=1024)
def _is_picture_ending(ending: bytes) -> bool:
    return os.fsdecode(ending).lower() in _picture_endings()


def looks_like_picture(head: bytes, name: str) -> bool:
    """Whether a file may be a picture, by its first HEAD_BYTES. The name counts only for formats
    without a signature."""
    if is_raw(head) or any(mark.match(head) for mark in _UNREAD.values()):
        return True
    return bool(_formats(head, _ending(name)))


def is_heif(head: bytes) -> bool:
    """By a file's first HEAD_BYTES."""
    return bool(_CHECKS["HEIF"](head))


def possible(head: bytes, name: str | None) -> list[str]:
    """Pillow's names of the formats to try; raises Undecodable when there are none. `name` None: it
    was looked at before."""
    if not head:
        raise Undecodable(SkipReason.EMPTY, "0 bytes")
    for unread, mark in _UNREAD.items():
        if mark.match(head):
            raise Undecodable(SkipReason.UNSUPPORTED, unread)
    found = _formats(head, None if name is None else _ending(name))
    if not found:
        raise Undecodable(SkipReason.NOT_A_PICTURE, "by its content")
    return found


def only_by_ending(formats: Iterable[str]) -> bool:
    """Whether nothing but a name speaks for them."""
    return all(name in _BY_ENDING for name in formats)


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
    known |= RAW_ENDINGS | _HEIF_ENDINGS | _OTHERS_ENDINGS | _UNREAD_ENDINGS
    return frozenset(known) - _OTHER_USES


def _formats(head: bytes, ending: str | None) -> list[str]:
    """The formats that the content allows, and the ending where it is given."""
    found = [name for name in (*_OTHERS, *_pillow_formats()) if _allows(name, head, ending)]
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
    """The brands of an ISO media file: the major one and the compatible ones."""
    if head[4:8] != b"ftyp":
        return set()
    end = min(struct.unpack(">I", head[:4])[0], len(head))
    return {head[8:12], *(head[at : at + 4] for at in range(16, end, 4))}


def is_raw(head: bytes, file: IO[bytes] | None = None) -> bool:
    """Camera RAW, also where it poses as a TIFF with a thumbnail in it. `file`: read where a
    directory lies beyond the head."""
    if _RAW_MAGIC.match(head):
        return True
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(head[:4])
    if order is None or len(head) < 8:
        return False
    (start,) = struct.unpack_from(order + "I", head, 4)
    return _is_raw_directory(_Bytes(head, file), start, order)


_SUB_IFDS, _DNG_VERSION = 330, 50706
_RAW_VALUES = {
    259: {32767, 32769, 32770, 34713, 65535},  # compression: Sony, Epson, Samsung, Nikon, Pentax
    262: {32803, 34892},  # photometric interpretation: colour filter array, linear raw
}
_MOST_ENTRIES = 1000  # of a directory


class _Bytes:
    """A file's bytes: of its head, and of the file where that is given."""

    def __init__(self, head: bytes, file: IO[bytes] | None) -> None:
        self._head, self._file = head, file

    def at(self, start: int, count: int) -> bytes:
        """`count` bytes from `start` on; fewer where the file ends or is not given."""
        if start + count <= len(self._head) or self._file is None:
            return self._head[start : start + count]
        self._file.seek(start)
        return self._file.read(count)


def _is_raw_directory(data: _Bytes, start: int, order: str, depth: int = 0) -> bool:
    count = int.from_bytes(data.at(start, 2), "little" if order == "<" else "big")
    entries = data.at(start + 2, 12 * min(count, _MOST_ENTRIES))
    for at in range(0, len(entries) - 11, 12):
        tag, type_, n = struct.unpack_from(order + "HHI", entries, at)
        (value,) = struct.unpack_from(order + ("H" if type_ == 3 else "I"), entries, at + 8)
        if tag == _DNG_VERSION or value in _RAW_VALUES.get(tag, ()):
            return True
        if tag == _SUB_IFDS and depth == 0:
            offsets = entries[at + 8 : at + 12] if n == 1 else data.at(value, 4 * min(n, 8))
            if any(
                _is_raw_directory(data, offset, order, depth=1)
                for (offset,) in struct.iter_unpack(order + "I", offsets[: len(offsets) // 4 * 4])
            ):
                return True
    return False
