"""What records say of photos besides the bytes: dates, places, cameras, titles, tags. From the
picture itself, its sidecar, its name, and the gazetteer."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from imgsearch import gazetteer
from imgsearch.index.base import Record
from imgsearch.ingest.fingerprints import metadata_mark
from imgsearch.photos import metadata, sidecars
from imgsearch.photos.metadata import Metadata
from imgsearch.photos.sidecars import Sidecar

Facts = dict[str, Any]  # fields of a Record

_HASH = "perceptual_hash"
_SAME_NAMES = {each.name for each in fields(Record)} & {each.name for each in fields(Metadata)}
_SAME_NAMES -= {_HASH}


def facts_of(photos: Sequence[tuple[str, Sidecar | None, Metadata]]) -> list[Facts]:
    """Of each photo's path, its sidecar, and what the picture says inside; a perceptual hash where
    its pixels were decoded."""
    completed = [
        metadata.completed(
            inside,
            name=os.path.basename(path),
            sidecar=b"" if sidecar is None else sidecars.read(sidecar),
        )
        for path, sidecar, inside in photos
    ]
    marks = [metadata_mark(sidecar) for _, sidecar, _ in photos]
    return [
        {
            **{name: getattr(found, name) for name in _SAME_NAMES},
            **({} if found.perceptual_hash is None else {_HASH: found.perceptual_hash}),
            "tags": found.keywords,
            "country": country,
            "city": city,
            "metadata_mark": mark,
        }
        for found, (country, city), mark in zip(completed, _places(completed), marks, strict=True)
    ]


def _places(photos: Sequence[Metadata]) -> list[tuple[str | None, str | None]]:
    """Country and city of each: by its coordinates, else by what was written."""
    places = [_stated(each.stated_country, each.stated_city) for each in photos]
    at = [number for number, each in enumerate(photos) if each.latitude is not None]
    if at:
        coordinates = [(photos[n].latitude or 0.0, photos[n].longitude or 0.0) for n in at]
        for number, found in zip(at, gazetteer.at_each(coordinates), strict=True):
            places[number] = found.country, found.city
    return places


@functools.lru_cache(maxsize=1024)
def _stated(country: str | None, city: str | None) -> tuple[str | None, str | None]:
    """By the gazetteer's names, whatever the language. A city that it does not know stays as it was
    written; of several with one name it is the largest of the country that was written."""
    countries = [place for place in gazetteer.find(country or "") if place.city is None]
    code = countries[0].country if countries else None
    cities = [
        place
        for place in gazetteer.find(city or "")
        if place.city is not None and code in (None, place.country)
    ]
    if cities:
        return cities[0].country, cities[0].part_of or cities[0].city
    return code, city


def same_wherever_it_lies(record: Record, name: str, sidecar: Sidecar | None) -> bool:
    """Whether a copy of the record's picture under that name is described as the record is: no
    sidecar speaks for either, and the date is not the name's, nor could be."""
    plain = metadata_mark(None)
    if sidecar is not None or record.metadata_mark != plain:
        return False
    same_name = record.relative_path.rpartition("/")[2] == name
    return same_name or (record.taken is not None and record.taken_source != "name")
