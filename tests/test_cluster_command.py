"""The same commands with the index on a real Elasticsearch."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import imgsearch
from imgsearch import guides
from tests.command import Command
from tests.elasticsearch import servers

QUESTIONS = ("green recycle", "red heart", "Zug", "something to eat", "ptak", "european e")


@pytest.fixture
def space() -> Iterator[servers.Space]:
    with servers.space(servers.NEWEST) as found:
        yield found


@pytest.fixture
def on_cluster(command: Command, space: servers.Space) -> Command:
    command.environment["ES_URL"] = space.server
    command.environment["IMGSEARCH_INDEX"] = space.name()
    return command


@pytest.fixture(scope="module")
def three_hundred(tmp_path_factory: pytest.TempPathFactory, demo_photos: Path) -> Path:
    """The demo's pictures whole, mirrored and cut: 300 that differ."""
    folder = tmp_path_factory.mktemp("library") / "icons"
    shutil.copytree(demo_photos, folder)
    (folder / "made").mkdir()
    sources = sorted(path for path in demo_photos.rglob("*") if path.is_file())
    made = 0
    while len(sources) + made < 300:
        with Image.open(sources[made % len(sources)]) as image:
            rgb = image.convert("RGB")
        box = (made % 7, made % 11, rgb.width - made % 5, rgb.height - 13)
        turned = rgb.crop(box).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        turned.save(folder / "made" / f"{made:03}.png")
        made += 1
    return folder


def _top(command: Command, *options: str) -> list[set[str]]:
    return [
        {
            line["relative_path"]
            for line in command.run(*options, "query", question, "--json").json_lines
        }
        for question in QUESTIONS
    ]


@pytest.mark.parametrize(("quantization", "overlap"), [("none", 0.98), ("int8", 0.95)])
def test_the_cluster_ranks_as_one_machine_does(
    on_cluster: Command,
    three_hundred: Path,
    tmp_path: Path,
    quantization: str,
    overlap: float,
) -> None:
    local = ("--index", str(tmp_path / "local"))
    first = on_cluster.run(*local, "ingest", "--json", three_hundred).json
    second = on_cluster.run("ingest", "--json", "--quantization", quantization, three_hundred).json
    assert first["added"] == second["added"] == 300
    shared = [len(a & b) for a, b in zip(_top(on_cluster, *local), _top(on_cluster), strict=True)]
    assert sum(shared) / (10 * len(QUESTIONS)) >= overlap


def test_a_life_on_the_cluster(on_cluster: Command, album: Path) -> None:
    assert "none yet" in on_cluster.run("status").stdout
    assert on_cluster.run("query", "moon", code=1).stderr
    first = on_cluster.run("ingest", "--json", album).json
    assert (first["added"], first["embedded"]) == (8, 8)
    (album / "moon.png").rename(album / "luna.png")
    (album / "grass.png").touch()
    (album / "papers" / "page.png").unlink()
    second = on_cluster.run("ingest", "--json", album).json
    assert (second["renamed"], second["embedded"], second["missing"]) == (1, 0, 1)
    assert on_cluster.run("ingest", "--json", album, "--prune", "--yes").json["removed"] == 1
    lines = on_cluster.run("query", "moon", "--no-fold", "--json").json_lines
    assert {line["relative_path"] for line in lines} == {
        str(path.relative_to(album)) for path in album.rglob("*") if path.is_file()
    }
    assert all(-1 <= line["score"] <= 1 for line in lines)
    similar = on_cluster.run("similar", "luna.png", "-k", "3", "--json").json_lines
    assert "luna.png" not in {line["relative_path"] for line in similar}
    under = on_cluster.run("query", "x", "--under", album / "launch", "--json").json_lines
    assert {line["relative_path"] for line in under} == {"launch/07.jpg", "launch/08.jpg"}
    told = [on_cluster.run("query", "moon", *more).stderr for more in ((), ("-v",), ("-vv",))]
    assert ["_msearch" in each for each in told] == [False, False, True]
    status = on_cluster.run("status", "-v").stdout
    for words in ("album", "bytes per photo", "version", "demo"):
        assert words in status
    on_cluster.run("remove", "--under", album / "launch", "--yes")
    assert len(on_cluster.run("query", "x", "--json").json_lines) == 5
    on_cluster.run("remove", "album", "--yes")
    on_cluster.run("query", "x", code=1)


def test_parts_of_a_folder_never_collide(on_cluster: Command, three_hundred: Path) -> None:
    reports = [
        on_cluster.run("ingest", "--json", three_hundred, "--part", f"{part}/3").json
        for part in (1, 2, 3)
    ]
    assert sum(report["added"] for report in reports) == 300
    assert all(report["added"] > 50 for report in reports)
    assert all(report["missing"] == 0 for report in reports)
    again = on_cluster.run("ingest", "--json", three_hundred, "--part", "2/3", "--prune").json
    assert (again["unchanged"], again["removed"]) == (reports[1]["added"], 0)
    for text in ("0/3", "4/3", "x", "1/0"):
        on_cluster.run("ingest", three_hundred, "--part", text, code=2)


def test_two_ingests_at_once_share_an_index(
    on_cluster: Command, three_hundred: Path, album: Path
) -> None:
    running = [
        on_cluster.start("ingest", folder, "--part", part)
        for folder, part in ((three_hundred, "1/2"), (three_hundred, "2/2"), (album, "1/1"))
    ]
    for process in running:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    everything = on_cluster.run("query", "x", "-k", "999", "--no-fold", "--json").json_lines
    assert len(everything) == len({line["id"] for line in everything}) == 308


def _all_rows(index: Path) -> set[tuple[object, ...]]:
    [database] = index.glob("*/index.sqlite")
    connection = sqlite3.connect(database)
    try:
        connection.row_factory = sqlite3.Row
        found = connection.execute(
            "SELECT libraries.name AS in_library, photos.*, vector FROM photos"
            " JOIN embeddings USING (row) JOIN libraries ON libraries.number = photos.library"
        ).fetchall()
    finally:
        connection.close()
    ours = {"row", "library"}  # numbers of the file's own
    return {tuple(row[key] for key in row.keys() if key not in ours) for row in found}  # noqa: SIM118


def test_copy_there_and_back_gives_the_same_index(
    on_cluster: Command, three_hundred: Path, space: servers.Space, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    on_cluster.run("--index", one, "ingest", three_hundred)
    there = f"{space.server}/{space.name('copied')}"
    shown = on_cluster.run("copy", one, there).stdout
    assert "300 in the source, 300 in the target" in shown
    assert "0 of them different" in shown
    on_cluster.run("copy", there, two)
    assert _all_rows(two) == _all_rows(one)
    again = on_cluster.run("copy", there, two).stdout
    assert "already there     300" in again
    paths = on_cluster.run("--index", two, "query", "red heart", "--paths").stdout
    assert all(Path(path).is_file() for path in paths.splitlines())


def test_an_interrupted_copy_goes_on(
    on_cluster: Command, three_hundred: Path, space: servers.Space, tmp_path: Path
) -> None:
    one = tmp_path / "one"
    on_cluster.run("--index", one, "ingest", three_hundred)
    there = f"{space.server}/{space.name('copied')}"
    on_cluster.run("--index", there, "ingest", three_hundred, "--limit", "120")
    shown = on_cluster.run("copy", one, there).stdout
    assert "copied            180" in shown


def test_copy_refuses_other_models_and_itself(
    on_cluster: Command, album: Path, tmp_path: Path
) -> None:
    one = tmp_path / "one"
    on_cluster.run("--index", one, "ingest", album)
    on_cluster.run("copy", one, one, code=2)
    on_cluster.run("copy", tmp_path / "nothing", one, code=1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ES_URL": "http://127.0.0.1:9"}, "127.0.0.1:9"),
        ({"ES_URL": "http://no-such-host.invalid:9200"}, "no-such-host.invalid"),
        ({"ES_URL": "https://{host}"}, "http"),
    ],
)
def test_connection_troubles_have_two_lines_and_exit_code_1(
    on_cluster: Command, space: servers.Space, change: dict[str, str], words: str, album: Path
) -> None:
    host = space.server.partition("//")[2]
    on_cluster.environment |= {key: value.format(host=host) for key, value in change.items()}
    for arguments in (["query", "x"], ["ingest", album], ["status"]):
        answer = on_cluster.run(*arguments, code=1)
        lines = answer.stderr.splitlines()
        assert len(lines) == 2, answer.stderr
        assert words in answer.stderr


def test_a_password_in_the_url_is_warned_of_and_not_repeated(
    on_cluster: Command, space: servers.Space, album: Path
) -> None:
    host = space.server.partition("//")[2]
    place = f"http://elastic:geheimnis@{host}/{space.name()}"
    finished = on_cluster.run("--index", place, "ingest", album)
    assert "process list" in finished.stderr
    status = on_cluster.run("--index", place, "status")
    for text in (finished.stdout, finished.stderr, status.stdout, status.stderr):
        assert "geheimnis" not in text


def test_the_tutorials_index_is_searched_and_written_to_only_after_asking(
    on_cluster: Command, space: servers.Space, album: Path
) -> None:
    vector = {"type": "dense_vector", "dims": 128, "index": True, "similarity": "cosine"}
    names = {"type": "keyword"}
    properties = {"image_embedding": vector, "image_id": names, "image_name": names}
    properties |= {"relative_path": names}
    space.request("PUT", f"/{space.name()}", {"mappings": {"properties": properties}})
    for number in range(4):
        document = {
            "image_id": f"IMG_{number}",
            "image_name": f"IMG_{number}.jpg",
            "relative_path": f"old/IMG_{number}.jpg",
            "image_embedding": [1.0 + (place % (number + 2)) for place in range(128)],
        }
        space.request("POST", f"/{space.name()}/_doc?refresh=true", document)
    found = on_cluster.run("query", "moon", "--json")
    assert {line["name"] for line in found.json_lines} == {f"IMG_{n}.jpg" for n in range(4)}
    assert all(line["path"] is None for line in found.json_lines)
    assert "not made by imgsearch" in found.stderr
    refused = on_cluster.run("ingest", album, code=1, input=b"n\n")
    assert "Write into it?" in refused.stderr
    assert len(on_cluster.run("query", "moon", "-k", "99", "--json").json_lines) == 4
    assert on_cluster.run("ingest", album, "--yes", "--json").json["added"] == 8
    assert len(on_cluster.run("query", "moon", "-k", "99", "--json").json_lines) == 12


def _kept(space: servers.Space) -> int:
    """How many documents there are when the server has done what was under way."""
    before = -1
    while True:
        tasks = space.request("GET", "/_tasks?actions=indices:data/write/bulk*&detailed=true")
        running = [task for each in tasks["nodes"].values() for task in each["tasks"].values()]
        space.refresh()
        count: int = space.request("GET", f"/{space.name()}/_count")["count"]
        if count == before and not any(space.name() in task["description"] for task in running):
            return count
        before = count
        time.sleep(0.2)


def test_kill_9_in_mid_ingest_leaves_only_the_rest_to_do(
    on_cluster: Command, three_hundred: Path, space: servers.Space
) -> None:
    process = on_cluster.start("ingest", three_hundred, "--workers", "1", "--batch-size", "4")
    written = 0
    for _ in range(1200):
        with contextlib.suppress(urllib.error.HTTPError, KeyError):  # not made yet
            written = space.request("GET", f"/{space.name()}/_stats/indexing")["_all"]["primaries"][
                "indexing"
            ]["index_total"]
        if written:
            break
        time.sleep(0.05)
    process.kill()
    process.communicate()
    kept = _kept(space)
    assert 0 < kept < 300
    report = on_cluster.run("ingest", three_hundred, "--json").json
    assert (report["unchanged"], report["embedded"]) == (kept, 300 - kept)
    everything = on_cluster.run("query", "x", "-k", "999", "--no-fold", "--json").json_lines
    assert len({line["id"] for line in everything}) == len(everything) == 300


@pytest.mark.slow
def test_the_shop_guides_requests(
    on_cluster: Command, space: servers.Space, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they stand in the guide: a shop's own fields come back after its pictures have changed,
    and filter and group what its own search finds."""
    text = (Path(guides.__file__).parent / "shop.md").read_text("utf-8")
    blocks = re.findall(r"```json\n([A-Z]+) products(\S+)\n(.*?)```", text, re.DOTALL)
    mapping, lacking, writing, searching = blocks

    def send(block: tuple[str, str, str], body: str = "") -> Any:
        method, path, shown = block
        url, data = f"{space.server}/{space.name()}{path}", (body or shown).encode()
        headers = {"content-type": "application/json"}
        asked = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return json.load(answer)

    def catch_up() -> list[str]:
        """Writes what documents lack. Returns their paths."""
        space.refresh()
        hits = send(lacking)["hits"]["hits"]
        update, document = writing[2].splitlines()
        shown_id = json.loads(update)["update"]["_id"]
        lines = [line for hit in hits for line in (update.replace(shown_id, hit["_id"]), document)]
        assert not send(writing, "\n".join([*lines, ""]))["errors"]
        return sorted(hit["_source"]["relative_path"] for hit in hits)

    (album / "pets").rename(album / "4711-B")
    shutil.copy(album / "moon.png", album / "4711-B")
    on_cluster.run("ingest", album)
    send(mapping)
    assert len(catch_up()) == len(list(album.rglob("*.*")))
    before = {hit["_source"]["relative_path"]: hit["_id"] for hit in space.documents()}
    (album / "grass.png").rename(album / "4711-B" / "side.png")
    shutil.copy(album / "moon.png", album / "papers" / "page.png")
    on_cluster.run("ingest", album)
    assert catch_up() == ["4711-B/side.png", "papers/page.png"]
    after = {hit["_source"]["relative_path"]: hit["_id"] for hit in space.documents()}
    assert after["4711-B/side.png"] != before["grass.png"]

    for name, value in on_cluster.env().items():
        monkeypatch.setenv(name, value)
    with imgsearch.open() as library:
        query_vector = library.embed_text("a cat").tolist()
        scores = {
            hit.record.relative_path: hit.score for hit in library.search("a cat", fold=False)
        }
    [best] = send(searching, searching[2].replace('[0.01, "…"]', json.dumps(query_vector)))["hits"][
        "hits"
    ]
    assert best["_source"].keys() == {"relative_path", "sku", "price"}
    of_product = [score for path, score in scores.items() if path.startswith("4711-B/")]
    assert 2 * best["_score"] - 1 == pytest.approx(max(of_product), abs=0.01)
