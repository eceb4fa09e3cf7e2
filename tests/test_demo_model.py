"""The demo model keeps its promises: every figure anew, from the weights that ship.

Nothing here needs fonts or the training: the pictures and texts lie in
imgsearch/demo/training/evaluation.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from imgsearch.demo.training import figures
from imgsearch.demo.training.figures import BOUNDS, DEMO, EVALUATION, Figures, Shelf, Towers

if not EVALUATION.exists():  # an sdist leaves them out
    pytest.skip("the evaluation files are only in the repository", allow_module_level=True)


@pytest.fixture(scope="module")
def towers() -> Towers:
    return Towers(DEMO / "models")


@pytest.fixture(scope="module")
def measured() -> Figures:
    return figures.measure()


@pytest.fixture(scope="module")
def library(towers: Towers) -> Shelf:
    return figures.library_shelf(towers)


@pytest.mark.slow
@pytest.mark.parametrize("figure", BOUNDS)
def test_figure_reaches_its_bound(measured: Figures, figure: str) -> None:
    assert measured[figure] >= BOUNDS[figure]


@pytest.mark.slow
def test_figures_are_those_of_the_table(measured: Figures) -> None:
    written = json.loads((figures.HERE / "figures.json").read_text("utf-8"))["shipped"]
    assert measured == pytest.approx({name: written[name] for name in measured}, abs=0.005)


def test_enough_is_held_out() -> None:
    held_out = json.loads((EVALUATION / "held_out.json").read_text("utf-8"))
    texts = json.loads((EVALUATION / "texts.json").read_text("utf-8"))
    assert len(held_out["names"]) >= 300
    assert len(held_out["keywords"]) >= 150
    share = np.mean([concept in texts["signs"] for concept, _ in held_out["names"]])
    assert share <= len(texts["signs"]) / len(texts["names"])


def test_library_is_a_heap_of_unnamed_icons() -> None:
    shown = json.loads((DEMO / "photos.json").read_text("utf-8"))
    files = {p.relative_to(DEMO / "photos").as_posix() for p in (DEMO / "photos").rglob("*.*")}
    assert files == set(shown)
    assert len(files) >= 60
    assert {Path(file).suffix for file in files} == {".png", ".jpg", ".webp"}
    assert sum((DEMO / "photos" / file).stat().st_size for file in files) < 2e6


@pytest.mark.parametrize(
    ("query", "concept"), [("green recycle", "recycle-green"), ("European E", "european-e")]
)
def test_demo_query_fills_the_first_places(
    towers: Towers, library: Shelf, query: str, concept: str
) -> None:
    count = list(library.concepts).count(concept)
    order = np.argsort(-(library.vectors @ towers.texts([query])[0]))
    assert count >= 3
    assert [library.concepts[n] for n in order[:count]] == [concept] * count


def test_endless_road_finds_a_road(towers: Towers, library: Shelf) -> None:
    assert "emoji-1f6e3" in library.ranking(towers.texts(["endless road"])[0])[:3]


def test_one_european_e_finds_the_others(library: Shelf) -> None:
    its = [n for n, concept in enumerate(library.concepts) if concept == "european-e"]
    found = [
        len(set(np.argsort(-(library.vectors @ library.vectors[number]))[: len(its)]) & set(its))
        for number in its
    ]
    assert found == [len(its)] * len(its)


def test_vectors_are_as_the_real_pairs(towers: Towers) -> None:
    text = towers.text.encode(["a green tree"])
    assert text.shape == (1, 128)
    assert abs(np.linalg.norm(text) - 1) > 0.01  # not normalised


def test_models_are_small() -> None:
    size = sum(path.stat().st_size for path in (DEMO / "models").rglob("*") if path.is_file())
    assert size <= 12e6


# torch.jit is deprecated, and what Elasticsearch loads
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::torch.jit.TracerWarning")
def test_eland_traces_the_text_tower(towers: Towers, tmp_path: Path) -> None:
    import torch
    from eland.ml.pytorch.transformers import TransformerModel

    model = TransformerModel(
        model_id=str(DEMO / "models" / "text"),
        task_type="text_embedding",
        es_version=(9, 1, 0),
        quantize=False,
    )
    path, config, vocabulary = model.save(str(tmp_path))
    assert config.inference_config.tokenization.do_lower_case
    assert len(json.loads(Path(vocabulary).read_text("utf-8"))["vocabulary"]) > 1000
    traced = torch.jit.load(path)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    for text in ("green recycle", "étoile bleue", "Straßenbahn", "something to drink"):
        tokens = towers.text.tokenizer(text, return_tensors="pt")
        ids, mask = tokens["input_ids"], tokens["attention_mask"]
        places = torch.arange(ids.shape[1])[None]
        with torch.no_grad():
            vector = traced(ids, mask, torch.zeros_like(ids), places)
        vector = vector[0] if isinstance(vector, tuple) else vector
        assert np.allclose(vector.numpy().ravel(), towers.text.encode(text), atol=1e-4)
