"""Requests and documents as pure functions, and the connection: no server."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any

import numpy as np
import orjson
import pytest

from imgsearch.errors import ImgsearchError, IndexUnavailable, UsageError
from imgsearch.index.base import ALL, Filter
from imgsearch.index.elasticsearch.answers import bulk_items
from imgsearch.index.elasticsearch.bulk import BYTES_PER_REQUEST, Operation, _chunks, sorted_out
from imgsearch.index.elasticsearch.client_exceptions import Symptom, answer_symptom
from imgsearch.index.elasticsearch.connection import (
    PASSWORD_IN_URL,
    Connection,
    settled,
    split_credentials,
)
from imgsearch.index.elasticsearch.documents import document, packed, parsed, unpacked
from imgsearch.index.elasticsearch.features import Features
from imgsearch.index.elasticsearch.filters import conditions
from imgsearch.index.elasticsearch.requests import (
    CreateOptions,
    candidates,
    check_name,
    create_body,
    knn_body,
    quantization_of,
    vector_mapping,
)
from imgsearch.index.elasticsearch.retry import LONGEST_PAUSE, Backoff
from imgsearch.paths import without_credentials
from tests.index_contract import record as a_record
from tests.index_contract import vector

OLD, MIDDLE, NEW = Features((8, 6, 2)), Features((8, 13, 4)), Features((9, 5, 3))


# -- making an index


@pytest.mark.parametrize(
    ("version", "has"),
    [
        ((8, 6, 2), {"none"}),
        ((8, 12, 0), {"none", "int8"}),
        ((8, 15, 0), {"none", "int8", "int4"}),
        ((9, 0, 0), {"none", "int8", "int4", "bbq"}),
    ],
)
def test_quantizations_by_version(version: tuple[int, ...], has: set[str]) -> None:
    features = Features(version)
    for name in ("none", "int8", "int4", "bbq"):
        options = CreateOptions(quantization=name)
        if name in has:
            assert quantization_of(options, features, 512, "p") == name
        else:
            with pytest.raises(UsageError, match=f"no quantization {name}"):
                quantization_of(options, features, 512, "p")
    default = "int8" if "int8" in has else "none"
    assert quantization_of(CreateOptions(), features, 512, "p") == default


@pytest.mark.parametrize(("quantization", "dims"), [("int4", 33), ("bbq", 32)])
def test_vectors_that_a_quantization_cannot_hold(quantization: str, dims: int) -> None:
    with pytest.raises(UsageError, match=f"{dims} dimensions"):
        quantization_of(CreateOptions(quantization=quantization), NEW, dims, "p")


def test_an_index_is_made_as_the_server_can() -> None:
    def settings(features: Features, **options: Any) -> dict[str, Any]:
        body = create_body(["a"], {}, CreateOptions(**options), features)
        made: dict[str, Any] = body["settings"]["index"]
        return made

    assert settings(NEW)["mapping.exclude_source_vectors"] is True
    assert settings(NEW, source_vectors=True)["mapping.exclude_source_vectors"] is False
    assert "mapping.exclude_source_vectors" not in settings(MIDDLE)
    assert settings(OLD)["auto_expand_replicas"] == "0-1"
    assert settings(OLD, replicas="2")["number_of_replicas"] == 2
    serverless = Features.of({"version": {"number": "8.11.0", "build_flavor": "serverless"}})
    assert serverless.takes_base64
    assert set(settings(serverless)) == {"mapping.exclude_source_vectors"}


def test_the_vector_field_names_all_that_a_server_might_choose() -> None:
    field = vector_mapping(512, "int8")["image_embedding"]
    assert field == {
        "type": "dense_vector",
        "dims": 512,
        "index": True,
        "similarity": "cosine",
        "index_options": {"type": "int8_hnsw", "m": 16, "ef_construction": 100},
    }


def test_names() -> None:
    for name in ("my-image-embeddings", "a", "bilder_2024", "фото", "photos.2024"):
        check_name(name)
    for name in ("A", "-a", "_a", "+a", ".a", "", "a b", "a/b", "a*", "a#", "a:b", "é" * 200):
        with pytest.raises(UsageError):
            check_name(name)


# -- asking


def test_conditions() -> None:
    assert conditions(ALL) == []
    assert conditions(Filter.within("holiday", "a/b/"), {"2", "1"}) == [
        {
            "bool": {
                "filter": [
                    {"term": {"library": "holiday"}},
                    {"prefix": {"relative_path": "a/b/"}},
                ]
            }
        },
        {"bool": {"must_not": [{"ids": {"values": ["1", "2"]}}]}},
    ]


@pytest.mark.parametrize(
    ("k", "override", "expected"),
    [(10, None, 500), (500, None, 1000), (9000, None, 10_000), (10, 50, 50), (100, 50, 100)],
)
def test_candidates(k: int, override: int | None, expected: int) -> None:
    assert candidates(k, override) == expected


def test_a_search_holds_its_conditions_inside_and_fetches_no_vectors() -> None:
    def body(features: Features, index_type: str) -> dict[str, Any]:
        options: dict[str, Any] = {"index_type": index_type, "features": features}
        return knn_body(vector(1), 10, [{"term": {}}], num_candidates=None, **options)

    asked = body(NEW, "bbq_hnsw")
    assert asked["_source"] == {"excludes": ["image_embedding", "parts", "lines", "line_words"]}
    assert asked["knn"]["filter"] == [{"term": {}}]
    assert asked["knn"]["rescore_vector"] == {"oversample": 5.0}
    assert asked["size"] == asked["knn"]["k"] == 10
    assert "rescore_vector" not in body(MIDDLE, "int8_hnsw")["knn"]
    assert "rescore_vector" not in body(NEW, "hnsw")["knn"]


# -- documents


def test_a_document_and_back() -> None:
    full = a_record(
        "a/é.jpg", taken="2024-05-01T12:30:00", taken_offset="+02:00", latitude=1.5, longitude=-2.5
    )
    for each in (full, a_record("bare.jpg")):
        assert parsed(each.id, orjson.loads(orjson.dumps(document(each))), "x") == (each, ())


def test_a_document_of_another_program() -> None:
    found, _ = parsed("id", {"image_name": "Z.JPG", "exif": {"location": [8.5, 47.0]}}, "theirs")
    assert (found.library, found.relative_path, found.format) == ("theirs", "Z.JPG", "JPEG")
    assert (found.latitude, found.longitude) == (47.0, 8.5)
    assert parsed("id", {}, "theirs").record.relative_path == "id"


def test_vectors_survive_each_encoding() -> None:
    before = vector(1, 512)
    as_numbers = orjson.loads(orjson.dumps(before, option=orjson.OPT_SERIALIZE_NUMPY))
    for value in (packed(before), [packed(before)], as_numbers):
        after = unpacked(value)
        assert after is not None
        assert after.dtype == np.float32
        assert after.tobytes() == before.tobytes()


# -- bulk


def test_chunks_are_bounded_by_number_and_by_size() -> None:
    small = [Operation(str(n), b"x" * 10) for n in range(600)]
    assert [len(chunk) for chunk in _chunks(small)] == [250, 250, 100]
    large = [Operation(str(n), b"x" * (BYTES_PER_REQUEST // 2 + 1)) for n in range(3)]
    assert [len(chunk) for chunk in _chunks(large)] == [1, 1, 1]


def test_items_are_sorted_out() -> None:
    def item(status: int, type: str = "", kind: str = "index") -> dict[str, Any]:
        error = {"error": {"type": type, "reason": "why"}} if type else {}
        return {kind: {"status": status, **error}}

    operations = [Operation(str(n), b"") for n in range(6)]
    items = [
        item(201),
        item(429, "es_rejected_execution_exception"),
        item(400, "document_parsing_exception"),
        item(404, kind="delete"),
        item(200, kind="delete"),
        item(503, "unavailable_shards_exception"),
    ]
    again, failures, deleted = sorted_out(
        operations, bulk_items("p", {"items": items}, len(operations)), "p"
    )
    assert [each.id for each in again] == ["1", "5"]
    assert [(each.id, each.reason) for each in failures] == [("2", "why")]
    assert deleted == 1
    for type in ("cluster_block_exception", "index_not_found_exception"):
        with pytest.raises(ImgsearchError):
            sorted_out(operations[:1], bulk_items("p", {"items": [item(429, type)]}, 1), "p")


# -- trying again


def test_pauses_grow_and_end() -> None:
    now = [0.0]
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    backoff = Backoff(300.0, clock=lambda: now[0], sleep=sleep)
    while not backoff.spent:
        backoff.pause("this", "that")
    assert 300 <= now[0] < 300 + LONGEST_PAUSE
    assert pauses[0] <= 0.25
    assert max(pauses) <= LONGEST_PAUSE
    assert all(later > earlier for earlier, later in zip(pauses, pauses[2:6], strict=False))
    assert Backoff(0).spent


def test_what_passes_and_what_does_not() -> None:
    assert Symptom("dropped").passing
    assert answer_symptom(503, "<html>").passing
    assert answer_symptom(429, {"error": {"type": "circuit_breaking_exception"}}).passing
    assert not answer_symptom(429, {"error": {"type": "cluster_block_exception"}}).passing
    assert not answer_symptom(400, {"error": {"type": "parsing_exception"}}).passing
    assert not Symptom("tls").passing


# -- the connection


def test_a_password_is_taken_out_of_the_url() -> None:
    url = "https://us%40er:p%2Fa%23ss@host:9243/prefix"
    assert split_credentials(url) == ("https://host:9243/prefix", "us@er", "p/a#ss")
    assert split_credentials("https://host") == ("https://host", None, None)
    assert without_credentials(url) == "https://host:9243/prefix"
    notes: list[str] = []
    ready = settled(Connection(url=url), notes)
    assert (ready.url, ready.user, ready.password) == (
        "https://host:9243/prefix",
        "us@er",
        "p/a#ss",
    )
    assert notes == [PASSWORD_IN_URL]
    assert "ss" not in repr(Connection(url=url, password="ss", api_key="ss")).replace("https", "")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://host", "https://host:443"),
        ("http://host/", "http://host:80"),
        ("http://[::1]:9200", "http://[::1]:9200"),
        ("https://HOST:9200/a/b/", "https://host:9200/a/b"),
    ],
)
def test_urls_get_their_port(url: str, expected: str) -> None:
    assert settled(Connection(url=url), []).url == expected


def test_no_cluster_at_all() -> None:
    with pytest.raises(IndexUnavailable, match="No cluster"):
        settled(Connection(), [])


def test_retries_are_quiet_until_they_matter(caplog: pytest.LogCaptureFixture) -> None:
    backoff = Backoff(1.0, sleep=lambda seconds: None)
    with caplog.at_level(logging.INFO, "imgsearch.elastic"):
        for _ in range(4):
            backoff.pause("POST /_bulk", "503")
    assert [each.levelname for each in caplog.records] == ["INFO", "INFO", "WARNING", "WARNING"]


def test_naming_a_connection_loads_no_client() -> None:
    code = (
        "import sys; from imgsearch.index.elasticsearch import connection, errors, requests;"
        " sys.exit('elasticsearch' in sys.modules or 'elastic_transport' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
