"""`/api` as its own description says, and as the page answers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from openapi_spec_validator import validate
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from tests.command import Command
from tests.test_web_facets import trips
from tests.web_server import MULTIPART, Answer, Server, multipart, serving

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    command = Command(home, model_cache, {"IMGSEARCH_MODEL": "demo"})
    command.run("ingest", trips(home / "trips"))
    with serving(command) as server:
        yield server


@pytest.fixture(scope="module")
def described(server: Server) -> Any:
    found = server.ask("/api/openapi.json").json
    for path in found["paths"].values():  # so that photos are asked for that exist
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "id" and parameter["in"] == "path":
                    ids = [hit["id"] for hit in server.ask("/api/v1/search").json["hits"]]
                    parameter["schema"] = {"enum": [*ids, "nobody"]}
                if parameter["name"] in ("under", "not_under"):  # likewise folders
                    parameter["schema"]["items"] = {"enum": ["trips", "trips/nowhere"]}
    schema = schemathesis.openapi.from_dict(found)
    schema.config.update(base_url=server.address + "api/v1")
    return schema


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_answers_are_as_they_are_described(described: Any, mode: GenerationMode) -> None:
    """To all that the description allows, and to what it forbids."""
    for found in described.get_all_operations():
        operation = found.ok()

        @hypothesis.settings(
            max_examples=8,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(operation.as_strategy(generation_mode=mode))
        def asks(case: schemathesis.Case) -> None:
            strict = [] if _has_empty(case.query) else [negative_data_rejection]
            case.call_and_validate(checks=CHECKS + strict)

        if mode.is_positive or operation.query:
            asks()


def _has_empty(query: Any) -> bool:
    """What a form leaves empty is not asked for."""
    values = [value if isinstance(value, list) else [value] for value in (query or {}).values()]
    return any(str(one) == "" for each in values for one in each) or [] in values


def test_the_description_is_a_right_one(server: Server) -> None:
    found = server.ask("/api/openapi.json").json
    validate(found)
    assert {path.split("/")[1] for path in found["paths"]} >= {
        "search",
        "similar",
        "facets",
        "duplicates",
        "photos",
        "thumbnails",
        "uploads",
        "status",
    }


def test_a_program_can_do_what_a_person_can(server: Server, tmp_path: Path) -> None:
    best = server.ask("/api/v1/search?q=astronaut&k=3").json
    assert [hit["rank"] for hit in best["hits"]] == [1, 2, 3]
    assert [hit["id"] for hit in best["hits"]] == server.ask("/?q=astronaut&k=3").photos
    hit = best["hits"][0]
    thumbnail = server.ask(hit["thumbnail"] + "?size=240")
    assert Image.open(io.BytesIO(thumbnail.body)).format == "WEBP"
    similar = server.ask(f"/api/v1/similar/{hit['id']}?country=IT").json["hits"]
    assert {one["country"] for one in similar} == {"IT"}
    assert hit["id"] not in {one["id"] for one in similar}
    out = io.BytesIO()
    Image.new("RGB", (90, 60), "red").save(out, "PNG")
    name = server.ask("/api/v1/uploads", "POST", out.getvalue()).json["name"]
    assert len(server.ask(f"/api/v1/search?pic={name}").json["hits"]) == 6


def test_the_status_says_what_the_last_ingest_left_out(command: Command, album: Path) -> None:
    (album / "broken.jpg").write_bytes((album / "launch" / "07.jpg").read_bytes()[:3000])
    command.run("ingest", album, code=None)
    with serving(command) as server:
        status = server.ask("/api/v1/status").json
        assert status["photos"] == 8
        assert status["last_ingest"]["finished"]
        [skipped] = status["last_ingest"]["skipped"]
        assert skipped["path"].endswith("broken.jpg")
        assert skipped["reason"]
        page = server.ask("/index")
        assert "broken.jpg" in page.text
        assert skipped["reason"] in page.text


def test_errors_are_json_everywhere(server: Server) -> None:
    for path in ("/api/v1/thumbnails/nobody", "/api/v1/nothing", "/api/v1/search?k=0"):
        answer = server.ask(path)
        assert answer.status in (400, 404)
        assert answer.json["error"]["message"]
        assert answer.json["error"]["cure"]
    assert server.ask("/api/v1/search", "PUT").json["error"]["cure"]


@pytest.mark.parametrize(
    ("asked", "message", "cure"),
    [
        ("search?q=red&kk=3", "There is no parameter 'kk'.", "Did you mean 'k'?"),
        ("search?tag=dog", "There is no parameter 'tag'.", "Did you mean 'tags'?"),
        ("search?k*2=3", "There is no parameter 'k*2'.", ""),
        ("status?xyz=", "There is no parameter 'xyz'.", "/api/openapi.json"),
        ("search?under=gibtsnicht", "No photo in the index lies under 'gibtsnicht'.", "trips"),
        ("facets?not_under=trips/no", "No photo in the index lies under 'trips/no'.", "trips"),
    ],
)
def test_what_would_widen_the_question_is_refused(
    server: Server, asked: str, message: str, cure: str
) -> None:
    answer = server.ask(f"/api/v1/{asked}")
    assert answer.status == 400
    assert answer.json["error"]["message"] == message
    assert cure in answer.json["error"]["cure"]
    if asked.startswith("search"):
        assert server.ask("/?" + asked.partition("?")[2]).status == 200


def test_what_is_described_can_be_asked(server: Server) -> None:
    """Weights and boxes of terms, folders, and what the page asks for."""
    for asked in ("q=cat&q*-0.5=red", "q=cat&only_fitting=0&fold=0", "under=trips&q=cat"):
        assert server.ask(f"/api/v1/search?{asked}").status == 200
    [hit] = server.ask("/api/v1/search?q=cat&k=1").json["hits"]
    without = server.ask(f"/api/v1/search?q=cat&k=1&exclude={hit['id']}").json["hits"]
    assert without[0]["id"] != hit["id"]
    part = server.ask(f"/api/v1/search?id*2@0,0,9,9={hit['id']}")
    assert part.status == 200
    thumbnail = server.ask(hit["thumbnail"] + "?size=240&box=0,0,9,9&v=1")
    assert thumbnail.status == 200


def test_the_description_names_secrets_and_kinds_of_uploads(server: Server) -> None:
    found = server.ask("/api/v1/openapi.json").json
    assert found == server.ask("/api/openapi.json").json
    schemes = found["components"]["securitySchemes"]
    assert {one.get("scheme", one.get("name")) for one in schemes.values()} == {
        "bearer",
        "imgsearch-session",
    }
    kinds = found["paths"]["/uploads"]["post"]["requestBody"]["content"]
    assert {"multipart/form-data", "image/jpeg", "application/octet-stream"} <= kinds.keys()


def test_an_upload_may_be_a_form(server: Server) -> None:
    out = io.BytesIO()
    Image.new("RGB", (90, 60), "blue").save(out, "PNG")
    picture = out.getvalue()
    raw = server.ask("/api/v1/uploads", "POST", picture).json

    def sent(*fields: tuple[str, str | None, bytes]) -> Answer:
        body = multipart(*fields)
        return server.ask("/api/v1/uploads", "POST", body, Content_Type=MULTIPART)

    form = sent(("file", "x.png", picture))
    assert (form.status, form.json) == (201, raw)
    for fields in ((), (("file", "x.png", picture),) * 2, (("file", None, b"words"),)):
        refused = sent(*fields)
        assert refused.status == 400
        assert "as the body" in refused.json["error"]["cure"]
    broken = server.ask("/api/v1/uploads", "POST", b"x", Content_Type="multipart/form-data")
    assert broken.status == 400
    assert broken.json["error"]["cure"]
