"""The local index at a given size, through its own interface, without pictures:

    python -m tests.benchmarks.index_scale 100000 random
    python -m tests.benchmarks.index_scale 1000000 pictures

`random`: vectors without structure, the hardest to search. `pictures`: as CLIP's lie, in clusters
around a mean, most of the variance in few directions, with questions that lie outside the cloud as
those of texts do. Prints one figure a line."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imgsearch.embedding import ModelIdentity, ModelPair, Vectors, unit
from imgsearch.index.base import ALL, Filter, Row
from imgsearch.index.local import LocalIndex, open_local
from tests.index_contract import record

DIMS, K, QUERIES, BATCH = 512, 10, 200, 4096
MODELS = ModelPair(ModelIdentity("scale", "1"), ModelIdentity("scale", "1"), DIMS)
FILTERS = {"all": ALL, "1 %": Filter("scale", "half/01"), "50 %": Filter("scale", "half")}


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


def batches(cloud: Cloud, total: int) -> Iterator[tuple[int, Vectors]]:
    for start in range(0, total, BATCH):
        yield start, cloud.vectors(start + 10, min(BATCH, total - start))


def fill(index: LocalIndex, cloud: Cloud, total: int) -> None:
    began = time.perf_counter()
    index.stamp(MODELS)
    slowest = 0.0
    for start, vectors in batches(cloud, total):
        rows = [Row(record(path_of(start + n), "scale"), each) for n, each in enumerate(vectors)]
        before = time.perf_counter()
        index.write(rows)
        slowest = max(slowest, time.perf_counter() - before)
    report("write all", time.perf_counter() - began, "s")
    report(f"slowest write of {BATCH}", slowest, "s")
    began = time.perf_counter()
    index.finish()
    report("finish", time.perf_counter() - began, "s")
    report("peak memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MB")


def truths(cloud: Cloud, total: int, queries: Vectors) -> dict[str, list[set[int]]]:
    """The numbers of the K nearest by f32, for each filter."""
    best: dict[str, list[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]]] = {}
    for start, vectors in batches(cloud, total):
        scores = queries @ vectors.T
        numbers = np.arange(start, start + len(vectors))
        for name, chosen in (
            ("all", numbers >= 0),
            ("1 %", numbers % 100 == 1),
            ("50 %", numbers % 2 == 1),
        ):
            part, those = scores[:, chosen], numbers[chosen]
            top = np.argsort(-part, axis=1)[:, :K]
            best.setdefault(name, []).append((np.take_along_axis(part, top, 1), those[top]))
    found = {}
    for name, parts in best.items():
        scores, numbers = (np.concatenate(each, axis=1) for each in zip(*parts, strict=True))
        top = np.argsort(-scores, axis=1)[:, :K]
        found[name] = [set(each.tolist()) for each in np.take_along_axis(numbers, top, 1)]
    return found


def measure(index: LocalIndex, queries: Vectors, truth: dict[str, list[set[int]]]) -> None:
    for name, where in FILTERS.items():
        index.search(queries[0], K, where)
        seconds, right = [], 0
        for query, wanted in zip(queries, truth[name], strict=True):
            began = time.perf_counter()
            hits = index.search(query, K, where)
            seconds.append(time.perf_counter() - began)
            right += len(wanted & {int(hit.record.relative_path[-11:-4]) for hit in hits})
        report(f"search {name}: p50", 1000 * float(np.percentile(seconds, 50)), "ms")
        report(f"search {name}: p99", 1000 * float(np.percentile(seconds, 99)), "ms")
        report(f"search {name}: recall@10", right / sum(map(len, truth[name])), "")


COLD = """
import sys, time, json
import numpy as np
from pathlib import Path
began = time.perf_counter()
from imgsearch.index.local import open_local
imported = time.perf_counter()
index = open_local(Path(sys.argv[1]), create=False)
opened = time.perf_counter()
index.search(np.load(sys.argv[2]), 10)
print(json.dumps([imported - began, opened - imported, time.perf_counter() - opened]))
"""


def measure_fresh_process(folder: Path, query: Path) -> None:
    found = []
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", COLD, str(folder), str(query)],
            check=True,
            capture_output=True,
            text=True,
        )
        found.append(json.loads(done.stdout))
    names = ("import", "open", "first search")
    for name, value in zip(names, np.median(found, axis=0), strict=True):
        report(f"fresh process: {name}", 1000 * float(value), "ms")


def measure_ten_more(index: LocalIndex, cloud: Cloud) -> None:
    vectors = cloud.vectors(77, 10)
    began = time.perf_counter()
    index.write([Row(record(f"ten/{n}.jpg", "scale"), each) for n, each in enumerate(vectors)])
    index.finish()
    for n, each in enumerate(vectors):
        assert index.search(each, 1)[0].record.relative_path == f"ten/{n}.jpg"
    report("ten more, until they are found", time.perf_counter() - began, "s")


def measure_disk(index: LocalIndex, total: int) -> None:
    index._database.empty_wal()
    on_disk = index.info().bytes_on_disk
    report("bytes a photo, in all", on_disk / total, "")
    sizes = dict(index._database.rows("select name, sum(pgsize) from dbstat group by name"))
    metadata = sum(sizes.get(name, 0) for name in ("photos", "photos_by_path", "photos_by_hash"))
    report("bytes a photo, besides paths and metadata", (on_disk - metadata) / total, "")
    for name, size in sizes.items():
        if size > total:
            report(f"  of it {name}", size / total, "")


def report(name: str, value: float, unit_name: str) -> None:
    print(f"{name:45} {value:10.3f} {unit_name}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("total", type=int)
    parser.add_argument("kind", choices=["random", "pictures"])
    parser.add_argument("--keep", type=Path, help="a folder to make the index in, and to leave")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch) / "index"
        cloud = Cloud(options.kind)
        index = open_local(folder, create=True)
        if not index.count():
            fill(index, cloud, options.total)
        for name, value in index.info().details.items():
            print(f"{name:45} {value}")
        measure_disk(index, options.total)
        queries = cloud.queries(QUERIES)
        np.save(Path(scratch) / "query.npy", queries[0])
        measure_fresh_process(folder, Path(scratch) / "query.npy")
        measure(index, queries, truths(cloud, options.total, queries))
        measure_ten_more(index, cloud)
        for note in index.notes:
            print(note)
        index.close()


if __name__ == "__main__":
    main()
