"""From whatever a file stores to sRGB: transparency, bit depths, colour modes and ICC profiles."""

from __future__ import annotations

import contextlib
import functools
import io

import numpy as np
from PIL import Image, ImageCms

from imgsearch.photos import bit_depths
from imgsearch.photos.formats import BROKEN

_LEVELS = np.arange(0, 256, 17, dtype=np.uint8)
_SRGB_GAMMA, _NEAR_SRGB = 1 / 2.2, 0.03  # as PNGs say it
_GAMMAS = (0.2, 3.0)  # that anybody means
_SAME = 6  # of 255: sRGB's profiles by different makers differ by as much in dark colours


def rgb(image: Image.Image) -> Image.Image:
    """The image in sRGB with 8 bits a channel, on white where it is transparent."""
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bits(image)
    profile, gamma = image.info.get("icc_profile"), _gamma(image)
    if has_alpha(image):
        image = _on_white(image)
    elif image.mode not in ("RGB", "L", "CMYK", "LAB"):  # RGB to RGB would be a copy
        image = image.convert("RGB")
    if isinstance(profile, bytes) and profile and (transform := _to_srgb(profile, image.mode)):
        with contextlib.suppress(*BROKEN, ImageCms.PyCMSError):  # else the colours as they are
            converted = transform.apply(image)
            converted.load()
            return converted
    image = image if image.mode == "RGB" else image.convert("RGB")
    return image if gamma is None else image.point(_from_gamma(gamma) * 3)


def _gamma(image: Image.Image) -> float | None:
    """The exponent by which a PNG's samples were made of light, where it is not sRGB's and no
    profile says more."""
    gamma = image.info.get("gamma")
    if image.info.get("icc_profile") or "srgb" in image.info or not isinstance(gamma, float):
        return None
    usual = abs(gamma - _SRGB_GAMMA) < _NEAR_SRGB
    return None if usual or not _GAMMAS[0] <= gamma <= _GAMMAS[1] else gamma


@functools.lru_cache(maxsize=4)
def _from_gamma(gamma: float) -> list[int]:
    """sRGB's samples, for each of 256 that were made with that exponent."""
    light = (np.arange(256) / 255) ** (1 / gamma)
    curved = 1.055 * light ** (1 / 2.4) - 0.055
    levels = np.where(light <= 0.0031308, 12.92 * light, curved)
    return [round(255 * level) for level in levels.tolist()]


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
    grey = Image.fromarray(bit_depths.eight_bits(values, bits=16))
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
