"""One question in a new process, with 10,000 photos in the library: imgsearch beside rclip. The
photos have random vectors and no files; eight real ones are among them, and one real picture is
not in the library."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from imgsearch.index.base import Record
from imgsearch.index.base import Row as IndexRow
from imgsearch.index.local.opening import open_local
from imgsearch.models.base import unit
from tests.benchmarks import photos
from tests.benchmarks.full_size import Installed
from tests.benchmarks.rclip import Rclip
from tests.benchmarks.table import Bench, Goal, Row, in_turns
from tests.index_contract import record

PHOTOS, REAL = 10_000, 8
DIMS = 512
LIBRARY = "made-up"
WORDS = "a red car in front of an old house"
RUNS = 7  # of each question, for one value of the table: the median
"""A question takes a fraction of a second, of which other programs' share is large."""


def measured(bench: Bench) -> Iterator[Row]:
    questions = Questions(bench)
    ways: dict[str, Callable[[], float]] = {
        "text": questions.text,
        "rclip's text": questions.text_by_rclip,
        "similar": questions.similar,
        "picture": questions.picture,
        "rclip's picture": questions.picture_by_rclip,
    }
    for way in ways.values():
        way()  # files into the page cache, bytecode written
    taken = in_turns([_median_of(way) for way in ways.values()], bench.repeats)
    seconds = dict(zip(ways, taken, strict=True))
    for name, values in seconds.items():
        shown = " … ".join(f"{value:.3f}" for value in sorted(values))
        bench.say(f"{name}: {shown} s")
    yield _beside("text", seconds, questions.rclip.version)
    yield _alone("text query, new process, 10,000 photos", 0.22, seconds["text"])
    yield _alone("similar on an indexed photo, new process", 0.13, seconds["similar"])
    yield _beside("picture", seconds, questions.rclip.version)


def _median_of(way: Callable[[], float]) -> Callable[[], float]:
    return lambda: statistics.median(way() for _ in range(RUNS))


def _alone(what: str, bound: float, seconds: tuple[float, ...]) -> Row:
    return Row(Goal(what, bound, at_least=False, unit="s"), seconds, "10,000 photos")


def _beside(kind: str, seconds: dict[str, tuple[float, ...]], version: str) -> Row:
    ours, theirs = seconds[kind], seconds[f"rclip's {kind}"]
    goal = Goal(f"{kind} query, new process: imgsearch / rclip", 0.5, at_least=False, peer=True)
    ratios = tuple(a / b for a, b in zip(ours, theirs, strict=True))
    medians = f"{statistics.median(ours):.3f} / {statistics.median(theirs):.3f} s"
    return Row(goal, ratios, f"{medians}; rclip {version} with --no-indexing")


class Questions:
    """Both libraries, filled, and what is asked of them: seconds of a new process each."""

    def __init__(self, bench: Bench) -> None:
        self._installed, self.rclip = Installed(bench), Rclip(bench)
        corpus = photos.folder(bench.folder("photos"), "12 MP JPEG", bench.say)
        self._outside, *inside = sorted(corpus.iterdir())[: 1 + REAL]
        self._album = bench.folder("album")
        for path in inside:
            shutil.copy2(path, self._album)
        self._inside = self._album / inside[0].name
        vectors = unit(
            np.random.default_rng(0).standard_normal((PHOTOS - REAL, DIMS), dtype=np.float32)
        )
        self._index = self._filled(bench.folder("indexes") / "queries", vectors)
        np.save(bench.folder("rclip") / "vectors.npy", vectors)
        self._library = self.rclip.filled(bench.folder("rclip") / "vectors.npy", self._album)

    def _filled(self, folder: Path, vectors: np.ndarray) -> Path:
        shutil.rmtree(folder, ignore_errors=True)
        self._installed.ingest(self._album, folder)
        index = open_local(folder, create=False)
        rows = [IndexRow(_record(number), vector) for number, vector in enumerate(vectors)]
        for first in range(0, len(rows), index.rows_per_write):
            index.write(rows[first : first + index.rows_per_write])
        index.finish()
        assert index.count() == PHOTOS
        index.close()
        return folder

    def text(self) -> float:
        return self._ask("query", WORDS)

    def similar(self) -> float:
        return self._ask("similar", self._inside)

    def picture(self) -> float:
        return self._ask("similar", self._outside)

    def text_by_rclip(self) -> float:
        return self.rclip.query(WORDS, self._album, self._library)

    def picture_by_rclip(self) -> float:
        return self.rclip.query(self._outside, self._album, self._library)

    def _ask(self, command: str, what: str | Path) -> float:
        """The table for a person, as rclip prints one too."""
        seconds, said = self._installed.run(command, what, "--index", self._index)
        assert ".jpg" in said, said
        return seconds


def _record(number: int) -> Record:
    return record(
        f"{number % 100:02}/IMG_{number:07}.jpg",
        LIBRARY,
        size=3_000_000 + number,
        taken="2024-05-01T12:30:00",
        camera="Canon EOS R5",
    )
