"""An index folder that a stranger made: nothing outside of it is read, changed or removed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imgsearch.index.local import photo_texts
from tests.command import Command, Finished

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links and FIFOs of POSIX")

SECRET = "keep me as I am\n"


def database_of(index: Path) -> Path:
    return index / "generation-1" / "index.sqlite"


def execute(index: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(database_of(index))) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.execute("pragma wal_checkpoint(truncate)")


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, model_cache: Path, demo_photos: Path
) -> tuple[Path, Path]:
    """An index of twelve pictures, and their folder, which lie side by side."""
    place = tmp_path_factory.mktemp("made") / "both"
    album, index = place / "album", place / "index"
    album.mkdir(parents=True)
    for path in sorted(demo_photos.rglob("*.png"))[:12]:
        shutil.copy(path, album / path.name)
    home = place.parent / "home"
    home.mkdir()
    command = Command(home, model_cache, {"IMGSEARCH_MODEL": "demo"})
    command.run("--index", index, "ingest", album)
    return index, album


@pytest.fixture
def stranger(made: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """The same, copied to a folder where another user has put it."""
    place = tmp_path / "home" / "Downloads" / "both"
    shutil.copytree(made[0].parent, place)
    return place / "index", place / "album"


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A file of the user's, which is as it was when the test ends."""
    path = tmp_path / "canary.txt"
    path.write_text(SECRET)
    before = path.stat()
    yield path
    after = path.stat()
    assert path.read_text() == SECRET
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def ask(command: Command, index: Path, album: Path) -> dict[str, Finished]:
    """What a user may do first with an index."""
    photo = str(min(album.iterdir()))
    lines = {
        "query": ("query", "red", "-k", "50", "--json"),
        "similar": ("similar", photo, "-k", "50", "--json"),
        "status": ("status",),
        "ingest": ("ingest", str(album), "--json"),
        "doctor": ("doctor",),
    }
    answers = {}
    for name, line in lines.items():
        answers[name] = command.run("--index", index, *line, code=None)
        assert answers[name].returncode in (0, 1, 2), answers[name].stderr
        assert "bug" not in answers[name].stderr
    return answers


# -- files


@pytest.mark.parametrize("column", ["codes", "sketch"])
@pytest.mark.parametrize("how", ["absolute", "relative", "link"])
def test_a_search_file_elsewhere_is_left_alone(
    command: Command, stranger: tuple[Path, Path], canary: Path, column: str, how: str
) -> None:
    index, album = stranger
    name = str(canary) if how == "absolute" else os.path.relpath(canary, index / "generation-1")
    if how == "link":
        name = f"000000012-0123abcd.{column}"
        (index / "generation-1" / name).symlink_to(canary)
    digest = f"{column}_digest = 'x'"
    row = f"insert into segments values (0, 12, 12, '{name}', 'x', null, null)"
    execute(
        index, "delete from segments", row, f"update segments set {column} = '{name}', {digest}"
    )
    answers = ask(command, index, album)
    for name in ("query", "similar"):
        assert len(answers[name].json_lines) >= 11


@pytest.mark.parametrize(
    "name",
    [
        "CURRENT",
        "ingest.holder",
        "ingest.lock",
        "generation-1",
        "generation-1/index.sqlite",
        "generation-1/index.sqlite-wal",
        "generation-1/index.sqlite-shm",
        "generation-1/index.sqlite-journal",
    ],
)
@pytest.mark.parametrize("how", ["link", "FIFO", "folder"])
def test_another_thing_in_the_place_of_a_file(
    command: Command, stranger: tuple[Path, Path], canary: Path, name: str, how: str
) -> None:
    index, album = stranger
    place = index / name
    if place.is_dir():
        place.rename(index / "generation-7")
        if how == "folder":
            return  # which it is
        target = index / "generation-7"
    else:
        place.unlink(missing_ok=True)
        target = canary
    if how == "link":
        place.symlink_to(target)
    elif how == "FIFO":
        os.mkfifo(place)
    else:
        place.mkdir()
    answers = ask(command, index, album)
    if name not in ("ingest.holder", "ingest.lock"):
        assert answers["query"].returncode == 1
        assert name.rpartition("/")[2] in answers["query"].stderr


def test_another_programs_database_is_not_touched(
    command: Command, stranger: tuple[Path, Path], tmp_path: Path
) -> None:
    index, album = stranger
    theirs = tmp_path / "theirs.sqlite"
    with contextlib.closing(sqlite3.connect(theirs)) as connection:
        connection.execute("create table t (a)")
        connection.commit()
    before = theirs.read_bytes()
    database_of(index).unlink()
    database_of(index).symlink_to(theirs)
    ask(command, index, album)
    assert theirs.read_bytes() == before


def test_a_generation_that_is_a_link_is_not_emptied(
    command: Command, stranger: tuple[Path, Path], tmp_path: Path
) -> None:
    index, album = stranger
    kept = tmp_path / "kept"
    kept.mkdir()
    for name in ("index.sqlite", "a.codes", "b.partial"):
        (kept / name).write_text(SECRET)
    (index / "generation-2").symlink_to(kept)
    (index / "generation-9").symlink_to(kept)
    command.run("--index", index, "ingest", "--re-embed", code=1)
    ask(command, index, album)
    command.run("--index", index, "remove", "album", "--yes", code=None)
    assert sorted(path.read_text() for path in kept.iterdir()) == [SECRET] * 3


# -- roots


def hint(index: Path, hint: str) -> None:
    execute(index, f"update libraries set root_hint = '{hint}'")


@pytest.mark.parametrize("where", ["/", "../../..", "../../../..", "..", "../private", "../link"])
def test_a_re_embed_reads_nothing_that_was_not_ingested(
    command: Command, stranger: tuple[Path, Path], where: str
) -> None:
    index, album = stranger
    for private in (command.home / "private.png", index.parent / "private" / "private.png"):
        private.parent.mkdir(exist_ok=True)
        shutil.copy(min(album.iterdir()), private)
    (index.parent / "link").symlink_to(command.home)
    hint(index, where)
    refused = command.run("--index", index, "ingest", "--re-embed", code=1)
    assert "ingest" in refused.stderr
    found = command.run("--index", index, "query", "x", "-k", "99", "--json").json_lines
    assert len(found) == 12
    assert {line["path"] for line in found} == {None}


def test_a_root_that_the_index_names_serves_for_reading_alone(
    command: Command, stranger: tuple[Path, Path]
) -> None:
    """It holds the photos, and lies beside the index: both have moved here together."""
    index, album = stranger
    found = command.run("--index", index, "query", "x", "-k", "99", "--json").json_lines
    assert {line["path"] for line in found} == {str(path) for path in album.iterdir()}
    shutil.copy(min(album.iterdir()), album / "not yet known.png")
    refused = command.run("--index", index, "ingest", "--re-embed", code=1)
    assert f" ingest {album}" in refused.stderr
    command.run("--index", index, "ingest", album)
    report = command.run("--index", index, "ingest", "--re-embed", "--json").json
    assert report["added"] == 13


def test_a_folder_within_does_not_make_its_root_this_machines(
    command: Command, stranger: tuple[Path, Path]
) -> None:
    index, album = stranger
    inside = album / "inside"
    inside.mkdir()
    shutil.copy(min(album.glob("*.png")), inside / "new.png")
    assert command.run("--index", index, "ingest", inside, "--json").json["added"] == 1
    command.run("--index", index, "ingest", "--re-embed", code=1)
    elsewhere = index.with_name("copied")
    command.run("copy", index, elsewhere)
    hint(elsewhere, "../nowhere")
    found = command.run("--index", elsewhere, "query", "x", "-k", "99", "--json").json_lines
    assert {line["path"] for line in found} == {None}


@pytest.mark.parametrize("output", ["--json", "--csv", "--paths", None])
def test_a_link_out_of_a_library_is_in_no_output(
    command: Command, stranger: tuple[Path, Path], tmp_path: Path, output: str | None
) -> None:
    index, album = stranger
    outside = tmp_path / "outside"
    outside.mkdir()
    linked = min(album.iterdir())
    linked.rename(outside / linked.name)
    linked.symlink_to(outside / linked.name)
    line = ["--index", str(index), "query", "x", "-k", "99", *([output] if output else [])]
    assert str(linked) not in command.run(*line).stdout
    command.run("--index", index, "ingest", album, "--follow-links")
    if output:
        assert str(linked) in command.run(*line).stdout


# -- this machine's list of roots


def registry(command: Command) -> Path:
    return command.home / "data" / "imgsearch" / "libraries.json"


@pytest.mark.parametrize(
    "content",
    ["[]", "null", "3", "{", "[" * 100_000, '{"x": []}', '{"x": {"y": 3}}', '{"ID": {"album": 3}}',
     '{"ID": {"album": "relative"}}', '{"ID": {"album": "/a\\u0000b"}}', '{"ID": 7}', "\udcff", ""],
)  # fmt: skip
def test_a_registry_of_any_shape(
    command: Command, stranger: tuple[Path, Path], content: str
) -> None:
    index, album = stranger
    hint(index, "nothing")
    with contextlib.closing(sqlite3.connect(database_of(index))) as connection:
        (id,) = connection.execute("select value from meta where key = 'index_id'").fetchone()
    registry(command).parent.mkdir(parents=True)
    registry(command).write_bytes(content.replace("ID", id).encode("utf-8", "surrogateescape"))
    said = command.run("--index", index, "query", "x", "-k", "99", "--json")
    assert len(said.json_lines) == 12
    command.run("--index", index, "ingest", album)
    again = command.run("--index", index, "query", "x", "-k", "99", "--json")
    assert {line["path"] for line in again.json_lines} == {str(path) for path in album.iterdir()}
    assert "libraries.json" not in again.stderr
    assert json.loads(registry(command).read_text())[id]["album"] == str(album)


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [make_fifo, Path.mkdir])
@pytest.mark.parametrize("name", ["libraries.json", "libraries.json.lock", "libraries.partial"])
def test_another_thing_in_the_place_of_the_registry(
    command: Command, stranger: tuple[Path, Path], make: Callable[[Path], None], name: str
) -> None:
    registry(command).parent.mkdir(parents=True)
    make(registry(command).with_name(name))
    ask(command, *stranger)


@pytest.mark.parametrize(
    "written", ["", "x", "1,", "1,-2", "1,2,3,4,5", "12345678901", b"1,2", 5, None]
)
def test_what_is_no_place_of_a_line_is_none(written: object) -> None:
    assert photo_texts.place_of(written) is None
    assert photo_texts.place_of("10,20,30,40") == (10, 20, 30, 40)
