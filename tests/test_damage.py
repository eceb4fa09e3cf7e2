"""What the fuzzers once found, as ordinary tests."""

from __future__ import annotations

import io

import numpy as np
import tifffile

from imgsearch.photos import decode
from tests import pictures


def test_signalling_nan_is_not_warned_about() -> None:
    """NumPy warned on the terminal (here: an error) when it converted one to double precision."""
    values = np.full((30, 40), 0.5, np.float32)
    values.view(np.uint32)[:4] = 0x7FA00000
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values)
    photoshop = bytearray(pictures.photoshop(pictures.photo(size=(40, 30)), depth=32))
    photoshop[-400:] = bytes.fromhex("7fa00000") * 100
    for data in (buffer.getvalue(), bytes(photoshop)):
        assert decode.decode(data, target=64, max_megapixels=5).image.size == (40, 30)


def test_a_range_beyond_floating_point_is_shown() -> None:
    values = np.full((30, 40), -1.7e308)
    values[:, 20:] = 1.7e308
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values)
    found = decode.decode(buffer.getvalue(), target=64, max_megapixels=5).image
    assert found.getpixel((30, 5)) != found.getpixel((5, 5))
