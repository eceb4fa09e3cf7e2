"""The demo's library: icons under the names that cameras, scanners and browsers give.

`python -m imgsearch.demo.training.library` draws imgsearch/demo/photos anew, and photos.json
beside it, which tells the tests (never the search) what each file shows.
"""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from imgsearch.demo.training.concepts import HERE, all_concepts
from imgsearch.demo.training.pictures import CLEAN, fitted, pictures_of

PHOTOS = HERE.parent / "photos"
WHITE = (255, 255, 255)
# paper, pastel and slate: what a screenshot or a scan has behind an icon
GROUNDS = [(250, 246, 230), (214, 232, 250), (226, 240, 217), (252, 228, 214), (58, 66, 84)]


def _is_dark(image: Image.Image) -> bool:
    """Would it vanish on black or slate?"""
    grey = np.asarray(image.convert("L"), np.float32)
    alpha = np.asarray(image.getchannel("A"), np.float32)
    return float((grey * alpha).sum() / alpha.sum()) < 90


def _photo(image: Image.Image, draw: random.Random) -> Image.Image:
    side = draw.choice((160, 176, 192, 224, 256))
    large = fitted(image, side, round(side * draw.uniform(0.74, 0.92)))
    kind, ground = draw.random(), draw.choice(GROUNDS)
    if kind < 0.15 and not _is_dark(image):
        return large  # transparent, as many icons are
    if kind < 0.75 or (_is_dark(image) and max(ground) < 128):
        ground = WHITE
    flat = Image.new("RGBA", large.size, (*ground, 255))
    return Image.alpha_composite(flat, large).convert("RGB")


def _save(photo: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jpg":
        ground = Image.new("RGBA", photo.size, (*WHITE, 255))
        flat = Image.alpha_composite(ground, photo.convert("RGBA")).convert("RGB")
        flat.save(path, quality=88)
    elif path.suffix == ".webp":
        photo.save(path, quality=88, method=6)
    else:
        photo.save(path, optimize=True)


def draw_library() -> dict[str, str]:
    """Write all photos; return file -> concept id."""
    plan = json.loads((HERE / "library.json").read_text("utf-8"))
    draw = random.Random(plan["seed"])
    concepts = all_concepts()
    number = {concept.id: index for index, concept in enumerate(concepts)}
    wanted = {entry.partition(":")[0] for entry in plan["concepts"]}
    clean: dict[str, list[Image.Image]] = {name: [] for name in wanted}
    chosen = tuple(concepts[number[name]] for name in sorted(wanted))
    for picture in pictures_of(chosen):
        if picture.style == CLEAN:
            clean[chosen[picture.concept].id].append(picture.image)
    order = list(plan["concepts"])
    draw.shuffle(order)
    count = {folder: first for folder, (_, first) in plan["folders"].items()}
    shutil.rmtree(PHOTOS, ignore_errors=True)
    shown: dict[str, str] = {}
    for entry in order:
        name, _, which = entry.partition(":")
        folder = draw.choice(list(plan["folders"]))
        file = Path(folder) / plan["folders"][folder][0].format(count[folder])
        count[folder] += draw.choice((1, 1, 1, 2, 3))
        _save(_photo(clean[name][int(which or 0)], draw), PHOTOS / file)
        shown[file.as_posix()] = name
    return dict(sorted(shown.items()))


def main() -> None:
    """Write the photos and photos.json."""
    shown = draw_library()
    (PHOTOS.parent / "photos.json").write_text(
        json.dumps(shown, indent=1, ensure_ascii=False) + "\n", "utf-8"
    )
    size = sum(path.stat().st_size for path in PHOTOS.rglob("*.*"))
    print(f"{len(shown)} photos, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
