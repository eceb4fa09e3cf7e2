"""What every index backend answers under filters, by date and in facets: a part of
`tests.index_contract.IndexContract`. What is right is computed here, photo by photo."""

from __future__ import annotations

import dataclasses
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import get_args

import numpy as np
import pytest

from imgsearch.index.base import FACETS, BrowseOrder, Facet, Index, Record, Row
from imgsearch.models.base import Vector, unit
from imgsearch.question import ALL, Filter, Folder, Near

Fixture = Callable[[Sequence[Row]], Index]

PLACES = [
    ("IT", "Florence", 43.77, 11.25),
    ("IT", "Rome", 41.9, 12.5),
    ("JP", "Tokyo", 35.68, 139.69),
    ("FJ", "Suva", -18.14, 178.44),
    ("FJ", None, -17.0, -179.9),
    ("NO", None, 89.5, 20.0),
    ("CH", None, None, None),
    (None, None, None, None),
]
CAMERAS = [
    ("Canon EOS R5", "RF 24-70mm F2.8"),
    ("NIKON D750", None),
    ("A*b?c_%\\d", "50mm"),
    (None, None),
]
DATES = [
    ("2019-07-14T12:30:00", "second"),
    ("2019-07-31T23:59:59", "second"),
    ("2019-07-01T00:00:00", "month"),
    ("2019-01-01T00:00:00", "year"),
    ("2020-02-29T00:00:00", "day"),
    ("2020-12-01T00:00:00", "month"),
    ("1899-12-31T23:59:59", None),
    (None, None),
]
SIZES = [(4000, 3000), (3000, 4000), (1000, 1000), (0, 0)]
TAGS: list[tuple[str, ...]] = [("Dog", "ÉTÉ"), ("dog",), ("hot dog", "sea"), ()]
FOLDERS = ["", "italy/", "italy/florence/", "50% off/"]

FILTERS: dict[str, Filter] = {
    "all": ALL,
    "a folder": Filter(under=(Folder("holiday", "italy"),)),
    "two folders": Filter(under=(Folder(None, "italy/florence"), Folder("other"))),
    "not in a folder": Filter(not_under=(Folder(None, "italy"),)),
    "in, but not below": Filter(
        under=(Folder("holiday", "italy"),), not_under=(Folder("holiday", "italy/florence"),)
    ),
    "from": Filter(taken_from=date(2019, 7, 14)),
    "to": Filter(taken_to=date(2019, 7, 14)),
    "one day": Filter(taken_from=date(2019, 7, 31), taken_to=date(2019, 7, 31)),
    "a month": Filter(taken_from=date(2019, 7, 1), taken_to=date(2019, 7, 31)),
    "most of a month": Filter(taken_from=date(2019, 7, 1), taken_to=date(2019, 7, 30)),
    "a year": Filter(taken_from=date(2019, 1, 1), taken_to=date(2019, 12, 31)),
    "most of a year": Filter(taken_from=date(2019, 1, 1), taken_to=date(2019, 12, 30)),
    "to the end of time": Filter(taken_to=date.max),
    "from the beginning": Filter(taken_from=date.min),
    "never": Filter(taken_from=date(2020, 1, 1), taken_to=date(2019, 1, 1)),
    "undated": Filter(undated=True),
    "undated, and dated": Filter(undated=True, taken_from=date(2019, 1, 1)),
    "country": Filter(country="IT"),
    "country in lower case": Filter(country="jp"),
    "city": Filter(city="Florence"),
    "city elsewhere": Filter(city="Florence", country="JP"),
    "near": Filter(near=Near(43.77, 11.25, 5)),
    "farther": Filter(near=Near(43.77, 11.25, 300)),
    "over the date line": Filter(near=Near(-17.5, 179.5, 200)),
    "at the pole": Filter(near=Near(89.5, -160, 120)),
    "all the world": Filter(near=Near(0, 0, 30_000)),
    "camera": Filter(camera=("canon",)),
    "two cameras": Filter(camera=("CANON EOS", "d750")),
    "camera with special characters": Filter(camera=("*B?C_%\\D",)),
    "no such camera": Filter(camera=("*",), lens=("24-70",)),
    "lens": Filter(lens=("50MM",)),
    "an overlong camera": Filter(camera=("x" * 70_000,)),
    "half a character": Filter(camera=("\udce9",), tags=("\udce9",), city="\udce9"),
    "format": Filter(format=("png",)),
    "two formats": Filter(format=("PNG", "JPEG")),
    "landscape": Filter(orientation="landscape"),
    "portrait": Filter(orientation="portrait"),
    "square": Filter(orientation="square"),
    "exactly 12 megapixels": Filter(min_megapixels=12, max_megapixels=12),
    "more": Filter(min_megapixels=12.000001),
    "fewer": Filter(max_megapixels=1),
    "beyond all numbers": Filter(max_megapixels=1e300, min_rating=10**30),
    "tag": Filter(tags=("DOG",)),
    "tags": Filter(tags=("dog", "été")),
    "no such tag": Filter(tags=("do",)),
    "rating": Filter(min_rating=4),
    "everything at once": Filter(
        under=(Folder("holiday"),),
        not_under=(Folder(None, "50% off"),),
        taken_from=date(2019, 1, 1),
        taken_to=date(2020, 12, 31),
        country="IT",
        city="Rome",
        near=Near(41.9, 12.5, 1),
        camera=("eos",),
        lens=("rf",),
        format=("JPEG",),
        orientation="landscape",
        min_megapixels=1,
        max_megapixels=20,
        tags=("dog",),
        min_rating=1,
    ),
}


def album(count: int, make: Callable[..., Record]) -> list[Row]:
    """Photos with all that can be asked for, at random, and some of "everything at once"."""
    chance = random.Random(11)
    vectors = np.random.default_rng(11)
    rows = []
    for number in range(count):
        country, city, latitude, longitude = chance.choice(PLACES)
        camera, lens = chance.choice(CAMERAS)
        taken, precision = chance.choice(DATES)
        width, height = chance.choice(SIZES)
        facts: dict[str, object] = {
            "country": country, "city": city, "latitude": latitude, "longitude": longitude,
            "camera": camera, "lens": lens, "taken": taken, "taken_precision": precision,
            "width": width, "height": height, "tags": chance.choice(TAGS),
            "rating": chance.choice([None, -1, 1, 3, 4, 5]),
            "format": chance.choice(["JPEG", "PNG", "HEIF"]),
        }  # fmt: skip
        library, folder = chance.choice(["holiday", "other"]), chance.choice(FOLDERS)
        if number % 20 == 0:
            library, folder = "holiday", "italy/"
            facts |= {
                "country": "IT", "city": "Rome", "latitude": 41.9, "longitude": 12.5,
                "camera": CAMERAS[0][0], "lens": CAMERAS[0][1], "taken": DATES[0][0],
                "width": 4000, "height": 3000, "tags": TAGS[0], "rating": 4, "format": "JPEG",
            }  # fmt: skip
        made = make(f"{folder}{number}.jpg", library, **facts)
        rows.append(Row(made, unit(vectors.standard_normal(32))))
    return rows


def passes(record: Record, where: Filter) -> bool:
    """Whether a photo is to be found under a filter, by the words of `Filter`."""
    megapixels = record.width * record.height / 1e6
    tags = {tag.lower() for tag in record.tags}
    return all(
        [
            not where.under or any(_lies_in(record, folder) for folder in where.under),
            not any(_lies_in(record, folder) for folder in where.not_under),
            not where.undated or record.taken is None,
            _taken_within(record, where.taken_from, where.taken_to),
            where.country is None or record.country == where.country.upper(),
            where.city in (None, record.city),
            where.near is None or _is_near(record, where.near),
            not where.camera or any(_holds(record.camera, part) for part in where.camera),
            not where.lens or any(_holds(record.lens, part) for part in where.lens),
            not where.format or record.format in [each.upper() for each in where.format],
            where.orientation in (None, record.orientation),
            where.min_megapixels is None or megapixels >= where.min_megapixels,
            where.max_megapixels is None or megapixels <= where.max_megapixels,
            all(tag.lower() in tags for tag in where.tags),
            where.min_rating is None or (record.rating or 0) >= min(where.min_rating, 5),
        ]
    )


def _lies_in(record: Record, folder: Folder) -> bool:
    if folder.library not in (None, record.library):
        return False
    return folder.path is None or record.relative_path.startswith(f"{folder.path}/")


def _taken_within(record: Record, start: date | None, end: date | None) -> bool:
    if start is None and end is None:
        return True
    if record.taken is None:
        return False
    first = date.fromisoformat(record.taken[:10])
    last = first
    if record.taken_precision == "month":
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    if record.taken_precision == "year":
        last = first.replace(month=12, day=31)
    return (start is None or start <= first) and (end is None or last <= end)


def _holds(text: str | None, part: str) -> bool:
    return text is not None and part.lower() in text.lower()


def _is_near(record: Record, near: Near) -> bool:
    if record.latitude is None or record.longitude is None:
        return False
    one, other = (
        (math.cos(up) * math.cos(round_), math.cos(up) * math.sin(round_), math.sin(up))
        for up, round_ in (
            (math.radians(record.latitude), math.radians(record.longitude)),
            (math.radians(near.latitude), math.radians(near.longitude)),
        )
    )
    return 6371.0088 * 2 * math.asin(min(1.0, math.dist(one, other) / 2)) <= near.km


def in_order(records: Sequence[Record], order: BrowseOrder) -> list[str]:
    """Ids by date."""
    by_id = sorted(records, key=lambda each: each.id)
    dated = [each for each in by_id if each.taken is not None]
    dated.sort(key=lambda each: each.taken or "", reverse=order == "newest")
    return [each.id for each in dated] + [each.id for each in by_id if each.taken is None]


def counted(records: Sequence[Record], name: Facet) -> list[tuple[str, int]]:
    values = Counter(value for each in records if (value := _facet(each, name)) is not None)
    if name in ("year", "month"):
        return sorted(values.items(), reverse=True)
    return sorted(values.items(), key=lambda each: (-each[1], each[0]))


def _facet(record: Record, name: Facet) -> str | None:
    if name == "year":
        return record.taken and record.taken[:4]
    if name == "month":
        return None if record.taken_precision == "year" else record.taken and record.taken[:7]
    if name == "folder":
        library = record.library.replace("%", "%25").replace("/", "%2F")
        first = record.relative_path.split("/")[0]
        return f"{library}/{first}" if "/" in record.relative_path else None
    found: str | None = getattr(record, name)
    return found


def pages(index: Index, where: Filter, order: BrowseOrder, size: int) -> Iterator[list[str]]:
    offset = 0
    while page := index.browse(where, order, size, offset):
        yield [each.id for each in page]
        offset += size


class FilterContract:
    """`filled_album`: an index with the rows that it is given."""

    @pytest.fixture
    def filled_album(self) -> Fixture:
        raise NotImplementedError

    def test_filters(self, filled_album: Fixture, album_rows: list[Row]) -> None:
        index = filled_album(album_rows)
        asked: Vector = unit(np.random.default_rng(5).standard_normal(32))
        met = 0
        for name, where in FILTERS.items():
            right = {each.record.id for each in album_rows if passes(each.record, where)}
            met += bool(right)
            assert set(index.ids(where)) == right, name
            assert index.count(where) == len(right), name
            assert {each.record.id for each in index.rows(where)} == right, name
            hits = index.search(asked, 1000, where)
            assert [hit.record.id for hit in hits] == sorted(
                (each.record.id for each in album_rows if each.record.id in right),
                key=lambda id: -float(_vectors(album_rows)[id] @ asked),
            ), name
        assert met > 0.7 * len(FILTERS)

    def test_two_filters_at_once(self, filled_album: Fixture, album_rows: list[Row]) -> None:
        index = filled_album(album_rows)
        chance = random.Random(3)
        met = 0
        for _ in range(60):
            one, other = chance.sample(sorted(FILTERS), 2)
            where = _both(FILTERS[one], FILTERS[other])
            right = {each.record.id for each in album_rows if passes(each.record, where)}
            met += bool(right)
            assert set(index.ids(where)) == right, (one, other)
        assert met > 15

    def test_pages_by_date(self, filled_album: Fixture, album_rows: list[Row]) -> None:
        index = filled_album(album_rows)
        for where in (ALL, Filter(country="IT"), Filter(undated=True), Filter(city="nowhere")):
            chosen = [each.record for each in album_rows if passes(each.record, where)]
            for order in get_args(BrowseOrder):
                size = max(1, len(chosen) // 11)
                found = list(pages(index, where, order, size))
                assert len(found) > 10 or len(chosen) <= 10
                assert [id for page in found for id in page] == in_order(chosen, order)
        assert index.browse(ALL, "newest", 5, 10 * len(album_rows)) == []
        [first] = index.browse(ALL, "newest", 1)
        assert first == next(each.record for each in album_rows if each.record.id == first.id)

    def test_facets(self, filled_album: Fixture, album_rows: list[Row]) -> None:
        index = filled_album(album_rows)
        wheres = [ALL, Filter(country="IT", taken_to=date(2019, 12, 31)), Filter(city="nowhere")]
        for where in wheres:
            chosen = [each.record for each in album_rows if passes(each.record, where)]
            found = index.facets(where, FACETS)
            assert list(found) == list(FACETS)
            for name in FACETS:
                assert found[name] == counted(chosen, name), name
        assert index.facets(ALL, []) == {}
        rows = album_rows[:-3]
        changed = dataclasses.replace(rows[0].record, city="Elsewhere", taken=None)
        rows[0] = Row(changed, rows[0].vector)
        index.write([Row(changed, None)], delete=[album_rows[-3].record.id])
        index.finish()
        index.erase([each.record.id for each in album_rows[-2:]])
        for name in FACETS:
            assert index.facets(ALL, [name]) == {name: counted([r.record for r in rows], name)}


def _vectors(rows: Sequence[Row]) -> dict[str, Vector]:
    return {each.record.id: each.vector for each in rows if each.vector is not None}


def _both(one: Filter, other: Filter) -> Filter:
    """The second's fields where both set one."""
    fields = {
        name: getattr(each, name)
        for each in (one, other)
        for name in Filter.__dataclass_fields__
        if getattr(each, name) != getattr(ALL, name)
    }
    return Filter(**fields)
