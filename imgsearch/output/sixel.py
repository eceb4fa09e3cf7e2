"""A picture as Sixel: bands of six rows, each drawn once for every colour in it
(https://vt100.net/docs/vt3xx-gp/chapter14.html)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

    from imgsearch.models.base import Vectors

_BAND = 6  # rows
_COLOURS = 255  # one register of 256 stays the terminal's own
_FIRST = 0x3F  # "?": no row of the band is set
_SHORTEST_RUN = 4  # shorter ones are shorter as they are


def encoded(image: Image) -> bytes:
    """Of an RGB image; what its last band has beyond its height stays as it was on the screen."""
    from PIL.Image import Dither, Quantize

    few = image.quantize(_COLOURS, method=Quantize.MEDIANCUT, dither=Dither.NONE)
    pixels = np.asarray(few)
    palette = np.asarray(few.getpalette("RGB"), np.int64).reshape(-1, 3)
    used = np.unique(pixels)
    colours = b"".join(
        b"#%d;2;%d;%d;%d" % (colour, *((palette[colour] * 100 + 127) // 255)) for colour in used
    )
    bands = b"-".join(_bands(pixels))
    # P2=1: what is not drawn stays; the pixels are square
    return b'\x1bP0;1q"1;1;%d;%d%s%s\x1b\\' % (image.width, image.height, colours, bands)


def _bands(pixels: Vectors) -> Iterator[bytes]:
    """`pixels`: (height, width), each the number of its colour."""
    for top in range(0, len(pixels), _BAND):
        band = pixels[top : top + _BAND]
        weights = 1 << np.arange(len(band))[:, None]
        yield b"$".join(
            b"#%d%s" % (colour, _shortened(((band == colour) * weights).sum(axis=0)))
            for colour in np.unique(band)
        )


def _shortened(columns: Vectors) -> bytes:
    """`columns`: (width,) with six bits each. Runs of the same as "!" and their length."""
    line = bytes((columns + _FIRST).astype(np.uint8)).rstrip(b"?")
    pieces = []
    for value, run in itertools.groupby(line):
        length = sum(1 for _ in run)
        one = bytes([value])
        pieces.append(b"!%d%s" % (length, one) if length >= _SHORTEST_RUN else one * length)
    return b"".join(pieces)
