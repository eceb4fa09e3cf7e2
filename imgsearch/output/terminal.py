"""What the terminal can show besides text, as it says itself when it is asked."""

from __future__ import annotations

import contextlib
import os
import re
import select
import sys
import time
from collections.abc import Iterator
from typing import Literal, NamedTuple

from imgsearch.dataclass import dataclass

Protocol = Literal["kitty", "iterm2", "sixel"]


class Cell(NamedTuple):
    """Pixels of one character's place."""

    width: int
    height: int


USUAL_CELL = Cell(10, 20)  # of the VT340, which terminals that say nothing imitate


@dataclass(frozen=True, slots=True)
class Terminal:
    """What a terminal can draw. `protocol`: how it takes pictures; None where it takes none."""

    protocol: Protocol | None
    cell: Cell


PLAIN = Terminal(None, USUAL_CELL)
# A terminal that answers, answers within milliseconds, one at the other end of a connection within
# some hundred. One that does not must not be waited for longer than a person notices.
_FIRST_BYTE, _FIRST_BYTE_BY_SSH, _ALL = 0.25, 1.0, 1.0  # seconds; _ALL: from then on
# who it is (XTVERSION), the size of its cells, and, last, since every terminal answers that and in
# turn: what it can do (DA1)
_WHO = b"\x1b[>q\x1b[16t\x1b[c"
_IS_KITTY = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c"
_ABILITIES = re.compile(rb"\x1b\[\?([\d;]*)c")
_CELL = re.compile(rb"\x1b\[6;(\d{1,3});(\d{1,3})t")
_NAME = re.compile(rb"\x1bP>\|([^\x1b]*)\x1b\\")
_KITTY_OK = b"\x1b_Gi=31;OK\x1b\\"
_SIXEL = b"4"
# these print what they do not know
_ASKED_NOTHING = {"Apple_Terminal"}
_ASKED_NOTHING_TERMS = {"", "dumb", "unknown", "linux"}


def asked() -> Terminal:
    """What stdout's terminal says. PLAIN where stdout or stdin is none, where this program runs in
    the background, where something was typed that is not read yet, and where no answer comes. No
    answer stays behind for the shell to read."""
    if not _may_be_asked():
        return PLAIN
    sys.stdout.flush()
    with _quiet() as descriptor:
        if _is_readable(descriptor, 0):  # the beginning of a line that was typed ahead
            return PLAIN
        said = _answer(descriptor, _WHO)
        abilities = _ABILITIES.search(said)
        if abilities is None:
            return PLAIN
        name = _NAME.search(said)
        is_iterm = name is not None and name[1].startswith(b"iTerm2")
        # \r\x1b[K: a terminal that prints what it does not know
        is_kitty = not is_iterm and _KITTY_OK in _answer(descriptor, _IS_KITTY + b"\r\x1b[K")
    protocol: Protocol | None = None
    if is_iterm:
        protocol = "iterm2"
    elif is_kitty:
        protocol = "kitty"
    elif _SIXEL in abilities[1].split(b";"):
        protocol = "sixel"
    return Terminal(protocol, _cell(said))


def _may_be_asked() -> bool:
    if sys.platform == "win32":
        return False
    if os.environ.get("TERM_PROGRAM") in _ASKED_NOTHING:
        return False
    if os.environ.get("TERM", "") in _ASKED_NOTHING_TERMS:
        return False
    try:
        ours, theirs = sys.stdin.fileno(), sys.stdout.fileno()
        if not (os.isatty(ours) and os.isatty(theirs) and os.ttyname(ours) == os.ttyname(theirs)):
            return False
        return not _is_readable(ours, 0) and _in_foreground(ours)
    except (OSError, ValueError, AttributeError):  # closed, or not there
        return False


def _is_readable(descriptor: int, seconds: float) -> bool:
    """Whether it is, or becomes so in time."""
    return bool(select.select([descriptor], [], [], seconds)[0])


def _in_foreground(descriptor: int) -> bool:
    """A background job that reads from its terminal is stopped."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:  # not the terminal of this session: it has no jobs
        return True


@contextlib.contextmanager
def _quiet() -> Iterator[int]:
    """stdin without echo and without lines."""
    import termios

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    changed = termios.tcgetattr(descriptor)
    changed[3] &= ~(termios.ECHO | termios.ICANON)
    changed[6][termios.VMIN], changed[6][termios.VTIME] = 1, 0
    termios.tcsetattr(descriptor, termios.TCSADRAIN, changed)
    try:
        yield descriptor
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _answer(descriptor: int, question: bytes) -> bytes:
    """What comes until the answer to DA1, with which every question here ends. Where that does not
    come, the rest is thrown away."""
    import termios

    is_far = any(os.environ.get(name) for name in ("SSH_CONNECTION", "SSH_TTY"))
    wait = _FIRST_BYTE_BY_SSH if is_far else _FIRST_BYTE
    os.write(sys.stdout.fileno(), question)
    said = b""
    began = time.monotonic()
    try:
        while not _ABILITIES.search(said):
            left = began + (wait + _ALL if said else wait) - time.monotonic()
            part = os.read(descriptor, 4096) if _is_readable(descriptor, max(left, 0)) else b""
            if not part:
                break
            said += part
    finally:  # after Ctrl-C too
        if not _ABILITIES.search(said):
            termios.tcflush(descriptor, termios.TCIFLUSH)
    return said


def _cell(said: bytes) -> Cell:
    found = _CELL.search(said)
    if found is not None and int(found[1]) and int(found[2]):
        return Cell(int(found[2]), int(found[1]))
    return _cell_by_system() or USUAL_CELL


def _cell_by_system() -> Cell | None:
    import fcntl
    import struct
    import termios

    try:
        answer = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, bytes(8))
    except OSError:
        return None
    rows, columns, width, height = struct.unpack("HHHH", answer)
    if not (rows and columns and width >= columns and height >= rows):
        return None
    return Cell(width // columns, height // rows)
