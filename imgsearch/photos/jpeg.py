"""JPEGs without an end marker: whether all pixels are there all the same."""

from __future__ import annotations

import contextlib
import io
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from imgsearch.photos import downscaling
from imgsearch.photos.formats import BROKEN

MAGIC = b"\xff\xd8\xff"
_END = b"\xff\xd9"
_JUNK = (b"\x55", b"\xaa", b"\x00")  # each reads as other codes
_JUNK_BYTES = 4096


def whole(file: IO[bytes], target: int) -> io.BytesIO | None:
    """The JPEG with an end marker; None where pixels are missing. `target`: as of `images.decode`.

    A decoder makes up what is missing from the bytes that follow. So nothing is missing exactly if
    other bytes behind the file's end make no other picture."""
    file.seek(0)
    data = file.read()
    if data.endswith(b"\xff"):  # the first half of the marker
        data = data[:-1]
    first = _pixels(data + _END, target)
    if first is None:
        return None
    for junk in _JUNK:
        other = _pixels(data + junk * _JUNK_BYTES + _END, target)
        if other is None or not np.array_equal(first, other):
            return None
    return io.BytesIO(data + _END)


def _pixels(data: bytes, target: int) -> npt.NDArray[Any] | None:
    with contextlib.suppress(*BROKEN), Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        image.draft(None, (downscaling.least(target), downscaling.least(target)))
        return np.asarray(image)
    return None
