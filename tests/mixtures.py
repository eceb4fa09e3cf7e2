"""How well a picture and words are found together: python -m tests.mixtures

Each question is a random picture of the demo's library plus the name of what another one shows. It
is answered right where the two best photos are these two. A plain sum of the two vectors stands
beside the weighed one."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

import imgsearch
from imgsearch import demo
from imgsearch.question import Question, Term
from tests.command import Command

TEXTS = demo.PHOTOS.parent / "training" / "evaluation" / "texts.json"
QUESTIONS = 400


def both_found(library: imgsearch.Library, questions: int = QUESTIONS) -> tuple[float, float]:
    """The shares of right answers, by the weighed sum and by the plain one."""
    names = json.loads(TEXTS.read_text("utf-8"))["names"]
    concepts = json.loads((demo.PHOTOS.parent / "photos.json").read_text("utf-8"))
    rows = list(library.index.rows())
    shown = [concepts[row.record.relative_path] for row in rows]
    once = [place for place, concept in enumerate(shown) if shown.count(concept) == 1]
    random = np.random.default_rng(17)
    weighed = plain = 0
    for _ in range(questions):
        one, other = random.choice(once, 2, replace=False)
        words = names[shown[other]]["en"]
        wanted = {rows[one].record.id, rows[other].record.id}
        # as a picture, since a photo of the index would be left out
        path = str(demo.PHOTOS / rows[one].record.relative_path)
        asked = Question(terms=(Term(picture=path), Term(words=words)), k=2)
        weighed += {hit.record.id for hit in library.search(asked)} == wanted
        summed = rows[one].vector + library.embed_text(words)
        found = library.index.search(summed / np.linalg.norm(summed), 2)
        plain += {neighbour.record.id for neighbour in found} == wanted
    return weighed / questions, plain / questions


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        Command(home, home / "cache").run(
            "--model", "demo", "--index", home / "index", "ingest", demo.PHOTOS
        )
        with imgsearch.open(home / "index", model="demo") as library:
            weighed, plain = both_found(library)
    print(f"both of a picture and a name found: {weighed:.3f} weighed, {plain:.3f} plain sum")


if __name__ == "__main__":
    main()
