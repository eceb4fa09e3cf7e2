"""The large view: every field of a photo, and all that one can do with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.support.wait import WebDriverWait

from imgsearch.escaping import shown
from tests import pictures
from tests.browser import chromium, go, one
from tests.command import Command
from tests.test_descriptions import FULL
from tests.test_web_facets import FLORENCE
from tests.web_server import Answer, Server, serving

# Selenium's own sockets
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
HOSTILE = '<img src=x onerror="alert(1)">.png'


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo that says all that a photo can say, one that says nothing, and one with a name that
    is HTML."""
    album = tmp_path_factory.mktemp("photos") / "album"
    evening = album / "italy" / "evening.jpg"
    evening.parent.mkdir(parents=True)
    told = pictures.exif(
        Make="NIKON",
        Model="D750",
        exif={0x9003: "2019:07:14 20:30:00", 0x9011: "+02:00", 0xA434: "28 mm f/1.8"},
        gps=FLORENCE,
    )
    image = pictures.photo(size=(400, 400)).resize((600, 400))
    evening.write_bytes(pictures.encoded(image, ".jpg", exif=told))
    evening.with_suffix(".xmp").write_bytes(FULL)
    for number, name in enumerate(("plain.png", HOSTILE)):
        made = pictures.photo(size=(300 + number, 300)).resize((100, 80))
        (album / name).write_bytes(pictures.encoded(made, ".png"))
    return album


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file manager that writes down what it was asked to show."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "xdg-open"
    program.write_text(f'#!/bin/sh\necho "$1" >> {folder}/shown\n')
    program.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory, model_cache: Path, album: Path) -> Command:
    command = Command(tmp_path_factory.mktemp("home"), model_cache, {"IMGSEARCH_MODEL": "demo"})
    command.run("ingest", album)
    return command


@pytest.fixture(scope="module")
def server(command: Command, manager: Path) -> Iterator[Server]:
    """On a machine with a desktop."""
    path = f"{manager}{os.pathsep}{os.environ['PATH']}"
    desktop = Command(command.home, command.cache, {**command.environment, "DISPLAY": ":0"})
    desktop.environment["PATH"] = path
    with serving(desktop) as server:
        yield server


def facts(answer: Answer) -> dict[str, str]:
    """What the list of facts says, by its terms."""
    from html.parser import HTMLParser

    found: dict[str, str] = {}

    class Reader(HTMLParser):
        tag = term = ""

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.tag = tag if tag in ("dt", "dd") else self.tag

        def handle_endtag(self, tag: str) -> None:
            self.tag = "" if tag == self.tag else self.tag

        def handle_data(self, data: str) -> None:
            if self.tag == "dt":
                self.term = data
            elif self.tag == "dd":
                found[self.term] = found.get(self.term, "") + data

    Reader().feed(answer.text)
    return found


def ids(server: Server) -> dict[str, str]:
    """Ids by name."""
    hits = server.ask("/api/v1/search?k=9&fold=0").json["hits"]
    return {Path(hit["relative_path"]).name: hit["id"] for hit in hits}


def test_every_field_is_there(server: Server, album: Path) -> None:
    hits = server.ask("/api/v1/search?q=cat").json["hits"]
    [hit] = [hit for hit in hits if hit["relative_path"] == "italy/evening.jpg"]
    answer = server.ask(f"/photo/{hit['id']}?q=cat&at={hit['rank']}")
    size = (album / "italy" / "evening.jpg").stat().st_size
    assert "<h1>evening.jpg</h1>" in answer.text
    assert facts(answer) == {
        "Library": "album",
        "Folder": "italy",
        "Taken": "2019-07-14 20:30:00+02:00",
        "Place": "Florence, Italy",
        "Position": "43.76944, 11.25556",
        "Title": "Evening",
        "Caption": "On the bridge",
        "Tags": "river, Bridge, Places, Italy, Florence, things",
        "Rating": "4 of 5",
        "Camera": "NIKON D750",
        "Lens": "28 mm f/1.8",
        "Pixels": "600 × 400 (0.2 megapixels)",
        "File size": f"{size / 1000:.1f} kB, JPEG",
        "File": str(album / "italy" / "evening.jpg"),
        "Score": f"{hit['score']:.3f} (cosine), rank {hit['rank']}",
    }


def test_what_is_not_known_is_left_out(server: Server) -> None:
    answer = server.ask(f"/photo/{ids(server)['plain.png']}")
    assert set(facts(answer)) == {"Library", "Pixels", "File size", "File"}


def test_a_name_that_is_html_is_text(server: Server, album: Path) -> None:
    answer = server.ask(f"/photo/{ids(server)[HOSTILE]}")
    assert facts(answer)["File"] == shown(album / HOSTILE)
    assert not [tag for _, tag in answer.tags if "onerror" in tag]


def test_what_one_can_do_with_it(
    server: Server, album: Path, manager: Path, tmp_path: Path
) -> None:
    """In a browser: zoom, copy the path, show it in the file manager, download, go on."""
    id = ids(server)["evening.jpg"]
    (tmp_path / "downloads").mkdir()
    with chromium(tmp_path) as page:
        page.get(f"{server.address}?q=cat")
        first = one(page, ".photo .open")
        go(page, first)
        go(page, one(page, "a[rel=next]"))
        go(page, one(page, "a[rel=prev]"))
        page.get(f"{server.address}photo/{id}?q=cat&at=1")
        page.execute_cdp_cmd(
            "Browser.grantPermissions",
            {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]},
        )
        zoom = one(page, "a.zoom")
        zoom.click()
        picture = one(page, ".stage.zoomed img")
        assert "size=2560" in (picture.get_attribute("src") or "")
        zoom.click()
        WebDriverWait(page, 30).until(
            lambda it: "zoomed" not in one(it, ".stage").get_dom_attribute("class")
        )
        copy = one(page, "button.copy")
        copy.click()
        WebDriverWait(page, 30).until(lambda it: copy.text == "Copied")
        path = page.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
        assert path == str(album / "italy" / "evening.jpg")
        one(page, "button.reveal").click()
        WebDriverWait(page, 30).until(
            lambda it: "Shown" in one(it, "#status").get_property("textContent")
        )
        WebDriverWait(page, 30).until(lambda it: (manager / "shown").exists())
        assert (manager / "shown").read_text().strip() == str(album / "italy")
        one(page, "a[download]").click()
        file = tmp_path / "downloads" / "evening.jpg"
        WebDriverWait(page, 30).until(lambda it: file.exists())
        assert file.read_bytes() == (album / "italy" / "evening.jpg").read_bytes()


def test_the_file_manager_is_offered_on_this_machine_alone(command: Command, manager: Path) -> None:
    path = f"{manager}{os.pathsep}{os.environ['PATH']}"
    desktop = {**command.environment, "DISPLAY": ":0", "PATH": path}
    for settings, arguments in (
        (command.environment, ()),  # no desktop
        ({**desktop, "IMGSEARCH_SERVE_PASSWORD": "secret"}, ("--host", "0.0.0.0")),
    ):
        with serving(Command(command.home, command.cache, settings), *arguments) as server:
            signed = {"Authorization": "Bearer secret"}
            hits = server.ask("/api/v1/search?k=1", **signed).json["hits"]
            answer = server.ask(f"/photo/{hits[0]['id']}", **signed)
            assert 'class="copy"' in answer.text
            assert 'class="reveal"' not in answer.text
