"""From photos on disk to rows in the index: what is new, changed, unchanged or gone. Knows photos,
their intake and the index protocol; never a backend, a setting or a terminal.

One thread walks ahead, one compares what it finds with the index, and the caller's leads the
`intake` of what is new or changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import compress

import numpy as np

from imgsearch import ocr, photos
from imgsearch.errors import Action, Advice
from imgsearch.index.base import Index, PartKind, parts_mark
from imgsearch.ingest.chunks import Chunk, films_in, named_like, sidecars_in
from imgsearch.ingest.embedding import Checking, Embedding
from imgsearch.ingest.events import Teller
from imgsearch.ingest.file_states import FileStates
from imgsearch.ingest.fingerprints import KnownPhotos, State
from imgsearch.ingest.hidden_raws import Candidates, raws_in
from imgsearch.ingest.missing_photos import Departed, Gone, Seen
from imgsearch.ingest.options import Options, in_part
from imgsearch.ingest.pipeline import Intake
from imgsearch.ingest.prefetch import Ahead
from imgsearch.ingest.reading import Candidate
from imgsearch.ingest.result import Result
from imgsearch.ingest.rules import LeftOut, Rules
from imgsearch.ingest.same_content import algorithm_of_hashes, texts_read
from imgsearch.ingest.sources import Job, check_not_empty
from imgsearch.ingest.stopwatch import Stopwatch
from imgsearch.models.base import ImageEncoder
from imgsearch.photos import Skip, SkipReason, formats, walk
from imgsearch.photos.walk import Listing
from imgsearch.progress import Progress, silent
from imgsearch.roots.locations import Root

STAGES = ("walk", "read", "decode", "embed", "text", "index")
WALK_CHUNK = 1024  # photos compared with the index at a time, or as many as a folder has more
CHUNKS_AHEAD = 32  # that wait for the comparing, which waits for the index's fingerprints
WALK_AHEAD = 20_000  # photos: 8 MB, and makes the bar's total right for most libraries
_REMOVED = Advice("removed before", Action("take in again"))
FEW_FILES = 512  # named ones, for which the whole index's fingerprints are not worth loading


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
        before: Index | None = None,
    ) -> None:
        """`may_remove` is asked before the photos of a whole folder are pruned. `file_states`: of
        the index's photos on this machine. `rules`: by library. `before`: the index whose place
        this one takes."""
        self._file_states = file_states or FileStates()
        self._rules, self._left_out = rules, LeftOut(rules)
        self._may_remove = may_remove
        self._index, self._before = index, before
        self._options = options
        self._progress = progress
        self._stopwatch = Stopwatch(STAGES)
        kind = Checking if options.dry_run else Embedding
        self._embedding = kind(
            open_encoder,
            options.max_megapixels,
            self._stopwatch,
            options.thumbnails,
            options.recogniser,
            *([] if before is None else [partial(texts_read, before)]),
        )
        self._reads_text = index.capabilities.texts is not None and ocr.missing() is None
        self._result = Result()
        self._moved: set[str] = set()  # the old ids of rows that moved in this run
        self._replaced: list[Departed] = []  # their file is no picture any more
        # what other threads count: the result is the caller's alone until they have ended
        self._expected = self._unchanged = 0  # of the first, files with a picture's ending
        self._unnamed = 0  # unchanged photos without one
        self._passed_over: list[Skip] = []
        self._tell = Teller(options.report)
        self._films: list[int] = []  # bytes of each that is not asked for
        self._documents = 0
        self._stay_out = 0  # photos that were removed before
        self._raws = 0  # that are part of another photo
        self._joined: set[str] = set()  # ids of rows of RAWs that are part of another photo now
        self._met: set[tuple[str, bytes]] = set()  # files of jobs that list them, if they are there

    def run(
        self, jobs: Sequence[Job], roots: Mapping[str, Root], passed_over: Sequence[Skip] = ()
    ) -> Result:
        """`roots`: every library's root on this machine; a renamed photo's old path is looked for
        there. `passed_over`: what was named and can belong to no job. Raises PhotoError for a
        folder with nothing in it. On any exception the rows that were written stay."""
        self._pass_over(passed_over)
        for job in jobs:
            check_not_empty(job)
        here = dict(roots)
        for job in jobs:
            if job.library not in here or here[job.library].path != job.root:
                here[job.library] = Root(job.root, within=(job.within,) if job.within else ())
        with closing(Ahead(self._chunks(jobs), CHUNKS_AHEAD)) as chunks, self._known(jobs) as known:
            candidates = Ahead(self._candidates(chunks, known), WALK_AHEAD, source=chunks)
            self._take_in(candidates, known, here)
        self._result.unchanged += self._unchanged
        self._result.left_out += self._stay_out
        self._result.joined += self._raws
        self._result.films += len(self._films)
        self._result.film_bytes += sum(self._films)
        self._result.documents += self._documents
        self._result.skipped = self._passed_over + self._result.skipped
        if self._options.limit is None:
            about = self._options, self._result, self._stopwatch, self._may_remove
            gone = Gone(self._index, *about, self._excluded, self._tell)
            gone.settle(jobs, known, Seen(self._met, self._moved, self._joined), self._replaced)
        self._result.seconds = self._stopwatch.seconds
        return self._result

    @contextmanager
    def _known(self, jobs: Sequence[Job]) -> Iterator[KnownPhotos]:
        """What has been compared or written when the block ends, however it does, is kept."""
        with self._stopwatch("index"):
            known = self._load_known(jobs)
        before = self._file_states.load()
        known.use_states(before)
        try:
            yield known
        finally:
            if not self._options.dry_run:
                self._file_states.save(before.with_these(known.states()), before)

    def _pass_over(self, skips: Sequence[Skip]) -> None:
        self._passed_over += skips
        self._tell.skipped(skips)

    # -- walking and comparing, on threads of their own

    def _chunks(self, jobs: Sequence[Job]) -> Iterator[Chunk]:
        for job in jobs:
            found = self._listings(job)
            while (chunk := self._chunk(job, found)).listings:
                yield chunk

    def _listings(self, job: Job) -> Iterator[Listing]:
        root, exclude = os.fspath(job.root), self._excluded(job)
        links = self._options.follow_links or job.follow_links
        raw_apart = self._rules_of(job).raw_apart
        which = walk.Which(exclude, links, not raw_apart, self._wants_films(job))
        if job.files is None:
            return walk.listings(root, which, within=job.within)
        folders = sorted({file.rpartition(b"/")[0] for file in job.files})
        return walk.listings_of(root, folders, which)

    def _rules_of(self, job: Job) -> Rules:
        return self._rules.get(job.library, Rules())

    def _asked_parts(self, job: Job) -> tuple[PartKind, ...] | None:
        """The kinds that the library's rules want, of those that can be made here. None: the index
        can hold no parts at all."""
        if self._index.capabilities.no_parts is not None:
            return None
        kinds = self._rules_of(job).parts
        return tuple(kind for kind in kinds if kind != "text" or self._reads_text)

    def _wants_films(self, job: Job) -> bool:
        return "frame" in (self._asked_parts(job) or ())

    def _excluded(self, job: Job) -> tuple[str, ...]:
        return *self._rules_of(job).exclude, *self._options.exclude

    def _chunk(self, job: Job, walk: Iterator[Listing]) -> Chunk:
        """The next photos of this part; no listings at the end of the walk."""
        chunk = Chunk(job, [], [], {}, [], {}, [])
        films = self._wants_films(job)
        is_named = named_like(films=films)
        with self._stopwatch("walk"):
            for listing in walk:
                ids = listing.ids(job.library)
                chunk.sidecars.update(sidecars_in(listing, ids))
                chunk.raws.update(raws_in(listing, ids))
                if job.files is not None:
                    wanted = [listing.prefix + name in job.files for name in listing.names]
                    listing, ids = listing.only(wanted), list(compress(ids, wanted))
                    listing = self._meet(job, listing)
                chunk.joined.extend(listing.ids_of_joined(job.library))
                self._pass_over(listing.skips)
                if self._options.part is not None:
                    mine = [in_part(id, self._options.part) for id in ids]
                    listing, ids = listing.only(mine), list(compress(ids, mine))
                chunk.listings.append(listing)
                named = list(map(is_named, listing.names))
                chunk.named.extend(named)
                if not all(named):
                    self._films += [] if films else films_in(listing)
                    self._documents += sum(map(formats.has_document_ending, listing.names))
                chunk.ids.extend(ids)
                if len(chunk.ids) >= WALK_CHUNK:
                    break
        self._expected += sum(chunk.named)
        return chunk

    def _candidates(self, chunks: Iterator[Chunk], known: KnownPhotos) -> Iterator[Candidate]:
        for chunk in chunks:
            self._raws += len(chunk.joined)
            self._joined.update(known.among(chunk.joined))
            if not chunk.ids:  # folders without photos
                continue
            kinds = chunk.kinds(self._asked_parts(chunk.job))
            states = chunk.states(known, kinds)
            same = states == State.UNCHANGED
            unchanged = int(same.sum())
            self._unchanged += unchanged
            self._unnamed += int((same & ~np.array(chunk.named)).sum())
            if unchanged == len(states):
                continue
            columns = chunk.ids, chunk.photos(), kinds, states.tolist()
            for id, photo, wanted, state in zip(*columns, strict=True):
                if state == State.NEW and self._left_out.has_id(id):
                    self._stay_out += 1
                    if chunk.job.named:
                        self._pass_over([Skip(photo.path, SkipReason.LEFT_OUT, _REMOVED)])
                elif state != State.UNCHANGED:
                    yield Candidate(
                        id,
                        chunk.job.library,
                        photo,
                        known=state != State.NEW,
                        sidecar=chunk.sidecars.get(id),
                        only_metadata=state == State.OTHERWISE_DESCRIBED,
                        only_parts=state == State.WITHOUT_PARTS,
                        named=chunk.job.named,
                        parts=wanted,
                        raws=chunk.raws.get(id, ()),
                    )

    def _meet(self, job: Job, listing: Listing) -> Listing:
        """The listing without what is in the folder besides the job's files."""
        assert job.files is not None
        files = job.files
        self._met.update((job.library, listing.prefix + name) for name in listing.names)
        skips = []
        for skip in listing.skips:
            relative = os.fsencode(os.path.relpath(skip.path, listing.root))
            if relative in files:
                self._met.add((job.library, relative))
                skips.append(skip)
        joined = [name for name in listing.joined if listing.prefix + name in files]
        for name in joined if job.named else ():
            self._met.add((job.library, listing.prefix + name))
            path = os.path.join(listing.root, os.fsdecode(listing.prefix + name))
            skips.append(Skip(path, SkipReason.LEFT_OUT, "one photo with the picture beside it"))
        return listing._replace(skips=skips, joined=joined)

    def _load_known(self, jobs: Sequence[Job]) -> KnownPhotos:
        """What the index holds; where only a few files are looked at, of these alone."""
        files = [photos.photo_id(job.library, file) for job in jobs for file in job.files or ()]
        if len(files) <= FEW_FILES and all(job.files is not None for job in jobs):
            any_parts = self._index.capabilities.no_parts is None
            parts = self._index.parts(files) if any_parts else {}
            parted = {id: parts_mark(found) for id, found in parts.items()}
            return KnownPhotos.of(self._index.records(files).values(), parted)
        return KnownPhotos.load(self._index.fingerprints())

    # -- what is new or changed

    def _take_in(
        self, walked: Ahead[Candidate], known: KnownPhotos, roots: Mapping[str, Root]
    ) -> None:
        candidates = Candidates(walked, known, self._left_out)
        intake = self._intake = Intake(
            self._index,
            self._embedding,
            known,
            roots,
            self._result,
            self._stopwatch,
            self._options.limits,
            algorithm_of_hashes(self._before or self._index),
            dry_run=self._options.dry_run,
            limit=self._options.limit,
            report=self._report,
            tell=self._tell,
            left_out=self._left_out,
        )
        intake.run(candidates)
        self._raws -= len(candidates.released)
        self._joined -= candidates.released
        self._report()
        self._moved = intake.departures.moved
        self._replaced = [Departed(each.id, each.photo.path) for each in intake.replaced]

    def _report(self) -> None:
        """Files that turn out to be no pictures count neither as done nor in the total, nor do
        files without a picture's ending until they turn out to be some."""
        passed_over = len(self._passed_over)
        done = self._result.done + self._unchanged + passed_over + self._stay_out
        total = self._expected + self._unnamed + self._intake.found_out + passed_over
        self._progress("photos", done, max(total, done))
