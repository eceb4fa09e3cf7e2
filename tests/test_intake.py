"""New photos on their way into the index: what waits for what, and what does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from PIL import Image

from imgsearch.errors import IndexUnavailable
from imgsearch.index.base import Failure, Row
from imgsearch.index.local.index import LocalIndex
from imgsearch.index.local.opening import open_local
from imgsearch.ingest import embedding, pipeline, reading
from imgsearch.ingest.batch_size import Limits
from imgsearch.ingest.pipeline import READERS
from imgsearch.ingest.result import Result
from imgsearch.ingest.scan import Ingest, Options
from imgsearch.ingest.sources import Job
from imgsearch.models.base import ModelIdentity, ModelPair, Pixels, Vectors, unit
from tests.pictures import encoded

MODEL = ModelIdentity("thumbnails", "0")
SIDE = 4  # pixels
PATIENCE = 60.0  # seconds


class Thumbnails:
    """An encoder whose vectors are the pictures, very small."""

    identity = MODEL
    dims = 3 * SIDE * SIDE
    image_size = SIDE
    precision = "f32"

    def __init__(self) -> None:
        self._batches: list[int] = []

    @property
    def embedded(self) -> int:
        return sum(self._batches)

    def prepare(self, image: Image.Image) -> Pixels:
        small = np.asarray(image.resize((SIDE, SIDE)), np.float32)
        return small.transpose(2, 0, 1)[np.newaxis] + 1

    def encode(self, pixels: Pixels) -> Vectors:
        self._batches.append(len(pixels))
        return unit(pixels.reshape(len(pixels), -1))


@pytest.fixture
def encoder() -> Thumbnails:
    return Thumbnails()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[LocalIndex]:
    index = open_local(tmp_path / "index", create=True)
    index.stamp(ModelPair(MODEL, MODEL, Thumbnails.dims))
    yield index
    index.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A hundred small pictures, each of a length of its own: none could be a copy of another."""
    folder = tmp_path / "photos"
    folder.mkdir()
    chance = np.random.default_rng(5)
    for number in range(100):
        pixels = chance.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        data = encoded(Image.fromarray(pixels), ".png")
        (folder / f"{number:03}.png").write_bytes(data.ljust(1000 + number, b"."))
    return folder


def _run(
    index: Any, encoder: Thumbnails, folder: Path, limits: Limits | None = None, **options: Any
) -> Result:
    options = {"limits": limits or Limits(), **options}
    run = Ingest(index, lambda: encoder, Options(**options))  # type: ignore[arg-type]
    return run.run([Job("photos", folder)], {})


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


class Gate:
    """Threads that come to it wait until it is opened."""

    def __init__(self) -> None:
        self.waiting = 0
        self._opened = threading.Event()

    def __call__(self) -> None:
        self.waiting += 1
        assert self._opened.wait(PATIENCE)

    def open(self) -> None:
        self._opened.set()


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def test_slow_files_do_not_hold_up_the_others(
    monkeypatch: pytest.MonkeyPatch,
    index: LocalIndex,
    encoder: Thumbnails,
    folder: Path,
    background: ThreadPoolExecutor,
) -> None:
    """As on a network share that has stopped answering for some."""
    slow = {f"{number:03}.png" for number in (1, 2, 50)}
    assert len(slow) < READERS
    gate = Gate()

    def opened(path: str, mode: str) -> IO[Any]:
        if Path(path).name in slow:
            gate()
        return open(path, mode)

    monkeypatch.setattr(reading, "open", opened, raising=False)
    running = background.submit(_run, index, encoder, folder, Limits(workers=1))
    _until(lambda: gate.waiting == len(slow) and encoder.embedded == 100 - len(slow))
    gate.open()
    assert running.result(PATIENCE).added == index.count() == 100


class SlowIndex:
    """Like `index`, but that writing waits at a gate."""

    def __init__(self, index: LocalIndex, gate: Gate) -> None:
        self._index, self._gate = index, gate
        self.written: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def write(self, rows: Sequence[Row], delete: Sequence[str] = ()) -> list[Failure]:
        self._gate()
        self.written.append(len(rows))
        return self._index.write(rows, delete)


def test_a_slow_index_does_not_hold_up_decoding(
    index: LocalIndex, encoder: Thumbnails, folder: Path, background: ThreadPoolExecutor
) -> None:
    gate = Gate()
    slow = SlowIndex(index, gate)
    running = background.submit(_run, slow, encoder, folder)
    _until(lambda: gate.waiting == 1 and encoder.embedded == 100)
    assert index.count() == 0
    gate.open()
    assert running.result(PATIENCE).added == index.count() == 100
    assert len(slow.written) == 2  # what had come meanwhile went together


def test_what_waits_for_the_index_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
    index: LocalIndex,
    encoder: Thumbnails,
    folder: Path,
    background: ThreadPoolExecutor,
) -> None:
    monkeypatch.setattr(pipeline, "WAITING_ROWS", 20)
    limits = Limits(workers=1, batch_size=2)
    gate = Gate()
    running = background.submit(_run, SlowIndex(index, gate), encoder, folder, limits)
    _until(lambda: gate.waiting == 1 and encoder.embedded >= 20)
    time.sleep(0.3)
    on_the_way = 3 * limits.batch_size + READERS
    assert encoder.embedded <= index.rows_per_write + on_the_way + 20 + on_the_way
    gate.open()
    assert running.result(PATIENCE).added == 100


def test_an_index_that_fails_ends_the_run(
    index: LocalIndex, encoder: Thumbnails, folder: Path
) -> None:
    def refuse() -> None:
        raise IndexUnavailable("The disk is full.", "Free some space.")

    threads = threading.active_count()
    with pytest.raises(IndexUnavailable, match="full"):
        _run(SlowIndex(index, refuse), encoder, folder)  # type: ignore[arg-type]
    assert threading.active_count() == threads


def test_large_files_go_in_batches_of_their_own(
    monkeypatch: pytest.MonkeyPatch, index: LocalIndex, encoder: Thumbnails, folder: Path
) -> None:
    sizes: list[int] = []
    embed = embedding.Embedding.embed_batch

    def counted(self: embedding.Embedding, reads: Sequence[embedding.Read]) -> embedding.Batch:
        sizes.append(len(reads))
        return embed(self, reads)

    monkeypatch.setattr(embedding.Embedding, "embed_batch", counted)
    largest = max(path.stat().st_size for path in folder.iterdir())
    monkeypatch.setattr(embedding, "BATCH_BYTES", 3 * largest)
    result = _run(index, encoder, folder, Limits(batch_size=50, on_the_way=6 * largest))
    assert result.added == 100
    assert max(sizes) <= 4


def test_copies_in_one_run_are_embedded_once(
    index: LocalIndex, encoder: Thumbnails, folder: Path
) -> None:
    for path in sorted(folder.iterdir())[:40]:
        (folder / f"copy of {path.name}").write_bytes(path.read_bytes())
    result = _run(index, encoder, folder)
    assert (result.added, index.count()) == (140, 140)
    assert encoder.embedded == result.embedded == 100


def test_one_part_of_three_after_another(
    index: LocalIndex, encoder: Thumbnails, folder: Path
) -> None:
    added = [_run(index, encoder, folder, part=(part, 3)).added for part in (1, 2, 3)]
    assert sum(added) == index.count() == 100
    assert min(added) > 10
    assert _run(index, encoder, folder).unchanged == 100


def test_the_last_batches_are_small_so_that_all_workers_end_together(
    monkeypatch: pytest.MonkeyPatch,
    index: LocalIndex,
    encoder: Thumbnails,
    folder: Path,
    background: ThreadPoolExecutor,
) -> None:
    gate, read, sizes = Gate(), [], []
    encode, read_photo = encoder.encode, pipeline.read_photo

    def counted(*arguments: Any) -> Any:
        read.append(1)
        return read_photo(*arguments)

    def held(pixels: Pixels) -> Vectors:
        gate()
        sizes.append(len(pixels))
        return encode(pixels)

    monkeypatch.setattr(pipeline, "read_photo", counted)
    monkeypatch.setattr(encoder, "encode", held)
    for path in sorted(folder.iterdir())[60:]:
        path.unlink()
    limits = Limits(workers=2, batch_size=16)
    done = background.submit(_run, index, encoder, folder, limits)
    _until(lambda: len(read) == 60 and gate.waiting == 2)
    gate.open()
    assert done.result(PATIENCE).added == 60
    largest = sorted(sizes, reverse=True)
    assert largest[:3] == [16, 16, 16]
    assert largest[3:] == [4, 4, 4]  # of the twelve that neither worker had yet


class RefusingIndex:
    """Like `index`, but that it refuses the files of one name, as a server may."""

    def __init__(self, index: LocalIndex, refused: str) -> None:
        self._index, self._refused = index, refused

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def write(self, rows: Sequence[Row], delete: Sequence[str] = ()) -> list[Failure]:
        bad = [row for row in rows if row.record.relative_path == self._refused]
        failures = self._index.write([row for row in rows if row not in bad], delete)
        return failures + [Failure(row.record.id, "refused by the test") for row in bad]


@pytest.mark.parametrize("state", ["new", "touched"])
def test_what_the_index_refuses_is_counted_as_refused_alone(
    index: LocalIndex, encoder: Thumbnails, folder: Path, state: str
) -> None:
    bad = sorted(folder.iterdir())[3]
    if state == "touched":  # known by its bytes
        _run(index, encoder, folder)
        bad.touch()
    result = _run(RefusingIndex(index, bad.name), encoder, folder)
    assert [skip.reason.value for skip in result.skipped] == ["refused by the index"]
    assert result.added + result.updated + result.unchanged == 99
