"""What a HEIF file says of its picture, where that is of the usual kind: HEVC, as one or in equal
tiles, as phones write it. Everything else is left to libheif: nothing is guessed here, and what is
not known is not read."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import IO, NamedTuple

from PIL import Image

from imgsearch.dataclass import dataclass

_MOST_BOXES = 100  # of a file; usual are four
_MOST_BYTES = 1 << 18  # of `meta`; 800 tiles with their profile take 50,000
_LEAST_TILE = 64  # pixels of a side, as the standard (MIAF) has it
_UNDERSTOOD = {b"hvcC", b"ispe", b"colr", b"pixi", b"pasp", b"irot", b"imir"}
_TURNS = {
    1: Image.Transpose.ROTATE_90,
    2: Image.Transpose.ROTATE_180,
    3: Image.Transpose.ROTATE_270,
}
_MIRRORS = {0: Image.Transpose.FLIP_TOP_BOTTOM, 1: Image.Transpose.FLIP_LEFT_RIGHT}  # as libheif


class Range(NamedTuple):
    """Bytes of a file."""

    start: int
    length: int


class Colours(NamedTuple):
    """How samples become RGB. `matrix`: as H.273 numbers them."""

    matrix: int
    is_full_range: bool


Size = tuple[int, int]  # width and height, pixels


@dataclass(frozen=True, slots=True)
class Picture:
    """`configuration`: `hvcC`. `tiles`: their bytes, line by line. `size`: of the whole picture
    before it is turned. `colours`: None where only the decoder can know."""

    configuration: bytes
    tiles: tuple[Range, ...]
    columns: int
    tile_size: Size
    size: Size
    colours: Colours | None
    turns: tuple[Image.Transpose, ...]

    @property
    def upright_size(self) -> Size:
        width, height = self.size
        sideways = {Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270}
        return (height, width) if sideways & set(self.turns) else (width, height)


class _UnusualError(ValueError):
    """The file is broken, or of a kind that is not read here."""


class _Properties(NamedTuple):
    """Of an item. `configuration`: empty where it has none, as a grid."""

    size: Size
    configuration: bytes
    colours: Colours | None
    turns: tuple[Image.Transpose, ...]


def primary(file: IO[bytes]) -> Picture | None:
    """The picture that the file is shown as. None: it is of another kind, or broken."""
    try:
        return _Items(file).picture()
    except (_UnusualError, struct.error, LookupError):
        return None


class _Items:
    """The items of an open file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._file_size = file.seek(0, io.SEEK_END)
        place = self._find_meta()
        meta = self._read(place)[4:]  # after its version and flags
        self._idat = Range(0, 0)
        for kind, at, end in _boxes(meta):
            if kind == b"idat":
                self._idat = Range(place.start + 4 + at, end - at)
        self._contents = _by_kind(meta)
        self._kinds = _kinds(self._contents[b"iinf"])
        self._places = _places(self._contents[b"iloc"])
        properties = _by_kind(self._contents[b"iprp"])
        ipco = properties[b"ipco"]
        self._listed = [(kind, ipco[at:end]) for kind, at, end in _boxes(ipco)]
        self._associated = _associations(properties[b"ipma"])
        self._known: dict[tuple[int, ...], _Properties] = {}

    def picture(self) -> Picture:
        """The primary item's. Raises _UnusualError, struct.error and LookupError."""
        number = _Numbers(self._contents[b"pitm"])
        item = number(4 if number.version() else 2)
        own = first = self._properties(item)
        tiles, columns = [item], 1
        if self._kinds[item] == b"grid":
            tiles, columns = self._grid(item, own.size)
            first = self._properties(tiles[0])
        _demand(all(self._kinds[tile] == b"hvc1" for tile in tiles) and bool(first.configuration))
        ranges = tuple(map(self._range, tiles))
        # so that no piece is decoded a thousand times
        _demand(sum(place.length for place in ranges) <= self._file_size)
        return Picture(
            configuration=first.configuration,
            tiles=ranges,
            columns=columns,
            tile_size=first.size,
            size=own.size,
            colours=own.colours or first.colours,
            turns=own.turns,
        )

    def _find_meta(self) -> Range:
        """The content of the file's one `meta`."""
        found, at = None, 0
        for _ in range(_MOST_BOXES):
            if at == self._file_size:
                break
            self._file.seek(at)
            kind, header, size = _box(self._file.read(16), self._file_size - at)
            if kind == b"meta":
                _demand(found is None and size <= _MOST_BYTES)
                found = Range(at + header, size - header)
            _demand(kind != b"moov")  # a sequence, too
            at += size
        if found is None or at != self._file_size:
            raise _UnusualError
        return found

    def _read(self, place: Range) -> bytes:
        self._file.seek(place.start)
        return self._file.read(place.length)

    def _grid(self, item: int, size: Size) -> tuple[list[int], int]:
        """The tiles of a grid, which are alike, and how many are in a line."""
        place = self._range(item)
        _demand(place.length in (8, 12))
        data = self._read(place)
        wide = data[1] & 1
        _demand(data[0] == 0 and len(data) == (12 if wide else 8))
        rows, columns = data[2] + 1, data[3] + 1
        _demand(struct.unpack(">II" if wide else ">HH", data[4:]) == size)
        tiles = _references(self._contents[b"iref"], item)
        _demand(len(tiles) == rows * columns)
        first = self._properties(tiles[0])
        _demand(not first.turns and all(self._properties(tile) == first for tile in tiles))
        for whole, part, count in zip(size, first.size, (columns, rows), strict=True):
            _demand((count - 1) * part < whole <= count * part)
            _demand(_LEAST_TILE <= part <= 2 * whole)  # for memory, too
        return tiles, columns

    def _properties(self, item: int) -> _Properties:
        chosen = self._associated[item]
        if chosen not in self._known:
            listed = []
            for each in chosen:  # from 1; the highest bit: essential
                kind, data = self._listed[(each & 0x7FFF) - 1]
                _demand(bool(each & 0x7FFF) and kind != b"clap")
                _demand(kind in _UNDERSTOOD or not each >> 15)
                listed.append((kind, data))
            self._known[chosen] = _parsed(listed)
        return self._known[chosen]

    def _range(self, item: int) -> Range:
        in_idat, place = self._places[item]
        whole = self._idat if in_idat else Range(0, self._file_size)
        _demand(place.length > 0 and place.start + place.length <= whole.length)
        return Range(whole.start + place.start, place.length)


def _parsed(listed: list[tuple[bytes, bytes]]) -> _Properties:
    of_kind: dict[bytes, bytes] = {}
    turns: list[Image.Transpose] = []
    for kind, data in listed:
        name = kind + data[:4] if kind == b"colr" else kind
        _demand(name not in of_kind or kind not in _UNDERSTOOD)
        of_kind[name] = data
        if kind == b"irot" and data[0] & 3:
            turns.append(_TURNS[data[0] & 3])
        elif kind == b"imir":
            turns.append(_MIRRORS[data[0] & 1])
    width, height = struct.unpack(">4xII", of_kind[b"ispe"])
    _demand(width > 0 and height > 0)
    colours = None
    if nclx := of_kind.get(b"colrnclx"):
        _, _, matrix, full = struct.unpack_from(">4xHHHB", nclx)
        colours = Colours(matrix, bool(full >> 7))
    configuration = of_kind.get(b"hvcC", b"")
    return _Properties((width, height), configuration, colours, tuple(turns))


def _demand(holds: bool) -> None:
    if not holds:
        raise _UnusualError


# --- boxes


def _box(head: bytes, left: int) -> tuple[bytes, int, int]:
    """Its kind, and how many bytes its header and all of it have. `left`: bytes up to where it has
    to end."""
    size, kind = struct.unpack_from(">I4s", head)
    header = 8
    if size == 1:
        (size,), header = struct.unpack_from(">Q", head, 8), 16
    elif size == 0:
        size = left
    _demand(header <= size <= left)
    return kind, header, size


def _boxes(data: bytes, at: int = 0) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each, from `at` on."""
    while at < len(data):
        kind, header, size = _box(data[at : at + 16], len(data) - at)
        yield kind, at + header, at + size
        at += size


def _by_kind(data: bytes) -> dict[bytes, bytes]:
    """The content of each box; those that are asked for may be there once."""
    found: dict[bytes, bytes] = {}
    for kind, start, end in _boxes(data):
        _demand(kind not in found or kind in (b"free", b"skip", b"uuid"))
        found[kind] = data[start:end]
    return found


class _Numbers:
    """Numbers one after the other, big-endian: `number(2)` is the next two bytes."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def __call__(self, size: int) -> int:
        end = self._at + size
        _demand(end <= len(self._data))
        number, self._at = int.from_bytes(self._data[self._at : end], "big"), end
        return number

    def version(self) -> int:
        """Of a box with version and flags, which are passed over."""
        return self(4) >> 24


def _kinds(iinf: bytes) -> dict[int, bytes]:
    """The kind of each item that is not encrypted."""
    at = 6 if iinf[0] == 0 else 8
    kinds: dict[int, bytes] = {}
    for kind, start, end in _boxes(iinf, at):
        number = _Numbers(iinf[start:end])
        version = number.version()
        _demand(kind == b"infe" and version in (2, 3))
        item, protection = number(2 if version == 2 else 4), number(2)
        _demand(item not in kinds)
        kinds[item] = b"" if protection else number(4).to_bytes(4, "big")
    return kinds


def _places(iloc: bytes) -> dict[int, tuple[bool, Range]]:
    """Where each item lies, in one piece: in the file, or (True) in `idat`."""
    number = _Numbers(iloc)
    version = number.version()
    _demand(version <= 2)
    sizes = number(2)
    at_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    _demand({at_size, length_size, base_size, index_size} <= {0, 4, 8})
    places: dict[int, tuple[bool, Range]] = {}
    for _ in range(number(2 if version < 2 else 4)):
        item = number(2 if version < 2 else 4)
        construction = number(2) & 15 if version else 0
        elsewhere, base, pieces = number(2), number(base_size), number(2)
        _demand(item not in places and pieces == 1)
        number(index_size)
        place = Range(base + number(at_size), number(length_size))
        known = construction < 2 and not elsewhere
        places[item] = (construction == 1, place if known else Range(0, 0))
    return places


def _associations(ipma: bytes) -> dict[int, tuple[int, ...]]:
    """Of each item the numbers of its properties, with the highest of 16 bits where one is
    essential."""
    number = _Numbers(ipma)
    head = number(4)
    id_size, wide = 4 if head >> 24 else 2, head & 1
    found: dict[int, tuple[int, ...]] = {}

    def association() -> int:
        value = number(1 + wide)
        return value if wide else (value & 0x80) << 8 | value & 0x7F

    for _ in range(number(4)):
        item = number(id_size)
        _demand(item not in found)
        found[item] = tuple(association() for _ in range(number(1)))
    return found


def _references(iref: bytes, item: int) -> list[int]:
    """The items that an item is derived from."""
    size = 4 if iref[0] else 2
    found: list[int] | None = None
    for kind, start, end in _boxes(iref, 4):
        number = _Numbers(iref[start:end])
        if kind == b"dimg" and number(size) == item:
            _demand(found is None)
            found = [number(size) for _ in range(number(2))]
    return found or []
