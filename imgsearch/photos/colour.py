"""From whatever a file stores to sRGB: transparency, bit depths, colour modes and ICC profiles."""

from __future__ import annotations

import contextlib
import functools
import io

import numpy as np
from PIL import Image, ImageCms

from imgsearch.photos.formats import BROKEN


def rgb(image: Image.Image) -> Image.Image:
    """In sRGB with 8 bits a channel; on white where it is transparent."""
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


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and floating-point grey to L. Pillow's own conversion clips to white."""
    values = np.asarray(image).astype(np.float32)
    values[~np.isfinite(values)] = 0
    low, high = float(np.min(values)), float(np.max(values))
    if image.mode == "F" and low >= 0 and high <= 255:
        values *= 255 if high <= 1 else 1
    elif low >= 0 and high <= 65535 and image.mode != "F":  # mode I too: Pillow's 16-bit PGM
        values /= 257
    else:
        values = (values - low) * (255 / (high - low)) if high > low else values * 0
    grey = Image.fromarray((values + 0.5).astype(np.uint8))
    grey.info = {**image.info, "transparency": None}
    del grey.info["transparency"]
    return grey


@functools.lru_cache(maxsize=16)  # one camera, one profile
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """None: the colours are sRGB already, or the profile is broken or of another kind of image."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        description = ImageCms.getProfileDescription(source)
        if "sRGB" in description and "linear" not in description.lower():
            return None
        space = source.profile.xcolor_space.strip()
        if {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab": "LAB"}.get(space) != mode:
            return None
        flags = ImageCms.Flags.NOCACHE  # many threads share it
        return ImageCms.buildTransform(source, _srgb(), mode, "RGB", flags=flags)
    except (*BROKEN, ImageCms.PyCMSError):
        return None


@functools.lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
