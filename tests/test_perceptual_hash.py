"""What tells copies of one picture from two frames of one scene: on real photos."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from imgsearch.photos import decode, perceptual_hash
from tests import pictures
from tests.command import Command
from tests.test_ingest_metadata import SIDECAR, records

PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "ihc.png")
COPY, ANOTHER = 12, 15  # bits of 256 that differ: of a copy at most, of another frame at least


def ground(name: str) -> Image.Image:
    """Larger than the frames that are cut out of it."""
    image = pictures.photo(name)
    scale = 1400 / max(image.size)
    return image.resize((round(image.width * scale), round(image.height * scale)))


def frame(scene: Image.Image, across: float = 0.0, down: float = 0.0) -> Image.Image:
    """What a camera sees that has moved by that share of the scene."""
    left, top = (0.06 + across) * scene.width, (0.06 + down) * scene.height
    width, height = 0.88 * scene.width, 0.88 * scene.height
    size = round(width), round(height)
    return scene.resize(size, box=(left, top, left + width, top + height))


def hash_of(image: Image.Image, ending: str = ".jpg", **options: object) -> int:
    data = pictures.encoded(image, ending, **options)
    found = decode.decode(data, target=224, max_megapixels=250)
    return int(perceptual_hash.of(found.image), 16)


@pytest.mark.parametrize("name", PHOTOS)
def test_copies_have_nearly_the_same_bits(name: str) -> None:
    image = frame(ground(name))
    original = hash_of(image, quality=95)
    small = (image.width // 4, image.height // 4)
    copies = {
        "smaller": hash_of(image.resize(small), quality=80),
        "of low quality": hash_of(image, quality=30),
        "brighter": hash_of(ImageEnhance.Brightness(image).enhance(1.1)),
        **{ending: hash_of(image, ending) for ending in (".png", ".webp", ".gif", ".heic")},
    }
    far = {what: (original ^ copy).bit_count() for what, copy in copies.items()}
    assert max(far.values()) <= COPY, far


@pytest.mark.parametrize("name", PHOTOS)
def test_frames_of_one_scene_have_others(name: str) -> None:
    scene = ground(name)
    original = hash_of(frame(scene))
    for across, down in ((0.02, 0.0), (0.0, 0.02), (-0.03, 0.03)):
        assert (original ^ hash_of(frame(scene, across, down))).bit_count() >= ANOTHER


def test_a_picture_that_lies_on_its_side_has_the_bits_of_the_upright_one() -> None:
    image = frame(ground("coffee.png"))
    exif = pictures.exif(Orientation=6)
    turned = hash_of(image.transpose(Image.Transpose.ROTATE_90), exif=exif)
    assert (turned ^ hash_of(image)).bit_count() <= COPY


def test_one_colour_has_no_bits() -> None:
    for colour in ("white", "black", "#c04020"):
        assert hash_of(Image.new("RGB", (300, 200), colour), quality=40) == 0


def test_another_colour_is_another_picture(demo_photos: Path) -> None:
    """White and yellow are of nearly one brightness."""
    white, yellow = (demo_photos / f"scan_00{number}.png" for number in (35, 20))
    hashes = []
    for path in (white, yellow):
        found = decode.decode(str(path), target=224, max_megapixels=250)
        hashes.append(int(perceptual_hash.of(found.image), 16))
    assert (hashes[0] ^ hashes[1]).bit_count() > COPY  # so they are not folded


def test_the_two_pictures_of_a_stereo_pair_are_two() -> None:
    left, right = (pictures.photo(f"motorcycle_{side}.png") for side in ("left", "right"))
    assert (hash_of(left) ^ hash_of(right)).bit_count() >= ANOTHER


def test_an_ingest_keeps_it_with_each_photo_and_with_its_copies(
    command: Command, tmp_path: Path
) -> None:
    album = tmp_path / "album"
    album.mkdir()
    image = frame(ground("coffee.png"))
    (album / "a.jpg").write_bytes(pictures.encoded(image, ".jpg"))
    command.run("--index", tmp_path / "index", "ingest", album)
    shutil.copy(album / "a.jpg", album / "b.jpg")
    (album / "a.xmp").write_text(SIDECAR.format(rating=3, city="Rome", country="Italy", tag="cup"))
    command.run("--index", tmp_path / "index", "ingest", album)
    found = records(tmp_path / "index")
    seen = found["a.jpg"].perceptual_hash
    assert seen is not None
    assert (int(seen, 16) ^ hash_of(image)).bit_count() <= COPY
    assert found["b.jpg"].perceptual_hash == seen
    assert found["a.jpg"].tags == ("cup",)
