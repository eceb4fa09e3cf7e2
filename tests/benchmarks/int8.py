"""int8 as `--precision auto` tries it, beside f32 and bf16: how fast the forward pass is, and
whether the same pictures are found. On ViT-B/32 of full size with random weights and photos from
scikit-image and scikit-learn, augmented; on the demo's trained model, its icons and held-out names.

A form is measured whether it passes the trial or not; its note says whether it does, and `auto`
takes none that does not."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn.datasets  # type: ignore[import-untyped]  # it has no types
from PIL import Image, ImageEnhance

from imgsearch import models
from imgsearch.demo.training import figures as demo_figures
from imgsearch.models import calibration, int8_trial, preprocessing
from imgsearch.models.base import Pixels, Vectors, unit
from imgsearch.models.calibration import Fit
from imgsearch.models.runtimes import OnnxRuntime, OpenVino, Runtime
from imgsearch.models.towers import Tower
from tests import pictures
from tests.benchmarks.full_size import Installed
from tests.benchmarks.table import Bench, Goal, Row, in_turns

SOURCES = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "cell.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "microaneurysms.png",
    "moon.png",
    "motorcycle_left.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
    "text.png",
)
PHOTOS = 512
SIDE = 448  # pixels
STREAMS = 2
BATCH = 8
HELD_OUT = 0.005  # by which recall may change


def augmented(count: int, seed: int = 0) -> list[Image.Image]:
    """Squares of real photos, turned, mirrored, and with other light and colours. Always the
    same."""
    chance = np.random.default_rng(seed)
    grounds = [pictures.photo(name).convert("RGB") for name in SOURCES]
    grounds += [Image.fromarray(photo) for photo in sklearn.datasets.load_sample_images().images]
    return [_augmented(chance, grounds[number % len(grounds)]) for number in range(count)]


def _augmented(chance: np.random.Generator, ground: Image.Image) -> Image.Image:
    side = int(min(ground.size) * np.sqrt(chance.uniform(0.12, 1)))
    left, top = (int(chance.integers(edge - side + 1)) for edge in ground.size)
    image = ground.resize(
        (SIDE, SIDE), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side)
    )
    if chance.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if chance.random() < 0.2:
        image = image.rotate(90 * int(chance.integers(4)))
    for change, low, high in (
        (ImageEnhance.Brightness, 0.6, 1.4),
        (ImageEnhance.Color, 0.2, 1.6),
        (ImageEnhance.Contrast, 0.6, 1.4),
    ):
        image = change(image).enhance(chance.uniform(low, high))
    return image


def measured(bench: Bench) -> Iterator[Row]:
    """Rows of both models."""
    tower = Installed(bench).towers().image
    pixels = _prepared(tower, augmented(PHOTOS))
    yield from _rows("ViT-B/32, random weights", tower, pixels, bench.repeats)
    source = str(demo_figures.DEMO / "models" / "image")
    tower = models.set_up_tower("image", source, bench.folder("cache") / "int8")
    shown = demo_figures.read_json(demo_figures.EVALUATION / "pictures.json")
    tiles = [
        tile
        for name, concepts in shown.items()
        for tile in demo_figures.tiles(demo_figures.EVALUATION / f"{name}.webp", len(concepts))
    ]
    pixels = _prepared(tower, tiles)
    yield from _rows("demo model", tower, _shuffled(pixels)[:PHOTOS], bench.repeats)
    yield from _library_rows(tower, pixels, len(shown["clean"]))


def _prepared(tower: Tower, images: Sequence[Image.Image]) -> Pixels:
    prepared = preprocessing.from_manifest(tower.preprocessing)
    return np.concatenate([prepared.pixels(image) for image in images])


def _shuffled(pixels: Pixels) -> Pixels:
    return pixels[np.random.default_rng(0).permutation(len(pixels))]


def forms(tower: Tower, pixels: Pixels) -> dict[str, dict[str, Fit]]:
    """Those that a trial tries, fitted to these pictures."""
    fits = int8_trial.fitted(tower, pixels)
    return {"int8": fits, "int8 but for the worst kind": calibration.without_worst_kind(fits)}


def vectors(tower: Tower, runtime: Runtime, pixels: Pixels) -> Vectors:
    """(n, dims), unit rows."""
    batches = (pixels[first : first + BATCH] for first in range(0, len(pixels), BATCH))
    return unit(np.concatenate([runtime.run({tower.inputs[0]: some}) for some in batches]))


def _rows(what: str, tower: Tower, pixels: Pixels, repeats: int) -> Iterator[Row]:
    """Fitted to a quarter, compared on all."""
    served = OpenVino(tower.model_file, "auto", STREAMS)
    exact = vectors(tower, OnnxRuntime(tower.model_file), pixels)
    before = vectors(tower, served, pixels)
    usual = int8_trial.figures_of(before, exact, exact)
    note = f"centred {usual.centred:.4f}, worst {usual.worst:.4f}"
    yield _row(f"{what}, {served.precision}: top-10 overlap with f32", 0.98, usual.overlap, note)
    for name, fits in forms(tower, pixels[: len(pixels) // 4]).items():
        runtime = int8_trial.runtime(tower, fits, STREAMS)
        times = in_turns([_seconds(tower, each, pixels) for each in (runtime, served)], repeats)
        ratios = tuple(theirs / ours for ours, theirs in zip(*times, strict=True))
        found = int8_trial.figures_of(
            vectors(tower, runtime, pixels), exact, before, float(np.median(ratios))
        )
        note = "passes" if found.passed else "does not pass: auto stays as it was"
        goal = Goal(f"{what}, {name}: forward pass beside {served.precision}", 1.25, True)
        yield Row(goal, ratios, note)
        for title, bound, value in (
            ("mean centred cosine", int8_trial.CENTRED, found.centred),
            ("worst centred cosine", int8_trial.WORST, found.worst),
            ("top-10 overlap", int8_trial.OVERLAP, found.overlap),
            ("top-10 overlap, mixed", int8_trial.OVERLAP, found.mixed),
        ):
            yield _row(f"{what}, {name}: {title}", bound, value, note)


def _row(what: str, bound: float, value: float, note: str) -> Row:
    return Row(Goal(what, bound, True, ""), (value,), note)


def _seconds(tower: Tower, runtime: Runtime, pixels: Pixels) -> Any:
    def once() -> float:
        begun = time.perf_counter()
        vectors(tower, runtime, pixels[:128])
        return time.perf_counter() - begun

    return once


def _library_rows(tower: Tower, tiles: Pixels, clean: int) -> Iterator[Row]:
    """The shipped library, and the held-out names among the clean tiles."""
    files = sorted(demo_figures.read_json(demo_figures.DEMO / "photos.json"))
    library = _prepared(tower, [_on_white(demo_figures.DEMO / "photos" / name) for name in files])
    served, exact = OpenVino(tower.model_file, "auto", 1), OnnxRuntime(tower.model_file)
    names, wanted = _held_out()
    before = _recall(vectors(tower, exact, tiles[:clean]), names, wanted)
    for name, fits in forms(tower, _shuffled(tiles)[:128]).items():
        runtime = int8_trial.runtime(tower, fits, 1)
        three = [vectors(tower, each, library) for each in (runtime, exact, served)]
        found = int8_trial.figures_of(three[0], three[1], three[2])
        note = f"centred {found.centred:.4f}, worst {found.worst:.4f}, {len(files)} photos"
        yield _row(f"shipped library, {name}: top-10 overlap", 0.98, found.overlap, note)
        recall = _recall(vectors(tower, runtime, tiles[:clean]), names, wanted)
        goal = Goal(f"held-out names, {name}: change of recall at 5", HELD_OUT, False, "")
        yield Row(goal, (abs(recall - before),), f"{recall:.3f}, in f32 {before:.3f}")


def _on_white(path: Path) -> Image.Image:
    with Image.open(path) as opened:
        image = opened.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _held_out() -> tuple[npt.NDArray[np.float32], list[str]]:
    """Vectors of the names that training never saw, and the concept of each."""
    from sentence_transformers import SentenceTransformer

    texts: Mapping[str, Any] = demo_figures.read_json(demo_figures.EVALUATION / "texts.json")
    held_out = demo_figures.read_json(demo_figures.EVALUATION / "held_out.json")["names"]
    model = SentenceTransformer(str(demo_figures.DEMO / "models" / "text"), device="cpu")
    words = [texts["names"][concept][language] for concept, language in held_out]
    found = model.encode(words, normalize_embeddings=True)
    return np.asarray(found, np.float32), [concept for concept, _ in held_out]


def _recall(found: Vectors, names: Vectors, wanted: Sequence[str]) -> float:
    shown = demo_figures.read_json(demo_figures.EVALUATION / "pictures.json")["clean"]
    shelf = demo_figures.Shelf(found, shown)
    return shelf.recall(names, [{concept} for concept in wanted], 5)
