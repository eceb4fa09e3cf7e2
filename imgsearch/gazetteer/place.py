"""What the gazetteer answers with."""

from __future__ import annotations

from imgsearch.dataclass import dataclass


@dataclass(frozen=True)
class Place:
    """A country (`city` is None, and so are its coordinates) or a city.

    `name` and `city` are English, as GeoNames has them; `country` is its ISO 3166 alpha-2 code;
    `part_of` is the city that this place is a quarter of, whose name `at` gives for photos
    taken here. Coordinates are in degrees."""

    name: str
    country: str
    city: str | None
    latitude: float | None
    longitude: float | None
    population: int
    part_of: str | None = None


@dataclass(frozen=True)
class Located:
    """Where a photo was taken: `city` in English (a quarter counts as its city), or None more
    than 50 km from one; `country` as ISO 3166 alpha-2, or None far out at sea; kilometres to the
    nearest populated place that the gazetteer knows, None beyond 50 km."""

    city: str | None
    country: str | None
    distance_km: float | None


NOWHERE = Located(None, None, None)
