"""New and changed photos on their way into the index: read, recognised by their bytes or embedded,
and written.

Readers wait for disks and networks, workers have the processor, one thread has the index, and the
caller's thread decides what each does next. So a slow file holds up nobody but itself, and decoding
waits for the index only when a thousand rows do. A batch is decoded and embedded on one worker:
measured faster than a decoding pool that feeds one embedding thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

from imgsearch.index.base import Failure, Index, Record, Row
from imgsearch.ingest.batch_size import Limits
from imgsearch.ingest.descriptions import Facts, same_wherever_it_lies
from imgsearch.ingest.embedding import Batch, Embedded, Embedding, next_batch
from imgsearch.ingest.events import SILENT, Teller
from imgsearch.ingest.fingerprints import KnownPhotos
from imgsearch.ingest.hidden_raws import Candidates
from imgsearch.ingest.moved_photos import Departures
from imgsearch.ingest.reading import (
    Candidate,
    Described,
    Read,
    always,
    bytes_held,
    facts_of_copy,
    is_expected,
    is_no_picture,
    read_photo,
    without_parts,
)
from imgsearch.ingest.result import Result
from imgsearch.ingest.rows import is_same, record_of, same_picture
from imgsearch.ingest.rules import LeftOut
from imgsearch.ingest.same_content import Known, look_up
from imgsearch.ingest.stopwatch import Stopwatch
from imgsearch.ingest.tally import Tally
from imgsearch.ingest.worker_pool import WorkerPool
from imgsearch.photos import Skip
from imgsearch.photos.content_hashes import Algorithm
from imgsearch.roots.locations import Root

READERS = 4  # more would slow down a disk with heads
WRITE_ROWS = 128  # that are worth a write, unless the index says fewer
WAITING_ROWS = 1024  # for an index that is slow: what a kill -9 would cost then
SMALLEST = 4  # photos of a batch, if there are as many: of one alone each costs a third more
IDLE = 0.1  # seconds in which nothing came back: a free worker takes what there is

_NOTHING = LeftOut({})
Taken = Read | Described | Skip | None


class Intake:
    """`roots`: every library's root on this machine, where a renamed photo's old path is looked
    for. `algorithm`: of the hash by which the index knows bytes. `dry_run`: nothing is written. All
    but what is marked runs on the caller's thread."""

    def __init__(
        self,
        index: Index,
        embedding: Embedding,
        known: KnownPhotos,
        roots: Mapping[str, Root],
        result: Result,
        stopwatch: Stopwatch,
        limits: Limits,
        algorithm: Algorithm,
        *,
        dry_run: bool = False,
        limit: int | None = None,
        report: Callable[[], None] = lambda: None,
        left_out: LeftOut = _NOTHING,
        tell: Teller = SILENT,
    ) -> None:
        self._index, self._embedding, self._known = index, embedding, known
        self._result, self._stopwatch = result, stopwatch
        self._limits, self._dry_run, self._report = limits, dry_run, report
        self._algorithm = algorithm
        self._limit, self._pictures = limit, 0
        self.found_out = 0  # files without a picture's ending that count all the same
        self._tally, self._left_out = Tally(result, known, tell, dry_run=dry_run), left_out
        self._must_hash: Callable[[int], bool] = always
        if dry_run:
            self._must_hash = lambda size: known.has_size(size) or left_out.has_size(size)
        self.departures = Departures(roots)
        self.replaced: list[Candidate] = []  # known photos whose file is no picture any more
        self._more = True  # candidates
        self._familiar: list[Read] = []  # of a size that the index knows: to be looked up
        self._new: list[Read] = []  # to be embedded
        self._described: list[Described] = []  # their rows are to be looked up
        self._twins: dict[str, list[Read]] = {}  # by hash: same bytes as one being embedded
        self._rows: list[Row] = []  # to be written
        self._gone: list[str] = []  # ids to be deleted with them
        self._held = self._held_bytes = 0  # photos that are on the way

    def run(self, candidates: Candidates) -> None:
        """Ingest all candidates. On any exception the rows that were written stay."""
        self._candidates = candidates
        sizes = {"readers": READERS, "workers": self._limits.workers, "index": 1}
        with WorkerPool(sizes) as self._pool, closing(candidates):
            idle = False
            while self._hand_out(idle):
                idle = not self._pool.go_on(IDLE)
                self._report()

    def _hand_out(self, idle: bool) -> bool:
        """Start every task that can be started now. False when everything is done."""
        self._begin_reading()
        self._begin_index_work()
        self._begin_embedding(idle)
        return any(self._pool.busy.values())

    # -- reading

    def _begin_reading(self) -> None:
        limits = self._limits
        window = (limits.workers + 2) * limits.batch_size + READERS
        while (
            self._more
            and not self._enough()
            and self._pool.busy["readers"] < READERS
            and self._held < window
            and self._held_bytes < limits.on_the_way
            and len(self._rows) < WAITING_ROWS
        ):
            self._held += 1
            self._pool.give("readers", self._take_read, self._read_next)

    def _enough(self) -> bool:
        """Whether as many pictures as are wanted have been read, or may yet be."""
        busy = self._pool.busy["readers"]
        return self._limit is not None and self._pictures + busy >= self._limit

    def _read_next(self) -> tuple[bool, Candidate | None, Taken]:
        """On a reader. False: there are no more."""
        candidate = next(self._candidates, None)
        if candidate is None:
            return False, None, None
        if candidate.only_metadata:
            return True, candidate, self._embedding.described(candidate)
        found = without_parts(candidate)
        about = self._stopwatch, self._algorithm, self._must_hash
        return True, candidate, found or read_photo(candidate, *about)

    def _take_read(self, result: tuple[bool, Candidate | None, Taken]) -> None:
        more, candidate, found = result
        self._more = (self._more and more) or self._has_raws()
        if found is not None and candidate is not None and not is_expected(candidate):
            self.found_out += 1
        if isinstance(found, Read):
            self._pictures += 1
            self._more = self._more and self._pictures != self._limit
            self._held_bytes += bytes_held(found)
            size = found.candidate.photo.size
            if found.content_hash not in self._twins and self._known.has_size(size):
                self._familiar.append(found)
            else:
                self._take_unknown(found)
            return
        if isinstance(found, Described):
            self._described.append(found)
            return
        self._held -= 1
        if found is not None and candidate is not None:
            self._skip(candidate, found)
        if candidate is not None and candidate.may_be_pruned and is_no_picture(found):
            self.replaced.append(candidate)

    def _skip(self, candidate: Candidate, skip: Skip) -> None:
        self._tally.skip(self._candidates.instead_of(candidate, skip))
        self._more = self._more or self._has_raws()

    def _has_raws(self) -> bool:
        """Whether RAWs are to be read instead of pictures that were skipped."""
        return self._candidates.has_raws and self._pictures != self._limit

    def _take_unknown(self, read: Read) -> None:
        candidate = read.candidate
        if self._left_out.has_bytes(candidate.library, read.content_hash):
            self._let_go(read)
            self._result.left_out += 1
            self.replaced += [candidate] if candidate.known else []
            return
        if read.content_hash in self._twins:
            self._let_go(read)
            self._twins[read.content_hash].append(read._replace(data=None))
        else:
            self._twins[read.content_hash] = []
            self._new.append(read)

    def _let_go(self, read: Read) -> None:
        self._held -= 1
        self._held_bytes -= bytes_held(read)

    # -- embedding

    def _begin_embedding(self, idle: bool) -> None:
        pool, workers = self._pool, self._limits.workers
        last = not (self._more or pool.busy["readers"] or pool.busy["index"] or self._familiar)
        while self._new and pool.busy["workers"] <= workers:  # one waits, so that no worker does
            size = self._limits.batch_size
            if last:  # smaller and smaller ones, so that all workers end together
                size = min(size, max(SMALLEST, -(-len(self._new) // (2 * workers))))
            batch = next_batch(self._new, size)
            full = len(batch) == size or len(batch) < len(self._new)
            if not (full or last or (idle and pool.busy["workers"] < workers)):
                return
            del self._new[: len(batch)]
            self._embedding.open(batch)
            pool.give("workers", self._take_batch, self._embedding.embed_batch, batch)

    def _take_batch(self, batch: Batch) -> None:
        self._result.read += batch.read
        self._result.incomplete += batch.incomplete
        for read, known in batch.parted:
            self._let_go(read)
            self._take_known(read, known, with_parts=True)
        for embedded in batch.embedded:
            self._take_embedded(embedded)
        for read in batch.checked:
            self._let_go(read)
            for same in (read, *self._twins.pop(read.content_hash, ())):
                self._tally.count(same.candidate)
        for read, skip in batch.failed:
            self._let_go(read)
            for same in (read, *self._twins.pop(read.content_hash, ())):
                self._skip(same.candidate, replace(skip, path=same.candidate.photo.path))

    def _take_embedded(self, embedded: Embedded) -> None:
        read, inside, facts, vector, parts = embedded
        self._let_go(read)
        self._result.embedded += 1
        for same in (read, *self._twins.pop(read.content_hash, ())):
            facts = facts if same is read else facts_of_copy(same.candidate, inside)
            self._rows.append(Row(record_of(same, facts), vector, parts))
            self._tally.count(same.candidate)
            self._known.add_size(same.candidate.photo.size)

    # -- the index: one task at a time, so that what comes meanwhile goes with the next

    def _begin_index_work(self) -> None:
        busy = self._pool.busy
        if busy["index"]:
            return
        waiting = self._new or self._familiar or self._described
        coming = self._more or busy["readers"] or busy["workers"] or waiting
        enough = min(self._index.rows_per_write, WRITE_ROWS) if coming else 1
        if self._gone or len(self._rows) >= enough:
            self._begin_writing()
        elif self._familiar:
            self._begin_looking_up()
        elif self._described:
            self._begin_describing()

    def _begin_describing(self) -> None:
        described, self._described = self._described, []

        def take(known: dict[str, Record]) -> None:
            self._held -= len(described)
            for candidate, facts, parts in described:
                if self._dry_run or candidate.id in known:  # else another has removed it
                    self._tally.count_as(candidate, "unchanged" if parts else "described")
                if candidate.id in known:
                    record = replace(known[candidate.id], **(facts or {}))
                    self._add(Row(record, None, parts))

        if self._dry_run:
            take({})
            return
        self._pool.give("index", take, self._index.records, [each[0].id for each in described])

    def _begin_writing(self) -> None:
        rows, self._rows = self._rows, []
        gone, self._gone = self._gone, []

        def take(failures: Sequence[Failure]) -> None:
            self._tally.written(rows, failures)

        self._pool.give("index", take, self._write, rows, gone)

    def _write(self, rows: Sequence[Row], gone: Sequence[str]) -> Sequence[Failure]:
        """Write rows and delete others. Runs on the index's thread."""
        with self._stopwatch("index"):
            failures = self._index.write(rows, gone)
        return self._tally.tell_written(rows, failures)

    # -- photos known by their bytes

    def _begin_looking_up(self) -> None:
        reads, self._familiar = self._familiar, []
        hashes = {read.content_hash for read in reads}
        if any(row.record.content_hash in hashes for row in self._rows):
            self._begin_writing()  # so that a photo of this very run is found

        def take(found: dict[str, Known]) -> None:
            for read in reads:
                known = found.get(read.content_hash)
                if known is None:
                    self._take_unknown(read)
                    continue
                lacking = read._replace(known=known)
                if lacking.lacking and not self._dry_run:
                    self._new.append(lacking)
                else:
                    self._let_go(read)
                    self._take_known(read, known, with_parts=bool(lacking.lacking))

        self._pool.give("index", take, look_up, self._index, sorted(hashes), self._stopwatch)

    def _take_known(self, read: Read, known: Known, *, with_parts: bool = False) -> None:
        """`with_parts`: some that it lacked were made now."""
        candidate, records = read.candidate, known.records
        own = next((record for record in records if record.id == candidate.id), None)
        if own is not None and is_same(read, own) and not with_parts:
            self._tally.count_same(candidate)
            return
        if own is not None:  # touched: only the fingerprint is new
            self._tally.count_as(candidate, "looked_through" if with_parts else "unchanged")
            self._add_known(read, Row(own, None, known.parts if with_parts else None))
            return
        old = None if candidate.known else next(filter(self.departures.has_left, records), None)
        if old is None:
            self._tally.count(candidate)
        else:
            self._tally.count_as(candidate, "renamed", self.departures.path_of(old))
            self.departures.moved.add(old.id)
        self._add_known(read, Row(records[0], known.vector, known.parts), old)

    def _add_known(self, read: Read, same: Row, old: Record | None = None) -> None:
        """`same`: of a photo with the same bytes."""
        candidate, source = read.candidate, same.record
        row = same._replace(record=same_picture(read, source))
        name = row.record.relative_path.rpartition("/")[2]
        if self._dry_run or same_wherever_it_lies(source, name, candidate.sidecar):
            self._add(row, old)
            return

        def take(facts: Facts | Skip) -> None:
            known = facts if isinstance(facts, dict) else {"metadata_mark": 0}  # again next time
            self._add(row._replace(record=replace(row.record, **known)), old)

        self._pool.give("readers", take, self._embedding.facts, candidate, read.data)

    def _add(self, row: Row, old: Record | None = None) -> None:
        if not self._dry_run:
            self._rows.append(row)
            self._gone += [old.id] if old is not None else []
