"""A library that grows to 100,000 photos: what an ingest takes when nothing has changed, and
whether memory and time of a photo stay what they were at 1,000.

Memory is the peak of the command's process, as the system counted it. The 100,000 are small JPEGs;
the model, of full size, looks at the first 1,000 and the rest get vectors that are drawn
(`stand_in`), which leaves all other work as it is. Photos of 12 megapixels are measured by
themselves, and so are 5,000 that the model sees all."""

from __future__ import annotations

import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tests.benchmarks import photos
from tests.benchmarks.full_size import Installed
from tests.benchmarks.processes import Failed
from tests.benchmarks.stand_in import Clocks
from tests.benchmarks.table import Bench, Goal, Row, in_turns
from tests.command import SCRIPT

ROOT = Path(__file__).parents[2]
FEW, SOME, MANY = 1_000, 5_000, 100_000  # photos
FOLDER = 1_000  # photos in each
MB = 1e6

NOTHING_CHANGED = Goal("nothing changed, 100,000 files, whole command", 50_000, True, "files/s")
BESIDE_SCANNING = Goal("nothing changed, beside a bare os.scandir + stat", 0.5, True)
MEMORY = Goal("peak memory of ingest, 12 MP JPEG and HEIC", 1_000, False, "MB")
TRIAL_MEMORY = Goal("peak memory of ingest with a trial of int8", 1_000, False, "MB")
FLAT_MEMORY = Goal("peak memory of ingest: 100,000 photos beside 1,000", 1.1, False)
FLAT_COST = Goal("cost per photo: 100,000 beside 1,000", 1.1, False)
FLAT_REAL_COST = Goal("cost per photo: 5,000 beside 1,000, all embedded", 1.1, False)


def measured(bench: Bench) -> Iterator[Row]:
    upkeep = Upkeep(bench)
    yield from upkeep.growing()
    yield from upkeep.nothing_changed()
    yield upkeep.large_photos()
    yield upkeep.trial()


@dataclass(frozen=True)
class Run:
    """One command: seconds from start to end, peak memory in bytes, its clocks if it had some."""

    seconds: float
    peak: int
    clocks: Clocks | None = None

    @property
    def each(self) -> float:
        """Seconds from the first photo to the end of the command."""
        assert self.clocks is not None
        return self.clocks.end - self.clocks.first

    @property
    def drawn(self) -> float:
        """Seconds from the last photo that the model saw to the end of the command."""
        assert self.clocks is not None
        return self.clocks.end - self.clocks.real


class Upkeep:
    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._installed = Installed(bench)
        self._folder = bench.folder("upkeep")
        self._photos = small_photos(self._folder / "photos", bench)
        self._library = self._folder / "index-many"

    # -- from 1,000 to 100,000

    def growing(self) -> Iterator[Row]:
        """The three that are compared lie side by side, so that each ratio is of one moment."""
        seen, drawn, many = [], [], []
        for turn in range(self._bench.repeats):
            self._bench.say(f"growing to {MANY:,} photos, {turn + 1} of {self._bench.repeats}")
            seen.append(self._ingest(self._some(FEW), FEW))
            drawn.append(self._ingest(self._some(FEW), 0))
            many.append(self._ingest([self._photos], FEW, self._library))
        self._bench.say(f"{SOME:,} photos that the model sees all")
        some = self._ingest(self._some(SOME), SOME)

        cost = [run.each / FEW for run in seen]
        rest = [run.each / FEW for run in drawn]
        rest_of_many = [run.drawn / (MANY - FEW) for run in many]
        yield Row(
            FLAT_COST,
            tuple(
                (whole + more - less) / whole
                for whole, less, more in zip(cost, rest, rest_of_many, strict=True)
            ),
            f"without start and loading: {_ms(cost)} a photo at {FEW:,}; of it all but preparing"
            f" and embedding {_ms(rest)}, at {MANY:,} {_ms(rest_of_many)} (the model sees"
            f" {FEW:,} of these, the others get drawn vectors)",
        )
        yield Row(
            FLAT_REAL_COST,
            tuple(some.each / SOME / each for each in cost),
            f"{_ms([some.each / SOME])} a photo, without start and loading; {SOME:,} ingested once",
        )
        yield Row(
            FLAT_MEMORY,
            tuple(more.peak / less.peak for more, less in zip(many, seen, strict=True)),
            f"{_mb(seen)} at {FEW:,}, {_mb([some])} at {SOME:,}, all embedded; {_mb(many)} at"
            f" {MANY:,}, of which the model, in memory, sees {FEW:,}",
        )

    def _some(self, count: int) -> list[Path]:
        return sorted(self._photos.iterdir())[: count // FOLDER]

    def _ingest(self, folders: Sequence[Path], real: int, index: Path | None = None) -> Run:
        """Into a new index; kept where it has a name."""
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            if index is not None:
                shutil.rmtree(index, ignore_errors=True)
            clocks = Path(scratch) / "clocks.json"
            program = [sys.executable, "-m", "tests.benchmarks.stand_in", str(clocks), str(real)]
            where = index or Path(scratch) / "index"
            run = self._run([*program, "--index", where, "ingest", "--json", *folders])
            return Run(run.seconds, run.peak, Clocks(**json.loads(clocks.read_text("utf-8"))))

    def _run(self, command: Sequence[str | Path]) -> Run:
        return measured_process(command, self._installed.environment)

    # -- nothing changed

    def nothing_changed(self) -> Iterator[Row]:
        one = self._folder / "one photo"
        if not one.is_dir():
            one.mkdir()
            shutil.copy(self._photos / "000" / "IMG_000000.jpg", one)
        index_of_one = self._folder / "index-one"
        shutil.rmtree(index_of_one, ignore_errors=True)
        for photos_folder, index in ((one, index_of_one), (self._photos, self._library)):
            self._again(photos_folder, index)
        whole, start, scan = in_turns(
            [
                lambda: self._again(self._photos, self._library),
                lambda: self._again(one, index_of_one),
                lambda: scanned(self._photos),
            ],
            max(5, self._bench.repeats),
        )
        rates = tuple(MANY / seconds for seconds in whole)
        with_start = [bare / ours for bare, ours in zip(scan, whole, strict=True)]
        yield Row(
            NOTHING_CHANGED,
            rates,
            f"{_seconds(whole)} from start to end of the process; for one photo {_seconds(start)}",
        )
        yield Row(
            BESIDE_SCANNING,
            tuple(bare / (ours - one) for bare, ours, one in zip(scan, whole, start, strict=True)),
            f"{_seconds(scan)} bare, without starting Python; ours without starting the program,"
            f" with it {statistics.median(with_start):.2f} x",
        )

    def _again(self, folder: Path, index: Path) -> float:
        return self._run([SCRIPT, "--index", index, "ingest", "--json", folder]).seconds

    # -- photos as cameras make them

    def large_photos(self) -> Row:
        kinds = ("12 MP JPEG", "12 MP HEIC")
        parent = self._bench.folder("photos")
        folders = [photos.folder(parent, kind, self._bench.say) for kind in kinds]
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            index = Path(scratch) / "index"
            run = self._run([SCRIPT, "--index", index, "ingest", "--json", *folders])
        counts = " and ".join(
            f"{len(list(f.iterdir()))} {k}" for f, k in zip(folders, kinds, strict=True)
        )
        return Row(MEMORY, (run.peak / MB,), f"{counts}, every setting at its default")

    def trial(self) -> Row:
        """The first photos are small, so that the trial takes place beside the large ones."""
        parent, tower = self._bench.folder("photos"), self._installed.towers().image.folder
        folders = [photos.folder(parent, kind, self._bench.say) for kind in reversed(photos.KINDS)]
        folders.sort(key=lambda folder: "12" in folder.name)
        for kept in tower.glob("int8-*.npz"):
            kept.unlink()
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            program = [sys.executable, "-c", _TRIAL, "--index", Path(scratch) / "index"]
            run = self._run([*program, "ingest", "--json", *folders])
        assert list(tower.glob("int8-*.npz")), "the trial did not come to its end"
        return Row(TRIAL_MEMORY, (run.peak / MB,), "with 256 photos of 1 MP, beside 12 MP")


def small_photos(folder: Path, bench: Bench) -> Path:
    """100,000 JPEGs of 64 x 48 pixels and about 1 KB, each another one, in folders of 1,000."""
    if folder.is_dir():
        return folder
    bench.say(f"making {MANY:,} small photos")
    building = folder.with_suffix(".building")
    shutil.rmtree(building, ignore_errors=True)
    chance = np.random.default_rng(1)
    for number in range(MANY):
        place = building / f"{number // FOLDER:03}"
        place.mkdir(parents=True, exist_ok=True)
        colours = Image.fromarray(chance.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        data = io.BytesIO()
        colours.resize((64, 48), Image.Resampling.BICUBIC).save(data, "JPEG", quality=80)
        (place / f"IMG_{number:06}.jpg").write_bytes(data.getvalue())
    building.rename(folder)
    return folder


# Every photo counts for the trial, which is done at once: with so few photos it would not end
_TRIAL = """
from imgsearch.__main__ import run
from imgsearch.models import int8_trial

see = int8_trial.Trial.see

def see_to_the_end(trial, pixels):
    see(trial, pixels)
    while len(trial._kept) == int8_trial.PICTURES and not (trial.over or trial._busy.locked()):
        see(trial, pixels)

int8_trial.ONE_IN = 1
int8_trial.Trial.see = see_to_the_end
run()
"""

_SCAN = """
import os, sys, time
began = time.perf_counter()
folders, count = [sys.argv[1]], 0
while folders:
    with os.scandir(folders.pop()) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            else:
                entry.stat(follow_symlinks=False)
                count += 1
print(time.perf_counter() - began, count)
"""


def scanned(folder: Path) -> float:
    """Seconds of os.scandir and stat alone, by the clock of a process of their own."""
    command = [sys.executable, "-I", "-S", "-c", _SCAN, os.fspath(folder)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert int(said[1]) == MANY
    return float(said[0])


_MEASURE = """
import json, os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
seconds = time.perf_counter() - began
with open(sys.argv[1], "w") as file:
    json.dump([seconds, usage.ru_maxrss, os.waitstatus_to_exitcode(status)], file)
"""


def measured_process(command: Sequence[str | Path], environment: dict[str, str]) -> Run:
    """Started by a small process, because a peak begins at that of the process that starts it."""
    with tempfile.TemporaryDirectory() as scratch:
        result = Path(scratch) / "result.json"
        words = [os.fspath(word) for word in (result, *command)]
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _MEASURE, *words],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        seconds, peak, code = json.loads(result.read_text("utf-8"))
    if code:
        raise Failed(f"{words[1:6]} ended with {code}:\n{(done.stdout + done.stderr)[-3000:]}")
    return Run(seconds, peak * (1 if sys.platform == "darwin" else 1024))


def _ms(seconds: Sequence[float]) -> str:
    return f"{1000 * statistics.median(seconds):.2f} ms"


def _mb(runs: Sequence[Run]) -> str:
    return f"{statistics.median(run.peak for run in runs) / MB:,.0f} MB"


def _seconds(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.2f} s"
