"""The nearest photos to a vector: candidates by their codes, confirmed and scored by SQLite."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from imgsearch.embedding import Vector
from imgsearch.index.codes import Codes, Query, Rows, Scores
from imgsearch.index.database import Database
from imgsearch.index.graphs import Graph

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

SPARE = 50  # candidates beyond k: the codes' order is not quite the vectors'
TIED = 1000  # candidates that score as the last one, which are then looked at as well
SMALL = 20_000  # a selection of up to so many photos is scanned alone
GRAPHS_UP_TO = 1000  # candidates; for more, scanning is as fast
_SCAN = 65_536  # rows that one thread scans at a time
_FILTERED, _GROWTH = 3, 8

Item = TypeVar("Item")
Result = TypeVar("Result")
Parts = Sequence[tuple[Codes, "Graph | None"]]


class Neighbour(NamedTuple):
    id: bytes
    score: float


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
) -> list[Neighbour]:
    """The k best by cosine; ties in the order of ids. Candidates whose row is gone, is not selected
    or is excluded fall away, and more are taken until there are enough or no more."""
    ranking = _ranking(database, parts, Query.of(vector), where)
    wanted, count = k + SPARE, k + SPARE + len(exclude)
    if where.sql:
        count *= _FILTERED  # some will fall away; to confirm a candidate costs 10 us
    while True:
        rows, scores, complete = ranking.best(count)
        confirmed = _confirmed(database, rows.tolist(), where, exclude)
        if complete or len(confirmed) >= wanted:
            break
        count *= _GROWTH
    return _scored(database, _first(confirmed, rows, scores, wanted), vector)[:k]


def _ranking(database: Database, parts: Parts, query: Query, where: Condition) -> Ranking:
    if where.sql:
        selected = _selected(database, where)
        if selected is not None:
            return Ranking(query, [(codes.only(selected), None) for codes, _ in parts])
    return Ranking(query, parts)


def _selected(database: Database, where: Condition) -> Rows | None:
    """Ascending. None: more than SMALL."""
    query = f"from photos where {where.sql} limit {SMALL + 1}"
    if database.value(f"select count(*) from (select 1 {query})", where.values) > SMALL:
        return None
    found = database.rows(f"select row {query}", where.values)
    return np.sort(np.fromiter((row for (row,) in found), np.int64, len(found)))


def _confirmed(
    database: Database, rows: list[int], where: Condition, exclude: Collection[bytes]
) -> dict[int, bytes]:
    """The ids of those rows that are still there, selected and not excluded."""
    statement = "select row, id from photos where row in ({})"
    if where.sql:
        statement += f" and {where.sql}"
    found = database.rows_in(statement, rows, where.values)
    return {row: photo for row, photo in found if photo not in exclude}


def _first(confirmed: dict[int, bytes], rows: Rows, scores: Scores, count: int) -> dict[int, bytes]:
    """The `count` best of them by their codes, and those that tie with the last: vectors are
    costly to read."""
    kept = np.fromiter((row in confirmed for row in rows.tolist()), bool, len(rows))
    rows, scores = rows[kept], scores[kept]
    return {row: confirmed[row] for row in rows[_top(scores, count)].tolist()}


def _scored(database: Database, found: dict[int, bytes], vector: Vector) -> list[Neighbour]:
    """Row by row, not as one product of matrices: there, the place of a row changes its last bits,
    and equal vectors would not score the same."""
    if not found:
        return []
    stored = list(
        database.rows_in("select row, vector from vectors where row in ({})", list(found))
    )
    vectors = np.frombuffer(b"".join(blob for _, blob in stored), "<f4").reshape(len(stored), -1)
    scores = (vectors * vector).sum(axis=1, dtype=np.float64).tolist()
    hits = [Neighbour(found[row], score) for (row, _), score in zip(stored, scores, strict=True)]
    return sorted(hits, key=lambda hit: (-hit.score, hit.id))


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
        graphs, scanned = [], []
        for place, (_, graph) in enumerate(self._parts):
            if graph is not None and count <= GRAPHS_UP_TO and count < self._size:
                graphs.append(graph)
            else:
                scanned.append(place)
        self._scan([place for place in scanned if place not in self._scores])
        found = _at_once(lambda graph: graph.nearest(self._query, count), graphs)
        for place in scanned:
            top = _top(self._scores[place], count)
            found.append((self._parts[place][0].rows[top], self._scores[place][top]))
        rows = np.concatenate([rows for rows, _ in found])
        scores = np.concatenate([scores for _, scores in found])
        top = _top(scores, count)
        return rows[top], scores[top], count == self._size

    def _scan(self, places: list[int]) -> None:
        blocks = [
            (place, self._parts[place][0].between(start, start + _SCAN))
            for place in places
            for start in range(0, max(1, len(self._parts[place][0])), _SCAN)
        ]
        many = sum(len(part) for _, part in blocks) > 2 * _SCAN  # else threads cost more
        at_once = _at_once if many else _in_turn
        scores = at_once(lambda block: block[1].cosines(self._query), blocks)
        for place in places:
            own = [part for (at, _), part in zip(blocks, scores, strict=True) if at == place]
            self._scores[place] = np.concatenate(own)


def _top(scores: Scores, count: int) -> Rows:
    """Places of the `count` best, and of those that tie with the last of them."""
    if count >= len(scores):
        return np.arange(len(scores))
    least = np.partition(scores, len(scores) - count)[len(scores) - count]
    better, tied = np.flatnonzero(scores > least), np.flatnonzero(scores == least)
    return np.concatenate([better, tied[: count - len(better) + TIED]])


def _at_once(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """On all cores: scans and graphs leave Python's lock alone."""
    if len(items) < 2:
        return _in_turn(work, items)
    return list(_threads().map(work, items))


def _in_turn(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [work(item) for item in items]


@functools.cache
def _threads() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="index")
