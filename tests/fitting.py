"""How well what fits is told from what is only nearest: python -m tests.fitting

On the demo's library, by the names of its concepts in ten languages: for those that it shows, F1 of
"fits" over all pairs of a name and a photo; for those that it does not show, the share of questions
that nothing fits."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

import imgsearch
from imgsearch import demo, fitting
from tests.command import Command

TEXTS = demo.PHOTOS.parent / "training" / "evaluation" / "texts.json"


class Figures(NamedTuple):
    f1: float  # over questions about what is there
    nothing_fits: float  # of 100 questions about what is not there
    nothing_fits_any: float  # of all these questions, other colours of the same sign among them


def figures(library: imgsearch.Library, every: int = 1) -> Figures:
    """`every`: of so many questions one is asked."""
    named = json.loads(TEXTS.read_text("utf-8"))["names"]
    concepts = json.loads((demo.PHOTOS.parent / "photos.json").read_text("utf-8"))
    rows = list(library.index.rows())
    vectors = np.array([row.vector for row in rows])
    shown = np.array([concepts[row.record.relative_path] for row in rows])
    asked = [(concept, name) for concept, names in named.items() for name in names.values()]
    found = right = wanted = 0
    nothing = []
    sample = library.sample()
    for concept, name in asked[::every]:
        vector = library.embed_text(name)
        chance = fitting.chance(vector, sample, len(rows))
        assert chance is not None
        fits, meant = vectors @ vector >= chance.line, shown == concept
        if meant.any():
            found, right = found + fits.sum(), right + (fits & meant).sum()
            wanted += meant.sum()
        else:
            nothing.append(not fits.any())
    some = np.random.default_rng(17).permutation(np.array(nothing))[:100]
    return Figures(2 * right / (found + wanted), float(some.mean()), float(np.mean(nothing)))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        Command(home, home / "cache").run(
            "--model", "demo", "--index", home / "index", "ingest", demo.PHOTOS
        )
        with imgsearch.open(home / "index", model="demo") as library:
            told = figures(library)
    print(f"F1 of what fits: {told.f1:.3f}")
    print(f"nothing fits: {told.nothing_fits:.2f} of 100 questions about what is not there,")
    print(f"              {told.nothing_fits_any:.3f} of all of them")


if __name__ == "__main__":
    main()
