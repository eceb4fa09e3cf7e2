"""Every picture of every concept: in Noto's colours, in other styles, and drawn by hand.

A style is one font or icon set. `symbola` is never shown in training: it is the second style of
the figures. Icon sets that are no emoji (`OBJECT_SETS`) give what they have of a concept's name.
The sources are Debian and npm packages; README.md names their versions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from imgsearch.demo.training.concepts import Concept, characters, words
from imgsearch.demo.training.icons import (
    COLOUR_SETS,
    INK_SETS,
    OBJECT_SETS,
    PACKAGES,
    SIDE,
    Objects,
    icon,
)

FONTS = Path("/usr/share/fonts")

CLEAN = "noto-color"
UNSEEN = "symbola"
INK_FONTS = {
    "noto-emoji": "@fontsource/noto-emoji/files/noto-emoji-*-400-normal.woff",
    "noto-emoji-bold": "@fontsource/noto-emoji/files/noto-emoji-*-700-normal.woff",
    "noto-symbols2": "truetype/noto/NotoSansSymbols2-Regular.ttf",
    "dejavu": "truetype/dejavu/DejaVuSans.ttf",
    "unifont": "opentype/unifont/unifont*.otf",
    UNSEEN: "truetype/ancient-scripts/Symbola_hint.ttf",
}
LETTER_FONTS = ("DejaVuSans-Bold", "DejaVuSans", "DejaVuSerif-Bold", "DejaVuSansMono-Bold")

FLAG_BLUE = (0, 51, 153)
FLAG_GOLD = (255, 204, 0)

Rgb = tuple[int, int, int]


@dataclass(frozen=True)
class Picture:
    """One drawing of a concept, on a transparent ground. `ink`: any colour would do."""

    concept: int
    style: str
    image: Image.Image
    ink: bool = False


# --- fonts and icon sets


@cache
def _fonts(pattern: str, size: int) -> tuple[tuple[ImageFont.FreeTypeFont, frozenset[int]], ...]:
    from fontTools.ttLib import TTFont  # type: ignore[import-untyped]  # ships no types

    paths = sorted(PACKAGES.glob(pattern)) or sorted(FONTS.glob(pattern))
    if not paths:
        raise FileNotFoundError(f"{pattern}: see README.md for the packages to install")
    return tuple(
        (ImageFont.truetype(str(p), size), frozenset(TTFont(p).getBestCmap())) for p in paths
    )


def glyph(pattern: str, text: str) -> Image.Image | None:
    """The glyph as a mask, cropped; None where the font lacks it."""
    for font, covered in _fonts(pattern, 128):
        if len(text) == 1 and ord(text) in covered:
            mask = Image.new("L", (384, 384), 0)
            ImageDraw.Draw(mask).text((192, 192), text, font=font, fill=255, anchor="mm")
            box = mask.getbbox()
            return mask.crop(box) if box else None
    return None


def noto_color(text: str) -> Image.Image | None:
    """The emoji in Noto's colours, cropped; None where it is missing or a ligature failed."""
    font = _fonts("truetype/noto/NotoColorEmoji.ttf", 109)[0][0]
    image = Image.new("RGBA", (SIDE * 2, SIDE), (0, 0, 0, 0))
    ImageDraw.Draw(image).text((12, 12), text, font=font, embedded_color=True)
    box = image.getbbox()
    if not box or box[2] - box[0] < 40 or box[2] - box[0] > 145:
        return None
    return image.crop(box)


# --- drawings


def _drawn(draw: Callable[[ImageDraw.ImageDraw], None]) -> Image.Image:
    mask = Image.new("L", (640, 640), 0)
    draw(ImageDraw.Draw(mask))
    return mask.crop(mask.getbbox())


def _house(draw: ImageDraw.ImageDraw) -> None:
    draw.polygon([(40, 320), (320, 60), (600, 320)], fill=255)
    draw.rectangle((110, 300, 530, 600), fill=255)
    draw.rectangle((270, 420, 370, 600), fill=0)
    draw.rectangle((450, 90, 520, 250), fill=255)


def _leaf(draw: ImageDraw.ImageDraw) -> None:
    def edge(side: int) -> list[tuple[float, float]]:
        bulge = [side * 163 * math.sin(math.pi * t / 60) for t in range(61)]
        return [(60 + 520 * t / 60 + b, 580 - 520 * t / 60 + b) for t, b in enumerate(bulge)]

    draw.polygon(edge(1) + edge(-1)[::-1], fill=255)
    draw.line([(30, 610), (470, 170)], fill=0, width=16)


def _tree(draw: ImageDraw.ImageDraw) -> None:
    draw.rectangle((285, 400, 355, 620), fill=255)
    for box in ((150, 60, 490, 380), (80, 180, 360, 450), (280, 180, 560, 450)):
        draw.ellipse(box, fill=255)


def _car(draw: ImageDraw.ImageDraw) -> None:
    draw.rounded_rectangle((20, 300, 620, 470), 60, fill=255)
    draw.polygon([(130, 310), (210, 170), (430, 170), (530, 310)], fill=255)
    draw.polygon([(190, 300), (235, 205), (310, 205), (310, 300)], fill=0)
    draw.polygon([(335, 300), (335, 205), (415, 205), (475, 300)], fill=0)
    for x in (170, 470):
        draw.ellipse((x - 75, 395, x + 75, 545), fill=0)
        draw.ellipse((x - 60, 410, x + 60, 530), fill=255)


DRAWINGS = {"house": _house, "leaf": _leaf, "tree": _tree, "car": _car}


def fitted(image: Image.Image, side: int, inner: int) -> Image.Image:
    """The image scaled to `inner` and centred on a transparent (or black) square of `side`."""
    scale = inner / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    square = Image.new(image.mode, (side, side))
    small = image.resize(size, Image.Resampling.BICUBIC)
    square.paste(small, ((side - size[0]) // 2, (side - size[1]) // 2))
    return square


def painted(mask: Image.Image, rgb: Rgb) -> Image.Image:
    """A mask in one colour; white goes on a dark plate, as on a white page it would vanish."""
    if min(rgb) < 240:
        image = Image.new("RGBA", mask.size, (*rgb, 0))
        image.putalpha(mask)
        return image
    plate = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    ImageDraw.Draw(plate).rounded_rectangle((0, 0, SIDE - 1, SIDE - 1), 22, fill=(40, 44, 56, 255))
    small = fitted(mask, SIDE, 118)
    plate.paste(Image.new("RGBA", plate.size, (*rgb, 255)), (0, 0), small)
    return plate


def european_e(kind: str, letter: Image.Image, star: Image.Image | None = None) -> Image.Image:
    """One of the European E pictures, from the masks of its letter (E or ℮) and its star."""
    if kind == "black":
        return painted(letter, (20, 20, 20))
    ground, ink, stars = {
        "ring": (FLAG_BLUE, (255, 255, 255), FLAG_GOLD),
        "gold": (FLAG_BLUE, FLAG_GOLD, FLAG_GOLD),
        "flag": (FLAG_BLUE, FLAG_GOLD, None),
        "estimated": (FLAG_BLUE, (255, 255, 255), None),
        "blue": (None, FLAG_BLUE, FLAG_GOLD),
    }[kind]
    image = Image.new("RGBA", (SIDE, SIDE), (*ground, 255) if ground else (0, 0, 0, 0))
    inner = 64 if stars else 104
    image.paste(Image.new("RGBA", image.size, (*ink, 255)), (0, 0), fitted(letter, SIDE, inner))
    if stars and star:
        small = fitted(star, 26, 24)
        for k in range(12):
            x = SIDE / 2 + 62 * math.sin(k * math.pi / 6) - 13
            y = SIDE / 2 - 62 * math.cos(k * math.pi / 6) - 13
            image.paste(Image.new("RGBA", small.size, (*stars, 255)), (round(x), round(y)), small)
    return image


# --- pictures of concepts


def _object_pictures(index: int, concept: Concept, objects: Objects) -> Iterator[Picture]:
    for name, in_colour in OBJECT_SETS.items():
        for image in objects.of(concept, name):
            if in_colour:
                yield Picture(index, name, image)
            else:
                yield Picture(index, name, painted(image.getchannel("A"), (20, 20, 20)), ink=True)


def _emoji_pictures(index: int, concept: Concept) -> Iterator[Picture]:
    for code_points in concept.emoji:
        image = noto_color(characters(code_points)) or noto_color(characters(code_points + "-fe0f"))
        if image:
            yield Picture(index, CLEAN, image)
        for name in COLOUR_SETS:
            if image := icon(name, code_points):
                yield Picture(index, name, image)
        if concept.sign or concept.id.startswith("flag-"):
            continue
        for name in INK_SETS:
            if image := icon(name, code_points):
                yield Picture(index, name, painted(image.getchannel("A"), (20, 20, 20)), ink=True)
        for name, pattern in INK_FONTS.items():
            if mask := glyph(pattern, characters(code_points)):
                yield Picture(index, name, painted(mask, (20, 20, 20)), ink=True)


def _sign_pictures(index: int, concept: Concept) -> Iterator[Picture]:
    rgb: Rgb = tuple(words()["colours"][concept.colour]["rgb"])
    for shape in words()["signs"][concept.sign]["shapes"]:
        if shape in DRAWINGS:
            yield Picture(index, CLEAN, painted(_drawn(DRAWINGS[shape]), rgb))
            continue
        text = characters(shape)
        if text.isalpha():
            for number, font in enumerate(LETTER_FONTS):
                mask = glyph(f"truetype/dejavu/{font}.ttf", text)
                if mask:
                    style = font.lower() if number else CLEAN
                    yield Picture(index, style, painted(mask, rgb))
        for name, pattern in INK_FONTS.items():
            mask = glyph(pattern, text)
            if mask and not (text.isalpha() and name == "dejavu"):
                yield Picture(index, CLEAN if name == "dejavu" else name, painted(mask, rgb))
        for name in INK_SETS:
            if image := icon(name, shape):
                yield Picture(index, name, painted(image.getchannel("A"), rgb))


def _european_pictures(index: int) -> Iterator[Picture]:
    fonts = {CLEAN: f"truetype/dejavu/{LETTER_FONTS[0]}.ttf"}
    fonts |= {name.lower(): f"truetype/dejavu/{name}.ttf" for name in LETTER_FONTS[1:]}
    fonts[UNSEEN] = INK_FONTS[UNSEEN]
    for style, font in fonts.items():
        star = glyph(INK_FONTS["dejavu" if style != UNSEEN else UNSEEN], "★")
        for kind, text in (
            ("ring", "E"),
            ("black", "℮"),
            ("flag", "E"),
            ("estimated", "℮"),
            ("gold", "E"),
            ("blue", "E"),
        ):
            if letter := glyph(font, text):
                yield Picture(index, style, european_e(kind, letter, star))


def pictures_of(concepts: tuple[Concept, ...]) -> list[Picture]:
    """All pictures of all concepts; a concept's first one is in the clean style."""
    found: list[Picture] = []
    objects = Objects(concepts)
    for index, concept in enumerate(concepts):
        if concept.sign:
            found += _sign_pictures(index, concept)
        elif concept.id == "european-e":
            found += _european_pictures(index)
        found += _emoji_pictures(index, concept)
        if not concept.coloured:
            found += _object_pictures(index, concept, objects)
    return found


def premultiplied(image: Image.Image, side: int = 96, inner: int = 84) -> NDArray[np.uint8]:
    """RGBA, channels first, uint8, colours multiplied by alpha, fitted into a square."""
    values = np.asarray(fitted(image, side, inner).convert("RGBA"), np.float32)
    values[..., :3] *= values[..., 3:] / 255
    rounded: NDArray[np.uint8] = values.round().astype(np.uint8).transpose(2, 0, 1)
    return rounded
