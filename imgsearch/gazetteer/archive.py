"""The file that holds the gazetteer: small, and searched without reading it as a whole.

It is a header (JSON, compressed) and blocks, each compressed alone. A name is found by bisecting
the blocks' first names in the header and unpacking one block: about a millisecond."""

from __future__ import annotations

import bisect
import functools
import json
import lzma
import mmap
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

MAGIC = b"imgsearch places 1\n"
FILE = Path(__file__).with_name("places.bin")
BLOCK_CHARACTERS = 24_000  # larger blocks pack better and take longer to unpack
RECORDS_IN_A_BLOCK = 512
# thousandths of a degree; `country` counts in Archive.countries
BORDER_POINT = [("latitude", "<i4"), ("longitude", "<i4"), ("country", "u1")]
CITY_POINT = [*BORDER_POINT, ("place", "<i4")]  # its record's number
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "pb": 0}]


class Archive:
    """Names and place records in `path`, as `write` left them.

    Raises OSError when the file cannot be read, ValueError when it is another file."""

    def __init__(self, path: Path = FILE) -> None:
        with path.open("rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if self._bytes[: len(MAGIC)] != MAGIC:
            raise ValueError(f"{path} is not a gazetteer")
        start = len(MAGIC) + 4
        (length,) = struct.unpack_from("<I", self._bytes, len(MAGIC))
        header = json.loads(_unpacked(self._bytes[start : start + length]))
        self._first: list[str] = header["first"]
        self._sizes: dict[str, list[int]] = header["sizes"]
        self.countries: list[str] = header["countries"]
        self._starts: dict[str, list[int]] = {}
        at = start + length
        for part, sizes in self._sizes.items():
            self._starts[part] = []
            for size in sizes:
                self._starts[part].append(at)
                at += size
        self.lines = functools.lru_cache(maxsize=64)(self._lines)

    def block(self, part: str, number: int) -> bytes:
        """The bytes of block `number` of `part`."""
        start = self._starts[part][number]
        return _unpacked(self._bytes[start : start + self._sizes[part][number]])

    def _lines(self, part: str, number: int) -> list[str]:
        return self.block(part, number).decode("utf-8").split("\n")

    def all_lines(self, part: str) -> list[str]:
        """Every line of `part`, in order."""
        blocks = range(len(self._sizes[part]))
        return [line for number in blocks for line in self._lines(part, number)]

    def numbers(self, folded: str) -> list[int]:
        """The places that are called `folded` (a folded name), most people first."""
        block = bisect.bisect_right(self._first, folded) - 1
        if block < 0:
            return []
        lines = self.lines("names", block)
        at = bisect.bisect_left(lines, folded + "\t")
        if at == len(lines):
            return []
        name, _, places = lines[at].partition("\t")
        return [int(place) for place in places.split()] if name == folded else []

    def beginning(self, folded: str) -> Iterator[tuple[str, list[int]]]:
        """Names that begin with `folded`, and the numbers of the places that are called so."""
        first = max(bisect.bisect_right(self._first, folded) - 1, 0)
        for block in range(first, len(self._first)):
            lines = self.lines("names", block)
            for line in lines[bisect.bisect_left(lines, folded) :]:
                if not line.startswith(folded):
                    return
                name, _, places = line.partition("\t")
                yield name, [int(place) for place in places.split()]

    def record(self, number: int) -> list[str]:
        """The fields of place `number`."""
        block, line = divmod(number, RECORDS_IN_A_BLOCK)
        return self.lines("places", block)[line].split("\t")


def write(
    path: Path,
    names: dict[str, list[int]],
    places: Sequence[Sequence[object]],
    countries: list[str],
    cities: bytes,
    borders: bytes,
) -> None:
    """Write folded names with their places' numbers, the places' fields by number, the countries
    by number, and the points that are cities and borders (see `build.py`) to `path`."""
    lines = sorted(f"{name}\t{' '.join(map(str, found))}" for name, found in names.items())
    named = list(_blocks(lines))
    records = ["\t".join(map(str, place)) for place in places]
    parts = {
        "names": [_packed("\n".join(block).encode()) for block in named],
        "places": [
            _packed("\n".join(records[start : start + RECORDS_IN_A_BLOCK]).encode())
            for start in range(0, len(records), RECORDS_IN_A_BLOCK)
        ],
        "cities": [_packed(cities)],
        "borders": [_packed(borders)],
    }
    header = {
        "first": [block[0].partition("\t")[0] for block in named],
        "sizes": {part: [len(block) for block in blocks] for part, blocks in parts.items()},
        "countries": countries,
    }
    packed = _packed(json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode())
    with path.open("wb") as file:
        file.write(MAGIC + struct.pack("<I", len(packed)) + packed)
        for blocks in parts.values():
            file.writelines(blocks)


def _blocks(lines: Iterable[str]) -> Iterable[list[str]]:
    block: list[str] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line)
        if size >= BLOCK_CHARACTERS:
            yield block
            block, size = [], 0
    if block:
        yield block


def _packed(content: bytes) -> bytes:
    return lzma.compress(content, format=lzma.FORMAT_RAW, filters=FILTERS)


def _unpacked(packed: bytes) -> bytes:
    return lzma.decompress(packed, format=lzma.FORMAT_RAW, filters=FILTERS)
