"""The local index at a million rows, through its own interface, without pictures. By hand, and for
other sizes:

    python -m tests.benchmarks.index_scale 100000 random
    python -m tests.benchmarks.index_scale 1000000 pictures

`random`: vectors without structure, the hardest to search. `pictures`: as CLIP's lie, in clusters
around a mean, most of the variance in few directions, with questions that lie outside the cloud as
those of texts do."""

from __future__ import annotations

import argparse
import functools
import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from imgsearch.index.base import ALL, FACETS, Filter, Record, Wanted
from imgsearch.index.base import Row as Photo
from imgsearch.index.local.index import LocalIndex
from imgsearch.index.local.opening import open_local
from imgsearch.ingest.fingerprints import Found, KnownPhotos
from imgsearch.models.base import ModelIdentity, ModelPair, Vector, Vectors, unit
from imgsearch.search import combined_terms, index_sample, question_to_hits
from imgsearch.search.ranking import RANKED
from tests.benchmarks.table import Bench, Goal, Row
from tests.index_contract import record

TOTAL = 1_000_000
MIXTURE_P50, WORDS_P50 = 10, 25  # ms
DIMS, K, QUERIES, BATCH = 512, 10, 200, 4096
MODELS = ModelPair(ModelIdentity("scale", "1"), ModelIdentity("scale", "1"), DIMS)
BEGAN, DAYS = date(2010, 1, 1), 5000  # when the photos were taken: each day as many as any other


@dataclass(frozen=True)
class Selection:
    """A filter, and which photos it lets through: of an array of their numbers, a mask."""

    where: Filter
    holds: Callable[[npt.NDArray[np.int64]], npt.NDArray[np.bool_]]
    p50: float = 60  # ms, at most


def day_of(number: Any) -> Any:
    """The day, from the first on, on which photo `number` was taken. Of an array too."""
    return number * 7919 % DAYS


def place_of(number: Any) -> Any:
    """A number below 100: 7 lies in Florence, those below 50 in Italy. Of an array too."""
    return number // 100 * 61 % 100


def taken(first: int, days: int) -> Filter:
    start = BEGAN + timedelta(days=first)
    return Filter(taken_from=start, taken_to=start + timedelta(days=days - 1))


SELECTIONS = {
    "all": Selection(ALL, lambda numbers: numbers >= 0, 5),
    "under a folder of 1 %": Selection(
        Filter.within("scale", "half/01"), lambda numbers: numbers % 100 == 1
    ),
    "under a folder of 50 %": Selection(
        Filter.within("scale", "half"), lambda numbers: numbers % 2 == 1
    ),
    "taken within dates of 1 %": Selection(
        taken(1000, DAYS // 100),
        lambda numbers: (day_of(numbers) >= 1000) & (day_of(numbers) < 1000 + DAYS // 100),
        10,
    ),
    "taken within dates of 50 %": Selection(
        taken(1000, DAYS // 2),
        lambda numbers: (day_of(numbers) >= 1000) & (day_of(numbers) < 1000 + DAYS // 2),
        20,
    ),
    "taken in a city of 1 %": Selection(
        Filter(country="IT", city="Florence"), lambda numbers: place_of(numbers) == 7, 10
    ),
    "taken in a country of 50 %": Selection(
        Filter(country="IT"), lambda numbers: place_of(numbers) < 50, 20
    ),
}
_PROFILE = (  # of a million rows: the parts of `Family.nearest` and `Ranking.best`, timed by hand
    "ms of one core, 5.8 in all: scan of the near cells 3.2, choosing rows 0.5, second look 0.5,"
    " SQLite 0.5, codes and the rest 1.1; on two cores the scan takes 1.9"
)
Truth = list[set[int]]  # numbers of the K nearest by f32, for each question


class Cloud:
    """Where vectors are drawn from."""

    def __init__(self, kind: str) -> None:
        chance = np.random.default_rng(1)
        self._random = kind == "random"
        spread = np.arange(1, DIMS + 1) ** -0.5
        self._basis = np.linalg.qr(chance.standard_normal((DIMS, DIMS)))[0] * spread[:, None]
        self._basis = (self._basis / np.linalg.norm(spread)).astype(np.float32)
        self._means = unit(chance.standard_normal((2, DIMS)))
        self._centres = self._drawn(chance, 2000)

    def _drawn(self, chance: np.random.Generator, count: int) -> Vectors:
        drawn: Vectors = chance.standard_normal((count, DIMS), dtype=np.float32) @ self._basis
        return drawn

    def vectors(self, seed: int, count: int) -> Vectors:
        chance = np.random.default_rng(seed)
        if self._random:
            return unit(chance.standard_normal((count, DIMS), dtype=np.float32))
        centres = self._centres[chance.integers(len(self._centres), size=count)]
        return unit(self._means[0] + 0.7 * centres + 0.7 * self._drawn(chance, count))

    def queries(self, count: int) -> Vectors:
        chance = np.random.default_rng(999)
        if self._random:
            return unit(chance.standard_normal((count, DIMS), dtype=np.float32))
        centres = self._centres[chance.integers(len(self._centres), size=count)]
        return unit(self._means[1] + 0.4 * centres + 0.4 * self._drawn(chance, count))


def path_of(number: int) -> str:
    return f"{'half' if number % 2 else 'rest'}/{number % 100:02}/{number:07}.jpg"


def photo(number: int) -> Record:
    """As it is in an album of some years and countries."""
    day, place = BEGAN + timedelta(days=day_of(number)), place_of(number)
    city = ("Florence" if place == 7 else "Rome") if place < 50 else None
    return record(
        path_of(number),
        "scale",
        size=3_000_000 + number % 4096,
        taken=f"{day.isoformat()}T12:{number % 60:02}:00",
        taken_precision="second",
        taken_source="exif",
        country="IT" if place < 50 else "DE",
        city=city,
        camera=f"Camera {number % 7}",
        perceptual_hash=hashlib.sha256(b"%d" % number).hexdigest(),
    )


def batches(cloud: Cloud, total: int) -> Iterator[tuple[int, Vectors]]:
    for start in range(0, total, BATCH):
        yield start, cloud.vectors(start + 10, min(BATCH, total - start))


def fill(index: LocalIndex, cloud: Cloud, total: int, say: Callable[[str], None]) -> None:
    """Goes on where it was interrupted: a batch is there or it is not."""
    began, there = time.perf_counter(), index.count()
    index.stamp(MODELS)
    slowest = 0.0
    with index.lock():
        for start, vectors in batches(cloud, total):
            if start < there:
                continue
            rows = [Photo(photo(start + n), each) for n, each in enumerate(vectors)]
            before = time.perf_counter()
            index.write(rows)
            slowest = max(slowest, time.perf_counter() - before)
        say(f"{time.perf_counter() - began:.1f} s to write, no {BATCH} in more than {slowest:.2f}")
        began = time.perf_counter()
        index.finish()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(f"{time.perf_counter() - began:.1f} s to finish; peak memory {peak:.0f} MB")


def truths(cloud: Cloud, total: int, asked: Mapping[str, tuple[str, Vectors]]) -> dict[str, Truth]:
    """Of each name's selection and questions (n, dims)."""
    best: dict[str, list[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]]] = {}
    for start, vectors in batches(cloud, total):
        numbers = np.arange(start, start + len(vectors))
        for name, (selection, queries) in asked.items():
            chosen = SELECTIONS[selection].holds(numbers)
            part, those = queries @ vectors[chosen].T, numbers[chosen]
            top = np.argsort(-part, axis=1)[:, :K]
            best.setdefault(name, []).append((np.take_along_axis(part, top, 1), those[top]))
    found = {}
    for name, parts in best.items():
        scores, numbers = (np.concatenate(each, axis=1) for each in zip(*parts, strict=True))
        top = np.argsort(-scores, axis=1)[:, :K]
        found[name] = [set(each.tolist()) for each in np.take_along_axis(numbers, top, 1)]
    return found


def known_truths(
    path: Path, cloud: Cloud, total: int, asked: Mapping[str, tuple[str, Vectors]]
) -> dict[str, Truth]:
    """Kept in a file, as it takes minutes."""
    if not path.exists():
        found = truths(cloud, total, asked)
        arrays = {name: np.array([sorted(each) for each in found[name]]) for name in found}
        np.savez(path, allow_pickle=False, **arrays)
    with np.load(path) as kept:
        return {name: [set(each.tolist()) for each in kept[name]] for name in kept}


class Searched(NamedTuple):
    p50: float  # ms
    p99: float
    recall: float


def searched(
    index: LocalIndex,
    queries: Sequence[Callable[[], Vector]],
    truth: Truth,
    where: Filter,
    k: int = K,
) -> Searched:
    """All queries once, after one that opens what is opened once; to make a query's vector is a
    part of it. `k`: as many are asked for, of which the first K count."""
    index.search(queries[0](), k, where)
    seconds, right = [], 0
    for query, wanted in zip(queries, truth, strict=True):
        began = time.perf_counter()
        hits = index.search(query(), k, where)[:K]
        seconds.append(time.perf_counter() - began)
        right += len(wanted & {int(hit.record.relative_path[-11:-4]) for hit in hits})
    p50, p99 = (1000 * float(np.percentile(seconds, share)) for share in (50, 99))
    return Searched(p50, p99, right / sum(map(len, truth)))


def mixtures(queries: Vectors, sample: Vectors) -> list[Callable[[], Vector]]:
    """Each question with half of the next, without a third of the one after that."""

    def mixed(at: int) -> Vector:
        terms = [queries[(at + n) % len(queries)] for n in range(3)]
        return combined_terms.combined(terms, (1, 0.5, -0.33), sample)

    return [functools.partial(mixed, at) for at in range(len(queries))]


def named(index: LocalIndex, queries: Vectors, words: str) -> float:
    """Median milliseconds of a search by vector that also looks for words, as `query` asks it."""
    seconds, wanted = [], Wanted(words)
    for query in queries:
        began = time.perf_counter()
        index.search_words(query, RANKED, wanted)
        seconds.append(time.perf_counter() - began)
    return 1000 * float(np.median(seconds))


def counted(index: LocalIndex) -> tuple[float, str]:
    """Milliseconds in which the slowest facet of all photos is counted, the first time after a
    write; and those of each."""
    index.write([Photo(photo(0), None)])
    each = {}
    for name in FACETS:
        began = time.perf_counter()
        index.facets(ALL, [name])
        each[name] = 1000 * (time.perf_counter() - began)
    return max(each.values()), ", ".join(f"{name} {spent:.1f}" for name, spent in each.items())


COLD = """
import sys, time
import numpy as np
from pathlib import Path
began = time.perf_counter()
from imgsearch.index.local.opening import open_local
index = open_local(Path(sys.argv[1]), create=False)
index.search(np.load(sys.argv[2]), 10)
print(time.perf_counter() - began)
"""


def cold(folder: Path, query: Path) -> float:
    """Seconds to import the index, open it, and search for the first time, in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", COLD, str(folder), str(query)],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)


def _found(sizes: Sequence[int], mtime_ns: int) -> Found:
    """Files of those sizes on disk."""
    same = np.full(len(sizes), mtime_ns, np.int64)
    none = np.zeros(len(sizes), np.int64)
    return Found(np.array(sizes, np.int64), same, none, none, none)


def ten_more(folder: Path, vectors: Vectors, seen: list[tuple[list[str], list[int]]]) -> float:
    """Seconds for what an ingest does with the index when ten photos have come to those of `seen`
    (ids and sizes, a thousand at a time, as a walk finds them): open it, read what is known,
    compare, look the new bytes up, write, finish, keep the summary; and that a new process's
    search finds them. Then they are taken out again."""
    rows = [Photo(record(f"ten/{n}.jpg", "scale"), each) for n, each in enumerate(vectors)]
    began = time.perf_counter()
    index = open_local(folder, create=True)
    with index.lock():
        known = KnownPhotos.load(index.fingerprints())
        mtime_ns = rows[0].record.mtime_ns
        for ids, sizes in seen:
            known.see(ids, _found(sizes, mtime_ns))
        known.see([row.record.id for row in rows], _found([1000] * 10, mtime_ns))
        index.records_by_hash([row.record.content_hash for row in rows])
        index.write(rows[:8])
        index.write(rows[8:])
        assert list(known.unseen_of(index.ids(Filter.within("scale")))) == []
        index.finish()
        index.record_ingest({"added": 10})
    index.close()
    index = open_local(folder, create=False)
    for n, each in enumerate(vectors):
        assert index.search(each, 1)[0].record.relative_path == f"ten/{n}.jpg"
    seconds = time.perf_counter() - began
    index.write([], delete=[row.record.id for row in rows])
    index.close()
    return seconds


def as_walked(total: int) -> list[tuple[list[str], list[int]]]:
    found = []
    for start in range(0, total, 1024):
        each = [photo(n) for n in range(start, min(start + 1024, total))]
        found.append(([photo.id for photo in each], [photo.size for photo in each]))
    return found


def disk(index: LocalIndex, total: int) -> dict[str, float]:
    """Bytes a photo, by what takes them; `metadata` is the table of records and its indexes."""
    index._database.empty_wal()
    on_disk = index.info().bytes_on_disk
    sizes = dict(index._database.rows("select name, sum(pgsize) from dbstat group by name"))
    metadata = sum(size for name, size in sizes.items() if "photos" in name)
    folder = index._database.path.parent
    files = {
        kind: sum(path.stat().st_size for path in folder.glob(f"*.{kind}"))
        for kind in ("codes", "sketch")
    }
    taken = {
        "besides metadata": on_disk - metadata,
        "metadata": metadata,
        "vectors": sizes["embeddings"],
        **files,
    }
    return {name: size / total for name, size in taken.items()}


def built(folder: Path, cloud: Cloud, total: int, say: Callable[[str], None]) -> LocalIndex:
    """The index in that folder, filled and finished where it is not."""
    index = open_local(folder, create=True)
    if index.count() < total:
        fill(index, cloud, total, say)
    else:
        with index.lock():  # files that a later version wants otherwise
            index.finish()
    for name, value in index.info().details.items():
        say(f"{name}: {value}")
    return index


def measured(bench: Bench) -> Iterator[Row]:
    """The index is kept for the next run, as are the exact answers."""
    return rows_of(bench, "pictures", TOTAL)


def rows_of(bench: Bench, kind: str, total: int) -> Iterator[Row]:
    scratch = bench.folder(f"album-{total}" + ("" if kind == "pictures" else f"-{kind}"))
    cloud = Cloud(kind)
    np.save(scratch / "query.npy", cloud.queries(1)[0])
    index = built(scratch / "index", cloud, total, bench.say)
    yield from _searches(bench, index, cloud, scratch / "truths.npz")
    facets = [counted(index) for _ in range(bench.repeats)]
    goal = Goal(f"a facet of {total:,} photos, the first time after a write", 60, False, "ms")
    yield Row(goal, tuple(slowest for slowest, _ in facets), f"the slowest of: {facets[0][1]}")
    space = disk(index, total)
    index.close()
    first = tuple(cold(scratch / "index", scratch / "query.npy") for _ in range(bench.repeats))
    yield Row(Goal(f"first search in a new process, {total:,} rows", 0.5, False, "s"), first)
    seen, ten = as_walked(total), cloud.vectors(77, 10)
    again = tuple(ten_more(scratch / "index", ten, seen) for _ in range(bench.repeats))
    note = "all known photos read and compared; without walking and embedding"
    yield Row(Goal(f"ten photos added to {total:,}", 2, False, "s"), again, note)
    note = ", ".join(f"{name} {size:,.0f} B" for name, size in space.items())
    kilobytes = space["besides metadata"] / 1000
    yield Row(
        Goal("disk a photo, besides paths and metadata", 3.5, False, "KB"), (kilobytes,), note
    )


def _searches(bench: Bench, index: LocalIndex, cloud: Cloud, kept: Path) -> Iterator[Row]:
    """Under each selection; and mixtures of several terms under none."""
    queries, size = cloud.queries(QUERIES), f"{index.count():,} rows"
    plain = [functools.partial(np.asarray, query) for query in queries]
    mixed = mixtures(queries, index.sample(index_sample.SIZE))
    asked = {name: (name, queries) for name in SELECTIONS}
    asked["mixture"] = ("all", np.array([make() for make in mixed]))
    truth = known_truths(kept, cloud, index.count(), asked)
    for name, (selection, _) in asked.items():
        chosen = SELECTIONS[selection]
        making = mixed if name == "mixture" else plain
        depth = question_to_hits.MIXED if name == "mixture" else K
        turns = [
            searched(index, making, truth[name], chosen.where, depth) for _ in range(bench.repeats)
        ]
        if name == "all":
            p50 = Goal(f"search, {size}: p50", chosen.p50, False, "ms")
            yield Row(p50, tuple(each.p50 for each in turns), _PROFILE)
            p99 = Goal(f"search, {size}: p99", 20, False, "ms")
            yield Row(p99, tuple(each.p99 for each in turns))
            yield Row(Goal(f"search, {size}: recall@10", 0.98, True, ""), (turns[0].recall,))
            continue
        what = f"search {name}, {size}" if name != "mixture" else f"mixture of three terms, {size}"
        bound = MIXTURE_P50 if name == "mixture" else chosen.p50
        yield Row(Goal(f"{what}: p50", bound, False, "ms"), tuple(each.p50 for each in turns))
        yield Row(Goal(f"{what}: recall@10", 0.99, True, ""), (turns[0].recall,))
    goal = Goal(f"vector and words that 1 % have, {size}: p50", WORDS_P50, False, "ms")
    yield Row(goal, tuple(named(index, queries, "Florence") for _ in range(bench.repeats)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("total", type=int)
    parser.add_argument("kind", choices=["random", "pictures"])
    parser.add_argument("--keep", type=Path, help="a folder to make the index in, and to leave")
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(options.keep or Path(scratch), options.repeats, print)
        for row in rows_of(bench, options.kind, options.total):
            holds = "holds" if row.holds else "MISSED"
            print(f"{row.goal.what:55} {row.median:10.3f} {row.goal.unit:3} {holds} {row.note}")


if __name__ == "__main__":
    main()
