"""From photos on disk to rows in the index. Knows photos, batches and the index protocol; never a
backend, a setting or a terminal.

One thread (the caller's) owns the index. A second walks ahead. Workers read and hash a batch of
photos, and then decode and embed those that are not known by their bytes. Each batch runs to
completion on one worker: measured faster than a decoding pool that feeds one embedding thread."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from imgsearch import photos
from imgsearch.batches import (
    Batch,
    Candidate,
    Embedded,
    Embedding,
    Read,
    always,
    batches,
    read_batch,
)
from imgsearch.embedding import ImageEncoder, Vector
from imgsearch.index.base import Filter, Index, Record, Row
from imgsearch.known import KnownPhotos, State
from imgsearch.libraries import Job, check_not_empty, has_entries, is_there
from imgsearch.lookahead import ahead
from imgsearch.metadata import Metadata
from imgsearch.photos import Photo, Skip, SkipReason
from imgsearch.progress import Progress, silent
from imgsearch.stopwatch import Stopwatch

STAGES = ("walk", "decode", "embed", "index")
WALK_CHUNK = 1024  # photos compared with the index at a time
WALK_AHEAD = 50_000  # photos: bounds memory, and makes the bar's total right for most libraries
WRITE_ROWS = 128  # at most so many wait for the index: what a kill -9 would cost
GONE_CHUNK = 512  # rows looked up and deleted at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    batch_size: int = 8  # photos
    workers: int = 2
    max_megapixels: float = 250.0
    exclude: Sequence[str] = ()
    follow_links: bool = False
    limit: int | None = None  # new or changed photos
    dry_run: bool = False  # nothing is decoded, embedded or written
    prune: bool = False
    part: tuple[int, int] | None = None  # (1, 4): the first of four parts, split by photo id


@dataclass(slots=True)
class Result:
    """What an ingest did, in photos; `seconds` of work by stage, added up over the threads."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    renamed: int = 0
    removed: int = 0
    missing: int = 0  # gone from disk, kept in the index
    embedded: int = 0
    skipped: list[Skip] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def done(self) -> int:
        return self.added + self.updated + self.unchanged + self.renamed + len(self.skipped)


def in_part(id: str, part: tuple[int, int] | None) -> bool:
    """Whether a photo belongs to part i of n, by its id: the same answer on every machine."""
    return part is None or int(id[:8], 16) % part[1] == part[0] - 1


class Ingest:
    """One run. `open_encoder` is called when the first photo has to be embedded, not before."""

    def __init__(
        self,
        index: Index,
        open_encoder: Callable[[], ImageEncoder],
        options: Options,
        progress: Progress = silent,
    ) -> None:
        self._index = index
        self._options = options
        self._progress = progress
        self._stopwatch = Stopwatch(STAGES)
        self._embedding = Embedding(open_encoder, options.max_megapixels, self._stopwatch)
        self._result = Result()
        self._walked = 0  # photos that the walk has met so far
        self._roots: dict[str, Path] = {}
        self._moved: set[str] = set()  # the old ids of rows that moved in this run
        self._twins: dict[str, list[Read]] = {}  # by hash: same bytes as one being embedded
        self._pending: list[Row] = []  # rows on their way to the index

    def run(self, jobs: Sequence[Job], roots: dict[str, Path]) -> Result:
        """`roots`: every library's root on this machine; a renamed photo's old path is looked for
        there. Raises PhotoError for a folder with nothing in it. On any exception the rows that
        were written stay."""
        self._roots = {**roots, **{job.library: job.root for job in jobs}}
        for job in jobs:
            check_not_empty(job)
        with self._stopwatch("index"):
            known = KnownPhotos.load(self._index.fingerprints())
        with closing(ahead(self._candidates(jobs, known), WALK_AHEAD)) as candidates:
            self._work_off(candidates, known)
        if self._options.limit is None:
            for job in jobs:
                self._settle_gone(job, known)
        self._result.seconds = self._stopwatch.seconds
        return self._result

    # -- walking, on a thread of its own

    def _candidates(self, jobs: Sequence[Job], known: KnownPhotos) -> Iterator[Candidate]:
        changed = (found for job in jobs for found in self._changed(job, known))
        return islice(changed, self._options.limit)

    def _changed(self, job: Job, known: KnownPhotos) -> Iterator[Candidate]:
        walk = photos.walk(
            os.fspath(job.root),
            exclude=self._options.exclude,
            follow_links=self._options.follow_links,
            within=job.within,
        )
        while chunk := self._walk_chunk(job, walk):
            states = known.see(
                [id for id, _ in chunk],
                [photo.size for _, photo in chunk],
                [photo.mtime_ns for _, photo in chunk],
            )
            self._result.unchanged += int((states == State.UNCHANGED).sum())
            for (id, photo), state in zip(chunk, states.tolist(), strict=True):
                if state != State.UNCHANGED:
                    yield Candidate(id, job.library, photo, state == State.CHANGED)

    def _walk_chunk(self, job: Job, walk: Iterator[Photo | Skip]) -> list[tuple[str, Photo]]:
        """The next photos of this part; empty at the end of the walk."""
        chunk: list[tuple[str, Photo]] = []
        with self._stopwatch("walk"):
            for found in walk:
                if isinstance(found, Skip):
                    self._result.skipped.append(found)
                    continue
                id = photos.photo_id(job.library, found.relative)
                if in_part(id, self._options.part):
                    chunk.append((id, found))
                if len(chunk) == WALK_CHUNK:
                    break
        self._walked += len(chunk)
        self._report()
        return chunk

    def _report(self) -> None:
        self._progress("photos", self._result.done, max(self._walked, self._result.done))

    # -- reading, embedding, writing

    def _work_off(self, candidates: Iterator[Candidate], known: KnownPhotos) -> None:
        """Keeps the workers busy with a bounded window of batches until all are written."""
        window = self._options.workers + 2
        running: set[Future[Batch]] = set()
        pool = ThreadPoolExecutor(self._options.workers, thread_name_prefix="imgsearch")
        must_hash = known.has_size if self._options.dry_run else always
        try:
            for batch in batches(candidates, self._options.batch_size):
                running.add(pool.submit(read_batch, batch, self._stopwatch, must_hash))
                while len(running) >= window:
                    running = self._advance(pool, running, known)
            while running:
                running = self._advance(pool, running, known)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        self._flush()

    def _advance(
        self, pool: ThreadPoolExecutor, running: set[Future[Batch]], known: KnownPhotos
    ) -> set[Future[Batch]]:
        """Takes what is ready. A slow file holds up its own batch, none of the others."""
        done, still_running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            batch = future.result()
            self._result.skipped += batch.skipped
            self._give_up(batch.failed)
            self._take(batch.embedded, known)
            to_embed = self._reuse(batch.read, known)
            if self._options.dry_run:
                self._count_only(to_embed)
            elif to_embed:
                self._embedding.open()
                still_running.add(pool.submit(self._embedding.embed_batch, to_embed))
        self._report()
        return still_running

    def _take(self, embedded: Sequence[Embedded], known: KnownPhotos) -> None:
        rows = []
        for read, metadata, vector in embedded:
            for same in (read, *self._twins.pop(read.content_hash, ())):
                rows.append(Row(_record(same, metadata), vector))
                self._count(same.candidate)
                known.add_size(same.candidate.photo.size)
        self._result.embedded += len(embedded)
        self._write(rows)

    def _give_up(self, failed: Sequence[tuple[Read, Skip]]) -> None:
        for read, skip in failed:
            self._result.skipped.append(skip)
            for twin in self._twins.pop(read.content_hash, ()):
                path = twin.candidate.photo.path
                self._result.skipped.append(Skip(path, skip.reason, skip.detail))

    def _count(self, candidate: Candidate) -> None:
        if candidate.known:
            self._result.updated += 1
        else:
            self._result.added += 1

    def _count_only(self, reads: Sequence[Read]) -> None:
        for read in reads:
            for same in (read, *self._twins.pop(read.content_hash, ())):
                self._count(same.candidate)

    # -- photos known by their bytes

    def _reuse(self, reads: Sequence[Read], known: KnownPhotos) -> list[Read]:
        """Writes those whose bytes the index knows; returns the others, one of each content."""
        maybe = [read for read in reads if known.has_size(read.candidate.photo.size)]
        by_hash, vectors = self._look_up({read.content_hash for read in maybe})
        to_embed = []
        for read in reads:
            vector = vectors.get(read.content_hash)
            if vector is not None:
                self._write_known(read, by_hash[read.content_hash], vector)
            elif read.content_hash in self._twins:
                self._twins[read.content_hash].append(read)
            else:
                self._twins[read.content_hash] = []
                to_embed.append(read)
        return to_embed

    def _look_up(self, hashes: set[str]) -> tuple[dict[str, list[Record]], dict[str, Vector]]:
        """Records and vector by content hash, all read before any of them is written over."""
        if not hashes:
            return {}, {}
        self._flush()  # so that a photo of this very run is found
        with self._stopwatch("index"):
            by_hash = self._index.records_by_hash(sorted(hashes))
            one_each = {records[0].id: hash for hash, records in by_hash.items()}
            found = self._index.vectors(list(one_each))
        return by_hash, {one_each[id]: vector for id, vector in found.items()}

    def _write_known(self, read: Read, records: Sequence[Record], vector: Vector) -> None:
        candidate = read.candidate
        own = next((record for record in records if record.id == candidate.id), None)
        if own is not None:  # touched: only the fingerprint is new
            self._result.unchanged += 1
            self._write([Row(_same_picture(read, own), None)])
            return
        row = Row(_same_picture(read, records[0]), vector)
        old = None if candidate.known else next(filter(self._has_left, records), None)
        if old is None:
            self._count(candidate)
            self._write([row])
        else:
            self._result.renamed += 1
            self._moved.add(old.id)
            self._write([row], [old.id])

    def _has_left(self, record: Record) -> bool:
        """Gone from its path, though its root can be reached and holds something."""
        root = self._roots.get(record.library)
        return (
            record.id not in self._moved
            and root is not None
            and has_entries(os.fsencode(root))
            and not is_there(root, record)
        )

    # -- the index

    def _write(self, rows: Sequence[Row], delete: Sequence[str] = ()) -> None:
        """Collects as many rows as the backend likes; a move goes at once, with its deletion."""
        self._pending += rows
        if delete or len(self._pending) >= min(self._index.rows_per_write, WRITE_ROWS):
            self._flush(delete)

    def _flush(self, delete: Sequence[str] = ()) -> None:
        rows, self._pending = self._pending, []
        if self._options.dry_run or not (rows or delete):
            return
        with self._stopwatch("index"):
            failures = self._index.write(rows, delete)
        paths = {row.record.id: self._path(row.record) for row in rows} if failures else {}
        for id, reason in failures:
            self._result.skipped.append(Skip(paths[id], SkipReason.REFUSED, reason))

    def _path(self, record: Record) -> str:
        relative = photos.path_bytes(record.relative_path, record.path_escaped)
        return os.path.join(os.fspath(self._roots[record.library]), os.fsdecode(relative))

    # -- photos that are gone

    def _settle_gone(self, job: Job, known: KnownPhotos) -> None:
        gone = list(self._gone(job, known))
        if not self._options.prune:
            self._result.missing += len(gone)
            return
        self._result.removed += len(gone)
        for ids in _chunks(gone, GONE_CHUNK):
            self._flush(ids)

    def _gone(self, job: Job, known: KnownPhotos) -> Iterator[str]:
        folder, _ = photos.path_text(job.within)
        unseen = known.unseen_of(self._index.ids(Filter(job.library, folder or None)))
        for ids in _chunks((id for id in unseen if in_part(id, self._options.part)), GONE_CHUNK):
            wanted = [id for id in ids if id not in self._moved]
            for record in self._index.records(wanted).values():
                if not is_there(job.root, record):
                    yield record.id


def _identity(read: Read) -> dict[str, Any]:
    """Which photo it is and what its file is like: the part of a Record that the picture's
    content does not decide."""
    candidate = read.candidate
    relative_path, escaped = photos.path_text(candidate.photo.relative)
    return {
        "id": candidate.id,
        "library": candidate.library,
        "relative_path": relative_path,
        "path_escaped": escaped,
        "size": candidate.photo.size,
        "mtime_ns": candidate.photo.mtime_ns,
    }


def _record(read: Read, metadata: Metadata) -> Record:
    return Record(content_hash=read.content_hash, **_identity(read), **asdict(metadata))


def _same_picture(read: Read, source: Record) -> Record:
    """The source's picture at the candidate's path."""
    return replace(source, **_identity(read))


def _chunks(ids: Iterable[str], size: int) -> Iterator[list[str]]:
    iterator = iter(ids)
    while chunk := list(islice(iterator, size)):
        yield chunk
