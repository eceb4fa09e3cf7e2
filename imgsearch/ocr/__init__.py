"""Text in pictures: the lines that can be read in a picture, with their places.

Of the extra `ocr`, which brings rapidocr and OpenCV, the weights of two networks are used
(`imgsearch.ocr.networks`) and nothing else: no code of rapidocr runs, which could fetch others. One
network says where text is, in a picture of about `LOOKED_AT` pixels; only where it finds some are
lines cut out of the full picture and read by the other. They read Latin, Chinese, Japanese and
Greek script, not Cyrillic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imgsearch import installation
from imgsearch.errors import ModelUnavailable
from imgsearch.photos import safe_text

if TYPE_CHECKING:
    from PIL.Image import Image

    from imgsearch.ocr.networks import Pixels
    from imgsearch.question import Box

DECODED_FOR = 640  # the target of `decode`: small print is read in twice as many pixels
LOOKED_AT = 960 * 720  # pixels of the picture in which text is looked for
_LARGEST = 4000  # pixels of its longer edge
_ENLARGED = 2.0  # times, a small picture, at most
MOST_LINES, LONGEST, MOST_CHARACTERS = 150, 300, 10_000  # of a picture; a line's; of a picture
_SURE = 0.6  # mean probability of a line's characters below which it is no text


def missing() -> ModelUnavailable | None:
    """Why no text can be read here, and what to install; None: it can."""
    from imgsearch.ocr import networks

    if not networks.missing():
        return None
    return ModelUnavailable(
        "Reading text in pictures needs packages that are not installed: rapidocr 3.10.",
        f"Install them: {installation.extra_command('ocr')}",
    )


class Line(NamedTuple):
    """`box`: left, top, width and height in pixels of the picture that was read. `text`: made safe
    by `photos.safe_text`."""

    box: Box
    text: str


class Reader:
    """Reads pictures, on the thread that calls, which may be one of several."""

    def __init__(self, recogniser: Path | None = None) -> None:
        """`recogniser`: another one than the extra's. Opens both networks. Raises
        ModelUnavailable without the extra; ModelError for a file that is no recogniser."""
        from imgsearch.ocr.networks import Detector, Recogniser

        if (error := missing()) is not None:
            raise error
        self._detector, self._recogniser = Detector(), Recogniser(recogniser)

    def lines(self, image: Image) -> list[Line]:
        """In the order of reading: from the top, and from the left. `image`: RGB. Raises
        ModelError."""
        from imgsearch.ocr import text_lines

        if min(image.size) < text_lines.LOWEST:
            return []
        pixels = np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])  # as trained
        small = _reduced(image)
        scale = image.width / small.width, image.height / small.height
        found = text_lines.found_in(self._detector.heat(_blue_first(small)), scale)[:MOST_LINES]
        cuts = [text_lines.cut_out(pixels, corners) for corners in found]
        lines: list[Line] = []
        left = MOST_CHARACTERS
        for corners, (text, sure) in zip(found, self._recogniser.read(cuts), strict=True):
            safe = safe_text.clean(text, min(LONGEST, left)) if sure >= _SURE and left else None
            if safe is not None and any(map(str.isalnum, safe)):
                lines.append(Line(text_lines.box_of(corners, image.size), safe))
                left -= len(safe)
        return lines


def _reduced(image: Image) -> Image:
    """The picture at the size in which text is looked for: whole multiples of 32 pixels."""
    from PIL.Image import Resampling

    width, height = image.size
    scale = min((LOOKED_AT / (width * height)) ** 0.5, _ENLARGED, _LARGEST / max(image.size))
    size = [max(32, round(side * scale / 32) * 32) for side in (width, height)]
    return image.convert("RGB").resize((size[0], size[1]), Resampling.BILINEAR, reducing_gap=2.0)


def _blue_first(image: Image) -> Pixels:
    return np.ascontiguousarray(np.asarray(image)[:, :, ::-1])
