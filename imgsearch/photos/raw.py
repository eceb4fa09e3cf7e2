"""Camera RAW: the sensor's pixels, the camera's own JPEG beside them, and how the camera was held.
rawpy, an extra, is known here and nowhere else; its errors leave as Undecodable."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import IO, Any

from PIL import Image

from imgsearch import installation
from imgsearch.photos import SkipReason, metadata
from imgsearch.photos.formats import BROKEN, Undecodable, undecodable
from imgsearch.photos.quiet import c_silence

_TURNS = {  # by LibRaw's flip
    3: Image.Transpose.ROTATE_180,
    5: Image.Transpose.ROTATE_90,
    6: Image.Transpose.ROTATE_270,
}
_SIDEWAYS = (5, 6)
_SRGB = (2.4, 12.92)  # its curve, as LibRaw names one; without it, that of television


@contextlib.contextmanager
def opened(file: IO[bytes]) -> Iterator[Raw]:
    """Raises Undecodable, also for what LibRaw finds while the RAW is open."""
    try:
        import rawpy
    except ImportError:
        command = installation.extra_command("raw")
        raise Undecodable(SkipReason.UNSUPPORTED, f"camera RAW: {command}") from None
    try:
        with c_silence(), rawpy.imread(file) as raw:
            yield Raw(file, raw, rawpy)
    except (rawpy.LibRawError, rawpy.NotSupportedError) as error:
        raise undecodable(error) from None


class Raw:
    """An open camera RAW. `width`, `height`: pixels, as the sensor lies."""

    def __init__(self, file: IO[bytes], raw: Any, rawpy: Any) -> None:
        self._file, self._raw, self._rawpy = file, raw, rawpy
        self.width: int = raw.sizes.width
        self.height: int = raw.sizes.height
        self._flip: int = raw.sizes.flip

    @property
    def upright_size(self) -> tuple[int, int]:
        if self._flip in _SIDEWAYS:
            return self.height, self.width
        return self.width, self.height

    def develop(self, target: int) -> Image.Image:
        """The developed picture, upright: from half of the sensor's pixels, from all where half
        would be below the target."""
        half = min(self.width, self.height) >= 2 * target
        return Image.fromarray(
            self._raw.postprocess(half_size=half, use_camera_wb=True, gamma=_SRGB)
        )

    def preview(self) -> bytes | None:
        """The camera's own JPEG; None where there is none."""
        try:
            found = self._raw.extract_thumb()
        except (self._rawpy.LibRawError, self._rawpy.NotSupportedError):
            return None
        return found.data if found.format == self._rawpy.ThumbFormat.JPEG else None

    def preview_turn(self, size: tuple[int, int], orientation: int) -> Image.Transpose | None:
        """What makes the preview upright: nothing where its own EXIF says it, or where the camera
        was held sideways and the preview stands already. `size`: as stored."""
        width, height = size
        if orientation != 1 or (self._flip in _SIDEWAYS and width <= height):
            return None
        return _TURNS.get(self._flip)

    def exif(self, preview: bytes | None) -> Image.Exif | None:
        """EXIF of the RAW itself where it is built like a TIFF, else of its preview."""
        exif = Image.Exif()
        with contextlib.suppress(*BROKEN):
            self._file.seek(0)
            exif.load_from_fp(self._file)
            for section in (metadata.EXIF_IFD, metadata.GPS_IFD):
                exif.get_ifd(section)  # now, while the file is open
            return exif
        with contextlib.suppress(*BROKEN):
            if preview:
                return Image.open(io.BytesIO(preview), formats=["JPEG"]).getexif()
        return None
