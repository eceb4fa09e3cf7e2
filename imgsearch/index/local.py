"""The index on one machine: SQLite is the truth; what makes searching fast is derived from it
(`segments`, `sketches`) and can be made again at any time."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imgsearch.embedding import ModelPair, Vector, unit
from imgsearch.errors import IndexContradiction, IndexDamaged, IndexError_
from imgsearch.index import neighbours, photo_rows, schema, stamps
from imgsearch.index.base import (
    ALL,
    Failure,
    Filter,
    Fingerprints,
    Hit,
    IndexInfo,
    LibrarySummary,
    Record,
    Row,
)
from imgsearch.index.database import PAGE_SIZE, Database, door
from imgsearch.index.generations import DATABASE, IndexFolder
from imgsearch.index.photo_rows import COLUMNS
from imgsearch.index.segments import Limits, Segments
from imgsearch.progress import Progress, silent

_PAGE = 500  # rows that are read at a time: 1 MB of vectors
_DEAD_SHARE = 0.2  # of a file's rows may be gone before it is written again


def open_local(folder: Path, *, create: bool, limits: Limits | None = None) -> LocalIndex:
    """Raises IndexNotFound where there is none and `create` is not set."""
    place = IndexFolder(folder.absolute())
    for attempt in range(5):
        generation = place.current(create=create)
        if create or (generation / DATABASE).exists():
            return LocalIndex(place, generation, limits or Limits())
        if attempt and place.current(create=False) == generation:
            break  # not a `promote` between our two looks
    raise IndexDamaged(
        f"The index at {folder} is damaged: {generation / DATABASE} is missing.",
        "Bring the folder back from a backup, or ingest again.",
    )


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
        self._limits = limits
        self._predecessor = predecessor
        path = generation / DATABASE
        fresh = not path.exists()
        with door(path):
            if fresh:
                place.path.mkdir(mode=0o700, parents=True, exist_ok=True)
                generation.mkdir(mode=0o700, exist_ok=True)
        self._database = Database(path, create=True)
        self.notes = self._database.notes
        try:
            schema.prepare(self._database)
            if fresh and predecessor is None:
                place.serve(generation)
        except BaseException:  # Ctrl-C too leaves no connection open
            self._database.close()
            raise
        self._segments = Segments(self._database, generation, self.notes, place.exclusive, limits)

    # what it is

    @property
    def index_id(self) -> str:
        return str(self._database.value("select value from meta where key = 'index_id'"))

    def models(self) -> ModelPair | None:
        return self._stamped() if self.count() else None

    def stamp(self, models: ModelPair) -> None:
        known = self._stamped()
        if known is not None and stamps.same(known, models):
            return
        if known is not None and self.count():
            raise IndexContradiction(
                f"The index at {self.place} was made with {stamps.named(known)}, not with"
                f" {stamps.named(models)}.",
                "Leave the model options out to go on with its own, or embed all photos anew:"
                " imgsearch ingest --re-embed",
            )
        with self._database.transaction() as connection:
            connection.execute("delete from segments")  # of an emptied index: all its rows are gone
            connection.execute(
                "insert or replace into meta values ('models', ?)",
                (json.dumps(stamps.dump(models)),),
            )

    def _stamped(self) -> ModelPair | None:
        return stamps.load(self._meta("models"))

    def info(self) -> IndexInfo:
        return IndexInfo(
            models=self.models(),
            schema_version=schema.VERSION,
            photos=self.count(),
            bytes_on_disk=self._place.bytes_on_disk(),
            libraries=self.libraries(),
            last_ingest=self._meta("last_ingest"),
            details=self._details(),
        )

    def _details(self) -> dict[str, str]:
        pieces = self._segments.pieces()
        covered = pieces[-1].last if pieces else 0
        tail = self._database.value("select count(*) from photos where row > ?", (covered,))
        sketched = [piece for piece in pieces if piece.sketch]
        wal = self._database.path.with_name(DATABASE + "-wal")
        page_size = self._database.value("pragma page_size")
        return {
            "generation": self._generation.name,
            "search files": f"{len(pieces)} of {sum(piece.rows for piece in pieces)} rows",
            "search sketches": f"{len(sketched)} of {sum(piece.rows for piece in sketched)} rows",
            "rows in no search file yet": str(tail),
            "journal": self._database.journal_mode,
            "WAL": f"{wal.stat().st_size if wal.exists() else 0} bytes",
            "page size": f"{page_size} bytes" + ("" if page_size == PAGE_SIZE else " (unusual)"),
        }

    def libraries(self) -> dict[str, LibrarySummary]:
        found = self._database.rows("select name, photos, root_hint from libraries order by name")
        return {name: LibrarySummary(photos, hint) for name, photos, hint in found if photos}

    def set_root_hint(self, library: str, root_hint: str | None) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "insert into libraries (name, root_hint) values (?, ?)"
                " on conflict (name) do update set root_hint = excluded.root_hint",
                (library, root_hint),
            )

    def record_ingest(self, report: dict[str, Any]) -> None:
        self._set_meta("last_ingest", report)

    def _meta(self, key: str) -> Any:
        value = self._database.value("select value from meta where key = ?", (key,))
        return None if value is None else json.loads(value)

    def _set_meta(self, key: str, value: Any) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "insert or replace into meta values (?, ?)", (key, json.dumps(value))
            )

    # what is in it

    def fingerprints(self) -> Iterator[Fingerprints]:
        """Joined by SQLite: a fourth of the time, and other threads may run meanwhile."""
        statement = (
            "select max(row), group_concat(hex(id), ''), group_concat(size, ' '),"
            " group_concat(mtime_ns, ' ') from (select row, id, size, mtime_ns from photos"
            " where row > ? order by row limit 10000)"
        )
        with self._database.long_view() as connection:
            last: int | None = 0
            while True:
                last, *columns = connection.execute(statement, (last,)).fetchone()
                if last is None:
                    return
                ids, *numbers = columns
                sizes, mtimes = (np.fromstring(text, np.int64, sep=" ") for text in numbers)
                yield Fingerprints(ids.lower(), sizes, mtimes)

    def records(self, ids: Sequence[str]) -> dict[str, Record]:
        found = self._records("photos.id", photo_rows.id_blobs(ids))
        return {record.id: record for record in found}

    def records_by_hash(self, hashes: Sequence[str]) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {}
        for record in self._records("photos.content_hash", list(map(photo_rows.hash_blob, hashes))):
            found.setdefault(record.content_hash, []).append(record)
        return found

    def _records(self, column: str, keys: Sequence[Any]) -> list[Record]:
        names = self._library_names()
        statement = f"select {COLUMNS} from photos where {column} in ({{}}) order by id"
        return [photo_rows.record_of(row, names) for row in self._database.rows_in(statement, keys)]

    def _by_row(self, rows: Sequence[int]) -> dict[int, Record]:
        names = self._library_names()
        statement = f"select row, {COLUMNS} from photos where row in ({{}})"
        found = self._database.rows_in(statement, rows)
        return {row: photo_rows.record_of(tuple(columns), names) for row, *columns in found}

    def _library_names(self) -> dict[int, str]:
        return dict(self._database.rows("select number, name from libraries"))

    def vectors(self, ids: Sequence[str]) -> dict[str, Vector]:
        statement = "select id, vector from photos join vectors using (row) where photos.id in ({})"
        found = self._database.rows_in(statement, photo_rows.id_blobs(ids))
        return {photo.hex(): np.frombuffer(blob, "<f4").copy() for photo, blob in found}

    def rows(self, where: Filter = ALL) -> Iterator[Row]:
        condition, values = photo_rows.condition(where)
        columns = ", ".join(f"photos.{name}" for name in COLUMNS.split(", "))
        statement = (
            f"select {columns}, vector from photos join vectors using (row)"
            f" where photos.id > ? {'and ' + condition if condition else ''}"
            f" order by photos.id limit {_PAGE}"
        )
        with self._database.long_view() as connection:
            last = b""
            while found := connection.execute(statement, [last, *values]).fetchall():
                last = found[-1][0]
                names = dict(connection.execute("select number, name from libraries").fetchall())
                for *fields, blob in found:
                    vector = np.frombuffer(blob, "<f4").copy()
                    yield Row(photo_rows.record_of(tuple(fields), names), vector)

    def ids(self, where: Filter = ALL) -> Iterator[str]:
        condition, values = photo_rows.condition(where)
        statement = (
            f"select row, id from photos where row > ? {'and ' + condition if condition else ''}"
            " order by row limit 10000"
        )
        with self._database.long_view() as connection:
            last = 0
            while found := connection.execute(statement, [last, *values]).fetchall():
                last = found[-1][0]
                yield from (photo.hex() for _, photo in found)

    def count(self, where: Filter = ALL) -> int:
        condition, values = photo_rows.condition(where)
        if not condition:
            return int(self._database.value("select coalesce(sum(photos), 0) from libraries"))
        statement = f"select count(*) from photos where {condition}"
        return int(self._database.value(statement, values))

    # writing

    def write(self, rows: Sequence[Row], delete: Sequence[str] = ()) -> list[Failure]:
        dims = self._dims()
        failures: list[Failure] = []
        latest = {row.record.id: row for row in rows}
        with self._database.transaction() as connection:
            gone = [blob for blob in photo_rows.id_blobs(delete) if blob.hex() not in latest]
            connection.executemany("delete from photos where id = ?", [(blob,) for blob in gone])
            for row in latest.values():
                reason = photo_rows.upserted(connection, row, dims)
                if reason is not None:
                    failures.append(Failure(row.record.id, reason))
        self._segments.flush(dims)
        return failures

    def _dims(self) -> int:
        models = self._stamped()
        if models is None:
            raise ValueError("an index is stamped before it is written to")
        return models.dims

    def finish(self, progress: Progress = silent) -> None:
        models = self._stamped()
        if models is None:
            return
        if self._meta("erasing"):  # an interrupted `erase`
            self._purge(models.dims)
        self._segments.flush(models.dims, self._limits.flush_at_end)
        photos = self.count()
        if self._segments.dead(photos) > _DEAD_SHARE * photos:
            self._segments.compact(models.dims, _DEAD_SHARE)
        self._segments.build_sketches(models.dims, progress)

    def erase(self, ids: Iterable[str]) -> int:
        blobs = photo_rows.id_blobs(list(ids))
        before = self.count()
        with self._database.transaction() as connection:
            connection.executemany("delete from photos where id = ?", [(blob,) for blob in blobs])
            erased = before - self.count()
            if erased:
                connection.execute("delete from libraries where photos = 0")
                # so that an interrupted one is completed: the rows are no longer there to be named
                connection.execute("insert or replace into meta values ('erasing', 'true')")
        if self._meta("erasing"):
            self._purge(self._dims())
        return erased

    def _purge(self, dims: int) -> None:
        self._segments.compact(dims)
        self._segments.build_sketches(dims)
        if not self._database.rewrite():
            self.notes.append(
                "Another process is searching: what was removed leaves the disk with the next"
                " ingest or remove."
            )
            return
        with self._database.transaction() as connection:
            connection.execute("delete from meta where key = 'erasing'")

    # searching

    def search(
        self, vector: Vector, k: int, where: Filter = ALL, exclude: Collection[str] = ()
    ) -> list[Hit]:
        models = self.models()
        if models is None or k < 1:
            return []
        vector = unit(np.asarray(vector, np.float32))
        if vector.shape != (models.dims,):
            raise IndexContradiction(
                f"The index at {self.place} holds vectors of {models.dims} dimensions, the query"
                f" has {vector.size}.",
                f"Ask with the model that made it: {stamps.named(models)}.",
            )
        parts = self._segments.current(models.dims)
        condition = neighbours.Condition(*photo_rows.condition(where))
        with self._database.view():
            found = neighbours.nearest(
                self._database, parts, vector, k, condition, set(photo_rows.id_blobs(exclude))
            )
            records = self._by_row([row for row, _ in found])
        return [Hit(records[row], score) for row, score in found]

    # one ingest at a time, and another model

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        self._database.must_be_writable()
        with self._place.lock():
            self._segments.drop_orphans()
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
        index._take_over(self)
        return index

    def _half_filled(self, folder: Path, models: ModelPair) -> LocalIndex | None:
        if not (folder / DATABASE).exists():
            return None
        try:
            index = LocalIndex(self._place, folder, self._limits, predecessor=self)
        except IndexError_:
            return None  # it can be made again: begin anew
        known = index._stamped()
        if known is not None and stamps.same(known, models):
            index._segments.drop_orphans()
            return index
        index.close()
        return None

    def _take_over(self, predecessor: LocalIndex) -> None:
        """What belongs to the index, not to its models."""
        with self._database.transaction() as connection:
            connection.execute(
                "update meta set value = ? where key = 'index_id'",
                (predecessor.index_id,),
            )
            connection.executemany(
                "insert into libraries (name, root_hint) values (?, ?)"
                " on conflict (name) do update set root_hint = excluded.root_hint",
                predecessor._database.rows("select name, root_hint from libraries"),
            )

    def promote(self, catch_up: Callable[[], object] = lambda: None) -> None:
        """`catch_up` is never called: the lock lets nobody else write."""
        predecessor = self._predecessor
        if predecessor is None:
            raise ValueError("only a successor is promoted")
        self._take_over(predecessor)
        self._place.serve(self._generation)
        predecessor.close()
        self._predecessor = None
        self._place.delete(predecessor._generation)

    def close(self) -> None:
        self._segments.close()
        self._database.close()
