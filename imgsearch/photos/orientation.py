"""How a picture has to be turned to stand upright."""

from __future__ import annotations

from PIL import ExifTags, Image

from imgsearch.photos.formats import BROKEN

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = {TURNS[orientation] for orientation in (5, 6, 7, 8)}


def exif_of(image: Image.Image) -> Image.Exif | None:
    """The picture's EXIF; None where there is none or it cannot be read."""
    try:
        return image.getexif()
    except BROKEN:
        return None


def orientation(exif: Image.Exif | None) -> int:
    try:
        value = exif.get(ExifTags.Base.Orientation, 1) if exif is not None else 1
        return value[0] if isinstance(value, bytes) else int(value)  # some write it as a byte
    except BROKEN:
        return 1
