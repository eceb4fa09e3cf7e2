"""Photos by their vectors and by their words."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from imgsearch.errors import IndexContradiction
from imgsearch.index import parts as photo_parts
from imgsearch.index import recorded_models, word_matches
from imgsearch.index.base import ALL, NAMED, Filter, Near, Neighbour, Record, Wanted
from imgsearch.index.local import filters, photo_rows, word_search
from imgsearch.index.local.database import Database
from imgsearch.index.local.reader import Reader
from imgsearch.index.local.search_files import nearest, table
from imgsearch.index.local.search_files.codes import Rows
from imgsearch.index.local.search_files.files import SearchFiles
from imgsearch.models.base import Vector, Vectors, unit

_FIRST = 5  # photos beyond k that are first asked for by their parts: most hits are whole photos


class Searcher:
    def __init__(self, database: Database, reader: Reader, files: SearchFiles) -> None:
        self._database, self._reader, self._files = database, reader, files
        self._samples: tuple[int, Vectors, Vectors] | None = None  # of so many parts, about

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
        with_parts = only is None and self._files.has_parts()
        with self._files.in_use:
            parts = self._files.whole.current(models.dims)
            unreadable = self._files.whole.unreadable
            regions = self._files.parts.current(models.dims) if with_parts else []
        samples = self._sampled() if with_parts else ()
        condition = nearest.Condition(*filters.condition(where if only is None else ALL))
        if only is not None:
            parts = [(codes.only(only), None) for codes, _ in parts]
        excluded = set(photo_rows.id_blobs(exclude))
        with self._database.view():
            neighbours, left_out = self._reader.nearest(parts, vector, k, condition, excluded)
            if with_parts:
                scale = photo_parts.Calibration.of(vector, *samples)

                def parts_of(photos: int) -> photo_parts.Best:
                    return self._reader.nearest_parts(regions, vector, photos, condition, excluded)

                neighbours = photo_parts.merged(neighbours, parts_of, scale, k, k + _FIRST)
        self._reader.note_left_out(left_out + unreadable)
        return neighbours

    def _sampled(self) -> tuple[Vectors, Vectors]:
        """Vectors of whole photos, and of parts; drawn again when there are twice as many parts."""
        doublings = (table.last_row(self._database, table.PARTS) - table.PARTS_ABOVE).bit_length()
        kept = self._samples
        if kept is None or kept[0] != doublings:
            size = photo_parts.SAMPLE
            whole, parts = self._reader.sample(size), self._reader.sample_of_parts(size)
            self._samples = kept = doublings, whole, parts
        return kept[1], kept[2]

    def near(
        self, vector: Vector, k: int, wanted: Wanted, where: Filter, exclude: Collection[str]
    ) -> Near:
        def having_all() -> Rows:
            with self._database.view():
                return word_search.having_all(self._database, wanted, where)

        rows, most = word_search.or_none(self._database, having_all), max(k, NAMED)
        named = self.nearest(vector, most, where, exclude, rows) if len(rows) else []
        every = len(named) < most and len(rows) < word_search.MOST
        return Near(self.nearest(vector, k, where, exclude), named, None, all_named=every)

    def matching(self, wanted: Wanted, k: int, where: Filter) -> list[Record]:
        return word_search.mending(self._database, lambda: self._matching(wanted, k, where))

    def _matching(self, wanted: Wanted, k: int, where: Filter) -> list[Record]:
        most = max(k, word_matches.CANDIDATES)
        with self._database.view():
            rows = word_search.having_all(self._database, wanted, where)[:most].tolist()
            if len(rows) < most:
                rows += word_search.having_any(self._database, wanted, where, most)
            rows = list(dict.fromkeys(rows))
            records = self._reader.by_row(rows)
            texts = self._reader.texts_of(records)
        found = (records[row] for row in rows if row in records)
        return word_matches.in_order(found, wanted, texts)[:k]
