"""`status`, and the `--json` of the commands that change something."""

from __future__ import annotations

import json
import re
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from imgsearch.output.console import print_facts
from imgsearch.progress import ago
from tests.command import Command

AWAY = "http://127.0.0.1:9/photos"  # nobody listens on the discard port


@pytest.fixture(scope="module")
def known(
    tmp_path_factory: pytest.TempPathFactory, model_cache: Path, demo_photos: Path
) -> Command:
    """A home whose default index holds six of the demo's pictures, and one file that is none."""
    home = tmp_path_factory.mktemp("home")
    (home / "icons").mkdir()
    for source in sorted(demo_photos.rglob("*.png"))[:6]:
        shutil.copy(source, home / "icons")
    (home / "icons" / "broken.png").write_text("no picture")
    command = Command(home, model_cache, {"IMGSEARCH_MODEL": "demo"})
    command.run("ingest", "icons")
    return command


def test_status_begins_with_what_everybody_wants_to_know(known: Command) -> None:
    lines = known.run("status").stdout.split("\n\n")[-1].splitlines()
    text = known.run("status").stdout
    for words in ("index", "6 photos in", str(known.home / "icons"), "demo (128 dims)", "size"):
        assert words in text
    assert "last ingest" in text
    models = next(line for line in lines if line.strip().startswith("model cache"))
    assert models.split()[-1] == str(known.cache / "imgsearch" / "models")
    assert "added" in text
    assert len(lines) <= 10
    assert "IMGSEARCH_MODEL" not in text  # settings are for -v
    assert "bytes per photo" not in text


@pytest.mark.parametrize("columns", [20, 80])
def test_facts_are_broken_between_words_alone(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    path = "/home/somebody/with a/long" + "/folder" * 12
    facts = {"index": f"3 photos in {path}", "changed": "1 added, 2 renamed, 3 missing, 4 skipped"}
    print_facts("Dry run", facts)
    title, *lines = capsys.readouterr().out.splitlines()
    assert title == "Dry run"
    assert path.split()[-1] in " ".join(lines).split()
    assert " ".join(" ".join(lines).split()) == " ".join(" ".join(each) for each in facts.items())
    assert all(len(line) <= columns or len(line.split()[-1]) > columns - 10 for line in lines)
    assert not any(line.endswith(" ") for line in lines)


def test_verbose_status_adds_settings_and_skipped_files(known: Command) -> None:
    text = known.run("status", "-v").stdout
    for words in ("IMGSEARCH_MODEL", "bytes per photo", "model cache", "broken.png"):
        assert words in text
    assert re.search(r"verify_certs +yes  \(default\)", text)
    assert re.search(r"exclude +–  \(default\)", text)
    assert re.search(r"max_megapixels +250  \(default\)", text)


def test_status_json_has_numbers_lists_and_dates(known: Command) -> None:
    report = known.run("status", "--json").json
    index = report["index"]
    assert index["photos"] == 6
    assert index["dims"] == 128
    assert isinstance(index["bytes_on_disk"], int)
    assert index["bytes_on_disk"] > 10_000
    assert index["image_model"] == index["text_model"] == "demo"
    assert report["libraries"] == [
        {
            "name": "icons",
            "photos": 6,
            "root": str(known.home / "icons"),
            "exclude": [],
            "removed": 0,
            "raw_pairs": "one",
            "parts": [],
        }
    ]
    assert report["last_ingest"]["added"] == 6
    assert report["last_ingest"]["skipped"] == 1
    finished = datetime.fromisoformat(report["last_ingest"]["finished"])
    assert finished.tzinfo is not None
    [skipped] = report["skipped"]
    assert skipped["path"].endswith("broken.png")
    assert report["error"] is None
    assert report["model_cache"] == str(known.cache / "imgsearch" / "models")
    assert report["settings"]["model"] == {"value": "demo", "source": "IMGSEARCH_MODEL"}


def test_status_names_the_folder_of_fetched_models(known: Command, tmp_path: Path) -> None:
    hub = tmp_path / "hub"
    user = Command(known.home, known.cache, {**known.environment, "HF_HOME": str(tmp_path)})
    assert user.run("status", "--json").json["fetched_models"] is None  # there is none yet
    assert "fetched models" not in user.run("status").stdout
    hub.mkdir()
    assert user.run("status", "--json").json["fetched_models"] == str(hub)
    assert re.search(rf"fetched models +{hub}\n", user.run("status").stdout)


def test_status_of_nothing_is_a_report_too(command: Command) -> None:
    report = command.run("status", "--json").json
    assert report["index"]["photos"] == 0
    assert report["libraries"] == []
    assert report["last_ingest"] is None


def test_status_shows_the_settings_when_the_cluster_is_away(command: Command) -> None:
    answer = command.run("--index", AWAY, "status", code=1)
    assert "127.0.0.1:9" in answer.stdout
    assert "--index" in answer.stdout  # where the address comes from
    assert "(default)" not in answer.stdout  # all of them are for -v
    assert answer.stderr.strip()
    report = json.loads(command.run("--index", AWAY, "status", "--json", code=1).stdout)
    assert report["index"]["photos"] is None
    assert report["error"]["message"]
    assert report["error"]["cure"]
    assert report["settings"]["index"]["source"] == "--index"


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=20), "20 seconds ago"),
        (timedelta(seconds=60), "1 minute ago"),
        (timedelta(hours=3, minutes=5), "3 hours ago"),
        (timedelta(days=400), "400 days ago"),
    ],
)
def test_ages_are_said_as_people_say_them(age: timedelta, words: str) -> None:
    assert ago(age) == words


def test_copy_and_remove_report_as_json(known: Command, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    report = known.run("copy", "default", target, "--json").json
    assert report["copied"] == report["in_source"] == report["in_target"] == 6
    assert report["complete"] is True
    assert report["refused"] == []
    again = known.run("copy", "default", target, "--json", input=b"y\n")
    assert again.json["already_there"] == 6
    [best] = known.run("query", "x", "-k", "1", "--json").json_lines
    removed = known.run("--index", target, "remove", best["id"], "--yes", "--json").json
    assert removed == {"removed": 1, "libraries": [], "copies": []}
    kept = known.run("--index", target, "remove", "icons", "--json", input=b"n\n").json
    assert kept == {"removed": 0, "libraries": [], "copies": []}
    removed = known.run("--index", target, "remove", "icons", "--yes", "--json").json
    assert removed == {"removed": 5, "libraries": ["icons"], "copies": []}


def test_setup_model_reports_as_json(known: Command) -> None:
    report = known.run("setup-model", "--json").json
    assert report["cluster"] is None
    assert [model["kind"] for model in report["models"]] == ["image", "text"]
    for model in report["models"]:
        assert model["dims"] == 128
        assert model["verified_cosine"] > 0.99
        assert model["bytes"] > 0
        assert Path(model["folder"]).is_dir()


def test_an_index_that_is_held_says_since_when(known: Command, tmp_path: Path) -> None:
    from imgsearch.errors import IndexLocked
    from imgsearch.index.local.opening import open_local

    holder = open_local(tmp_path / "index", create=True)
    other = open_local(tmp_path / "index", create=True)
    try:
        with holder.lock(), pytest.raises(IndexLocked, match=r"started (just now|\d+ second)"):
            other.lock().__enter__()
    finally:
        holder.close()
        other.close()
