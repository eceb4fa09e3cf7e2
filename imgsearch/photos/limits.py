"""The largest picture that is decoded."""

from __future__ import annotations

import re

from imgsearch.photos import SkipReason
from imgsearch.photos.formats import Undecodable


def check_size(width: int, height: int, max_megapixels: float) -> None:
    """Raises Undecodable for a picture of more pixels."""
    megapixels = width * height / 1e6
    if megapixels > max_megapixels:
        raise Undecodable(
            SkipReason.TOO_LARGE,
            f"{width} x {height} = {_shown(megapixels)} megapixels; --max-megapixels is"
            f" {max_megapixels:g}",
        )


def too_large(error: Exception, max_megapixels: float) -> Undecodable:
    """What Pillow's own guard says at a file's header, in our words."""
    found = re.search(r"\((\d+) pixels\)", str(error))
    size = f"{_shown(int(found[1]) / 1e6)} megapixels" if found else "too many pixels"
    return Undecodable(SkipReason.TOO_LARGE, f"{size}; --max-megapixels is {max_megapixels:g}")


def _shown(megapixels: float) -> str:
    return f"{megapixels:,.0f}" if megapixels >= 1000 else f"{megapixels:.4g}"
