"""PAM (P7) and colour PFM (PF), the Netpbm formats that Pillow does not read."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import IO

import numpy as np
from PIL import Image

from imgsearch.photos import SkipReason, bit_depths
from imgsearch.photos.formats import Undecodable

MAGIC = (b"P7", b"PF")
_HEADER = 1 << 16  # bytes, comments included
_FIELD = re.compile(rb"^(WIDTH|HEIGHT|DEPTH|MAXVAL)\s+(\d{1,9})\s*$", re.M)
_PFM = re.compile(rb"PF\s+(\d{1,9})\s+(\d{1,9})\s+([-+\d.eE]{1,32})\s")
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


def read(file: IO[bytes], check_size: Callable[[int, int], None]) -> Image.Image:
    """8 bits a channel. `check_size`: called with width and height before anything is decoded.
    Raises Undecodable."""
    file.seek(0)
    head = file.read(_HEADER)
    return (_pfm if head.startswith(b"PF") else _pam)(file, head, check_size)


def _pam(file: IO[bytes], head: bytes, check_size: Callable[[int, int], None]) -> Image.Image:
    end = head.find(b"\nENDHDR")
    start = head.find(b"\n", end + 1) + 1
    fields = {name: int(value) for name, value in _FIELD.findall(head[: max(end, 0)])}
    if end < 0 or start == 0 or len(fields) != 4:
        raise Undecodable(SkipReason.DAMAGED, "PAM: incomplete header")
    width, height, depth, most = (
        fields[name] for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")
    )
    if not (width and height and 1 <= most <= 65535) or depth not in _MODES:
        raise Undecodable(
            SkipReason.UNSUPPORTED, f"PAM of {depth} samples a pixel, {width} x {height}, to {most}"
        )
    check_size(width, height)
    dtype = np.dtype(">u2" if most > 255 else "u1")
    values = _values(file, start, (height, width, depth), dtype)
    if most not in (255, 65535):
        scaled = np.minimum(values, most).astype(np.uint32) * 65535 // most
        values = scaled.astype(np.uint16)
    shown = bit_depths.eight_bits(values, bits=8 * values.dtype.itemsize)
    return Image.frombytes(_MODES[depth], (width, height), shown.tobytes())


def _pfm(file: IO[bytes], head: bytes, check_size: Callable[[int, int], None]) -> Image.Image:
    """Its rows run from the bottom to the top; a negative scale means little-endian."""
    found = _PFM.match(head)
    if found is None or not int(found[1]) or not int(found[2]):
        raise Undecodable(SkipReason.DAMAGED, "PFM: incomplete header")
    width, height = int(found[1]), int(found[2])
    check_size(width, height)
    dtype = np.dtype("<f4" if found[3].startswith(b"-") else ">f4")
    values = _values(file, found.end(), (height, width, 3), dtype)[::-1]
    return Image.fromarray(bit_depths.eight_bits(values))


def _values(
    file: IO[bytes], start: int, shape: tuple[int, int, int], dtype: np.dtype[np.generic]
) -> bit_depths.Values:
    count = shape[0] * shape[1] * shape[2]
    if file.seek(0, 2) - start < count * dtype.itemsize:
        raise Undecodable(SkipReason.TRUNCATED, "pixels are missing at its end")
    file.seek(start)
    data = file.read(count * dtype.itemsize)
    native = dtype.newbyteorder("<" if sys.byteorder == "little" else ">")
    return np.frombuffer(data, dtype).astype(native, copy=False).reshape(shape)
