"""Photos into a new index: the installed command beside rclip, the tutorial's loop, and the bare
pipeline. Whole new processes are timed, from start to end, imports and model loading included.

The tutorial's loop runs over 40 photos, because it is slow, and its time is multiplied to as many
as the others have. The two halves of the bare pipeline, decode and forward alone at their best, are
timed without loading: they make the roofline in the note."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from tests.benchmarks import bare, photos, tutorial
from tests.benchmarks.full_size import Installed
from tests.benchmarks.rclip import Rclip
from tests.benchmarks.table import Bench, Goal, Row, in_turns


@dataclass(frozen=True)
class Bounds:
    """At least so many times as fast. None: no goal. The roofline: decoding and the forward pass
    one after the other, each at its best, without any start; a whole process cannot reach it."""

    rclip: float
    tutorial: float | None = None
    bare: float | None = None
    roofline: float | None = None


BOUNDS = {
    "12 MP JPEG": Bounds(3.5, 8, 0.95, 0.6),
    "1 MP JPEG": Bounds(2.5, 6, 0.95, 0.6),
    "1 MP PNG": Bounds(1.5),
    "12 MP HEIC": Bounds(1.5),
}

OTHERS = {
    "rclip": "rclip",
    "tutorial": "the tutorial's loop",
    "bare": "the bare pipeline",
    "roofline": "the roofline",
}

Rates = tuple[float, ...]  # photos a second, one for each repetition


def measured(bench: Bench) -> Iterator[Row]:
    installed, rclip = Installed(bench), Rclip(bench)
    corpora = {name: photos.folder(bench.folder("photos"), name, bench.say) for name in BOUNDS}
    with tutorial.server() as server:
        for name, bounds in BOUNDS.items():
            yield from Side(bench, installed, rclip, server, name, corpora[name]).rows(bounds)


class Side:
    """All ways side by side over one folder of photos."""

    def __init__(
        self,
        bench: Bench,
        installed: Installed,
        rclip: Rclip,
        server: tutorial.Server,
        name: str,
        folder: Path,
    ) -> None:
        self._bench, self._installed, self._rclip, self._server = bench, installed, rclip, server
        self._name, self._folder = name, folder
        self._count = len(list(folder.iterdir()))
        self._tower = installed.towers().image.folder
        self._stages: list[dict[str, float]] = []

    def rows(self, bounds: Bounds) -> Iterator[Row]:
        ways: dict[str, Callable[[], float]] = {"imgsearch": self._ingest, "rclip": self._by_rclip}
        if bounds.tutorial:
            ways["tutorial"] = self._by_tutorial
        if bounds.bare:
            ways["bare"] = self._barely("both")
            ways |= {half: self._half(half) for half in ("decode", "forward")}
        self._warm_up()
        taken = in_turns(list(ways.values()), self._bench.repeats)
        rates = dict(zip(ways, taken, strict=True))
        for name, values in rates.items():
            self._bench.say(f"{self._name}, {name}: {_spread(values)} photos/s")
        yield self._row(
            "rclip", bounds.rclip, rates, f"rclip {self._rclip.version}{self._ffmpeg()}"
        )
        if bounds.tutorial:
            yield self._row("tutorial", bounds.tutorial, rates, self._tutorial_note())
        if bounds.bare:
            yield self._row("bare", bounds.bare, rates, self._bare_note(rates))
        if bounds.roofline:
            halves = zip(rates["decode"], rates["forward"], strict=True)
            rates["roofline"] = tuple(1 / (1 / decode + 1 / forward) for decode, forward in halves)
            yield self._row(
                "roofline", bounds.roofline, rates, "loading and start included in ours"
            )

    def _row(self, other: str, bound: float, rates: dict[str, Rates], note: str) -> Row:
        goal = Goal(
            f"ingest, {self._name}: imgsearch / {OTHERS[other]}",
            bound,
            at_least=True,
            peer=other in ("rclip", "tutorial"),
        )
        ratios = tuple(a / b for a, b in zip(rates["imgsearch"], rates[other], strict=True))
        ours, theirs = statistics.median(rates["imgsearch"]), statistics.median(rates[other])
        return Row(goal, ratios, f"{ours:.1f} / {theirs:.1f} photos/s; {note}")

    def _warm_up(self) -> None:
        """The files into the page cache, and each program's own too."""
        for path in self._folder.iterdir():
            path.read_bytes()
        self._ingest()
        self._stages.clear()

    def _ingest(self) -> float:
        index = self._bench.folder("indexes") / "ingest"
        shutil.rmtree(index, ignore_errors=True)
        seconds, stages, added = self._installed.ingest(self._folder, index)
        assert added == self._count, f"{added} of {self._count} photos are in the index"
        self._stages.append(stages)
        return self._count / seconds

    def _by_rclip(self) -> float:
        return self._count / self._rclip.ingest(self._folder)

    def _by_tutorial(self) -> float:
        return tutorial.rate(self._folder, self._installed.image_model, self._server)

    def _barely(self, what: str) -> Callable[[], float]:
        return lambda: self._count / bare.run(what, self._folder, self._tower)[0]

    def _half(self, what: str) -> Callable[[], float]:
        """At its best: without imports and loading."""
        return lambda: bare.run(what, self._folder, self._tower)[1]

    def _tutorial_note(self) -> str:
        sent = "sent to a real server" if self._server.running else "not sent"
        why = f" ({self._server.reason})" if self._server.reason else ""
        return f"whole programs, its loop measured on {tutorial.PHOTOS} photos, {sent}{why}"

    def _ffmpeg(self) -> str:
        """What decodes HEIC besides libheif, which rclip uses."""
        has_it = "HEIC" in self._name and find_spec("av") is not None
        return "; ours with FFmpeg (extra: video)" if has_it else ""

    def _bare_note(self, rates: dict[str, Rates]) -> str:
        decode, forward = (statistics.median(rates[half]) for half in ("decode", "forward"))
        spent = {
            stage: 1000 * statistics.median(each[stage] for each in self._stages) / self._count
            for stage in self._stages[0]
        }
        shown = ", ".join(f"{stage} {value:.1f}" for stage, value in spent.items())
        return (
            f"whole processes, loading included; without it decode alone {decode:.0f}, forward"
            f" alone {forward:.0f}; ms of work a photo: {shown}"
        )


def _spread(values: Rates) -> str:
    return f"{min(values):.1f} … {statistics.median(values):.1f} … {max(values):.1f}"
