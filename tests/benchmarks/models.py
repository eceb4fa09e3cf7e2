"""How fast the models with a short name are on this machine, with random weights of their exact
architecture, which do not change the speed:

    python -m tests.benchmarks.models [NAME ...] [--scratch FOLDER] [--write]

The first run makes and exports them: 20 GB of disk, and minutes for each. `--write` keeps the
figures in models.json, from which `python -m tests.readme` makes the table in the models' guide."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from imgsearch import cpu_and_memory
from imgsearch.demo import PHOTOS
from imgsearch.ingest import batch_size
from imgsearch.models import encoders
from imgsearch.models.cache import set_up
from imgsearch.models.choices import CHOICES, Choice
from imgsearch.models.names import ModelNames
from imgsearch.models.towers import ModelSet
from tests import model_directories
from tests.benchmarks.results import machine

RESULTS = Path(__file__).with_name("models.json")
BATCH, TURNS = 4, 5  # photos of a thread at a time; the best of so many turns counts
QUESTION = "endless route to the top"


@dataclass(frozen=True, slots=True)
class Speed:
    """`photos`: embedded in a second by an ingest, decoding left out. `question`: milliseconds."""

    photos: float
    question: float


def made(choice: Choice, scratch: Path) -> ModelSet:
    """The exported towers, made once."""
    folder = scratch / choice.name
    if choice.name == "demo":
        names = ModelNames(choice.image, choice.text)
    elif choice.name == "default":
        images, texts = model_directories.full_size_pair(folder)
        names = ModelNames(str(images), str(texts))
    else:
        if not (folder / "preprocessor_config.json").exists():
            model_directories.exact_siglip(choice, folder)
        names = ModelNames(str(folder), str(folder))
    return set_up(names, scratch / "cache")


def speed(towers: ModelSet) -> Speed:
    threads = batch_size.workers(cpu_and_memory.cores(), cpu_and_memory.memory())
    images = encoders.image_encoder(towers.image, streams=threads, many=True)
    paths = islice(sorted(PHOTOS.rglob("*.png")), BATCH)
    pixels = np.concatenate([images.prepare(Image.open(path).convert("RGB")) for path in paths])
    with ThreadPoolExecutor(threads) as pool:
        embedded = _best(lambda: list(pool.map(images.encode, [pixels] * threads)))
    texts = encoders.text_encoder(towers.text)
    return Speed(BATCH * threads / embedded, 1000 * _best(lambda: texts.encode([QUESTION])))


def _best(work: Callable[[], object]) -> float:
    """Seconds, after a first turn that makes the runtime ready."""
    work()
    taken = []
    for _ in range(TURNS):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return min(taken)


def table() -> str:
    """Markdown, of what was measured last."""
    measured = json.loads(RESULTS.read_text("utf-8"))
    lines = ["| model | photos a second | a question |", "|---|---|---|"]
    for name, row in measured["speeds"].items():
        photos = f"{row['photos']:.1f}" if row["photos"] < 10 else f"{row['photos']:.0f}"
        lines.append(f"| `{name}` | {photos} | {row['question']:.0f} ms |")
    return "\n".join([*lines, "", f"(On {measured['machine']}.)", ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*CHOICES, []], default=[])
    scratch = Path.home() / ".cache" / "imgsearch-benchmarks" / "models"
    parser.add_argument("--scratch", type=Path, default=scratch)
    parser.add_argument("--write", action="store_true", help="keep the figures in models.json")
    given = parser.parse_args()
    known = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {"speeds": {}}
    speeds = known["speeds"] if known.get("machine") == machine() else {}
    for name in given.names or CHOICES:
        speeds[name] = asdict(speed(made(CHOICES[name], given.scratch)))
        print(name, speeds[name], flush=True)
    if given.write:
        ordered = {name: speeds[name] for name in CHOICES if name in speeds}
        text = json.dumps({"machine": machine(), "speeds": ordered}, indent=1)
        RESULTS.write_text(f"{text}\n", "utf-8")


if __name__ == "__main__":
    main()
