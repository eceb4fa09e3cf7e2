"""The page with 100,000 photos behind it, as a browser sees it: questions in words with all that is
counted beside them, thumbnails of 12 megapixels, and many visitors at once. Photos have invented
vectors, dates and places; 2,000 of them have files, which are links to few. Clock times count on
an idle machine alone, or ahead of all others: `chrt -r 10 python -m tests.benchmarks web`."""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from imgsearch.index.base import Record
from imgsearch.index.base import Row as IndexRow
from imgsearch.index.local.opening import open_local
from tests.benchmarks import photos
from tests.benchmarks.full_size import Installed
from tests.benchmarks.index_scale import Cloud
from tests.benchmarks.table import Bench, Goal, Row
from tests.command import SCRIPT
from tests.index_contract import record
from tests.web_server import Server, line_of

PHOTOS, REAL, SEEDS = 100_000, 2_000, 8
QUESTIONS, AT_ONCE, CONNECTIONS = 100, 50, 6  # a browser's connections to one host
_AT_A_TIME = 4000  # rows in a write
_PLACES = (("IT", "Florence"), ("FR", "Paris"), ("JP", "Tokyo"), ("DE", "Berlin"), ("US", "Boston"))
_CAMERAS = ("Canon EOS R5", "NIKON D750", "Apple iPhone 13 Pro", "Google Pixel 6")
_WORDS = ("red", "old", "car", "house", "beach", "snow", "dog", "night", "street", "boat", "child")


def measured(bench: Bench) -> Iterator[Row]:
    library = Library(bench)
    starts = [library.start_seconds() for _ in range(bench.repeats)]
    yield _row("page: start until the address is said", 1.0, "s", starts)
    with library.serving() as server:
        library.ask(server, 8)  # what is opened once
        taken = [library.ask(server, QUESTIONS) for _ in range(bench.repeats)]
        note = f"{QUESTIONS} questions in words, 60 photos and all counts, 100,000 photos"
        middles = [1000 * statistics.median(each) for each in taken]
        yield _row("page: text question, p50", 150, "ms", middles, note)
        late = [1000 * _quantile(each, 0.95) for each in taken]
        yield _row("page: text question, p95", 400, "ms", late, note)
        first, again = zip(*(library.thumbnails(server) for _ in range(bench.repeats)), strict=True)
        yield _row("page: 24 thumbnails of 12 MP JPEG, made", 0.8, "s", first)
        yield _row("page: 24 thumbnails, kept", 60, "ms", [1000 * each for each in again])
        at_once = [library.at_once(server) for _ in range(bench.repeats)]
        late = [_quantile(each, 0.95) for each in at_once]
        yield _row("page: 50 text questions at once, p95", 3, "s", late, "none was lost")


def _row(what: str, bound: float, unit: str, values: Sequence[float], note: str = "") -> Row:
    return Row(Goal(what, bound, at_least=False, unit=unit), tuple(values), note)


def _quantile(values: Sequence[float], share: float) -> float:
    return float(np.quantile(values, share))


class Library:
    """An index with its photos, and what is asked of its page."""

    def __init__(self, bench: Bench) -> None:
        self._installed = Installed(bench)
        self._index = bench.folder("indexes") / "web"
        self._album = bench.folder("web-album")
        self._asked = 0
        corpus = photos.folder(bench.folder("photos"), "12 MP JPEG", bench.say)
        if not self._is_complete():
            shutil.rmtree(self._index, ignore_errors=True)
            shutil.rmtree(self._album)
            self._fill(sorted(corpus.iterdir()), bench)
        self._thumbnails = Path(self._installed.environment["XDG_CACHE_HOME"]) / "imgsearch"

    def _is_complete(self) -> bool:
        """Whether an earlier run has made the whole index, by this version's schema."""
        if not (self._index / "CURRENT").exists():
            return False
        with contextlib.closing(open_local(self._index, create=False)) as index:
            return index.count() == PHOTOS

    def _fill(self, files: Sequence[Path], bench: Bench) -> None:
        for number in range(REAL):
            link = self._album / _path(number)
            link.parent.mkdir(parents=True, exist_ok=True)
            if number < SEEDS:  # these are ingested, so that the library is known here
                shutil.copy2(files[number], link)
        bench.say(f"writing {PHOTOS:,} rows")
        self._installed.ingest(self._album, self._index)
        for number in range(SEEDS, REAL):
            os.link(files[number % len(files)], self._album / _path(number))
        index = open_local(self._index, create=False)
        [library] = index.libraries()
        cloud = Cloud("pictures")
        with index.lock():
            for first in range(SEEDS, PHOTOS, _AT_A_TIME):
                numbers = range(first, min(PHOTOS, first + _AT_A_TIME))
                vectors = cloud.vectors(first, len(numbers))
                rows = [
                    IndexRow(_record(number, library), vector)
                    for number, vector in zip(numbers, vectors, strict=True)
                ]
                index.write(rows)
            index.finish()
        index.close()

    @contextlib.contextmanager
    def serving(self) -> Iterator[Server]:
        command = [SCRIPT, "serve", "--port", "0", "--index", self._index]
        process = subprocess.Popen(
            command,
            env=self._installed.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            yield Server(process, line_of(process, 600), patience=600)  # on a busy machine too
        finally:
            process.kill()
            process.communicate()

    def start_seconds(self) -> float:
        begun = time.perf_counter()
        with self.serving():
            return time.perf_counter() - begun

    def _address(self) -> str:
        """Words that were not asked for before, every third time beside a filter."""
        self._asked += 1
        number = self._asked
        words = "+".join(_WORDS[number // step % len(_WORDS)] for step in (1, 7, 49))
        where = f"&taken_from={2000 + number % 24}-01-01" if number % 3 == 0 else ""
        return f"/?q={words}+{number}{where}"

    def ask(self, server: Server, count: int) -> list[float]:
        return [self._timed(server, self._address()) for _ in range(count)]

    @staticmethod
    def _timed(server: Server, address: str) -> float:
        begun = time.perf_counter()
        answer = server.ask(address)
        seconds = time.perf_counter() - begun
        assert answer.status == 200, answer.text
        assert len(answer.photos) == 60
        return seconds

    def at_once(self, server: Server) -> list[float]:
        addresses = [self._address() for _ in range(AT_ONCE)]
        with ThreadPoolExecutor(AT_ONCE) as visitors:
            return list(visitors.map(lambda address: self._timed(server, address), addresses))

    def thumbnails(self, server: Server) -> tuple[float, float]:
        """Seconds of 24 that have to be made, and of the same again."""
        shutil.rmtree(self._thumbnails / "thumbnails", ignore_errors=True)
        found = server.ask("/api/v1/search?k=24&under=web-album%2Freal").json["hits"]
        assert len(found) == 24
        return self._all_of(server, found), self._all_of(server, found)

    @staticmethod
    def _all_of(server: Server, hits: Sequence[dict[str, str]]) -> float:
        begun = time.perf_counter()
        with ThreadPoolExecutor(CONNECTIONS) as browser:
            answers = list(browser.map(lambda hit: server.ask(f"/thumbnail/{hit['id']}"), hits))
        assert {answer.status for answer in answers} == {200}
        return time.perf_counter() - begun


def resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError("the page has ended")


def _path(number: int) -> str:
    folder = "real" if number < REAL else f"{number % 40:02}"
    return f"{folder}/IMG_{number:06}.jpg"


def _record(number: int, library: str) -> Record:
    country, city = _PLACES[number % len(_PLACES)]
    return record(
        _path(number),
        library,
        size=3_000_000 + number,
        taken=f"{2000 + number * 7 % 25}-{1 + number % 12:02}-{1 + number % 28:02}T12:30:00",
        taken_precision="second",
        camera=_CAMERAS[number % 4],
        country=country if number % 7 else None,
        city=city if number % 7 else None,
    )
