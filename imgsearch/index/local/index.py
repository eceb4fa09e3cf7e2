"""The index on one machine: SQLite is the truth; what makes searching fast is derived from it
(`segments`, `sketches`) and can be made again at any time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from imgsearch.errors import Action, IndexContradiction, IndexError_, IndexLocked
from imgsearch.index import recorded_models
from imgsearch.index.base import (
    ALL,
    BrowseOrder,
    Capabilities,
    Facet,
    Failure,
    Filter,
    Fingerprints,
    IndexInfo,
    LibrarySummary,
    Look,
    Near,
    Neighbour,
    Parts,
    Record,
    Row,
    Wanted,
)
from imgsearch.index.local import browsing, photo_parts, photo_rows, schema, status, word_search
from imgsearch.index.local.database import Database, mapped_errors
from imgsearch.index.local.generations import DATABASE, IndexFolder
from imgsearch.index.local.index_metadata import Meta, MetaValue
from imgsearch.index.local.migrations import prepare
from imgsearch.index.local.reader import Reader
from imgsearch.index.local.search_files.files import SearchFiles
from imgsearch.index.local.search_files.segments import Limits
from imgsearch.index.local.searching import Searcher
from imgsearch.models.base import ModelPair, Vector, Vectors
from imgsearch.progress import Progress, silent


class LocalIndex:
    """Implements `imgsearch.index.base.Index`."""

    foreign = False
    rows_per_write = 8  # a commit is cheap: kill -9 costs no more than a batch

    def __init__(
        self,
        place: IndexFolder,
        generation: Path,
        limits: Limits,
        predecessor: LocalIndex | None = None,
    ) -> None:
        self.place = str(place.path)
        self._place = place
        self._generation = generation
        self._limits, self._predecessor = limits, predecessor
        path = generation / DATABASE
        fresh = not path.exists()
        with mapped_errors(path):
            if fresh:
                place.path.mkdir(mode=0o700, parents=True, exist_ok=True)
                generation.mkdir(mode=0o700, exist_ok=True)
        self._database = Database(path, create=True)
        self.notes = self._database.notes
        try:
            prepare(self._database)
            schema.check(self._database)
            if predecessor is None and self._database.writable and not place.serves():
                place.serve(generation)
        except BaseException:  # Ctrl-C too leaves no connection open
            self._database.close()
            raise
        self._meta = Meta(self._database)
        self.rules = MetaValue(self._meta, "rules")
        self._reader = Reader(self._database, self._meta, self.place)
        self.capabilities = Capabilities(texts=self._reader.texts)
        self._files = SearchFiles(self._database, generation, self.notes, place.exclusive, limits)
        self._counts = browsing.Counts(self._database)
        self._searcher = Searcher(self._database, self._reader, self._files)

    # what it is

    @property
    def index_id(self) -> str:
        return self._meta.index_id

    def models(self) -> ModelPair | None:
        return self._reader.models()

    def stamp(self, models: ModelPair) -> None:
        known = self._meta.models()
        if known is not None and recorded_models.same(known, models):
            return
        if known is not None and self.count():
            raise IndexContradiction(
                f"The index at {self.place} was made with {recorded_models.named(known)}, not with"
                f" {recorded_models.named(models)}.",
                "Name no model, to go on with its own, or embed all photos anew",
                Action("re-embed"),
            )
        self._meta.stamp(models)

    def info(self) -> IndexInfo:
        return IndexInfo(
            models=self.models(),
            schema_version=schema.VERSION,
            photos=self.count(),
            bytes_on_disk=self._place.bytes_on_disk(),
            libraries=self.libraries(),
            last_ingest=recorded_models.last_ingest(self._meta.get("last_ingest")),
            details=status.details(self._database, self._files),
            parts=photo_parts.counts(self._database.rows),
        )

    def libraries(self) -> dict[str, LibrarySummary]:
        return self._reader.libraries()

    def set_root_hint(self, library: str, root_hint: str | None) -> None:
        self._meta.set_root_hint(library, root_hint)

    def record_ingest(self, report: dict[str, Any]) -> None:
        self._meta.set("last_ingest", report)

    # what is in it

    def fingerprints(self) -> Iterator[Fingerprints]:
        return self._reader.fingerprints()

    def records(self, ids: Sequence[str]) -> dict[str, Record]:
        return self._reader.records(ids)

    def photo(self, ids: Sequence[str]) -> tuple[Record, Vector | None] | None:
        found = self.records(ids)
        first = next((found[id] for id in ids if id in found), None)
        return None if first is None else (first, self.vectors([first.id]).get(first.id))

    def records_by_hash(self, hashes: Sequence[str]) -> dict[str, list[Record]]:
        return self._reader.records_by_hash(hashes)

    def vectors(self, ids: Sequence[str]) -> dict[str, Vector]:
        return self._reader.vectors(ids)

    def parts(self, ids: Sequence[str]) -> dict[str, Parts]:
        return self._reader.parts(ids)

    def rows(self, where: Filter = ALL) -> Iterator[Row]:
        return self._reader.rows(where)

    def looks(self, where: Filter = ALL) -> Iterator[Look]:
        return self._reader.looks(where)

    def ids(self, where: Filter = ALL) -> Iterator[str]:
        return self._reader.ids(where)

    def ids_named(self, name: str) -> list[str]:
        return []  # every id here is made of library and path

    def count(self, where: Filter = ALL) -> int:
        return self._reader.count(where)

    def sample(self, size: int) -> Vectors:
        return self._reader.sample(size)

    # writing

    def write(self, rows: Sequence[Row], delete: Sequence[str] = ()) -> list[Failure]:
        dims = self._dims()
        latest = {row.record.id: row for row in rows}
        gone = [blob for blob in photo_rows.id_blobs(delete) if blob.hex() not in latest]

        def written() -> list[Failure]:
            with self._database.transaction() as connection:
                browsing.note_change(connection)
                word_search.delete_photos(connection, gone)
                why = {id: photo_rows.upserted(connection, latest[id], dims) for id in latest}
            return [Failure(id, reason) for id, reason in why.items() if reason is not None]

        failures = word_search.mending(self._database, written)
        self._files.flush(dims)
        return failures

    def _dims(self) -> int:
        models = self._meta.models()
        if models is None:
            raise ValueError("an index is stamped before it is written to")
        return models.dims

    def finish(self, progress: Progress = silent) -> None:
        models = self._meta.models()
        if models is None:
            return
        if self._meta.get("erasing"):  # an interrupted `erase`
            self._purge(models.dims)
        word_search.mend(self._database)
        browsing.mend_counts(self._database)
        self._files.finish(models.dims, self.count(), progress)

    def erase(self, ids: Iterable[str]) -> int:
        ids = list(ids)
        self._erase_from_successor(ids)
        blobs, before = photo_rows.id_blobs(ids), self.count()

        def erased() -> int:
            with self._database.transaction() as connection:
                browsing.note_change(connection)
                word_search.delete_photos(connection, blobs)
                if before > self.count():
                    connection.execute("delete from libraries where photos = 0")
                    # an interrupted one is completed by this: its rows cannot be named again
                    connection.execute("insert or replace into meta values ('erasing', 'true')")
                return before - self.count()

        count = word_search.mending(self._database, erased)
        if self._meta.get("erasing"):
            self._purge(self._dims())
        return count

    def complete_erasing(self) -> None:
        """Finish an `erase` that was interrupted: its rows cannot be named again."""
        if (
            self._database.writable
            and self._meta.get("erasing")
            and self._meta.models() is not None
        ):
            with self._place.exclusive() as alone:
                if alone:
                    self._purge(self._dims())

    def _erase_from_successor(self, ids: Sequence[str]) -> None:
        """An interrupted `ingest --re-embed` has left one, which holds the same photos."""
        if self._predecessor is not None:
            return
        folder = self._place.after(self._generation)
        if not folder.exists():
            return
        try:
            index = LocalIndex(self._place, folder, self._limits, predecessor=self)
        except IndexError_:
            self._place.delete(folder)  # it would be begun anew anyway
            return
        with contextlib.closing(index):
            if index._meta.models() is not None:
                index.erase(ids)

    def _purge(self, dims: int) -> None:
        self._files.purge(dims)
        word_search.forget_erased(self._database)
        if self._database.rewrite():
            self._meta.forget("erasing")
        else:
            self.notes.append(
                "Another process is searching: what was removed leaves the disk with the next"
                " ingest or remove."
            )

    # searching

    def search(
        self, vector: Vector, k: int, where: Filter = ALL, exclude: Collection[str] = ()
    ) -> list[Neighbour]:
        return self._searcher.nearest(vector, k, where, exclude)

    def search_words(
        self,
        vector: Vector,
        k: int,
        wanted: Wanted,
        where: Filter = ALL,
        exclude: Collection[str] = (),
    ) -> Near:
        return self._searcher.near(vector, k, wanted, where, exclude)

    def match(self, wanted: Wanted, k: int, where: Filter = ALL) -> list[Record]:
        return self._searcher.matching(wanted, k, where)

    def browse(self, where: Filter, order: BrowseOrder, k: int, offset: int = 0) -> list[Record]:
        with self._database.view():
            rows = browsing.rows_in_order(self._database, where, order, k, offset)
            records = self._reader.by_row(rows)
        self._reader.note_left_out(len(rows) - len(records))
        return [records[row] for row in rows if row in records]

    def facets(self, where: Filter, names: Collection[Facet]) -> dict[Facet, list[tuple[str, int]]]:
        with self._database.view():
            return self._counts.of(where, names, self._reader.library_names())

    # one ingest at a time, and another model

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        self._database.must_be_writable()
        with self._place.lock():
            if self._predecessor is None and self._place.current(create=False) != self._generation:
                raise IndexLocked(
                    f"{self.place} has been embedded anew by another process meanwhile.",
                    "Run the same command again.",
                )
            if self._predecessor is None:
                self._place.clear_away(self._generation)
            self._files.drop_orphans()
            yield

    def successor(self, models: ModelPair) -> LocalIndex:
        self._database.must_be_writable()
        folder = self._place.after(self._generation)
        half_filled = self._half_filled(folder, models)
        if half_filled is not None:
            return half_filled
        self._place.delete(folder)
        index = LocalIndex(self._place, folder, self._limits, predecessor=self)
        index.stamp(models)
        index._meta.take_over(self._meta)
        return index

    def _half_filled(self, folder: Path, models: ModelPair) -> LocalIndex | None:
        if not (folder / DATABASE).exists():
            return None
        try:
            index = LocalIndex(self._place, folder, self._limits, predecessor=self)
        except IndexError_:
            return None  # it can be made again: begin anew
        known = index._meta.models()
        if known is not None and recorded_models.same(known, models):
            index._files.drop_orphans()
            return index
        index.close()
        return None

    def promote(self, catch_up: Callable[[], object] = lambda: None) -> None:
        """`catch_up` is never called: the lock lets nobody else write."""
        predecessor = self._predecessor
        if predecessor is None:
            raise ValueError("only a successor is promoted")
        self._meta.take_over(predecessor._meta)
        self._place.serve(self._generation)
        predecessor.close()
        self._predecessor = None
        self._place.delete(predecessor._generation)

    def close(self) -> None:
        self._files.close()
        self._database.close()
