"""What parts of photos cost: an ingest with each kind beside one with none, and a search among two
million vectors of parts. The search by hand, and for other sizes:

    python -m tests.benchmarks.parts 20000"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from imgsearch.index.base import ALL, Parts, PartTexts, PartVectors
from imgsearch.index.base import Row as Photo
from imgsearch.index.local.index import LocalIndex
from imgsearch.index.local.opening import open_local
from imgsearch.index.parts import SAMPLE, Calibration
from imgsearch.index.records import texts_in
from imgsearch.models.base import Vectors, unit
from tests import films, lettering
from tests.benchmarks import photos
from tests.benchmarks.full_size import Installed
from tests.benchmarks.index_scale import DIMS, MODELS, QUERIES, Cloud, K, photo, searched
from tests.benchmarks.table import Bench, Goal, Row, in_turns

INGESTED = 24  # photos, a multiple of PAGES
PAGES = 4  # of each file that has several
# at least so many times as fast as without: regions are ten crops of a photo
REGIONS_RATE, PAGES_RATE = 0.07, 0.85
REGIONS_BYTES = 30_000  # ten vectors of 2 KB in pages of 32 KB, their codes, and their rows
LETTERED = 20  # pictures with text
WITH_TEXT = 2000  # photos of an index whose size is compared, with and without text
TEXT_CPU, TEXT_BYTES = 0.6, 1_000  # seconds of one core, and bytes of its lines and their words
FILM_MINUTES = 10
FILM_SECONDS, FILM_BYTES = 1.0, 200_000  # of each minute; of all of it, 60 frames at most
PHOTOS, PARTS = 200_000, 10  # vectors of parts a photo
P50, RECALL = 12, 0.98
_BATCH = 2048  # photos
_KEPT = 64  # best photos of each question, whole and by parts, of which the exact answer is made

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


class Best(NamedTuple):
    """(questions, n): photos with their scores."""

    scores: Floats
    numbers: Numbers

    @classmethod
    def of(cls, some: list[Best]) -> Best:
        scores = np.concatenate([each.scores for each in some], axis=1)
        numbers = np.concatenate([each.numbers for each in some], axis=1)
        top = np.argsort(-scores, axis=1)[:, :_KEPT]
        return cls(np.take_along_axis(scores, top, 1), np.take_along_axis(numbers, top, 1))


def batches(cloud: Cloud, total: int) -> Iterator[tuple[int, Vectors, Vectors]]:
    """The number of the first photo, vectors of whole photos (n, dims), and of their parts
    (n, PARTS, dims): each part shares something with its photo."""
    for start in range(0, total, _BATCH):
        count = min(_BATCH, total - start)
        whole = cloud.vectors(start + 10, count)
        own = cloud.vectors(start + 11, count * PARTS)
        parts = unit(0.55 * np.repeat(whole, PARTS, axis=0) + 0.75 * own)
        yield start, whole, parts.reshape(count, PARTS, DIMS)


def fill(index: LocalIndex, cloud: Cloud, total: int, bench: Bench) -> None:
    """Goes on where it was interrupted: a batch is there or it is not."""
    began, there = perf_counter(), index.count()
    index.stamp(MODELS)
    places = tuple((10 * n, 20, 300, 200) for n in range(PARTS))
    with index.lock():
        for start, whole, parts in batches(cloud, total):
            if start >= there:
                index.write(
                    [
                        Photo(photo(start + n), vector, {"region": PartVectors(places, parts[n])})
                        for n, vector in enumerate(whole)
                    ]
                )
        bench.say(f"{perf_counter() - began:.1f} s to write")
        began = perf_counter()
        index.finish()
    bench.say(f"{perf_counter() - began:.1f} s to finish")


def exact(index: LocalIndex, cloud: Cloud, total: int, queries: Vectors) -> list[set[int]]:
    """Numbers of the K best photos of each question, by f32."""
    whole: list[Best] = []
    by_part: list[Best] = []
    for start, vectors, parts in batches(cloud, total):
        numbers = np.tile(np.arange(start, start + len(vectors)), (len(queries), 1))
        whole = [Best.of([*whole, Best(queries @ vectors.T, numbers)])]
        scores = (queries @ parts.reshape(-1, DIMS).T).reshape(len(queries), -1, PARTS).max(2)
        by_part = [Best.of([*by_part, Best(scores, numbers)])]
    samples = index.sample(SAMPLE), index._reader.sample_of_parts(SAMPLE)  # as a search draws them
    found = []
    for at, query in enumerate(queries):
        scale = Calibration.of(query, *samples)
        best = dict(zip(whole[0].numbers[at].tolist(), whole[0].scores[at].tolist(), strict=True))
        for number, score in zip(
            by_part[0].numbers[at].tolist(), by_part[0].scores[at].tolist(), strict=True
        ):
            best[number] = max(best.get(number, -1.0), scale.score(score, PARTS))
        found.append(set(sorted(best, key=lambda number: -best[number])[:K]))
    return found


def searches(bench: Bench, total: int) -> Iterator[Row]:
    """The index is kept for the next run."""
    scratch, cloud = bench.folder(f"parts-{total}"), Cloud("pictures")
    index = open_local(scratch / "index", create=True)
    if index.count() < total:
        fill(index, cloud, total, bench)
    queries = cloud.queries(QUERIES)
    truth = exact(index, cloud, total, queries)
    asked = [partial(np.asarray, query) for query in queries]
    turns = [searched(index, asked, truth, ALL) for _ in range(bench.repeats)]
    index.close()
    what = f"search, {total:,} photos, {total * PARTS:,} vectors of parts"
    yield Row(Goal(f"{what}: p50", P50, False, "ms"), tuple(each.p50 for each in turns))
    yield Row(Goal(f"{what}: recall@10 of photos", RECALL, True, ""), (turns[0].recall,))


class Run(NamedTuple):
    """An ingest into a new index. `cpu`: seconds of it and of the processes that it started.
    `bytes`: of the index."""

    seconds: float
    cpu: float
    bytes: int


Runs = tuple[Run, ...]


class Ingests:
    """The installed command over the same files in turns, each time into a new index."""

    def __init__(self, bench: Bench) -> None:
        self._bench, self._installed = bench, Installed(bench)
        names = "single", "paged", "lettered", "film"
        self._folders = {name: bench.folder(f"parts-{name}") for name in names}
        _make_photos(bench, self._folders["single"], self._folders["paged"])
        _make_lettered(self._folders["lettered"])
        _make_film(self._folders["film"])

    def rows(self) -> Iterator[Row]:
        ways: dict[str, tuple[str, ...]] = {
            "none": ("single",),
            "regions": ("single", "--regions"),
            "pages": ("paged",),
            "unread": ("lettered",),
            "text": ("lettered", "--text"),
            "no films": ("film",),
            "films": ("film", "--films"),
        }
        for name in self._folders:
            self._run(name, into="none")  # files into the page cache
        calls = [partial(self._run, *way, into=name) for name, way in ways.items()]
        runs = dict(zip(ways, in_turns(calls, self._bench.repeats), strict=True))
        yield from _of_rates(runs)
        yield from self._of_texts(runs["unread"], runs["text"])
        yield from _of_films(runs["no films"], runs["films"])

    def _run(self, folder: str, *options: str, into: str) -> Run:
        index = self._index(into)
        shutil.rmtree(index, ignore_errors=True)
        before = _cpu()
        seconds, _ = self._installed.run(
            "ingest", self._folders[folder], "--index", index, *options
        )
        return Run(seconds, _cpu() - before, _size(index))

    def _index(self, name: str) -> Path:
        return self._bench.folder("indexes") / f"parts-{name}"

    def _of_texts(self, unread: Runs, text: Runs) -> Iterator[Row]:
        pairs = list(zip(text, unread, strict=True))
        cpu = tuple((run.cpu - without.cpu) / LETTERED for run, without in pairs)
        times = statistics.median(without.seconds / run.seconds for run, without in pairs)
        note = f"{times:.2f} of the pictures/s without"
        yield Row(Goal("CPU that text adds to a photo", TEXT_CPU, False, "s"), cpu, note)
        with contextlib.closing(open_local(self._index("text"), create=False)) as index:
            read = [texts_in(row.parts) for row in index.rows()]
        lines = statistics.mean(len(each.texts) for each in read)
        sizes = [self._size_with(some) for some in (read, None)]
        goal = Goal("bytes that text adds to a photo", TEXT_BYTES, False, "B")
        more = (sizes[0] - sizes[1]) / WITH_TEXT
        yield Row(goal, (more,), f"{lines:.0f} lines")

    def _size_with(self, read: Sequence[PartTexts] | None) -> int:
        """Bytes of an index of WITH_TEXT photos, which have these texts in turn."""
        folder, cloud = self._index("size"), Cloud("pictures")
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.closing(open_local(folder, create=True)) as index, index.lock():
            index.stamp(MODELS)
            index.write(
                [
                    Photo(photo(number), vector, _with(read, number))
                    for number, vector in enumerate(cloud.vectors(10, WITH_TEXT))
                ]
            )
            index.finish()
        return _size(folder)


def _of_rates(runs: dict[str, Runs]) -> Iterator[Row]:
    """In pictures, of which each page is one. What an empty index takes, some 850 KB of pages that
    are there once, is in the size of both."""
    for name, bound in (("regions", REGIONS_RATE), ("pages", PAGES_RATE)):
        what = f"ingest, 1 MP TIFF: with {name} / without, in pictures/s"
        ratios = tuple(
            without.seconds / run.seconds
            for run, without in zip(runs[name], runs["none"], strict=True)
        )
        rates = (
            INGESTED / statistics.median(run.seconds for run in runs[each])
            for each in (name, "none")
        )
        shown = " / ".join(f"{rate:.1f}" for rate in rates)
        yield Row(Goal(what, bound, True), ratios, f"{shown} pictures/s")
    more = _bytes_more(runs["none"], runs["regions"], INGESTED)
    yield Row(Goal("bytes that regions add to a photo", REGIONS_BYTES, False, "B"), more)


def _of_films(without: Runs, films: Runs) -> Iterator[Row]:
    pairs = list(zip(films, without, strict=True))
    seconds = tuple((run.seconds - other.seconds) / FILM_MINUTES for run, other in pairs)
    cpu = statistics.median((run.cpu - other.cpu) / FILM_MINUTES for run, other in pairs)
    what = "ingest, 720p: seconds that a minute of film takes"
    yield Row(Goal(what, FILM_SECONDS, False, "s"), seconds, f"{cpu:.2f} s of CPU")
    yield Row(Goal("bytes of a film", FILM_BYTES, False, "B"), _bytes_more(without, films, 1))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _with(read: Sequence[PartTexts] | None, number: int) -> Parts | None:
    return {"text": read[number % len(read)]} if read else None


def _bytes_more(without: Runs, runs: Runs, photos: int) -> tuple[float, ...]:
    return tuple((a.bytes - b.bytes) / photos for a, b in zip(runs, without, strict=True))


def _cpu() -> float:
    """Seconds of the processes that were started and have ended."""
    times = os.times()
    return times.children_user + times.children_system


def _make_photos(bench: Bench, single: Path, paged: Path) -> None:
    """TIFFs of a page, and as many pages in files of PAGES."""
    source = photos.folder(bench.folder("photos"), "1 MP JPEG", bench.say)
    pictures = [Image.open(path) for path in sorted(source.iterdir())[:INGESTED]]
    for number, picture in enumerate(pictures):
        picture.save(single / f"{number:03}.tif", compression="tiff_lzw")
    for start in range(0, INGESTED, PAGES):
        first, *others = pictures[start : start + PAGES]
        file = paged / f"{start:03}.tif"
        first.save(file, save_all=True, append_images=others, compression="tiff_lzw")


def _make_lettered(folder: Path) -> None:
    """Signs, receipts, screenshots and slides, as many of each."""
    for picture in lettering.pictures(LETTERED):
        picture.image.save(folder / picture.name, quality=90)


def _make_film(folder: Path) -> None:
    """With a key frame each second, and another scene every three; and a photo, which is there
    without films too."""
    if any(folder.iterdir()):
        return
    scenes = [scene.resize((1280, 720)) for scene in films.icons(20).values()]
    scenes[0].save(folder / "photo.jpg")
    minute = films.make(folder / "minute.mp4", scenes, options={"preset": "ultrafast"})
    films.repeated(minute, folder / "film.mp4", FILM_MINUTES)
    minute.unlink()


def measured(bench: Bench) -> Iterator[Row]:
    yield from Ingests(bench).rows()
    yield from searches(bench, PHOTOS)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("total", type=int)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for row in searches(Bench(Path(scratch), 1, print), options.total):
            holds = "holds" if row.holds else "MISSED"
            print(f"{row.goal.what:70} {row.median:10.3f} {row.goal.unit:3} {holds} {row.note}")


if __name__ == "__main__":
    main()
