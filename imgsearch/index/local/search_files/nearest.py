"""The nearest photos to a vector: candidates by their codes, confirmed and scored by SQLite."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from imgsearch.index.local import photo_vectors
from imgsearch.index.local.database import Database
from imgsearch.index.local.photo_rows import is_id
from imgsearch.index.local.search_files.codes import Codes, Query, Rows, Scores, joined, top
from imgsearch.index.local.search_files.table import WHOLE, Space
from imgsearch.models.base import Vector

if TYPE_CHECKING:
    from imgsearch.index.local.search_files.sketches import Sketch

# candidates beyond k, and a tenth of k: the codes' order is not quite the vectors'
SPARE, SPARE_PARTS = 15, 8  # of parts more than k are asked for already
SMALL = 20_000  # a selection of up to so many photos is scanned alone
SKETCHES_UP_TO = 1000  # candidates; for more, scanning all codes is as fast
_SCAN = 32_768  # rows that one thread scans at a time
_FILTERED, _GROWTH = 3, 8

Parts = Sequence["tuple[Codes, Sketch | None]"]


class Neighbour(NamedTuple):
    row: int
    score: float
    id: bytes  # of its photo


class Nearest(NamedTuple):
    """`unreadable`: rows of photos that would have counted, and whose vector is missing or
    damaged."""

    found: list[Neighbour]
    unreadable: list[int]


class Condition(NamedTuple):
    """SQL over `photos`; empty: all."""

    sql: str
    values: list[Any]


def nearest(
    database: Database,
    parts: Parts,
    vector: Vector,
    k: int,
    where: Condition,
    exclude: Collection[bytes],
    space: Space = WHOLE,
) -> Nearest:
    """The k best by cosine, of whole photos or of parts; ties in the order of ids. Candidates whose
    row is gone, is not selected or is excluded fall away, and more are taken until there are enough
    or no more."""
    ranking = _ranking(database, parts, Query.of(vector), where, space)
    excluded = np.array(_rows_of(database, exclude, space), np.int64)
    wanted = k + max(SPARE if space is WHOLE else SPARE_PARTS, k // 10)
    count = wanted + len(excluded)
    if where.sql:
        count *= _FILTERED  # some will fall away; to confirm a candidate costs 10 us
    confirm = bool(where.sql)
    unreadable: list[int] = []
    while True:
        rows, scores, complete = ranking.best(count)
        if len(excluded):
            kept = ~np.isin(rows, excluded, assume_unique=True)
            rows, scores = rows[kept], scores[kept]
        if confirm:
            kept = _confirmed(database, rows, where, space)
            rows, scores = rows[kept], scores[kept]
        if complete or len(rows) >= wanted:
            asked = rows[top(scores, wanted)]
            found = _scored(database, asked, vector, space)
            lost = _without(asked, found)
            if confirm:
                unreadable += lost.tolist()
            if not len(lost) or (confirm and len(asked) == len(rows) and complete):
                return Nearest(_in_order(found, k), unreadable)
            if confirm:  # photos without a vector that can be read: past them, further each time
                excluded = np.union1d(excluded, lost)
                wanted *= 2
            confirm = True  # some rows are gone; from now on it is asked before
        else:
            count *= _GROWTH


def _without(rows: Rows, found: Sequence[Neighbour]) -> Rows:
    """Those of `rows` that were not found."""
    if len(found) == len(rows):
        return rows[:0]
    return rows[~np.isin(rows, [hit.row for hit in found], assume_unique=True)]


def _ranking(
    database: Database, parts: Parts, query: Query, where: Condition, space: Space
) -> Ranking:
    if where.sql:
        selected = _selected(database, where, space)
        if selected is not None:
            return Ranking(query, [(codes.only(selected), None) for codes, _ in parts])
    return Ranking(query, parts)


def _selected(database: Database, where: Condition, space: Space) -> Rows | None:
    """Ascending. None: more than SMALL."""
    query = f"from {space.joined} and {where.sql} limit {SMALL + 1}"
    if database.value(f"select count(*) from (select 1 {query})", where.values) > SMALL:
        return None
    return database.numbers(f"select {space.row} as row {query}", where.values)


def _rows_of(database: Database, photos: Collection[bytes], space: Space) -> list[int]:
    statement = f"select {space.row} from {space.joined} and photos.id in ({{}})"
    return [row for (row,) in database.rows_in(statement, list(photos))]


def _confirmed(
    database: Database, rows: Rows, where: Condition, space: Space
) -> npt.NDArray[np.bool_]:
    """Which of those rows are still there, and selected. Left to choose, SQLite walks the whole
    folder in the index of paths: 20 ms for half a million photos."""
    source = space.joined.replace("photos where", "photos not indexed where")
    statement = f"select {space.row} from {source} and {space.row} in ({{}})"
    if where.sql:
        statement += f" and {where.sql}"
    found = [row for (row,) in database.rows_in(statement, rows.tolist(), where.values)]
    return np.isin(rows, found, assume_unique=True)


def _scored(database: Database, rows: Rows, vector: Vector, space: Space) -> list[Neighbour]:
    """In any order, without rows that are gone or whose vector cannot be read. Row by row, not as
    one product of matrices: there, the place of a row changes its last bits, and equal vectors
    would not score the same."""
    photo = "row" if space is WHOLE else "photo"  # the photo's number, by a row of `embeddings`
    statement = (
        "select embeddings.row, vector, checksum, id from embeddings join photos"
        f" on photos.row = embeddings.{photo} where embeddings.row in ({{}})"
    )
    stored = list(database.rows_in(statement, rows.tolist()))
    ids = {row: id for row, _, _, id in stored if is_id(id)}
    sound, vectors = photo_vectors.readable(
        ((row, blob, checksum) for row, blob, checksum, _ in stored if row in ids), vector.size
    )
    scores = (vectors * vector).sum(axis=1, dtype=np.float64).tolist()
    return [
        Neighbour(row, score, ids[row]) for row, score in zip(sound.tolist(), scores, strict=True)
    ]


def _in_order(found: list[Neighbour], k: int) -> list[Neighbour]:
    """The k best."""
    return sorted(found, key=lambda hit: (-hit.score, hit.id))[:k]


class Ranking:
    """All rows by their codes' cosine; scanned once, at the first question that wants it."""

    def __init__(self, query: Query, parts: Parts) -> None:
        self._query = query
        self._parts = parts
        self._size = sum(len(codes) for codes, _ in parts)
        self._scores: dict[int, Scores] = {}  # by the place of the part

    def best(self, count: int) -> tuple[Rows, Scores, bool]:
        """At least `count` rows and their cosines by code; True if these are all."""
        count = min(count, self._size)
        sketched = count <= SKETCHES_UP_TO and count < self._size
        families: dict[bytes, list[tuple[Codes, Sketch]]] = {}
        scanned = []
        for place, (codes, sketch) in enumerate(self._parts):
            if sketched and sketch is not None:
                families.setdefault(sketch.projection.name, []).append((codes, sketch))
            else:
                scanned.append(place)
        self._scan([n for n in scanned if n not in self._scores])
        found = [_best(self._parts[n][0], self._scores[n], count) for n in scanned]
        found += [self._best_sketched(family, count) for family in families.values()]
        rows = np.concatenate([rows for rows, _ in found])
        scores = np.concatenate([scores for _, scores in found])
        best = top(scores, count)
        return rows[best], scores[best], count == self._size

    def _best_sketched(self, family: list[tuple[Codes, Sketch]], count: int) -> tuple[Rows, Scores]:
        from imgsearch.index.local.search_files.sketches import Family

        named = Family.of([sketch for _, sketch in family]).nearest(self._query, count)
        near = joined([codes.at(places) for (codes, _), places in zip(family, named, strict=True)])
        return _best(near, near.cosines(self._query), count)

    def _scan(self, places: list[int]) -> None:
        blocks = [
            (place, self._parts[place][0].between(start, start + _SCAN))
            for place in places
            for start in range(0, max(1, len(self._parts[place][0])), _SCAN)
        ]
        scores = self._scanned([part for _, part in blocks])
        for place in places:
            own = [part for (at, _), part in zip(blocks, scores, strict=True) if at == place]
            self._scores[place] = np.concatenate(own)

    def _scanned(self, blocks: Sequence[Codes]) -> list[Scores]:
        if sum(map(len, blocks)) <= 2 * _SCAN:  # threads would cost more
            return [block.cosines(self._query) for block in blocks]
        from imgsearch.index.local.search_files.native_threads import at_once

        return at_once(lambda block: block.cosines(self._query), blocks)


def _best(codes: Codes, scores: Scores, count: int) -> tuple[Rows, Scores]:
    best = top(scores, count)
    return codes.rows[best], scores[best]
