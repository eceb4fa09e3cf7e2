"""How much disk an index takes, here and in Elasticsearch, and what text takes beside vectors:

    python -m tests.benchmarks.sizing [VERSION] [--write]

Bytes are those of one copy, merged into one segment. `--write` keeps them in sizing.json, from
which `python -m tests.readme` makes the tables of the guide to Elasticsearch. Vectors are invented:
what an index takes does not depend on what they mean."""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from elasticsearch import Elasticsearch, helpers

import imgsearch
from imgsearch.index.base import Index, Row
from imgsearch.index.elasticsearch.client import Cluster
from imgsearch.index.elasticsearch.connection import Connection
from imgsearch.index.elasticsearch.requests import CreateOptions
from imgsearch.index.local.opening import open_local
from imgsearch.models.base import ModelIdentity, ModelPair, Vectors, unit
from tests.benchmarks.elasticsearch_bulk import records
from tests.elasticsearch import node, servers

RESULTS = Path(__file__).with_name("sizing.json")
ICONS, ICON_DIMS = 47, 128
PHOTOS_COUNT, DIMS, FEWER_DIMS = 5000, 512, 128
TEXTS = 8000
WORDS = Path(imgsearch.__file__).parent / "phrases" / "common.txt"
KINDS = [("int8", False), ("bbq", False), ("none", False), ("int8", True), ("none", True)]


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes a photo. `icons`: in an index of 47 with 128 dimensions; `photo`: in one of 5,000 with
    512; `dimension`: what each dimension adds."""

    where: str
    icons: float
    photo: float
    dimension: float


def vectors(count: int, dims: int) -> Vectors:
    random = np.random.default_rng(0)
    return unit(random.standard_normal((count, dims), dtype=np.float32))


def fill(index: Index, count: int, dims: int) -> None:
    """Rows as of photos with camera and date."""
    identity = ModelIdentity("benchmark", "0")
    index.stamp(ModelPair(identity, identity, dims))
    rows = [Row(*pair) for pair in zip(records(count), vectors(count, dims), strict=True)]
    for start in range(0, count, 1000):
        assert index.write(rows[start : start + 1000]) == []
    index.finish()


def here(count: int, dims: int) -> float:
    """Bytes a photo of a local index."""
    with tempfile.TemporaryDirectory() as folder:
        index = open_local(Path(folder) / "index", create=True)
        fill(index, count, dims)
        index.close()
        files = (path for path in Path(folder).rglob("*") if path.is_file())
        return sum(path.stat().st_size for path in files) / count


def there(server: str, count: int, dims: int, options: CreateOptions) -> float:
    """Bytes a photo of an index on a cluster."""
    space = servers.Space(server)
    try:
        fill(space.open(options=options), count, dims)
        return merged_bytes(space, space.name()) / count
    finally:
        space.clear()


def merged_bytes(space: servers.Space, name: str) -> int:
    """Of an index's first copy, in one segment."""
    with _client(space.server) as client:
        client.indices.forcemerge(index=name, max_num_segments=1)
        client.indices.flush(index=name, force=True, wait_if_ongoing=True)
        found = client.indices.stats(index=name, metric="store")
        size: int = found["_all"]["primaries"]["store"]["size_in_bytes"]
        return size


@contextlib.contextmanager
def _client(server: str) -> Iterator[Elasticsearch]:
    """Elasticsearch's own client, as it speaks to servers of 8 and 9; patient while they merge."""
    cluster = Cluster.connect(Connection(url=server))
    try:
        yield cluster._client.options(request_timeout=900)
    finally:
        cluster.close()


def _row(where: str, icons: float, many: float, fewer: float) -> Size:
    return Size(where, icons, many, (many - fewer) / (DIMS - FEWER_DIMS))


def sizes(server: str) -> Iterator[Size]:
    indexes = ((ICONS, ICON_DIMS), (PHOTOS_COUNT, DIMS), (PHOTOS_COUNT, FEWER_DIMS))
    yield _row("local", *(here(*each) for each in indexes))
    for quantization, source in KINDS:
        options = CreateOptions(quantization=quantization, source_vectors=source)
        taken = [there(server, count, dims, options) for count, dims in indexes]
        where = f"`{quantization}`" + (", vectors in `_source` too" if source else "")
        yield _row(where, *taken)


def texts() -> list[str]:
    """Short ones: two to five common words and a number, as captions have."""
    words = WORDS.read_text("utf-8").split()
    random = np.random.default_rng(1)
    chosen = (random.choice(words, random.integers(2, 6)) for _ in range(TEXTS))
    return [f"{' '.join(some)} {number}" for number, some in enumerate(chosen)]


def text_sizes(server: str) -> Iterator[tuple[str, float]]:
    """Bytes a text, of an index of 8,000: as words, as a vector, as both."""
    options = {"type": "int8_hnsw"}
    vector = {"type": "dense_vector", "dims": DIMS, "similarity": "dot_product"}
    fields = {"text": {"type": "text"}, "vector": {**vector, "index_options": options}}
    data = list(zip(texts(), vectors(TEXTS, DIMS).tolist(), strict=True))
    for names in (("text",), ("vector",), ("text", "vector")):
        space = servers.Space(server)
        name = space.name("texts")
        mappings = {"properties": {each: fields[each] for each in names}}
        space.request("PUT", name, {"mappings": mappings, "settings": {"number_of_replicas": 0}})
        wholes = ({"text": text, "vector": row} for text, row in data)
        actions = ({"_index": name, **{each: one[each] for each in names}} for one in wholes)
        with _client(server) as client:
            helpers.bulk(client, actions)
        yield " and ".join(names), merged_bytes(space, name) / TEXTS
        space.clear()


def tables() -> str:
    """Markdown, of the sizes that were measured last."""
    measured = json.loads(RESULTS.read_text("utf-8"))
    lines = [
        "| bytes a photo | 47 icons, 128 dims | 5,000 photos, 512 dims | each dimension |",
        "|---|---|---|---|",
    ]
    for size in (Size(**row) for row in measured["sizes"]):
        figures = (f"{size.icons:,.0f}", f"{size.photo:,.0f}", f"{size.dimension:.1f}")
        lines.append(f"| {' | '.join((size.where, *figures))} |")
    lines += ["", "| 8,000 short texts | bytes each |", "|---|---|"]
    lines += [f"| {what} | {size:,.0f} |" for what, size in measured["texts"]]
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", nargs="?", default=node.QUICK[-1])
    parser.add_argument("--write", action="store_true", help="keep the sizes in sizing.json")
    given = parser.parse_args()
    with node.start(given.version, heap="1g") as server:
        found = {
            "version": given.version,
            "sizes": [asdict(size) for size in sizes(server.url)],
            "texts": list(text_sizes(server.url)),
        }
    print(json.dumps(found, indent=1))
    if given.write:
        RESULTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
