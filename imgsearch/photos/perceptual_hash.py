"""What a picture looks like in 256 bits: nearly the same ones after it was made smaller or saved in
another format; quite others when the camera or what it saw has moved, or a colour is another.

Each bit says whether one of 16 x 16 fields is brighter than its left neighbour, by turns in red, in
green and in blue. Vectors tell what a picture shows, and hardly differ between two frames of a
burst; these bits do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 16  # fields
_NOISE = 2  # of 255: what is of one colour stays so, whatever a format adds to it
_GAP = 6.0  # Pillow first makes it roughly so many times the size; 3 leaves other bits


def of(image: Image) -> str:
    """64 hexadecimal digits. `image`: RGB, upright, of any size."""
    import numpy as np
    from PIL.Image import Resampling

    small = image.resize((SIDE + 1, SIDE), Resampling.HAMMING, reducing_gap=_GAP)
    rows = np.arange(SIDE)
    fields = np.asarray(small).astype(np.int16)[rows, :, rows % 3]  # (SIDE, SIDE + 1)
    bits = fields[:, 1:] - fields[:, :-1] > _NOISE
    return np.packbits(bits).tobytes().hex()
