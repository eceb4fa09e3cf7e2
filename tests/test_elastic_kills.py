"""On a cluster: kill -9 at any request of a command and the same command once more end row by row
as an undisturbed run does; and two machines at once lose nothing, whoever comes first."""

from __future__ import annotations

import dataclasses
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgsearch.index.base import Row
from imgsearch.index.elasticsearch.index import ElasticsearchIndex
from imgsearch.index.records import with_vectors
from imgsearch.models.base import unit
from tests.command import Command
from tests.elasticsearch import servers
from tests.elasticsearch.front import Answer, Front, Request
from tests.elasticsearch.servers import Space

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")

PHOTOS = 45
OPERATIONS = {
    "ingest": ["ingest", "{album}"],
    "re-embed": ["ingest", "--re-embed"],
    "remove": ["remove", "--under", "gone", "--yes"],
    "prune": ["ingest", "--prune", "--yes", "{album}"],
    "copy": ["copy", "{local}", "{there}"],
    "regions": ["ingest", "--regions", "{album}"],
}
SLOW = ("regions",)  # ten times as many vectors


@pytest.fixture
def space() -> Iterator[Space]:
    with servers.space() as made:
        yield made


@pytest.fixture
def machine(command: Command, space: Space) -> Command:
    command.environment |= {
        "ES_URL": space.server,
        "IMGSEARCH_INDEX": space.name(),
        "IMGSEARCH_WORKERS": "1",
        "IMGSEARCH_PRECISION": "f32",
    }
    return command


def filled_album(folder: Path, demo_photos: Path, photos: int = PHOTOS, mark: str = "") -> Path:
    sources = sorted(demo_photos.rglob("*.png"))
    for number in range(photos):
        path = folder / ("gone" if number % 3 else "kept") / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(sources[number % len(sources)].read_bytes() + f"{mark}{number}".encode())
    return folder


def stored(index: ElasticsearchIndex) -> dict[str, tuple[object, ...]]:
    """Records, the bytes of their vectors, and their parts, by library and path."""
    return {
        f"{row.record.library}/{row.record.relative_path}": (
            row.record,
            row.vector.tobytes(),
            {
                kind: (found.places, found.vectors.tobytes())
                for kind, found in with_vectors(row.parts or {}).items()
            },
        )
        for row in index.rows()
        if row.vector is not None
    }


class Killer:
    """Kills a process when its request of a certain number arrives; whether the server still does
    what was asked is drawn."""

    def __init__(self, draw: random.Random) -> None:
        self._draw, self.count, self.at = draw, 0, -1
        self._lock = threading.Lock()
        self.process: subprocess.Popen[bytes] | None = None

    def __call__(self, request: Request) -> Answer | None:
        with self._lock:
            self.count += 1
            due = self.count == self.at
        if not due:
            return None
        while self.process is None:
            time.sleep(0.01)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        lost = self._draw.random() < 0.5
        return Answer.error(500, "killed", "never seen by anybody") if lost else None


class Situation:
    """What an operation begins with, made anew as often as wanted."""

    def __init__(self, machine: Command, space: Space, album: Path, operation: str) -> None:
        self.operation, self._album, self._space = operation, album, space
        self.name = "target" if operation == "copy" else "photos"
        self._machine, self._base = machine, list[Row]()
        local = album.parent / "local"
        if operation == "copy":
            machine.run("--index", local, "ingest", album)
        machine.run("ingest", album)
        self._base = list(space.open().rows())
        if operation == "prune":
            shutil.rmtree(album / "gone")
        there = f"{{server}}/{space.name('target')}"
        self._line = [
            word.format(album=album, local=local, there=there) for word in OPERATIONS[operation]
        ]

    def line(self, server: str) -> list[str]:
        return [word.format(server=server) for word in self._line]

    def make(self) -> None:
        if self.operation in ("copy", "regions"):
            for name in self._space.request("GET", f"/{self._space.name(self.name)}*"):
                self._space.request("DELETE", f"/{name}")
            return
        index = self._space.open()
        if self.operation == "ingest":
            index.erase(list(index.ids()))
        else:
            index.write(self._base)
            index.finish()

    def end(self) -> dict[str, tuple[object, ...]]:
        """What is stored, by an index that is the only one behind its name."""
        name = self._space.name(self.name)
        made = self._space.request("GET", f"/{name}-0*?filter_path=*.aliases")
        assert len(made) == 1, made
        assert f"{name}-next" not in next(iter(made.values()))["aliases"]
        return stored(self._space.open(self.name, create=False))


@pytest.mark.parametrize(
    "operation",
    [pytest.param(each, marks=pytest.mark.slow) if each in SLOW else each for each in OPERATIONS],
)
@pytest.mark.parametrize("moments", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_and_repeated(
    machine: Command,
    space: Space,
    tmp_path: Path,
    demo_photos: Path,
    operation: str,
    moments: int,
) -> None:
    album = filled_album(tmp_path / "album", demo_photos)
    situation = Situation(machine, space, album, operation)
    draw = random.Random(f"{operation} {moments}")
    with Front([space.server]) as front:
        machine.environment["ES_URL"] = front.url
        situation.make()
        before = len(front.requests)
        machine.run(*situation.line(front.url))
        requests = len(front.requests) - before
        expected = situation.end()
        assert len(expected) == (PHOTOS // 3 if operation in ("remove", "prune") else PHOTOS)
        for _ in range(moments):
            situation.make()
            killer = Killer(draw)
            killer.at = draw.randint(2, requests)
            front.handlers.append(killer)
            killer.process = machine.start(*situation.line(front.url))
            killer.process.communicate()
            front.handlers.remove(killer)
            repeated = machine.run(*situation.line(front.url), code=None)
            # of what is removed already, nothing lies under that folder any more
            allowed = (0, 2) if operation == "remove" else (0,)
            assert repeated.returncode in allowed, (killer.at, repeated.stderr)
            assert situation.end() == expected, killer.at


THEIRS = 60
ADDED = ("words", "words_mark")  # by an ingest, to every document


def tutorials_index(space: Space, dims: int) -> None:
    """As the tutorial's script makes it, with ids that are the same each time."""
    keyword = {"type": "keyword"}
    vector = {"type": "dense_vector", "dims": dims, "index": True, "similarity": "cosine"}
    properties = {"image_embedding": vector, "image_id": keyword, "relative_path": keyword}
    for name in space.request("GET", f"/{space.name()}*?filter_path=*.settings.index.uuid"):
        space.request("DELETE", f"/{name}")
    space.request("PUT", f"/{space.name()}", {"mappings": {"properties": properties}})
    chance = np.random.default_rng(5)
    for n in range(THEIRS):
        made = unit(chance.standard_normal(dims)).tolist()
        document = {"image_id": f"IMG_{n}", "relative_path": f"theirs/{n}.jpg"}
        document["image_embedding"] = made
        space.request("PUT", f"/{space.name()}/_doc/server-{n}", document)
    space.refresh()


def theirs(space: Space) -> dict[str, Any]:
    """The other program's documents, with the fields that it gave them: an ingest adds the words
    by which they are found."""
    space.refresh()
    found = {}
    for hit in space.documents(size=THEIRS + PHOTOS + 1):
        if "server-" in hit["_id"]:
            found[hit["_id"]] = {
                name: value for name, value in hit["_source"].items() if name not in ADDED
            }
    return found


@pytest.mark.parametrize("moments", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_a_take_over_killed_and_repeated(
    machine: Command, space: Space, tmp_path: Path, demo_photos: Path, moments: int
) -> None:
    """At each of the requests that make another program's index ours, whether or not it took
    effect, and at others at random."""
    album = filled_album(tmp_path / "album", demo_photos)
    machine.run("--index", f"{space.server}/{space.name('probe')}", "ingest", "--limit", "1", album)
    dims = space.open("probe").models().dims  # type: ignore[union-attr]
    draw = random.Random(f"take-over {moments}")
    with Front([space.server]) as front:
        machine.environment["ES_URL"] = front.url
        line = ["ingest", "--yes", str(album)]

        def end() -> tuple[object, ...]:
            index = space.open(create=False)
            assert not index.foreign
            return stored(index), theirs(space), index.models()

        tutorials_index(space, dims)
        written = theirs(space)
        before = len(front.requests)
        machine.run(*line)
        asked = [f"{one.method} {one.path}" for one in front.requests[before:]]
        expected = end()
        assert len(stored(space.open())) == PHOTOS + THEIRS
        assert theirs(space) == written
        assert len(written) == THEIRS
        changing = [n for n, one in enumerate(asked, 1) if "_aliases" in one or "PUT" in one]
        assert len(changing) >= 2
        for at in [*changing, *(draw.randint(2, len(asked)) for _ in range(moments))]:
            tutorials_index(space, dims)
            killer = Killer(draw)
            killer.at = at
            front.handlers.append(killer)
            killer.process = machine.start(*line)
            killer.process.communicate()
            front.handlers.remove(killer)
            assert theirs(space) == written, at
            machine.run(*line)
            assert end() == expected, at


# -- two machines at once


def delays(seed: str) -> Callable[[Request], Answer | None]:
    """Every other request is held up, for as long as others need for several."""
    draw, lock = random.Random(seed), threading.Lock()

    def handler(request: Request) -> Answer | None:
        with lock:
            seconds = draw.choice((0.0, 0.0, 0.1, 0.5))
        time.sleep(seconds)
        return None

    return handler


def both(
    one: tuple[Command, list[str]], other: tuple[Command, list[str]], apart: float = 0.0
) -> tuple[tuple[int, str], tuple[int, str]]:
    """Exit codes and what was said, of two commands that run at the same time; the second begins
    so many seconds after the first."""
    processes = [one[0].start(*one[1])]
    time.sleep(apart)
    processes.append(other[0].start(*other[1]))
    said = [process.communicate()[1].decode() for process in processes]
    first, second = (
        (process.returncode, text) for process, text in zip(processes, said, strict=True)
    )
    for code, text in (first, second):
        assert code in (0, 1), text
        assert "Traceback" not in text
        assert "bug" not in text
    return first, second


def names(index: ElasticsearchIndex, library: str) -> set[str]:
    return {name for name in stored(index) if name.startswith(f"{library}/")}


SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 17))]


@pytest.fixture
def other_machine(machine: Command, tmp_path: Path) -> Command:
    home = tmp_path / "other home"
    home.mkdir()
    return dataclasses.replace(machine, home=home)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_ingest_beside_embedding_anew_loses_nothing(
    machine: Command,
    other_machine: Command,
    space: Space,
    tmp_path: Path,
    demo_photos: Path,
    seed: int,
) -> None:
    album = filled_album(tmp_path / "album", demo_photos, 9)
    theirs = filled_album(tmp_path / "theirs", demo_photos, 6, "theirs")
    machine.run("ingest", album)
    with Front([space.server]) as front:
        front.handlers.append(delays(f"re-embed {seed}"))
        for each in (machine, other_machine):
            each.environment["ES_URL"] = front.url
        (code, said), (their_code, they_said) = both(
            (machine, ["ingest", "--re-embed"]),
            (other_machine, ["ingest", str(theirs)]),
            apart=random.Random(seed).uniform(0, 6),
        )
    for each in (machine, other_machine):
        each.environment["ES_URL"] = space.server
    index = space.open()
    assert len(names(index, "album")) == 9
    if their_code == 0:
        assert len(names(index, "theirs")) == 6, said
    else:
        assert "Run the same command again" in they_said
        other_machine.run("ingest", theirs)
        assert len(names(space.open(), "theirs")) == 6
    if code:
        assert "theirs" in said
        machine.run("ingest", theirs)  # as the sentence says
        machine.run("ingest", "--re-embed")
        assert len(stored(space.open())) == 15


@pytest.mark.parametrize("seed", SEEDS)
def test_two_first_ingests_at_once_keep_the_stamp_and_all_rows(
    machine: Command,
    other_machine: Command,
    space: Space,
    tmp_path: Path,
    demo_photos: Path,
    seed: int,
) -> None:
    album = filled_album(tmp_path / "album", demo_photos, 3)
    theirs = filled_album(tmp_path / "theirs", demo_photos, 6, "theirs")
    with Front([space.server]) as front:
        front.handlers.append(delays(f"stamp {seed}"))
        for each in (machine, other_machine):
            each.environment["ES_URL"] = front.url
        first, second = both(
            (machine, ["ingest", str(album)]), (other_machine, ["ingest", str(theirs)])
        )
    assert first[0] == second[0] == 0, (first[1], second[1])
    index = space.open()
    assert len(stored(index)) == 9
    assert index.models() is not None
    last = index.info().last_ingest
    assert last is not None
    assert last["added"] in (3, 6)


@pytest.mark.parametrize("seed", SEEDS)
def test_two_parts_at_once_make_the_whole(
    machine: Command,
    other_machine: Command,
    space: Space,
    tmp_path: Path,
    demo_photos: Path,
    seed: int,
) -> None:
    album = filled_album(tmp_path / "album", demo_photos, 12)
    with Front([space.server]) as front:
        front.handlers.append(delays(f"parts {seed}"))
        for each in (machine, other_machine):
            each.environment["ES_URL"] = front.url
        first, second = both(
            (machine, ["ingest", "--part", "1/2", str(album)]),
            (other_machine, ["ingest", "--part", "2/2", str(album)]),
        )
    assert first[0] == second[0] == 0, (first[1], second[1])
    assert len(names(space.open(), "album")) == 12
