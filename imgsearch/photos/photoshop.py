"""PSB (large Photoshop files) and PSD of 16 and 32 bits, which Pillow does not read, and bitmaps,
which it inverts: the merged picture, without layers."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import IO

import numpy as np
from PIL import Image

from imgsearch.photos import SkipReason, bit_depths, iptc
from imgsearch.photos.bit_depths import Bytes
from imgsearch.photos.formats import Undecodable

MAGIC = b"8BPS"
_MODES = {
    0: "bitmap", 1: "grey", 2: "indexed", 3: "RGB", 4: "CMYK", 7: "multichannel", 8: "duotone",
    9: "Lab",
}  # fmt: skip
_COLOURS = {0: 1, 1: 1, 2: 1, 3: 3, 4: 4, 8: 1, 9: 3}  # channels that are colours
_BITMAP = 0
_RAW, _RLE = 0, 1
# image resources, by the name under which Pillow keeps what they hold
_RESOURCES = {"icc_profile": 1039, "exif": 1058, "xmp": 1060, "iptc": iptc.RESOURCE}
_MOST_RESOURCES = 64 << 20  # bytes
_MOST_BYTES = 1 << 30  # of pixels


def is_unknown_to_pillow(head: bytes) -> bool:
    """Whether a file is a PSB, or a PSD of more or less than 8 bits, by its first bytes."""
    return head.startswith(MAGIC) and (
        head[4:6] == b"\0\2" or head[22:24] in (b"\0\1", b"\0\x10", b"\0\x20")
    )


def read(file: IO[bytes], check_size: Callable[[int, int], None]) -> Image.Image:
    """8 bits a channel, with its ICC profile, EXIF, XMP and IPTC. `check_size`: called with width
    and height before anything is decoded. Raises Undecodable."""
    file.seek(0)
    version, channels, height, width, depth, mode = struct.unpack(">4xH6xHIIHH", _exactly(file, 26))
    colours = _COLOURS.get(mode)
    known = depth in ((1,) if mode == _BITMAP else (8, 16, 32))
    if version not in (1, 2) or not known or colours is None or channels < colours:
        name = _MODES.get(mode, str(mode))
        raise Undecodable(
            SkipReason.UNSUPPORTED, f"Photoshop, {name}, {depth} bits, {channels} channels"
        )
    if not width or not height:
        raise Undecodable(SkipReason.DAMAGED, "Photoshop file without pixels")
    check_size(width, height)
    palette = _exactly(file, struct.unpack(">I", _exactly(file, 4))[0], 1 << 16)
    resources = _exactly(file, struct.unpack(">I", _exactly(file, 4))[0], _MOST_RESOURCES)
    size = ">Q" if version == 2 else ">I"
    (layers,) = struct.unpack(size, _exactly(file, struct.calcsize(size)))
    start = file.tell()
    alpha = channels > colours and mode in (1, 3) and _is_transparent(file, layers, size)
    file.seek(start + layers)
    planes = _planes(file, channels, colours + alpha, height, width, depth, version)
    image = _image(planes, mode, palette)
    for name, number in _RESOURCES.items():
        if found := iptc.photoshop_resource(resources, number):
            image.info[name] = found
    return image


def _is_transparent(file: IO[bytes], layers: int, size: str) -> bool:
    """Whether the first channel after the colours is the merged picture's transparency, which a
    negative count of layers says; else it is a saved selection."""
    width = struct.calcsize(size)
    if layers < width + 2:
        return False
    _exactly(file, width)
    return bool(struct.unpack(">h", _exactly(file, 2))[0] < 0)


def _planes(
    file: IO[bytes], channels: int, wanted: int, height: int, width: int, depth: int, version: int
) -> Bytes:
    """The first `wanted` channels, as an array of shape [wanted, height, width]."""
    (compression,) = struct.unpack(">H", _exactly(file, 2))
    row = (width * depth + 7) // 8
    if compression == _RAW:
        data = _exactly(file, wanted * height * row, _MOST_BYTES)
    elif compression == _RLE:
        data = _unpacked(file, channels, wanted, height, row, version)
    else:
        raise Undecodable(SkipReason.UNSUPPORTED, f"Photoshop, compression {compression}")
    if depth == 1:  # a bit that is set is black
        bits = np.unpackbits(np.frombuffer(data, np.uint8).reshape(wanted, height, row), axis=2)
        return 255 - 255 * bits[..., :width]
    kind = {8: "u1", 16: ">u2", 32: ">f4"}[depth]
    values = np.frombuffer(data, kind).reshape(wanted, height, width)
    return bit_depths.eight_bits(values, bits=None if depth == 32 else depth)


def _unpacked(
    file: IO[bytes], channels: int, wanted: int, height: int, row: int, version: int
) -> bytes:
    from imagecodecs import PackbitsError, packbits_decode

    kind = np.dtype(">u4" if version == 2 else ">u2")
    lengths = np.frombuffer(
        _exactly(file, channels * height * kind.itemsize, _MOST_BYTES), kind
    ).tolist()
    rows = bytearray()
    for length in lengths[: wanted * height]:
        packed = _exactly(file, length, 2 * row + 256)
        try:
            unpacked = packbits_decode(packed, out=row)
        except PackbitsError as error:
            raise Undecodable(SkipReason.DAMAGED, str(error)) from None
        rows += bytes(unpacked).ljust(row, b"\0")[:row]
    return bytes(rows)


def _image(planes: Bytes, mode: int, palette: bytes) -> Image.Image:
    bands = [Image.fromarray(np.ascontiguousarray(plane)) for plane in planes]
    if mode == 2:
        image = bands[0].copy()
        colours = np.frombuffer(palette[:768].ljust(768, b"\0"), np.uint8).reshape(3, 256).T
        image.putpalette(colours.tobytes())
        return image
    if mode == 4:  # ink is stored inverted
        return Image.merge("CMYK", [Image.fromarray(255 - np.asarray(band)) for band in bands])
    if mode == 9:
        return Image.merge("LAB", bands)
    return Image.merge({1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[len(bands)], bands)


def _exactly(file: IO[bytes], count: int, most: int = 1 << 20) -> bytes:
    """Raises Undecodable where more than `most` bytes are claimed, or the file ends before."""
    at = file.tell()
    rest = file.seek(0, 2) - at
    file.seek(at)
    if count > rest:
        raise Undecodable(SkipReason.TRUNCATED, "Photoshop file ends too early")
    if count > most:
        raise Undecodable(SkipReason.DAMAGED, f"Photoshop file with a part of {count} bytes")
    return file.read(count)
