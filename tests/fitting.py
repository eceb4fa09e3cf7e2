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
import numpy.typing as npt

import imgsearch
from imgsearch import demo
from imgsearch.search import cut_off
from tests.command import Command

TEXTS = demo.PHOTOS.parent / "training" / "evaluation" / "texts.json"


_HITS = (0.02, 0.03, 0.05, 0.08, 0.12)  # expected by chance at the line
_SPLITS = 10


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
    assert sample is not None
    for concept, name in asked[::every]:
        vector = library.embed_text(name)
        chance = cut_off.chance(vector, sample, len(rows))
        assert chance is not None
        fits, meant = vectors @ vector >= chance.line, shown == concept
        if meant.any():
            found, right = found + fits.sum(), right + (fits & meant).sum()
            wanted += meant.sum()
        else:
            nothing.append(not fits.any())
    some = np.random.default_rng(17).permutation(np.array(nothing))[:100]
    return Figures(2 * right / (found + wanted), float(some.mean()), float(np.mean(nothing)))


def _line(chance: cut_off.Chance, hits: float) -> float:
    """The score from which on so many photos are expected by chance."""
    expected = chance.share * chance.photos
    return chance.start + chance.fall * max(0.0, float(np.log(expected / hits)))


def held_out(library: imgsearch.Library) -> tuple[float, float]:
    """F1 and the share of questions that nothing fits, each of the half of the concepts and of the
    languages that was not used to choose what decides where the line falls; the mean of ten
    halvings. Chosen is the best F1 where .95 of what is not there finds nothing."""
    named = json.loads(TEXTS.read_text("utf-8"))["names"]
    concepts = json.loads((demo.PHOTOS.parent / "photos.json").read_text("utf-8"))
    rows = list(library.index.rows())
    shown = np.array([concepts[row.record.relative_path] for row in rows])
    asked = [(concept, tongue) for concept, names in named.items() for tongue in names]
    texts = np.array([library.embed_text(named[concept][tongue]) for concept, tongue in asked])
    sample = library.sample()
    assert sample is not None
    scores = texts @ np.array([row.vector for row in rows]).T
    meant = np.array([concept for concept, _ in asked])[:, None] == shown
    chances = [cut_off.chance(text, sample, len(rows)) for text in texts]
    assert None not in chances
    fits = {
        hits: scores >= np.array([_line(one, hits) for one in chances if one])[:, None]
        for hits in _HITS
    }

    def judged(fit: npt.NDArray[np.bool_], among: npt.NDArray[np.bool_]) -> tuple[float, float]:
        there = meant.any(axis=1)
        found, wanted = fit[among & there], meant[among & there]
        f1 = 2 * (found & wanted).sum() / (found.sum() + wanted.sum())
        return float(f1), float((~fit[among & ~there].any(axis=1)).mean())

    figures = []
    for seed in range(_SPLITS):
        chance = np.random.default_rng(seed)
        some = set(chance.permutation(sorted(named))[: len(named) // 2])
        tongues = set(chance.permutation(sorted({tongue for _, tongue in asked}))[:5])
        chosen = np.array([concept in some and tongue in tongues for concept, tongue in asked])
        other = np.array(
            [concept not in some and tongue not in tongues for concept, tongue in asked]
        )
        known = {key: judged(fit, chosen) for key, fit in fits.items()}
        best = max(known, key=lambda key: (known[key][1] >= 0.95, known[key][0]))
        figures.append(judged(fits[best], other))
    f1, nothing = np.mean(figures, axis=0)
    return float(f1), float(nothing)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        Command(home, home / "cache").run(
            "--model", "demo", "--index", home / "index", "ingest", demo.PHOTOS
        )
        with imgsearch.open(home / "index", model="demo") as library:
            told, (f1, nothing) = figures(library), held_out(library)
    print(f"F1 of what fits: {told.f1:.3f}")
    print(f"nothing fits: {told.nothing_fits:.2f} of 100 questions about what is not there,")
    print(f"              {told.nothing_fits_any:.3f} of all of them")
    print(f"where half of the concepts and languages chose the line, on the others: F1 {f1:.3f},")
    print(f"              nothing fits {nothing:.3f}")


if __name__ == "__main__":
    main()
