"""Parts of photos on a cluster: answers equal to a local index's, mappings of versions before, and
what strangers put in their place."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgsearch.index import copy_between_indexes
from imgsearch.index.base import (
    PART_KINDS,
    Filter,
    PartCount,
    PartKind,
    Parts,
    PartTexts,
    PartVectors,
    Row,
    Wanted,
)
from imgsearch.index.elasticsearch import part_fields
from imgsearch.index.elasticsearch.features import Features
from imgsearch.index.elasticsearch.index import ElasticsearchIndex
from imgsearch.index.elasticsearch.requests import CreateOptions
from imgsearch.index.local.index import LocalIndex
from imgsearch.index.local.opening import open_local
from imgsearch.question import Folder
from tests.command import Command
from tests.elasticsearch import servers
from tests.elasticsearch.front import Answer, Front
from tests.elasticsearch.hostile import PARTS
from tests.elasticsearch.servers import Space
from tests.index_contract import filled, record, row, vector
from tests.parts_contract import DIMS, MODELS, QUESTION, noise, photo, regions, same


def _vectors(*seeds: int) -> Any:
    return np.array([noise(seed) for seed in seeds], np.float32).reshape(-1, DIMS)


def some_photos() -> list[Row]:
    """Of every kind of part, and without; fewer parts than a sample takes."""
    rows = []
    for n in range(40):
        parts: dict[PartKind, Any] = {}
        if n % 2:
            parts.update(regions(*map(noise, range(100 * n, 100 * n + n % 5))))
        if n % 8 == 3:
            parts["page"] = PartVectors(((2,), (3,)), _vectors(100 * n + 50, 100 * n + 51))
        if n % 8 == 5:
            parts["frame"] = PartVectors(((0,), (90_500,)), _vectors(100 * n + 60, 100 * n + 61))
        if n % 8 == 7:
            parts["text"] = PartTexts(((1, 2, 30, 4),), (f"line {n}",))
        rows.append(
            photo(f"{'even' if n % 4 else 'fourth'}/{n}.jpg", noise(9000 + n), parts or None)
        )
    return rows


@pytest.fixture(scope="module", params=servers.versions())
def space(request: pytest.FixtureRequest) -> Iterator[Space]:
    with servers.space(request.param) as made:
        yield made


def holding_parts(index: ElasticsearchIndex) -> ElasticsearchIndex:
    """The index; on a server that is too old for parts the test is skipped, which says so."""
    if index.capabilities.no_parts is not None:
        pytest.skip(index.capabilities.no_parts)
    return index


@pytest.fixture(scope="module")
def shared(space: Space) -> ElasticsearchIndex:
    """Not quantised, so that scores and the parts that have them are exact."""
    made = holding_parts(space.open(options=CreateOptions(quantization="none")))
    filled(lambda name: made, some_photos())
    return made


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalIndex]:
    folder = tmp_path_factory.mktemp("local") / "photos"
    with contextlib.closing(open_local(folder, create=True)) as index:
        filled(lambda name: index, some_photos())
        yield index


def test_answers_are_those_of_a_local_index(shared: ElasticsearchIndex, local: LocalIndex) -> None:
    fourth = Filter(under=(Folder("holiday", "fourth"),))
    excluded = [each.record.id for each in some_photos()[:20:3]]
    by_a_part = 0
    for seed in range(7000, 7006):
        options: dict[str, Any]
        for options in ({}, {"where": fourth}, {"exclude": excluded}):
            for k in (1, 7, 60):
                found = shared.search(noise(seed), k, **options)
                expected = local.search(noise(seed), k, **options)
                assert [(hit.record, hit.part) for hit in found] == [
                    (hit.record, hit.part) for hit in expected
                ]
                assert [hit.score for hit in found] == pytest.approx(
                    [hit.score for hit in expected], abs=1e-5
                )
                by_a_part += sum(hit.part is not None for hit in found)
    assert by_a_part > 20
    ids = [each.record.id for each in some_photos()]
    assert shared.info().parts == local.info().parts
    assert set(shared.info().parts) == set(PART_KINDS)
    assert _plain(shared.parts(ids)) == _plain(local.parts(ids))


def _plain(found: Any) -> Any:
    return {
        id: {
            kind: (each.places, each[1].tobytes() if kind != "text" else each[1])
            for kind, each in parts.items()
        }
        for id, parts in found.items()
    }


def test_a_query_takes_three_requests_at_most(space: Space, shared: ElasticsearchIndex) -> None:
    with Front([space.server]) as front:
        index = space.open(through=front.url, create=False)
        for k in (1, 30):
            before = len(front.requests)
            index.search(QUESTION, k)
            assert [each.path.rpartition("/")[2] for each in front.requests[before:]] == [
                "_msearch",
                "_msearch",
            ]
        before = len(front.requests)
        near = index.search_words(QUESTION, 5, Wanted("line 15"))
        assert {one.relative_path for one in near.records_named} == {"even/15.jpg"}
        assert near.texts is not None
        assert len(front.requests) == before + 2
        sizes = [len(each.body) for each in front.requests]
        assert max(sizes) < 64_000


def test_parts_come_back_from_a_cluster(
    shared: ElasticsearchIndex, local: LocalIndex, tmp_path: Path
) -> None:
    with contextlib.closing(open_local(tmp_path / "back", create=True)) as back:
        assert copy_between_indexes.copy(shared, back).complete
        ids = [each.record.id for each in some_photos()]
        assert _plain(back.parts(ids)) == _plain(local.parts(ids))


@pytest.fixture
def own(space: Space) -> Iterator[Space]:
    made = Space(space.server)
    yield made
    made.clear()


def test_an_index_of_a_version_before_gets_the_fields(own: Space) -> None:
    """With its first parts, which a process that has it open sees; others' fields stay."""
    index = filled(lambda name: holding_parts(own.open()), [row("a.jpg", 1), row("b.jpg", 2)])
    reading = own.open(create=False)
    assert reading.search(QUESTION, 1)[0].part is None
    name = own.name()
    [described] = own.request("GET", f"/{name}").values()
    assert "parts" not in described["mappings"]["properties"]
    meta = described["mappings"]["_meta"]
    other = own.open()  # another machine, which writes at the same time
    assert index.write([Row(record("a.jpg"), None, regions(QUESTION))]) == []
    assert other.write([Row(record("b.jpg"), None, {"page": regions(noise(7))["region"]})])
    page: Parts = {"page": PartVectors(((2,),), noise(7)[None])}
    assert other.write([Row(record("b.jpg"), None, page)]) == []
    for each in (index, other):
        each.finish()
    [described] = own.request("GET", f"/{name}").values()
    assert described["mappings"]["_meta"] == meta
    for each in (reading, index, other):
        [hit] = each.search(QUESTION, 1)
        assert (hit.record.relative_path, hit.part and hit.part.kind) == ("a.jpg", "region")
    assert index.info().parts == {"region": PartCount(1, 1), "page": PartCount(1, 1)}
    # another kind joins those that are there, and a touched photo keeps all
    assert index.write([Row(record("a.jpg"), None, page)]) == []
    assert index.write([Row(replace(record("a.jpg"), mtime_ns=9), vector(1))]) == []
    assert same(
        index.parts([record("a.jpg").id]), {record("a.jpg").id: {**regions(QUESTION), **page}}
    )


def test_a_process_that_has_an_index_open_finds_text_that_is_read_later(own: Space) -> None:
    index = filled(lambda name: holding_parts(own.open()), [row("a.jpg", 1), row("b.jpg", 2)])
    reading = own.open(create=False)
    assert reading.match(Wanted("bakery"), 5) == []
    sign: Parts = {"text": PartTexts(((1, 2, 30, 4),), ("Bakery",))}
    assert index.write([Row(record("a.jpg"), None, sign)]) == []
    index.finish()
    assert [each.relative_path for each in reading.match(Wanted("bakery"), 5)] == ["a.jpg"]


@pytest.mark.slow
def test_a_film_is_ingested_and_found_by_its_moment(
    own: Space, command: Command, tmp_path: Path
) -> None:
    pytest.importorskip("av", reason="an extra")
    from tests import films

    holding_parts(own.open())
    scenes = films.icons(8, seed=1)
    (tmp_path / "films").mkdir()
    films.make(tmp_path / "films" / "film.mp4", list(scenes.values()))
    index = ("--index", f"{own.server}/{own.name()}")
    done = command.run(*index, "ingest", tmp_path / "films", "--films", "--json").json
    assert (done["added"], done["skipped"]) == (1, [])
    [hit] = command.run(*index, "query", list(scenes)[5], "--literal", "--json").json_lines
    begins = 5 * films.SECONDS
    assert begins - 2 <= hit["moment"] <= begins + films.SECONDS + 2
    assert command.run(*index, "status", "--json").json["parts"]["frame"]["photos"] == 1


def test_a_photo_with_more_parts_than_a_request_holds(own: Space) -> None:
    index = holding_parts(own.open())
    count = part_fields.MOST
    places = tuple((n,) for n in range(1, count + 2))
    vectors = np.tile(_vectors(*range(10)), (count // 10 + 1, 1))[: count + 1]
    book: Parts = {"page": PartVectors(places[:count], vectors[:count])}
    longer: Parts = {"page": PartVectors(places, vectors)}
    filled(lambda name: index, [photo("a.jpg", noise(1))])
    failures = index.write([photo("book.tif", noise(2), book), photo("long.tif", noise(3), longer)])
    assert [each.id for each in failures] == [photo("long.tif", None).record.id]
    assert f"{count + 1:,} parts" in failures[0].reason
    index.finish()
    hits = index.search(noise(4), 2)
    assert {hit.record.relative_path for hit in hits} == {"a.jpg", "book.tif"}
    [(_, parts)] = [(each.record, each.parts) for each in index.rows() if each.parts]
    assert len(parts["page"].places) == count


def test_a_photo_too_large_for_a_proxy_stops_no_other(own: Space) -> None:
    book: Parts = {"page": PartVectors(tuple((n,) for n in range(1, 2001)), _vectors(*range(2000)))}
    with Front([own.server]) as front:
        index = holding_parts(own.open(through=front.url, retry_for=0.0))
        index.stamp(MODELS)
        front.handlers.append(
            lambda request: (
                Answer(413, b"<html>", {})
                if request.path.endswith("/_bulk") and len(request.body) > 1 << 18
                else None
            )
        )
        rows = [photo(f"{n}.jpg", noise(n)) for n in range(8)]
        [failure] = index.write([*rows[:4], photo("book.tif", noise(9), book), *rows[4:]])
        assert "more than the server takes" in failure.reason
        index.finish()
        assert set(index.ids()) == {each.record.id for each in rows}


def _bulk(space: Space, index: str, documents: dict[str, dict[str, Any]]) -> None:
    lines = [
        line
        for id, source in documents.items()
        for line in ({"index": {"_index": index, "_id": id}}, source)
    ]
    asked = urllib.request.Request(
        f"{space.server}/_bulk?refresh=true",
        b"".join(json.dumps(line).encode() + b"\n" for line in lines),
        {"content-type": "application/x-ndjson"},
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        answer.read()


def test_whatever_stands_in_the_place_of_parts_stops_nothing(own: Space, tmp_path: Path) -> None:
    index = holding_parts(own.open())
    honest = [photo(f"{n}.jpg", noise(n), regions(noise(n + 50))) for n in range(1, 9)]
    filled(lambda name: index, honest)
    ids = [each.record.id for each in honest]
    documents = {}
    for n, (name, fields) in enumerate(PARTS.items()):
        made = {"relative_path": f"{name}.jpg", "library": "odd", **fields}
        made["image_embedding"] = noise(400 + n).tolist()
        if isinstance(fields.get("parts"), list):
            made["parts"] = [
                {"vector": noise(n).tolist(), **part} if isinstance(part, dict) else part
                for part in fields["parts"]
            ]
            for part in made["parts"]:
                if isinstance(part, dict) and part["vector"] is None:
                    del part["vector"]
        documents[f"{n:032x}"] = made
    _bulk(own, own.name(), documents)
    there = list(index.ids())
    assert len(there) - len(ids) >= 10  # the server refuses the others
    for seed in range(10):
        hits = index.search(noise(seed), 40)
        assert len({hit.record.id for hit in hits}) == len(hits) == len(there)
        assert set(ids) <= {hit.record.id for hit in hits}
    assert same({id: found for id, found in index.parts(there).items() if id in ids},
        {each.record.id: each.parts or {} for each in honest})  # fmt: skip
    assert len(list(index.rows())) == len(there)
    assert index.match(Wanted("stolen"), 40) == []  # words that no line has
    assert index.search_words(noise(1), 5, Wanted("stolen")).named == []
    texts = index.capabilities.texts
    assert texts is not None
    assert {line for read in texts(there).values() for line in read.texts} == {"\x1b[2J\u202e"}
    assert sum(1 for some in index.fingerprints() for each in some if each.parted) >= len(ids)
    assert index.info().parts["region"].photos >= len(ids)
    faults = dict(index._live.reader.faults())
    assert all(faults[id] == () for id in ids)
    odd = [name for n, name in enumerate(PARTS) if "parts" in faults.get(f"{n:032x}", ())]
    assert {"parts-place-far", "parts-no-kind"} <= set(odd)
    with contextlib.closing(open_local(tmp_path / "copy", create=True)) as copy:
        copy_between_indexes.copy(index, copy)
        assert same({id: copy.parts([id])[id] for id in ids}, index.parts(ids))


@pytest.mark.parametrize(("version", "holds"), [((8, 10, 4), False), ((8, 11, 0), True)])
def test_older_servers_are_named(shared: ElasticsearchIndex, version: Any, holds: bool) -> None:
    why = part_fields.why_none(shared._live.found, "my-photos", Features(version))
    assert (why is None) is holds
    assert why is None or ("8.10.4" in why and "8.11" in why)


def test_another_programs_index_keeps_its_sentence(own: Space) -> None:
    """Until it is taken over; and where it has fields of these names, for good."""
    field = {"type": "dense_vector", "dims": DIMS, "index": True, "similarity": "cosine"}
    properties = {"image_embedding": field, "parts": {"type": "keyword"}}
    own.request("PUT", f"/{own.name()}", {"mappings": {"properties": properties}})
    own.request("POST", f"/{own.name()}/_doc/1?refresh=true",
        {"image_embedding": noise(1).tolist(), "parts": "x"})  # fmt: skip
    index = own.open()
    assert "not made by imgsearch" in (index.capabilities.no_parts or "")
    assert index.capabilities.texts is None
    assert index.search(noise(1), 1)[0].part is None
    index.stamp(MODELS)
    assert "fields of another program" in (index.capabilities.no_parts or "")
    assert index.write([photo("a.jpg", noise(2))]) == []
    index.finish()
    assert len(index.search(noise(1), 5)) == 2
