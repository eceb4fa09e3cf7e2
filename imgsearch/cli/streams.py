"""The three standard streams, made fit for any encoding, for closed ends and for strangers' texts,
before anything is written."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator

from imgsearch.escaping import shown_lines


class EscapingStream(io.TextIOWrapper):
    """stderr: whoever writes here (this program, Click, a library's warning), what a terminal could
    obey is written as text. A reader that has gone is no reason to stop."""

    def write(self, text: str) -> int:
        with _reader_may_have_gone(2):
            super().write(shown_lines(text))
        return len(text)

    def write_raw(self, text: str) -> None:
        """Write without escaping: progress bars move the cursor."""
        with _reader_may_have_gone(2):
            super().write(text)

    def flush(self) -> None:
        with _reader_may_have_gone(2):
            super().flush()


class RawWriter:
    """stderr for a progress bar: what it writes is not escaped."""

    def __init__(self, stream: EscapingStream) -> None:
        self._stream = stream
        self.encoding = stream.encoding

    def write(self, text: str) -> None:
        self._stream.write_raw(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()


def prepare() -> None:
    """Called once, before a command. A closed stream is one to nowhere; a character that the
    encoding lacks is written as an escape."""
    _open_closed()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    if isinstance(sys.stderr, io.TextIOWrapper) and not isinstance(sys.stderr, EscapingStream):
        encoding = sys.stderr.encoding
        sys.stderr = EscapingStream(
            sys.stderr.detach(), encoding, "backslashreplace", line_buffering=True
        )


def bar_file() -> RawWriter | None:
    """The stream that progress bars are drawn on; None for tqdm's default."""
    return RawWriter(sys.stderr) if isinstance(sys.stderr, EscapingStream) else None


def settle() -> None:
    """Before the process ends: what stdout cannot take (its reader has gone, the disk is full) is
    dropped, or Python would try once more and report that in its own words."""
    try:
        sys.stdout.flush()
    except OSError:
        _to_nowhere(1)


def _open_closed() -> None:
    """With `>&-` a file that is opened later would take the stream's number, and get its output."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            _to_nowhere(number)
        if getattr(sys, name) is None:
            stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
            setattr(sys, name, stream)


def _to_nowhere(number: int) -> None:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)


@contextlib.contextmanager
def _reader_may_have_gone(number: int) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        _to_nowhere(number)
