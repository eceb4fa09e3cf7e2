"""Rebuild the demo model and its figures: see README.md."""

from __future__ import annotations

import argparse
import ctypes
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from imgsearch.demo.training.concepts import all_concepts, read_kin
from imgsearch.demo.training.evaluation import write_evaluation
from imgsearch.demo.training.figures import measure
from imgsearch.demo.training.gallery import Gallery
from imgsearch.demo.training.pictures import pictures_of
from imgsearch.demo.training.pieces import WordPieces, learn_vocabulary
from imgsearch.demo.training.stages import (
    Steps,
    Workshop,
    learn_images,
    learn_texts,
    learn_words,
)
from imgsearch.demo.training.texts import TextBook, draw_held_out
from imgsearch.demo.training.towers import (
    ImageTower,
    Prototypes,
    TextTower,
    save_image_tower,
    save_text_tower,
)


def say(text: str) -> None:
    """Progress, at once even into a file."""
    print(text, flush=True)


def _keep_memory() -> None:
    """Let glibc reuse large buffers: getting them anew from the system took a fifth of the time."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        for option, value in ((-4, 0), (-1, 2**31 - 1), (-2, 2**28)):  # mmap_max, trim, top_pad
            libc.mallopt(option, value)


def workshop(seed: int) -> Workshop:
    """Concepts, pictures and untrained towers."""
    torch.manual_seed(seed)
    concepts, kin = all_concepts(), read_kin()
    groups = [kin[concept.id] for concept in concepts]
    same = torch.tensor([[a == b for b in groups] for a in groups])
    book = TextBook(concepts, draw_held_out(concepts, seed))
    return Workshop(
        book,
        Gallery(concepts, pictures_of(concepts)),
        same & ~torch.eye(len(groups), dtype=torch.bool),
        TextTower(WordPieces(learn_vocabulary(book.corpus()))),
        ImageTower(),
        Prototypes(groups),
        seed,
        say,
    )


Spent = tuple[float, float]  # minutes: by the clock, of the CPU


def save(shop: Workshop, folder: Path, stage: int, spent: Spent) -> None:
    """Both towers, ready for sentence-transformers, and what a resumed run needs."""
    save_text_tower(shop.texts, folder / "models" / "text")
    save_image_tower(shop.images, folder / "models" / "image")
    state = [module.state_dict() for module in (shop.texts, shop.images, shop.prototypes)]
    torch.save((stage, spent, *state), folder / "state.pt")


def resumed(shop: Workshop, folder: Path) -> tuple[int, Spent]:
    """How many stages are done and what they took, with the modules as they left them."""
    if not (folder / "state.pt").exists():
        return 0, (0.0, 0.0)
    stage, spent, texts, images, prototypes = torch.load(folder / "state.pt")
    shop.texts.load_state_dict(texts)
    shop.images.load_state_dict(images)
    shop.prototypes.load_state_dict(prototypes)
    return stage, spent


def main() -> None:
    """Train, save after every stage, then measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="a run that stopped goes on")
    parser.add_argument("--steps", type=float, default=1.0, help="factor on all stages")
    parser.add_argument("--threads", type=int, default=2, help="1: run two seeds side by side")
    options = parser.parse_args()
    _keep_memory()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)  # ten times faster where weights fade out
    start = time.monotonic()
    shop = workshop(options.seed)
    say(f"ready after {time.monotonic() - start:.0f} s: {shop.book.count} concepts")
    steps = Steps().scaled(options.steps)
    stages: tuple[tuple[Callable[[Workshop, int], None], int], ...] = (
        (learn_texts, steps.text),
        (learn_images, steps.image),
        (learn_words, steps.words),
    )
    done, before = resumed(shop, options.out)

    def spent() -> Spent:
        clock, busy = time.monotonic() - start, time.process_time()
        return before[0] + clock / 60, before[1] + busy / 60

    for number, (learn, count) in enumerate(stages[done:], done + 1):
        shop.begin(number)
        learn(shop, count)
        save(shop, options.out, number, spent())
    held_out = draw_held_out(all_concepts(), options.seed)
    evaluation = options.out / "evaluation"
    write_evaluation(evaluation, all_concepts(), shop.gallery, held_out, options.seed)
    minutes, busy = spent()
    figures = {"seed": options.seed, "minutes": round(minutes, 1), "cpu_minutes": round(busy, 1)}
    figures |= measure(options.out / "models", evaluation)
    (options.out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    for name, value in figures.items():
        say(f"{name:45} {value:.3f}")


if __name__ == "__main__":
    main()
