"""What a terminal makes of the bytes that a program writes: text on a screen, and pictures with
their places, decoded from Kitty's and iTerm2's protocols, from Sixel and from half blocks."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass

import numpy as np
import pyte
from PIL import Image

_SEQUENCES = re.compile(
    rb"\x1b_G(?P<kitty>[^\x1b]*)\x1b\\|\x1b\]1337;File=(?P<iterm>[^\x07]*)\x07"
    rb"|\x1bP(?P<sixel>[\d;]*q[^\x1b]*)\x1b\\|\x1b\[>q|\x1b\[16t"
)
_LINK = re.compile(rb"\x1b\]8;[^\x1b\x07]*(?:\x1b\\|\x07)")


@dataclass(frozen=True)
class Picture:
    """`column`, `row`: of its upper left, from 0, as the screen has been scrolled at the end.
    `places`: columns and rows that it takes, where the protocol says so."""

    column: int
    row: int
    image: Image.Image
    places: tuple[int, int] | None = None


@dataclass
class Screen:
    lines: list[str]  # without trailing blanks, from the first that was written
    pictures: list[Picture]


def screen(written: bytes, columns: int, lines: int = 400) -> Screen:
    shown = pyte.Screen(columns, lines)
    stream = pyte.ByteStream(shown)
    pictures: list[Picture] = []
    kitty = b""
    start = 0
    text = _LINK.sub(b"", written)
    for found in _SEQUENCES.finditer(text):
        stream.feed(text[start : found.start()])
        start = found.end()
        at = shown.cursor.x, shown.cursor.y
        if found["kitty"] is not None:
            control, _, data = found["kitty"].partition(b";")
            keys = dict(pair.split(b"=") for pair in control.split(b","))
            if keys.get(b"a") == b"q":
                continue
            if b"a" in keys:
                first, kitty = keys, b""
            kitty += data
            assert len(data) <= 4096
            if keys[b"m"] == b"0":
                assert (first[b"f"], first[b"C"], first[b"q"]) == (b"100", b"1", b"2")
                places = int(first[b"c"]), int(first[b"r"])
                pictures.append(Picture(*at, _opened(kitty), places))
        elif found["iterm"] is not None:
            control, _, data = found["iterm"].partition(b":")
            keys = dict(pair.split(b"=") for pair in control.split(b";"))
            assert keys[b"inline"] == b"1"
            assert int(keys[b"size"]) == len(base64.b64decode(data))
            places = int(keys[b"width"]), int(keys[b"height"])
            pictures.append(Picture(*at, _opened(data), places))
        elif found["sixel"] is not None:
            pictures.append(Picture(*at, sixel(found["sixel"])))
    stream.feed(text[start:])
    rows = [line.rstrip() for line in shown.display]
    while rows and not rows[-1]:
        rows.pop()
    return Screen(rows, pictures)


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


def sixel(data: bytes) -> Image.Image:
    """Draws it, as the VT340's manual says."""
    head = re.match(rb'[\d;]*q"1;1;(\d+);(\d+)', data)
    assert head is not None
    width, height = int(head[1]), int(head[2])
    canvas = np.zeros((-(-height // 6) * 6, width, 3), np.uint8)
    registers: dict[int, tuple[int, ...]] = {}
    x = y = colour = 0
    commands = re.finditer(
        rb"#(\d+)(?:;2;(\d+);(\d+);(\d+))?|!(\d+)(.)|([?-~])|([$-])", data[head.end() :]
    )
    for each in commands:
        if each[1]:
            colour = int(each[1])
            if each[2]:
                registers[colour] = tuple(round(int(each[n]) * 2.55) for n in (2, 3, 4))
        elif each[8]:
            x, y = 0, y + 6 * (each[8] == b"-")
        else:
            times, value = (int(each[5]), each[6]) if each[5] else (1, each[7])
            for bit in range(6):
                if (value[0] - 63) >> bit & 1:
                    canvas[y + bit, x : x + times] = registers[colour]
            x += times
            assert x <= width
    return Image.fromarray(canvas[:height])


_PAIR = re.compile(r"\x1b\[38;2;(\d+);(\d+);(\d+);48;2;(\d+);(\d+);(\d+)m▀")


def half_blocks(written: str) -> list[np.ndarray]:
    """The two rows of pixels of each line that has some, in its first picture: (2, width, 3)."""
    rows = []
    for line in written.splitlines():
        pairs = [tuple(map(int, pair)) for pair in _PAIR.findall(line.partition("\x1b[0m")[0])]
        if pairs:
            rows.append(np.array(pairs, np.uint8).reshape(-1, 2, 3).swapaxes(0, 1))
    return rows
