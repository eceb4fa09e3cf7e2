"""The tutorial's way, written as it describes it: a loop that opens each photo with Pillow, calls
`SentenceTransformer.encode(image)` one by one, and sends the documents with the bulk helper.

    python -m tests.benchmarks.tutorial FOLDER COUNT MODEL [URL]

Prints one JSON object: seconds of importing, of loading the model, of the loop, and of sending."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.processes import timed
from tests.elasticsearch import node

PHOTOS = 40  # each takes as long as the other, a third of a second
DIMS = 512


@dataclass(frozen=True)
class Server:
    """Where the documents go; or why there is no server, and they are not sent."""

    running: node.Node | None
    reason: str = ""

    @property
    def url(self) -> list[str]:
        return [self.running.url] if self.running else []


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """A real one where one can be started. It stands still except while it is used."""
    with contextlib.ExitStack() as stack:
        try:
            running = stack.enter_context(node.start(node.QUICK[-1]))
        except node.Unavailable as error:
            found = Server(None, str(error).splitlines()[0])
        else:
            running.pause()
            stack.callback(running.resume)
            found = Server(running)
        yield found


def rate(photos: Path, model: Path, to: Server) -> float:
    """Photos a second of the whole program, imports and loading included: measured on PHOTOS of
    them, its loop and its sending multiplied to the number of all."""
    count = len(list(photos.iterdir()))
    command: list[str | Path] = [sys.executable, "-m", "tests.benchmarks.tutorial"]
    command += [photos, str(PHOTOS), model, *to.url]
    if to.running:
        to.running.resume()
    try:
        root = Path(__file__).parents[2]
        environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
        _, said = timed(command, cwd=root, environment=environment)
    finally:
        if to.running:
            to.running.pause()
    spent = json.loads(said.splitlines()[-1])
    of_photos = (spent["loop"] + spent["sending"]) * count / spent["photos"]
    return float(count / (spent["imports"] + spent["loading"] + of_photos))


def _documents(paths: list[Path], model: Any) -> list[dict[str, Any]]:
    from PIL import ExifTags, Image

    documents = []
    for path in paths:
        with Image.open(path) as image:
            vector = model.encode(image)
            exif = image.getexif().get_ifd(ExifTags.IFD.Exif)
        documents.append(
            {
                "image_id": f"{path.stem}{uuid.uuid4()}",
                "image_name": path.name,
                "relative_path": str(path),
                "image_embedding": vector.tolist(),
                "exif": {"date": str(exif.get(ExifTags.Base.DateTimeOriginal))},
            }
        )
    return documents


def _send(documents: list[dict[str, Any]], url: str) -> float:
    """Into an index of its own, which is deleted again; seconds of the bulk helper alone."""
    from elasticsearch import Elasticsearch, helpers

    vector = {"type": "dense_vector", "dims": DIMS, "index": True, "similarity": "cosine"}
    with Elasticsearch(url, request_timeout=120) as client:
        name = f"tutorial-{uuid.uuid4()}"
        client.indices.create(index=name, mappings={"properties": {"image_embedding": vector}})
        begun = time.perf_counter()
        helpers.bulk(client, documents, index=name)
        seconds = time.perf_counter() - begun
        client.indices.delete(index=name)
    return seconds


def main() -> None:
    folder, count, model_folder, *url = sys.argv[1:]
    begun = time.perf_counter()
    from sentence_transformers import SentenceTransformer

    imported = time.perf_counter()
    model = SentenceTransformer(model_folder, device="cpu")
    loaded = time.perf_counter()
    documents = _documents(sorted(Path(folder).iterdir())[: int(count)], model)
    spent = {
        "photos": len(documents),
        "imports": imported - begun,
        "loading": loaded - imported,
        "loop": time.perf_counter() - loaded,
        "sending": _send(documents, url[0]) if url else 0.0,
    }
    print(json.dumps(spent))


if __name__ == "__main__":
    main()
