"""The index on a cluster, beyond what every backend does: on real servers."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgsearch.errors import IndexContradiction
from imgsearch.index import copy_between_indexes
from imgsearch.index.base import ALL, Filter, Row
from imgsearch.index.elasticsearch.features import Features
from imgsearch.index.elasticsearch.requests import CreateOptions
from imgsearch.index.local.opening import open_local
from imgsearch.models.base import ModelIdentity, ModelPair, unit
from tests.elasticsearch import servers
from tests.elasticsearch.front import Front
from tests.elasticsearch.servers import Space
from tests.index_contract import MODELS, OTHER_MODELS, filled, paths, record, row, vector

DIMS = 512
WIDE = ModelPair(ModelIdentity("picture model", "a1"), ModelIdentity("text model", "b2"), DIMS)


@pytest.fixture(scope="session", params=servers.versions())
def version(request: pytest.FixtureRequest) -> str:
    """Of the session, so that one version's tests run together and few nodes have to start."""
    return str(request.param)


@pytest.fixture
def space(version: str) -> Iterator[Space]:
    with servers.space(version) as made:
        yield made


@pytest.fixture
def newest() -> Iterator[Space]:
    with servers.space() as made:
        yield made


def features(space: Space) -> Features:
    return Features.of(space.request("GET", "/"))


def described(space: Space, name: str = "photos") -> dict[str, Any]:
    [found] = space.request("GET", f"/{space.name(name)}").values()
    return found  # type: ignore[no-any-return]


# -- what lies there


def test_applications_of_the_tutorial_can_read_it(space: Space) -> None:
    options = CreateOptions(source_vectors=True)
    index = space.open(options=options)
    index.stamp(WIDE)
    full = record(
        "2024/été/IMG_1.jpg",
        taken="2024-05-01T12:30:00",
        latitude=47.5,
        longitude=8.25,
        camera="Canon EOS R5",
    )
    stored = vector(1, DIMS)
    assert index.write([Row(full, stored)]) == []
    index.finish()
    body = {
        "knn": {
            "field": "image_embedding",
            "query_vector": stored.tolist(),
            "k": 5,
            "num_candidates": 10,
        },
        "fields": ["image_id", "image_name", "relative_path", "exif.date", "exif.location"],
    }
    [hit] = space.request("POST", f"/{space.name()}/_search", body)["hits"]["hits"]
    assert hit["_id"] == full.id
    fields = hit["fields"]
    assert fields["image_id"] == [full.id]
    assert fields["image_name"] == ["IMG_1.jpg"]
    assert fields["relative_path"] == ["2024/été/IMG_1.jpg"]
    assert fields["exif.date"] == ["2024-05-01T12:30:00.000Z"]
    assert fields["exif.location"][0]["coordinates"] == [8.25, 47.5]
    assert np.array_equal(np.float32(hit["_source"]["image_embedding"]), stored)


def test_vectors_are_left_out_of_the_source_where_the_server_can(space: Space) -> None:
    index = space.open()
    index.stamp(WIDE)
    index.write([Row(record("a.jpg"), vector(1, DIMS))])
    index.finish()
    [hit] = space.request("POST", f"/{space.name()}/_search", {})["hits"]["hits"]
    left_out = "image_embedding" not in hit["_source"]
    assert left_out == features(space).leaves_vectors_out


def test_an_alias_with_a_version_behind_it_and_a_strict_mapping(space: Space) -> None:
    filled(space.open, [row("a.jpg", 1)])
    [index] = space.request("GET", f"/{space.name()}")
    assert index == f"{space.name()}-000001"
    mappings = described(space)["mappings"]
    assert mappings["dynamic"] == "strict"
    assert mappings["_meta"]["models"]["dims"] == MODELS.dims
    assert mappings["properties"]["image_embedding"]["similarity"] == "cosine"
    kind = mappings["properties"]["image_embedding"]["index_options"]["type"]
    assert kind == ("int8_hnsw" if features(space).has("int8") else "hnsw")


def test_shards_and_replicas(newest: Space) -> None:
    newest.open("usual")
    usual = described(newest, "usual")["settings"]["index"]
    assert (usual["number_of_shards"], usual["auto_expand_replicas"]) == ("1", "0-1")
    index = newest.open("asked", options=CreateOptions(shards=3, replicas="2"))
    asked = described(newest, "asked")["settings"]["index"]
    assert (asked["number_of_shards"], asked["number_of_replicas"]) == ("3", "2")
    index.stamp(MODELS)
    rows = [row(f"{n}.jpg", n) for n in range(100)]
    assert index.write(rows) == []
    index.finish()
    assert [each.record.id for each in index.rows()] == sorted(each.record.id for each in rows)
    assert index.search(vector(7), 1)[0].record.relative_path == "7.jpg"
    assert any("yellow" in note for note in index.notes)


# -- vectors


@pytest.mark.parametrize("quantization", ["none", "int8", "int4", "bbq"])
def test_quantized_vectors_come_back_bit_for_bit_and_rank_alike(
    space: Space, quantization: str
) -> None:
    if not features(space).has(quantization):
        pytest.skip(f"not in {features(space)}")
    index = space.open(options=CreateOptions(quantization=quantization))
    index.stamp(WIDE)
    chance = np.random.default_rng(5)
    # as pictures lie: in clusters
    centres = chance.standard_normal((20, DIMS))
    stored = unit(centres[np.arange(300) % 20] + 0.7 * chance.standard_normal((300, DIMS)))
    rows = [Row(record(f"{n}.jpg"), stored[n]) for n in range(300)]
    assert index.write(rows) == []
    index.finish()
    found = index.vectors([each.record.id for each in rows])
    assert all(found[each.record.id].tobytes() == each.vector.tobytes() for each in rows)  # type: ignore[union-attr]
    shared, questions = 0, unit(centres + 0.7 * chance.standard_normal((20, DIMS)))
    for question in questions:
        cosines = stored @ question
        hits = index.search(question, 10)
        best = {rows[n].record.id for n in np.argsort(-cosines)[:10]}
        shared += len(best & {hit.record.id for hit in hits})
        for hit in hits:
            exact = float(cosines[[each.record.id for each in rows].index(hit.record.id)])
            assert hit.score == pytest.approx(exact, abs=1e-4)
    assert shared / 200 >= {"none": 0.98, "int8": 0.95, "int4": 0.9, "bbq": 0.8}[quantization]


def test_a_row_without_a_vector_keeps_the_stored_one_bit_for_bit(space: Space) -> None:
    index = space.open()
    index.stamp(WIDE)
    before = record(
        "a.jpg", camera="Canon", latitude=1.5, longitude=2.5, taken="2024-01-01T00:00:00"
    )
    stored = vector(3, DIMS)
    index.write([Row(before, stored)])
    after = record("a.jpg", mtime_ns=9)
    assert index.write([Row(after, None)]) == []
    for _ in range(2):  # from the journal, then from the segments
        assert index.vectors([after.id])[after.id].tobytes() == stored.tobytes()
        assert index.records([after.id]) == {after.id: after}
        index.finish()
    assert [each.vector.tobytes() for each in index.rows()] == [stored.tobytes()]  # type: ignore[union-attr]


# -- writing


def test_what_was_just_written_is_known_by_its_hash_without_a_refresh(newest: Space) -> None:
    with Front([newest.server]) as front:
        index = newest.open(through=front.url)
        index.stamp(MODELS)
        index.count()
        refreshed = len(front.seen("_refresh"))
        index.write([row("a.jpg", 1), row("b.jpg", 2)])
        [found] = index.records_by_hash([record("a.jpg").content_hash]).values()
        assert [each.relative_path for each in found] == ["a.jpg"]
        index.write([], delete=[record("a.jpg").id])
        index.write([Row(record("b.jpg", content_hash="ab" * 32), None)])
        hashes = [record(name).content_hash for name in ("a.jpg", "b.jpg")]
        assert index.records_by_hash(hashes) == {}
        assert len(front.seen("_refresh")) == refreshed


def test_two_machines_make_and_fill_one_index(newest: Space) -> None:
    one, other = newest.open(), newest.open()
    assert one.index_id == other.index_id
    one.stamp(MODELS)
    other.stamp(MODELS)
    one.write([row(f"{n}.jpg", n) for n in range(60)])
    other.write([row(f"{n}.jpg", n) for n in range(40, 100)])
    assert one.finish() is other.finish() is None
    assert one.count() == other.count() == 100


def test_of_two_that_stamp_at_once_one_is_told(newest: Space) -> None:
    one, other = newest.open(), newest.open()
    assert one._live.models() is other._live.models() is None
    one.stamp(MODELS)
    one.write([row("a.jpg", 1)])
    one.finish()
    with pytest.raises(IndexContradiction, match="picture model"):
        other.stamp(OTHER_MODELS)


def test_an_ingest_that_was_killed_is_seen_by_the_next(newest: Space) -> None:
    killed = newest.open()
    killed.stamp(MODELS)
    newest.request("PUT", f"/{newest.name()}/_settings", {"index.refresh_interval": "-1"})
    killed.write([row(f"{n}.jpg", n) for n in range(10)])
    assert sum(len(some.sizes) for some in newest.open().fingerprints()) == 10


def test_odd_values_are_refused_one_by_one(newest: Space) -> None:
    index = newest.open()
    index.stamp(MODELS)
    odd = [
        Row(record("surrogate.jpg", camera="\ud800"), vector(1)),
        Row(record("large.jpg", size=2**70), vector(2)),
        Row(record("wide.jpg", width=2**40), vector(3)),
    ]
    failures = index.write(
        [*odd, row("good.jpg", 4), Row(record("date.jpg", taken="0000"), vector(5))]
    )
    assert {failure.id for failure in failures} == {each.record.id for each in odd}
    assert all(failure.reason for failure in failures)
    assert index.count() == 2


def test_a_photo_at_no_place_on_earth_is_kept_without_it(newest: Space) -> None:
    index = newest.open()
    index.stamp(MODELS)
    odd = record("a.jpg", latitude=123.0, longitude=999.0)
    assert index.write([Row(odd, vector(1))]) == []
    placeless = dataclasses.replace(odd, latitude=None, longitude=None)
    assert index.records([odd.id]) == {odd.id: placeless}


def test_removed_photos_leave_the_segments(newest: Space) -> None:
    index = filled(newest.open, [row(f"{n}.jpg", n) for n in range(200)])
    assert index.erase([record("3.jpg").id]) == 1
    assert index.count() == 199
    settings = described(newest)["settings"]["index"]
    assert settings["merge"]["policy"]["expunge_deletes_allowed"] == "0"


def test_the_report_of_an_ingest_stays_small(newest: Space) -> None:
    index = newest.open()
    skipped = [{"path": f"{n}.jpg", "reason": "empty", "detail": ""} for n in range(5000)]
    index.record_ingest({"added": 1, "skipped": skipped})
    last = newest.open().info().last_ingest
    assert last is not None
    assert last["skipped"] == skipped[:100]


# -- re-embedding


def test_other_models_get_a_new_index_behind_the_same_name(newest: Space) -> None:
    index = filled(newest.open, [row("a.jpg", 1)])
    successor = index.successor(dataclasses.replace(OTHER_MODELS, dims=16))
    successor.write([Row(record("a.jpg"), vector(2, 16))])
    successor.finish()
    successor.promote()
    successor.close()
    assert list(newest.request("GET", f"/{newest.prefix}*")) == [f"{newest.name()}-000002"]
    aliases = described(newest)["aliases"]
    assert set(aliases) == {newest.name(), f"{newest.name()}-000002-rows"}
    assert newest.open(create=False).search(vector(2, 16), 1)[0].score == pytest.approx(1, abs=1e-5)


# -- beside the local index


def test_copied_there_and_back_nothing_has_changed(space: Space, tmp_path: Path) -> None:
    here = open_local(tmp_path / "here", create=True)
    here.stamp(WIDE)
    full = record("é/1.jpg", taken="2024-05-01T12:30:00", latitude=1.5, longitude=-2.5, lens="f2")
    here.write([Row(full, vector(1, DIMS))])
    here.write([Row(record(f"{n}.jpg", size=n), vector(n, DIMS)) for n in range(2, 700)])
    there = space.open()
    assert copy_between_indexes.copy(here, there).complete
    again = copy_between_indexes.copy(here, there)
    assert (again.copied, again.already_there) == (0, 699)
    back = open_local(tmp_path / "back", create=True)
    result = copy_between_indexes.copy(there, back)
    assert result.complete
    assert result.compared > 0
    for one, other in zip(here.rows(), back.rows(), strict=True):
        assert one.record == other.record
        assert one.vector.tobytes() == other.vector.tobytes()  # type: ignore[union-attr]
    assert here.models() == back.models() == WIDE
    here.close()
    back.close()


@pytest.mark.parametrize(("quantization", "overlap"), [("none", 0.98), ("int8", 0.95)])
def test_a_cluster_ranks_as_one_machine_does(
    space: Space, tmp_path: Path, quantization: str, overlap: float
) -> None:
    if not features(space).has(quantization):
        pytest.skip(f"not in {features(space)}")
    here = open_local(tmp_path / "here", create=True)
    there = space.open(options=CreateOptions(quantization=quantization))
    rows = [Row(record(f"{n}.jpg"), vector(n, DIMS)) for n in range(300)]
    for index in (here, there):
        index.stamp(WIDE)
        assert index.write(rows) == []
        index.finish()
    shared = 0
    for n in range(1000, 1020):
        local, cluster = (index.search(vector(n, DIMS), 10) for index in (here, there))
        shared += len(set(paths(local)) & set(paths(cluster)))
    here.close()
    assert shared / 200 >= overlap


# -- an index of the tutorial's script


@pytest.fixture
def tutorial(space: Space) -> Space:
    """As that script makes it: no `_id`, no `_meta`, vectors not of unit length."""
    vector_field = {"type": "dense_vector", "dims": DIMS, "index": True, "similarity": "cosine"}
    keyword = {"type": "keyword"}
    properties = {
        "image_embedding": vector_field,
        "image_id": keyword,
        "image_name": keyword,
        "relative_path": keyword,
        "exif": {"properties": {"location": {"type": "geo_point"}, "date": {"type": "date"}}},
    }
    name = space.name()
    space.request("PUT", f"/{name}", {"mappings": {"properties": properties}})
    for n in range(20):
        document = {
            "image_id": f"IMG_{n}",
            "image_name": f"IMG_{n}.jpg",
            "relative_path": f"{'a' if n < 5 else 'b'}/IMG_{n}.jpg",
            "image_embedding": (vector(n, DIMS) * 9).tolist(),
            "exif": {"location": [8.5, 47.25]} if n == 3 else {},
        }
        space.request("POST", f"/{name}/_doc", document)
    space.request("POST", f"/{name}/_refresh")
    return space


def test_the_tutorials_index_can_be_searched(tutorial: Space) -> None:
    index = tutorial.open(create=False)
    assert index.foreign
    assert index.models() is None
    [note] = index.notes
    assert "not made by imgsearch" in note
    assert index.count() == 20
    hit = index.search(vector(3, DIMS), 3)[0]
    assert (hit.record.relative_path, hit.score) == ("a/IMG_3.jpg", pytest.approx(1, abs=1e-4))
    assert (hit.record.latitude, hit.record.longitude, hit.record.format) == (47.25, 8.5, "JPEG")
    assert (hit.record.size, hit.record.width, hit.record.taken) == (0, 0, None)
    stored = index.vectors([hit.record.id])[hit.record.id]
    assert np.allclose(stored, vector(3, DIMS), atol=1e-6)
    similar = index.search(stored, 3, exclude={hit.record.id})
    assert hit.record.id not in {each.record.id for each in similar}
    [library] = index.libraries()
    assert index.libraries()[library].photos == 20
    assert len(index.search(vector(3, DIMS), 30, Filter.within(library, "a"))) == 5
    assert index.count(Filter.within("another")) == 0
    assert list(index.fingerprints()) == []
    assert len(list(index.ids())) == len(list(index.rows())) == 20
    assert index.info().photos == 20


def test_the_tutorials_index_can_be_taken_over(tutorial: Space) -> None:
    index = tutorial.open()
    with pytest.raises(IndexContradiction, match="512 dimensions; the model makes 32"):
        index.stamp(MODELS)
    index.stamp(WIDE)
    assert not index.foreign
    new = Row(record("new.jpg"), vector(100, DIMS))
    assert index.write([new]) == []
    index.finish()
    assert index.count() == 21
    assert index.models() == WIDE
    assert [each.ids for each in index.fingerprints()] == [new.record.id]
    assert paths(index.search(vector(100, DIMS), 1)) == ["new.jpg"]
    assert len(list(index.ids())) == len(list(index.rows())) == 21
    assert tutorial.open().models() == WIDE


# -- what it says of itself


def test_status_tells_what_the_cluster_is_like(space: Space) -> None:
    index = filled(space.open, [row(f"{n}.jpg", n) for n in range(50)])
    info = index.info()
    details = info.details
    assert str(features(space)) in details["server"]
    assert details["health"].startswith("green")
    assert details["documents"].startswith("50 ")
    assert f"{space.name()}-000001" in details["index behind the name"]
    assert "hnsw" in details["quantization"]
    assert "MB" in details["largest fields"]
    assert info.bytes_on_disk > 0
    with Front([space.server], licence="trial") as front:
        details = space.open(through=front.url).info().details
        assert details["licence"] == "trial (active)"


def test_no_request_makes_the_server_warn(space: Space, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "imgsearch.elastic"):
        index = filled(space.open, [row(f"{n}.jpg", n) for n in range(30)])
        index.search(vector(1), 3, Filter.within("holiday", "a"), {record("1.jpg").id})
        list(index.rows())
        list(index.fingerprints())
        index.records_by_hash([record("1.jpg").content_hash])
        index.write([Row(record("1.jpg"), None)], [record("2.jpg").id])
        index.info()
        index.record_ingest({})
        successor = index.successor(OTHER_MODELS)
        successor.promote()
        successor.erase(list(successor.ids(ALL)))
        successor.close()
    assert [each.getMessage() for each in caplog.records if "warns" in each.getMessage()] == []
