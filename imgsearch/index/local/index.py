"""The index on one machine: SQLite is the truth; what makes searching fast is derived from it
(`segments`, `sketches`) and can be made again at any time."""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from imgsearch.errors import IndexContradiction, IndexDamaged, IndexError_, IndexLocked
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
    Neighbour,
    Record,
    Row,
)
from imgsearch.index.local import browsing, filters, photo_rows, photo_vectors, schema
from imgsearch.index.local.database import BACKUP, PAGE_SIZE, Database, door
from imgsearch.index.local.generations import DATABASE, IndexFolder
from imgsearch.index.local.photo_rows import COLUMNS
from imgsearch.index.local.search_files import nearest
from imgsearch.index.local.search_files.segments import Limits, Segments
from imgsearch.models.base import ModelPair, Vector, Vectors, unit
from imgsearch.progress import Progress, silent

_PAGE = 500  # rows that are read at a time: 1 MB of vectors
# of `photos`: what `Fingerprints` can hold, and photos that have a vector
_SOUND = (
    "typeof(id) = 'blob' and length(id) = 16 and typeof(size) = 'integer'"
    " and typeof(mtime_ns) = 'integer'"
)
_MARK = "case typeof(metadata_mark) when 'integer' then metadata_mark else 0 end"
_HAS_VECTOR = "exists (select 1 from embeddings where photo = photos.row and kind = 0)"
_DEAD_SHARE = 0.2  # of a file's rows may be gone before it is written again


def open_local(folder: Path, *, create: bool, limits: Limits | None = None) -> LocalIndex:
    """Raises IndexNotFound where there is none and `create` is not set."""
    place = IndexFolder(folder.absolute())
    for attempt in range(5):
        generation = place.current(create=create)
        if create or (generation / DATABASE).exists():
            index = LocalIndex(place, generation, limits or Limits())
            index.complete_erasing()
            return index
        if attempt and place.current(create=False) == generation:
            break  # not a `promote` between our two looks
    raise IndexDamaged(
        f"The index at {folder} is damaged: {generation / DATABASE} is missing.",
        "Bring the folder back from a backup, or ingest again.",
    )


class LocalIndex:
    """Implements `imgsearch.index.base.Index`."""

    foreign = False
    capabilities = Capabilities()
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
            schema.check(self._database)
            if predecessor is None and self._database.writable and not place.serves():
                place.serve(generation)
        except BaseException:  # Ctrl-C too leaves no connection open
            self._database.close()
            raise
        self._segments = Segments(self._database, generation, self.notes, place.exclusive, limits)
        self._counts = browsing.Counts(self._database)
        self._files = threading.RLock()  # what `_segments` keeps open is shared by threads

    # what it is

    @property
    def index_id(self) -> str:
        found = self._database.value("select value from meta where key = 'index_id'")
        if isinstance(found, str) and re.fullmatch("[0-9a-f]{32}", found):
            return found
        made = os.urandom(16).hex()  # for an index that has lost its own
        if self._database.writable:
            with self._database.transaction() as connection:
                connection.execute("insert or replace into meta values ('index_id', ?)", (made,))
        return made

    def models(self) -> ModelPair | None:
        if not self.count():
            return None
        stamped = self._stamped()
        if stamped is None:
            raise self._without_models()
        return stamped

    def stamp(self, models: ModelPair) -> None:
        known = self._stamped()
        if known is not None and recorded_models.same(known, models):
            return
        if known is not None and self.count():
            raise IndexContradiction(
                f"The index at {self.place} was made with {recorded_models.named(known)}, not with"
                f" {recorded_models.named(models)}.",
                "Leave the model options out to go on with its own, or embed all photos anew:"
                " imgsearch ingest --re-embed",
            )
        with self._database.transaction() as connection:
            connection.execute("delete from segments")  # of an emptied index: all its rows are gone
            connection.execute(
                "insert or replace into meta values ('models', ?)",
                (json.dumps(recorded_models.dump(models)),),
            )

    def _stamped(self) -> ModelPair | None:
        try:
            return recorded_models.checked(self._meta("models"))
        except ValueError:
            raise self._without_models() from None

    def _without_models(self) -> IndexDamaged:
        path = self._database.path
        return IndexDamaged(f"{path} does not say which models made its vectors.", BACKUP)

    def info(self) -> IndexInfo:
        return IndexInfo(
            models=self.models(),
            schema_version=schema.VERSION,
            photos=self.count(),
            bytes_on_disk=self._place.bytes_on_disk(),
            libraries=self.libraries(),
            last_ingest=recorded_models.last_ingest(self._meta("last_ingest")),
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
            "WAL": f"{wal.lstat().st_size if wal.exists() else 0} bytes",
            "page size": f"{page_size} bytes" + ("" if page_size == PAGE_SIZE else " (unusual)"),
        }

    def libraries(self) -> dict[str, LibrarySummary]:
        found = self._database.rows(
            "select number, name, photos, root_hint from libraries order by name"
        )
        names = photo_rows.library_names((number, name) for number, name, _, _ in found)
        counts = self._photos_by_library()
        return {
            names[number]: LibrarySummary(counts[number], hint if isinstance(hint, str) else None)
            for number, _, _, hint in found
            if number in names and counts.get(number)
        }

    def _photos_by_library(self) -> dict[int, int]:
        """As the triggers keep it; counted where that cannot be right."""
        kept = dict(self._database.rows("select number, photos from libraries"))
        top = self._database.value("select max(row) from photos") or 0
        right = all(isinstance(count, int) and count >= 0 for count in kept.values())
        if right and bool(top) == bool(sum(kept.values())) and sum(kept.values()) <= top:
            return kept
        return dict(self._database.rows("select library, count(*) from photos group by library"))

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
        """None too for what cannot be read."""
        value = self._database.value("select value from meta where key = ?", (key,))
        try:
            return json.loads(value)
        except (TypeError, ValueError, RecursionError):
            return None

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
            " group_concat(mtime_ns, ' '), group_concat(mark, ' ') from (select row, id, size,"
            f" mtime_ns, {_MARK} as mark from photos where row > ? and {_SOUND}"
            " order by row limit 10000)"
        )
        if self._any_without_vector():  # they are new, to be embedded again
            statement = statement.replace(_SOUND, f"{_SOUND} and {_HAS_VECTOR}")
        with self._database.long_view() as connection:
            last: int | None = 0
            while True:
                last, *columns = connection.execute(statement, (last,)).fetchone()
                if last is None:
                    return
                ids, *numbers = columns
                yield Fingerprints(
                    ids.lower(), *(np.fromstring(text, np.int64, sep=" ") for text in numbers)
                )

    def _any_without_vector(self) -> bool:
        counts = "select (select count(*) from photos) > (select count(*) from embeddings)"
        return bool(self._database.value(counts))

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
        found = [
            photo_rows.record_of(row, names) for row in self._database.rows_in(statement, keys)
        ]
        return [record for record in found if record is not None]

    def _by_row(self, rows: Sequence[int]) -> dict[int, Record]:
        names = self._library_names()
        statement = f"select row, {COLUMNS} from photos where row in ({{}})"
        found = self._database.rows_in(statement, rows)
        records = {row: photo_rows.record_of(tuple(columns), names) for row, *columns in found}
        return {row: record for row, record in records.items() if record is not None}

    def _library_names(self) -> dict[int, str]:
        return photo_rows.library_names(self._database.rows("select number, name from libraries"))

    def vectors(self, ids: Sequence[str]) -> dict[str, Vector]:
        """Without those that are missing or damaged."""
        models = self.models()
        if models is None:
            return {}
        statement = (
            "select id, vector, checksum from photos join embeddings using (row)"
            " where photos.id in ({})"
        )
        found = self._database.rows_in(statement, photo_rows.id_blobs(ids))
        read = {id.hex(): photo_vectors.read(blob, sum, models.dims) for id, blob, sum in found}
        return {id: vector for id, vector in read.items() if vector is not None}

    def rows(self, where: Filter = ALL) -> Iterator[Row]:
        condition, values = filters.condition(where)
        columns = ", ".join(f"photos.{name}" for name in COLUMNS.split(", "))
        statement = (
            f"select {columns}, vector, checksum from photos left join embeddings using (row)"
            f" where photos.id > ? {'and ' + condition if condition else ''}"
            f" order by photos.id limit {_PAGE}"
        )
        models = self.models()
        if models is None:
            return
        left_out = 0
        with self._database.long_view() as connection:
            last = b""
            while found := connection.execute(statement, [last, *values]).fetchall():
                last = found[-1][0]
                names = photo_rows.library_names(
                    connection.execute("select number, name from libraries")
                )
                for *fields, blob, checksum in found:
                    record = photo_rows.record_of(tuple(fields), names)
                    vector = photo_vectors.read(blob, checksum, models.dims)
                    if record is None or vector is None:
                        left_out += 1
                    else:
                        yield Row(record, vector)
        self._note_left_out(left_out)

    def ids(self, where: Filter = ALL) -> Iterator[str]:
        condition, values = filters.condition(where)
        statement = (
            f"select row, id from photos where row > ? {'and ' + condition if condition else ''}"
            " order by row limit 10000"
        )
        with self._database.long_view() as connection:
            last = 0
            while found := connection.execute(statement, [last, *values]).fetchall():
                last = found[-1][0]
                yield from (photo.hex() for _, photo in found if photo_rows.is_id(photo))

    def ids_named(self, name: str) -> list[str]:
        return []  # every id here is made of library and path

    def count(self, where: Filter = ALL) -> int:
        condition, values = filters.condition(where)
        if not condition:
            return sum(self._photos_by_library().values())
        statement = f"select count(*) from photos where {condition}"
        return int(self._database.value(statement, values))

    def sample(self, size: int) -> Vectors:
        """Those at evenly spread rows, or next to a row that is gone."""
        models = self.models()
        if models is None:
            return np.zeros((0, 0), np.float32)
        first, last = self._database.rows("select min(row), max(row) from embeddings")[0]
        targets = np.unique(np.linspace(first or 0, last or 0, size).astype(np.int64)).tolist()
        statement = (
            "select row, vector, checksum from embeddings where row >= ? and kind = 0"
            " order by row limit 1"
        )
        with self._database.view():
            found = {
                row: (row, vector, checksum)
                for target in targets
                for row, vector, checksum in self._database.rows(statement, (target,))
            }
        return photo_vectors.readable(found.values(), models.dims)[1]

    # writing

    def write(self, rows: Sequence[Row], delete: Sequence[str] = ()) -> list[Failure]:
        dims = self._dims()
        failures: list[Failure] = []
        latest = {row.record.id: row for row in rows}
        with self._database.transaction() as connection:
            browsing.note_change(connection)
            gone = [blob for blob in photo_rows.id_blobs(delete) if blob.hex() not in latest]
            connection.executemany("delete from photos where id = ?", [(blob,) for blob in gone])
            for row in latest.values():
                reason = photo_rows.upserted(connection, row, dims)
                if reason is not None:
                    failures.append(Failure(row.record.id, reason))
        with self._files:
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
        with self._files:
            self._segments.flush(models.dims, self._limits.flush_at_end)
            photos = self.count()
            if self._segments.dead(photos) > _DEAD_SHARE * photos:
                self._segments.compact(models.dims, _DEAD_SHARE)
            self._segments.build_sketches(models.dims, progress)

    def erase(self, ids: Iterable[str]) -> int:
        ids = list(ids)
        self._erase_from_successor(ids)
        blobs = photo_rows.id_blobs(ids)
        before = self.count()
        with self._database.transaction() as connection:
            browsing.note_change(connection)
            connection.executemany("delete from photos where id = ?", [(blob,) for blob in blobs])
            erased = before - self.count()
            if erased:
                connection.execute("delete from libraries where photos = 0")
                # so that an interrupted one is completed: the rows are no longer there to be named
                connection.execute("insert or replace into meta values ('erasing', 'true')")
        if self._meta("erasing"):
            self._purge(self._dims())
        return erased

    def complete_erasing(self) -> None:
        """Of an `erase` that was interrupted: its rows can no longer be named again."""
        if self._database.writable and self._meta("erasing") and self._stamped() is not None:
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
            if index._stamped() is not None:
                index.erase(ids)

    def _purge(self, dims: int) -> None:
        with self._files:
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
    ) -> list[Neighbour]:
        models = self.models()
        if models is None or k < 1:
            return []
        vector = unit(np.asarray(vector, np.float32))
        if vector.shape != (models.dims,):
            raise IndexContradiction(
                f"The index at {self.place} holds vectors of {models.dims} dimensions, the query"
                f" has {vector.size}.",
                f"Ask with the model that made it: {recorded_models.named(models)}.",
            )
        with self._files:
            parts = self._segments.current(models.dims)
        condition = nearest.Condition(*filters.condition(where))
        excluded = set(photo_rows.id_blobs(exclude))
        more = k
        with self._database.view():
            while True:
                near = nearest.nearest(self._database, parts, vector, more, condition, excluded)
                records = self._by_row([hit.row for hit in near.found])
                if len(records) >= k or len(near.found) < more or len(records) == len(near.found):
                    break
                more *= 2  # some are damaged
        damaged = [hit.row for hit in near.found if hit.row not in records]
        self._note_left_out(len(damaged) + len(near.unreadable) + self._segments.unreadable)
        hits = [Neighbour(records[hit.row], hit.score) for hit in near.found if hit.row in records]
        return hits[:k]

    def browse(self, where: Filter, order: BrowseOrder, k: int, offset: int = 0) -> list[Record]:
        with self._database.view():
            rows = browsing.rows_in_order(self._database, where, order, k, offset)
            records = self._by_row(rows)
        self._note_left_out(len(rows) - len(records))
        return [records[row] for row in rows if row in records]

    def facets(self, where: Filter, names: Collection[Facet]) -> dict[Facet, list[tuple[str, int]]]:
        with self._database.view():
            return self._counts.of(where, names, self._library_names())

    def _note_left_out(self, count: int) -> None:
        if count:
            photos = "1 photo is" if count == 1 else f"{count:,} photos are"
            self.notes.append(
                f"{photos} damaged in {self.place} and left out; imgsearch doctor --deep finds all"
                " that are, and says what to do."
            )

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
        if known is not None and recorded_models.same(known, models):
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
