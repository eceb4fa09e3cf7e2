"""The photos that are ingested, made once: real pictures (inside the scikit-image wheel) enlarged,
with 1/f noise for the detail that enlarging cannot bring, and a sensor's grain, so that a JPEG of
12 megapixels has the usual 2 to 3 MB. Every file differs from every other, and JPEGs carry what a
camera writes into them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tests import pictures

Bytes = npt.NDArray[np.uint8]  # (height, width, 3)

SIZE = (4000, 3000)  # pixels: 12 megapixels
SMALL = (1152, 864)  # 1 megapixel
SOURCES = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "hubble_deep_field.jpg",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
    "ihc.png",
)
_MARGIN = 1.15  # a ground is so much larger than a photo: each photo is another part of it
_DETAIL, _GRAIN = 5.0, 2.5  # standard deviations, of 255


@dataclass(frozen=True)
class Kind:
    """A folder of photos that are alike. `options`: how Pillow writes them."""

    ending: str
    count: int
    size: tuple[int, int]  # pixels
    options: dict[str, Any]


KINDS = {
    "12 MP JPEG": Kind(".jpg", 200, SIZE, {"quality": 90}),
    "1 MP JPEG": Kind(".jpg", 200, SMALL, {"quality": 85}),
    "1 MP PNG": Kind(".png", 200, SMALL, {"compress_level": 6}),
    "12 MP HEIC": Kind(
        ".heic", 100, SIZE, {"quality": 50, "enc_params": {"preset": "ultrafast"}}
    ),  # as quick as a phone's encoder, which may not search long either
}


def folder(parent: Path, name: str, say: Callable[[str], None] = print) -> Path:
    """The photos of one of KINDS, below `parent`; made where they are not there yet."""
    kind = KINDS[name]
    made = parent / name.lower().replace(" ", "-")
    if made.is_dir():
        return made
    say(f"making {kind.count} photos: {name}")
    building = made.with_suffix(".building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    for number, image in enumerate(_photos(kind)):
        # as a phone does it: the sensor's lines as they are, and a tag that says "turn me"
        orientation = 6 if number % 4 == 3 and kind.ending == ".jpg" else 1
        options = dict(kind.options)
        if kind.ending != ".png":
            options["exif"] = _exif(number, orientation).tobytes()
        data = pictures.encoded(image, kind.ending, **options)
        (building / f"IMG_{number:04}{kind.ending}").write_bytes(data)
    building.rename(made)
    return made


def _photos(kind: Kind) -> Iterator[Image.Image]:
    """Ground by ground, so that only one large ground is in memory."""
    chance = np.random.default_rng(kind.count + kind.size[0] + len(kind.ending))
    width, height = kind.size
    grain = _grain(chance, (2 * height, 2 * width))
    for number, source in enumerate(SOURCES):
        ground = _ground(chance, source, kind.size)
        for _ in range(number, kind.count, len(SOURCES)):
            top = int(chance.integers(ground.shape[0] - height + 1))
            left = int(chance.integers(ground.shape[1] - width + 1))
            part = ground[top : top + height, left : left + width]
            if chance.random() < 0.5:
                part = part[:, ::-1]
            down, across = (int(chance.integers(each)) for each in (height, width))
            moved = grain[down : down + height, across : across + width, None] + part
            yield Image.fromarray(np.clip(moved, 0, 255).astype(np.uint8))


def _ground(chance: np.random.Generator, source: str, size: tuple[int, int]) -> Bytes:
    """A real picture, as large as photos of `size` and more, with detail."""
    image = pictures.photo(source)
    width, height = (round(_MARGIN * side) for side in size)
    scale = max(width / image.width, height / image.height)
    large = image.resize(
        (max(width, round(scale * image.width)), max(height, round(scale * image.height))),
        Image.Resampling.BICUBIC,
    ).crop((0, 0, width, height))
    detail = (_DETAIL * _pink(chance, height, width))[:, :, None]
    shown: Bytes = np.clip(np.asarray(large) + detail, 0, 255).astype(np.uint8)
    return shown


def _pink(chance: np.random.Generator, height: int, width: int) -> npt.NDArray[np.float32]:
    """Noise whose amplitude falls with the frequency, as detail in nature does; deviation 1."""
    down, across = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    frequency = np.hypot(down, across).astype(np.float32)
    frequency[0, 0] = np.inf  # no constant part
    phases = chance.standard_normal((2, *frequency.shape), np.float32)
    noise = np.fft.irfft2((phases[0] + 1j * phases[1]) / frequency, (height, width))
    pink: npt.NDArray[np.float32] = (noise / noise.std()).astype(np.float32)
    return pink


def _grain(chance: np.random.Generator, shape: tuple[int, int]) -> npt.NDArray[np.int16]:
    drawn = chance.standard_normal(shape, np.float32) * _GRAIN
    grain: npt.NDArray[np.int16] = np.rint(drawn).astype(np.int16)
    return grain


def _exif(number: int, orientation: int) -> Image.Exif:
    minutes = f"{8 + number // 60:02}:{number % 60:02}:00"
    return pictures.exif(
        Make="Benchmark",
        Model="Benchmark One",
        Orientation=orientation,
        exif={0x9003: f"2024:05:01 {minutes}", 0x9011: "+02:00", 0xA434: "28 mm f/1.8"},
        gps={1: "N", 2: (48.0, 12.0, 30.0 + number / 100), 3: "E", 4: (16.0, 22.0, 15.0)},
    )


if __name__ == "__main__":
    for each in KINDS:
        print(folder(Path(sys.argv[1]), each))
