"""Groups of copies in a whole index: `imgsearch duplicates`. A million photos take some hundred
bytes each, and a vector is read only where bytes and perceptual hashes leave the answer open."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from imgsearch.copies import comparing
from imgsearch.dataclass import dataclass
from imgsearch.index.base import ALL, Filter, Look, Record
from imgsearch.progress import Progress, silent

if TYPE_CHECKING:
    from imgsearch.index.base import Index

Numbers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]  # (n, 4): hashes of 256 bits

_CROWD = 256  # of hashes that are the same in one part, each is compared with so many others
_AT_ONCE = 2000  # photos whose vectors are read at a time: 4 MB
_ROUNDS = 64  # groups that may come out of photos with nearly one hash
_MULTIPLIERS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64
)
_SET_BITS = np.array([number.bit_count() for number in range(1 << 16)], np.uint8)


@dataclass(frozen=True, slots=True)
class Group:
    """Copies of one picture, the largest first. `count`: how many there are, also those that were
    not read; `saved`: bytes that all but the largest take."""

    photos: tuple[Record, ...]
    count: int
    saved: int

    @property
    def is_one_file(self) -> bool:
        """Whether all have the same bytes."""
        first = self.photos[0].content_hash
        return bool(first) and all(each.content_hash == first for each in self.photos)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """What was found; iterated, its groups, by the bytes that could be saved. `photos`: how many
    were looked at; `unseen`: those without a perceptual hash, of which only the bytes were
    compared; `copies`: those besides the largest of each group, which take `saved` bytes."""

    photos: int
    unseen: int
    copies: int
    saved: int
    _index: Index
    _groups: Sequence[Sequence[str]] = field(repr=False)  # ids
    _saved: Sequence[int] = field(repr=False)  # bytes, of each group

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[Group]:
        """Read some at a time; photos that have left the index meanwhile are not in them."""
        for start in range(0, len(self), _AT_ONCE // 8):
            yield from self.page(start, _AT_ONCE // 8)

    def page(self, offset: int, k: int, most: int | None = None) -> list[Group]:
        """The groups at positions [offset, offset + k), of each the `most` largest photos (None:
        all). Groups that have lost all but one photo meanwhile are left out."""
        chosen = range(len(self))[offset : offset + k]
        read = [self._groups[at][:most] for at in chosen]
        records = self._index.records([id for ids in read for id in ids])
        found = []
        for at, ids in zip(chosen, read, strict=True):
            known = (records[id] for id in ids if id in records)
            there = tuple(sorted(known, key=comparing.largest_first))
            if len(there) < 2:
                continue
            is_whole = len(ids) == len(self._groups[at])
            count = len(there) if is_whole else len(self._groups[at])
            saved = sum(each.size for each in there[1:]) if is_whole else self._saved[at]
            found.append(Group(there, count, saved))
        return found


def find(
    index: Index,
    where: Filter = ALL,
    threshold: float = comparing.LEAST_COSINE,
    progress: Progress = silent,
) -> Duplicates:
    """`threshold`: the cosine that vectors of two copies have at least; photos with the same bytes
    are copies whatever their vectors say."""
    photos = _Photos(index.looks(where))
    groups = [np.array(group) for group in _confirmed(index, photos, threshold, progress)]
    saved = [int(photos.sizes[group[1:]].sum()) for group in groups]
    order = sorted(range(len(groups)), key=lambda at: (-saved[at], int(groups[at][0])))
    return Duplicates(
        photos=len(photos),
        unseen=int((~photos.hashed).sum()),
        copies=sum(len(group) - 1 for group in groups),
        saved=sum(saved),
        _index=index,
        _groups=[[photos.ids[number] for number in groups[at].tolist()] for at in order],
        _saved=[saved[at] for at in order],
    )


class _Photos:
    """Looks as arrays, the largest photo first: so the first of a group is the largest."""

    def __init__(self, looks: Iterable[Look]) -> None:
        ids: list[str] = []
        contents, sizes, moments = array("Q"), array("q"), array("q")
        widths, heights = array("q"), array("q")
        hashes, hashed = bytearray(), bytearray()
        for look in looks:
            ids.append(look.id)
            contents.append(_number(look.content_hash))
            sizes.append(look.size)
            widths.append(look.width)
            heights.append(look.height)
            moments.append(_number(comparing.moment(look) or "") >> 1)
            hashes += bytes.fromhex(look.perceptual_hash or "00" * 32)
            hashed.append(look.perceptual_hash is not None)
        width, height = np.array(widths, np.int64), np.array(heights, np.int64)
        size = np.array(sizes, np.int64)
        order = np.lexsort((np.array(ids, "S32"), -size, -width * height))
        self.ids = [ids[at] for at in order.tolist()]
        self.contents = np.array(contents, np.uint64)[order]
        self.sizes, self.widths, self.heights = size[order], width[order], height[order]
        self.moments = np.array(moments, np.int64)[order]
        self.hashed = np.frombuffer(bytes(hashed), bool)[order]
        self.hashes: Words = np.frombuffer(bytes(hashes), ">u8").astype(np.uint64)
        self.hashes = self.hashes.reshape(len(ids), 4)[order]

    def __len__(self) -> int:
        return len(self.ids)

    def bits(self, number: int) -> int:
        """The hash as one number."""
        return int.from_bytes(self.hashes[number].astype(">u8").tobytes(), "big")

    def may_be_one(self, one: int, others: Numbers) -> Mask:
        """As `copies.may_be_one`, and whether the hashes look alike."""
        wide = self.widths[one] * self.heights[others]
        other_wide = self.widths[others] * self.heights[one]
        sides = np.minimum(self.widths[others], self.heights[others])
        sides = np.minimum(sides, min(self.widths[one], self.heights[one]))
        slack = comparing.SHAPE + 1 / np.maximum(1, sides)
        moments = self.moments[others]
        may_be: Mask = (moments == self.moments[one]) | (moments == 0) | (self.moments[one] == 0)
        may_be &= np.abs(wide - other_wide) <= slack * np.maximum(wide, other_wide)
        return may_be & _look_alike(self.hashes[others], self.hashes[one])


def _number(text: str) -> int:
    """63 bits for a text; 0 for none. Two of a million texts share them once in ten million
    indexes."""
    if not text:
        return 0
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big") | 1


def _set_bits(words: Words) -> npt.NDArray[np.int64]:
    """Of each row (n,)."""
    parts = np.ascontiguousarray(words).view(np.uint16).reshape(len(words), 16)
    found: Numbers = _SET_BITS[parts].sum(axis=1, dtype=np.int64)
    return found


def _look_alike(ones: Words, others: Words) -> Mask:
    """As `copies.look_alike`, of hashes that tell something."""
    differing, either = _set_bits(ones ^ others), _set_bits(ones | others)
    alike: Mask = (differing <= comparing.MOST_BITS) & (differing * comparing.SHARE <= either)
    return alike


# -- which photos may be copies


def _candidates(photos: _Photos) -> Iterator[list[int]]:
    """Groups of photos' numbers, each in ascending order: every photo that may be a copy of the
    first, or of another in it."""
    told = photos.hashed & (_set_bits(photos.hashes) >= comparing.LEAST_SET)
    plain = np.flatnonzero(~told & (photos.contents != 0))
    yield from _of_one_key(photos.contents[plain], plain)
    numbers = np.flatnonzero(told)
    if not len(numbers):
        return
    whole = np.ascontiguousarray(photos.hashes[numbers]).view("V32").ravel()
    _, first, kind = np.unique(whole, return_index=True, return_inverse=True)
    by_kind = np.argsort(kind.ravel(), kind="stable")
    bounds = np.searchsorted(kind.ravel()[by_kind], np.arange(len(first) + 1))
    near = _near_kinds(photos.hashes[numbers[first]])
    taken = np.zeros(len(first), bool)
    several = np.diff(bounds) > 1
    for leader in np.argsort(first).tolist():  # that of the largest photo first
        if taken[leader] or not (several[leader] or leader in near):
            continue
        kinds = _connected(leader, near)
        taken[kinds] = True
        members = np.concatenate([by_kind[bounds[each] : bounds[each + 1]] for each in kinds])
        if len(members) > 1:
            yield np.sort(numbers[members]).tolist()


def _connected(start: int, near: Mapping[int, Sequence[int]]) -> list[int]:
    found, open_ = {start}, [start]
    while open_:
        further = {*near.get(open_.pop(), ())} - found
        found |= further
        open_ += further
    return sorted(found)


def _of_one_key(keys: Words, numbers: Numbers) -> Iterator[list[int]]:
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=~keys[order][:1]))
    for group in np.split(numbers[order], starts[1:]):
        if len(group) > 1:
            yield group.tolist()


def _near_kinds(hashes: Words) -> dict[int, list[int]]:
    """Which of these different hashes look alike: for each the others. Two that differ by no more
    than `copies.MOST_BITS` are the same in one of its parts at least."""
    near: dict[int, list[int]] = {}
    seen: set[tuple[int, int]] = set()
    for mask in comparing.MASKS:
        words = [(mask >> shift) & 0xFFFFFFFFFFFFFFFF for shift in (192, 128, 64, 0)]
        parts = hashes & np.array(words, np.uint64)
        keys = np.bitwise_xor.reduce(parts * _MULTIPLIERS, axis=1)
        keys ^= keys >> np.uint64(29)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        for step in range(1, min(_CROWD, len(keys) - 1) + 1):
            same = np.flatnonzero(keys[step:] == keys[:-step])
            if not len(same):
                break
            ones, others = order[same], order[same + step]
            alike = _look_alike(hashes[ones], hashes[others])
            seen.update(zip(ones[alike].tolist(), others[alike].tolist(), strict=True))
    for one, other in {(min(pair), max(pair)) for pair in seen}:
        near.setdefault(one, []).append(other)
        near.setdefault(other, []).append(one)
    return near


# -- which of them are


def _confirmed(
    index: Index, photos: _Photos, threshold: float, progress: Progress
) -> Iterator[list[int]]:
    """Groups of copies, of two and more."""
    waiting: list[list[int]] = []
    size = done = 0
    for members in _candidates(photos):
        for start in range(0, len(members), _AT_ONCE):
            waiting.append(members[start : start + _AT_ONCE])
            size += len(waiting[-1])
        if size >= _AT_ONCE:
            yield from _told_apart(index, photos, waiting, threshold)
            done += size
            progress("photos compared", done, max(done, len(photos)))
            waiting, size = [], 0
    yield from _told_apart(index, photos, waiting, threshold)


def _told_apart(
    index: Index, photos: _Photos, candidates: Sequence[list[int]], threshold: float
) -> Iterator[list[int]]:
    """Each with the largest photo that it is a copy of."""
    unsure = {
        number
        for members in candidates
        if len(set(photos.contents[members].tolist())) > 1 or not photos.contents[members[0]]
        for number in members
    }
    vectors = index.vectors([photos.ids[number] for number in unsure]) if unsure else {}
    for members in candidates:
        left = np.array(members)
        for _ in range(_ROUNDS):
            if len(left) < 2:
                break
            first = int(left[0])
            same = photos.contents[left] == photos.contents[first]
            same &= photos.contents[first] != 0
            same[0] = True
            others = np.flatnonzero(~same)
            alike = others[photos.may_be_one(first, left[others])]
            for at in alike.tolist():
                same[at] = (
                    comparing.cosine(vectors, photos.ids[first], photos.ids[left[at]]) >= threshold
                )
            if same.sum() > 1:
                yield left[same].tolist()
            left = left[~same]
