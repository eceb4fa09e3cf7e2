"""Embedding everything anew: photos that the new index cannot have are told, not dropped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgsearch.ingest import cost
from imgsearch.models import choices
from tests.command import Command
from tests.elasticsearch import servers


@pytest.fixture(params=["local", "cluster"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "local":
        yield str(tmp_path / "index")
        return
    with servers.space() as space:
        yield f"{space.server}/{space.name()}"


def spoil(album: Path) -> None:
    """One photo is damaged, one a FIFO, one gone, one moved, one only excluded from now on."""
    (album / "moon.png").write_bytes((album / "moon.png").read_bytes()[:900])
    (album / "grass.png").unlink()
    os.mkfifo(album / "grass.png")
    (album / "launch" / "07.jpg").unlink()
    (album / "launch" / "08.jpg").rename(album / "moved.jpg")


LOST = {"moon.png": "truncated", "grass.png": "not a regular file", "07.jpg": "missing"}


def test_photos_that_cannot_be_read_any_more_are_told(
    command: Command, album: Path, index: str
) -> None:
    command.run("--index", index, "ingest", album)
    spoil(album)
    ran = command.run("--index", index, "ingest", "--re-embed", "--strict", code=1)
    said = " ".join((ran.stdout + ran.stderr).split())
    assert "lost 3 that were in the index" in said
    assert "missing: 1" in said
    assert "truncated: 1" in said
    assert "not in the index any more" in said
    left = command.run("--index", index, "query", "a cat", "-k", "99", "--json").json_lines
    assert len(left) == 5
    assert command.run("--index", index, "ingest", "--re-embed", "--json").json["lost"] == []


def test_each_of_them_has_its_reason(command: Command, album: Path, index: str) -> None:
    command.run("--index", index, "ingest", album)
    spoil(album)
    done = command.run("--index", index, "-v", "ingest", "--re-embed", "--json")
    assert {os.path.basename(one["path"]): one["reason"] for one in done.json["lost"]} == LOST


def test_what_is_given_up_by_prune_is_removed(command: Command, album: Path, index: str) -> None:
    command.run("--index", index, "ingest", album)
    spoil(album)
    report = command.run(
        "--index", index, "ingest", "--re-embed", "--prune", "--yes", "--json"
    ).json
    assert report["removed"] == 1
    assert {os.path.basename(one["path"]) for one in report["lost"]} == {"moon.png", "grass.png"}


def test_nothing_is_lost_where_all_can_be_read(command: Command, album: Path, index: str) -> None:
    command.run("--index", index, "ingest", album)
    ran = command.run("--index", index, "ingest", "--re-embed", "--strict")
    assert "were in the index" not in ran.stdout
    (album / "launch" / "08.jpg").rename(album / "moved.jpg")
    command.run("--index", index, "ingest", "--exclude", "papers", album)
    command.run("--index", index, "ingest", "--re-embed", "--strict")


def test_what_it_costs_is_told_beforehand(command: Command, demo_photos: Path) -> None:
    command.run("ingest", demo_photos)
    before = command.run("status", "--json").json["index"]
    told = command.run("ingest", "--re-embed", "--dry-run", "--json").json
    assert told["photos"] == before["photos"]
    assert told["sample"] == cost.SAMPLE
    assert told["seconds"] > 0
    assert (told["scaled"], told["fetch"], told["disk"]) == (False, 0, before["bytes_on_disk"])

    good = ["ingest", "--re-embed", "--model", "good", "--dry-run"]
    told = command.run(*good, "--json").json
    longer = choices.CHOICES["good"].dims - choices.CHOICES["demo"].dims
    assert told["disk"] - before["bytes_on_disk"] == before["photos"] * longer * 5
    assert (told["scaled"], told["fetch"]) == (True, 1_500_000_000)
    assert f"{before['photos']} photos" in (said := command.run(*good).stdout)
    assert "1.5 GB are fetched first" in said
    assert command.run("status", "--json").json["index"] == before


def test_an_unknown_model_has_no_cost_and_is_not_fetched_to_tell(
    command: Command, demo_photos: Path
) -> None:
    command.run("ingest", demo_photos, "--limit", "60")
    unknown = ["ingest", "--re-embed", "--model", "some/model"]
    refused = command.run(*unknown, "--dry-run", code=1).stderr
    assert "cannot be told" in refused
    assert "setup-model" in refused
    told = command.run("ingest", "--re-embed").stderr
    assert "Embedding 60 photos anew takes about" in told
