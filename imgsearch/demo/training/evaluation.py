"""Write evaluation/: all a test needs to recompute the figures without fonts or packages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from imgsearch.demo.training.augmentation import (
    MEAN,
    SIDE,
    STD,
    UNSEEN_GROUNDS,
    Augmentation,
    on_ground,
)
from imgsearch.demo.training.concepts import Concept, words
from imgsearch.demo.training.gallery import Gallery
from imgsearch.demo.training.texts import HeldOut

ACROSS = 32
UNSEEN_SEED = 1_000_003  # of the disturbances; training uses small seeds


def _sheet(rgb: Tensor, path: Path, lossless: bool) -> None:
    """[n, 3, SIDE, SIDE] of 0..1, as tiles."""
    values = (rgb.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    sheet = Image.new("RGB", (ACROSS * SIDE, -(-len(values) // ACROSS) * SIDE), "white")
    for number, tile in enumerate(values):
        place = (number % ACROSS * SIDE, number // ACROSS * SIDE)
        sheet.paste(Image.fromarray(tile), place)
    sheet.save(path, lossless=lossless, quality=100 if lossless else 85, method=6)


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")


def write_evaluation(
    folder: Path, concepts: Sequence[Concept], gallery: Gallery, held_out: HeldOut, seed: int
) -> None:
    """Three sheets (clean, unseen style, disturbed), what they show, the texts, the hold-out."""
    folder.mkdir(parents=True, exist_ok=True)
    first = torch.tensor([own[0] for own in gallery.clean_of])
    augment = Augmentation(UNSEEN_SEED)
    picked = torch.randint(len(UNSEEN_GROUNDS), (len(first),), generator=augment.random)
    disturbed = gallery.augmented(first, augment, 1.0, UNSEEN_GROUNDS[picked])
    sheets = {
        "clean": on_ground(gallery.floats(gallery.clean), torch.ones(len(gallery.clean), 3)),
        "unseen": on_ground(gallery.floats(gallery.unseen), torch.ones(len(gallery.unseen), 3)),
        "disturbed": disturbed * STD[:, None, None] + MEAN[:, None, None],
    }
    numbers = {"clean": gallery.clean, "unseen": gallery.unseen, "disturbed": first}
    for name, rgb in sheets.items():
        _sheet(rgb, folder / f"{name}.webp", lossless=name == "unseen")
    shown = {
        name: [concepts[c].id for c in gallery.concept[own].tolist()]
        for name, own in numbers.items()
    }
    _write(folder / "pictures.json", shown)
    languages = words()["measured_languages"]
    _write(
        folder / "texts.json",
        {
            "languages": languages,
            "signs": [c.id for c in concepts if c.sign],
            "names": {
                c.id: {lang: c.names[lang] for lang in languages if lang in c.names}
                for c in concepts
            },
            "keywords": {c.id: c.keywords.get("en", []) for c in concepts},
        },
    )
    _write(
        folder / "held_out.json",
        {
            "seed": seed,
            "names": [[concepts[index].id, language] for index, language in held_out.names],
            "keywords": [[concepts[index].id, keyword] for index, keyword in held_out.keywords],
        },
    )
