"""Pictures as what a terminal draws: bytes in one of its protocols, or text of half blocks."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from imgsearch.output.terminal import Cell, Protocol

if TYPE_CHECKING:
    from PIL.Image import Image

_KITTY_CHUNK = 4096  # bytes of base64 in one message
_HALF_BLOCK = "▀"


def opened(webp: bytes | None) -> Image | None:
    """A thumbnail's pixels, RGB; None where there is none, or a damaged one in the cache."""
    from PIL import Image

    if webp is None:
        return None
    try:
        image = Image.open(io.BytesIO(webp))
        return image.convert("RGB")
    except OSError:
        return None


def fitted(image: Image, width: int, height: int) -> Image:
    """The whole picture in at most so many pixels, never larger than it is."""
    small = image.copy()
    small.thumbnail((max(1, width), max(1, height)), reducing_gap=2.0)
    return small


def drawn(image: Image, protocol: Protocol, columns: int, rows: int, cell: Cell) -> bytes:
    """What draws it in the upper left of so many places from the cursor on. Where the cursor is
    afterwards differs by terminal."""
    height = rows * cell.height
    if protocol == "sixel":
        from imgsearch.output import sixel

        # a band that is begun takes six rows of pixels
        return sixel.encoded(fitted(image, columns * cell.width, height // 6 * 6))
    small = _on_whole_cells(fitted(image, columns * cell.width, height), cell)
    png = io.BytesIO()
    small.save(png, "PNG")
    places = small.width // cell.width, small.height // cell.height
    data = base64.b64encode(png.getvalue())
    if protocol == "kitty":
        return b"".join(_kitty(data, *places))
    size = b"size=%d;width=%d;height=%d" % (len(png.getvalue()), *places)
    return b"\x1b]1337;File=inline=1;%s;preserveAspectRatio=1:%s\x07" % (size, data)


def _on_whole_cells(image: Image, cell: Cell) -> Image:
    """With a transparent margin on the right and below, so that it fills whole cells: a terminal
    stretches it to these."""
    from PIL import Image as Pillow

    width = -(-image.width // cell.width) * cell.width
    height = -(-image.height // cell.height) * cell.height
    if (width, height) == image.size:
        return image
    whole = Pillow.new("RGBA", (width, height))
    whole.paste(image, (0, 0))
    return whole


def _kitty(data: bytes, columns: int, rows: int) -> Iterator[bytes]:
    """a=T: sent and shown at once; C=1: the cursor stays; q=2: no answer."""
    control = b"a=T,f=100,t=d,q=2,C=1,c=%d,r=%d," % (columns, rows)
    for start in range(0, len(data), _KITTY_CHUNK):
        more = start + _KITTY_CHUNK < len(data)
        part = data[start : start + _KITTY_CHUNK]
        yield b"\x1b_G%sm=%d;%s\x1b\\" % (control, more, part)
        control = b"q=2,"


def blocks(image: Image, columns: int, rows: int) -> tuple[list[str], int]:
    """Lines of half blocks, and how many columns they take. Each holds two pixels: the upper in the
    colour of the text, the lower in that of the ground."""
    small = fitted(image, columns, 2 * rows)
    if small.height % 2:
        small = small.resize((small.width, small.height + 1))
    row = 3 * small.width
    data = small.tobytes()
    pairs = [data[start : start + 2 * row] for start in range(0, len(data), 2 * row)]
    lines = [
        "".join(_pair(pair[x : x + 3], pair[row + x : row + x + 3]) for x in range(0, row, 3))
        for pair in pairs
    ]
    return [f"{line}\x1b[0m" for line in lines], small.width


def _pair(upper: bytes, lower: bytes) -> str:
    """The escape sequence for a half block of two pixels, three bytes each."""
    over, under = (";".join(map(str, colour)) for colour in (upper, lower))
    return f"\x1b[38;2;{over};48;2;{under}m{_HALF_BLOCK}"
