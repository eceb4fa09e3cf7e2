"""Hashes of files' bytes: by which algorithm, and that an index goes on with its own."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from blake3 import blake3

from imgsearch.index.base import Index
from imgsearch.index.local.opening import open_local
from imgsearch.photos import content_hashes
from imgsearch.photos.content_hashes import Algorithm
from tests.command import Command, Finished
from tests.elasticsearch import servers


@pytest.mark.parametrize("algorithm", ["blake3", "blake2b"])
def test_a_file_hashes_as_its_bytes(algorithm: Algorithm, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    path = str(tmp_path / "x")
    Path(path).write_bytes(data)
    known = content_hashes.of_bytes(data, algorithm)
    assert known == content_hashes.of_file(path, algorithm)
    assert known != content_hashes.of_bytes(data[:-1], algorithm)
    assert content_hashes.algorithm_of(known) == algorithm
    assert content_hashes.is_of_file(known, path)
    Path(path).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert not content_hashes.is_of_file(known, path)


def of_former_version(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()


def of_this_version(path: Path) -> str:
    return blake3(path.read_bytes()).hexdigest(20)


def test_photos_copied_from_two_indexes_are_known_by_what_most_have() -> None:
    old = [content_hashes.of_bytes(bytes([n]), "blake2b") for n in range(3)]
    new = [content_hashes.of_bytes(bytes([n]), "blake3") for n in range(3)]
    of_most = content_hashes.algorithm_of_most
    assert of_most([*old, *new[:2]]) == "blake2b"
    assert of_most([*old[:2], *new]) == "blake3"
    assert of_most([]) == of_most(["", "", ""]) == of_most(["", new[0]]) == "blake3"
    assert of_most(["", "", old[0]]) == "blake2b"


def hashes(index: Index) -> dict[str, str]:
    """By relative path."""
    return {row.record.relative_path: row.record.content_hash for row in index.rows()}


def as_a_former_version_left_it(folder: Path, root: Path) -> None:
    [database] = folder.glob("*/*.sqlite")
    with closing(open_local(folder, create=False)) as index:
        known = hashes(index)
    with closing(sqlite3.connect(database)) as connection, connection:
        for path, content_hash in known.items():
            assert content_hash == of_this_version(root / path)
            blobs = (of_former_version(root / path), content_hash)
            connection.execute(
                "update photos set content_hash = ? where content_hash = ?",
                [bytes.fromhex(each) for each in blobs],
            )


class Shelf:
    """An index of a former version: `place` as the user writes it, `open` as programs do."""

    def __init__(self, command: Command, place: str, open: Callable[[], Index]) -> None:
        self._command, self._place, self._open = command, place, open

    def run(self, *words: object) -> Finished:
        return self._command.run("--index", self._place, *map(str, words))

    def ingest(self, *words: object) -> dict[str, int]:
        """The counts that are not zero."""
        report = self.run("ingest", "--json", *words).json
        counts = ("added", "updated", "renamed", "missing", "left_out", "embedded")
        return {name: report[name] for name in counts if report[name]}

    def hashes(self) -> dict[str, str]:
        with closing(self._open()) as index:
            return hashes(index)


@pytest.fixture(params=["local", "cluster"])
def shelf(
    request: pytest.FixtureRequest, command: Command, album: Path, tmp_path: Path
) -> Iterator[Shelf]:
    folder = tmp_path / "index"
    command.run("--index", folder, "ingest", album)
    as_a_former_version_left_it(folder, album)
    if request.param == "local":
        yield Shelf(command, str(folder), lambda: open_local(folder, create=False))
        return
    with servers.space() as space:
        place = f"{space.server}/{space.name()}"
        command.run("copy", folder, place, "--yes")
        yield Shelf(command, place, lambda: space.open(create=False))


def test_an_index_of_a_former_version_knows_its_photos_again(shelf: Shelf, album: Path) -> None:
    """Touched, renamed, copied, removed and embedded anew; and what is new joins them."""
    shelf.run("remove", "papers/page.png", "--yes")
    (album / "papers" / "page.png").rename(album / "papers" / "page two.png")
    os.utime(album / "grass.png")
    (album / "moon.png").rename(album / "pets" / "luna.png")
    shutil.copy(album / "launch" / "07.jpg", album / "launch" / "copy.jpg")
    shutil.copy(album / "launch" / "08.jpg", album / "new.jpg")
    with open(album / "new.jpg", "ab") as file:
        file.write(b"\0")  # bytes that no other photo has
    expected = {"added": 2, "renamed": 1, "left_out": 1}
    assert shelf.ingest("--dry-run", album) == expected
    assert shelf.ingest(album) == expected | {"embedded": 1}
    shutil.copy(album / "new.jpg", album / "new again.jpg")
    assert shelf.ingest(album) == {"added": 1, "left_out": 1}
    shelf.run("ingest", "--re-embed")
    found = shelf.hashes()
    assert len(found) == 10
    assert found == {path: of_former_version(album / path) for path in found}
