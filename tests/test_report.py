"""`imgsearch ingest --report FILE` and the events that Python programs get."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import imgsearch
from imgsearch.cli import report_file
from imgsearch.ingest.events import Event
from imgsearch.ingest.options import Options
from tests.command import Command
from tests.test_named_files import picture

PATIENCE = 250.0  # seconds


def rows_of(path: Path) -> list[dict[str, Any]]:
    if path.suffix.lower() == ".csv":
        return list(csv.DictReader(io.StringIO(path.read_bytes().decode(), newline="")))
    rows: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["files"]
    return rows


def said(path: Path) -> set[tuple[str, str, str, str]]:
    return {(r["status"], r["path"], r["old_path"], r["reason"]) for r in rows_of(path)}


@pytest.mark.parametrize("ending", [".CSV", ".json"])
def test_every_file_is_listed(command: Command, tmp_path: Path, ending: str) -> None:
    folder, report = tmp_path / "album", tmp_path / f"report{ending}"
    names = ("added", "updated", "renamed", "gone", "damaged", "same")
    paths = {name: folder / f"{name}.png" for name in names}
    for number, path in enumerate(paths.values()):
        picture(path, number)
    paths["added"].unlink()
    command.run("ingest", folder)
    picture(paths["added"], 50)
    picture(paths["updated"], 60)
    moved = paths["renamed"].rename(folder / "moved.png")
    paths["gone"].unlink()
    paths["damaged"].write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    expected = {
        ("added", str(paths["added"]), "", ""),
        ("updated", str(paths["updated"]), "", ""),
        ("renamed", str(moved), str(paths["renamed"]), ""),
        ("skipped", str(paths["damaged"]), "", "damaged"),
    }
    missing, removed = ({(kind, str(paths["gone"]), "", "")} for kind in ("missing", "removed"))
    command.run("ingest", folder, "--report", report, "--dry-run")
    assert said(report) == expected | missing
    command.run("ingest", folder, "--report", report)
    assert said(report) == expected | missing
    command.run("ingest", folder, "--report", report, "--prune")
    assert said(report) >= removed
    command.run("ingest", folder, "--report", report, "--exclude", "same.*")
    assert said(report) >= {("excluded", str(paths["same"]), "", "")}


def test_a_json_report_has_a_summary(command: Command, tmp_path: Path) -> None:
    folder, report = tmp_path / "album", tmp_path / "report.json"
    picture(folder / "a.png", 1)
    command.run("ingest", folder)
    picture(folder / "b.png", 2)
    command.run("ingest", folder, folder / "gone.png", "--report", report)
    found = json.loads(report.read_text("utf-8"))
    assert found["complete"]
    assert found["summary"].items() >= {"added": 1, "unchanged": 1}.items()
    assert [(row["status"], row["reason"]) for row in found["files"]] == [
        ("skipped", "not there"),
        ("added", ""),
    ]


def test_names_of_any_bytes(command: Command, tmp_path: Path) -> None:
    folder, report = tmp_path / "album", tmp_path / "report.csv"
    for number, name in enumerate([b"\xff.png", b'a\nb, "c".png', b"\x1b[31m.png"]):
        picture(os.path.join(os.fsencode(folder), name), number)
    command.run("ingest", folder, "--report", report)
    by_path = {row["path"]: row["path_escaped"] for row in rows_of(report)}
    assert by_path == {
        f"{folder}/%FF.png": "true",
        f'{folder}/a\nb, "c".png': "false",
        f"{folder}/\x1b[31m.png": "false",
    }


def test_formulas_are_text(tmp_path: Path) -> None:
    with report_file.opened(str(tmp_path / "report.csv")) as report:
        assert report.event is not None
        report.event(Event("skipped", "=cmd|'/c calc'!A0", detail="@SUM(1)"))
    [row] = rows_of(tmp_path / "report.csv")
    assert (row["path"], row["detail"]) == ("'=cmd|'/c calc'!A0", "'@SUM(1)")


@pytest.mark.parametrize("name", ["report.txt", "report", "nowhere/report.csv", "folder.json"])
def test_a_report_that_cannot_be_written(command: Command, tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.json").mkdir()
    picture(tmp_path / "album" / "a.png", 1)
    refused = command.run("ingest", tmp_path / "album", "--report", tmp_path / name, code=2)
    assert str(tmp_path / name) in refused.stderr
    assert not command.run("status", "--json").json["libraries"]


def test_a_report_inside_the_library(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "album"
    picture(folder / "a.png", 1)
    for name in ("report.csv", "report.json"):
        for _ in range(2):
            done = command.run("ingest", folder, "--report", folder / name, "--json").json
            assert not done["skipped"]


def _large(folder: Path, count: int) -> None:
    """Pictures that take a while to decode, and little room."""
    folder.mkdir()
    for number in range(count):
        shade = (number % 256, number // 256, 120)
        Image.new("RGB", (1200, 900), shade).save(folder / f"{number:04}.png")


@pytest.mark.parametrize("ending", [".csv", ".json"])
def test_a_report_of_an_interrupted_ingest(command: Command, tmp_path: Path, ending: str) -> None:
    """It lists what is in the index, no more and no less."""
    folder, report = tmp_path / "album", tmp_path / f"report{ending}"
    _large(folder, 120)
    slow = ("--workers", "1", "--batch-size", "1")
    process = command.start("ingest", folder, "--report", report, *slow)
    end = time.monotonic() + PATIENCE
    while not (report.exists() and b"added" in report.read_bytes()):
        assert time.monotonic() < end, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    listed = {path for status, path, _, _ in said(report) if status == "added"}
    [library] = command.run("status", "--json").json["libraries"]
    assert len(listed) == library["photos"] < 120
    if ending == ".json":
        assert json.loads(report.read_text("utf-8"))["complete"] is False
    command.run("ingest", folder, "--report", report)
    later = {path for status, path, _, _ in said(report) if status == "added"}
    assert not listed & later
    assert len(listed | later) == 120


def test_a_report_of_a_killed_ingest(command: Command, tmp_path: Path) -> None:
    folder, report = tmp_path / "album", tmp_path / "report.csv"
    _large(folder, 120)
    process = command.start(
        "ingest", folder, "--report", report, "--workers", "1", "--batch-size", "1"
    )
    end = time.monotonic() + PATIENCE
    while not (report.exists() and b"added" in report.read_bytes()):
        assert time.monotonic() < end, process.communicate()
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert report.read_bytes().endswith(b"\r\n")
    assert {status for status, *_ in said(report)} == {"added"}


def test_events_in_python(
    command: Command, tmp_path: Path, model_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in command.env().items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "album"
    photo = picture(folder / "a.png", 1)
    picture(folder / "b.png", 2)
    heard: list[Event] = []
    with imgsearch.open(tmp_path / "index", create=True) as library, library.locked():
        library.ingest([folder], Options(report=heard.append))
        assert {(e.kind, e.path) for e in heard} == {
            ("added", str(photo)),
            ("added", str(folder / "b.png")),
        }
        heard.clear()
        shutil.copy(folder / "b.png", folder / "c.png")
        photo.rename(folder / "d.png")
        library.ingest(None, Options(report=heard.append))
        assert {(e.kind, e.path, e.old_path) for e in heard} == {
            ("added", str(folder / "c.png"), ""),
            ("renamed", str(folder / "d.png"), str(photo)),
        }
