"""Whatever a command does to a local index, kill -9 at any moment of it and the same command once
more end row by row and bit by bit as an undisturbed run does."""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.command import Command

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")

PHOTOS = 60
Line = Callable[[Path, Path], list[str]]  # of the index and the album
OPERATIONS: dict[str, Line] = {
    "ingest": lambda index, album: ["--index", str(index), "ingest", str(album)],
    "regions": lambda index, album: ["--index", str(index), "ingest", "--regions", str(album)],
    "re-embed": lambda index, album: ["--index", str(index), "ingest", "--re-embed"],
    "remove": lambda index, album: ["--index", str(index), "remove", "--under", "gone", "--yes"],
    "prune": lambda index, album: ["--index", str(index), "ingest", "--prune", "--yes", str(album)],
    "copy": lambda index, album: ["copy", str(index.with_name("base")), str(index)],
}


def stored(index: Path) -> dict[str, tuple[object, ...]]:
    """Rows, vectors, parts and lines of text by path, but for the numbers that a run chooses."""
    current = index / (index / "CURRENT").read_text().strip() / "index.sqlite"
    with contextlib.closing(sqlite3.connect(current)) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute(
            "select photos.*, kind, place, vector, checksum from photos join embeddings"
            " on photo = photos.row order by kind, place"
        ).fetchall()
        rows += connection.execute(
            "select relative_path, number, place, text from texts join photos"
            " on photo = photos.row order by number"
        ).fetchall()
        [words] = connection.execute("select count(*) from words").fetchone()
    found: dict[str, tuple[object, ...]] = {}
    for row in rows:
        values = tuple(row[key] for key in row.keys() if key != "row")  # noqa: SIM118
        found[row["relative_path"]] = (*found.get(row["relative_path"], ()), values)
    assert words == len(found)
    return found


def bytes_of(index: Path) -> bytes:
    return b"".join(path.read_bytes() for path in index.rglob("*") if path.is_file())


def kill(command: Command, line: list[str], seconds: float) -> None:
    """Starts it, and ends it after so many seconds. The first third loads the program."""
    process = command.start(*line)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.fixture
def situation(command: Command, demo_photos: Path, tmp_path: Path) -> Callable[[str, Path], Path]:
    """Makes what an operation begins with at a path; and the album, once."""
    album, base = tmp_path / "album", tmp_path / "base"
    sources = sorted(demo_photos.rglob("*.png"))
    for number in range(PHOTOS):
        path = album / ("gone" if number % 3 else "kept") / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sources[number % len(sources)].read_bytes() + b"%d" % number)
        if number % 10 == 0:
            _as_two_pages(path)
    options = ("--workers", "1", "--precision", "f32")
    command.environment |= {"IMGSEARCH_WORKERS": "1", "IMGSEARCH_PRECISION": "f32"}
    command.run("--index", base, "ingest", album, *options)

    def make(operation: str, index: Path) -> Path:
        if operation not in ("ingest", "copy"):
            shutil.copytree(base, index)
        if operation == "pages":
            _without_pages(index)
        if operation == "prune":
            shutil.rmtree(album / "gone", ignore_errors=True)
        return album

    return make


def _as_two_pages(path: Path) -> None:
    with Image.open(path) as image:
        image.save(path.with_suffix(".tif"), save_all=True, append_images=[image.rotate(90)])
    path.unlink()


def _without_pages(index: Path) -> None:
    """As a version left it that knew no pages."""
    current = index / (index / "CURRENT").read_text().strip() / "index.sqlite"
    with contextlib.closing(sqlite3.connect(current)) as connection, connection:
        connection.execute("delete from embeddings where kind = 2")
        connection.execute("update photos set parted = 0")


@pytest.mark.parametrize("operation", [*OPERATIONS, pytest.param("pages", marks=pytest.mark.slow)])
@pytest.mark.parametrize("moments", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_and_repeated(
    command: Command,
    situation: Callable[[str, Path], Path],
    tmp_path: Path,
    operation: str,
    moments: int,
) -> None:
    undisturbed = tmp_path / "undisturbed"
    album = situation(operation, undisturbed)
    line = OPERATIONS.get(operation, OPERATIONS["ingest"])
    started = time.monotonic()
    command.run(*line(undisturbed, album))
    duration = time.monotonic() - started
    expected = stored(undisturbed)
    assert len(expected) == (PHOTOS // 3 if operation in ("remove", "prune") else PHOTOS)
    draw = random.Random(f"{operation} {moments}")
    for attempt in range(moments):
        index = tmp_path / f"killed-{attempt}"
        situation(operation, index)
        kill(command, line(index, album), draw.uniform(0.3, 1) * duration)
        repeated = command.run(*line(index, album), code=None)
        # of what is removed already, nothing lies under that folder any more
        assert repeated.returncode in ((0, 2) if operation == "remove" else (0,)), repeated.stderr
        assert stored(index) == expected
        if operation == "remove":
            assert b"gone/" not in bytes_of(index)
        assert len(list(index.glob("generation-*"))) == 1
        shutil.rmtree(index)


@pytest.mark.slow
def test_every_kind_of_part_killed_and_repeated(command: Command, tmp_path: Path) -> None:
    """Regions, text, pages and the frames of a film, in an index that had none of them."""
    pytest.importorskip("av", reason="an extra")
    pytest.importorskip("rapidocr", reason="an extra")
    from tests import films, lettering

    album, base = tmp_path / "album", tmp_path / "base"
    album.mkdir()
    pictures = [picture.image for picture in lettering.pictures(4)]
    pictures[0].save(album / "scan.tif", save_all=True, append_images=pictures[1:2])
    for number, picture in enumerate(pictures):
        picture.save(album / f"{number}.png")
    films.make(album / "film.mp4", list(films.icons(4).values()))
    command.environment |= {"IMGSEARCH_WORKERS": "1", "IMGSEARCH_PRECISION": "f32"}
    command.run("--index", base, "ingest", album)

    def line(index: Path) -> list[str]:
        return ["--index", str(index), "ingest", str(album), "--regions", "--text", "--films"]

    undisturbed = shutil.copytree(base, tmp_path / "undisturbed")
    started = time.monotonic()
    command.run(*line(undisturbed))
    duration = time.monotonic() - started
    expected = stored(undisturbed)
    assert len(expected) == 6
    draw = random.Random("every kind")
    for attempt in range(20):
        index = shutil.copytree(base, tmp_path / f"killed-{attempt}")
        kill(command, line(index), draw.uniform(0.3, 1) * duration)
        command.run(*line(index))
        assert stored(index) == expected
        shutil.rmtree(index)
