"""Pixels: every format, orientation, colour and kind of damage, on real photos."""

from __future__ import annotations

import contextlib
import io
import random
import re
import struct
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw

from imgsearch import installation
from imgsearch.photos import SkipReason, bit_depths, colour, decode, fast_decoders, formats, hevc
from tests import pictures

PHOTO = pictures.photo(size=(256, 192))


def _decode(source: decode.Source, target: int = 224, limit: float = 250) -> decode.Decoded:
    return decode.decode(source, target=target, max_megapixels=limit)


def _reason(source: decode.Source, **options: Any) -> SkipReason:
    with pytest.raises(decode.Undecodable) as caught:
        _decode(source, **options)
    assert caught.value.detail
    return caught.value.reason


def _difference(one: Image.Image, other: Image.Image) -> float:
    """Mean over pixels and channels, of 255."""
    assert one.mode == other.mode == "RGB"
    assert one.size == other.size
    return float(np.abs(np.asarray(one, np.float32) - np.asarray(other, np.float32)).mean())


def _bytes(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("ending", [*pictures.FORMATS, ".psd"])
def test_every_format_gives_its_pixels(ending: str, tmp_path: Path) -> None:
    photo = pictures.photo(size=(256, 256))  # a size that icons allow
    data = pictures.encoded(photo, ending)
    path = tmp_path / f"photo{ending}"
    path.write_bytes(data)
    assert formats.has_picture_ending(str(path))
    assert formats.looks_like_picture(data[: formats.HEAD_BYTES], str(path))
    for found in (_decode(data), _decode(str(path))):
        full = (found.metadata.width, found.metadata.height)
        assert found.image.size == full or min(found.image.size) >= 336  # 1.5 times the target
        assert _difference(found.image.resize(photo.size), photo) < 4


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".gif", ".heic", ".avif", ".psd"])
def test_the_type_is_told_from_the_content(ending: str, tmp_path: Path) -> None:
    data = pictures.encoded(PHOTO, ending)
    path = tmp_path / "photo.txt"
    path.write_bytes(data)
    assert formats.looks_like_picture(data[: formats.HEAD_BYTES], str(path))
    assert _difference(_decode(str(path)).image, PHOTO) < 4


@pytest.mark.parametrize("ending", [".jpg", ".png", ".heic", ".webp", ".tif", ".avif"])
@pytest.mark.parametrize("orientation", pictures.UNDONE)
def test_every_orientation_is_upright(ending: str, orientation: int) -> None:
    found = _decode(pictures.oriented(PHOTO, ending, orientation))
    assert (found.metadata.width, found.metadata.height) == PHOTO.size
    assert _difference(found.image, PHOTO) < 4


def test_large_jpegs_are_scaled_while_decoding() -> None:
    large = PHOTO.resize((3000, 2000))
    found = _decode(pictures.encoded(large, ".jpg"))
    assert (found.metadata.width, found.metadata.height) == large.size
    assert 336 <= min(found.image.size) < 2000
    assert _difference(found.image.resize(PHOTO.size), PHOTO) < 4


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "L", "RGB"])
def test_transparency_becomes_white(mode: str) -> None:
    """The left half is transparent, over a colour that must not shine through."""
    options: dict[str, Any] = {}
    if mode in ("RGBA", "LA", "PA"):
        image = Image.new("RGBA", (64, 64), (0, 0, 0, 255))
        ImageDraw.Draw(image).rectangle((0, 0, 31, 63), fill=(0, 0, 0, 0))
        image = image.convert("P").convert("PA") if mode == "PA" else image.convert(mode)
        data = _bytes(image.convert("RGBA") if mode == "PA" else image, "PNG")
    else:
        grey = Image.new("L", (64, 64), 0)
        ImageDraw.Draw(grey).rectangle((0, 0, 31, 63), fill=200)
        image = grey.convert("RGB").convert("P") if mode == "P" else grey.convert(mode)
        value = image.getpixel((0, 0))
        options["transparency"] = value
        data = _bytes(image, "PNG", **options)
    found = _decode(data).image
    assert found.getpixel((8, 32)) == (255, 255, 255)
    assert max(found.getpixel((56, 32))) < 8  # type: ignore[type-var, arg-type]


def test_the_first_frame_of_an_animation() -> None:
    second = PHOTO.transpose(Image.Transpose.ROTATE_180)
    for format in ("GIF", "WEBP", "PNG", "TIFF"):
        data = _bytes(PHOTO, format, save_all=True, append_images=[second])
        assert _difference(_decode(data).image, PHOTO) < 6, format


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_the_first_of_several_pictures_in_an_mpo(orientation: int, tmp_path: Path) -> None:
    """As cameras write them: beside the photo another view of it, or a small one of its own."""
    turn = pictures.UNDONE[orientation]
    stored = PHOTO if turn is None else PHOTO.transpose(turn)
    others = [stored.transpose(Image.Transpose.ROTATE_180), Image.new("RGB", (32, 24))]
    exif = pictures.exif(Orientation=orientation, Model="Stereo")
    options = {"save_all": True, "append_images": others, "quality": 95, "exif": exif}
    data = _bytes(stored, "MPO", **options)
    with Image.open(io.BytesIO(data)) as image:
        assert getattr(image, "n_frames", 1) == 3
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    assert formats.looks_like_picture(data[: formats.HEAD_BYTES], "photo.mpo")
    for found in (_decode(data), _decode(str(path))):
        assert _difference(found.image, PHOTO) < 4
        assert (found.metadata.format, found.metadata.camera) == ("MPO", "Stereo")
        assert (found.metadata.width, found.metadata.height) == PHOTO.size


def test_a_large_mpo_is_scaled_while_decoding() -> None:
    large = PHOTO.resize((3000, 2000))
    data = _bytes(large, "MPO", save_all=True, append_images=[large.rotate(180)], quality=95)
    found = _decode(data)
    assert (found.metadata.width, found.metadata.height) == large.size
    assert 336 <= min(found.image.size) < 2000
    assert _difference(found.image.resize(PHOTO.size), PHOTO) < 4


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_scaled_not_clipped(format: str) -> None:
    grey = PHOTO.convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    assert _difference(_decode(_bytes(deep, format)).image, grey.convert("RGB")) < 1


@pytest.mark.parametrize("scale", [1 / 255, 1, 1000])
def test_floating_point_pictures_are_neither_black_nor_white(scale: float) -> None:
    grey = PHOTO.convert("L")
    values = np.asarray(grey, np.float32) * scale
    values[0, 0] = np.nan
    found = _decode(_bytes(Image.fromarray(values), "TIFF")).image
    expected = grey if scale <= 1 else grey.point(lambda level: level * bit_depths.WHITE / 255)
    assert _difference(found, expected.convert("RGB")) < 3


@pytest.mark.parametrize(
    ("mode", "format", "allowed"),
    [
        ("CMYK", "JPEG", 3), ("CMYK", "TIFF", 1), ("YCbCr", "TIFF", 3), ("LAB", "TIFF", 3),
        ("L", "PNG", 1), ("P", "PNG", 1), ("1", "TIFF", 1), ("1", "PNG", 1),
    ],
)  # fmt: skip
def test_colour_modes(mode: str, format: str, allowed: float) -> None:
    if mode == "LAB":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        stored = ImageCms.profileToProfile(PHOTO, srgb, lab, outputMode="LAB")
        expected = PHOTO
    else:
        stored = PHOTO.convert(mode)
        expected = stored.convert("RGB") if mode in ("L", "P", "1") else PHOTO
    assert stored is not None
    assert _difference(_decode(_bytes(stored, format)).image, expected) < allowed


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tif", ".heic", ".avif"])
def test_an_embedded_profile_is_converted(ending: str) -> None:
    """Stored in a space whose red and green are swapped, the photo must come back as it was."""
    red, green, blue = PHOTO.split()
    stored = Image.merge("RGB", (green, red, blue))
    data = pictures.encoded(stored, ending, icc_profile=pictures.swapped_profile())
    assert _difference(_decode(data).image, PHOTO) < 6


@pytest.mark.parametrize(
    "profile", [b"no profile", pictures.swapped_profile()[:300], ImageCms.createProfile("LAB")]
)
def test_a_profile_that_is_of_no_use_is_ignored(profile: Any) -> None:
    if not isinstance(profile, bytes):
        profile = ImageCms.ImageCmsProfile(profile).tobytes()
    assert _difference(_decode(_bytes(PHOTO, "PNG", icc_profile=profile)).image, PHOTO) == 0


@pytest.mark.parametrize("size", [(1201, 903), (640, 2050), (256, 192)])
def test_a_heic_in_strips_is_what_pillow_reduces(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hevc, "reduced", lambda *_: None)  # FFmpeg rounds in another way
    data = pictures.encoded(pictures.photo(size=size), ".heic")
    target = min(size) // 7  # 4 * SPARE of it: a quarter of the lines is enough
    with Image.open(io.BytesIO(data)) as whole:
        assert whole.format == "HEIF"
        assert _difference(_decode(data, target).image, whole.reduce(4)) == 0


def test_a_heic_in_strips_is_upright_in_srgb_and_whole() -> None:
    small = PHOTO.reduce(4)
    for orientation in pictures.UNDONE:
        data = pictures.oriented(PHOTO, ".heic", orientation)
        assert _difference(_decode(data, 32).image, small) < 4
    red, green, blue = PHOTO.split()
    swapped = Image.merge("RGB", (green, red, blue))
    data = pictures.encoded(swapped, ".heic", icc_profile=pictures.swapped_profile())
    assert _difference(_decode(data, 32).image, small) < 6
    reason = _reason(pictures.truncated(".heic"), target=20)
    assert reason in (SkipReason.TRUNCATED, SkipReason.DAMAGED)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("size", [(1201, 903), (256, 192)])
@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_the_faster_decoder_shows_what_pillow_does(
    format: str, size: tuple[int, int], mode: str
) -> None:
    photo = pictures.photo(size=size)
    if mode == "RGBA":
        photo.putalpha(Image.linear_gradient("L").resize(size))
    data = _bytes(photo, format)
    target = min(size) // 7  # so that a quarter of the lines is enough
    with Image.open(io.BytesIO(data)) as opened:
        quick = fast_decoders.reduced(opened, io.BytesIO(data), target)
        assert quick is not None
        assert np.array_equal(np.asarray(quick), np.asarray(opened.reduce(4)))
    assert _difference(_decode(data, target).image, colour.rgb(quick)) == 0


def test_what_a_png_says_after_its_pixels_is_read() -> None:
    plain = _bytes(PHOTO, "PNG")
    exif = pictures.exif(Orientation=3).tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(exif)) + b"eXIf" + exif
    chunk += struct.pack(">I", zlib.crc32(chunk[4:]))
    data = plain[:-12] + chunk + plain[-12:]  # before IEND
    turned = PHOTO.transpose(Image.Transpose.ROTATE_180)
    assert _difference(_decode(data).image, turned) == 0


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp"])
def test_what_is_decoded_smaller_is_seen_as_the_whole(ending: str) -> None:
    def seen(image: Image.Image) -> Image.Image:
        return image.resize((96, 96), Image.Resampling.BICUBIC)

    for name in ("astronaut.png", "chelsea.png", "coffee.png"):
        for times in (2, 4, 8):  # just so large that a half, a quarter, an eighth are large enough
            whole = pictures.photo(name, (times * 144, times * 144))
            data = pictures.encoded(whole, ending)
            found = _decode(data, 96).image
            assert found.size == (144, 144)
            with Image.open(io.BytesIO(data)) as opened:
                # of 255; the model's pixels differ less than by what a JPEG does to them
                assert _difference(seen(found), seen(opened.convert("RGB"))) < 1.5


def test_one_pixel_is_a_picture() -> None:
    found = _decode(_bytes(Image.new("RGB", (1, 1), (10, 20, 30)), "PNG"))
    assert found.image.getpixel((0, 0)) == (10, 20, 30)


def test_the_pixel_limit_is_checked_before_decoding() -> None:
    assert _reason(pictures.png_header(100_000, 100_000)) is SkipReason.TOO_LARGE
    assert _reason(pictures.png_header(20_000, 15_000)) is SkipReason.TOO_LARGE
    data = pictures.encoded(PHOTO, ".jpg")
    megapixels = PHOTO.width * PHOTO.height / 1e6
    assert _reason(data, limit=megapixels * 0.99) is SkipReason.TOO_LARGE
    assert _decode(data, limit=megapixels).image.size == PHOTO.size


def test_pictures_that_pillow_alone_refuses() -> None:
    large = Image.new("1", (15_000, 13_000), 1)  # 195 megapixels
    found = _decode(_bytes(large, "PNG"))
    assert (found.metadata.width, found.metadata.height) == large.size


@pytest.mark.parametrize(
    "ending", [".jpg", ".png", ".webp", ".tif", ".gif", ".heic", ".avif", ".bmp", ".tga", ".jp2"]
)
def test_half_a_file_is_an_error(ending: str) -> None:
    assert _reason(pictures.truncated(ending)) in (SkipReason.TRUNCATED, SkipReason.DAMAGED)


def test_a_truncated_jpeg_is_called_so() -> None:
    assert _reason(pictures.truncated(".jpg")) is SkipReason.TRUNCATED


def test_what_is_no_picture(tmp_path: Path) -> None:
    text = b"These are not the pixels you are looking for.\n" * 20
    assert formats.has_picture_ending("note.jpg")
    assert not formats.has_picture_ending("note.txt")
    assert not formats.looks_like_picture(text, "note.jpg")
    assert _reason(text) is SkipReason.NOT_A_PICTURE
    assert _reason(b"") is SkipReason.EMPTY
    assert _reason(str(tmp_path / "none.jpg")) is SkipReason.GONE


@pytest.mark.parametrize("name", ["x.bin", "x.jpg", "x.mp4", "x"])
def test_random_bytes_are_no_picture(name: str) -> None:
    numbers = random.Random(7)
    heads = [numbers.randbytes(formats.HEAD_BYTES) for _ in range(2000)]
    heads += [b"BMW is a car maker, BM a prefix", b"P4 is a processor", b"#define X 1\n"]
    assert not [head for head in heads if formats.looks_like_picture(head, name)]


@pytest.mark.parametrize("ending", [*pictures.FORMATS, ".psd"])
def test_damage_of_any_kind_is_one_kind_of_error(ending: str) -> None:
    numbers = random.Random(3)
    whole = pictures.encoded(pictures.photo(size=(32, 32)), ending)
    for _ in range(40):
        data = bytearray(whole)
        for _ in range(numbers.randint(1, 20)):
            data[numbers.randrange(min(len(data), 600))] = numbers.randrange(256)
        with contextlib.suppress(decode.Undecodable):  # and nothing else
            _decode(bytes(data[: numbers.choice((len(data), len(data) - 40))]), limit=1)


def test_formats_that_cannot_be_read_are_named() -> None:
    for head in (b"\x76\x2f\x31\x01\2\0\0\0", b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n"):
        assert formats.looks_like_picture(head, "photo.bin")
        assert _reason(head) is SkipReason.UNSUPPORTED


def test_camera_raw() -> None:
    pytest.importorskip("rawpy", reason="an extra")
    data = pictures.dng(PHOTO)
    assert formats.looks_like_picture(data[: formats.HEAD_BYTES], "photo.dng")
    found = _decode(data, target=32)
    assert (found.metadata.width, found.metadata.height) == PHOTO.size
    assert found.metadata.camera == "Test Mosaic"
    small = np.asarray(found.image.resize((16, 12)).convert("L"), np.float32).ravel()
    expected = np.asarray(PHOTO.resize((16, 12)).convert("L"), np.float32).ravel()
    assert np.corrcoef(small, expected)[0, 1] > 0.95
    assert _reason(data[: len(data) // 2]) in (SkipReason.TRUNCATED, SkipReason.DAMAGED)


def test_camera_raw_without_the_extra_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)
    command = re.escape(installation.extra_command("raw"))
    with pytest.raises(decode.Undecodable, match=command) as caught:
        _decode(pictures.dng(PHOTO))
    assert caught.value.reason is SkipReason.UNSUPPORTED


SENSOR = PHOTO.resize((40, 30))  # smaller than the preview: the size tells which was taken


def _dng_with_preview(preview: bytes, orientation: int, size: tuple[int, int]) -> bytes:
    """A small RAW whose directory, written anew behind the pixels, says how the camera was held,
    and is followed by a second one: the camera's JPEG."""
    plain = pictures.dng(SENSOR)
    (count,) = struct.unpack_from("<H", plain, 8)
    first = [plain[at : at + 12] for at in range(10, 10 + 12 * count, 12)]
    first.append(struct.pack("<HHIHxx", 274, 3, 1, orientation))
    first.sort(key=lambda entry: struct.unpack_from("<H", entry))
    at = len(plain) + 2 + 12 * len(first) + 4
    values = {254: 1, 256: size[0], 257: size[1], 258: 8, 259: 7, 262: 6, 277: 3}
    values |= {273: at + 2 + 12 * 9 + 4, 279: len(preview)}
    second = [struct.pack("<HHII", tag, 4, 1, values[tag]) for tag in sorted(values)]
    parts = [plain[:4], struct.pack("<I", len(plain)), plain[8:]]
    parts += [struct.pack("<H", len(first)), *first, struct.pack("<I", at)]
    parts += [struct.pack("<H", len(second)), *second, bytes(4), preview]
    return b"".join(parts)


def _without_jfif(jpeg: bytes) -> bytes:
    """As cameras write it: where EXIF does not come first, LibRaw adds its own, with the RAW's
    orientation (0.22; older ones without)."""
    assert jpeg[2:4] == b"\xff\xe0"
    return jpeg[:2] + jpeg[4 + struct.unpack_from(">H", jpeg, 4)[0] :]


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("says", ["no exif", "exif without orientation", "its orientation"])
@pytest.mark.parametrize("format", ["JPEG", "MPO"])
def test_the_preview_of_a_camera_raw_is_turned(orientation: int, says: str, format: str) -> None:
    pytest.importorskip("rawpy", reason="an extra")
    upright = PHOTO if orientation in (1, 3) else pictures.photo(size=PHOTO.size[::-1])
    turn = pictures.UNDONE[orientation]
    stored = upright if turn is None else upright.transpose(turn)
    assert stored.size == PHOTO.size  # it lies as the sensor does
    tags = {"Orientation": orientation} if says == "its orientation" else {"Make": "Test"}
    options: dict[str, Any] = {} if says == "no exif" else {"exif": pictures.exif(**tags)}
    if format == "MPO":
        options |= {"save_all": True, "append_images": [Image.new("RGB", stored.size)]}
    preview = _without_jfif(_bytes(stored, format, quality=95, **options))
    data = _dng_with_preview(preview, orientation, stored.size)
    assert formats.looks_like_picture(data[: formats.HEAD_BYTES], "photo.dng")
    found = _decode(data, target=96)
    assert _difference(found.image, upright) < 4
    sideways = orientation in (6, 8)
    size = SENSOR.size[::-1] if sideways else SENSOR.size
    assert (found.metadata.width, found.metadata.height) == size
    assert found.metadata.format == "RAW"


@pytest.mark.parametrize("orientation", [6, 8])
def test_a_preview_that_stands_already_is_left_alone(orientation: int) -> None:
    pytest.importorskip("rawpy", reason="an extra")
    upright = pictures.photo(size=PHOTO.size[::-1])
    preview = _bytes(upright, "JPEG", quality=95, exif=pictures.exif(Make="Test"))
    found = _decode(_dng_with_preview(_without_jfif(preview), orientation, upright.size), target=96)
    assert _difference(found.image, upright) < 4


@pytest.mark.parametrize("preview", ["small", "truncated", "damaged"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_camera_raw_whose_preview_is_of_no_use_is_developed(
    preview: str, orientation: int
) -> None:
    """From SENSOR's pixels, and just as upright."""
    pytest.importorskip("rawpy", reason="an extra")
    whole = _bytes(PHOTO, "JPEG", quality=95)
    data, target, expected = {  # SENSOR is 30 pixels high: half of that is enough, or is not
        "small": (_bytes(SENSOR.resize((20, 15)), "JPEG"), 15, SENSOR.reduce(2)),
        "truncated": (whole[: len(whole) // 2], 32, SENSOR),
        "damaged": (whole[:2] + bytes(200) + whole[202:], 32, SENSOR),
    }[preview]
    found = _decode(_dng_with_preview(data, orientation, PHOTO.size), target=target)
    undo = {1: None, 3: 3, 6: 8, 8: 6}[orientation]
    turn = pictures.UNDONE[undo] if undo else None
    expected = expected if turn is None else expected.transpose(turn)
    assert found.image.size == expected.size
    one, other = (
        np.asarray(image.convert("L"), np.float32).ravel() for image in (found.image, expected)
    )
    assert np.corrcoef(one, other)[0, 1] > 0.9


def test_broken_exif_does_not_fail_a_picture() -> None:
    whole = pictures.exif(Make="Canon", Model="EOS", exif={0x9003: "2024:05:01 12:30:00"})
    blob = bytearray(whole.tobytes())
    for at in range(14, len(blob) - 4, 3):
        broken = bytes(blob[:at] + struct.pack("<I", 0xFFFFFFF0) + blob[at + 4 :])
        found = _decode(_bytes(PHOTO, "JPEG", exif=broken, quality=95))
        assert found.image.size in (PHOTO.size, PHOTO.size[::-1])


def test_many_threads_decode_at_once() -> None:
    files = [pictures.encoded(PHOTO, ending) for ending in (".jpg", ".png", ".heic", ".webp")] * 4
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(_decode, files):
            assert _difference(found.image, PHOTO) < 4
