"""HEIC files put together box by box, as phones write them: pillow-heif encodes the tiles."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

from PIL import Image

from tests import pictures

FAST = {"preset": "ultrafast", "x265:pools": "none"}
GRID = 500  # the item that tiles 1, 2, … make
Property = tuple[bytes, bytes]


def encoded(image: Image.Image, **options: object) -> bytes:
    """A HEIC by pillow-heif, which adds to the parameters that it is given."""
    return pictures.encoded(image, ".heic", **{"quality": 60, "enc_params": dict(FAST), **options})


def box(kind: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return struct.pack(">I4s", 8 + len(content), kind) + content


def turn(quarters: int) -> Property:
    """Anticlockwise."""
    return b"irot", bytes([quarters])


def mirror(axis: int) -> Property:
    return b"imir", bytes([axis])


def nclx(matrix: int, full_range: bool) -> Property:
    return b"colr", struct.pack(">4s3HB", b"nclx", 1, 13, matrix, full_range << 7)


def tile(image: Image.Image, **options: object) -> tuple[bytes, bytes]:
    """The decoder's configuration and the bytes of an encoded picture."""
    data = encoded(image, **options)
    at = data.index(b"hvcC")
    end = at - 4 + struct.unpack_from(">I", data, at - 4)[0]
    return data[at + 4 : end], data[data.index(b"mdat") + 4 :]


@dataclass
class Grid:
    """A picture in tiles. `size`: what its items say, width and height; `said`: what the grid says,
    where that differs. `own`: further properties of the grid, `of_tiles` of each tile, with True
    those that are essential."""

    tiles: list[bytes]
    configuration: bytes
    columns: int
    tile_size: tuple[int, int]
    size: tuple[int, int]
    said: tuple[int, int] | None = None
    own: list[Property] = field(default_factory=list)
    of_tiles: list[Property] = field(default_factory=list)
    essential: bool = False
    kind: bytes = b"grid"
    references: list[int] | None = None  # as they are, unless given
    shift: int = 0  # of the place of the tiles
    protection: int = 0

    def data(self) -> bytes:
        draft = self._head(0)
        return self._head(len(draft)) + box(b"mdat", *self.tiles)

    def _head(self, length: int) -> bytes:
        numbers = range(1, len(self.tiles) + 1)
        infe = [self._item(number, b"hvc1", 1) for number in numbers]
        infe.append(self._item(GRID, self.kind, 0))
        rows = len(self.tiles) // self.columns
        said = struct.pack(">4B2I", 0, 1, rows - 1, self.columns - 1, *(self.said or self.size))
        references = list(numbers) if self.references is None else self.references
        dimg = struct.pack(f">HH{len(references)}H", GRID, len(references), *references)
        meta = [
            box(b"hdlr", struct.pack(">II4s13x", 0, 0, b"pict")),
            box(b"pitm", struct.pack(">IH", 0, GRID)),
            box(b"iinf", struct.pack(">IH", 0, len(infe)), *infe),
            box(b"iref", bytes(4), box(b"dimg", dimg)),
            self._properties(numbers),
            self._places(length + 8, len(said)),
            box(b"idat", said),
        ]
        ftyp = box(b"ftyp", b"heic", bytes(4), b"mif1", b"heic")
        return ftyp + box(b"meta", bytes(4), *meta)

    def _item(self, number: int, kind: bytes, hidden: int) -> bytes:
        return box(b"infe", struct.pack(">IHH4sx", 2 << 24 | hidden, number, self.protection, kind))

    def _places(self, start: int, said: int) -> bytes:
        """`start`: of the tiles in the file. `said`: bytes in `idat`."""
        entries = []
        at = start + self.shift
        for number, data in enumerate(self.tiles, start=1):
            entries.append(struct.pack(">4H2I", number, 0, 0, 1, at, len(data)))
            at += len(data)
        entries.append(struct.pack(">4H2I", GRID, 1, 0, 1, 0, said))
        return box(b"iloc", struct.pack(">IHH", 1 << 24, 0x4400, len(entries)), *entries)

    def _properties(self, numbers: Iterable[int]) -> bytes:
        shared = [(b"hvcC", self.configuration), _ispe(self.tile_size), *self.of_tiles]
        own = [_ispe(self.size), *self.own]
        listed = [box(kind, data) for kind, data in shared + own]
        of_tiles = bytes([len(shared), 0x81, *range(2, len(shared) + 1)])
        places = range(len(shared) + 1, len(listed) + 1)
        of_grid = bytes([len(own), *(place | self.essential << 7 for place in places)])
        entries = [struct.pack(">H", number) + of_tiles for number in numbers]
        entries.append(struct.pack(">H", GRID) + of_grid)
        ipma = box(b"ipma", struct.pack(">II", 0, len(entries)), *entries)
        return box(b"iprp", box(b"ipco", *listed), ipma)


def _ispe(size: tuple[int, int]) -> Property:
    return b"ispe", struct.pack(">III", 0, *size)


def grid(image: Image.Image, tile_size: tuple[int, int], **options: object) -> Grid:
    """The image in tiles; those at the right and at the bottom reach beyond it, in black."""
    width, height = tile_size
    corners = [(x, y) for y in range(0, image.height, height) for x in range(0, image.width, width)]
    made = [tile(image.crop((x, y, x + width, y + height)), **options) for x, y in corners]
    return Grid(
        tiles=[data for _, data in made],
        configuration=made[0][0],
        columns=-(-image.width // width),
        tile_size=tile_size,
        size=image.size,
    )
