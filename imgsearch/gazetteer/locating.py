"""From coordinates to city and country."""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imgsearch.gazetteer.archive import BORDER_POINT, Archive
from imgsearch.gazetteer.geometry import Nearest, unit_vectors
from imgsearch.gazetteer.place import NOWHERE, Located

CITY_WITHIN_KM = 50.0
_ONE_AT_A_TIME = threading.Lock()  # the map takes 80 ms, and each thread of an ingest wants it
COUNTRY_WITHIN_KM = 300.0  # farther out it is the sea, or ice that is nobody's


@dataclass(frozen=True)
class _Map:
    """Cities first and then border points, as rows: names are those of the whole city."""

    cities: Nearest
    everywhere: Nearest
    names: list[str]
    countries: list[str]


def locate(archive: Archive, coordinates: Sequence[tuple[float, float]]) -> list[Located]:
    """City and country for each pair of latitude and longitude."""
    with _ONE_AT_A_TIME:
        places = _map(archive)
    pairs = np.asarray(coordinates, dtype=np.float64).reshape(-1, 2)
    valid = (np.abs(pairs) <= [90, 180]).all(axis=1)  # NaN compares false
    here = pairs[valid]
    cities, distances = places.cities.of(here[:, 0], here[:, 1])
    anywhere, _ = places.everywhere.of(here[:, 0], here[:, 1])
    located = [NOWHERE] * len(pairs)
    for row, city, km, point in zip(
        np.flatnonzero(valid), cities, distances, anywhere, strict=True
    ):
        located[row] = Located(
            places.names[city] if city >= 0 else None,
            places.countries[point] if point >= 0 else None,
            round(float(km), 1) if city >= 0 else None,
        )
    return located


@functools.cache
def _map(archive: Archive) -> _Map:
    records = [line.split("\t") for line in archive.all_lines("places")]
    cities = [record for record in records if record[2]]
    points = np.frombuffer(archive.block("borders", 0), dtype=BORDER_POINT)
    latitudes = [float(record[2]) for record in cities]
    longitudes = [float(record[3]) for record in cities]
    centres = unit_vectors(latitudes, longitudes)
    borders = unit_vectors(points["latitude"] / 1000, points["longitude"] / 1000)
    return _Map(
        cities=Nearest(centres, CITY_WITHIN_KM),
        everywhere=Nearest(np.concatenate([centres, borders]), COUNTRY_WITHIN_KM),
        names=[records[int(record[5])][0] if record[5] else record[0] for record in cities],
        countries=[record[1] for record in cities]
        + [archive.countries[number] for number in points["country"]],
    )
