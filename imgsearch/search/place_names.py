"""Places as people name them, for a filter. Errors name the option or the field of a page that they
stand in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from imgsearch.errors import UsageError
from imgsearch.escaping import shown, typed_text

if TYPE_CHECKING:
    from imgsearch.gazetteer import Place
    from imgsearch.question import Near

USUAL_KM = 10.0
_FARTHEST_KM = 20_040.0  # half around the earth


def named(text: str, called: str) -> tuple[str, str | None]:
    """The country's code and the city's name, for a filter; of several places the one with the most
    people. "Florence, US" says which. `called`: the option's name. Raises UsageError."""
    place = _place(called, text)
    return place.country, None if place.city is None else place.part_of or place.city


def _place(option: str, text: str) -> Place:
    from imgsearch import gazetteer

    text = typed_text(text).strip()
    found = gazetteer.find(text)
    name, comma, country = text.rpartition(",")
    if not found and comma:
        codes = {place.country for place in gazetteer.find(country) if place.city is None}
        found = [place for place in gazetteer.find(name) if place.country in codes]
    if found:
        return found[0]
    close = gazetteer.near(name if comma else text)
    raise UsageError(
        f"{option}: there is no place '{shown(text)}'.",
        f"Did you mean {_or(close)}?"
        if close
        else "Name a country or a city of 15,000 people or more, in any language.",
    )


def _or(names: list[str]) -> str:
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


class Fields(NamedTuple):
    """The names of options or fields, for messages: a circle's middle and radius, and a country."""

    near: str
    within: str
    country: str


def circle(near: str | None, within: str | None, called: Fields) -> Near | None:
    """`within` kilometres (10, where it is None) around a city or "latitude,longitude". Raises
    UsageError."""
    from imgsearch.question import Near

    if near is None:
        if within is not None:
            raise UsageError(
                f"{called.within} goes with {called.near}.",
                f'Say near what: {called.near} "38.7,-9.1" {called.within} {within}',
            )
        return None
    km = USUAL_KM if within is None else _kilometres(within, called)
    return Near(*_coordinates(near, called), km)


_NUMBER = r"\s*([+-]?\d+(?:\.\d*)?)\s*"


def _coordinates(text: str, called: Fields) -> tuple[float, float]:
    found = re.fullmatch(f"{_NUMBER}[,; ]{_NUMBER}", text)
    if found is None and not re.search(r"[^\W\d]", text):
        raise _no_coordinates(text, called)
    if found is None:
        place = _place(called.near, text)
        if place.latitude is None or place.longitude is None:
            raise UsageError(
                f"{called.near}: {place.name} is a country, which is near to too much.",
                f'Name a city, or choose the whole country: {called.country} "{place.name}"',
            )
        return place.latitude, place.longitude
    latitude, longitude = map(float, found.groups())
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise _no_coordinates(text, called)
    return latitude, longitude


def _no_coordinates(text: str, called: Fields) -> UsageError:
    return UsageError(
        f"{called.near}: {text!r} are no coordinates.",
        'Write latitude and longitude in degrees, south and west below 0: "38.7,-9.1"',
    )


def _kilometres(text: str, called: Fields) -> float:
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(km|m|mi)?\s*", text.lower())
    km = 0.0 if found is None else float(found[1]) * {"m": 0.001, "mi": 1.609344}.get(found[2], 1)
    if not 0 < km <= _FARTHEST_KM:
        raise UsageError(
            f"{called.within}: {text!r} is not a distance.",
            "Write kilometres, above 0, such as 25km",
        )
    return km
