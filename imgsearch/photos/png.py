"""What Pillow does not do for PNG: show a picture although something around its pixels is broken or
large, and compare a transparent colour at the depth in which it is stored."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from typing import IO

from PIL import Image

from imgsearch.photos import bit_depths

MAGIC = b"\x89PNG\r\n\x1a\n"
_SEEN = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}  # without these, no pixels
_KEPT = {b"tRNS", b"eXIf", b"iCCP", b"iTXt"}  # where their checksum is right
_XMP = b"XML:com.adobe.xmp\0\0"  # not compressed
_MOST_KEPT = 1 << 20  # bytes of a chunk
_MOST_PROFILE = 16 << 20  # bytes of an ICC profile, unpacked


def clean(file: IO[bytes]) -> tuple[io.BytesIO, bytes | None]:
    """The PNG without the chunks that are not needed to show it; and its ICC profile, which Pillow
    does not take if it is large. What its pixels lack they still lack."""
    size = file.seek(0, 2)
    file.seek(len(MAGIC))
    profile = None
    colour_type = -1
    made = io.BytesIO()
    made.write(MAGIC)
    while len(start := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", start)
        length = min(length, size)
        if kind in _SEEN:
            data = file.read(length + 4)
            made.write(start + data)
            if kind == b"IHDR":
                colour_type = data[9] if len(data) > 9 else -1
        elif kind in _KEPT and length <= _MOST_KEPT:
            data, check = file.read(length), file.read(4)
            if struct.pack(">I", zlib.crc32(kind + data)) != check:
                continue
            if kind == b"iCCP":
                profile = _profile(data)
            elif kind == b"tRNS" and not _fits(data, colour_type):
                continue
            elif kind != b"iTXt" or data.startswith(_XMP):
                made.write(start + data + check)
        else:
            file.seek(length + 4, io.SEEK_CUR)
    made.seek(0)
    return made, profile


def _fits(key: bytes, colour_type: int) -> bool:
    """Whether a tRNS chunk is as long as pictures of that type have it; others have none."""
    least, most = {0: (2, 2), 2: (6, 6), 3: (0, 256)}.get(colour_type, (0, -1))
    return least <= len(key) <= most


def _profile(data: bytes) -> bytes | None:
    """The ICC profile of an iCCP chunk: after a name, NUL and a method byte, compressed."""
    unpacking = zlib.decompressobj()
    with contextlib.suppress(zlib.error):
        profile = unpacking.decompress(data.partition(b"\0")[2][1:], _MOST_PROFILE)
        if unpacking.eof:
            return profile
    return None


def needs_key(image: Image.Image) -> bool:
    """Whether an opened PNG has a transparent colour, and not a palette's."""
    return image.format == "PNG" and image.mode != "P" and "transparency" in image.info


def with_key(image: Image.Image, file: IO[bytes]) -> Image.Image:
    """The loaded picture, its transparent colour found at the stored depth: Pillow compares the
    number from the file with samples that it has scaled to 8 bits."""
    file.seek(len(MAGIC) + 16)
    depth = file.read(1)[0]
    if depth == 16:
        import imagecodecs

        values = imagecodecs.png_decode(clean(file)[0].getvalue())  # 16 bits, alpha from the key
        mode = {2: "LA", 4: "RGBA"}[values.shape[2]]
        size = (values.shape[1], values.shape[0])
        shown = Image.frombytes(mode, size, bit_depths.eight_bits(values, bits=16).tobytes())
        shown.format = image.format
        shown.info = {name: value for name, value in image.info.items() if name != "transparency"}
        return shown
    most, key = 2**depth - 1, image.info["transparency"]
    if isinstance(key, tuple):
        image.info["transparency"] = tuple(part & most for part in key)
    elif image.mode == "L":
        image.info["transparency"] = (key & most) * 255 // most
    return image
