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
from tests.web_server import Server, serving

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
