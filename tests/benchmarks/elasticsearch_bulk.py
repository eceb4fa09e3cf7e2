"""How fast rows get into Elasticsearch: the index's own `write` against the client's bare
`parallel_bulk`, with the same encoding, documents and number of threads, in turns; and whether
memory stays flat. By hand:

    python -m tests.benchmarks.elasticsearch_bulk [VERSION or URL] [--documents 20000] [--memory]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np

from imgsearch.elastic.connection import Connection
from imgsearch.embedding import ModelIdentity, ModelPair, unit
from imgsearch.index.base import Record, Row
from imgsearch.index.elastic_bulk import IN_FLIGHT, OPERATIONS_PER_REQUEST
from imgsearch.index.elastic_documents import document, packed
from imgsearch.index.elasticsearch import ElasticsearchIndex, open_elasticsearch
from tests.elasticsearch import node, servers

DIMS = 512
MODELS = ModelPair(ModelIdentity("benchmark", "0"), ModelIdentity("benchmark", "0"), DIMS)


def records(count: int) -> Iterator[Record]:
    for n in range(count):
        yield Record(
            id=f"{n:032x}",
            library="benchmark",
            relative_path=f"2024/{n % 97:03}/IMG_{n:07}.jpg",
            size=3_000_000 + n,
            mtime_ns=1_700_000_000_000_000_000 + n,
            content_hash=f"{n:064x}",
            format="JPEG",
            width=4000,
            height=3000,
            taken="2024-05-01T12:30:00",
            camera="Canon EOS R5",
        )


def vectors(count: int) -> Iterator[np.ndarray]:
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

    pack = index._cluster.features.takes_base64

    def actions() -> Iterator[dict[str, Any]]:
        for record, vector in data:
            assert vector is not None
            source = {key: value for key, value in document(record).items() if value is not None}
            source["image_embedding"] = packed(vector) if pack else vector
            yield {"_index": index._found.index, "_id": record.id, "_source": source}

    client = index._cluster._client
    begun = time.perf_counter()
    sent = parallel_bulk(
        client, actions(), thread_count=IN_FLIGHT, chunk_size=OPERATIONS_PER_REQUEST
    )
    deque(sent, maxlen=0)
    index._reader.call("POST", "/_refresh")
    return len(data) / (time.perf_counter() - begun)


def compare(server: str, count: int, turns: int) -> None:
    data = list(rows(count))
    speeds: dict[str, list[float]] = {"write": [], "parallel_bulk": []}
    for turn in range(turns):
        ways = [("write", by_write), ("parallel_bulk", by_parallel_bulk)]
        for name, way in ways if turn % 2 else reversed(ways):
            space = servers.Space(server)
            index = space.open()
            index.stamp(MODELS)
            speeds[name].append(way(index, data))
            assert index.count() == count
            space.clear()
            print(f"{name}: {speeds[name][-1]:,.0f} documents/s", flush=True)
    ours, bare = (statistics.median(speeds[name]) for name in ("write", "parallel_bulk"))
    print(f"write {ours:,.0f}, parallel_bulk {bare:,.0f} documents/s: {ours / bare:.0%}")


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


def compare_memory(server: str, counts: tuple[int, int] = (5_000, 100_000)) -> None:
    peaks = []
    for count in counts:
        command = [sys.executable, "-m", __spec__.name, server, "--peak-of", str(count)]
        said = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(float(said.stdout.split()[-1]))
        print(f"{count:,} documents: peak {peaks[-1]:.1f} MB", flush=True)
    print(f"ratio {peaks[1] / peaks[0]:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("server", nargs="?", default=node.QUICK[-1])
    parser.add_argument("--documents", type=int, default=20_000)
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
        elif given.memory:
            compare_memory(server)
        else:
            compare(server, given.documents, given.turns)


if __name__ == "__main__":
    main()
