"""What a worker does to a batch of photos that are new: decode and embed. Nothing here touches the
index."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from imgsearch import ocr
from imgsearch.dataclass import dataclass
from imgsearch.index.base import Parts
from imgsearch.ingest.descriptions import Facts, facts_of
from imgsearch.ingest.parts import by_the_picture, decoded_for, frames_wanted, parts_of
from imgsearch.ingest.reading import Candidate, Described, Read, bytes_held, describe
from imgsearch.ingest.same_content import Known, TextsRead, no_texts
from imgsearch.ingest.stopwatch import Stopwatch
from imgsearch.models.base import ImageEncoder, Vector
from imgsearch.photos import Skip, decode, films, perceptual_hash
from imgsearch.photos.metadata import Metadata
from imgsearch.thumbnails import Thumbnails

BATCH_BYTES = 24 << 20  # of photos in one batch, unless one alone is larger: eight of 12 MP
CHECKED_SIZE = 64  # pixels of the square that a dry run decodes for


class Embedded(NamedTuple):
    """`inside`: what the picture says of itself, which goes for every copy of it."""

    read: Read
    inside: Metadata
    facts: Facts
    vector: Vector
    parts: Parts | None


@dataclass(slots=True)
class Batch:
    """What came of embedding a batch. `checked`: decoded alone, in a dry run. `incomplete`: why
    pages of embedded ones are left out. `failed`: read, but not to be decoded."""

    embedded: list[Embedded] = field(default_factory=list)
    parted: list[tuple[Read, Known]] = field(default_factory=list)  # with the parts they lacked
    read: int = 0  # of both: those in which text was looked for
    checked: list[Read] = field(default_factory=list)
    incomplete: list[Skip] = field(default_factory=list)
    failed: list[tuple[Read, Skip]] = field(default_factory=list)


class Embedding:
    """Decodes and embeds. The encoder is opened with the first photo that needs it."""

    def __init__(
        self,
        open_encoder: Callable[[], ImageEncoder],
        max_megapixels: float,
        stopwatch: Stopwatch,
        thumbnails: Thumbnails | None = None,
        recogniser: Path | None = None,
        texts_read: TextsRead = no_texts,
    ) -> None:
        """`thumbnails`: in which one of each photo is put. `recogniser`: as for `ocr.Reader`.
        `texts_read`: of photos in which no text is looked for again."""
        self._recogniser, self._texts_read = recogniser, texts_read
        self._reader: ocr.Reader | None = None
        self._opening = threading.Lock()
        self._thumbnails = thumbnails
        self._open = open_encoder
        self._encoder: ImageEncoder | None = None
        self.max_megapixels = max_megapixels
        self._stopwatch = stopwatch

    def open(self, reads: Sequence[Read]) -> None:
        """What is needed for them, on the caller's thread, so that a missing model is the caller's
        error."""
        if self._encoder is None:
            self._encoder = self._open()

    def described(self, candidate: Candidate) -> Described | Skip:
        """A photo whose metadata alone are read again."""
        found = self.facts(candidate)
        return found if isinstance(found, Skip) else Described(candidate, found)

    def facts(self, candidate: Candidate, data: bytes | None = None) -> Facts | Skip:
        """As `describe`."""
        return describe(candidate, data, self.max_megapixels, self._stopwatch)

    def embed_batch(self, reads: Sequence[Read]) -> Batch:
        encoder = self._encoder
        assert encoder is not None
        batch = Batch()
        reads = self._with_texts(reads)
        pixels, decoded = [], []
        parts: dict[str, Parts] = {}
        for read in reads:
            id = read.candidate.id
            try:
                found = self._decoded(read, encoder)
                if kinds := read.lacking:
                    about = encoder, self._reader, self.max_megapixels, self._stopwatch
                    parts[id], without = parts_of(kinds, read.source, found, *about)
                    batch.read += "text" in parts[id]
                    batch.incomplete += [] if without is None else [_skip(read, without)]
                if read.texts is not None:
                    parts[id] = {**parts.get(id, {}), "text": read.texts}
            except decode.Undecodable as error:
                batch.failed.append((read, _skip(read, error)))
                continue
            if read.known is not None:
                batch.parted.append((read, read.known.with_parts(parts.get(id, {}))))
                continue
            assert found is not None  # it is new
            with self._stopwatch("decode"):
                pixels.append(encoder.prepare(found.image))
                seen = films.NO_LOOK if found.is_film else perceptual_hash.of(found.image)
                decoded.append((read, replace(found.metadata, perceptual_hash=seen)))
                self._keep_thumbnail(read, found)
        if pixels:
            with self._stopwatch("embed"):
                vectors = encoder.encode(np.concatenate(pixels))
            told = facts_of([(*read.candidate.described_by, inside) for read, inside in decoded])
            batch.embedded = [
                Embedded(read, inside, facts, vector, parts.get(read.candidate.id))
                for (read, inside), facts, vector in zip(decoded, told, vectors, strict=True)
            ]
        return batch

    def _with_texts(self, reads: Sequence[Read]) -> list[Read]:
        """With those that were read before; where others are wanted, what reads them is opened.
        Raises ModelUnavailable, ModelError."""
        texts = self._texts_read([read.content_hash for read in reads if read.known is None])
        found = [read._replace(texts=texts.get(read.content_hash)) for read in reads]
        with self._opening:
            if self._reader is None and any("text" in read.lacking for read in found):
                self._reader = ocr.Reader(self._recogniser)
        return found

    def _decoded(self, read: Read, encoder: ImageEncoder) -> decode.Decoded | None:
        """None: a known photo, in whose picture nothing is looked for."""
        if read.known is not None and not by_the_picture(read.lacking):
            return None
        with self._stopwatch("decode"):
            kinds = read.lacking
            target = decoded_for(kinds, encoder.image_size)
            return self._decode(read, target, frames_wanted(kinds))

    def _keep_thumbnail(self, read: Read, found: decode.Decoded) -> None:
        if self._thumbnails is not None:
            longer = max(found.metadata.width, found.metadata.height)
            self._thumbnails.keep(read.content_hash, found.image, longer, read.source)

    def _decode(self, read: Read, target: int, frames: int = 1) -> decode.Decoded:
        return decode.decode(
            read.source, target=target, max_megapixels=self.max_megapixels, frames=frames
        )


class Checking(Embedding):
    """In a dry run: decodes alone, so that what is damaged is known. No model is opened."""

    def open(self, reads: Sequence[Read]) -> None:
        pass

    def described(self, candidate: Candidate) -> Described:
        return Described(candidate, None)

    def embed_batch(self, reads: Sequence[Read]) -> Batch:
        batch = Batch()
        for read in reads:
            with self._stopwatch("decode"):
                try:
                    self._decode(read, CHECKED_SIZE)
                    batch.checked.append(read)
                except decode.Undecodable as error:
                    batch.failed.append((read, _skip(read, error)))
        return batch


def _skip(read: Read, error: decode.Undecodable) -> Skip:
    return Skip(read.candidate.photo.path, error.reason, error.detail)


def next_batch(waiting: Sequence[Read], size: int) -> list[Read]:
    """The first of those that wait, no more than `size` photos and about `BATCH_BYTES`."""
    batch: list[Read] = []
    total = 0
    for read in waiting[:size]:
        total += bytes_held(read)
        if batch and total > BATCH_BYTES:
            break
        batch.append(read)
    return batch
