"""Nearest points on the globe, by unit vectors: no pole and no date line in the way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

EARTH_KM = 6371.0
CELL_DEGREES = 0.5
HALF_CELL_KM = 40.0  # from a cell's middle to its corner, rounded up
ROWS_AT_ONCE = 256
CELLS_KEPT = 256

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def unit_vectors(
    latitudes: Sequence[float] | Floats, longitudes: Sequence[float] | Floats
) -> Floats:
    """The points on the unit sphere, (n, 3), of n coordinates in degrees."""
    up, round_ = np.radians(np.asarray(latitudes)), np.radians(np.asarray(longitudes))
    return np.stack([np.cos(up) * np.cos(round_), np.cos(up) * np.sin(round_), np.sin(up)], axis=1)


class Nearest:
    """The nearest of fixed points (unit vectors, one a row) within `limit_km`."""

    def __init__(self, points: Floats, limit_km: float) -> None:
        self._points = points
        self._limit = limit_km
        # kept, since the next photos were mostly taken where these were
        self._near_cell = lru_cache(CELLS_KEPT)(self._chosen)

    def of(self, latitudes: Floats, longitudes: Floats) -> tuple[Ints, Floats]:
        """For each pair of coordinates the number of the nearest point and its distance in
        km; -1 and infinity where none lies within the limit.

        Photos lie in clusters: those of one cell of half a degree share one choice of points."""
        numbers = np.full(len(latitudes), -1, dtype=np.int64)
        distances = np.full(len(latitudes), np.inf)
        cells = np.floor(np.stack([latitudes, longitudes], axis=1) / CELL_DEGREES).astype(np.int64)
        unique, cell_of = np.unique(cells, axis=0, return_inverse=True)
        order = np.argsort(cell_of.ravel(), kind="stable")
        ends = np.cumsum(np.bincount(cell_of.ravel(), minlength=len(unique)))
        vectors = unit_vectors(latitudes, longitudes)
        for cell, ((south, west), end) in enumerate(zip(unique.tolist(), ends, strict=True)):
            rows = order[ends[cell - 1] if cell else 0 : end]
            near = self._near_cell(south, west)
            for start in range(0, len(rows) if len(near) else 0, ROWS_AT_ONCE):
                some = rows[start : start + ROWS_AT_ONCE]
                best = near[(vectors[some] @ self._points[near].T).argmax(axis=1)]
                numbers[some] = best
                distances[some] = km_between(self._points[best], vectors[some])
        beyond = distances > self._limit
        numbers[beyond], distances[beyond] = -1, np.inf
        return numbers, distances

    def _chosen(self, south: int, west: int) -> Ints:
        """The points that may be nearest to some place of a cell, which is named by its edges in
        cells from 0, 0."""
        [middle] = unit_vectors([(south + 0.5) * CELL_DEGREES], [(west + 0.5) * CELL_DEGREES])
        cosines = self._points @ middle
        closest = EARTH_KM * math.acos(min(1.0, float(cosines.max())))
        if closest > self._limit + HALF_CELL_KM:
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero(cosines >= math.cos((closest + 2 * HALF_CELL_KM) / EARTH_KM))


def km_between(points: Floats, others: Floats) -> Floats:
    """Kilometres from each of `points` to its partner in `others`, or to the one other."""
    chords = np.linalg.norm(points - others, axis=1)
    return np.asarray(2 * EARTH_KM * np.arcsin(np.minimum(1.0, chords / 2)))
