"""From whatever a file stores to sRGB: transparency, bit depths, colour modes and ICC profiles."""

from __future__ import annotations

import contextlib
import functools
import io

import numpy as np
from PIL import Image, ImageCms

from imgsearch.photos import depths
from imgsearch.photos.formats import BROKEN

_LEVELS = np.arange(0, 256, 17, dtype=np.uint8)
_SAME = 6  # of 255: sRGB's profiles by different makers differ by as much in dark colours


def rgb(image: Image.Image) -> Image.Image:
    """The image in sRGB with 8 bits a channel, on white where it is transparent."""
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bits(image)
    profile = image.info.get("icc_profile")
    if has_alpha(image):
        image = _on_white(image)
    elif image.mode not in ("RGB", "L", "CMYK", "LAB"):  # RGB to RGB would be a copy
        image = image.convert("RGB")
    if isinstance(profile, bytes) and profile and (transform := _to_srgb(profile, image.mode)):
        with contextlib.suppress(*BROKEN, ImageCms.PyCMSError):  # else the colours as they are
            converted = transform.apply(image)
            converted.load()
            return converted
    return image if image.mode == "RGB" else image.convert("RGB")


def has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or (
        image.mode in ("1", "L", "P", "RGB") and "transparency" in image.info
    )


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == "La":  # Pillow has no direct way
        image = image.convert("LA")
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def is_invisible(image: Image.Image) -> bool:
    """Whether an alpha channel is 0 everywhere."""
    return image.mode in ("RGBA", "LA") and image.getextrema()[-1] == (0, 0)


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and floating-point grey to L. Pillow's own conversion clips to white."""
    values = np.asarray(image)
    if image.mode == "I" and values.min() >= 0 and values.max() <= 65535:  # its 16-bit PGM
        values = values.astype(np.uint16)
    grey = Image.fromarray(depths.eight_bits(values, bits=16))
    grey.info = {name: value for name, value in image.info.items() if name != "transparency"}
    return grey


@functools.lru_cache(maxsize=16)  # one camera, one profile
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform to sRGB; None where the colours are sRGB already, or the profile is broken or
    meant for another kind of image."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}.get(space) != mode:
            return None
        flags = ImageCms.Flags.NOCACHE  # many threads share it
        transform = ImageCms.buildTransform(source, _srgb(), mode, "RGB", flags=flags)
        return None if _changes_nothing(transform, mode) else transform
    except (*BROKEN, ImageCms.PyCMSError):
        return None


def _changes_nothing(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether the profile is sRGB, whatever it is called: judged by colours from all over."""
    if mode not in ("RGB", "L"):
        return False
    colours = np.stack(np.meshgrid(*[_LEVELS] * 3), axis=-1).reshape(1, -1, 3)
    if mode == "L":
        colours = np.repeat(_LEVELS[None, :, None], 3, axis=-1)
    before = Image.fromarray(colours).convert(mode)
    after = np.asarray(transform.apply(before), np.int16)
    return int(np.abs(after - colours).max()) <= _SAME


@functools.lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
