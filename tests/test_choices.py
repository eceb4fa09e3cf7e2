"""Models with a short name: what is said of them holds, and models of their exact architecture with
random weights are loaded, exported, verified and used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from imgsearch import models
from imgsearch.demo import PHOTOS
from imgsearch.errors import UsageError
from imgsearch.models import choices
from tests import model_directories
from tests.benchmarks.models import RESULTS
from tests.command import Command

SIGLIP = [choice for choice in choices.CHOICES.values() if "siglip2" in choice.image]


@pytest.mark.parametrize("name", choices.CHOICES)
def test_short_names_stand_for_models(name: str) -> None:
    choice = choices.CHOICES[name]
    names = models.model_names(name, None, None)
    assert (names.image, names.text) == (choice.image, choice.text)
    assert models.model_names(None, name, name) == names
    # what an index records of it is read back as the same
    assert models.model_names(None, models.shown_name(names.image), None).image == names.image


def test_a_folder_of_that_name_is_meant_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "good").mkdir()
    monkeypatch.chdir(tmp_path)
    assert models.model_names("./good", None, None).image == str(tmp_path / "good")
    assert models.model_names("good", None, None).image == choices.CHOICES["good"].image
    with pytest.raises(UsageError, match="neither"):
        models.model_names("a model", None, None)


def test_models_are_listed(command: Command) -> None:
    listed = command.run("models", "--json").json
    assert [row["name"] for row in listed] == list(choices.CHOICES)
    assert not any(row["ready"] for row in listed if row["name"] != "demo")
    shown = command.run("models").stdout
    for row in listed:
        assert f"\n{row['name']}" in shown
        assert str(row["dims"]) in shown
    assert all(len(line) <= 80 for line in command.run("models").stdout.splitlines()[-6:])


def test_work_is_what_the_architecture_says() -> None:
    """As counted for ViT-B/32 at 224 pixels: 4.4 thousand million multiply-adds."""
    assert choices.VIT_B_32.multiply_adds == pytest.approx(4.4e9, rel=0.05)
    assert choices.work(choices.CHOICES["default"]) == 1


def test_speeds_are_those_that_were_measured_last() -> None:
    measured = json.loads(RESULTS.read_text("utf-8"))["speeds"]
    assert list(measured) == list(choices.CHOICES)
    for name, choice in choices.CHOICES.items():
        assert choice.photos_per_second == pytest.approx(measured[name]["photos"], rel=0.05)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("choice", SIGLIP, ids=lambda choice: choice.name)
def test_a_model_of_the_exact_architecture_works(
    choice: choices.Choice, tmp_path: Path, command: Command
) -> None:
    folder = model_directories.exact_siglip(choice, tmp_path / "model")
    photos = tmp_path / "photos"
    photos.mkdir()
    for path in sorted(PHOTOS.rglob("*.png"))[:8]:
        shutil.copy(path, photos)
    command.cache = tmp_path / "cache"
    command.environment["IMGSEARCH_MODEL"] = str(folder)
    names = models.ModelNames(str(folder), str(folder))
    models.set_up(names, command.cache / "imgsearch" / "models")  # minutes
    command.run("ingest", photos)
    status = command.run("status", "--json").json["index"]
    assert (status["photos"], status["dims"]) == (8, choice.dims)
    for kind in ("image", "text"):
        tower = models.cached_tower(kind, str(folder), command.cache / "imgsearch" / "models")  # type: ignore[arg-type]
        assert tower is not None
        assert tower.served_by == "onnx"
        assert tower.verified >= 0.999
    found = command.run("query", "a red heart", "--json", "-k", "3").json_lines
    assert len(found) == 3
    assert np.isfinite([hit["score"] for hit in found]).all()
