"""Places by name and by coordinates, offline: GeoNames' cities of 15,000 people and more, and
countries, by all their names. NOTICE.md beside this file names the sources and their licences."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from imgsearch.gazetteer.archive import Archive
from imgsearch.gazetteer.normalized import fold
from imgsearch.gazetteer.place import Located, Place

__all__ = ["Located", "Place", "at", "at_each", "beginning", "country_name", "find", "fold", "near"]

CLOSEST_NAMES = 3


def find(name: str) -> list[Place]:
    """Every place called `name` in some language, most people first (so a country stands before
    its cities), though Porto is rather Porto than Bordeaux: "Rom", "東京", "florence". A code of
    two capitals is a country's."""
    folded = fold(name)
    numbers = _opened().numbers(folded) if folded else []
    places = [_place(number) for number in numbers]
    code = name.strip()
    if not places and re.fullmatch(r"[A-Z]{2}", code):
        return [place for place in _countries() if place.country == code]
    named = [place for place in places if fold(place.name) == folded]
    most = max((place.population for place in places), default=0)

    def order(place: Place) -> tuple[bool, bool, float]:
        first = place in named and 2 * place.population >= most
        people = place.population * (1.1 if place.city is None else 1)  # Singapore is a country
        return _was_called(place, named), not first, -people

    return sorted(places, key=order)


_ENGLISH = frozenset(["AU", "CA", "GB", "IE", "NZ", "US"])


def _was_called(place: Place, named: Sequence[Place]) -> bool:
    """Whether a name is only an old or a second one of it, since it stands in English: "Venice" is
    no longer Dayton, Ohio. `named`: the places that have the name itself."""
    return bool(named) and place.country in _ENGLISH and place not in named


def near(name: str) -> list[str]:
    """Up to three names of places that are spelled like `name`, likeliest first, for the error
    about an unknown place; none when nothing resembles it."""
    from imgsearch.gazetteer.spelling import closest

    names: dict[str, str] = {}  # by the place that each means
    for spelled in closest(fold(name), _opened().all_lines("names"), 4 * CLOSEST_NAMES):
        place = find(spelled)[0]
        names.setdefault(place.name, spelled.title())
        if fold(place.name) == spelled:
            names[place.name] = place.name
    return list(names.values())[:CLOSEST_NAMES]


def beginning(start: str, most: int = 20) -> list[str]:
    """Names of the places with the most people whose usual name begins with `start`; if there is
    none, of those with such a name in another language."""
    folded = fold(start)
    found: dict[int, str] = {}  # the first name of each place
    for name, numbers in _opened().beginning(folded) if folded else ():
        for number in numbers:
            found.setdefault(number, name)
    places = sorted(((_place(number), name) for number, name in found.items()), key=_people)
    usual = [place.name for place, _ in places if fold(place.name).startswith(folded)]
    return list(dict.fromkeys(usual or [name.title() for _, name in places]))[:most]


def _people(found: tuple[Place, str]) -> int:
    return -found[0].population


def at(latitude: float, longitude: float) -> Located:
    """The city within 50 km and the country at these coordinates, in degrees. Numbers that are no
    coordinates are nowhere."""
    return at_each([(latitude, longitude)])[0]


def at_each(coordinates: Sequence[tuple[float, float]]) -> list[Located]:
    """What `at` says of each pair of latitude and longitude, many at once."""
    from imgsearch.gazetteer.locating import locate

    return locate(_opened(), coordinates)


def country_name(code: str) -> str | None:
    """The English name of a country by its ISO 3166 alpha-2 code; None if there is none such."""
    named = [place.name for place in _countries() if place.country == code.upper()]
    return named[0] if named else None


@functools.cache
def _opened() -> Archive:
    """The gazetteer's file, opened once a process."""
    return Archive()


def _place(number: int) -> Place:
    name, country, latitude, longitude, population, part_of = _opened().record(number)
    whole = _opened().record(int(part_of))[0] if part_of else None
    if not latitude:
        return Place(name, country, None, None, None, int(population))
    return Place(name, country, name, float(latitude), float(longitude), int(population), whole)


@functools.cache
def _countries() -> tuple[Place, ...]:
    """Countries are the first places of the file."""
    found = []
    for number in range(300):
        place = _place(number)
        if place.city is not None:
            break
        found.append(place)
    return tuple(found)
