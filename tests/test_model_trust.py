"""A model folder is a stranger's data: none of its code runs, and nothing outside it is read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from imgsearch import models
from imgsearch.errors import ModelError
from imgsearch.models import export, trust
from tests import hostile_models, model_directories
from tests.command import Command
from tests.hostile_models import Harm


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text model; tests spoil a copy."""
    return model_directories.multilingual_directory(tmp_path_factory.mktemp("good") / "model")


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "m"))


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


def _refused(folder: Path, canary: Path, tmp_path: Path) -> ModelError:
    """What both ways of loading say: the set-up, and torch serving a model later on."""
    with pytest.raises(ModelError) as refused:
        models.set_up_tower("text", str(folder), tmp_path / "cache")
    with pytest.raises(ModelError) as again:
        export.load(folder)
    assert again.value.message == refused.value.message
    assert not canary.exists()
    return refused.value


@pytest.mark.parametrize("harm", hostile_models.WOULD_RUN_CODE)
def test_code_of_a_folder_is_refused(
    folder: Path, canary: Path, tmp_path: Path, harm: Harm
) -> None:
    harm(folder, canary)
    refused = _refused(folder, canary, tmp_path)
    assert "would run code of its own" in refused.message
    assert f"--trust-model-code {folder}" in refused.cure


@pytest.mark.parametrize("harm", hostile_models.PICKLES)
def test_a_pickle_is_read_with_restraint(
    folder: Path, canary: Path, tmp_path: Path, harm: Harm
) -> None:
    harm(folder, canary)
    refused = _refused(folder, canary, tmp_path)
    assert "pickle" in refused.message
    assert "model.safetensors" in refused.cure


@pytest.mark.parametrize("harm", hostile_models.OUTSIDE)
def test_nothing_outside_the_folder_is_read(
    folder: Path, canary: Path, tmp_path: Path, harm: Harm
) -> None:
    harm(folder, canary)
    assert "reaches outside its folder" in _refused(folder, canary, tmp_path).message


def test_the_users_word_is_for_one_folder_and_on_the_command_line(
    command: Command, folder: Path, canary: Path, tmp_path: Path
) -> None:
    hostile_models.class_of_its_own(folder, canary)
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    command.environment |= {"IMGSEARCH_TRUST_MODEL_CODE": str(folder), "TRUST_REMOTE_CODE": "1"}
    (command.home / ".env").write_text(f"IMGSEARCH_TRUST_MODEL_CODE={folder}\n")
    asked = ["setup-model", "--image-model", "demo", "--text-model", str(folder)]
    refused = command.run(*asked, code=1)
    assert "would run code of its own" in refused.stderr
    command.run(*asked, "--trust-model-code", str(other), code=1)
    assert not canary.exists()
    (command.home / "imgsearch.toml").write_text(f"trust-model-code = {str(folder)!r}\n")
    assert "no setting 'trust-model-code'" in command.run(*asked, code=2).stderr
    (command.home / "imgsearch.toml").unlink()
    command.run(*asked, "--trust-model-code", str(folder), code=None)
    assert canary.exists()


@pytest.mark.parametrize("layout", ["hub cache", "old paths in the tokenizer", "a link to it"])
def test_honest_folders_are_not_refused(folder: Path, tmp_path: Path, layout: str) -> None:
    if layout == "hub cache":
        snapshot = tmp_path / "models--a--b" / "snapshots" / "c0ffee"
        blobs = tmp_path / "models--a--b" / "blobs"
        blobs.mkdir(parents=True)
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            inside = snapshot / path.relative_to(folder)
            inside.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, blobs / path.relative_to(folder).as_posix().replace("/", "-"))
            inside.symlink_to(blobs / path.relative_to(folder).as_posix().replace("/", "-"))
        folder = snapshot
    elif layout == "a link to it":
        (tmp_path / "link").symlink_to(folder)
        folder = tmp_path / "link"
    else:
        config = folder / "tokenizer_config.json"
        text = config.read_text().rstrip().removesuffix("}")
        config.write_text(text + ', "special_tokens_map_file": "/root/.cache/torch/special.json"}')
    trust.require_safe(folder)
    assert models.set_up_tower("text", str(folder), tmp_path / "cache").verified >= 0.9999
