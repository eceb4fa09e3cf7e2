"""The page in a real browser, with JavaScript and without."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.browser import chromium, violations
from tests.command import Command
from tests.test_web_facets import trips
from tests.web_server import Server, serving

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # Selenium's own sockets


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, demo_photos: Path) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    command = Command(home, tmp_path_factory.mktemp("cache"), {"IMGSEARCH_MODEL": "demo"})
    command.run("ingest", demo_photos)
    with serving(command) as server:
        yield server


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    folder = tmp_path / "profile"
    (folder / "downloads").mkdir(parents=True)
    return folder


def _one(page: WebDriver, selector: str) -> WebElement:
    return WebDriverWait(page, 30).until(lambda it: it.find_element(By.CSS_SELECTOR, selector))


def _all(page: WebDriver, selector: str) -> list[WebElement]:
    return page.find_elements(By.CSS_SELECTOR, selector)


def _ids(page: WebDriver) -> list[str]:
    return [each.get_attribute("value") or "" for each in _all(page, ".pick input")]


def _go(page: WebDriver, element: WebElement) -> None:
    """Clicks, and waits for the next page."""
    before = page.current_url
    element.click()
    WebDriverWait(page, 30).until(lambda it: it.current_url != before and _all(it, "main"))


def _downloaded(profile: Path, page: WebDriver) -> Path:
    def finished(_: object) -> Path | None:
        files = [file for file in (profile / "downloads").iterdir() if file.suffix in _ENDINGS]
        return files[0] if files else None

    return WebDriverWait(page, 30).until(finished)


_ENDINGS = (".txt", ".csv", ".json", ".zip")


@pytest.mark.parametrize("javascript", [True, False], ids=["script", "no-script"])
def test_from_words_to_a_selection(
    server: Server, profile: Path, demo_photos: Path, javascript: bool
) -> None:
    picture = min(demo_photos.rglob("*.png"))
    with chromium(profile, javascript=javascript) as page:
        page.get(server.address)
        box = _one(page, "#typed")
        box.send_keys("red heart", Keys.ENTER)
        _one(page, ".chip.of-words")
        assert "q=red+heart" in page.current_url
        words = _ids(page)
        assert len(words) >= 60

        _go(page, _one(page, ".photo a.similar"))
        first = page.current_url
        assert words[0] not in _ids(page)
        _go(page, _one(page, ".photo a.similar"))
        assert page.current_url != first
        page.back()
        assert page.current_url == first
        page.back()
        assert _ids(page)[:60] == words[:60]

        _upload(page, picture, javascript)
        _one(page, ".chip.of-picture")
        assert len(_all(page, ".chip")) == 2  # words and a picture
        mixed = _ids(page)
        assert mixed[:60] != words[:60]
        _go(page, _one(page, ".chip.of-words .weights a:last-child"))
        assert "not" in _one(page, ".chip.of-words").text
        assert _ids(page)[:60] != mixed[:60]
        _go(page, _one(page, ".chip.of-words .remove"))
        alone = _ids(page)
        assert server.ask(page.current_url[len(server.address) - 1 :]).photos[:60] == alone[:60]

        chosen = alone[:2]
        for tick in _all(page, ".pick input")[:2]:
            tick.click()
        _one(page, ".selection-bar button[value=json]").click()
        saved = json.loads(_downloaded(profile, page).read_bytes())
        assert [row["id"] for row in saved] == chosen


def _upload(page: WebDriver, picture: Path, javascript: bool) -> None:
    before = page.current_url
    _one(page, "#picture").send_keys(str(picture))
    if not javascript:
        _one(page, ".upload button").click()
    WebDriverWait(page, 30).until(lambda it: it.current_url != before)


def test_the_originals_come_as_a_zip(server: Server, profile: Path) -> None:
    with chromium(profile) as page:
        page.get(f"{server.address}?q=red+heart&k=5")
        for tick in _all(page, ".pick input")[:3]:
            tick.click()
        assert "3 selected" in _one(page, ".selection-bar").text
        _one(page, ".selection-bar button[value=zip]").click()
        with zipfile.ZipFile(_downloaded(profile, page)) as archive:
            assert archive.testzip() is None
            assert len(archive.namelist()) == 3


def test_more_photos_come_while_one_scrolls(server: Server, profile: Path) -> None:
    with chromium(profile) as page:
        page.get(f"{server.address}?q=red+heart")
        page.execute_script("scrollTo(0, document.body.scrollHeight)")
        WebDriverWait(page, 30).until(lambda it: len(_all(it, ".photo")) == 119)
        assert len(set(_ids(page))) == 119
        assert not _all(page, ".next")


def test_without_javascript_the_next_page_is_a_link(server: Server, profile: Path) -> None:
    with chromium(profile, javascript=False) as page:
        page.get(f"{server.address}?q=red+heart")
        first = _ids(page)
        _go(page, _one(page, "a[rel=next]"))
        assert len(_ids(page)) == 59
        assert not set(first) & set(_ids(page))


def test_keys(server: Server, profile: Path) -> None:
    with chromium(profile) as page:
        page.get(f"{server.address}?q=red+heart&k=20")
        ids = _ids(page)

        def press(*keys: str) -> None:
            page.switch_to.active_element.send_keys(*keys)

        def focused() -> str | None:
            return page.switch_to.active_element.get_attribute("data-id")

        press(Keys.ARROW_RIGHT)
        assert focused() == ids[0]
        press(Keys.ARROW_RIGHT)
        assert focused() == ids[1]
        press(Keys.ARROW_DOWN)
        below = focused()
        assert below in ids[2:]
        press(Keys.ARROW_UP)
        press("x")
        assert "1 selected" in _one(page, ".selection-bar").text
        press("/")
        assert page.switch_to.active_element.get_attribute("id") == "typed"
        press(Keys.ESCAPE)
        press(Keys.ARROW_RIGHT)
        press(Keys.ENTER)
        assert _one(page, "article.large").get_attribute("data-id") == ids[0]
        page.find_element(By.TAG_NAME, "body").send_keys(Keys.ARROW_RIGHT)
        WebDriverWait(page, 30).until(lambda it: f"/photo/{ids[1]}" in it.current_url)
        page.find_element(By.TAG_NAME, "body").send_keys("s")
        WebDriverWait(page, 30).until(lambda it: f"id={ids[1]}" in it.current_url)
        page.back()
        page.find_element(By.TAG_NAME, "body").send_keys(Keys.ESCAPE)
        _one(page, ".grid")
        page.find_element(By.TAG_NAME, "body").send_keys("?")
        WebDriverWait(page, 30).until(lambda it: it.current_url.endswith("/help"))


def test_a_picture_is_pasted_and_dropped(server: Server, profile: Path) -> None:
    carry = """
        const bytes = Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], "p.png", {type: "image/png"}));
        const event = arguments[1] === "paste"
            ? new ClipboardEvent("paste", {clipboardData: data, bubbles: true})
            : new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true});
        document.body.dispatchEvent(event);
    """
    import base64
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (90, 60), "red").save(out, "PNG")
    encoded = base64.b64encode(out.getvalue()).decode()
    with chromium(profile) as page:
        for way in ("paste", "drop"):
            page.get(server.address)
            page.execute_script(carry, encoded, way)
            _one(page, ".chip.of-picture")
            assert len(_ids(page)) >= 60


@pytest.fixture(scope="module")
def travelled(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Iterator[Server]:
    """Photos that have dates and places."""
    home = tmp_path_factory.mktemp("travelled")
    command = Command(home, model_cache, {"IMGSEARCH_MODEL": "demo"})
    command.run("ingest", trips(home / "trips"))
    with serving(command) as server:
        yield server


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("javascript", [True, False], ids=["script", "no-script"])
def test_filters_by_mouse_and_by_keyboard(
    travelled: Server, profile: Path, javascript: bool, width: int
) -> None:
    with chromium(profile, javascript=javascript, width=width) as page:
        page.get(f"{travelled.address}?q=astronaut")
        filters = _one(page, ".filters")
        if width < 960:
            assert not filters.is_displayed()
            _one(page, ".switch").send_keys(Keys.SPACE)
        assert filters.is_displayed()
        _go(page, page.find_element(By.PARTIAL_LINK_TEXT, "2019"))
        assert len(_ids(page)) == 3
        if width < 960:
            _one(page, ".switch-label").click()
        page.find_element(By.PARTIAL_LINK_TEXT, "July").send_keys(Keys.ENTER)
        WebDriverWait(page, 30).until(lambda it: len(_ids(it)) == 2)
        if javascript:
            assert violations(page) == []
        if width < 960:
            _one(page, ".switch-label").click()
        page.find_element(By.XPATH, "//summary[.='Around a place']").send_keys(Keys.ENTER)
        _one(page, "#near-place").send_keys("Florence", Keys.ENTER)
        _one(page, ".chip.of-filter:nth-of-type(3)")
        assert len(_ids(page)) == 2
        _go(page, page.find_element(By.LINK_TEXT, "oldest"))
        assert "order=oldest" in page.current_url
        _go(page, _one(page, ".chip.of-filter .remove"))  # the month
        assert "taken_from" not in page.current_url
        assert "near=" in page.current_url
        page.back()
        assert "taken_from" in page.current_url


def test_nothing_is_asked_of_another_host(server: Server, profile: Path) -> None:
    with chromium(profile) as page:
        for path in ("", "?q=red+heart", "index", "help"):
            page.get(server.address + path)
            urls = page.execute_script(
                "return performance.getEntriesByType('resource').map((one) => one.name)"
            )
            assert urls
            assert not [url for url in urls if not url.startswith(server.address)]
            assert not [one for one in page.get_log("browser") if one["level"] == "SEVERE"]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_every_page_is_accessible(server: Server, profile: Path, dark: bool, width: int) -> None:
    id = server.ask("/api/v1/search?q=red+heart&k=1").json["hits"][0]["id"]
    paths = ("", "?q=red+heart", f"?q=red+heart&id*-0.5={id}", f"photo/{id}?q=red+heart&at=1")
    with chromium(profile, dark=dark, width=width) as page:
        for path in (*paths, "index", "help", "nowhere", "sign-in", "?q=x&k=none"):
            page.get(server.address + path)
            assert violations(page) == [], path
            overflow = page.execute_script(
                "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert overflow <= 0, path
            widths = [picture.size["width"] for picture in _all(page, ".chip img")]
            assert all(width <= 40 for width in widths), path


def test_200_percent_zoom_needs_no_sideways_scrolling(server: Server, profile: Path) -> None:
    with chromium(profile, width=640) as page:  # 1,280 pixels at 200 %
        for path in ("", "?q=red+heart", "index", "help"):
            page.get(server.address + path)
            assert page.execute_script("return document.body.scrollWidth <= innerWidth"), path


def test_a_page_without_an_index_recovers_by_itself(
    command: Command, profile: Path, demo_photos: Path, tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    shutil.copy(min(demo_photos.rglob("*.png")), photos)
    with serving(command) as server, chromium(profile) as page:
        page.get(server.address)
        assert "imgsearch ingest" in _one(page, "[role=alert]").text
        assert violations(page) == []
        command.run("ingest", photos)
        WebDriverWait(page, 60).until(lambda it: "1 photo" in _one(it, "h1").text)
