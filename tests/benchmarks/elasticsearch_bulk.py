"""How fast rows get into Elasticsearch: the index's own `write` against the client's bare
`parallel_bulk`, with the same encoding, documents and number of threads, in turns; and whether
memory stays flat. By hand, on other versions:

    python -m tests.benchmarks.elasticsearch_bulk [VERSION or URL] [--documents 20000] [--memory]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from imgsearch.index.base import Record, Row
from imgsearch.index.elasticsearch.bulk import IN_FLIGHT, OPERATIONS_PER_REQUEST
from imgsearch.index.elasticsearch.connection import Connection
from imgsearch.index.elasticsearch.documents import document, packed
from imgsearch.index.elasticsearch.index import ElasticsearchIndex
from imgsearch.index.elasticsearch.opening import open_elasticsearch
from imgsearch.models.base import ModelIdentity, ModelPair, Vector, unit
from tests.benchmarks.table import Bench, Goal, in_turns
from tests.benchmarks.table import Row as Figure
from tests.elasticsearch import node, servers
from tests.index_contract import record

DIMS, DOCUMENTS = 512, 20_000
PEAKS_AT = (5_000, 100_000)  # documents
MODELS = ModelPair(ModelIdentity("benchmark", "0"), ModelIdentity("benchmark", "0"), DIMS)


def records(count: int) -> Iterator[Record]:
    for n in range(count):
        yield record(
            f"2024/{n % 97:03}/IMG_{n:07}.jpg",
            "benchmark",
            id=f"{n:032x}",
            size=3_000_000 + n,
            mtime_ns=1_700_000_000_000_000_000 + n,
            content_hash=f"{n:064x}",
            taken="2024-05-01T12:30:00",
            camera="Canon EOS R5",
        )


def vectors(count: int) -> Iterator[Vector]:
    """Made piece by piece, so that they take no memory of their own."""
    random = np.random.default_rng(0)
    for _ in range(0, count, 1000):
        yield from unit(random.standard_normal((1000, DIMS), dtype=np.float32))


def rows(count: int) -> Iterator[Row]:
    return (Row(*pair) for pair in zip(records(count), vectors(count), strict=False))


def by_write(index: ElasticsearchIndex, data: list[Row]) -> float:
    begun = time.perf_counter()
    size = index.rows_per_write
    for start in range(0, len(data), size):
        assert index.write(data[start : start + size]) == []
    index.finish()
    return len(data) / (time.perf_counter() - begun)


def by_parallel_bulk(index: ElasticsearchIndex, data: list[Row]) -> float:
    from elasticsearch.helpers import parallel_bulk

    pack = index.cluster.features.takes_base64

    def actions() -> Iterator[dict[str, Any]]:
        for photo, vector, _ in data:
            assert vector is not None
            source = {key: value for key, value in document(photo).items() if value is not None}
            source["image_embedding"] = packed(vector) if pack else vector
            yield {"_index": index._live.found.index, "_id": photo.id, "_source": source}

    client = index.cluster._client
    begun = time.perf_counter()
    sent = parallel_bulk(
        client, actions(), thread_count=IN_FLIGHT, chunk_size=OPERATIONS_PER_REQUEST
    )
    deque(sent, maxlen=0)
    index._live.reader.call("POST", "/_refresh")
    return len(data) / (time.perf_counter() - begun)


def into_a_new_index(
    server: str, data: list[Row], way: Callable[[ElasticsearchIndex, list[Row]], float]
) -> float:
    """Documents a second."""
    space = servers.Space(server)
    index = space.open()
    index.stamp(MODELS)
    speed = way(index, data)
    assert index.count() == len(data)
    space.clear()
    return speed


def rate(server: str, count: int, repeats: int) -> Figure:
    data = list(rows(count))
    ways = [partial(into_a_new_index, server, data, way) for way in (by_write, by_parallel_bulk)]
    ours, bare = in_turns(ways, repeats)
    ratios = tuple(one / other for one, other in zip(ours, bare, strict=True))
    middle = len(ratios) // 2
    note = (
        f"{count:,} documents: write {sorted(ours)[middle]:,.0f}/s, parallel_bulk"
        f" {sorted(bare)[middle]:,.0f}/s (medians)"
    )
    return Figure(
        Goal("bulk into Elasticsearch: our write / bare parallel_bulk", 0.9, True), ratios, note
    )


def memory(server: str, count: int) -> None:
    """In a process of its own: peak of the whole run."""
    space = servers.Space(server)
    index = open_elasticsearch(Connection(url=server), space.name(), create=True)
    index.stamp(MODELS)
    batch: list[Row] = []
    for row in rows(count):
        batch.append(row)
        if len(batch) == index.rows_per_write:
            index.write(batch)
            batch = []
    index.write(batch)
    index.finish()
    index.close()
    space.clear()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def peak(server: str, count: int) -> float:
    """MB, of a process that writes so many."""
    command = [sys.executable, "-m", "tests.benchmarks.elasticsearch_bulk"]
    said = subprocess.run(
        [*command, server, "--peak-of", str(count)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    return float(said.stdout.split()[-1])


def flatness(server: str) -> Figure:
    few, many = (peak(server, count) for count in PEAKS_AT)
    what = "memory of writing {1:,} documents / of {0:,}, Elasticsearch".format(*PEAKS_AT)
    return Figure(Goal(what, 1.1, False), (many / few,), f"{few:.0f} and {many:.0f} MB at the peak")


def measured(bench: Bench) -> Iterator[Figure]:
    """On a node of the newest version that can be started here; nothing where none can."""
    for version in reversed(node.ALL):
        try:
            with node.start(version, heap="1g") as server:
                bench.say(f"Elasticsearch {version} at {server.url}")
                yield rate(server.url, DOCUMENTS, bench.repeats)
                yield flatness(server.url)
            return
        except node.Unavailable as error:
            bench.say(f"No Elasticsearch {version}: {error}")
    bench.say("NO ELASTICSEARCH: its rows are left out.")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("server", nargs="?", default=node.QUICK[-1])
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--peak-of", type=int)
    given = parser.parse_args()
    with ExitStack() as stack:
        server = given.server
        if "://" not in server:
            server = stack.enter_context(node.start(server, heap="1g")).url
        if given.peak_of:
            memory(server, given.peak_of)
            return
        figure = flatness(server) if given.memory else rate(server, given.documents, given.turns)
        print(figure.goal.what, figure.goal, [round(value, 3) for value in figure.values])
        print(figure.note)


if __name__ == "__main__":
    main()
