"""Pictures scaled by a whole number before anything else is done to them, so that all after it
costs less."""

from __future__ import annotations

from typing import IO

import numpy as np
from PIL import Image

from imgsearch.photos import colour

_STRIP = 32  # lines of the smaller picture


def _factor(image: Image.Image, target: int) -> int:
    """The largest whole number by which the image can be reduced and keep twice the target; below
    2, none."""
    return min(image.size) // (2 * target)


def reduced(image: Image.Image, target: int) -> Image.Image:
    """By the largest whole number that leaves at least twice the target; where that is 1 or the
    mode has no mean, the picture itself."""
    factor = _factor(image, target)
    if factor < 2:
        return image
    info = image.info
    if image.mode in ("1", "P"):  # numbers of colours have no mean
        opaque = "L" if image.mode == "1" else "RGB"
        image = image.convert("RGBA" if colour.has_alpha(image) else opaque)
        info = {name: info[name] for name in ("icc_profile", "gamma", "srgb") if name in info}
    if image.mode not in ("L", "RGB", "RGBA", "LA", "CMYK", "YCbCr"):
        return image
    small = image.reduce(factor)
    small.info = info
    return small


def heif(image: Image.Image, file: IO[bytes], target: int) -> Image.Image | None:
    """As `reduced`, in strips, straight from libheif's pixels: a copy of them all for Pillow would
    be 48 MB of a usual photo, and 7 % of the time. None: it is of another kind, or small."""
    factor = _factor(image, target)
    if image.format != "HEIF" or image.mode != "RGB" or factor < 2:
        return None
    import pillow_heif

    file.seek(0)
    # the first three as pillow-heif's own plugin has them
    opened = pillow_heif.open_heif(
        file, convert_hdr_to_8bit=True, hdr_to_16bit=True, remove_stride=False
    )
    frame = opened[image.tell()]
    pixels, stride = np.frombuffer(frame.data, np.uint8), frame.stride
    if frame.size != image.size:  # its header was wrong
        return None
    width, height = frame.size
    small = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    lines = _STRIP * factor
    for top in range(0, height, lines):
        size = (width, min(lines, height - top))
        part = pixels[top * stride : (top + size[1]) * stride]
        strip = Image.frombuffer("RGB", size, part, "raw", "RGB", stride, 1)
        small.paste(strip.reduce(factor), (0, top // factor))
    small.info = image.info
    return small
