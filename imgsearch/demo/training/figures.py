"""The figures of the demo model, from its shipped weights and the files in evaluation/.

    python -m imgsearch.demo.training.figures

needs no fonts and no npm packages: the pictures are tiles of the sheets in evaluation/. The
vectors come from sentence-transformers' own `encode`.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

HERE = Path(__file__).parent
DEMO = HERE.parent
EVALUATION = HERE / "evaluation"
TILE = 96
MARKS = ("<!-- figures -->", "<!-- end of figures -->")
BOUNDS = {
    "english_names_recall_at_1": 0.98,
    "ten_languages_recall_at_1": 0.95,
    "held_out_names_recall_at_5": 0.70,
    "held_out_keywords_recall_at_5": 0.80,
    "unseen_style_names_recall_at_5": 0.80,
    "library_held_out_names_recall_at_5": 0.82,
    "kin_precision_at_3": 0.80,
    "library_kin_precision_at_3": 0.80,
}

Vectors = NDArray[np.float32]
Figures = dict[str, float]


def read_json(path: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(path.read_text("utf-8"))


def tiles(sheet: Path, count: int) -> list[Image.Image]:
    """The first `count` tiles of a sheet, row by row."""
    with Image.open(sheet) as opened:
        image = opened.convert("RGB")
    across = image.width // TILE
    return [
        image.crop((x, y, x + TILE, y + TILE))
        for x, y in ((n % across * TILE, n // across * TILE) for n in range(count))
    ]


class Towers:
    """Both towers, answering with unit vectors."""

    def __init__(self, models: Path) -> None:
        from sentence_transformers import SentenceTransformer

        self.text = SentenceTransformer(str(models / "text"), device="cpu")
        self.image = SentenceTransformer(str(models / "image"), device="cpu")

    def texts(self, texts: Sequence[str]) -> Vectors:
        """[texts, dims]"""
        return np.asarray(self.text.encode(list(texts), batch_size=256, normalize_embeddings=True))

    def images(self, images: Sequence[Image.Image]) -> Vectors:
        """[images, dims]"""
        return np.asarray(self.image.encode(list(images), batch_size=64, normalize_embeddings=True))


@dataclass(frozen=True)
class Shelf:
    """Pictures and the concept each shows."""

    vectors: Vectors
    concepts: Sequence[str]

    def ranking(self, query: Vectors) -> list[str]:
        """Concepts, nearest first; a concept is as near as its nearest picture."""
        order = np.argsort(-(self.vectors @ query), kind="stable")
        return list(dict.fromkeys(self.concepts[n] for n in order))

    def recall(self, queries: Vectors, wanted: Sequence[set[str]], k: int) -> float:
        """Share of the queries that have a wanted concept among the first k."""
        found = [
            bool(set(self.ranking(query)[:k]) & right)
            for query, right in zip(queries, wanted, strict=True)
        ]
        return float(np.mean(found)) if found else float("nan")

    def kin_precision(self, kin: dict[str, str], k: int = 3) -> float:
        """Mean share of kin among a picture's k nearest others, where it has at least k."""
        groups = np.array([kin[concept] for concept in self.concepts])
        size = Counter(groups.tolist())
        scores = self.vectors @ self.vectors.T
        np.fill_diagonal(scores, -2)
        near = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        eligible = np.array([size[group] > k for group in groups.tolist()])
        return float((groups[near] == groups[:, None]).mean(1)[eligible].mean())


def _each(concepts: Sequence[str]) -> list[set[str]]:
    return [{concept} for concept in concepts]


def measure(models: Path = DEMO / "models", evaluation: Path = EVALUATION) -> Figures:
    """All figures, as shares between 0 and 1 (`count_…`: how many)."""
    towers = Towers(models)
    texts = read_json(evaluation / "texts.json")
    shown = read_json(evaluation / "pictures.json")
    held_out = read_json(evaluation / "held_out.json")
    kin = read_json(HERE / "kin.json")
    shelves = {
        name: Shelf(towers.images(tiles(evaluation / f"{name}.webp", len(concepts))), concepts)
        for name, concepts in shown.items()
    }
    library = library_shelf(towers)
    figures = _names(towers, shelves["clean"], texts, held_out["names"])
    figures |= _held_out(towers, shelves["clean"], library, texts, held_out)
    figures |= _unseen(towers, shelves, texts)
    figures["kin_precision_at_3"] = shelves["clean"].kin_precision(kin)
    figures["library_kin_precision_at_3"] = library.kin_precision(kin)
    return figures


def library_shelf(towers: Towers) -> Shelf:
    """The demo's own photos."""
    files = read_json(DEMO / "photos.json")
    pictures = [_flattened(DEMO / "photos" / file) for file in files]
    return Shelf(towers.images(pictures), list(files.values()))


def _flattened(path: Path) -> Image.Image:
    with Image.open(path) as opened:
        image = opened.convert("RGBA")
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")


def _names(
    towers: Towers, clean: Shelf, texts: dict[str, Any], held_names: list[list[str]]
) -> Figures:
    held = {(concept, language) for concept, language in held_names}
    ranked: dict[str, float] = {}
    for language in texts["languages"]:
        names = {
            concept: own[language]
            for concept, own in texts["names"].items()
            if language in own and (concept, language) not in held
        }
        queries = towers.texts(list(names.values()))
        ranked[language] = clean.recall(queries, _each(list(names)), 1)
    return {
        "english_names_recall_at_1": ranked["en"],
        "ten_languages_recall_at_1": float(np.mean(list(ranked.values()))),
    }


def _held_out(
    towers: Towers,
    clean: Shelf,
    library: Shelf,
    texts: dict[str, Any],
    held_out: dict[str, Any],
) -> Figures:
    pairs = [(concept, language) for concept, language in held_out["names"]]
    known = {
        name.lower()
        for concept, own in texts["names"].items()
        for language, name in own.items()
        if (concept, language) not in set(pairs)
    }
    signs = set(texts["signs"])
    parts = {
        "held_out_names": pairs,
        "held_out_names_of_signs": [pair for pair in pairs if pair[0] in signs],
        "held_out_names_of_others": [pair for pair in pairs if pair[0] not in signs],
        "held_out_names_spelt_like_no_other": [
            pair for pair in pairs if texts["names"][pair[0]][pair[1]].lower() not in known
        ],
    }
    figures: Figures = {}
    for part, chosen in parts.items():
        queries = towers.texts([texts["names"][concept][language] for concept, language in chosen])
        figures[f"count_{part}"] = len(chosen)
        for k in (1, 5):
            figures[f"{part}_recall_at_{k}"] = clean.recall(
                queries, _each([concept for concept, _ in chosen]), k
            )
        if part == "held_out_names":
            here = [n for n, (concept, _) in enumerate(chosen) if concept in library.concepts]
            figures["count_library_held_out_names"] = len(here)
            figures["library_held_out_names_recall_at_5"] = library.recall(
                queries[here], _each([chosen[n][0] for n in here]), 5
            )
    carriers: dict[str, set[str]] = {}
    for concept, keywords in texts["keywords"].items():
        for keyword in [*keywords, texts["names"][concept]["en"]]:
            carriers.setdefault(keyword.lower(), set()).add(concept)
    keywords = [keyword for _, keyword in held_out["keywords"]]
    queries = towers.texts(keywords)
    figures["count_held_out_keywords"] = len(keywords)
    for k in (1, 5):
        figures[f"held_out_keywords_recall_at_{k}"] = clean.recall(
            queries, [carriers[keyword.lower()] for keyword in keywords], k
        )
    return figures


def _unseen(towers: Towers, shelves: dict[str, Shelf], texts: dict[str, Any]) -> Figures:
    """Pictures in a font that training never saw, and disturbed ones on unseen grounds."""
    unseen, clean, disturbed = shelves["unseen"], shelves["clean"], shelves["disturbed"]
    covered = sorted(set(unseen.concepts))
    names = towers.texts([texts["names"][concept]["en"] for concept in covered])
    emoji = [n for n, concept in enumerate(covered) if concept.startswith("emoji-")]
    return {
        "count_unseen_style": len(covered),
        "unseen_style_names_recall_at_1": unseen.recall(names, _each(covered), 1),
        "unseen_style_names_recall_at_5": unseen.recall(names, _each(covered), 5),
        "count_unseen_style_emoji": len(emoji),
        "unseen_style_emoji_names_recall_at_5": unseen.recall(
            names[emoji], _each([covered[n] for n in emoji]), 5
        ),
        "unseen_style_to_clean_recall_at_5": clean.recall(
            unseen.vectors, _each(unseen.concepts), 5
        ),
        "disturbed_to_clean_recall_at_1": clean.recall(
            disturbed.vectors, _each(disturbed.concepts), 1
        ),
    }


def table(runs: Sequence[Figures]) -> str:
    """The figures of several seeds and their mean, in Markdown."""
    head = ["figure", *(f"seed {run['seed']:.0f}" for run in runs), "mean", "bound"]
    rows = [head, ["---"] * len(head)]
    for name in runs[0]:
        if name == "seed":
            continue
        values = [run[name] for run in runs]
        counted = name.startswith("count_") or name.endswith("minutes")
        cells = [f"{v:.0f}" if counted else f"{v:.3f}" for v in (*values, np.mean(values))]
        bound = f"≥ {BOUNDS[name]:.2f}" if name in BOUNDS else ""
        rows.append([name.replace("_", " "), *cells, bound])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def write_table(folders: Sequence[Path]) -> None:
    """figures.json and README.md's table from the training runs; the first one ships."""
    runs = [read_json(folder / "figures.json") for folder in folders]
    mean = {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}
    del mean["seed"]
    content = {"shipped": runs[0], "runs": runs, "mean": mean}
    (HERE / "figures.json").write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    readme = (HERE / "README.md").read_text("utf-8")
    before, rest = readme.split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    text = f"{before}{MARKS[0]}\n\n{table(runs)}\n\n{MARKS[1]}{after}"
    (HERE / "README.md").write_text(text, "utf-8")


def main() -> None:
    """Print the figures of a pair of model directories, or write the table of training runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=DEMO / "models")
    parser.add_argument("--evaluation", type=Path, default=EVALUATION)
    parser.add_argument("--table", type=Path, nargs="+", help="what train.py wrote, per seed")
    options = parser.parse_args()
    if options.table:
        write_table(options.table)
        return
    for name, value in measure(options.models, options.evaluation).items():
        print(f"{name:46} {value:.3f}")


if __name__ == "__main__":
    main()
