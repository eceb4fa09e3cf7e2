"""What a reader does to a photo: read and hash it, or read its headers alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from imgsearch import photos
from imgsearch.index.base import PartKind, Parts, PartTexts
from imgsearch.ingest.descriptions import Facts, facts_of
from imgsearch.ingest.parts import none_of
from imgsearch.ingest.same_content import Known
from imgsearch.ingest.stopwatch import Stopwatch
from imgsearch.photos import Skip, SkipReason, content_hashes, decode, film_formats, films, formats
from imgsearch.photos.content_hashes import Algorithm
from imgsearch.photos.metadata import Metadata
from imgsearch.photos.sidecars import Sidecar
from imgsearch.photos.walk import Photo

HELD_BYTES = 32 << 20  # a larger photo is hashed as a stream, and read again for decoding


class Candidate(NamedTuple):
    """A photo that is new, or whose fingerprint changed."""

    id: str
    library: str
    photo: Photo
    known: bool  # the index has a row of this id
    sidecar: Sidecar | None = None
    only_metadata: bool = False  # the bytes are those that the index has embedded
    only_parts: bool = False  # likewise; some that are wanted are lacking
    named: bool = False  # by somebody who wants to hear what became of it, picture or not
    parts: tuple[PartKind, ...] = ()  # that it is looked through for
    raws: Sequence[bytes] = ()  # relative paths of the RAWs that it stands for

    @property
    def may_be_pruned(self) -> bool:
        """Nothing is pruned by naming a file."""
        return self.known and not self.named

    @property
    def described_by(self) -> tuple[str, Sidecar | None]:
        """Besides what the file says: its path, and its sidecar."""
        return self.photo.path, self.sidecar


class Read(NamedTuple):
    """A candidate whose bytes were hashed. `data` None: too large to hold, or a film. `known`: what
    the index has of these bytes, where parts are lacking that are wanted. `texts`: what was read in
    them for an index whose place this one takes."""

    candidate: Candidate
    content_hash: str
    data: bytes | None
    known: Known | None = None
    texts: PartTexts | None = None

    @property
    def lacking(self) -> tuple[PartKind, ...]:
        """The kinds of parts that it is to be looked through for."""
        there = {*((self.known.parts if self.known else None) or {})}
        there |= set() if self.texts is None else {"text"}
        return tuple(kind for kind in self.candidate.parts if kind not in there)

    @property
    def source(self) -> formats.Source:
        return self.candidate.photo.path if self.data is None else self.data


class Described(NamedTuple):
    """A candidate of which the headers alone were read: for its metadata (None: in a dry run), or
    they tell that it has none of the parts that were wanted."""

    candidate: Candidate
    facts: Facts | None
    parts: Parts | None = None


def always(size: int) -> bool:
    return True


def read_photo(
    candidate: Candidate,
    stopwatch: Stopwatch,
    algorithm: Algorithm,
    must_hash: Callable[[int], bool] = always,
) -> Read | Skip | None:
    """None: neither a picture nor has it a picture's ending, so nobody misses it.

    `algorithm`: of the hash by which the index knows bytes.
    `must_hash`: whether a file of this size has to be read whole (not so in a dry run, where a size
    that no known photo has means a photo that is new)."""
    with stopwatch("read"):
        try:
            return _read(candidate, algorithm, must_hash)
        except OSError as error:
            return photos.unreadable(candidate.photo.path, error)


def _read(
    candidate: Candidate, algorithm: Algorithm, must_hash: Callable[[int], bool]
) -> Read | Skip | None:
    photo = candidate.photo
    missed = candidate.named or is_expected(candidate)
    if photo.size == 0:
        return Skip(photo.path, SkipReason.EMPTY, "0 bytes") if missed else None
    with open(photo.path, "rb") as file:
        head = file.read(formats.HEAD_BYTES)
        is_film = _may_be_film(candidate) and film_formats.format_of(head, photo.path) is not None
        if is_film and not films.can_be_read():
            return Skip(photo.path, SkipReason.NOT_INSTALLED, f"film: {films.install_command()}")
        if not is_film and not formats.looks_like_picture(head, photo.path):
            return Skip(photo.path, SkipReason.NOT_A_PICTURE, "by its content") if missed else None
        if not must_hash(photo.size):
            return Read(candidate, f"unread:{candidate.id}", None)
        if is_film or photo.size > HELD_BYTES:
            return Read(candidate, content_hashes.of_file(photo.path, algorithm), None)
        file.seek(0)
        data = file.read()
    return Read(candidate, content_hashes.of_bytes(data, algorithm), data)


def describe(
    candidate: Candidate, data: bytes | None, max_megapixels: float, stopwatch: Stopwatch
) -> Facts | Skip:
    """From headers alone. `data`: the photo's bytes, where they are at hand."""
    path = candidate.photo.path
    with stopwatch("read"):
        try:
            source = path if data is None else data
            inside = decode.said_inside(source, max_megapixels=max_megapixels)
        except decode.Undecodable as error:
            return Skip(path, error.reason, error.detail)
        return facts_of_copy(candidate, inside)


def without_parts(candidate: Candidate) -> Described | None:
    """None: the photo may have some that it lacks."""
    parts = none_of(candidate.parts, candidate.photo.path) if candidate.only_parts else None
    return None if parts is None else Described(candidate, {}, parts)


def facts_of_copy(candidate: Candidate, inside: Metadata) -> Facts:
    """The metadata of a photo, of which a copy with the same bytes was read. `inside`: what the
    copy's file says."""
    [facts] = facts_of([(*candidate.described_by, inside)])
    return facts


def is_expected(candidate: Candidate) -> bool:
    """Whether a person would call a file of this name a picture, or a film that is asked for."""
    return "frame" in candidate.parts or formats.has_picture_ending(candidate.photo.path)


def _may_be_film(candidate: Candidate) -> bool:
    """Whether films are asked for, or it was one when it was ingested."""
    by_name = film_formats.has_film_ending(candidate.photo.path)
    return "frame" in candidate.parts or (candidate.known and by_name)


def is_no_picture(found: Skip | None) -> bool:
    """Whether what lies at a path is no picture for sure, not one that cannot be read now."""
    return found is None or found.reason in (SkipReason.NOT_A_PICTURE, SkipReason.EMPTY)


def bytes_held(read: Read) -> int:
    return len(read.data) if read.data is not None else 0
