"""A whole visit to the page in a real browser, on an index here and on a real Elasticsearch, with
JavaScript and without; and a cluster that goes away and comes back."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from imgsearch import demo
from tests.browser import chromium, downloaded, every, go, ids_of, one, upload, violations
from tests.command import Command
from tests.elasticsearch import servers
from tests.elasticsearch.front import Front
from tests.web_server import Server, serving

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # Selenium's own sockets


@contextlib.contextmanager
def _place(backend: str) -> Iterator[dict[str, str]]:
    """Settings that name the index."""
    if backend == "local":
        yield {}
        return
    with servers.space(backend) as space:
        yield {"ES_URL": space.server, "IMGSEARCH_INDEX": space.name()}


@pytest.fixture(scope="module", params=["local", *servers.versions(quick=(servers.NEWEST,))])
def server(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    model_cache: Path,
    demo_photos: Path,
) -> Iterator[Server]:
    """The shipped library."""
    home = tmp_path_factory.mktemp("home")
    with _place(request.param) as place:
        command = Command(home, model_cache, {"IMGSEARCH_MODEL": "demo", **place})
        command.run("ingest", demo_photos)
        with serving(command) as server:
            yield server


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    folder = tmp_path / "profile"
    (folder / "downloads").mkdir(parents=True)
    return folder


@pytest.mark.parametrize("javascript", [True, False], ids=["script", "no-script"])
def test_from_words_to_a_gallery(
    server: Server, profile: Path, demo_photos: Path, javascript: bool
) -> None:
    with chromium(profile, javascript=javascript) as page:
        page.get(server.address)
        assert "119 photos" in one(page, "h1").text
        one(page, "#typed").send_keys("red heart", Keys.ENTER)
        one(page, ".chip.of-words")
        assert "q=red+heart" in page.current_url
        words = ids_of(page)
        assert len(words) >= 60

        _open(page, "Kind")
        go(page, page.find_element(By.PARTIAL_LINK_TEXT, "JPEG"))
        assert [chip.text.split("\n")[0] for chip in every(page, ".chip.of-filter")] == ["JPEG"]
        filtered = ids_of(page)
        assert filtered == [id for id in _all_of(server, "q=red+heart") if id in set(filtered)]
        assert len(filtered) == 26

        go(page, one(page, ".photo a.similar"))
        first = page.current_url
        assert filtered[0] not in ids_of(page)
        assert len(ids_of(page)) == 25  # the filter stays
        go(page, one(page, ".photo a.similar"))
        assert page.current_url != first
        page.back()
        assert page.current_url == first
        page.back()
        assert ids_of(page) == filtered

        upload(page, min(demo_photos.rglob("*.png")), javascript)
        one(page, ".chip.of-picture")
        assert len(every(page, ".chip")) == 3  # words, a picture and the kind
        mixed = ids_of(page)
        assert mixed != filtered
        go(page, one(page, ".chip.of-words .weights a:last-child"))
        assert "less of" in one(page, ".chip.of-words .sign").text
        assert ids_of(page) != mixed
        assert server.ask(page.current_url[len(server.address) - 1 :]).photos == ids_of(page)

        chosen = ids_of(page)[:2]
        for tick in every(page, ".pick input")[:2]:
            tick.click()
        one(page, ".selection-bar button[value=gallery]").click()
        gallery = downloaded(profile, page)
        page.get(gallery.as_uri())
        assert len(every(page, ".photo img")) == 2
        names = [server.ask(f"/api/v1/photos/{id}").json["relative_path"] for id in chosen]
        shown = [each.text for each in every(page, ".photo .name")]
        assert shown == [name.rpartition("/")[2] for name in names]


def _open(page: WebDriver, title: str) -> None:
    page.find_element(By.XPATH, f"//summary[.='{title}']").click()


def _all_of(server: Server, query: str) -> list[str]:
    hits = server.ask(f"/api/v1/search?{query}&k=200").json["hits"]
    return [hit["id"] for hit in hits]


def test_an_address_shows_the_same_in_a_fresh_browser(
    server: Server, tmp_path: Path, demo_photos: Path
) -> None:
    id = _all_of(server, "q=red+heart")[0]
    states = (
        "?q=red+heart",
        f"?q=green&id*0.5={id}&format=PNG&order=newest",
        f"?id={id}&q*-0.5=heart&k=20&offset=20",
    )
    seen = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        with chromium(folder) as page:
            for state in states:
                page.get(server.address + state)
                seen.append(ids_of(page)[:20])  # more may have come by scrolling
    assert seen[:3] == seen[3:]
    assert all(seen)


def test_a_cluster_that_goes_away_and_comes_back(
    command: Command, album: Path, profile: Path
) -> None:
    with servers.space() as space, Front([space.server]) as front:
        port = int(front.url.rpartition(":")[2])
        command.environment |= {"ES_URL": front.url, "IMGSEARCH_INDEX": space.name()}
        command.run("ingest", album)
        with serving(command) as server, chromium(profile) as page:
            page.get(f"{server.address}?q=cat")
            before = ids_of(page)
            front.__exit__()
            page.get(f"{server.address}?q=cat")
            said = one(page, "[role=alert]")
            assert f"127.0.0.1:{port}" in said.text
            assert "Traceback" not in page.page_source
            assert violations(page) == []
            answer = server.ask("/api/v1/search?q=cat")
            assert (answer.status, answer.headers["retry-after"]) == (503, "5")
            assert answer.json["error"]["cure"]
            with Front([space.server], port=port):
                WebDriverWait(page, 120).until(lambda it: ids_of(it) == before)


def test_a_model_that_is_missing_is_a_sentence_until_it_is_there(
    command: Command, album: Path, profile: Path, tmp_path: Path
) -> None:
    """The vectors are here and the model is not, nor the hub. Then it is copied from another
    machine, and the page that is open shows the photos."""
    command.run("ingest", album)
    hub = tmp_path / "huggingface" / "hub"
    command.environment |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(hub.parent)}
    command.environment["IMGSEARCH_TEXT_MODEL"] = "somebody/words"
    with serving(command) as server, chromium(profile) as page:
        answer = server.ask("/api/v1/search?q=cat")
        assert answer.status == 503
        said = answer.json["error"]
        assert said["message"].startswith(f"The model somebody/words is not in {hub}, and ")
        assert said["message"].endswith("cannot be reached (HF_HUB_OFFLINE is set).")
        assert "Point HF_HOME at a cache that has it" in said["cure"]
        page.get(f"{server.address}?q=cat")
        shown = one(page, "[role=alert]").text
        assert said["message"] in shown
        assert said["cure"].splitlines()[0] in shown
        assert violations(page) == []

        known = server.ask("/").photos  # what needs no model goes on
        assert len(known) == 8
        assert len(server.ask(f"/?id={known[0]}").photos) == 7

        snapshot = hub / "models--somebody--words" / "snapshots" / ("0" * 40)
        shutil.copytree(demo.PHOTOS.with_name("models") / "text", snapshot)
        (snapshot.parents[1] / "refs").mkdir()
        (snapshot.parents[1] / "refs" / "main").write_text(snapshot.name)
        WebDriverWait(page, 120).until(lambda it: len(ids_of(it)) == 8)
        assert server.ask("/?q=cat").photos == ids_of(page)
