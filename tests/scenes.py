"""Pictures in which something small is to be found: scenes of the icons that ship with the demo,
one of them on 4 to 15 % of the area, beside one or two large ones and some clutter.

    python -m tests.scenes FOLDER

writes 500 scenes and `scenes.json`, which says what each shows. The icons are the clean ones of
imgsearch/demo/training/evaluation; no scene was used in training."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw

from imgsearch.demo.training.figures import EVALUATION, read_json, tiles
from imgsearch.question import Box

SIZE = (480, 360)
COUNT = 500


@dataclass(frozen=True)
class Scene:
    """`name`: of the small icon, in English; `box`: where it is; `beside`: names of the others."""

    image: Image.Image
    name: str
    box: Box
    beside: tuple[str, ...]


def icons_by_name() -> dict[str, Image.Image]:
    """The shipped ones, one each, by their English names."""
    shown = read_json(EVALUATION / "pictures.json")["clean"]
    names = read_json(EVALUATION / "texts.json")["names"]
    found: dict[str, Image.Image] = {}
    for concept, tile in zip(shown, tiles(EVALUATION / "clean.webp", len(shown)), strict=True):
        if "en" in names[concept]:
            found.setdefault(names[concept]["en"], tile)
    return found


def scenes(count: int = COUNT, seed: int = 0) -> Iterator[Scene]:
    """Each with another small icon."""
    icons = icons_by_name()
    draw = random.Random(seed)
    order = sorted(icons)
    draw.shuffle(order)
    for name in order[:count]:
        yield _scene(name, icons, draw)


def _scene(name: str, icons: dict[str, Image.Image], draw: random.Random) -> Scene:
    area = SIZE[0] * SIZE[1]
    others = draw.sample(sorted(set(icons) - {name}), 2)
    while True:
        small = round((area * draw.uniform(0.04, 0.15)) ** 0.5)
        sides = [round((area * draw.uniform(*share)) ** 0.5) for share in ((0.2, 0.3), (0.15, 0.2))]
        places = _places([*sides, small], draw) or _places([sides[0], small], draw)
        if places:
            break
    image = ground(draw)
    beside = others[: len(places) - 1]
    for other, box in zip(beside, places, strict=False):
        put(image, icons[other], box)
    put(image, icons[name], places[-1])
    return Scene(image, name, places[-1], tuple(beside))


def _places(sides: list[int], draw: random.Random) -> list[Box]:
    """Squares that do not touch each other; none where no room was found."""
    found: list[Box] = []
    for side in sides:
        for _ in range(100):
            left, top = draw.randrange(SIZE[0] - side + 1), draw.randrange(SIZE[1] - side + 1)
            if all(
                left + side <= other[0]
                or other[0] + other[2] <= left
                or top + side <= other[1]
                or other[1] + other[3] <= top
                for other in found
            ):
                found.append((left, top, side, side))
                break
        else:
            return []
    return found


def ground(draw: random.Random) -> Image.Image:
    """Two colours that pass into each other, with lines and spots."""
    colours = [tuple(draw.randrange(205, 256) for _ in range(3)) for _ in range(2)]
    mask = Image.linear_gradient("L").rotate(draw.choice((0, 90, 180, 270))).resize(SIZE)
    image = Image.composite(*(Image.new("RGB", SIZE, colour) for colour in colours), mask)
    pen = ImageDraw.Draw(image)
    for _ in range(draw.randrange(3, 7)):
        x, y = draw.randrange(SIZE[0]), draw.randrange(SIZE[1])
        colour = tuple(draw.randrange(120, 230) for _ in range(3))
        size = draw.randrange(6, 26)
        if draw.random() < 0.5:
            pen.ellipse((x, y, x + size, y + size), fill=colour)
        else:
            pen.line((x, y, x + 3 * size, y + draw.randrange(-30, 30)), fill=colour, width=2)
    return image


def put(image: Image.Image, icon: Image.Image, box: Box) -> None:
    """An icon's white becomes the ground."""
    left, top, width, height = box
    ground = image.crop((left, top, left + width, top + height))
    large = icon.resize((width, height), Image.Resampling.LANCZOS)
    image.paste(ImageChops.multiply(ground, large), (left, top))


def write(folder: Path, count: int = COUNT, seed: int = 0) -> dict[str, Scene]:
    """By the file's name."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {f"{n:03}.png": scene for n, scene in enumerate(scenes(count, seed))}
    for file, scene in made.items():
        scene.image.save(folder / file, compress_level=1)
    said = {
        file: {"name": scene.name, "box": scene.box, "beside": scene.beside}
        for file, scene in made.items()
    }
    (folder / "scenes.json").write_text(json.dumps(said, ensure_ascii=False, indent=1) + "\n")
    return made


if __name__ == "__main__":
    write(Path(sys.argv[1]))
