"""Varieties of picture files that few programs write and that all must be shown as they are meant:
depths, planes, colour spaces, keys, and trouble in what lies around the pixels."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image, ImageCms

from imgsearch.output import cures
from imgsearch.photos import SkipReason, bit_depths, decode, formats
from tests import pictures

PHOTO = pictures.photo(size=(256, 192))
GREY = PHOTO.convert("L")
PIXELS = np.asarray(PHOTO)
GREYS = np.asarray(GREY)
STRETCHED = GREY.point(lambda level: level * bit_depths.WHITE / 255)  # where white is not known


def _shown(data: bytes) -> Image.Image:
    return decode.decode(data, target=224, max_megapixels=250).image


def _reason(data: bytes) -> SkipReason:
    with pytest.raises(decode.Undecodable) as caught:
        _shown(data)
    assert caught.value.detail
    return caught.value.reason


def _difference(data: bytes, expected: Image.Image = PHOTO) -> float:
    """Mean over pixels and channels, of 255."""
    found = _shown(data)
    assert found.size == expected.size
    wanted = np.asarray(expected.convert("RGB"), np.float32)
    return float(np.abs(np.asarray(found, np.float32) - wanted).mean())


def _tiff(values: npt.NDArray[Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, metadata=None, **options)
    return buffer.getvalue()


# PNG


def _chunk(kind: bytes, data: bytes, check: int | None = None) -> bytes:
    check = zlib.crc32(kind + data) if check is None else check
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def _png(*chunks: bytes, image: Image.Image = PHOTO, behind: bool = False) -> bytes:
    """With chunks between the header and the pixels, or behind the pixels."""
    plain = pictures.encoded(image, ".png")
    at = len(plain) - 12 if behind else 33
    return plain[:at] + b"".join(chunks) + plain[at:]


_MUCH = zlib.compress(bytes(8 << 20))
TROUBLES = {
    "much compressed text": [_chunk(b"zTXt", b"Comment\0\0" + _MUCH)],
    "much international text": [_chunk(b"iTXt", b"Comment\0\1\0\0\0" + _MUCH)],
    "many texts": [_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1 << 20)))] * 66,
    "large profile": [_chunk(b"iCCP", b"large\0\0" + _MUCH)],
    "broken profile": [_chunk(b"iCCP", b"broken\0\0these are no bytes of deflate")],
    "text that is not compressed": [_chunk(b"zTXt", b"Comment\0\0not compressed")],
    "empty time": [_chunk(b"tIME", b"")],
    "short resolution": [_chunk(b"pHYs", b"\0\0")],
    "short gamma": [_chunk(b"gAMA", b"\0")],
    "short rendering intent": [_chunk(b"sRGB", b"")],
    "empty colour key": [_chunk(b"tRNS", b"")],
    "short colour key": [_chunk(b"tRNS", b"\0")],
    "broken animation": [_chunk(b"acTL", b"\0")],
    "unknown and large": [_chunk(b"prVt", bytes(3 << 20))],
}
TROUBLES |= {
    f"wrong checksum of {kind.decode()}": [_chunk(kind, data, check=1)]
    for kind, data in {
        b"tEXt": b"Comment\0text", b"zTXt": b"Comment\0\0" + _MUCH, b"iTXt": b"A\0\0\0\0\0text",
        b"iCCP": b"name\0\0data", b"eXIf": b"MM\0*\0\0\0\x08\0\0", b"pHYs": bytes(9),
        b"tIME": bytes(7), b"gAMA": bytes(4), b"acTL": bytes(8), b"bKGD": bytes(6),
        b"sPLT": b"short",
    }.items()
}  # fmt: skip


@pytest.mark.parametrize("behind", [False, True], ids=["before", "behind"])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_around_a_pngs_pixels_does_not_lose_them(trouble: str, behind: bool) -> None:
    assert _difference(_png(*TROUBLES[trouble], behind=behind)) == 0


def test_a_large_profile_is_converted_all_the_same() -> None:
    red, green, blue = PHOTO.split()
    profile = pictures.swapped_profile()
    profile = struct.pack(">I", 2 << 20) + profile[4:] + bytes((2 << 20) - len(profile))
    data = _png(
        _chunk(b"iCCP", b"swapped\0\0" + zlib.compress(profile)),
        image=Image.merge("RGB", (green, red, blue)),
    )
    assert _difference(data) < 6


def test_a_png_with_trouble_keeps_orientation_and_date() -> None:
    exif = pictures.exif(Orientation=6, exif={0x9003: "2024:05:01 12:30:00"})
    turned = PHOTO.transpose(Image.Transpose.ROTATE_90)
    plain = pictures.encoded(turned, ".png", exif=exif)
    data = plain[:33] + _chunk(b"tEXt", b"Comment\0text", check=1) + plain[33:]
    assert _difference(data) == 0
    found = decode.decode(data, target=224, max_megapixels=250).metadata
    assert found.taken == "2024-05-01T12:30:00"


def test_a_png_whose_pixels_are_damaged_stays_refused() -> None:
    plain = pictures.encoded(PHOTO, ".png")
    text = _chunk(b"tEXt", b"Comment\0text", check=1)
    assert _reason(plain[:33] + text + plain[33 : len(plain) // 2]) is SkipReason.TRUNCATED
    assert _difference(plain[:-12]) == 0  # only the end mark is missing


def _keyed_png(values: npt.NDArray[Any], depth: int, kind: int, key: bytes) -> bytes:
    """`values`: [height, width] or [height, width, 3] samples of `depth` bits."""
    height, width = values.shape[:2]
    if depth == 16:
        rows = values.astype(">u2").reshape(height, -1).view(np.uint8)
    elif depth == 8:
        rows = values.astype(np.uint8).reshape(height, -1)
    else:
        bits = np.unpackbits(values.astype(np.uint8)[..., None], axis=-1)[..., -depth:]
        rows = np.packbits(bits.reshape(height, -1), axis=-1)
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"tRNS", key), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_transparent_grey_is_compared_at_its_depth(depth: int) -> None:
    """Halves: the key, and a grey beside it that differs only at the full depth."""
    most = 2**depth - 1
    key = most // 2 + 1
    values = np.full((64, 64), key)
    values[:, 32:] = key - 1
    found = _shown(_keyed_png(values, depth, 0, struct.pack(">H", key)))
    assert found.getpixel((8, 8)) == (255, 255, 255)
    grey = round((key - 1) * 255 / most)
    assert np.abs(np.asarray(found.getpixel((48, 8))) - grey).max() <= 1


@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_colour_is_compared_at_its_depth(depth: int) -> None:
    colour = np.array([0x12, 0x34, 0x56]) * (257 if depth == 16 else 1)
    values = np.tile(colour, (64, 64, 1))
    values[:, 32:, 2] += 1  # the same in the first 8 of 16 bits
    found = _shown(_keyed_png(values, depth, 2, struct.pack(">3H", *colour)))
    assert found.getpixel((8, 8)) == (255, 255, 255)
    assert np.abs(np.asarray(found.getpixel((48, 8))) - [0x12, 0x34, 0x56]).max() <= 1


# JPEG


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("cut", [1, 2])
def test_a_jpeg_that_lacks_only_its_end_is_shown(options: dict[str, Any], cut: int) -> None:
    data = pictures.encoded(PHOTO, ".jpg", **options)
    assert _difference(data[:-cut], _shown(data)) == 0
    assert _difference(data[:-2] + bytes(500), _shown(data)) == 0
    assert _difference(data + b"<html>" * 100, _shown(data)) == 0


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
@pytest.mark.parametrize("part", [0.3, 0.7, 0.95, 0.99])
def test_a_jpeg_that_lacks_a_part_is_truncated(options: dict[str, Any], part: float) -> None:
    data = pictures.encoded(PHOTO, ".jpg", **options)
    assert _reason(data[: int(len(data) * part)]) is SkipReason.TRUNCATED


KINDS = {
    "12 bits": imagecodecs.jpeg_encode(PIXELS.astype(np.uint16) * 16, level=95, bitspersample=12),
    "12 bits, grey": imagecodecs.jpeg_encode(
        GREYS.astype(np.uint16) * 16, level=95, bitspersample=12
    ),
    "lossless, 16 bits": imagecodecs.jpeg_encode(
        PIXELS.astype(np.uint16) * 257, lossless=True, bitspersample=16
    ),
    "JPEG-LS": imagecodecs.jpegls_encode(PIXELS),
    "JPEG-LS, 16 bits": imagecodecs.jpegls_encode(GREYS.astype(np.uint16) * 257),
    "XL": imagecodecs.jpegxl_encode(PIXELS),
    "XL, 16 bits": imagecodecs.jpegxl_encode(PIXELS.astype(np.uint16) * 257, lossless=True),
    "XL, in boxes": imagecodecs.jpegxl_encode(PIXELS, usecontainer=True),
    "XR": imagecodecs.jpegxr_encode(PIXELS, level=95),
    "XR, 16 bits": imagecodecs.jpegxr_encode(GREYS.astype(np.uint16) * 257),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_jpeg_that_pillow_does_not_read(kind: str) -> None:
    data = KINDS[kind]
    assert formats.looks_like_picture(data[: formats.HEAD_BYTES], "photo.bin")
    grey = "grey" in kind or kind in ("JPEG-LS, 16 bits", "XR, 16 bits")
    assert _difference(data, GREY if grey else PHOTO) < 3
    with pytest.raises(decode.Undecodable) as caught:
        decode.decode(data, target=224, max_megapixels=0.01)
    assert caught.value.reason is SkipReason.TOO_LARGE  # before anything is decoded
    assert _reason(data[: len(data) // 2]) in (SkipReason.TRUNCATED, SkipReason.DAMAGED)


def _parts_of(data: bytes, exif: bytes) -> bytes:
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]


def test_kinds_of_jpeg_keep_their_exif() -> None:
    exif = pictures.exif(Orientation=6, Model="Camera 1").tobytes()
    turned = np.ascontiguousarray(np.rot90(PIXELS)).astype(np.uint16) * 16
    jpeg = _parts_of(imagecodecs.jpeg_encode(turned, level=95, bitspersample=12), exif)
    boxed = KINDS["XL, in boxes"]
    box = struct.pack(">I4sI", len(exif) - 6 + 12, b"Exif", 0) + exif[6:]
    for data in (jpeg, boxed + box):  # a JPEG XL is upright already
        found = decode.decode(data, target=224, max_megapixels=250)
        assert (found.metadata.camera, found.image.size) == ("Camera 1", PHOTO.size)


@pytest.mark.parametrize("kind", ["XL", "XL, in boxes", "XR", "12 bits", "JPEG-LS"])
def test_kinds_of_jpeg_cut_anywhere(kind: str) -> None:
    """No exception but ours, wherever the file ends."""
    data = KINDS[kind]
    for length in {*range(4, 200, 7), *range(200, len(data) - 1, len(data) // 20)}:
        with contextlib.suppress(decode.Undecodable):
            _shown(data[:length])


@pytest.mark.parametrize("orientation", [b"\x06\0\0\0", b"\0\0\0\0", b"\xff\0\0\0"])
def test_an_orientation_written_as_a_byte(orientation: bytes) -> None:
    entry = struct.pack("<HHHI", 1, 274, 1, 1) + orientation + bytes(4)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + entry
    turned = orientation[0] == 6
    image = PHOTO.transpose(Image.Transpose.ROTATE_90) if turned else PHOTO
    assert _difference(_parts_of(pictures.encoded(image, ".jpg"), exif)) < 4


@pytest.mark.parametrize("ending", [".webp", ".avif", ".heic", ".jp2"])
@pytest.mark.parametrize("part", [0.5, 0.9])
def test_half_a_container_is_truncated(ending: str, part: float) -> None:
    data = pictures.encoded(PHOTO, ending)
    assert _reason(data[: int(len(data) * part)]) is SkipReason.TRUNCATED


@pytest.mark.parametrize(
    "data",
    [b"\xff\xd8", b"II*\0", b"II*\0\x08\0\0\0\0\0\x08\0\0\0", b"MM\0*\0\0", b"8BPS\0\1"],
)
def test_reasons_are_no_words_of_python(data: bytes) -> None:
    with pytest.raises(decode.Undecodable) as caught:
        _shown(data)
    assert not re.search(r"unpack|buffer|division|index|attribute", caught.value.detail)
    assert "\n" not in caught.value.detail


def test_a_size_is_said_without_an_exponent() -> None:
    with pytest.raises(decode.Undecodable, match="10,000 megapixels"):
        _shown(pictures.png_header(100_000, 100_000))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P"])
def test_a_pngs_gamma_is_converted(mode: str) -> None:
    light = Image.fromarray((255 * (PIXELS / 255) ** 2.2).round().astype(np.uint8))
    image = light.quantize(256) if mode == "P" else light.convert(mode)
    linear = _chunk(b"gAMA", struct.pack(">I", 100_000))
    usual = _chunk(b"gAMA", struct.pack(">I", 45_455))
    plain = image.convert("RGB")
    assert _difference(_png(usual, image=image), plain) == 0
    assert _difference(_png(linear, _chunk(b"sRGB", b"\0"), image=image), plain) == 0
    wanted = GREY if mode == "L" else PHOTO
    assert _difference(_png(linear, image=image), wanted) < (12 if mode == "L" else 5)


# TIFF


def test_a_complex_tiff_shows_magnitudes() -> None:
    data = _tiff((GREYS * np.exp(1j * np.linspace(0, 9, 256))).astype(np.complex64))
    assert _difference(data, STRETCHED) <= 2


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "zstd", "packbits"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("depth", [8, 16])
def test_a_colour_tiff(
    byteorder: Any, bigtiff: bool, compression: str | None, planar: str, depth: int
) -> None:
    values = PIXELS.astype(np.uint16) * 257 if depth == 16 else PIXELS
    data = _tiff(
        np.moveaxis(values, -1, 0) if planar == "separate" else values,
        photometric="rgb", planarconfig=planar, byteorder=byteorder, bigtiff=bigtiff,
        compression=compression, predictor=compression in ("lzw", "zlib", "zstd"),
    )  # fmt: skip
    assert _difference(data) <= 1


@pytest.mark.parametrize("tile", [None, (64, 64)])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int16, np.int32])
def test_a_grey_tiff_of_integers(dtype: Any, photometric: str, tile: Any) -> None:
    values = GREYS.astype(np.float64) * (float(np.iinfo(dtype).max) / 255)
    values = values.astype(dtype)
    if photometric == "miniswhite":
        values = (np.iinfo(dtype).max - values).astype(dtype)
    data = _tiff(values, photometric=photometric, tile=tile)
    assert _difference(data, GREY) <= 3


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("dtype", [np.uint32, np.int16, np.int32])
def test_a_grey_tiff_of_few_of_its_integers(dtype: Any, photometric: str) -> None:
    """As heights in metres."""
    values = GREYS.astype(np.int64) * 4 + (100 if dtype == np.uint32 else -300)
    if photometric == "miniswhite":
        values = values.max() + values.min() - values
    assert _difference(_tiff(values.astype(dtype), photometric=photometric), STRETCHED) <= 1


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_a_grey_tiff_of_odd_depth(bits: int, photometric: str) -> None:
    most = 2**bits - 1
    values = (GREYS.astype(np.uint32) * most // 255).astype(np.uint16)
    if photometric == "miniswhite":
        values = (most - values).astype(np.uint16)
    packed = imagecodecs.packints_encode(values, bits)
    white = photometric == "miniswhite"
    assert _difference(_written_tiff(packed, (bits,), 0 if white else 1), GREY) <= 1


def _written_tiff(pixels: bytes, bits: tuple[int, ...], photometric: int, **tags: Any) -> bytes:
    """One strip of PHOTO's size, for what no library writes."""
    values = {
        256: ("I", [256]), 257: ("I", [192]), 258: ("H", list(bits)), 259: ("H", [1]),
        262: ("H", [photometric]), 273: ("I", [0]), 277: ("H", [len(bits)]), 278: ("I", [192]),
        279: ("I", [len(pixels)]),
    }  # fmt: skip
    values |= {int(tag[1:]): value for tag, value in tags.items()}
    fields = [(tag, *values[tag]) for tag in sorted(values)]
    return pictures.tiff(fields, pixels)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("scale", [1 / 255, 1, 20])
@pytest.mark.parametrize("odd", ["none", "nan", "infinite", "no data", "smallest", "outliers"])
def test_a_grey_tiff_of_floating_point(dtype: Any, scale: float, odd: str) -> None:
    values = (GREYS * np.float64(scale)).astype(dtype)
    extra = []
    if odd == "nan":
        values[:4] = np.nan
    elif odd == "infinite":
        values[:4, :100], values[:4, 100:] = np.inf, -np.inf
    elif odd == "no data":
        values[:4] = -9999
        extra = [(42113, "s", 0, "-9999", True)]
    elif odd == "smallest":  # which GDAL writes for no data
        values[:4] = np.finfo(dtype).min
        extra = [(42113, "s", 0, repr(float(np.finfo(dtype).min)), True)]
    elif odd == "outliers":
        values[0, :9], values[1, :9] = -60000, 60000
    found = np.asarray(_shown(_tiff(values, extratags=extra)), np.float32)[4:]
    expected = STRETCHED if scale > 1 else GREY
    assert np.abs(found - np.asarray(expected.convert("RGB"), np.float32)[4:]).mean() < 4


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("predictor", [False, True])
def test_a_colour_tiff_of_floating_point(dtype: Any, predictor: bool) -> None:
    values = (PIXELS / 255).astype(dtype)
    data = _tiff(values, photometric="rgb", compression="zlib", predictor=predictor)
    assert _difference(data) <= 1


@pytest.mark.parametrize("samples", [4, 5, 8])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("photometric", ["rgb", "minisblack"])
def test_samples_beyond_the_colours_are_not_shown(
    samples: int, dtype: Any, photometric: str
) -> None:
    values = np.zeros((*PIXELS.shape[:2], samples), dtype)
    values[..., :3] = PIXELS.astype(dtype) * (257 if dtype == np.uint16 else 1)
    extra = ["unspecified"] * (samples - (3 if photometric == "rgb" else 1))
    data = _tiff(values, photometric=photometric, extrasamples=extra, planarconfig="contig")
    assert _difference(data) <= 1


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("grey", [False, True])
def test_what_is_transparent_in_a_tiff_is_white(kind: str, dtype: Any, grey: bool) -> None:
    colours = GREYS[..., None] if grey else PIXELS
    alpha = np.full((*GREYS.shape, 1), 255, np.uint8)
    alpha[:, :128] = 0
    shown = colours * (alpha > 0) if kind == "assocalpha" else colours
    values = np.concatenate((shown, alpha), axis=-1).astype(dtype)
    values *= 257 if dtype == np.uint16 else 1
    expected = np.where(alpha > 0, colours, 255).astype(np.uint8)
    data = _tiff(
        values, photometric="minisblack" if grey else "rgb", extrasamples=[kind],
        planarconfig="contig",
    )  # fmt: skip
    assert _difference(data, Image.fromarray(expected[..., 0] if grey else expected)) <= 1


@pytest.mark.parametrize("depth", [8, 16])
def test_a_cmyk_tiff(depth: int) -> None:
    values = np.asarray(PHOTO.convert("CMYK")).astype(np.uint16) * (257 if depth == 16 else 1)
    data = _tiff(values.astype(f"u{depth // 8}"), photometric="separated")
    assert _difference(data) <= 2


@pytest.mark.parametrize("kind", ["cielab", "icclab"])
@pytest.mark.parametrize("depth", [8, 16])
def test_a_lab_tiff(kind: str, depth: int) -> None:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(PHOTO, srgb, lab, outputMode="LAB")
    assert image is not None
    bands = [np.asarray(image.getchannel(band)) for band in range(3)]
    if kind == "cielab":
        bands[1:] = [band ^ 0x80 for band in bands[1:]]
    values = np.stack(bands, axis=-1).astype(np.uint16) * (1 if depth == 8 else 256)
    data = _tiff(values.astype(f"u{depth // 8}"), photometric=kind)
    assert _difference(data) <= 3


@pytest.mark.parametrize("sampling", [(1, 1), (2, 1), (2, 2), (4, 2)])
def test_a_ycbcr_tiff_that_is_not_compressed(sampling: tuple[int, int]) -> None:
    across, down = sampling
    values = np.asarray(PHOTO.convert("YCbCr"))
    blocks = values.reshape(192 // down, down, 256 // across, across, 3).swapaxes(1, 2)
    bright = blocks[..., 0].reshape(192 // down, 256 // across, -1)
    colours = blocks[..., 1:].mean(axis=(2, 3)).astype(np.uint8)
    data = np.concatenate((bright, colours), axis=-1).tobytes()
    tiff = _written_tiff(data, (8, 8, 8), 6, t530=("H", [across, down]))
    assert _difference(tiff) < 6


@pytest.mark.parametrize("depth", [4, 8, 16])
def test_a_tiff_with_a_palette(depth: int) -> None:
    image = PHOTO.quantize(16)
    colours = np.asarray(image.getpalette()[:48], np.uint16).reshape(16, 3) * 257  # type: ignore[index]
    palette = np.zeros((2**depth, 3), np.uint16)
    palette[:16] = colours
    numbers = np.asarray(image)
    packed = {
        4: np.packbits(np.unpackbits(numbers[..., None], axis=-1)[..., 4:].reshape(192, -1)),
        8: numbers, 16: numbers.astype("<u2"),
    }[depth]  # fmt: skip
    tiff = _written_tiff(packed.tobytes(), (depth,), 3, t320=("H", palette.T.ravel().tolist()))
    assert _difference(tiff, image.convert("RGB")) <= 1


@pytest.mark.parametrize("where", ["pages", "below", "not marked"])
def test_a_thumbnail_in_front_is_not_the_picture(where: str) -> None:
    buffer = io.BytesIO()
    small = np.asarray(Image.new("RGB", (64, 48), "red"))
    with tifffile.TiffWriter(buffer) as writer:
        below = 1 if where != "pages" else 0
        flag = 0 if where == "not marked" else 1
        options: dict[str, Any] = {"photometric": "rgb", "metadata": None}
        writer.write(small, subfiletype=flag, subifds=below, **options)
        writer.write(PIXELS, subfiletype=0, **options)
    assert _difference(buffer.getvalue()) == 0


def test_the_first_of_several_pages_is_shown() -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for page in (PIXELS.astype(np.uint16) * 257, PIXELS[::-1].astype(np.uint16) * 257):
            writer.write(page, photometric="rgb", planarconfig="contig", metadata=None)
    assert _difference(buffer.getvalue()) == 0


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_uncommon_tiffs_are_upright_too(bigtiff: bool, byteorder: Any) -> None:
    turned = np.rot90(PIXELS).astype(np.uint16) * 257
    data = _tiff(
        np.moveaxis(turned, -1, 0), photometric="rgb", planarconfig="separate", bigtiff=bigtiff,
        byteorder=byteorder, extratags=[(274, "H", 1, 6, True), (272, "s", 0, "Camera 1", True)],
    )  # fmt: skip
    assert _difference(data) == 0
    found = decode.decode(data, target=224, max_megapixels=250).metadata
    assert (found.width, found.height, found.camera) == (256, 192, "Camera 1")


@pytest.mark.parametrize("compression", [None, "lzw", "zstd"])
def test_half_an_uncommon_tiff_is_truncated(compression: str | None) -> None:
    data = _tiff(PIXELS.astype(np.float64), photometric="rgb", compression=compression)
    assert _reason(data[: len(data) // 2]) in (SkipReason.TRUNCATED, SkipReason.DAMAGED)


def test_a_tiff_that_nothing_here_reads_says_what_it_is() -> None:
    strange = _written_tiff(bytes(256 * 192 * 3), (8, 8, 8), 32845)
    with pytest.raises(decode.Undecodable, match="LOGLUV") as caught:
        _shown(strange)
    assert caught.value.reason is SkipReason.UNSUPPORTED


# others


@pytest.mark.parametrize("ending", [".tga", ".bmp"])
def test_an_alpha_that_is_0_everywhere_is_none(ending: str) -> None:
    image = PHOTO.copy()
    image.putalpha(0)
    assert _difference(pictures.encoded(image, ending)) == 0
    image.putpixel((0, 0), (1, 2, 3, 255))  # now it is one
    assert _difference(pictures.encoded(image, ".tga"), Image.new("RGB", PHOTO.size, "white")) < 1


@pytest.mark.parametrize("depth", [8, 16, 32])
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_photoshop_of_every_depth(depth: int, large: bool, packed: bool, mode: str) -> None:
    data = pictures.photoshop(PHOTO.convert(mode), depth=depth, large=large, packed=packed)
    assert _difference(data, PHOTO.convert(mode)) <= 2
    if depth > 8 or large:
        assert _reason(data[: len(data) // 2]) is SkipReason.TRUNCATED


@pytest.mark.parametrize("packed", [False, True])
def test_a_photoshop_bitmap(packed: bool) -> None:
    """Of a width that fills no whole bytes; a bit that is set is black."""
    image = PHOTO.convert("1").resize((251, 192))
    rows = np.packbits(~np.asarray(image), axis=1)
    pixels = b"\0\0" + rows.tobytes()
    if packed:
        lines = [imagecodecs.packbits_encode(row.tobytes()) for row in rows]
        pixels = b"\0\1" + struct.pack(">192H", *map(len, lines)) + b"".join(lines)
    header = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 1, 192, 251, 1, 0)
    assert _difference(header + bytes(12) + pixels, image.convert("RGB")) == 0


def test_photoshop_that_cannot_be_read_says_what_it_is() -> None:
    data = bytearray(pictures.photoshop(PHOTO, depth=16))
    data[24:26] = b"\0\7"
    with pytest.raises(decode.Undecodable, match="multichannel, 16 bits") as caught:
        _shown(bytes(data))
    assert caught.value.reason is SkipReason.UNSUPPORTED


@pytest.mark.parametrize("most", [100, 255, 1023, 65535])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_pam(most: int, mode: str) -> None:
    image = PHOTO.convert(mode)
    values = np.asarray(image).reshape(192, 256, -1).astype(np.uint32) * most // 255
    header = f"P7\n# made here\nWIDTH 256\nHEIGHT 192\nDEPTH {values.shape[2]}\nMAXVAL {most}\n"
    pixels = values.astype(">u2" if most > 255 else "u1").tobytes()
    data = header.encode() + b"TUPLTYPE SOME\nENDHDR\n" + pixels
    assert _difference(data, image.convert("RGB")) < 2
    assert _reason(data[:-100]) is SkipReason.TRUNCATED


@pytest.mark.parametrize("order", ["<", ">"])
def test_pfm_in_colour(order: str) -> None:
    values = (PIXELS[::-1] / 255).astype(f"{order}f4").tobytes()
    assert _difference(f"PF\n256 192\n{'-1.0' if order == '<' else '1.0'}\n".encode() + values) <= 1


@pytest.mark.parametrize("kind", ["P5", "P6"])
@pytest.mark.parametrize("most", [255, 1023, 65535])
def test_pnm_of_more_than_eight_bits(kind: str, most: int) -> None:
    expected = GREY if kind == "P5" else PHOTO
    values = np.asarray(expected).astype(np.uint32) * most // 255
    pixels = values.astype(">u2" if most > 255 else "u1").tobytes()
    assert _difference(f"{kind} 256 192 {most}\n".encode() + pixels, expected) <= 1


def test_a_profile_is_judged_by_what_it_does() -> None:
    """Linear, and named sRGB; and sRGB, named otherwise."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = bytearray(srgb)
    for at in range(132, 132 + 12 * struct.unpack_from(">I", data, 128)[0], 12):
        if data[at + 1 : at + 4] == b"TRC":
            (offset,) = struct.unpack_from(">I", data, at + 4)
            data[offset : offset + 12] = b"curv\0\0\0\0\0\0\0\0"  # no points: linear
    linear = np.where(
        PIXELS <= 10.31, PIXELS / 255 / 12.92, ((PIXELS / 255 + 0.055) / 1.055) ** 2.4
    )
    stored = Image.fromarray((linear * 255 + 0.5).astype(np.uint8))
    assert _difference(pictures.encoded(stored, ".png", icc_profile=bytes(data))) < 4
    renamed = srgb.replace("sRGB".encode("utf-16-be"), "mine".encode("utf-16-be"))
    assert renamed != srgb
    assert _difference(pictures.encoded(PHOTO, ".png", icc_profile=renamed)) == 0


def test_a_raw_whose_directory_lies_at_its_end() -> None:
    pytest.importorskip("rawpy", reason="an extra")
    plain = pictures.dng(PHOTO)
    (count,) = struct.unpack_from("<H", plain, 8)
    directory = plain[8 : 8 + 2 + 12 * count + 4]
    moved = plain[:4] + struct.pack("<I", len(plain)) + plain[8:] + directory
    found = decode.decode(moved, target=32, max_megapixels=250)
    assert (found.metadata.format, found.metadata.camera) == ("RAW", "Test Mosaic")


def test_a_raw_is_developed_with_the_curve_of_srgb() -> None:
    """Half of the sensor at a fifth of its range, the other half at the end of it."""
    pytest.importorskip("rawpy", reason="an extra")
    shot = Image.new("RGB", (128, 64), "white")
    shot.paste((51, 51, 51), (64, 0, 128, 64))
    found = decode.decode(pictures.dng(shot), target=8, max_megapixels=250).image.convert("L")
    dark = np.asarray(found.crop((found.width * 5 // 8, 0, *found.size)), np.float32)
    assert abs(dark.mean() - 255 * (1.055 * (51 / 255) ** (1 / 2.4) - 0.055)) < 3


def test_what_is_too_large_says_so_in_our_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000_000)
    for width, detail in (
        (6_000, "6000 x 4000 = 24 megapixels; the limit is 5"),
        (60_000, "240 megapixels; the limit is 5"),  # refused by Pillow's own limit already
    ):
        data = pictures.encoded(Image.new("L", (width, 4000)), ".png")
        with pytest.raises(decode.Undecodable) as caught:
            decode.decode(data, target=224, max_megapixels=5)
        assert caught.value.detail == detail
        assert "--max-megapixels" in cures.shown(caught.value.detail)
    assert Image.MAX_IMAGE_PIXELS == 100_000_000, "a limit of ours narrows the process's"


def test_c_libraries_write_nothing_to_the_terminal(tmp_path: Path) -> None:
    """Through a process of its own: libtiff writes to its file descriptor 2, and imagecodecs logs
    what libpng says."""
    files = {
        "cut.tif": pictures.encoded(PHOTO, ".tiff")[:-2000],
        "samples.tif": _tiff(
            np.zeros((64, 64, 8), np.uint8), photometric="rgb", planarconfig="contig"
        ),
        "cut.jpg": pictures.truncated(".jpg"),
        "cut.dng": pictures.dng(PHOTO)[:20_000],
    }
    broken = bytearray(pictures.encoded(PHOTO, ".tif", compression="tiff_adobe_deflate"))
    broken[200:400] = bytes(200)
    files["broken.tif"] = bytes(broken)
    for name in ("short resolution", "wrong checksum of sPLT", "empty time"):
        files[f"{name}.png"] = _png(*TROUBLES[name])
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    program = (
        "import sys\nfrom imgsearch.photos import decode\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n        decode.decode(path, target=64, max_megapixels=250)\n"
        "    except decode.Undecodable:\n        pass\n"
    )
    paths = [str(tmp_path / name) for name in files]
    finished = subprocess.run(
        [sys.executable, "-c", program, *paths], capture_output=True, text=True, timeout=300
    )
    assert (finished.returncode, finished.stderr, finished.stdout) == (0, "", "")
