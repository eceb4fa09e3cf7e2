"""Pictures scaled by a whole number before anything else is done to them, so that all after it
costs less."""

from __future__ import annotations

import math
from typing import IO

import numpy as np
import numpy.typing as npt
from PIL import Image

from imgsearch.photos import colour

# Times the target that stay, for the model's own scaling to choose from. Vectors of 2,000 pictures,
# the worst of them too, were as near to those of all pixels as with twice the target; and a JPEG of
# 12 megapixels costs a sixth less.
SPARE = 1.5
_STRIP = 32  # lines of the smaller picture


def least(target: int) -> int:
    """Pixels of the shorter side that stay of a larger picture, at least."""
    return math.ceil(SPARE * target)


def factor_of(image: Image.Image, target: int) -> int:
    """The largest whole number by which the image can be reduced; below 2, none."""
    return min(image.size) // least(target)


def reduced(image: Image.Image, target: int) -> Image.Image:
    """By the largest whole number that leaves at least SPARE times the target; where that is 1 or
    the mode has no mean, the picture itself."""
    factor = factor_of(image, target)
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
    factor = factor_of(image, target)
    if image.format != "HEIF" or image.mode != "RGB" or factor < 2:
        return None
    import pillow_heif

    file.seek(0)
    # the first three as pillow-heif's own plugin has them
    opened = pillow_heif.open_heif(
        file, convert_hdr_to_8bit=True, hdr_to_16bit=True, remove_stride=False
    )
    frame = opened[image.tell()]
    if frame.size != image.size:  # its header was wrong
        return None
    pixels, stride, (width, height) = np.frombuffer(frame.data, np.uint8), frame.stride, frame.size
    small = _in_strips(pixels[: height * stride].reshape(height, stride), width, "RGB", factor)
    small.info = image.info
    return small


def of_pixels(pixels: npt.NDArray[np.uint8], target: int) -> Image.Image:
    """As `reduced`, of RGB or RGBA (height, width, 3 or 4), without a copy of all of them."""
    height, width, channels = pixels.shape
    mode = {3: "RGB", 4: "RGBA"}[channels]
    factor = min(width, height) // least(target)
    if factor < 2:
        return Image.fromarray(pixels)
    return _in_strips(pixels.reshape(height, width * channels), width, mode, factor)


def _in_strips(lines: npt.NDArray[np.uint8], width: int, mode: str, factor: int) -> Image.Image:
    """The picture reduced by `factor`. `lines`: its bytes (height, at least those of `width`)."""
    height, stride = lines.shape
    small = Image.new(mode, (-(-width // factor), -(-height // factor)))
    for top in range(0, height, _STRIP * factor):
        part = lines[top : top + _STRIP * factor]
        strip = Image.frombuffer(mode, (width, len(part)), part, "raw", mode, stride, 1)
        small.paste(strip.reduce(factor), (0, top // factor))
    return small
