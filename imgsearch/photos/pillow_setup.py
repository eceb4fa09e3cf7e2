"""Pillow as decoding needs it: what it may open, what it says, and HEIF."""

from __future__ import annotations

import re
import threading
import warnings

from PIL import Image

from imgsearch.photos.quiet import keep_quiet

_registering = threading.Lock()
_SILENT = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


def prepare(max_megapixels: float) -> None:
    """Let it open what our limit allows, and silence its warnings about broken tags for good:
    `warnings.catch_warnings` would not be safe among threads. Its limit holds for the whole
    process, so it is only ever raised; a lower one is `limits.check_size`'s to keep."""
    keep_quiet()
    if Image.MAX_IMAGE_PIXELS is not None:
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, int(max_megapixels * 1e6))
    if not warnings.filters or warnings.filters[0] != _SILENT:
        warnings.filterwarnings("ignore", module=r"PIL\.")


def register_heif() -> None:
    """So that Pillow opens HEIF."""
    with _registering:
        if "HEIF" not in Image.OPEN:
            import pillow_heif

            pillow_heif.register_heif_opener()
