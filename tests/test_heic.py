"""Usual HEIC photos by FFmpeg, as libheif shows them; and what is left to libheif."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from imgsearch.photos import SkipReason, decode, hevc, pillow_setup
from tests import heif_files, pictures
from tests.heif_files import Grid, mirror, nclx, turn

PHOTO = pictures.photo(size=(608, 456))
ODD = PHOTO.crop((0, 0, 601, 451))  # its last tiles are seen in part
TILE = (152, 152)
TARGET = 70  # a quarter of the lines is enough


@pytest.fixture(scope="module")
def grid() -> Grid:
    return heif_files.grid(PHOTO, TILE)


@pytest.fixture(scope="module")
def odd_grid() -> Grid:
    return heif_files.grid(ODD, TILE)


def by_ffmpeg(data: bytes) -> Image.Image | None:
    pillow_setup.register_heif()
    with Image.open(io.BytesIO(data)) as image:
        return hevc.reduced(image, io.BytesIO(data), TARGET)


def by_libheif(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB").reduce(4)


def assert_same(found: Image.Image | None, expected: Image.Image) -> None:
    """Libheif rounds each sample, FFmpeg's are rounded once: .3 of 255 on these, .8 where samples
    are spread (16 to 235)."""
    assert found is not None
    assert found.size == expected.size
    away = np.abs(np.asarray(found, np.float32) - np.asarray(expected, np.float32))
    assert away.mean() < 1
    height, width = (side // 8 for side in away.shape[:2])
    blocks = away[: height * 8, : width * 8].reshape(height, 8, width, 8, 3)
    assert blocks.mean(axis=(1, 3, 4)).max() < 4


def without_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "av"]:
        monkeypatch.setitem(sys.modules, name, None)


def outcome(data: bytes) -> SkipReason | bytes:
    """The pixels, or why there are none."""
    try:
        return decode.decode(data, target=TARGET, max_megapixels=20).image.tobytes()
    except decode.Undecodable as error:
        return error.reason


# --- what FFmpeg decodes

SINGLE = {
    "plain": {},
    "BT.601 full": {"matrix_coefficients": 6, "full_range_flag": 1},
    "BT.709 limited": {"matrix_coefficients": 1, "full_range_flag": 0},
    "no matrix": {"matrix_coefficients": 2, "full_range_flag": 0},
    "profile": {"icc_profile": pictures.swapped_profile()},
    "thumbnail": {"thumbnails": [200]},
    "EXIF": {"exif": pictures.exif(Make="Nikon", Orientation=1)},
    "tiles by libheif": {"tile_size": 128},
}


@pytest.mark.parametrize("kind", SINGLE)
def test_a_usual_photo_is_as_libheif_shows_it(kind: str) -> None:
    data = heif_files.encoded(PHOTO, **SINGLE[kind])
    assert_same(by_ffmpeg(data), by_libheif(data))
    said_by_the_decoder = data.replace(b"colrnclx", b"skipnclx")
    assert_same(by_ffmpeg(said_by_the_decoder), by_libheif(said_by_the_decoder))


def test_tiles_join_without_seams(grid: Grid, odd_grid: Grid) -> None:
    for each in (grid, odd_grid):
        assert_same(by_ffmpeg(each.data()), by_libheif(each.data()))
    assert by_libheif(odd_grid.data()).size == (151, 113)


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_a_grid_is_turned_and_mirrored_in_the_order_that_it_says(
    quarters: int, axis: int | None, grid: Grid
) -> None:
    own = [turn(quarters)] if axis is None else [turn(quarters), mirror(axis)]
    for turns in (own, own[::-1]):
        data = replace(grid, own=turns, essential=True).data()
        assert_same(by_ffmpeg(data), by_libheif(data))


def test_colours_are_those_of_the_grid_before_those_of_its_tiles(grid: Grid) -> None:
    for own, of_tiles in (
        ([nclx(1, False)], []),
        ([], [nclx(9, True)]),
        ([nclx(6, True)], [nclx(1, False)]),
    ):
        data = replace(grid, own=own, of_tiles=of_tiles).data()
        assert_same(by_ffmpeg(data), by_libheif(data))


def test_what_need_not_be_understood_is_passed_over(grid: Grid) -> None:
    """As the two of a kind that a phone says of a pair of pictures."""
    data = replace(grid, own=[(b"uuid", bytes(20)), (b"uuid", bytes(24))]).data()
    assert_same(by_ffmpeg(data), by_libheif(data))


def test_a_photo_of_a_phone_is_decoded_upright_in_srgb(grid: Grid) -> None:
    """Its grid is turned, its pixels are in a wide space, and EXIF says the turn once more."""
    red, green, blue = PHOTO.split()
    stored = Image.merge("RGB", (green, red, blue)).transpose(Image.Transpose.ROTATE_90)
    exif, profile = pictures.exif(Orientation=6).tobytes(), pictures.swapped_profile()
    data = heif_files.encoded(stored, tile_size=128, exif=exif, icc_profile=profile)
    assert by_ffmpeg(data) is not None
    found = decode.decode(data, target=TARGET, max_megapixels=20)
    assert (found.metadata.width, found.metadata.height) == PHOTO.size
    away = np.asarray(found.image, np.float32) - np.asarray(PHOTO.reduce(4), np.float32)
    assert np.abs(away).mean() < 6


# --- what it does not


def _translucent() -> bytes:
    image = PHOTO.copy()
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return heif_files.encoded(image)


def _ten_bits() -> bytes:
    deep = np.asarray(PHOTO).astype(np.uint16) << 8
    buffer = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", PHOTO.size, deep.tobytes()).save(buffer, quality=60)
    return buffer.getvalue()


UNUSUAL: dict[str, Callable[[], bytes]] = {
    "alpha": _translucent,
    "grey": lambda: heif_files.encoded(PHOTO.convert("L")),
    "4:4:4": lambda: heif_files.encoded(PHOTO, chroma=444),
    "4:2:2": lambda: heif_files.encoded(PHOTO, chroma=422),
    "10 bits": _ten_bits,
    "clap": lambda: heif_files.encoded(ODD),
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_an_unusual_photo_is_left_to_libheif(kind: str) -> None:
    data = UNUSUAL[kind]()
    assert by_ffmpeg(data) is None
    assert isinstance(outcome(data), bytes)


def test_another_picture_of_the_file_is_left_to_libheif() -> None:
    others = [PHOTO.transpose(Image.Transpose.ROTATE_180)]
    data = heif_files.encoded(PHOTO, save_all=True, append_images=others)
    assert by_ffmpeg(data) is not None
    with Image.open(io.BytesIO(data)) as image:
        image.seek(1 - image.tell())
        assert hevc.reduced(image, io.BytesIO(data), TARGET) is None


def test_a_photo_that_is_hardly_larger_than_the_target_is_left_to_libheif() -> None:
    data = heif_files.encoded(PHOTO.resize((150, 112)))
    assert by_ffmpeg(data) is None
    assert isinstance(outcome(data), bytes)


def test_what_is_damaged_or_hostile_is_as_without_ffmpeg(
    grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    width, height = TILE
    half = len(grid.tiles[5]) // 2
    tiles = list(grid.tiles)
    tiles[5] = bytes(len(tiles[5]))
    short = [*grid.tiles[:5], grid.tiles[5][:half], *grid.tiles[6:]]
    larger, data = heif_files.tile(PHOTO)
    cases = {
        "a tile of zeros": replace(grid, tiles=tiles),
        "half a tile": replace(grid, tiles=short),
        "beyond the file": replace(grid, shift=200),
        "far beyond the file": replace(grid, shift=1 << 30),
        "a grid of 65,535": replace(grid, size=(65_535, 65_535)),
        "another size": replace(grid, said=(600, 456)),
        "too few tiles": replace(grid, references=[1, 2, 3]),
        "a decoder for larger ones": replace(grid, configuration=larger),
        "one large tile in small items": Grid([data] * 12, larger, 4, (width, height), PHOTO.size),
        "a loop": replace(grid, references=[heif_files.GRID] * 12),
        "no such tile": replace(grid, references=[77] * 12),
        "an overlay": replace(grid, kind=b"iovl"),
        "derived": replace(grid, kind=b"iden"),
        "encrypted": replace(grid, protection=1),
        "turned tiles": replace(grid, of_tiles=[turn(1)]),
        "two turns": replace(grid, own=[turn(1), turn(1)]),
        "essential and unknown": replace(grid, own=[(b"what", b"?")], essential=True),
    }
    files = {name: case.data() for name, case in cases.items()}
    whole = grid.data()
    files["truncated"] = whole[:-100]
    files["half a file"] = pictures.truncated(".heic")
    found = {name: outcome(data) for name, data in files.items()}
    shown = {name for name, pixels in found.items() if isinstance(pixels, bytes)}
    assert {name for name in shown if by_ffmpeg(files[name]) is not None} == set()
    without_ffmpeg(monkeypatch)
    assert found == {name: outcome(data) for name, data in files.items()}
    assert isinstance(found["half a file"], SkipReason)


@pytest.mark.parametrize("ending", ["single", "grid"])
def test_without_ffmpeg_libheif_decodes(
    ending: str, grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = grid.data() if ending == "grid" else heif_files.encoded(PHOTO)
    without_ffmpeg(monkeypatch)
    assert by_ffmpeg(data) is None
    assert outcome(data) == by_libheif(data).tobytes()


def test_nothing_is_said_of_damage(grid: Grid, capfd: pytest.CaptureFixture[str]) -> None:
    tiles = [data[:40] + bytes(200) + data[240:] for data in grid.tiles]
    outcome(replace(grid, tiles=tiles).data())
    assert capfd.readouterr() == ("", "")
