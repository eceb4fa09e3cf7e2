"""A filter as SQL over `photos`. What it means is said once for all backends in
`imgsearch.question.Filter` and held by the contract suite."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

from imgsearch.question import ALL, RATINGS, Filter, Folder, Near

EARTH_KM = 6371.0087714  # the mean radius, as Elasticsearch has it
_DEGREE_KM = math.pi * EARTH_KM / 180


class Part(NamedTuple):
    """One SQL condition and the values of its variables."""

    sql: str
    values: list[Any]


def condition(where: Filter) -> tuple[str, list[Any]]:
    """SQL for a filter and the values of its variables; empty for all photos."""
    if where == ALL:
        return "", []
    parts = [
        *_folders(where),
        *_taken(where),
        *_place(where),
        *_camera(where),
        *_picture(where),
        *_written(where),
    ]
    values = [_sound(value) for part in parts for value in part.values]
    return " and ".join(part.sql for part in parts), values


def _sound(value: Any) -> Any:
    """The value without lone surrogates, which a terminal may pass on and which no record holds."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _folders(where: Filter) -> Iterator[Part]:
    for folders, joined in ((where.under, "({})"), (where.not_under, "not ({})")):
        if folders:
            yield _any_of([_in_folder(folder) for folder in folders], joined)


def _any_of(parts: list[Part], joined: str = "({})") -> Part:
    values = [value for part in parts for value in part.values]
    return Part(joined.format(" or ".join(part.sql for part in parts)), values)


def _in_folder(folder: Folder) -> Part:
    """`a/b` holds `a/b/c`, not `a/bc`: the paths from "a/b/" up to, without, "a/b0" ("0" follows
    "/")."""
    path = (folder.path or "").strip("/")
    if folder.library is None:  # naming all libraries lets the index of paths serve
        library, values = "photos.library in (select number from libraries)", []
    else:
        library = "photos.library = (select number from libraries where name = ?)"
        values = [folder.library]
    if not path:
        return Part(library, values)
    paths = "photos.relative_path >= ? and photos.relative_path < ?"
    return Part(f"({library} and {paths})", [*values, f"{path}/", f"{path}0"])


def _taken(where: Filter) -> Iterator[Part]:
    if where.undated:
        yield Part("photos.taken is null", [])
    if where.taken_to is not None:
        yield Part("photos.taken is not null", [])
    if where.taken_from is not None:
        yield Part("photos.taken >= ?", [where.taken_from.isoformat()])
    limits = where.taken_before
    if limits is not None:
        yield Part("photos.taken < ?", [limits.day.isoformat()])
        if limits.month != limits.day:  # else the day says the same
            yield Part(
                "(photos.taken_precision is not 'month' or photos.taken < ?)",
                [limits.month.isoformat()],
            )
        if limits.year != limits.day:
            yield Part(
                "(photos.taken_precision is not 'year' or photos.taken < ?)",
                [limits.year.isoformat()],
            )


def _place(where: Filter) -> Iterator[Part]:
    if where.country is not None:
        yield Part("photos.country = ?", [where.country.upper()])
    if where.city is not None:
        yield Part("photos.city = ?", [where.city])
    if where.near is not None:
        yield from _near(where.near)


def _near(near: Near) -> Iterator[Part]:
    """A band of latitudes, which an index finds, and in it the distance."""
    reach = near.km / _DEGREE_KM + 1e-6
    yield Part("photos.latitude between ? and ?", [near.latitude - reach, near.latitude + reach])
    yield Part(
        "distance_km(photos.latitude, photos.longitude, ?, ?) <= ?",
        [near.latitude, near.longitude, near.km],
    )


def _camera(where: Filter) -> Iterator[Part]:
    for column, wanted in (("camera", where.camera), ("lens", where.lens)):
        if wanted:
            contains = f"instr(lower(photos.{column}), lower(?)) > 0"
            yield _any_of([Part(contains, [text]) for text in wanted])


def _picture(where: Filter) -> Iterator[Part]:
    if where.format:
        formats = [text.upper() for text in where.format]
        yield Part(f"photos.format in ({', '.join('?' * len(formats))})", formats)
    if where.orientation is not None:
        sign = {"landscape": ">", "portrait": "<", "square": "="}[where.orientation]
        yield Part(f"photos.width {sign} photos.height", [])
    least, most = where.pixels
    if least is not None:
        yield Part("photos.width * photos.height >= ?", [least])
    if most is not None:
        yield Part("photos.width * photos.height <= ?", [most])


def _written(where: Filter) -> Iterator[Part]:
    for tag in where.tags:
        yield Part("photos.row in (select photo from tags where tag = ?)", [tag.lower()])
    if where.min_rating is not None:
        yield Part("photos.rating >= ?", [min(where.min_rating, RATINGS)])


def add_functions(connection: sqlite3.Connection) -> None:
    """Add the functions that `condition` uses to a connection."""
    connection.create_function("distance_km", 4, _distance_km, deterministic=True)


def _distance_km(latitude: Any, longitude: Any, to_latitude: Any, to_longitude: Any) -> Any:
    """Along the earth's surface, by the haversine; None where a number is missing."""
    try:
        here, there = math.radians(latitude), math.radians(to_latitude)
        across = math.radians(to_longitude - longitude)
        half = math.sin((there - here) / 2) ** 2
        half += math.cos(here) * math.cos(there) * math.sin(across / 2) ** 2
    except (TypeError, ValueError, OverflowError):  # the database may be a stranger's
        return None
    return 2 * EARTH_KM * math.asin(math.sqrt(min(1.0, half)))
