"""Makers of test pictures: real photos (inside the scikit-image wheel) in every format."""

from __future__ import annotations

import io
import struct
import zlib
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from PIL import ExifTags, Image, ImageCms

SKIMAGE = Path(str(files("skimage"))) / "data"
# `files` would import it, for a second
SKLEARN = Path(str(distribution("scikit-learn").locate_file("sklearn"))) / "datasets" / "images"

# ending -> how Pillow is asked to write it. Lossy ones at a quality that keeps the pixels close.
FORMATS: dict[str, dict[str, Any]] = {
    ".jpg": {"format": "JPEG", "quality": 95},
    ".png": {"format": "PNG"},
    ".webp": {"format": "WEBP", "quality": 95},
    ".tif": {"format": "TIFF"},
    ".tiff": {"format": "TIFF", "compression": "tiff_lzw"},
    ".bmp": {"format": "BMP"},
    ".gif": {"format": "GIF"},
    ".avif": {"format": "AVIF", "quality": 90},
    ".jp2": {"format": "JPEG2000"},
    ".ppm": {"format": "PPM"},
    ".tga": {"format": "TGA"},
    ".ico": {"format": "ICO"},
    ".icns": {"format": "ICNS"},
    ".heic": {"format": "HEIF", "quality": 90},
    ".mpo": {"format": "MPO", "quality": 95},
    ".dds": {"format": "DDS"},
    ".qoi": {"format": "QOI"},
    ".pcx": {"format": "PCX"},
    ".sgi": {"format": "SGI"},
}


def photo(name: str = "astronaut.png", size: tuple[int, int] | None = None) -> Image.Image:
    """A real photo as RGB. A size that is not square shows whether it lies on its side."""
    with Image.open(SKIMAGE / name) as image:
        rgb = image.convert("RGB")
    rgb.info = {}  # else its profile is written into every copy
    return rgb.resize(size) if size else rgb


def encoded(image: Image.Image, ending: str, **options: Any) -> bytes:
    """The bytes of a file of this ending."""
    if ending == ".psd":
        return psd(image)
    if ending == ".heic":
        import pillow_heif

        pillow_heif.register_heif_opener()
    buffer = io.BytesIO()
    image.save(buffer, **{**FORMATS[ending], **options})
    return buffer.getvalue()


def psd(image: Image.Image) -> bytes:
    """A flat RGB Photoshop file, which Pillow reads and does not write."""
    header = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, image.height, image.width, 8, 3)
    planes = b"".join(band.tobytes() for band in image.convert("RGB").split())
    return header + struct.pack(">IIIH", 0, 0, 0, 0) + planes


def photoshop(
    image: Image.Image, *, depth: int = 8, large: bool = False, packed: bool = False
) -> bytes:
    """PSD, or PSB where `large`, with samples of 8, 16 or 32 bits, as they are or in PackBits."""
    mode = {"L": 1, "RGB": 3, "CMYK": 4}[image.mode]
    values = np.asarray(image).reshape(image.height, image.width, -1)
    if image.mode == "CMYK":
        values = 255 - values
    scaled = {8: values, 16: values.astype(">u2") * 257, 32: (values / 255).astype(">f4")}[depth]
    if depth == 16:
        scaled = scaled.astype(">u2")
    header = struct.pack(
        ">4sH6xHIIHH", b"8BPS", 1 + large, values.shape[2], image.height, image.width, depth, mode
    )
    rows = [row.tobytes() for plane in np.moveaxis(scaled, -1, 0) for row in plane]
    if packed:
        rows = [imagecodecs.packbits_encode(row) for row in rows]
        lengths = struct.pack(f">{len(rows)}{'I' if large else 'H'}", *map(len, rows))
        pixels = b"\0\1" + lengths + b"".join(rows)
    else:
        pixels = b"\0\0" + b"".join(rows)
    return header + bytes(8) + bytes(8 if large else 4) + pixels


def save_every_format(folder: Path, image: Image.Image | None = None) -> list[Path]:
    """One photo as one file of each format; the paths."""
    image = image or photo(size=(256, 256))
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for ending in (*FORMATS, ".psd"):
        path = folder / f"photo{ending}"
        path.write_bytes(encoded(image, ending))
        paths.append(path)
    return paths


def exif(**tags: Any) -> Image.Exif:
    """`exif(Orientation=6, exif={...}, gps={...})`: sections by tag number."""
    made = Image.Exif()
    sections = {"exif": ExifTags.IFD.Exif, "gps": ExifTags.IFD.GPSInfo}
    for name, value in tags.items():
        if name in sections:
            made.get_ifd(sections[name]).update(value)
        else:
            made[ExifTags.Base[name]] = value
    return made


UNDONE = {  # what a camera did to the upright picture, by the orientation that undoes it
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def oriented(image: Image.Image, ending: str, orientation: int) -> bytes:
    """The same upright picture, stored turned, with an EXIF orientation that turns it back."""
    turn = UNDONE[orientation]
    stored = image if turn is None else image.transpose(turn)
    if ending == ".heic":  # the encoder would turn it into HEIF's own rotation and mirroring
        return encoded(stored, ending, exif=exif(Orientation=orientation).tobytes())
    return encoded(stored, ending, exif=exif(Orientation=orientation))


def truncated(ending: str = ".jpg") -> bytes:
    data = encoded(photo(), ending)
    return data[: len(data) // 2]


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has next to no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 10))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def swapped_profile() -> bytes:
    """An sRGB-like profile whose red and green primaries have changed places."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for at in range(132, 132 + 12 * struct.unpack_from(">I", data, 128)[0], 12):
        name = bytes(data[at : at + 4])
        if name in (b"rXYZ", b"gXYZ"):
            data[at : at + 4] = {b"rXYZ": b"gXYZ", b"gXYZ": b"rXYZ"}[name]
    srgb, other = "sRGB", "swap"  # the description decides whether a profile is looked into
    text = bytes(data).replace(srgb.encode("utf-16-be"), other.encode("utf-16-be"))
    return text.replace(srgb.encode(), other.encode())


def dng(image: Image.Image) -> bytes:
    """A minimal camera RAW: the photo as an RGGB mosaic of 16 bits, without a preview."""
    rgb = np.asarray(image.convert("RGB")).astype(np.uint16)
    mosaic = np.empty(rgb.shape[:2], np.uint16)
    for row, column, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        mosaic[row::2, column::2] = rgb[row::2, column::2, channel] * 64
    height, width = mosaic.shape
    matrix = [32406, -15372, -4986, -9689, 18758, 415, 557, -2040, 10570]  # XYZ to sRGB, / 10000
    fields: list[tuple[int, str, list[int]]] = [
        (254, "I", [0]), (256, "I", [width]), (257, "I", [height]), (258, "H", [16]),
        (259, "H", [1]), (262, "H", [32803]), (271, "B", [*b"Test\0\0"]),
        (272, "B", [*b"Test Mosaic\0"]), (273, "I", [0]), (277, "H", [1]), (278, "I", [height]),
        (279, "I", [2 * width * height]), (33421, "H", [2, 2]), (33422, "B", [0, 1, 1, 2]),
        (50706, "B", [1, 4, 0, 0]), (50708, "B", [*b"Test Mosaic\0"]), (50717, "I", [255 * 64]),
        (50721, "i", [x for value in matrix for x in (value, 10000)]),
        (50728, "r", [1, 1, 1, 1, 1, 1]), (50778, "H", [21]),
    ]  # fmt: skip
    return tiff(fields, mosaic.tobytes())


_TYPES = {"B": (1, "B"), "H": (3, "H"), "I": (4, "I"), "r": (5, "I"), "i": (10, "i")}


def tiff(fields: list[tuple[int, str, list[int]]], pixels: bytes) -> bytes:
    """One directory, its long values, then the pixels in one strip."""
    end = 8 + 2 + 12 * len(fields) + 4
    directory, values = struct.pack("<H", len(fields)), b""
    packed = []
    for tag, kind, numbers in fields:
        number, code = _TYPES[kind]
        data = struct.pack(f"<{len(numbers)}{code}", *numbers)
        count = len(numbers) // 2 if kind in "ri" else len(numbers)
        if tag in (271, 272, 50708):
            number = 2  # ASCII
        if len(data) > 4:
            offset, values = end + len(values), values + data + b"\0" * (len(data) % 2)
            data = struct.pack("<I", offset)
        packed.append((tag, number, count, data.ljust(4, b"\0")))
    for tag, number, count, data in packed:
        if tag == 273:
            data = struct.pack("<I", end + len(values))
        directory += struct.pack("<HHI", tag, number, count) + data
    return struct.pack("<2sHI", b"II", 42, 8) + directory + b"\0" * 4 + values + pixels
