"""`imgsearch duplicates`, as it is installed."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.command import Command
from tests.test_copies import versions as versions
from tests.test_local_index import database_of

COPIES = {"original.jpg", "same bytes.jpg", "half.jpg", "quarter.png"}


@pytest.fixture
def ingested(command: Command, versions: Path) -> Path:
    shutil.copy(versions / "cat.jpg", versions / "cat again.jpg")
    command.run("ingest", versions)
    return versions


def names(group: dict[str, Any]) -> list[str]:
    return [photo["name"] for photo in group["photos"]]


def test_groups_with_what_could_be_saved_first(command: Command, ingested: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in ingested.iterdir()}
    done = command.run("duplicates", "--json")
    first, second = done.json_lines
    assert set(names(first)) == COPIES
    assert names(first)[:2] == ["original.jpg", "same bytes.jpg"]  # of equals, the shorter path
    assert names(second) == ["cat.jpg", "cat again.jpg"]
    sizes = [photo["bytes"] for photo in first["photos"]]
    assert first["saved_bytes"] == sum(sizes[1:]) > second["saved_bytes"]
    assert {photo["format"] for photo in first["photos"]} == {"JPEG", "PNG"}
    rows = list(csv.DictReader(io.StringIO(command.run("duplicates", "--csv").stdout)))
    assert [row["group"] for row in rows] == ["1"] * 4 + ["2"] * 2
    assert [row["name"] for row in rows] == [*names(first), *names(second)]
    assert {row["missing"] for row in rows} == {"false"}
    assert "--csv" in command.run("duplicates", "--csv", "--json", code=2).stderr
    assert {path.name: path.stat().st_mtime_ns for path in ingested.iterdir()} == before


def test_copies_of_a_removed_photo_stay_and_are_told(command: Command, ingested: Path) -> None:
    """Of the same bytes and made smaller, not the next frame of a burst."""
    told = command.run("remove", "original.jpg", "-y").stderr
    assert "3 copies of it stay: half.jpg, quarter.png, 'same bytes.jpg'\n" in told
    assert "imgsearch ingest --include-removed" in told
    done = command.run("remove", "half.jpg", "quarter.png", "-y", "--json")
    assert [copy["relative_path"] for copy in done.json["copies"]] == ["same bytes.jpg"]
    assert "1 copy of them stays: 'same bytes.jpg'" in done.stderr
    both = command.run("remove", "cat.jpg", "cat again.jpg", "-y").stderr
    assert "stay:" not in both
    assert command.run("ingest", "--include-removed", "--json").json["added"] == 5


def test_for_a_person(command: Command, ingested: Path) -> None:
    done = command.run("duplicates", cwd=ingested)
    assert "4 files, " in done.stdout
    assert "2 files, " in done.stdout
    listed = [line.split("  ")[-1].strip() for line in done.stdout.splitlines()]
    for name in ("half.jpg", "'same bytes.jpg'"):  # as a shell in this folder takes them
        assert name in listed
    assert "next frame" not in done.stdout
    assert "6 files of 2 pictures, 4 more than needed, among 7 photos; " in done.stderr
    assert "Nothing was deleted" in done.stderr


def test_paths_are_those_besides_the_largest(command: Command, ingested: Path) -> None:
    lines = command.run("duplicates", "--paths").stdout.splitlines()
    assert len(lines) == 4
    assert {str(ingested / "half.jpg"), str(ingested / "quarter.png")} <= set(lines)
    ended = command.run("duplicates", "--paths", "-0").stdout
    assert ended.split("\0")[:-1] == lines


def test_a_page_of_groups(command: Command, ingested: Path, tmp_path: Path) -> None:
    page = tmp_path / "copies.html"
    command.run("duplicates", "--html", page)
    text = page.read_text("utf-8")
    assert text.count("<img") == 6
    assert "4 files, " in text


def test_under_a_folder_and_by_a_threshold(command: Command, ingested: Path) -> None:
    other = ingested.parent / "other"
    other.mkdir()
    shutil.copy(ingested / "half.jpg", other / "half.jpg")
    command.run("ingest", other)
    [group] = command.run("duplicates", "--json", "--under", ingested.name).json_lines[:1]
    assert set(names(group)) == COPIES
    assert "No copies" in command.run("duplicates", "--under", other).stderr
    exact = command.run("duplicates", "--threshold", "1", "--json").json_lines
    assert {len(names(group)) for group in exact} == {2}


def test_photos_of_a_version_before_are_read_once(command: Command, ingested: Path) -> None:
    index = command.home / "index"
    command.run("--index", index, "ingest", ingested)
    with contextlib.closing(sqlite3.connect(database_of(index))) as connection:
        connection.execute("update photos set perceptual_hash = null")
        connection.commit()
    os.remove(ingested / "quarter.png")
    done = command.run("--index", index, "duplicates", "--json")
    assert "7 photos were ingested by a version before" in done.stderr
    assert "1 of 7 photos were compared by their bytes alone" in done.stderr
    assert set(names(done.json_lines[0])) == COPIES - {"quarter.png"}
    again = command.run("--index", index, "duplicates", "--json")
    assert "1 photo was ingested by a version before" in again.stderr
    assert again.json_lines == done.json_lines


def test_what_cannot_be_is_a_sentence(command: Command, ingested: Path) -> None:
    for arguments, said in (
        (("--json", "--paths"), "exclude each other"),
        (("-0",), "-0 goes with --paths"),
        (("--threshold", "2"), "threshold"),
        (("--under", "nowhere"), "nowhere"),
    ):
        done = command.run("duplicates", *arguments, code=2)
        assert said in done.stderr
    empty = command.run("--index", command.home / "none", "duplicates", code=1)
    assert " ingest FOLDER" in empty.stderr
