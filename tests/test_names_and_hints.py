"""What a person may call a photo or a folder, and hints that can be typed as they stand."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from imgsearch.cli import hints
from imgsearch.errors import ModelUnavailable
from imgsearch.installation import reinstall_command
from imgsearch.models import cache
from imgsearch.models.names import model_names
from imgsearch.output import cures
from tests.command import Command


@pytest.fixture(scope="module")
def known(
    tmp_path_factory: pytest.TempPathFactory, demo_photos: Path, new_cache: Callable[[], Path]
) -> Command:
    """A home with two libraries of three icons each in the index `./index`."""
    home = tmp_path_factory.mktemp("home")
    photos = sorted(demo_photos.rglob("*.png"))
    for folder, some in (("first", photos[:3]), ("second", photos[3:6])):
        (home / folder).mkdir()
        for photo in some:
            shutil.copy(photo, home / folder)
    environment = {"IMGSEARCH_MODEL": "demo", "IMGSEARCH_INDEX": "./index"}
    command = Command(home, new_cache(), environment)
    command.run("ingest", "first")
    command.run("ingest", "second")
    return command


def _hits(known: Command, *words: str | Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = known.run(*words, "--json").json_lines
    return found


def test_the_beginning_of_an_id_is_enough(known: Command, tmp_path: Path) -> None:
    first = _hits(known, "query", "heart", "-k", "1")[0]["id"]
    by_whole = _hits(known, "similar", first)
    assert _hits(known, "similar", first[:8]) == by_whole
    target = tmp_path / "copy"
    known.run("copy", "./index", target)
    removed = known.run("--index", target, "remove", first[:8], "--yes", "--json").json
    assert removed["removed"] == 1
    assert first not in {hit["id"] for hit in _hits(known, "--index", target, "query", "x")}


@pytest.mark.parametrize("words", [("similar",), ("remove",), ("open",)])
def test_an_id_that_nothing_has(known: Command, words: tuple[str, ...]) -> None:
    for id in ("0123456789abcdef0123456789abcdef", "01234567"):
        answer = known.run(*words, id, code=None)
        assert answer.returncode in (1, 2)
        assert id in answer.stderr
        assert len(answer.stderr.splitlines()) == 2


def test_a_name_without_its_ending(known: Command) -> None:
    """Of one photo it is taken; of several or none, the cure says how to look for it."""
    photo = next((known.home / "first").iterdir())
    assert _hits(known, "similar", photo.stem) == _hits(known, "similar", photo.name)
    none = known.run("similar", "TSH 0042.jpg", code=1).stderr
    assert none.endswith(": imgsearch query --match 'TSH 0042'\n")
    known.run("--index", "two", "ingest", "first")
    shutil.copytree(known.home / "first", known.home / "more")
    known.run("--index", "two", "ingest", "more")
    several = known.run("--index", "two", "similar", photo.stem, code=2).stderr
    assert several.endswith(f": imgsearch --index two query --match {photo.stem}\n")
    found = _hits(known, "--index", "two", "query", "--match", photo.stem, "--no-fold")
    assert [hit["name"] for hit in found] == [photo.name] * 2


def test_a_folder_is_no_picture(known: Command) -> None:
    answer = known.run("similar", "first", code=1)
    assert answer.stderr.splitlines()[0] == "'first' is a folder."


def test_a_folder_to_remove_gets_the_option(known: Command) -> None:
    answer = known.run("remove", "./first", code=2)
    assert answer.stderr.splitlines() == [
        "./first is a folder.",
        "To remove all photos in it: imgsearch remove --under ./first",
    ]


def test_an_address_is_not_fetched(known: Command) -> None:
    answer = known.run("similar", "https://127.0.0.1:1/a.png", code=1)
    assert "network" in answer.stderr


def test_a_question_that_nobody_can_answer_names_the_option(known: Command) -> None:
    answer = known.run("remove", "first", code=2)
    assert answer.stdout == ""
    assert answer.stderr.splitlines()[-2:] == [
        "There is no terminal to answer on.",
        "To go on without the question: --yes",
    ]


def test_a_picture_on_stdin(known: Command) -> None:
    photo = next((known.home / "first").iterdir())
    found = known.run("similar", "-", "-k", "1", "--json", input=photo.read_bytes()).json_lines
    assert [hit["name"] for hit in found] == [photo.name]


def test_repeated_under_means_either(known: Command) -> None:
    both = _hits(known, "query", "x", "--under", "first", "--under", "second", "-k", "9")
    assert {hit["library"] for hit in both} == {"first", "second"}
    assert len(both) == 6
    assert {hit["library"] for hit in _hits(known, "query", "x", "--under", "second")} == {"second"}


def test_copy_into_another_index_asks(known: Command, tmp_path: Path) -> None:
    target = tmp_path / "target"
    known.run("--index", target, "ingest", "second")
    (known.home / "third").mkdir(exist_ok=True)
    shutil.copy(next((known.home / "first").iterdir()), known.home / "third")
    known.run("--index", target, "ingest", "third")
    refused = known.run("copy", "./index", target, input=b"n\n")
    assert f"{target} holds 4 photos already" in refused.stderr
    assert "third" in refused.stderr
    assert "Nothing was copied." in refused.stderr
    assert len(_hits(known, "--index", target, "query", "x", "-k", "9")) == 4
    assert known.run("copy", "./index", target, input=b"", code=2).stdout == ""
    agreed = known.run("copy", "./index", target, "--json", input=b"y\n").json
    assert (agreed["copied"], agreed["in_target"]) == (3, 7)
    assert known.run("copy", "./index", target, "-y", "--json", input=b"").json["copied"] == 0


def test_a_copy_that_goes_on_does_not_ask(known: Command, tmp_path: Path) -> None:
    target = tmp_path / "target"
    known.run("--index", target, "ingest", "second")
    answer = known.run("copy", "./index", target, "--json", input=b"")
    assert "holds 3 photos already, of the same libraries" in answer.stderr
    assert answer.json["in_target"] == 6


def test_status_says_first_what_everybody_wants_to_know(known: Command) -> None:
    lines = [line.strip() for line in known.run("status").stdout.splitlines()]
    order = ["index", "photos", "library first", "library second", "model", "last ingest", "size"]
    starts = [next(i for i, line in enumerate(lines) if line.startswith(name)) for name in order]
    assert starts == sorted(starts)
    assert not [line for line in lines if line.startswith(("schema", "Settings"))]


@pytest.mark.parametrize(
    "words",
    [
        ["query", "heart"],
        ["similar", "x.png"],
        ["remove", "x"],
        ["status"],
    ],
)
def test_hints_keep_the_index_that_was_named(
    command: Command, tmp_path: Path, words: list[str]
) -> None:
    """Given by an option, it is needed in the next command too; from the environment, it is not."""
    place = tmp_path / "my index"
    command.environment["COLUMNS"] = "400"  # so that nothing is wrapped
    answer = command.run("--index", place, *words, code=None)
    assert f"imgsearch --index '{place}' ingest" in answer.stdout + answer.stderr
    if words[0] == "query":
        last = answer.stderr.splitlines()[-1]
        assert last.strip().startswith("Ingest a folder of pictures first: imgsearch ")
    command.environment["IMGSEARCH_INDEX"] = os.fspath(place)
    answer = command.run(*words, code=None)
    assert "imgsearch ingest" in answer.stdout + answer.stderr
    assert "imgsearch --index" not in answer.stdout + answer.stderr


def test_without_network_ones_own_pictures_can_be_tried(
    command: Command, tmp_path: Path, demo_photos: Path
) -> None:
    """The command that is proposed works as it is printed. An index with photos has its models."""
    folder = tmp_path / "my icons"
    folder.mkdir()
    shutil.copy(next(demo_photos.rglob("*.png")), folder)
    command.environment |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    command.environment["IMGSEARCH_MODEL"] = "nobody/model"
    words = ("--index", tmp_path / "my index", "ingest", folder)
    told = command.run(*words, code=1).stderr
    [line] = [line for line in told.splitlines() if line.endswith("--model demo")]
    program, *typed = shlex.split(line.partition("photos: ")[2])
    assert program == "imgsearch"
    assert typed == [*map(str, words), "--model", "demo"]
    assert command.run(*typed, "--json").json["added"] == 1
    assert "--model demo" not in command.run(*words, code=1).stderr


@pytest.mark.parametrize("name", ["similar", "query", "remove"])
def test_a_name_that_begins_with_a_dash(command: Command, name: str) -> None:
    """Ids that Elasticsearch makes may."""
    said = command.run(name, "-QnOFq", code=2).stderr
    assert f"imgsearch {name} -- -Q" in said


def test_a_set_up_that_is_proposed_is_for_the_model_that_was_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A query finds the model in the index; what chooses one needs it named again."""
    monkeypatch.setattr(hints, "_typed", {})
    hints.remember({"model": "demo", "index": "my index"})
    assert hints.as_typed("first: imgsearch setup-model") == (
        "first: imgsearch --index 'my index' --model demo setup-model"
    )
    proposed = hints.as_typed("imgsearch ingest --re-embed, then imgsearch query x")
    assert proposed == (
        "imgsearch --index 'my index' --model demo ingest --re-embed, then"
        " imgsearch --index 'my index' query x"
    )
    assert hints.as_typed(proposed) == proposed
    other = "imgsearch --index 'my index' setup-model --model NAME"
    assert hints.as_typed("imgsearch setup-model --model NAME") == other


def test_an_incomplete_installation_says_how_it_is_completed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelUnavailable) as raised:
        cache.set_up(model_names("demo", None, None), tmp_path)
    assert "incomplete: it lacks torch, sentence_transformers, onnx." in raised.value.message
    assert reinstall_command() in raised.value.cure
    assert cures.of(raised.value).endswith("; then: imgsearch setup-model")
