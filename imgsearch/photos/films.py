"""Films as key frames and facts. A film is opened by a process of its own
(`imgsearch.photos.film_reader`), which ends with it: a crash or an endless loop of a decoder ends
no ingest. Whatever goes wrong leaves as Undecodable, with a reason for people."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, NamedTuple

from PIL import Image

import imgsearch
from imgsearch import installation, photos
from imgsearch.photos import SkipReason, film_facts, film_formats, limits
from imgsearch.photos.formats import HEAD_BYTES, Undecodable, ends_early
from imgsearch.photos.metadata import Metadata

MOST = 60  # frames of a film
NO_LOOK = "00" * 32  # a perceptual hash of no content: one frame tells no copy of a film
_SMALLEST = 360  # pixels of a frame's shorter side at least, so that thumbnails are made of it
_MOST_SIDE = 4096  # pixels of its longer side
_STUCK = 180.0  # seconds without a sign of life, on a machine that may be busy
_MOST_LINE = 4 << 20  # bytes of a message
_READER = "imgsearch.photos.film_reader"


class Frame(NamedTuple):
    """`place`: milliseconds from the film's start. `image`: RGB, upright."""

    place: int
    image: Image.Image


class Film(NamedTuple):
    """`frames`: in the order of time, one at least. `seconds`: 0 where it is not known."""

    metadata: Metadata
    seconds: float
    frames: list[Frame]


def install_command() -> str:
    """The shell command that adds what reads films."""
    return installation.extra_command("video")


@functools.lru_cache(maxsize=1)
def can_be_read() -> bool:
    """Whether the extra that reads films is installed."""
    return find_spec("av") is not None


def read(path: str, *, side: int, max_megapixels: float, most: int = MOST) -> Film:
    """The key frames that show something and differ from each other, `most` at most (where that is
    1, the first of them); of a film without any, its first. `side`: pixels of a frame's shorter
    side, where the film has so many; of several frames, `_SMALLEST` at least.

    Raises Undecodable."""
    side = side if most == 1 else max(side, _SMALLEST)
    return _read(path, {"side": side, "most": most}, max_megapixels)


def at(path: str, place: int, *, side: int, max_megapixels: float) -> Image.Image:
    """The key frame at a moment, or the last one before it. `place`: milliseconds. Raises
    Undecodable."""
    return _read(path, {"side": side, "most": 1, "at": place}, max_megapixels).frames[0].image


def _read(path: str, wanted: dict[str, Any], max_megapixels: float) -> Film:
    if not can_be_read():
        raise Undecodable(SkipReason.NOT_INSTALLED, f"film: {install_command()}")
    try:
        with open(path, "rb") as film:
            format = film_formats.format_of(film.read(HEAD_BYTES), path)
            film.seek(0)
            if format is None:
                raise Undecodable(SkipReason.NOT_A_PICTURE, "by its content")
            most = {"most_side": _MOST_SIDE, "most_pixels": round(max_megapixels * 1e6)}
            try:
                with _messages(film, {"format": format, **wanted, **most}) as messages:
                    return _film_of(messages, format, wanted["most"], max_megapixels)
            except Undecodable as error:
                if error.reason is SkipReason.DAMAGED and ends_early(film):
                    raise Undecodable(SkipReason.TRUNCATED, "it ends too early") from None
                raise
    except OSError as error:
        skip = photos.unreadable(path, error)
        raise Undecodable(skip.reason, skip.detail) from None


Messages = Iterator[tuple[dict[str, Any], bytes]]


def _film_of(messages: Messages, format: str, most: int, max_megapixels: float) -> Film:
    metadata, seconds, frames = None, 0.0, list[Frame]()
    for message, pixels in messages:
        if "too_large" in message:
            width, height = message["too_large"]
            limits.check_size(int(width), int(height), max_megapixels)
        elif "reason" in message:
            raise Undecodable(SkipReason[message["reason"]], str(message["detail"]))
        elif "facts" in message:
            facts = message["facts"]
            width, height, seconds = int(facts["width"]), int(facts["height"]), facts["seconds"]
            metadata = film_facts.read(facts["said"], format=format, width=width, height=height)
        elif "place" in message and len(frames) < most:
            size = message["width"], message["height"]
            frames.append(Frame(int(message["place"]), Image.frombytes("RGB", size, pixels)))
    if metadata is None or not frames:
        raise Undecodable(SkipReason.DAMAGED, "none of its frames can be decoded")
    return Film(metadata, float(seconds), frames)


@contextmanager
def _messages(film: IO[bytes], wanted: dict[str, Any]) -> Iterator[Messages]:
    """What the reader of an open film says, until it has ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", _READER, json.dumps(wanted)],
        stdin=film,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(imgsearch.__file__).parents[1],  # Python looks for modules in it first
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    watch = _Watch(process)
    try:
        with watch:
            yield _received(process, watch)
    finally:
        process.kill()
        if process.stdout is not None:
            process.stdout.close()
        process.wait()


def _received(process: subprocess.Popen[bytes], watch: _Watch) -> Messages:
    out = process.stdout
    assert out is not None
    while True:
        line = out.readline(_MOST_LINE)
        watch.alive()
        try:
            message = json.loads(line)
            if message.get("end"):
                return
            count = int(message.get("bytes", 0))
            if count > 3 * _MOST_SIDE**2 or (count and count != _size(message)):
                raise ValueError
            pixels = out.read(count)
            if len(pixels) < count:
                raise ValueError
        except (ValueError, TypeError, LookupError, AttributeError):
            raise Undecodable(SkipReason.DAMAGED, watch.said()) from None
        yield message, pixels


def _size(message: dict[str, Any]) -> int:
    return 3 * int(message["width"]) * int(message["height"])


class _Watch:
    """Ends a process that has given no sign of life for `_STUCK` seconds."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._heard, self._over, self._was_stuck = threading.Event(), False, False
        self._thread = threading.Thread(target=self._run, daemon=True, name="imgsearch-film")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._heard.set()
        self._thread.join()

    def alive(self) -> None:
        self._heard.set()

    def said(self) -> str:
        """Why the process has ended too early."""
        if self._was_stuck:
            return f"its decoder was stuck for {_STUCK:.0f} s"
        return "its decoder crashed"

    def _run(self) -> None:
        while not self._over:
            if not self._heard.wait(_STUCK):
                self._was_stuck = True
                self._process.kill()
                return
            self._heard.clear()
