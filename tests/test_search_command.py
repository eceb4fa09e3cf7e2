"""`query`, `similar`, `status`, `remove` and `demo`, as a user runs them."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import Command

FIELDS = {"rank", "score", "id", "path", "relative_path", "name", "taken", "width", "height"}


@pytest.fixture(scope="module")
def searched(
    tmp_path_factory: pytest.TempPathFactory, model_cache: Path, demo_photos: Path
) -> Command:
    """A home whose default index holds the demo's pictures."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(demo_photos, home / "icons")
    command = Command(home, model_cache, {"IMGSEARCH_MODEL": "demo"})
    command.run("ingest", "icons")
    return command


def test_results_in_every_form_agree(searched: Command) -> None:
    question = ("query", "green recycle", "-k", "7")
    lines = searched.run(*question, "--json").json_lines
    assert [line["rank"] for line in lines] == list(range(1, 8))
    assert all(set(line) >= FIELDS for line in lines)
    scores = [line["score"] for line in lines]
    assert scores == sorted(scores, reverse=True)
    assert all(-1 <= score <= 1 for score in scores)
    rows = list(csv.DictReader(io.StringIO(searched.run(*question, "--csv").stdout)))
    assert [row["path"] for row in rows] == [line["path"] for line in lines]
    paths = searched.run(*question, "--paths").stdout.splitlines()
    assert paths == [line["path"] for line in lines]
    assert all(Path(path).is_file() for path in paths)
    _, out, _ = searched.run_bytes(*question, "--paths", "-0")
    assert out.split(b"\0") == [*map(os.fsencode, paths), b""]
    table = searched.run(*question).stdout
    for line in lines:
        assert f"{line['score']:.3f}" in table
        assert line["name"] in table


def test_scores_say_the_same_in_text_and_image_space(searched: Command) -> None:
    [best] = searched.run("query", "red heart", "-k", "1", "--json").json_lines
    similar = searched.run("similar", best["path"], "-k", "5", "--json").json_lines
    assert best["id"] not in {line["id"] for line in similar}


def test_similar_takes_a_file_an_id_and_a_relative_path(searched: Command) -> None:
    [best] = searched.run("query", "green recycle", "-k", "1", "--json").json_lines
    answers = [
        searched.run("similar", photo, "-k", "4", "--json").stdout
        for photo in (best["path"], best["id"], best["relative_path"])
    ]
    assert answers[0] == answers[1] == answers[2]


def test_similar_embeds_a_file_that_is_not_indexed(searched: Command, tmp_path: Path) -> None:
    [best] = searched.run("query", "green recycle", "-k", "1", "--json").json_lines
    copy = tmp_path / "somewhere else.png"
    shutil.copy(best["path"], copy)
    [found] = searched.run("similar", copy, "-k", "1", "--json").json_lines
    assert found["id"] == best["id"]
    assert found["score"] == pytest.approx(1, abs=1e-3)


def test_similar_on_an_indexed_photo_needs_no_model(searched: Command, tmp_path: Path) -> None:
    [best] = searched.run("query", "green recycle", "-k", "1", "--json").json_lines
    without = Command(searched.home, tmp_path / "no cache", {})
    answer = without.run("similar", best["id"], "-k", "3", "--json").json_lines
    assert len(answer) == 3
    assert not list((tmp_path / "no cache").rglob("models"))


def test_similar_says_what_is_wrong_with_a_file(searched: Command, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    answer = searched.run("similar", tmp_path / "text.jpg", code=1)
    assert "not a picture" in answer.stderr
    assert "no file" in searched.run("similar", "nothing-here.jpg", code=1).stderr


def test_under_narrows_to_a_folder_a_library_or_a_path(searched: Command) -> None:
    everything = searched.run("query", "animal", "-k", "999", "--json").json_lines
    folder = next(
        line["relative_path"].rpartition("/")[0]
        for line in everything
        if "/" in line["relative_path"]
    )
    inside = {line["id"] for line in everything if line["relative_path"].startswith(f"{folder}/")}
    root = searched.home / "icons"
    for under in (folder, f"icons/{folder}", os.fspath(root / folder)):
        found = searched.run("query", "animal", "-k", "999", "--under", under, "--json").json_lines
        assert {line["id"] for line in found} == inside, under
    whole = searched.run("query", "animal", "-k", "999", "--under", "icons", "--json").json_lines
    assert len(whole) == len(everything)
    answer = searched.run("query", "animal", "--under", "no such folder", code=2)
    assert "icons" in answer.stderr


def test_min_score_cuts_off(searched: Command) -> None:
    lines = searched.run("query", "red heart", "-k", "20", "--json").json_lines
    limit = lines[4]["score"]
    kept = searched.run(
        "query", "red heart", "-k", "20", "--min-score", str(limit - 1e-6), "--json"
    ).json_lines
    assert [line["id"] for line in kept] == [line["id"] for line in lines[:5]]
    nothing = searched.run("query", "red heart", "--min-score", "1")
    assert "Nothing found" in nothing.stderr


def test_common_options_stand_before_or_after_the_command(
    searched: Command, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    pictures = searched.home / "icons"
    searched.run("--index", index, "ingest", pictures, "--limit", "3")
    before = searched.run("--index", index, "query", "heart", "--json").stdout
    after = searched.run("query", "heart", "--json", "--index", index).stdout
    assert before == after
    assert len(before.splitlines()) == 3


def test_a_small_library_gets_a_word_of_caution(searched: Command, tmp_path: Path) -> None:
    index = tmp_path / "index"
    searched.run("--index", index, "ingest", searched.home / "icons", "--limit", "3")
    assert "3 photos" in searched.run("--index", index, "query", "heart").stderr
    assert "photos" not in searched.run("query", "heart").stderr


@pytest.mark.parametrize("text", ["", "   "])
def test_an_empty_query_is_a_usage_error(searched: Command, text: str) -> None:
    assert "empty" in searched.run("query", text, code=2).stderr


def test_output_options_that_exclude_each_other(searched: Command) -> None:
    searched.run("query", "x", "--json", "--csv", code=2)
    searched.run("query", "x", "-0", code=2)


def test_names_that_are_not_utf8_or_have_newlines(
    searched: Command, tmp_path: Path, demo_photos: Path
) -> None:
    source = next(demo_photos.rglob("*.png"))
    names = [b"caf\xe9 100%.png", b"two\nlines.png", b"plain.png"]
    for number, name in enumerate(names):
        path = os.path.join(os.fsencode(tmp_path), b"odd", name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(source.read_bytes() + b"%d" % number)
    index = tmp_path / "index"
    searched.run("--index", index, "ingest", tmp_path / "odd")
    _, out, _ = searched.run_bytes("--index", index, "query", "x", "--no-fold", "--paths", "-0")
    folder = os.fsencode(tmp_path / "odd")
    assert {os.path.relpath(path, folder) for path in out.split(b"\0") if path} == set(names)
    lines = searched.run("--index", index, "query", "x", "--no-fold", "--json").json_lines
    escaped = {line["relative_path"]: line["relative_path_escaped"] for line in lines}
    assert escaped == {"caf%E9 100%25.png": True, "two\nlines.png": False, "plain.png": False}
    for line in lines:
        similar = searched.run("--index", index, "similar", line["id"], "--no-fold", "--json")
        assert len(similar.json_lines) == 2
    table = searched.run("--index", index, "query", "x", "--no-fold").stdout
    assert "two\\nlines.png" in table
    assert "caf\\xe9 100%.png" in table


@pytest.mark.parametrize("columns", [80, 200])
def test_the_table_fits_its_terminal(searched: Command, columns: int) -> None:
    narrow = Command(
        searched.home, searched.cache, {**searched.environment, "COLUMNS": str(columns)}
    )
    shown = narrow.run("query", "green recycle").stdout
    assert max(map(len, shown.splitlines())) <= columns
    assert "\x1b" not in shown


def test_status_shows_the_index_and_every_setting_with_its_source(searched: Command) -> None:
    shown = searched.run("status", "-v").stdout
    for words in ("icons", "bytes per photo", "dims", "demo", "IMGSEARCH_MODEL", "last ingest"):
        assert words in shown
    report = json.loads(searched.run("status", "--json").stdout)
    assert report["settings"]["model"] == {"value": "demo", "source": "IMGSEARCH_MODEL"}
    assert report["settings"]["k"]["source"] == "default"


def test_status_of_nothing(command: Command) -> None:
    assert "none yet" in command.run("status").stdout


@pytest.fixture
def full(searched: Command, tmp_path: Path) -> Command:
    """An index of its own to remove from."""
    index = tmp_path / "index"
    searched.run("--index", index, "ingest", searched.home / "icons")
    return Command(
        searched.home, searched.cache, {**searched.environment, "IMGSEARCH_INDEX": str(index)}
    )


def _count(command: Command) -> int:
    return len(command.run("query", "x", "-k", "999", "--json").json_lines)


def test_remove_asks_first_and_takes_ids_folders_and_libraries(full: Command) -> None:
    lines = full.run("query", "x", "-k", "999", "--json").json_lines
    first = lines[0]["id"]
    kept = full.run("remove", first, input=b"n\n")
    assert "Nothing was removed" in kept.stderr
    assert _count(full) == len(lines)
    full.run("remove", first, input=b"y\n")
    assert _count(full) == len(lines) - 1
    folder = next(
        line["relative_path"].split("/")[0] for line in lines if "/" in line["relative_path"]
    )
    left = [
        line
        for line in lines
        if line["id"] != first and not line["relative_path"].startswith(f"{folder}/")
    ]
    full.run("remove", "--under", folder, "--yes")
    assert _count(full) == len(left)
    full.run("remove", "icons", "--yes")
    assert "none yet" in full.run("status").stdout or "photos" in full.run("status").stdout
    assert full.run("query", "x", code=1).stderr


def test_what_was_removed_is_nowhere_in_the_files(full: Command) -> None:
    lines = full.run("query", "x", "-k", "999", "--json").json_lines
    gone = lines[3]
    full.run("remove", gone["id"], "--yes")
    index = Path(full.environment["IMGSEARCH_INDEX"])
    name = gone["relative_path"].encode()
    for path in index.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert name not in data, path
            assert bytes.fromhex(gone["id"]) not in data, path
    assert all(path.is_file() for path in [Path(gone["path"])])  # the photo itself stays


def test_remove_of_what_is_not_there(full: Command) -> None:
    answer = full.run("remove", "no such library", "--yes", code=2)
    assert "no such library" in answer.stderr
    full.run("remove", code=2)


# -- the demo


def test_demo_works_with_nothing_set_up_and_ignores_settings(
    command: Command, demo_photos: Path
) -> None:
    command.environment = {"IMGSEARCH_MODEL": "no/such-model", "IMGSEARCH_INDEX": "/nowhere"}
    shown = command.run("demo").stdout
    photos = [path for path in demo_photos.rglob("*") if path.is_file()]
    assert f"{len(photos)} icons" in shown
    assert len(re.findall(r"^\s+1 ", shown, re.MULTILINE)) == 4  # three queries and a picture
    assert "imgsearch ingest ~/Pictures" in shown
    again = command.run("demo").stdout
    assert f"changed  nothing\nunchanged  {len(photos)}\n" in again
    assert not (command.home / "data" / "imgsearch" / "indexes").exists()


LEFT = {  # by another version of imgsearch
    "other weights": "update meta set value = replace(value, 'digest\": \"', 'digest\": \"0')"
    " where key = 'models'",
    "a newer schema": "pragma user_version = 99",
}


@pytest.mark.parametrize("change", LEFT.values(), ids=LEFT)
def test_demo_over_what_another_version_left(
    model_cache: Path, tmp_path: Path, change: str
) -> None:
    (shared := model_cache / "imgsearch" / "models").mkdir(parents=True, exist_ok=True)
    (own := tmp_path / "cache" / "imgsearch").mkdir(parents=True)
    (own / "models").symlink_to(shared)
    command = Command(tmp_path, own.parent)
    command.run("demo")
    [database] = (own / "demo").rglob("index.sqlite")
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute(change).rowcount == (1 if "update" in change else -1)
        connection.commit()
    assert "changed  119 added\n\n" in command.run("demo").stdout  # none is unchanged


def test_the_whole_job_with_the_network_cut_off(
    command: Command, album: Path, tmp_path: Path
) -> None:
    """Any attempt to reach beyond the machine fails the run."""
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\n"
        "def refuse(self, address, *rest):\n"
        "    import os\n"
        "    os.write(2, f'NETWORK {address}\\n'.encode())\n"
        "    os._exit(99)\n"
        "def look_up(host, *rest, **more):\n"
        "    refuse(None, host)\n"
        "real = socket.socket.connect\n"
        "def connect(self, address, *rest):\n"
        "    if self.family == socket.AF_UNIX: return real(self, address)\n"
        "    refuse(self, address)\n"
        "socket.socket.connect = connect\n"
        "socket.socket.connect_ex = connect\n"
        "socket.getaddrinfo = look_up\n"
    )
    cold = Command(
        command.home,
        tmp_path / "cold cache",
        {"IMGSEARCH_MODEL": "demo", "PYTHONPATH": os.fspath(tmp_path)},
    )
    probe = subprocess.run(
        [sys.executable, "-c", "import socket; socket.create_connection(('127.0.0.1', 9))"],
        env=cold.env(),
    )
    assert probe.returncode == 99, "the network is not cut off"
    cold.run("setup-model")
    cold.run("ingest", album)
    cold.run("query", "moon")
    cold.run("similar", album / "moon.png")
    cold.run("status")
    cold.run("doctor")
    left = {path.name for folder in (cold.cache, cold.home) for path in folder.iterdir()}
    assert left == {"imgsearch", "data"}, "somebody else keeps books about this user"
