"""Reading photos out of an index: listings, records, vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from imgsearch.errors import Action, Advice
from imgsearch.index.base import (
    ALL,
    Filter,
    Fingerprints,
    LibrarySummary,
    Look,
    Neighbour,
    Parts,
    PartTexts,
    Record,
    Row,
)
from imgsearch.index.local import filters, photo_parts, photo_rows, photo_texts, photo_vectors
from imgsearch.index.local.database import Database
from imgsearch.index.local.index_metadata import Meta
from imgsearch.index.local.photo_rows import COLUMNS
from imgsearch.index.local.search_files import nearest, table
from imgsearch.index.parts import Best
from imgsearch.models.base import ModelPair, Vector, Vectors

_PAGE = 500  # rows that are read at a time: 1 MB of vectors
# of `photos`: what `Fingerprints` can hold, and photos that have a vector
_SOUND = (
    "typeof(id) = 'blob' and length(id) = 16 and typeof(size) = 'integer'"
    " and typeof(mtime_ns) = 'integer'"
)
_MARK = "case typeof(metadata_mark) when 'integer' then metadata_mark else 0 end"
_PARTED = "case typeof(parted) when 'integer' then parted else 0 end"
_HAS_VECTOR = "exists (select 1 from embeddings where photo = photos.row and kind = 0)"


class Reader:
    """Reads the photos of one database. `place`: the index as messages name it."""

    def __init__(self, database: Database, meta: Meta, place: str) -> None:
        self._database, self._meta, self.place = database, meta, place

    def models(self) -> ModelPair | None:
        """The recorded models; None where there is no photo. Raises IndexDamaged."""
        if self._database.value("select 1 from photos limit 1") is None:
            return None
        models = self._meta.models()
        if models is None:
            raise self._meta.without_models()
        return models

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
        """The number of photos in each library, as triggers keep it. Counted where the kept numbers
        cannot be right."""
        kept = dict(self._database.rows("select number, photos from libraries"))
        top = self._database.value("select max(row) from photos") or 0
        right = all(isinstance(count, int) and count >= 0 for count in kept.values())
        if right and bool(top) == bool(sum(kept.values())) and sum(kept.values()) <= top:
            return kept
        return dict(self._database.rows("select library, count(*) from photos group by library"))

    def fingerprints(self) -> Iterator[Fingerprints]:
        """Joined by SQLite: a fourth of the time, and other threads may run meanwhile."""
        statement = (
            "select max(row), group_concat(hex(id), ''), group_concat(size, ' '),"
            " group_concat(mtime_ns, ' '), group_concat(mark, ' '), group_concat(parted, ' ')"
            f" from (select row, id, size, mtime_ns, {_MARK} as mark, {_PARTED} as parted"
            f" from photos where row > ? and {_SOUND}"
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
        photos, vectors = self._database.rows(
            "select (select count(*) from photos), (select count(*) from embeddings)"
        )[0]
        return bool(photos > vectors - table.count(self._database))

    def records(self, ids: Sequence[str]) -> dict[str, Record]:
        found = self._records("photos.id", photo_rows.id_blobs(ids))
        return {record.id: record for record in found}

    def records_by_hash(self, hashes: Sequence[str]) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {}
        for record in self._records("photos.content_hash", list(map(photo_rows.hash_blob, hashes))):
            found.setdefault(record.content_hash, []).append(record)
        return found

    def _records(self, column: str, keys: Sequence[Any]) -> list[Record]:
        names = self.library_names()
        statement = f"select {COLUMNS} from photos where {column} in ({{}}) order by id"
        found = [
            photo_rows.record_of(row, names) for row in self._database.rows_in(statement, keys)
        ]
        return [record for record in found if record is not None]

    def by_row(self, rows: Sequence[int]) -> dict[int, Record]:
        names = self.library_names()
        statement = f"select row, {COLUMNS} from photos where row in ({{}})"
        found = self._database.rows_in(statement, rows)
        records = {row: photo_rows.record_of(tuple(columns), names) for row, *columns in found}
        return {row: record for row, record in records.items() if record is not None}

    def library_names(self) -> dict[int, str]:
        return photo_rows.library_names(self._database.rows("select number, name from libraries"))

    def vectors(self, ids: Sequence[str]) -> dict[str, Vector]:
        """Vectors by id, without those that are missing or damaged."""
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

    def parts(self, ids: Sequence[str]) -> dict[str, Parts]:
        """Parts of those photos that were looked through for some, by id."""
        models = self.models()
        if models is None:
            return {}
        statement = "select row, id, parted from photos where id in ({}) and parted != 0"
        with self._database.view():
            marked = list(self._database.rows_in(statement, photo_rows.id_blobs(ids)))
            marks = {row: mark for row, _, mark in marked}
            found = photo_parts.read(self._database.rows, marks, models.dims)
        return {id.hex(): found[row] for row, id, _ in marked if row in found}

    def texts(self, ids: Sequence[str]) -> dict[str, PartTexts]:
        """The lines of those photos that have some, by id."""
        statement = "select row, id from photos where id in ({}) and parted != 0"
        with self._database.view():
            named = dict(self._database.rows_in(statement, photo_rows.id_blobs(ids)))
            found = photo_texts.read(self._database.rows, list(named))
        return {named[row].hex(): read for row, read in found.items()}

    def texts_of(self, records: Mapping[int, Record]) -> dict[str, PartTexts]:
        """As `texts`, of records by their row. To be called within a view."""
        found = photo_texts.read(self._database.rows, list(records))
        return {records[row].id: read for row, read in found.items()}

    def rows(self, where: Filter = ALL) -> Iterator[Row]:
        condition, values = filters.condition(where)
        columns = ", ".join(f"photos.{name}" for name in COLUMNS.split(", "))
        statement = (
            f"select {columns}, photos.row, parted, vector, checksum"
            " from photos left join embeddings using (row)"
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
                marks = {number: mark for *_, number, mark, _, _ in found}
                parts = photo_parts.read(connection.execute, marks, models.dims)
                for *fields, number, _, blob, checksum in found:
                    record = photo_rows.record_of(tuple(fields), names)
                    vector = photo_vectors.read(blob, checksum, models.dims)
                    if record is None or vector is None:
                        left_out += 1
                    else:
                        yield Row(record, vector, parts.get(number))
        self.note_left_out(left_out)

    def looks(self, where: Filter) -> Iterator[Look]:
        for _, *columns in self._by_row_number(f"row, {photo_rows.LOOK}", where):
            look = photo_rows.look_of(columns)
            if look is not None:
                yield look

    def ids(self, where: Filter = ALL) -> Iterator[str]:
        found = self._by_row_number("row, id", where)
        return (photo.hex() for _, photo in found if photo_rows.is_id(photo))

    def _by_row_number(self, columns: str, where: Filter) -> Iterator[tuple[Any, ...]]:
        """`columns` of `photos`, of which the first is `row`."""
        condition, values = filters.condition(where)
        statement = (
            f"select {columns} from photos where row > ?"
            f" {'and ' + condition if condition else ''} order by row limit 10000"
        )
        with self._database.long_view() as connection:
            last = 0
            while found := connection.execute(statement, [last, *values]).fetchall():
                last = found[-1][0]
                yield from found

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
        return self._sample(size, "photos", "kind = 0", models.dims)

    def sample_of_parts(self, size: int) -> Vectors:
        """As `sample`, of parts."""
        models = self.models()
        if models is None:
            return np.zeros((0, 0), np.float32)
        rows = f"(select row from embeddings where row > {table.PARTS_ABOVE})"
        return self._sample(size, rows, "kind > 0", models.dims)

    def _sample(self, size: int, rows: str, kind: str, dims: int) -> Vectors:
        """`rows`: where their numbers are, in SQL; `kind`: a condition."""
        first = self._database.value(f"select min(row) from {rows}") or 0
        last = self._database.value(f"select max(row) from {rows}") or 0
        # Whole numbers throughout: a damaged row may have a number too large for a float.
        targets = sorted({first + (last - first) * n // max(size - 1, 1) for n in range(size)})
        statement = (
            f"select row, vector, checksum from embeddings where row >= ? and {kind}"
            " order by row limit 1"
        )
        with self._database.view():
            found = {
                row: (row, vector, checksum)
                for target in targets
                for row, vector, checksum in self._database.rows(statement, (target,))
            }
        return photo_vectors.readable(found.values(), dims)[1]

    def nearest_parts(
        self,
        files: nearest.Parts,
        vector: Vector,
        k: int,
        condition: nearest.Condition,
        excluded: set[bytes],
    ) -> Best:
        """The `k` photos whose parts are nearest to `vector`. To be called within a view."""
        more = k + k // 4  # some parts of one photo are near together
        while True:
            near = nearest.nearest(
                self._database, files, vector, more, condition, excluded, table.PARTS
            )
            best: dict[bytes, nearest.Neighbour] = {}
            for hit in near.found:
                best.setdefault(hit.id, hit)
            if len(best) >= k or len(near.found) < more:
                break
            more *= 4
        return self._with_places(list(best.values())[:k], complete=len(best) < k)

    def _with_places(self, hits: Sequence[nearest.Neighbour], *, complete: bool) -> Best:
        statement = "select row, photo, kind, place from embeddings where row in ({})"
        found = self._database.rows_in(statement, [hit.row for hit in hits])
        places = {row: (photo, kind, place) for row, photo, kind, place in found}
        photos = [photo for photo, _, _ in places.values()]
        records = self.by_row(photos)
        counted = self._database.rows_in(
            "select photo, count(*) from embeddings where photo in ({}) and kind > 0"
            " group by photo",
            photos,
        )
        counts = {records[row].id: count for row, count in counted if row in records}
        neighbours = []
        for hit in hits:
            photo, kind, place = places[hit.row]
            part = photo_parts.part_of(kind, place)
            if part is not None and photo in records:
                neighbours.append(Neighbour(records[photo], hit.score, part))
        return Best(neighbours, counts, complete)

    def nearest(
        self,
        parts: nearest.Parts,
        vector: Vector,
        k: int,
        condition: nearest.Condition,
        excluded: set[bytes],
    ) -> tuple[list[Neighbour], int]:
        """The `k` photos nearest to `vector`, and how many were left out because they are damaged:
        as many more are looked for. To be called within a view of the database."""
        more = k
        while True:
            near = nearest.nearest(self._database, parts, vector, more, condition, excluded)
            records = self.by_row([hit.row for hit in near.found])
            if len(records) >= k or len(near.found) < more or len(records) == len(near.found):
                break
            more *= 2
        hits = [Neighbour(records[hit.row], hit.score) for hit in near.found if hit.row in records]
        damaged = sum(hit.row not in records for hit in near.found)
        return hits[:k], damaged + len(near.unreadable)

    def note_left_out(self, count: int) -> None:
        if count:
            photos = "1 photo is" if count == 1 else f"{count:,} photos are"
            self._database.notes.append(
                Advice(f"{photos} damaged in {self.place} and left out", Action("find the damaged"))
            )
