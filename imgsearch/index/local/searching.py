"""Photos by their vectors and by their words."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from imgsearch.errors import IndexContradiction
from imgsearch.index import matches, recorded_models
from imgsearch.index.base import ALL, NAMED, Filter, Near, Neighbour, Record, Wanted
from imgsearch.index.local import filters, photo_rows, words
from imgsearch.index.local.database import Database
from imgsearch.index.local.reader import Reader
from imgsearch.index.local.search_files import nearest
from imgsearch.index.local.search_files.codes import Rows
from imgsearch.index.local.search_files.segments import Segments
from imgsearch.models.base import Vector, unit


class Searcher:
    """`files`: held while search files are opened, which threads share."""

    def __init__(
        self,
        database: Database,
        reader: Reader,
        segments: Segments,
        files: AbstractContextManager[Any],
    ) -> None:
        self._database, self._reader = database, reader
        self._segments, self._files = segments, files

    def nearest(
        self,
        vector: Vector,
        k: int,
        where: Filter,
        exclude: Collection[str] = (),
        only: Rows | None = None,
    ) -> list[Neighbour]:
        """`only`: of these rows (ascending), which `where` has let through."""
        models = self._reader.models()
        if models is None or k < 1:
            return []
        vector = unit(np.asarray(vector, np.float32))
        if vector.shape != (models.dims,):
            raise IndexContradiction(
                f"The index at {self._reader.place} holds vectors of {models.dims} dimensions, the"
                f" query has {vector.size}.",
                f"Ask with the model that made it: {recorded_models.named(models)}.",
            )
        with self._files:
            parts = self._segments.current(models.dims)
            unreadable = self._segments.unreadable
        condition = nearest.Condition(*filters.condition(where if only is None else ALL))
        if only is not None:
            parts = [(codes.only(only), None) for codes, _ in parts]
        excluded = set(photo_rows.id_blobs(exclude))
        with self._database.view():
            neighbours, left_out = self._reader.nearest(parts, vector, k, condition, excluded)
        self._reader.note_left_out(left_out + unreadable)
        return neighbours

    def near(
        self, vector: Vector, k: int, wanted: Wanted, where: Filter, exclude: Collection[str]
    ) -> Near:
        rows = words.or_none(
            self._database, lambda: words.having_all(self._database, wanted, where)
        )
        named = self.nearest(vector, max(k, NAMED), where, exclude, rows) if len(rows) else []
        return Near(self.nearest(vector, k, where, exclude), named, None)

    def matching(self, wanted: Wanted, k: int, where: Filter) -> list[Record]:
        return words.mending(self._database, lambda: self._matching(wanted, k, where))

    def _matching(self, wanted: Wanted, k: int, where: Filter) -> list[Record]:
        most = max(k, matches.CANDIDATES)
        with self._database.view():
            rows = words.having_all(self._database, wanted, where)[:most].tolist()
            if len(rows) < most:
                rows += words.having_any(self._database, wanted, where, most)
            rows = list(dict.fromkeys(rows))
            records = self._reader.by_row(rows)
        return matches.in_order((records[row] for row in rows if row in records), wanted)[:k]
