"""Which photos are copies of one picture: the same bytes, or pictures that look the same by their
perceptual hash, were not taken at different moments, and whose vectors agree.

Vectors alone would call all frames of a burst copies; hashes alone, pictures built alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from imgsearch.index.base import Record
    from imgsearch.models.base import Vector

LEAST_COSINE = 0.95  # of two copies' vectors; made smaller and saved again they keep .97 and more
MOST_BITS = 10  # of 256 that may differ; of photos with less in them, fewer
SHARE = 8  # of the bits that are set in either, one in so many may differ
LEAST_SET = 16  # bits; with fewer of them set it is a plain surface, like any other
BANDS = MOST_BITS + 1  # two hashes that differ by no more bits are the same in one of these parts
SHAPE = 0.02  # widths by heights that differ by more are two cuts of a picture
_EXACT = ("exif", "xmp")  # where a moment comes from that tells two pictures apart


class Seen(Protocol):
    """What is told of a photo: a `Record`, or a `Look`."""

    @property
    def id(self) -> str: ...
    @property
    def content_hash(self) -> str: ...
    @property
    def perceptual_hash(self) -> str | None: ...
    @property
    def size(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def taken(self) -> str | None: ...
    @property
    def taken_precision(self) -> str | None: ...
    @property
    def taken_source(self) -> str | None: ...


Vectors = Callable[[Sequence[str]], Mapping[str, "Vector"]]  # by id; the ones that there are


def bits_of(photo: Seen) -> int | None:
    """The hash as a number of 256 bits; None where there is none, or it tells nothing."""
    if photo.perceptual_hash is None:
        return None
    bits = int(photo.perceptual_hash, 16)
    return bits if bits.bit_count() >= LEAST_SET else None


def bands_of(bits: int) -> list[int]:
    """The parts in which two copies are the same, at least in one: each of every eleventh bit, so
    that an even sky fills none of them."""
    return [bits & mask for mask in MASKS]


MASKS = [sum(1 << at for at in range(band, 256, BANDS)) for band in range(BANDS)]


def look_alike(one: int, other: int) -> bool:
    """Of two hashes."""
    differing = (one ^ other).bit_count()
    return differing <= MOST_BITS and differing * SHARE <= (one | other).bit_count()


def moment(photo: Seen) -> str | None:
    """The second at which it was taken, by its camera; None where that is not known."""
    if photo.taken_precision not in (None, "second") or photo.taken_source not in _EXACT:
        return None
    return photo.taken


def may_be_one(one: Seen, other: Seen) -> bool:
    """Whether shape and moment leave it open that both are of one picture."""
    taken, other_taken = moment(one), moment(other)
    if taken and other_taken and taken != other_taken:
        return False
    wide, other_wide = one.width * other.height, other.width * one.height
    # a picture of 100 pixels a side is rounded to 1 % of it
    slack = SHAPE + 1 / max(1, min(one.width, one.height, other.width, other.height))
    return abs(wide - other_wide) <= slack * max(wide, other_wide)


def largest_first(photo: Record) -> tuple[int, int, int, str, str]:
    """By what the one that stands for all copies is chosen: pixels, then bytes; then the shorter
    path, since a copy's is longer (`copy of cat.jpg`, `cat (1).jpg`, `backup/cat.jpg`)."""
    path = photo.relative_path
    return -photo.width * photo.height, -photo.size, len(path), path, photo.id


def cosine(vectors: Mapping[str, Vector], one: str, other: str) -> float:
    """Of two photos' vectors, by their ids; -1 where one of them is missing."""
    if one not in vectors or other not in vectors:
        return -1.0
    return float(vectors[one] @ vectors[other])


_DIFFER: Mapping[str, Callable[[Record], object]] = {
    "pixels": lambda record: (record.width, record.height),
    "size": lambda record: record.size,
    "format": lambda record: record.format,
    "taken": lambda record: record.taken,
    "name": lambda record: record.relative_path.rpartition("/")[2],
    "folder": lambda record: (record.library, record.relative_path.rpartition("/")[0]),
}
DIFFERENCES = tuple(_DIFFER)


def differences(photos: Iterable[Record]) -> tuple[str, ...]:
    """Which of DIFFERENCES are not the same in all of these copies."""
    photos = tuple(photos)
    return tuple(name for name, value in _DIFFER.items() if len(set(map(value, photos))) > 1)


class Groups:
    """Photos put together as they come, each with the first one that it is a copy of: so what has
    come later changes nothing in what was before, and pages of results fit together."""

    def __init__(self, vectors: Vectors, threshold: float = LEAST_COSINE) -> None:
        self._vectors, self._threshold = vectors, threshold
        self._by_bytes: dict[str, int] = {}  # the group, by content hash
        self._by_band: list[dict[int, list[int]]] = [{} for _ in range(BANDS)]
        self._first: list[Seen] = []  # of each group
        self._known: dict[str, Vector] = {}

    def place(self, photo: Seen) -> int:
        """The number of the photo's group, from 0."""
        found = self._by_bytes.get(photo.content_hash) if photo.content_hash else None
        bits = bits_of(photo) if found is None else None
        if bits is not None:
            found = self._near(photo, bits)
        if found is None:
            found = len(self._first)
            self._first.append(photo)
            for band, part in enumerate(bands_of(bits) if bits is not None else ()):
                self._by_band[band].setdefault(part, []).append(found)
        if photo.content_hash:
            self._by_bytes.setdefault(photo.content_hash, found)
        return found

    def _near(self, photo: Seen, bits: int) -> int | None:
        near = {
            group
            for band, part in enumerate(bands_of(bits))
            for group in self._by_band[band].get(part, ())
        }
        for group in sorted(near):
            first = self._first[group]
            its = bits_of(first)
            alike = its is not None and look_alike(bits, its) and may_be_one(photo, first)
            if alike and self._cosine(photo.id, first.id) >= self._threshold:
                return group
        return None

    def _cosine(self, one: str, other: str) -> float:
        unknown = [id for id in (one, other) if id not in self._known]
        if unknown:
            self._known.update(self._vectors(unknown))
        return cosine(self._known, one, other)
