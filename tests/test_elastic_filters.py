"""Filters, pages and facets on indices that are not as this version makes them: of the version
before, of the tutorial's script, of programs that gave our fields other types."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from imgsearch.index.base import ALL, FACETS, Filter, Row, Wanted
from imgsearch.index.elasticsearch import browsing
from imgsearch.index.elasticsearch.requests import DESCRIPTIONS, PROPERTIES
from imgsearch.question import Near
from tests.elasticsearch import servers
from tests.elasticsearch.servers import Space
from tests.filter_contract import FILTERS, album, in_order, passes
from tests.index_contract import filled, record, row, vector

VECTOR = {"type": "dense_vector", "dims": 32, "index": True, "similarity": "cosine"}


@pytest.fixture
def space() -> Iterator[Space]:
    with servers.space() as made:
        yield made


def test_an_index_of_the_version_before_gets_the_new_fields_with_the_next_ingest(
    space: Space,
) -> None:
    index = filled(space.open, [row("a.jpg", 1, taken="2019-07-14T12:00:00", camera="D750")])
    found = index.records([record("a.jpg").id])
    [name] = space.request("GET", f"/{space.name()}")
    described = space.request("GET", f"/{name}")[name]
    older = {key: value for key, value in PROPERTIES.items() if key not in DESCRIPTIONS}
    older["image_embedding"] = described["mappings"]["properties"]["image_embedding"]
    [document] = space.documents()
    aliases = described["aliases"]
    space.request("DELETE", f"/{name}")
    mappings = {**described["mappings"], "properties": older}
    space.request("PUT", f"/{name}", {"mappings": mappings, "aliases": aliases})
    kept = {key: value for key, value in document["_source"].items() if key not in DESCRIPTIONS}
    space.request("PUT", f"/{name}/_doc/{record('a.jpg').id}?refresh=true", kept)

    reading = space.open(create=False)
    assert reading.count(Filter(taken_from=date(2019, 1, 1), camera=("d750",))) == 1
    assert reading.count(Filter(country="IT")) == 0
    assert [each.metadata_mark for some in reading.fingerprints() for each in some] == [0]
    assert reading.facets(ALL, FACETS)["country"] == []
    assert reading.facets(ALL, FACETS)["year"] == [("2019", 1)]
    # its names are asked for themselves
    assert [one.record.id for one in reading.search_words(vector(1), 5, Wanted("a")).named] == [
        record("a.jpg").id
    ]
    assert reading.match(Wanted("b"), 5) == []

    ingesting = space.open()
    # killed before its end, an ingest leaves photos whose words the next one writes
    assert [one.relative_path for one in ingesting.match(Wanted("a"), 5)] == []
    ingesting.finish()
    assert [one.relative_path for one in ingesting.match(Wanted("a"), 5)] == ["a.jpg"]
    now = record("a.jpg", country="IT", tags=("Dog",), metadata_mark=1)
    assert ingesting.write([Row(now, None), row("b.jpg", 2, city="Rome")]) == []
    ingesting.finish()
    assert list(ingesting.ids(Filter(country="it", tags=("dog",)))) == [now.id]
    assert ingesting.search(vector(1), 1)[0].record == now
    assert [one.id for one in ingesting.match(Wanted("dog"), 5)] == [now.id]
    assert found[now.id].taken == "2019-07-14T12:00:00"
    mapped = space.request("GET", f"/{name}/_mapping")[name]["mappings"]["properties"]
    assert set(PROPERTIES) <= set(mapped)


def foreign(space: Space, properties: dict[str, Any], **document: Any) -> None:
    name = space.name()
    mappings = {"properties": {"image_embedding": VECTOR, **properties}}
    space.request("PUT", f"/{name}", {"mappings": mappings})
    source = {"image_embedding": vector(1).tolist(), "image_name": "a.jpg", **document}
    space.request("POST", f"/{name}/_doc?refresh=true", source)


@pytest.mark.parametrize(
    "kind", ["text", "keyword", "long", "boolean", "date", "object", "geo_point", "flattened"]
)
def test_fields_of_any_type_are_no_error(space: Space, kind: str) -> None:
    names = [*DESCRIPTIONS, "format", "camera", "lens", "width", "image_id", "library"]
    properties: dict[str, Any] = {name: {"type": kind} for name in names}
    properties["exif"] = {"properties": {name: {"type": kind} for name in ("date", "location")}}
    foreign(space, properties)
    index = space.open(create=False)
    for name, where in FILTERS.items():
        found = index.search(vector(1), 3, where)
        assert len(found) == len(index.browse(where, "newest", 3)) == index.count(where), name
    assert index.count(Filter(near=Near(0, 0, 30_000), camera=("a",), tags=("b",))) == 0
    assert set(index.facets(ALL, FACETS)) == set(FACETS)


def test_the_tutorials_fields_answer(space: Space) -> None:
    exif = {"properties": {"location": {"type": "geo_point"}, "date": {"type": "date"}}}
    document = {"exif": {"location": [11.25, 43.77], "date": "2019-07-14T12:00:00"}}
    foreign(space, {"image_name": {"type": "keyword"}, "exif": exif}, **document)
    index = space.open(create=False)
    assert index.count(Filter(near=Near(43.8, 11.2, 10))) == 1
    assert index.count(Filter(near=Near(44.8, 11.2, 10))) == 0
    july = Filter(taken_from=date(2019, 7, 1), taken_to=date(2019, 7, 31))
    assert [hit.record.taken for hit in index.search(vector(1), 1, july)] == ["2019-07-14T12:00:00"]
    assert index.count(Filter(taken_to=date(2019, 7, 13))) == 0
    assert index.facets(ALL, ["month", "city"]) == {"month": [("2019-07", 1)], "city": []}
    [shown] = index.browse(ALL, "oldest", 5)
    assert shown.relative_path == "a.jpg"


def test_pages_beyond_what_a_server_looks_at_from_the_first_on(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browsing, "MOST", 30)
    monkeypatch.setattr(browsing, "RECORDS_AT_A_TIME", 7)
    rows = album(200, record)
    index = filled(space.open, rows)
    index._live.reader.call("PUT", "/_settings", {"index.max_result_window": 50})  # type: ignore[attr-defined]
    for where in (ALL, Filter(orientation="landscape")):
        right = in_order([each.record for each in rows if passes(each.record, where)], "newest")
        for offset in (0, 29, 30, 31, 60, 150, 199, 200, 1000):
            page = index.browse(where, "newest", 20, offset)
            assert [each.id for each in page] == right[offset : offset + 20], offset
