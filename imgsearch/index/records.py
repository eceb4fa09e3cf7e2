"""What an index holds of photos and says of them: records, rows, fingerprints, neighbours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from imgsearch.dataclass import dataclass
from imgsearch.index.part_kinds import PART_KINDS, PartKind
from imgsearch.models.base import Vector, Vectors
from imgsearch.question import Box, Folder, Orientation
from imgsearch.word_splitting import Field, words_of

_ESCAPED = re.compile("%[0-9A-Fa-f]{2}")

_FARTHEST = 2**31 - 1
# of a region and of a line of text: left, top, width, height in pixels of the upright picture; of a
# page its number, from 1; of a frame the milliseconds from the start of a film
Place = tuple[int, ...]
_KNOWN = {"year": 4, "month": 7, "day": 10}  # characters of `taken`, by its precision
_BOXES: tuple[PartKind, ...] = ("region", "text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One photo as the index keeps it."""

    id: str  # hash of library and relative path: `imgsearch.photos.photo_id`
    library: str
    relative_path: str  # from the library's root, "/"-separated
    path_escaped: bool = False  # the name is not UTF-8: relative_path has percent-escaped bytes
    size: int  # bytes
    mtime_ns: int  # with size: the fingerprint
    content_hash: str  # of the bytes, hexadecimal
    format: str  # as Pillow names it: "JPEG"
    width: int  # pixels, upright
    height: int
    taken: str | None = None  # ISO 8601 local time, "2024-05-01T12:30:00"; of a year its start
    taken_offset: str | None = None  # "+02:00"
    latitude: float | None = None  # degrees, WGS 84
    longitude: float | None = None
    camera: str | None = None  # make and model
    lens: str | None = None
    taken_precision: str | None = None  # how much of `taken` is known: second, day, month, year
    taken_source: str | None = None  # exif, xmp, iptc, film; name: the file's name
    title: str | None = None
    caption: str | None = None
    tags: tuple[str, ...] = ()
    rating: int | None = None  # 1 to 5; -1: rejected
    country: str | None = None  # ISO 3166 alpha-2
    city: str | None = None  # GeoNames' English name; of an unknown city what its writer called it
    metadata_mark: int = 0  # of what the metadata was read from; 0: by a version before
    # 64 hexadecimal digits (`imgsearch.photos.perceptual_hash`); None: by a version before
    perceptual_hash: str | None = None

    @property
    def taken_known(self) -> str | None:
        """`taken` as far as it is known: "1941" of a year, "1941-06" of a month."""
        length = None if self.taken_precision is None else _KNOWN.get(self.taken_precision)
        return None if self.taken is None else self.taken[:length]

    @property
    def orientation(self) -> Orientation:
        if self.width == self.height:
            return "square"
        return "landscape" if self.width > self.height else "portrait"

    @property
    def folder(self) -> str | None:
        """The first folder below the library, as an address writes it: "holiday/italy". None for a
        photo that lies in no folder."""
        first, slash, _ = self.relative_path.partition("/")
        return Folder(self.library, first).written() if slash else None

    @property
    def words(self) -> dict[Field, str]:
        """What `Index.match` looks in, in tokens."""
        path = _ESCAPED.sub(" ", self.relative_path) if self.path_escaped else self.relative_path
        return words_of(path, (self.title, self.caption), self.tags, self.country, self.city)


class Part(NamedTuple):
    """A part of a photo, without its vector."""

    kind: PartKind
    place: Place

    @property
    def box(self) -> Box | None:
        """Where it is in the picture. None: all of a page or a frame."""
        if self.kind not in _BOXES:
            return None
        left, top, width, height = self.place
        return left, top, width, height

    @property
    def page(self) -> int | None:
        """The number of a page, from 1."""
        return self.place[0] if self.kind == "page" else None

    @property
    def moment(self) -> float | None:
        """Of a frame, seconds from the start of its film."""
        return self.place[0] / 1000 if self.kind == "frame" else None

    def on(self, record: Record, copy: Record) -> Part:
        """The same part of a copy of the picture, which may have another size."""
        if not (self.box and record.width and record.height and copy.width and copy.height):
            return self
        across, down = copy.width / record.width, copy.height / record.height
        left, top, width, height = self.box
        right, bottom = round((left + width) * across), round((top + height) * down)
        left, top = round(left * across), round(top * down)
        return self._replace(place=(left, top, max(1, right - left), max(1, bottom - top)))


def is_place(kind: PartKind, place: Place) -> bool:
    """Whether a part of that kind can be there, by its numbers alone."""
    if not all(0 <= each <= _FARTHEST for each in place):
        return False
    if kind in _BOXES:
        return len(place) == 4 and min(place[2:]) > 0
    return len(place) == 1 and place[0] >= (kind == "page")


class PartVectors(NamedTuple):
    """All parts of one kind that a photo has: none, where it was looked through and has none."""

    places: tuple[Place, ...]
    vectors: Vectors  # (len(places), dims)


class PartTexts(NamedTuple):
    """All lines of text that were read in a photo, in the order of reading."""

    places: tuple[Place, ...]
    texts: tuple[str, ...]  # as many


# by the kinds that a photo was looked through for
Parts = Mapping[PartKind, PartVectors | PartTexts]
NO_TEXTS = PartTexts((), ())


def with_vectors(parts: Parts) -> dict[PartKind, PartVectors]:
    """The kinds that are found by vectors."""
    return {kind: found for kind, found in parts.items() if isinstance(found, PartVectors)}


def texts_in(parts: Parts | None) -> PartTexts:
    """The lines of text; none also for a photo that was not read."""
    found = (parts or {}).get("text")
    return found if isinstance(found, PartTexts) else NO_TEXTS


class Row(NamedTuple):
    """A record and its vector. None: the vector that is stored under this id stays. `parts`: those
    of the kinds that it names take the place of the stored ones; None: those of the stored vector
    stay. Where the vector is another one than the stored one, no stored part stays."""

    record: Record
    vector: Vector | None
    parts: Parts | None = None


def parts_mark(kinds: Iterable[PartKind]) -> int:
    """Kinds of parts as the bits of a number."""
    return sum(1 << PART_KINDS.index(kind) for kind in kinds)


def parts_marked(mark: int) -> tuple[PartKind, ...]:
    """The kinds of which `parts_mark` made a number."""
    return tuple(kind for bit, kind in enumerate(PART_KINDS) if mark >> bit & 1)


class Fingerprint(NamedTuple):
    id: str
    size: int
    mtime_ns: int
    metadata_mark: int = 0
    parted: int = 0  # of the kinds of parts that it was looked through for: `parts_mark`


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprints:
    """Many at a time, as arrays, since an ingest begins with reading those of the whole index."""

    ids: str  # one after the other, 32 digits each
    sizes: npt.NDArray[np.int64]
    mtimes: npt.NDArray[np.int64]
    marks: npt.NDArray[np.int64]
    parted: npt.NDArray[np.int64]

    @classmethod
    def of(cls, each: Sequence[Fingerprint]) -> Fingerprints:
        ids, *numbers = zip(*each, strict=True) if each else ((), (), (), (), ())
        sizes, mtimes, marks, parted = (np.array(column, np.int64) for column in numbers)
        return cls("".join(ids), sizes, mtimes, marks, parted)

    def __iter__(self) -> Iterator[Fingerprint]:
        arrays = self.sizes, self.mtimes, self.marks, self.parted
        columns = [array.tolist() for array in arrays]
        for place, numbers in enumerate(zip(*columns, strict=True)):
            yield Fingerprint(self.ids[32 * place : 32 * place + 32], *numbers)


class Look(NamedTuple):
    """By what copies of one picture are told, of one photo. The fields are those of `Record`."""

    id: str
    content_hash: str
    perceptual_hash: str | None
    size: int
    width: int
    height: int
    taken: str | None
    taken_precision: str | None
    taken_source: str | None


class Failure(NamedTuple):
    """A row that the index refused, and its reason."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Neighbour:
    record: Record
    # cosine, higher is better, the same on every backend; of a part: `imgsearch.index.parts`
    score: float
    part: Part | None = None  # which scored higher than the whole photo


class Near(NamedTuple):
    """`named`: the nearest of the photos that have every word that was looked for. `photos`: how
    many the filter lets through; None: not told. `texts`: what was read in those of `named` that
    have text, by id; None: not told, and `Capabilities.texts` tells it. `all_named`: no other photo
    has all the words; False: that is not known."""

    neighbours: list[Neighbour]
    named: list[Neighbour]
    photos: int | None
    texts: Mapping[str, PartTexts] | None = None
    all_named: bool = False

    @property
    def records_named(self) -> list[Record]:
        return [one.record for one in self.named]
