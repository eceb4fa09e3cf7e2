"""What one hostile document, `_meta` or answer of a cluster does to everybody else: nothing."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgsearch.errors import IndexContradiction
from imgsearch.index.elasticsearch.documents import parsed
from imgsearch.models.base import unit
from tests.command import Command, Finished
from tests.elasticsearch import servers
from tests.elasticsearch.hostile import DOCUMENTS, METAS, SURROGATE
from tests.elasticsearch.servers import Space
from tests.index_contract import MODELS, filled, record, row, vector

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


ON_EACH = pytest.mark.parametrize("space", servers.versions(), indirect=True)


@pytest.fixture
def space(request: pytest.FixtureRequest) -> Iterator[Space]:
    with servers.space(getattr(request, "param", servers.NEWEST)) as made:
        yield made


@pytest.fixture
def on_cluster(command: Command, space: Space) -> Command:
    command.environment["ES_URL"] = space.server
    command.environment["IMGSEARCH_INDEX"] = space.name()
    return command


def calm(finished: Finished, *, is_data: bool = False) -> Finished:
    """It ended as a program ends, and shows nothing that a terminal would obey. `is_data`: stdout
    is a file of names as they are."""
    told = finished.stderr if is_data else finished.stdout + finished.stderr
    assert finished.returncode in (0, 1, 2), told
    assert "bug" not in told, told
    assert not _CONTROL.search(told), ascii(told)
    return finished


@pytest.mark.parametrize("name", DOCUMENTS)
def test_any_document_is_a_record(name: str) -> None:
    found, faults = parsed("some id", DOCUMENTS[name], "theirs")
    for text in (found.library, found.relative_path, found.format, found.content_hash):
        assert isinstance(text, str)
        assert "\0" not in text + text.encode().decode()  # no lone surrogate either
    for text in (found.taken, found.taken_offset, found.camera, found.lens):
        assert text is None or (isinstance(text, str) and "\0" not in text and text.encode())
    assert all(type(number) is int for number in (found.size, found.mtime_ns))
    assert 0 <= found.width < 2**31
    assert 0 <= found.height < 2**31
    assert found.latitude is None or abs(found.latitude) <= 90
    assert found.library
    assert found.relative_path
    assert ".." not in found.relative_path.split("/")
    assert not found.relative_path.startswith("/")
    if DOCUMENTS[name] in ({}, dict.fromkeys(DOCUMENTS["all-null"])):
        assert faults == ()


@pytest.mark.parametrize("source", [None, [], "text", 5, {"exif": None}])
def test_whatever_stands_in_a_documents_place_is_a_record(source: Any) -> None:
    assert parsed("some id", source, "theirs").record.relative_path == "some id"


def hostile_lines(index: str, dims: int) -> bytes:
    """Bulk lines; ASCII, so that a lone surrogate travels as an escape."""
    chance = np.random.default_rng(7)
    lines = []
    for name, fields in DOCUMENTS.items():
        made = {"relative_path": f"hostile/{name}.jpg", "library": "hostile", **fields}
        made["image_embedding"] = unit(chance.standard_normal(dims)).tolist()
        lines += [{"index": {"_index": index, "_id": f"odd {name}"}}, made]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def bulk(space: Space, lines: bytes) -> dict[str, str]:
    """What was refused, by id."""
    asked = urllib.request.Request(
        f"{space.server}/_bulk?refresh=true",
        lines,
        {"content-type": "application/x-ndjson"},
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        items = [item["index"] for item in json.loads(answer.read())["items"]]
    return {item["_id"]: item["error"]["reason"] for item in items if "error" in item}


def described(space: Space) -> dict[str, Any]:
    [found] = space.request("GET", f"/{space.name()}").values()
    return found  # type: ignore[no-any-return]


def lenient(space: Space) -> str:
    """The index anew with a mapping that takes any document: the server looks at nothing of them
    but the vector and the ids."""
    old = described(space)
    vector_field = old["mappings"]["properties"]["image_embedding"]
    kept = {"image_embedding": vector_field, "image_id": {"type": "keyword"}}
    kept["image_id"]["ignore_above"] = 100
    body = {
        "aliases": {f"{space.name()}-lenient": {}, f"{space.name()}-lenient-000001-rows": {}},
        "settings": {"index": {"mapping": {"ignore_malformed": True}}},
        "mappings": {"dynamic": False, "_meta": old["mappings"]["_meta"], "properties": kept},
    }
    name = f"{space.name()}-lenient-000001"
    space.request("PUT", f"/{name}", body)
    lines = []
    for hit in space.documents():
        lines += [{"index": {"_index": name, "_id": hit["_id"]}}, hit["_source"]]
    assert not bulk(space, b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    return f"{space.name()}-lenient"


def scores(command: Command, index: str, *options: str) -> list[tuple[str, float]]:
    """Of the honest photos, in order."""
    ran = calm(command.run("--index", index, "query", "a cat", "-k", "200", "--json", *options))
    assert ran.returncode == 0
    return [
        (line["relative_path"], line["score"])
        for line in ran.json_lines
        if not line["id"].startswith("odd ")
    ]


@pytest.mark.parametrize("space", servers.versions(quick=(servers.NEWEST,)), indirect=True)
@pytest.mark.parametrize("mapping", ["ours", "lenient"])
def test_hostile_documents_stop_no_command(
    on_cluster: Command, space: Space, album: Path, tmp_path: Path, mapping: str
) -> None:
    on_cluster.run("ingest", album)
    index = space.name() if mapping == "ours" else lenient(space)
    before = scores(on_cluster, index)
    assert len(before) == 8
    dims = described(space)["mappings"]["properties"]["image_embedding"]["dims"]
    refused = bulk(space, hostile_lines(index, dims))
    assert len(DOCUMENTS) - len(refused) >= 60
    assert scores(on_cluster, index) == before
    arguments: list[list[str | Path]] = [
        ["query", "a cat", "-k", "200"],
        ["query", "a cat", "-k", "200", "--paths"],
        ["query", "a cat", "-k", "200", "--csv"],
        ["similar", "odd path-nul"],
        ["similar", album / "moon.png"],
        ["status", "-v"],
        ["status", "--json"],
        ["ingest", "--dry-run", album],
        ["ingest", album],
        ["copy", index, tmp_path / "copy"],
        ["doctor", "--deep"],
        ["remove", "-y", "odd path-surrogate"],
        ["remove", "-y", "odd library-nul", "odd id-odd"],
    ]
    for each in arguments:
        ran = on_cluster.run("--index", index, *each, code=None)
        calm(ran, is_data="--csv" in each)
    assert scores(on_cluster, index) == before


@ON_EACH
def test_the_doctor_names_odd_documents_and_remove_takes_them_out(
    on_cluster: Command, space: Space, album: Path
) -> None:
    on_cluster.run("ingest", album)
    dims = described(space)["mappings"]["properties"]["image_embedding"]["dims"]
    image_embedding = np.eye(1, dims)[0].tolist()
    honest = space.documents(size=1)[0]["_id"]
    odd: dict[str, dict[str, Any]] = {
        "odd\x1b[2J": {"relative_path": "\0", "image_embedding": image_embedding},
        "o'dd\n": {"relative_path": f"a{SURROGATE}", "image_embedding": image_embedding},
        "ab" * 16: {"bytes": -1, "image_embedding": image_embedding},
        "lost": {"relative_path": "lost.jpg"},
        "cd" * 16: {"image_id": honest, "image_embedding": image_embedding},
    }
    lines: list[dict[str, Any]] = []
    for id, fields in odd.items():
        lines += [{"index": {"_index": space.name(), "_id": id}}, fields]
    assert not bulk(space, b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    found = calm(on_cluster.run("doctor", code=None)).stdout
    told = " ".join(found.split())
    assert "5 of 13 are not as imgsearch writes them" in told
    assert "1 hold no vector: lost" in told
    for named in (r"$'odd\x1b[2J' (_id, relative_path)", r"$'o\'dd\n' (_id, relative_path)"):
        assert named in told
    assert f"{'ab' * 16} (bytes)" in told
    assert f"{'cd' * 16} (image_id)" in told
    calm(on_cluster.run("remove", "-y", "odd\x1b[2J", "o'dd\\n", "ab" * 16, "cd" * 16, "lost"))
    again = calm(on_cluster.run("doctor", code=None)).stdout
    assert "8 were looked at, all of them as they should be" in " ".join(again.split())


@ON_EACH
@pytest.mark.parametrize("name", METAS)
def test_an_odd_meta_gets_a_sentence_or_is_left_out(space: Space, name: str) -> None:
    index = filled(space.open, [row("a.jpg", 1), row("b.jpg", 2)])
    meta = described(space)["mappings"]["_meta"] | METAS[name]
    space.request("PUT", f"/{space.name()}-000001/_mapping", {"_meta": meta})
    again = space.open(create=False)
    assert [hit.record.relative_path for hit in again.search(vector(1), 2)] == ["a.jpg", "b.jpg"]
    assert again.info().photos == 2
    assert set(again.libraries()) == {"holiday"}
    again.set_root_hint("holiday", "../x")
    again.record_ingest({"added": 3})
    assert list(again.ids()) == sorted(record(path).id for path in ("a.jpg", "b.jpg"))
    if name.startswith("models"):  # what is in it may be of any model
        with pytest.raises(IndexContradiction, match="_meta"):
            again.stamp(MODELS)
    else:
        again.stamp(MODELS)
    assert "other" not in METAS[name] or described(space)["mappings"]["_meta"]["other"]
    index.close()


def test_a_stamp_that_cannot_be_read_is_mended_by_embedding_anew(
    on_cluster: Command, space: Space, album: Path
) -> None:
    on_cluster.run("ingest", album)
    mapping = f"/{space.name()}-000001/_mapping"
    meta = described(space)["mappings"]["_meta"]
    newer = {**meta["models"], "towers": 3}
    space.request("PUT", mapping, {"_meta": {**meta, "models": newer}})
    assert "newer imgsearch" in calm(on_cluster.run("query", "a cat", code=1)).stderr
    space.request("PUT", mapping, {"_meta": {**meta, "models": {"image_model": 3}}})
    assert "_meta" in calm(on_cluster.run("query", "a cat")).stderr
    (album / "new.png").write_bytes((album / "moon.png").read_bytes() + b"\0")
    refused = calm(on_cluster.run("ingest", album, code=1))
    assert "ingest --re-embed" in refused.stderr
    calm(on_cluster.run("ingest", "--re-embed"))
    assert described(space)["mappings"]["_meta"]["models"] == meta["models"]
    assert "_meta" not in calm(on_cluster.run("query", "a cat")).stderr


def test_a_newer_schema_stops_each_command_with_a_sentence(
    on_cluster: Command, space: Space, album: Path
) -> None:
    on_cluster.run("ingest", album)
    meta = described(space)["mappings"]["_meta"]
    odd = {**meta, "schema_version": 10**25, "models": ["later"]}
    space.request("PUT", f"/{space.name()}-000001/_mapping", {"_meta": odd})
    for arguments in (["query", "a cat"], ["ingest", album], ["doctor"], ["status"]):
        told = calm(on_cluster.run(*arguments, code=None))
        assert "newer imgsearch" in " ".join((told.stdout + told.stderr).split())
