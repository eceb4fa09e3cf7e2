"""From coordinates to city and country."""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imgsearch.dataclass import dataclass
from imgsearch.gazetteer.archive import BORDER_POINT, CITY_POINT, Archive
from imgsearch.gazetteer.geometry import Floats, Nearest, unit_vectors
from imgsearch.gazetteer.place import NOWHERE, Located

CITY_WITHIN_KM = 50.0
_ONE_AT_A_TIME = threading.Lock()  # each thread of an ingest wants the map
COUNTRY_WITHIN_KM = 300.0  # farther out it is the sea, or ice that is nobody's


@dataclass(frozen=True)
class _Map:
    """Rows of `cities` and, behind them, border points. `places`: of each city, its record's number
    in the archive. `countries`: of each row, as Archive.countries counts."""

    cities: Nearest
    everywhere: Nearest
    places: NDArray[np.int32]
    countries: NDArray[np.uint8]


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
            _whole_city(archive, int(places.places[city])) if city >= 0 else None,
            archive.countries[places.countries[point]] if point >= 0 else None,
            round(float(km), 1) if city >= 0 else None,
        )
    return located


@functools.cache
def _map(archive: Archive) -> _Map:
    cities = np.frombuffer(archive.block("cities", 0), dtype=CITY_POINT)
    borders = np.frombuffer(archive.block("borders", 0), dtype=BORDER_POINT)
    centres = _vectors(cities)
    return _Map(
        cities=Nearest(centres, CITY_WITHIN_KM),
        everywhere=Nearest(np.concatenate([centres, _vectors(borders)]), COUNTRY_WITHIN_KM),
        places=cities["place"],
        countries=np.concatenate([cities["country"], borders["country"]]),
    )


def _vectors(points: NDArray[np.void]) -> Floats:
    return unit_vectors(points["latitude"] / 1000, points["longitude"] / 1000)


def _whole_city(archive: Archive, number: int) -> str:
    """The name of a city; of a quarter, that of the city around it."""
    name, *_, part_of = archive.record(number)
    return archive.record(int(part_of))[0] if part_of else name
