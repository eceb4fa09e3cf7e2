"""Kinds of JPEG that Pillow does not read, decoded by imagecodecs: more than 8 bits, lossless,
JPEG-LS, JPEG XL and JPEG XR."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import IO, Any

from PIL import Image

from imgsearch.photos import SkipReason, bit_depths
from imgsearch.photos.formats import Undecodable

XL_MAGIC = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")  # bare, or in boxes
XR_MAGIC = b"II\xbc\x01"
_EXIF, _END = b"Exif\0\0", b"\xff\xd9"
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
_USUAL = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_JPEG_LS = 0xF7
_XR_WIDTH, _XR_HEIGHT, _XR_AT, _XR_BYTES = 0xBC80, 0xBC81, 0xBCC0, 0xBCC1  # tags
_XL_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_MOST_BOXES = 1000
_HEAD = 1 << 16  # bytes in which a JPEG XR has its directory
_HEAD_OF_JPEG = 1 << 20  # bytes before its frame: EXIF, profiles
_ORIENTATION = 274

CheckSize = Callable[[int, int], None]


def is_one(file: IO[bytes]) -> bool:
    """Whether a JPEG is of a process or precision that Pillow does not read."""
    file.seek(0)
    frames = [found for found in _parts(file.read(_HEAD_OF_JPEG)) if found[0] in _FRAMES]
    return bool(frames) and not any(
        marker in _USUAL and part[:1] == b"\x08" for marker, part in frames
    )


def read_jpeg(file: IO[bytes], check_size: CheckSize) -> Image.Image:
    """A JPEG of another precision or process, or a JPEG-LS; as it is stored, with its EXIF.
    `check_size`: called with width and height before anything is decoded. Raises Undecodable, and
    RuntimeError of imagecodecs."""
    import imagecodecs

    file.seek(0)
    data = file.read()
    exif = b""
    for marker, part in _parts(data):
        if marker == 0xE1 and part.startswith(_EXIF):
            exif = exif or part
        if marker in _FRAMES and len(part) >= 5:
            bits, height, width = struct.unpack(">BHH", part[:5])
            check_size(width, height)
            if _END not in data[data.index(part) :]:  # libjpeg makes up what is missing
                raise Undecodable(SkipReason.TRUNCATED, "JPEG without its end")
            decoder = imagecodecs.jpegls_decode if marker == _JPEG_LS else imagecodecs.jpeg_decode
            image = _image(decoder(data), "JPEG", bits)
            image.info["exif"] = exif
            return image
    raise Undecodable(SkipReason.DAMAGED, "JPEG without a picture")


def _parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers of a JPEG's head, each with what it holds."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        if data[at + 1] == 0xFF:  # a fill byte
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at + 1], data[at + 4 : at + 2 + length]
        at += 2 + length


def read_xl(file: IO[bytes], check_size: CheckSize) -> Image.Image:
    """A JPEG XL, upright, with its EXIF. Likewise."""
    import imagecodecs

    file.seek(0)
    data = file.read()
    boxes = dict(_boxes(data)) if data.startswith(XL_MAGIC[1]) else {b"jxlc": data}
    stream = boxes[b"jxlc"] if b"jxlc" in boxes else boxes.get(b"jxlp", b"")[4:]
    check_size(*_xl_size(stream))
    image = _image(imagecodecs.jpegxl_decode(data, index=0), "JPEG XL")
    if b"Exif" in boxes:
        image.info["exif"] = _EXIF + boxes[b"Exif"][4:]
        image.getexif()[_ORIENTATION] = 1  # libjxl has turned it
    return image


def _boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """Boxes of an ISO container, each its kind and what it holds; the first of each kind last."""
    found: list[tuple[bytes, bytes]] = []
    at = 0
    while at + 8 <= len(data) and len(found) < _MOST_BOXES:
        length, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if length == 1 and start + 8 <= len(data):
            length = struct.unpack_from(">Q", data, start)[0]
            start += 8
        end = len(data) if length == 0 else at + length
        if end < start:
            break
        found.append((kind, data[start:end]))
        at = end
    return found[::-1]


def _xl_size(stream: bytes) -> tuple[int, int]:
    """Width and height by a codestream's SizeHeader (ISO/IEC 18181-1, B.2)."""
    bits = int.from_bytes(stream[2:18], "little")

    def taken(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    def side(small: int) -> int:
        return 8 * (taken(5) + 1) if small else taken((9, 13, 18, 30)[taken(2)]) + 1

    small = taken(1)
    height = side(small)
    ratio = taken(3)
    if ratio:
        across, down = _XL_RATIOS[ratio - 1]
        return height * across // down, height
    return side(small), height


def read_xr(file: IO[bytes], check_size: CheckSize) -> Image.Image:
    """A JPEG XR. Likewise."""
    import imagecodecs

    file.seek(0)
    head = file.read(_HEAD)
    (at,) = struct.unpack_from("<I", head, 4)
    (count,) = struct.unpack_from("<H", head, at)
    sizes = {}
    for entry in range(count):
        tag, kind, _, value = struct.unpack_from("<HHII", head, at + 2 + 12 * entry)
        sizes[tag] = value & 0xFFFF if kind == 3 else value
    if not (sizes.get(_XR_WIDTH) and sizes.get(_XR_HEIGHT)):
        raise Undecodable(SkipReason.DAMAGED, "JPEG XR without a size")
    check_size(sizes[_XR_WIDTH], sizes[_XR_HEIGHT])
    if sizes.get(_XR_AT, 0) + sizes.get(_XR_BYTES, 0) > file.seek(0, 2):
        raise Undecodable(SkipReason.TRUNCATED, "JPEG XR without its end")
    file.seek(0)
    return _image(imagecodecs.jpegxr_decode(file.read()), "JPEG XR")


def _image(values: Any, format: str, bits: int | None = None) -> Image.Image:
    """`values`: [height, width] or [height, width, channels]. `bits` None: all of an integer."""
    if bits is None and values.dtype.kind == "u":
        bits = 8 * values.dtype.itemsize
    shown = bit_depths.eight_bits(values.reshape(*values.shape[:2], -1), bits=bits)
    modes = {1: "L", 2: "LA", 3: "RGB", 4: "CMYK" if format == "JPEG" else "RGBA"}
    mode = modes.get(shown.shape[2])
    if mode is None:
        raise Undecodable(SkipReason.UNSUPPORTED, f"{format} of {shown.shape[2]} channels")
    return Image.frombytes(mode, (shown.shape[1], shown.shape[0]), shown.tobytes())
