"""The largest picture that is decoded."""

from __future__ import annotations

import re

from imgsearch.errors import Action, Advice
from imgsearch.photos import SkipReason
from imgsearch.photos.formats import Undecodable


def check_size(width: int, height: int, max_megapixels: float) -> None:
    """Raises Undecodable for a picture of more pixels."""
    megapixels = width * height / 1e6
    if megapixels > max_megapixels:
        size = f"{width} x {height} = {_shown(megapixels)} megapixels"
        raise _larger_than(max_megapixels, size)


def too_large(error: Exception, max_megapixels: float) -> Undecodable:
    """What Pillow's own guard says at a file's header, in our words."""
    found = re.search(r"\((\d+) pixels\)", str(error))
    size = f"{_shown(int(found[1]) / 1e6)} megapixels" if found else "too many pixels"
    return _larger_than(max_megapixels, size)


def _larger_than(max_megapixels: float, size: str) -> Undecodable:
    detail = f"{size}; the limit is {max_megapixels:g}"
    return Undecodable(SkipReason.TOO_LARGE, Advice(detail, Action("raise the limit")))


def _shown(megapixels: float) -> str:
    return f"{megapixels:,.0f}" if megapixels >= 1000 else f"{megapixels:.4g}"
