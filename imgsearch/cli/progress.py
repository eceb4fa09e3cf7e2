"""Progress on stderr: a tqdm bar on a terminal, plain lines now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any

from imgsearch.cli import streams
from imgsearch.cli.error_handler import say
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
    bar = (_TqdmBar if sys.stderr.isatty() else _PlainLines)(
        unit, scale, SETTING_UP if scale else ""
    )
    try:
        yield bar
    finally:
        bar.close()


class _TqdmBar:
    """One bar at a time; a new `what` begins a new one. A step whose size is not known has no bar:
    where there is a `heading`, its line is all that is shown."""

    def __init__(self, unit: str, scale: bool, heading: str) -> None:
        self._unit = unit
        self._scale = scale
        self._heading = heading
        self._bar: Any = None
        self._what = ""

    def __call__(self, what: str, done: int, total: int) -> None:
        if what != self._what:
            self.close()
            self._what = what
            self._bar = None
            if self._heading and not total:
                say(f"{self._heading}{what}")
        if self._bar is None:
            if self._heading and not total:
                return
            self._bar = self._begin(what)
        self._bar.total = total or None
        self._bar.update(done - self._bar.n)

    def _begin(self, what: str) -> Any:
        from tqdm import tqdm

        return tqdm(
            desc=shown(f"{self._heading}{what}"),
            unit=self._unit,
            unit_scale=self._scale,
            file=streams.bar_file(),
            dynamic_ncols=True,
            smoothing=0.1,
        )

    def close(self) -> None:
        if self._bar is not None:
            self._bar.refresh()
            self._bar.close()


class _PlainLines:
    def __init__(self, unit: str, scale: bool, heading: str) -> None:
        self._unit = unit
        self._scale = scale
        self._heading = heading
        self._what = ""
        self._next = time.monotonic() + PLAIN_EVERY

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        new = what != self._what and self._scale  # a step of a set-up is worth a line at once
        if not new and now < self._next:
            return
        self._what, self._next = what, now + PLAIN_EVERY
        of = f" of {self._amount(total)}" if total else ""
        amount = f": {self._amount(done)}{of}" if done else ""
        sys.stderr.write(f"{self._heading}{what}{amount}\n")
        sys.stderr.flush()

    def _amount(self, number: int) -> str:
        from imgsearch.output.console import size

        return size(number) if self._scale else f"{number:,}"

    def close(self) -> None:
        pass
