"""Copies of one picture on the page and under `/api`, on an index here and on a real
Elasticsearch."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import imgsearch
from imgsearch.copies import groups
from imgsearch.library import open_library
from imgsearch.question import ALL
from imgsearch.settings import defaults
from imgsearch.web import context
from imgsearch.web.app import create_app
from imgsearch.web.duplicates import Asked, Comparisons
from imgsearch.web.limits import Limits
from imgsearch.web.security import Policy
from tests.browser import chromium, every, one, violations
from tests.command import Command
from tests.elasticsearch import servers
from tests.test_copies import made_versions
from tests.web_server import FORM, Server, serving

# Selenium's own sockets
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
COPIES = {"original.jpg", "same bytes.jpg", "half.jpg", "quarter.png"}
CATS = {"cat.jpg", "cat again.jpg"}


@contextlib.contextmanager
def place(backend: str) -> Iterator[dict[str, str]]:
    """Settings that name the index."""
    if backend == "local":
        yield {}
        return
    with servers.space(backend) as space:
        yield {"ES_URL": space.server, "IMGSEARCH_INDEX": space.name()}


@dataclass
class Visit:
    command: Command
    album: Path
    server: Server


@pytest.fixture(scope="module", params=["local", servers.NEWEST])
def visit(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, model_cache: Path
) -> Iterator[Visit]:
    home = tmp_path_factory.mktemp("home")
    album = made_versions(home / "album")
    shutil.copy(album / "cat.jpg", album / "cat again.jpg")
    (album / f"{'broken' * 12}.jpg").write_bytes((album / "cat.jpg").read_bytes()[:500])
    with place(request.param) as settings:
        command = Command(home, model_cache, {"IMGSEARCH_MODEL": "demo", **settings})
        command.run("ingest", album, code=None)
        with serving(command) as server:
            yield Visit(command, album, server)


def default_index(command: Command) -> Path:
    return command.home / "data" / "imgsearch" / "indexes" / "default"


def names(group: dict[str, Any]) -> set[str]:
    return {photo["relative_path"] for photo in group["photos"]}


def test_programs_get_what_the_command_line_lists(visit: Visit) -> None:
    found = visit.server.ask("/api/v1/duplicates").json
    lines = visit.command.run("duplicates", "--json").json_lines
    assert [names(group) for group in found["groups"]] == [COPIES, CATS]
    assert [[photo["id"] for photo in group["photos"]] for group in found["groups"]] == [
        [photo["id"] for photo in line["photos"]] for line in lines
    ]
    saved = [line["saved_bytes"] for line in lines]
    assert [group["saved_bytes"] for group in found["groups"]] == saved
    assert found["saved_bytes"] == sum(saved)
    assert (found["photos"], found["pictures"], found["copies"], found["unseen"]) == (7, 2, 4, 0)
    first, second = found["groups"]
    assert set(first["differences"]) == {"pixels", "size", "format", "name"}
    assert (first["one_file"], second["one_file"]) == (False, True)
    assert second["differences"] == ["name"]


def test_a_person_sees_each_group_and_what_differs(visit: Visit) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in visit.album.iterdir()}
    answer = visit.server.ask("/duplicates")
    assert "6 files of 2 pictures, 4 more than needed, among 7 photos; " in answer.text
    assert "4 files, " in answer.text
    assert "2 files, " in answer.text
    assert "<strong>quarter.png</strong>" in answer.text
    assert "<strong>PNG</strong>" in answer.text
    assert "<strong>JPEG</strong>" not in answer.text
    pictures = [tag["src"] for name, tag in answer.tags if name == "img" and "loading" in tag]
    assert len(pictures) == 6
    assert {visit.server.ask(picture).status for picture in pictures} == {200}
    assert visit.server.ask(answer.links(**{"class": "open"})[0]).status == 200
    ids = "".join(f"id={id}&" for id in answer.photos[1:4])
    taken = visit.server.ask(
        "/take-along", "POST", f"{ids}as=paths".encode(), Content_Type=FORM
    ).text
    assert {Path(line).name for line in taken.splitlines()} < COPIES
    assert {path.name: path.stat().st_mtime_ns for path in visit.album.iterdir()} == before
    for page in ("/", "/index"):
        assert "/duplicates" in visit.server.ask(page).links()


def test_pages_filters_and_thresholds(visit: Visit) -> None:
    first = visit.server.ask("/duplicates?k=1")
    assert first.links(rel="prev") == []
    [following] = first.links(rel="next")
    second = visit.server.ask(following)
    assert "1 to 1 of 2" in first.text
    assert "2 to 2 of 2" in second.text
    assert (len(first.photos), len(second.photos)) == (4, 2)
    assert second.links(rel="next") == []
    assert visit.server.ask(second.links(rel="prev")[0]).photos == first.photos
    assert "No more groups" in visit.server.ask("/duplicates?offset=9").text
    exact = visit.server.ask("/api/v1/duplicates?threshold=1").json
    assert {len(group["photos"]) for group in exact["groups"]} == {2}
    [png] = visit.server.ask("/duplicates?threshold=1&format=PNG").links(**{"class": "remove"})
    assert "No copies among 1 photo." in visit.server.ask("/duplicates?format=PNG").text
    assert len(visit.server.ask(png).photos) == 4
    for query in ("threshold=2", "threshold=x", "threshold=nan", "k=101", "k=0", "offset=-1"):
        answer = visit.server.ask(f"/api/v1/duplicates?{query}")
        assert (answer.status, answer.json["error"]["message"] != "") == (400, True)


def test_in_a_browser(visit: Visit, tmp_path: Path) -> None:
    with chromium(tmp_path, dark=True, width=360) as page:
        page.get(f"{visit.server.address}duplicates")
        every(page, ".pick input")[1].click()
        assert "1 selected" in one(page, ".selection-bar").text
        for path in ("duplicates", "index", "health"):  # with long names
            page.get(visit.server.address + path)
            assert violations(page) == []
            assert page.execute_script("return document.body.scrollWidth <= innerWidth"), path


def test_searches_go_on_while_photos_are_compared(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One comparison at a time; of two more one waits for its turn, and one is refused."""
    command.run("ingest", made_versions(tmp_path / "album"))
    find, begun, may_end = groups.find, threading.Event(), threading.Event()

    def slow(*arguments: Any) -> groups.Duplicates:
        begun.set()
        assert may_end.wait(60)
        return find(*arguments)

    monkeypatch.setattr(groups, "find", slow)
    page = context.made(
        lambda: open_library(defaults(index=str(default_index(command)))),
        Policy(),
        tmp_path,
        100.0,
        local=True,
        report_bug=repr,
        limits=Limits(comparisons_waiting=1),
    )
    with (
        TestClient(create_app(page), "http://localhost") as client,
        ThreadPoolExecutor(3) as visitors,
    ):
        first = visitors.submit(client.get, "/duplicates")
        assert begun.wait(60)
        others = [visitors.submit(client.get, "/duplicates") for _ in range(2)]
        done, [waiting] = wait(others, 60, return_when=FIRST_COMPLETED)
        assert len(client.get("/api/v1/search?k=9").json()["hits"]) == 3
        may_end.set()
        [refused] = [one.result() for one in done]
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert [first.result().status_code, waiting.result().status_code] == [200, 200]


def test_photos_that_come_and_go_are_noticed(command: Command, tmp_path: Path) -> None:
    album = made_versions(tmp_path / "album")
    command.run("ingest", album)
    with serving(command) as server:
        assert len(server.ask("/duplicates").photos) == 4
        shutil.copy(album / "cat.jpg", album / "cat again.jpg")
        command.run("ingest", album)
        assert len(server.ask("/duplicates").photos) == 6
        command.run("remove", album / "half.jpg", "--yes")
        assert len(server.ask("/duplicates").photos) == 5


def test_what_was_found_is_not_looked_for_again(command: Command, tmp_path: Path) -> None:
    command.run("ingest", made_versions(tmp_path / "album"))
    comparisons, asked = Comparisons(), Asked(ALL, 0.95, 0, 20)
    index = default_index(command)
    with imgsearch.open(index) as library:
        assert comparisons.kept(library, asked) is None
        found = comparisons.find(library, asked)
        assert comparisons.find(library, asked) is found
        [group] = found.page(0, 20, most=2)
        assert (len(group.photos), group.count, group.saved) == (2, 4, found.saved)
        for number in range(6):  # of which few are kept
            comparisons.find(library, Asked(ALL, 0.5 + number / 100, 0, 20))
        assert comparisons.kept(library, asked) is None
    with imgsearch.open(index) as another:
        assert comparisons.kept(another, Asked(ALL, 0.55, 0, 20)) is None
