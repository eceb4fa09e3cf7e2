"""Progress on stderr: on a terminal a bar, or one line that is written over; elsewhere plain lines
now and then."""

from __future__ import annotations

import contextlib
import logging
import shutil
import sys
import time
from collections.abc import Iterator
from typing import Any, ClassVar

from imgsearch.cli import error_handler, streams
from imgsearch.escaping import shown
from imgsearch.progress import Progress

PLAIN_EVERY = 10.0  # seconds
SETTING_UP = "Preparing the model (once): "


@contextlib.contextmanager
def photos_bar() -> Iterator[Progress]:
    with _bar(unit=" photos", scale=False) as progress:
        yield progress


@contextlib.contextmanager
def bytes_bar() -> Iterator[Progress]:
    with _bar(unit="B", scale=True) as progress:
        yield progress


@contextlib.contextmanager
def _bar(unit: str, scale: bool) -> Iterator[Progress]:
    heading = SETTING_UP if scale else ""
    told_apart = logging.getLogger("imgsearch").isEnabledFor(logging.DEBUG)  # -vv: a line a photo
    drawn = sys.stderr.isatty() and not told_apart
    bar = _Drawn(unit, scale, heading) if drawn else _PlainLines(scale, heading)
    try:
        yield bar
    except BaseException:
        bar.close()
        raise
    bar.finish()
    bar.close()


def say(message: str) -> None:
    """`error_handler.say`, while bars may be drawn."""
    _Drawn.step_aside()
    error_handler.say(message)


class _Drawn:
    """One bar at a time; a new `what` begins a new one. Steps of a set-up (`heading`) whose size is
    not known share one line, and a bar of theirs leaves none behind."""

    _all: ClassVar[list[_Drawn]] = []  # those that are open

    def __init__(self, unit: str, scale: bool, heading: str) -> None:
        self._unit, self._scale, self._heading = unit, scale, heading
        self._bar: Any = None
        self._what = ""
        self._width = 0  # columns of the line that stands there
        self._began = time.monotonic()
        self._all.append(self)

    def __call__(self, what: str, done: int, total: int) -> None:
        if what != self._what:
            self._end_bar()
            self._what = what
            if self._heading and not total:
                self._write(f"{self._heading}{what}")
        if self._heading and not total:
            return
        if self._bar is None:
            if not done and not self._heading:  # something else may have to be said first
                return
            self.step_aside()
            self._bar = self._begin(what, total or None)
        self._bar.total = total or None
        self._bar.update(done - self._bar.n)

    def _begin(self, what: str, total: int | None) -> Any:
        from tqdm import tqdm

        return tqdm(
            total=total,
            desc=shown(f"{self._heading}{what}"),
            unit=self._unit,
            unit_scale=self._scale,
            file=streams.bar_file(),
            dynamic_ncols=True,
            smoothing=0.1,
            leave=not self._heading,
        )

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.refresh()
            self._bar.close()
            self._bar = None

    def _write(self, text: str) -> None:
        """Over the line that stands there."""
        self.step_aside()
        text, room = shown(text), shutil.get_terminal_size().columns - 1
        if len(text) > room:
            text = f"{text[: room - 1]}…"
        file = streams.bar_file() or sys.stderr
        file.write("\r" + text.ljust(self._width))
        file.flush()
        self._width = len(text)

    @classmethod
    def step_aside(cls) -> None:
        """So that something else can be written. A bar is drawn again at its next step."""
        for each in cls._all:
            if each._bar is not None:
                each._bar.clear()

    def finish(self) -> None:
        self._end_bar()
        if self._heading and self._what:
            self._write(f"{self._heading}done in {time.monotonic() - self._began:.0f} s")

    def close(self) -> None:
        self._end_bar()
        if self._width:
            file = streams.bar_file() or sys.stderr
            file.write("\n")
            file.flush()
            self._width = 0
        if self in self._all:
            self._all.remove(self)


class _PlainLines:
    """A line now and then; the last one says where it ended."""

    def __init__(self, scale: bool, heading: str) -> None:
        self._scale, self._heading = scale, heading
        self._what = ""
        self._latest = self._written = ""
        self._next = time.monotonic() + PLAIN_EVERY

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        of = f" of {self._amount(total)}" if total else ""
        amount = f": {self._amount(done)}{of}" if done else ""
        new = what != self._what
        if new and self._written:
            self.finish()
        self._latest = f"{self._heading}{what}{amount}"
        # a step of a set-up is worth a line at once
        if (now >= self._next and done) or (new and self._heading):
            self._what, self._next = what, now + PLAIN_EVERY
            self._write()

    def _write(self) -> None:
        self._written = self._latest
        sys.stderr.write(f"{self._latest}\n")
        sys.stderr.flush()

    def _amount(self, number: int) -> str:
        from imgsearch.output.console import size

        return size(number) if self._scale else f"{number:,}"

    def finish(self) -> None:
        if self._written and self._written != self._latest:
            self._write()
        self._written = ""

    def close(self) -> None:
        pass
