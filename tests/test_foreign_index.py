"""Another program's index on a cluster, such as the tutorial's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import Command
from tests.elasticsearch import servers
from tests.elasticsearch.servers import Space


@pytest.fixture
def space() -> Iterator[Space]:
    with servers.space() as made:
        yield made


@pytest.fixture
def theirs(command: Command, space: Space, album: Path) -> Command:
    """The demo model's vectors of the album's photos, written as the tutorial's script does:
    `_id`s of the server's, `image_id`s of its own."""
    command.environment["ES_URL"] = space.server
    ours, name = space.name("ours"), space.name()
    command.run("--index", ours, "ingest", album)
    hits = space.documents("ours")
    keyword = {"type": "keyword"}
    vector = {"type": "dense_vector", "index": True, "similarity": "cosine"}
    vector["dims"] = len(hits[0]["_source"]["image_embedding"])
    properties = {
        "image_embedding": vector,
        "image_id": keyword,
        "image_name": keyword,
        "relative_path": keyword,
    }
    space.request("PUT", f"/{name}", {"mappings": {"properties": properties}})
    for number, hit in enumerate(hits):
        source = hit["_source"]
        document = {
            "image_id": f"IMG {number} of {source['image_name']}",
            "image_name": source["image_name"],
            "relative_path": source["relative_path"],
            "image_embedding": source["image_embedding"],
        }
        space.request("POST", f"/{name}/_doc", document)
    space.request("POST", f"/{name}/_refresh")
    command.environment["IMGSEARCH_INDEX"] = name
    return command


def nearest(command: Command, photo: str | Path, *options: str) -> list[str]:
    # An id that Elasticsearch makes may begin with a dash.
    found = command.run("similar", "--json", "-k", "3", *options, "--", photo).json_lines
    return [line["relative_path"] for line in found]


@pytest.mark.parametrize("adopted", [False, True])
def test_similar_and_remove_by_its_own_path_or_id(
    theirs: Command, space: Space, album: Path, tmp_path: Path, adopted: bool
) -> None:
    if adopted:
        theirs.run("ingest", "-y", album / "papers", "--library", "mine")
    by_path = nearest(theirs, "launch/07.jpg")
    assert len(by_path) == 3
    assert "launch/07.jpg" not in by_path
    body = {"query": {"term": {"relative_path": "launch/07.jpg"}}}
    [hit] = space.request("POST", f"/{space.name()}/_search", body)["hits"]["hits"]
    assert nearest(theirs, hit["_id"]) == by_path
    assert nearest(theirs, hit["_source"]["image_id"]) == by_path
    theirs.run("remove", "-y", "--", "launch/07.jpg", hit["_source"]["image_id"])
    theirs.run("similar", "launch/07.jpg", code=1)
    assert theirs.run("remove", "-y", "launch/07.jpg", code=2).stderr


@pytest.mark.parametrize("adopted", [False, True])
def test_its_names_are_searched(theirs: Command, space: Space, album: Path, adopted: bool) -> None:
    """It has no field of words: `image_name` and `relative_path` are asked themselves."""
    if adopted:
        theirs.run("ingest", "-y", album / "papers", "--library", "mine")
    [launch, *_] = theirs.run("query", "--match", "launch 07", "--json").json_lines
    assert (launch["relative_path"], launch["why"]) == ("launch/07.jpg", ["name"])
    first = theirs.run("query", "launch 07", "--json").json_lines[0]
    assert (first["relative_path"], first["why"]) == ("launch/07.jpg", ["name"])
    assert "Nothing found" in theirs.run("query", "--match", "aunch").stderr


@pytest.mark.parametrize("adopted", [False, True])
def test_it_is_copied_and_the_copy_is_ours(
    theirs: Command, space: Space, album: Path, tmp_path: Path, adopted: bool
) -> None:
    if adopted:
        theirs.run("ingest", "-y", "--limit", "1", album / "papers", "--library", "mine")
    count = 9 if adopted else 8
    told = theirs.run("copy", space.name(), tmp_path / "copy").stdout
    assert f"{count} in the source, {count} in the target" in told
    again = theirs.run("copy", space.name(), tmp_path / "copy").stdout
    assert "already there" in again
    assert [line for line in again.splitlines() if line.split()[:2] == ["copied", "0"]]
    theirs.environment["IMGSEARCH_INDEX"] = str(tmp_path / "copy")
    assert len(nearest(theirs, "launch/07.jpg")) == 3
    lines = theirs.run("query", "a rocket", "--json", "-k", "20").json_lines
    assert len(lines) == count
    assert all(len(line["id"]) == 32 for line in lines)


def test_a_document_without_a_vector_and_one_that_is_there_twice_are_told(
    theirs: Command, space: Space, tmp_path: Path
) -> None:
    [hit] = space.documents(size=1)
    space.request("POST", f"/{space.name()}/_doc", hit["_source"])
    space.request("POST", f"/{space.name()}/_doc?refresh=true", {"relative_path": "no.jpg"})
    told = theirs.run("copy", space.name(), tmp_path / "copy")
    assert "1 in the source have no vector" in told.stderr
    assert "1 in the source are there twice" in told.stderr


def test_its_root_is_named_once_and_remembered(
    theirs: Command, space: Space, album: Path, tmp_path: Path
) -> None:
    none = theirs.run("query", "a rocket", "--paths", code=None)
    assert none.stdout == ""
    assert "--root" in none.stderr
    wrong = tmp_path / "elsewhere"
    wrong.mkdir()
    refused = theirs.run("query", "a rocket", "--paths", "--root", wrong, code=2)
    assert str(wrong) in refused.stderr
    assert "is not a folder" in theirs.run("query", "x", "--root", "/no/such", code=1).stderr
    first = theirs.run("query", "a rocket", "--paths", "--root", album).stdout.splitlines()
    assert len(first) == 8
    assert all(Path(line).is_file() for line in first)
    assert theirs.run("query", "a rocket", "--paths").stdout.splitlines() == first
    hits = theirs.run("query", "a rocket", "--json").json_lines
    assert not any(hit["missing"] for hit in hits)
    named = f"{space.name()}={album}"
    assert theirs.run("query", "a rocket", "--paths", "--root", named).stdout.splitlines() == first
    assert nearest(theirs, album / "launch" / "07.jpg")


def test_a_root_needs_its_librarys_name_where_there_are_several(
    command: Command, space: Space, album: Path, tmp_path: Path
) -> None:
    command.environment["IMGSEARCH_INDEX"] = str(tmp_path / "index")
    command.run("ingest", album / "pets")
    command.run("ingest", album / "people")
    refused = command.run("query", "x", "--root", album, code=2)
    assert "pets" in refused.stderr
    assert "people" in refused.stderr
