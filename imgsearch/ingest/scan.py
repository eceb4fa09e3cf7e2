"""From photos on disk to rows in the index: what is new, changed, unchanged or gone. Knows photos,
their intake and the index protocol; never a backend, a setting or a terminal.

One thread walks ahead, one compares what it finds with the index, and the caller's leads the
`intake` of what is new or changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import chain, compress, islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from imgsearch import photos
from imgsearch.errors import PhotoError
from imgsearch.escaping import shown
from imgsearch.index.base import Index, Record
from imgsearch.ingest.file_states import FileStates
from imgsearch.ingest.fingerprints import Found, KnownPhotos, State, metadata_mark
from imgsearch.ingest.pipeline import Intake, Limits
from imgsearch.ingest.prefetch import Ahead
from imgsearch.ingest.recognition import within_folder
from imgsearch.ingest.result import Result
from imgsearch.ingest.sources import (
    Job,
    check_not_empty,
    emptied_folders,
    is_there,
)
from imgsearch.ingest.steps import Candidate, Checking, Embedding
from imgsearch.ingest.stopwatch import Stopwatch
from imgsearch.models.base import ImageEncoder
from imgsearch.photos import Skip, sidecars, walk
from imgsearch.photos.sidecars import Sidecar
from imgsearch.photos.walk import Listing, Photo
from imgsearch.progress import Progress, silent
from imgsearch.question import Filter
from imgsearch.roots.locations import Root
from imgsearch.rules import LeftOut, Rules

STAGES = ("walk", "read", "decode", "embed", "index")
WALK_CHUNK = 1024  # photos compared with the index at a time, or as many as a folder has more
CHUNKS_AHEAD = 32  # that wait for the comparing, which waits for the index's fingerprints
WALK_AHEAD = 20_000  # photos: 8 MB, and makes the bar's total right for most libraries
GONE_CHUNK = 512  # rows looked up and deleted at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    limits: Limits = field(default_factory=Limits)
    max_megapixels: float = 250.0
    exclude: Sequence[str] = ()  # in this run
    exclude_for_good: Sequence[str] = ()  # from now on, as a rule of the libraries
    forget_excluded: bool = False  # what was excluded for good until now
    include_removed: bool = False  # take photos in again that were removed
    raw_apart: bool | None = None  # a RAW and its JPEG are two photos; None: as before
    follow_links: bool = False
    limit: int | None = None  # new or changed photos
    dry_run: bool = False  # nothing is embedded or written
    prune: bool = False
    sure: bool = False  # do not ask before a folder whose photos are all gone is pruned
    part: tuple[int, int] | None = None  # (1, 4): the first of four parts, split by photo id


def in_part(id: str, part: tuple[int, int] | None) -> bool:
    """Whether a photo belongs to part i of n, by its id: the same answer on every machine."""
    return part is None or int(id[:8], 16) % part[1] == part[0] - 1


class _Chunk(NamedTuple):
    """Photos of one library, with their ids. `joined`: ids of RAWs that are part of another."""

    library: str
    ids: list[str]
    listings: list[Listing]
    sidecars: dict[str, Sidecar]  # by the photo's id
    joined: list[str]

    def states(self, known: KnownPhotos) -> npt.NDArray[np.int8]:
        plain, sidecars = metadata_mark(None), self.sidecars
        marks = [metadata_mark(sidecars[id]) if id in sidecars else plain for id in self.ids]
        listings = self.listings
        columns = (
            chain.from_iterable(listing.sizes for listing in listings),
            chain.from_iterable(listing.mtimes for listing in listings),
            chain.from_iterable(listing.ctimes for listing in listings),
            chain.from_iterable(listing.inodes for listing in listings),
            marks,
        )
        return known.see(self.ids, Found(*(np.array(list(each), np.int64) for each in columns)))

    def photos(self) -> Iterator[Photo]:
        return (listing.photo(n) for listing in self.listings for n in range(len(listing.names)))


def _sidecars(listing: Listing, ids: Sequence[str]) -> dict[str, Sidecar]:
    """By the photo's id; their fingerprints are in the listing already."""
    belonging = sidecars.belonging(listing.names, listing.joined)
    if not belonging:
        return {}
    places = {name: place for place, name in enumerate(listing.names)}
    found = {}
    for name, sidecar in belonging.items():
        photo = listing.photo(places[sidecar])
        found[ids[places[name]]] = Sidecar(photo.path, photo.size, photo.mtime_ns)
    return found


_NO_RULES: Mapping[str, Rules] = {}


def _never(said: str) -> bool:
    return False


class Ingest:
    """One run. `open_encoder` is called when the first photo has to be embedded, not before."""

    def __init__(
        self,
        index: Index,
        open_encoder: Callable[[], ImageEncoder],
        options: Options,
        progress: Progress = silent,
        may_remove: Callable[[str], bool] = _never,
        file_states: FileStates | None = None,
        rules: Mapping[str, Rules] = _NO_RULES,
    ) -> None:
        """`may_remove` is asked before the photos of a whole folder are pruned. `file_states`: of
        the index's photos on this machine. `rules`: by library."""
        self._file_states = file_states or FileStates()
        self._rules, self._left_out = rules, LeftOut(rules)
        self._may_remove = may_remove
        self._index = index
        self._options = options
        self._progress = progress
        self._stopwatch = Stopwatch(STAGES)
        kind = Checking if options.dry_run else Embedding
        self._embedding = kind(open_encoder, options.max_megapixels, self._stopwatch)
        self._result = Result()
        self._moved: set[str] = set()  # the old ids of rows that moved in this run
        self._replaced: list[str] = []  # ids of photos whose file is no picture any more
        # what other threads count: the result is the caller's alone until they have ended
        self._walked = self._unchanged = 0
        self._passed_over: list[Skip] = []
        self._stay_out = 0  # photos that were removed before
        self._raws = 0  # that are part of another photo
        self._joined: set[str] = set()  # ids of rows of RAWs that are part of another photo now

    def run(self, jobs: Sequence[Job], roots: Mapping[str, Root]) -> Result:
        """`roots`: every library's root on this machine; a renamed photo's old path is looked for
        there. Raises PhotoError for a folder with nothing in it. On any exception the rows that
        were written stay."""
        for job in jobs:
            check_not_empty(job)
        here = dict(roots)
        for job in jobs:
            if job.library not in here or here[job.library].path != job.root:
                here[job.library] = Root(job.root, within=(job.within,) if job.within else ())
        with closing(Ahead(self._chunks(jobs), CHUNKS_AHEAD)) as chunks, self._known() as known:
            candidates = Ahead(self._candidates(chunks, known), WALK_AHEAD, source=chunks)
            self._take_in(candidates, known, here)
        self._result.unchanged += self._unchanged
        self._result.left_out += self._stay_out
        self._result.joined += self._raws
        self._result.skipped = self._passed_over + self._result.skipped
        if self._options.limit is None:
            for job in jobs:
                self._settle_gone(job, known)
            self._take_out(self._replaced)
        self._result.seconds = self._stopwatch.seconds
        return self._result

    @contextmanager
    def _known(self) -> Iterator[KnownPhotos]:
        """What has been compared or written when the block ends, however it does, is kept."""
        with self._stopwatch("index"):
            known = KnownPhotos.load(self._index.fingerprints())
        before = self._file_states.load()
        known.use_states(before)
        try:
            yield known
        finally:
            if not self._options.dry_run:
                self._file_states.save(before.with_these(known.states()), before)

    # -- walking and comparing, on threads of their own

    def _chunks(self, jobs: Sequence[Job]) -> Iterator[_Chunk]:
        for job in jobs:
            found = walk.listings(
                os.fspath(job.root),
                exclude=self._excluded(job),
                join_raw=not self._rules_of(job).raw_apart,
                follow_links=self._options.follow_links,
                within=job.within,
            )
            while (chunk := self._chunk(job.library, found)).listings:
                yield chunk

    def _rules_of(self, job: Job) -> Rules:
        return self._rules.get(job.library, Rules())

    def _excluded(self, job: Job) -> tuple[str, ...]:
        return *self._rules_of(job).exclude, *self._options.exclude

    def _chunk(self, library: str, walk: Iterator[Listing]) -> _Chunk:
        """The next photos of this part; no listings at the end of the walk."""
        chunk = _Chunk(library, [], [], {}, [])
        with self._stopwatch("walk"):
            for listing in walk:
                self._passed_over += listing.skips
                ids = listing.ids(library)
                chunk.sidecars.update(_sidecars(listing, ids))
                chunk.joined.extend(listing.ids_of_joined(library))
                if self._options.part is not None:
                    mine = [in_part(id, self._options.part) for id in ids]
                    listing, ids = listing.only(mine), list(compress(ids, mine))
                chunk.listings.append(listing)
                chunk.ids.extend(ids)
                if len(chunk.ids) >= WALK_CHUNK:
                    break
        self._walked += len(chunk.ids)
        return chunk

    def _candidates(self, chunks: Iterator[_Chunk], known: KnownPhotos) -> Iterator[Candidate]:
        for chunk in chunks:
            self._raws += len(chunk.joined)
            self._joined.update(known.among(chunk.joined))
            if not chunk.ids:  # folders without photos
                continue
            states = chunk.states(known)
            unchanged = int((states == State.UNCHANGED).sum())
            self._unchanged += unchanged
            if unchanged == len(states):
                continue
            for id, photo, state in zip(chunk.ids, chunk.photos(), states.tolist(), strict=True):
                if state == State.NEW and self._left_out.has_id(id):
                    self._stay_out += 1
                elif state != State.UNCHANGED:
                    yield Candidate(
                        id,
                        chunk.library,
                        photo,
                        known=state != State.NEW,
                        sidecar=chunk.sidecars.get(id),
                        only_metadata=state == State.OTHERWISE_DESCRIBED,
                    )

    # -- what is new or changed

    def _take_in(
        self, candidates: Ahead[Candidate], known: KnownPhotos, roots: Mapping[str, Root]
    ) -> None:
        intake = Intake(
            self._index,
            self._embedding,
            known,
            roots,
            self._result,
            self._stopwatch,
            self._options.limits,
            dry_run=self._options.dry_run,
            limit=self._options.limit,
            report=self._report,
            left_out=self._left_out,
        )
        intake.run(candidates)
        self._moved, self._replaced = intake.departures.moved, intake.replaced

    def _report(self) -> None:
        done = self._result.done + self._unchanged + len(self._passed_over)
        self._progress("photos", done, max(self._walked + len(self._passed_over), done))

    # -- photos that are gone

    def _settle_gone(self, job: Job, known: KnownPhotos) -> None:
        gone, left_out = self._gone(job, known)
        if self._options.prune and gone and not self._options.sure:
            self._ask_about_folders(job, gone)
        self._take_out([record.id for record in gone])
        self._remove(left_out)

    def _ask_about_folders(self, job: Job, gone: Sequence[Record]) -> None:
        """A disk that is not mounted looks like a folder whose photos are all gone."""
        for folder, count in emptied_folders(job.root, gone).items():
            said = f"All {count:,} photos of {shown(folder)} are gone."
            if count == 1:
                said = f"The only photo of {shown(folder)} is gone."
            if not self._may_remove(said):
                raise PhotoError(
                    f"{said} Nothing was removed.",
                    "Is a disk not mounted? If they are gone for good: --prune --yes",
                )

    def _take_out(self, gone: Sequence[str]) -> None:
        """Counted as missing; with --prune, removed."""
        if not self._options.prune:
            self._result.missing += len(gone)
        else:
            self._remove(gone)

    def _remove(self, gone: Sequence[str]) -> None:
        self._result.removed += len(gone)
        if not self._options.dry_run:
            for ids in _some(gone, GONE_CHUNK):
                with self._stopwatch("index"):
                    self._index.write([], ids)

    def _gone(self, job: Job, known: KnownPhotos) -> tuple[list[Record], list[str]]:
        """Photos whose file is gone; and the ids of those that are left out from now on, though it
        is there."""
        gone: list[Record] = []
        left_out: list[str] = []
        excluded = walk.excluder(self._excluded(job))
        unseen = known.unseen_of(self._index.ids(_within(job)))
        for ids in _some((id for id in unseen if in_part(id, self._options.part)), GONE_CHUNK):
            wanted = [id for id in ids if id not in self._moved]
            for record in self._index.records(wanted).values():
                if not is_there(job.root, record):
                    gone.append(record)
                elif record.id in self._joined or excluded(
                    photos.path_bytes(record.relative_path, record.path_escaped)
                ):
                    left_out.append(record.id)
        return gone, left_out


def _within(job: Job) -> Filter:
    """The records of the folder that is ingested."""
    if not job.within:
        return Filter.within(job.library)
    return within_folder([job.library], job.within)


def _some(ids: Iterable[str], size: int) -> Iterator[list[str]]:
    iterator = iter(ids)
    while chunk := list(islice(iterator, size)):
        yield chunk
