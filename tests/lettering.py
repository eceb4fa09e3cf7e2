"""Pictures with text on them, made here: signs, receipts, screenshots and slides in five languages
of Latin script, and number plates; with noise, blur and tilt, as cameras see them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FONTS = Path("/usr/share/fonts/truetype")
FACES = [
    FONTS / "dejavu/DejaVuSans.ttf",
    FONTS / "dejavu/DejaVuSerif.ttf",
    FONTS / "dejavu/DejaVuSansCondensed.ttf",
    FONTS / "liberation/LiberationSans-Regular.ttf",
    FONTS / "liberation/LiberationSerif-Bold.ttf",
]
WORDS = {
    "en": "harbour village wednesday museum opening careful entrance quarterly revenue breakfast"
    " lighthouse orchard discount mountain wooden january exhibition hallway strawberry receipt"
    " meeting bridge northern library garden cheese thunder velvet station forest",
    "de": "Bäckerei Straße geöffnet Mittwoch Frühstück Übersicht Gebühr Quittung Rathaus Größe"
    " Schlüssel Vorträge Gemüse Äpfel Brötchen Zusammenfassung Fußweg Kärnten Brücke Wäsche"
    " Höhe Museum Ausgang Käse Fenster Löwen Garten Spätzle Müller Zähler",
    "fr": "boulangerie fermé août évènement théâtre forêt château réunion crème étage hôtel"
    " première façade noël musée légumes marché pâtisserie résumé dîner bibliothèque élève"
    " sortie fenêtre brûlée hiver jardin fromage école garçon",
    "es": "panadería mañana señor niños calle corazón jamón año estación música árbol biblioteca"
    " reunión página español cerrado lunes playa ventana montaña pequeño desayuno compañía"
    " horario teléfono queso jardín iglesia otoño sábado",
    "pl": "piekarnia książka środa żółty źródło ulica święto łódka miesiąc dziękuję otwarte"
    " muzeum ciastko rachunek śniadanie październik kościół góry wyjście jabłko zamek przyjęcie"
    " złoty mąka północ ogród jesień chleb pieniądze okno",
}
KINDS = "sign", "receipt", "screenshot", "slide"
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXY"


@dataclass(frozen=True)
class Lettered:
    """`asked`: a word that is on this picture and on no other of its set."""

    name: str
    image: Image.Image
    asked: str


def pictures(count: int, seed: int = 17) -> Iterator[Lettered]:
    """Signs, receipts, screenshots and slides in turn, and languages in turn."""
    rng = random.Random(seed)
    languages = list(WORDS)
    taken: set[str] = set()
    for number in range(count):
        kind, language = KINDS[number % 4], languages[number // 4 % 5]
        words = WORDS[language].split()
        asked = _asked(rng, words, taken)
        others = [word for word in words if word not in taken]
        lines = _lines(rng, kind, others, asked)
        yield Lettered(
            f"{language}-{kind}-{number}.jpg", _seen(rng, _drawn(rng, kind, lines)), asked
        )


def _asked(rng: random.Random, words: list[str], taken: set[str]) -> str:
    """Two words as one, as names of shops and streets are, so that no other picture has it."""
    while True:
        one, other = rng.sample(words, 2)
        asked = one + other.lower()
        if asked not in taken and len(asked) <= 18:
            taken.add(asked)
            return asked


def _lines(rng: random.Random, kind: str, words: list[str], asked: str) -> list[str]:
    count = {"sign": 2, "receipt": 9, "screenshot": 10, "slide": 5}[kind]
    lines = [" ".join(rng.sample(words, rng.randint(1, 3))) for _ in range(count)]
    lines[rng.randrange(count)] = asked
    if kind == "receipt":
        lines = [f"{line[:24]}  {rng.randint(1, 89)},{rng.randint(10, 99)}" for line in lines]
    return lines


def _colour(rng: random.Random, lowest: int, highest: int) -> tuple[int, int, int]:
    red, green, blue = (rng.randint(lowest, highest) for _ in range(3))
    return red, green, blue


def _drawn(rng: random.Random, kind: str, lines: list[str]) -> Image.Image:
    size, letters = {
        "sign": ((1000, 700), 76),
        "receipt": ((760, 1100), 36),
        "screenshot": ((1280, 800), 26),
        "slide": ((1280, 800), 52),
    }[kind]
    dark = kind == "sign" and rng.random() < 0.5
    ground = (24, 70, 130) if dark else _colour(rng, 215, 250)
    ink = (245, 245, 240) if dark else _colour(rng, 0, 70)
    image = Image.new("RGB", size, ground)
    draw = ImageDraw.Draw(image)
    face = ImageFont.truetype(str(rng.choice(FACES)), letters)
    top = size[1] // (len(lines) + 1) - letters // 2
    for number, line in enumerate(lines):
        draw.text((50, top + number * (size[1] - 80) // len(lines)), line, ink, face)
    return image


def plates(count: int, seed: int = 23) -> Iterator[Lettered]:
    """Number plates on cars; several differ by one character."""
    rng = random.Random(seed)
    taken: list[str] = []
    while len(taken) < count:
        digits = f"{rng.randint(0, 9)}{rng.randint(0, 9)}"
        plate = f"{_some(rng, 2)}{digits} {_some(rng, 3)}"
        if taken and len(taken) % 3 == 0:  # near the one before
            plate = taken[-1][:-1] + rng.choice(_LETTERS.replace(taken[-1][-1], ""))
        if plate in taken:
            continue
        taken.append(plate)
        yield Lettered(f"{len(taken)}.jpg", _seen(rng, _car(rng, plate)), plate)


def _some(rng: random.Random, count: int) -> str:
    return "".join(rng.choice(_LETTERS) for _ in range(count))


def _car(rng: random.Random, plate: str) -> Image.Image:
    image = Image.new("RGB", (1100, 760), _colour(rng, 60, 170))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((120, 140, 980, 640), 90, _colour(rng, 20, 120))
    left, top = rng.randint(300, 420), rng.randint(380, 470)
    draw.rectangle((left, top, left + 360, top + 84), (245, 225, 90), (0, 0, 0), 4)
    face = ImageFont.truetype(str(FONTS / "dejavu/DejaVuSans-Bold.ttf"), 56)
    draw.text((left + 180, top + 42), plate, (10, 10, 10), face, anchor="mm")
    return image


def _seen(rng: random.Random, image: Image.Image) -> Image.Image:
    """As a camera sees it: tilted, a little out of focus, noisy."""
    ground = tuple(rng.randint(90, 160) for _ in range(3))
    tilted = image.rotate(
        rng.uniform(-8, 8), Image.Resampling.BICUBIC, expand=True, fillcolor=ground
    )
    blurred = tilted.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.4)))
    noise = np.random.default_rng(rng.randrange(1 << 30)).normal(
        0, rng.uniform(2, 14), (*blurred.size[::-1], 3)
    )
    return Image.fromarray(np.clip(np.asarray(blurred) + noise, 0, 255).astype(np.uint8))
