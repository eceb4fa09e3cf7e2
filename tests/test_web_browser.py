"""The page in a real browser, with JavaScript and without."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from tests.browser import chromium, downloaded, every, go, ids_of, one, violations
from tests.command import Command
from tests.test_web_facets import trips
from tests.web_server import Server, serving

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # Selenium's own sockets


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, demo_photos: Path, new_cache: Callable[[], Path]
) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("home")
    command = Command(home, new_cache(), {"IMGSEARCH_MODEL": "demo"})
    command.run("ingest", demo_photos)
    with serving(command) as server:
        yield server


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    folder = tmp_path / "profile"
    (folder / "downloads").mkdir(parents=True)
    return folder


def test_the_originals_come_as_a_zip(server: Server, profile: Path) -> None:
    with chromium(profile) as page:
        page.get(f"{server.address}?q=red+heart&k=5")
        for tick in every(page, ".pick input")[:3]:
            tick.click()
        assert "3 selected" in one(page, ".selection-bar").text
        one(page, ".selection-bar button[value=zip]").click()
        with zipfile.ZipFile(downloaded(profile, page)) as archive:
            assert archive.testzip() is None
            assert len(archive.namelist()) == 3


def test_more_photos_come_while_one_scrolls(server: Server, profile: Path) -> None:
    with chromium(profile) as page:
        page.get(f"{server.address}?q=red+heart")
        page.execute_script("scrollTo(0, document.body.scrollHeight)")
        WebDriverWait(page, 30).until(lambda it: len(every(it, ".photo")) == 119)
        assert len(set(ids_of(page))) == 119
        assert not every(page, ".next")


def test_a_rectangle_asks_with_that_part(server: Server, profile: Path) -> None:
    with chromium(profile) as page:
        page.get(f"{server.address}?q=red+heart&k=5")
        go(page, one(page, ".photo .open"))
        shown = page.current_url
        picture = one(page, ".zoom img")
        WebDriverWait(page, 30).until(lambda it: picture.size["width"] > 90)
        pixels, shown_as = int(picture.get_dom_attribute("width")), picture.size["width"]
        ActionChains(page).drag_and_drop_by_offset(picture, 40, 30).perform()  # from its middle
        WebDriverWait(page, 30).until(lambda it: it.current_url != shown and every(it, ".photo"))
        [(name, id)] = [
            each for each in parse_qsl(urlsplit(page.current_url).query) if "@" in each[0]
        ]
        left, top, width, height = map(int, name.removeprefix("id@").split(","))
        assert id in shown
        assert left == pytest.approx(pixels / 2, abs=2 * pixels / shown_as + 1)
        assert width == pytest.approx(40 * pixels / shown_as, abs=2 * pixels / shown_as + 1)
        assert height == pytest.approx(30 * pixels / shown_as, abs=2 * pixels / shown_as + 1)
        assert top > 0
        assert "Part of a photo" in one(page, ".chips").text
        assert id not in ids_of(page)


def test_without_javascript_the_next_page_is_a_link(server: Server, profile: Path) -> None:
    with chromium(profile, javascript=False) as page:
        page.get(f"{server.address}?q=red+heart")
        first = ids_of(page)
        go(page, one(page, "a[rel=next]"))
        assert len(ids_of(page)) == 59
        assert not set(first) & set(ids_of(page))


def test_keys(server: Server, profile: Path) -> None:
    with chromium(profile) as page:
        page.get(f"{server.address}?q=red+heart&k=20")
        ids = ids_of(page)

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
        assert "1 selected" in one(page, ".selection-bar").text
        press("/")
        assert page.switch_to.active_element.get_attribute("id") == "typed"
        press(Keys.ESCAPE)
        press(Keys.ARROW_RIGHT)
        press(Keys.ENTER)
        assert one(page, "article.large").get_attribute("data-id") == ids[0]
        page.find_element(By.TAG_NAME, "body").send_keys(Keys.ARROW_RIGHT)
        WebDriverWait(page, 30).until(lambda it: f"/photo/{ids[1]}" in it.current_url)
        page.find_element(By.TAG_NAME, "body").send_keys("s")
        WebDriverWait(page, 30).until(lambda it: f"id={ids[1]}" in it.current_url)
        page.back()
        page.find_element(By.TAG_NAME, "body").send_keys(Keys.ESCAPE)
        one(page, ".grid")
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
            one(page, ".chip.of-picture")
            assert len(ids_of(page)) >= 60


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
        filters = one(page, ".filters")
        if width < 960:
            assert not filters.is_displayed()
            one(page, ".switch").send_keys(Keys.SPACE)
        assert filters.is_displayed()
        go(page, page.find_element(By.PARTIAL_LINK_TEXT, "2019"))
        assert len(ids_of(page)) == 3
        if width < 960:
            one(page, ".switch-label").click()
        page.find_element(By.PARTIAL_LINK_TEXT, "July").send_keys(Keys.ENTER)
        WebDriverWait(page, 30).until(lambda it: len(ids_of(it)) == 2)
        if javascript:
            assert violations(page) == []
        if width < 960:
            one(page, ".switch-label").click()
        page.find_element(By.XPATH, "//summary[.='Around a place']").send_keys(Keys.ENTER)
        one(page, "#near-place").send_keys("Florence", Keys.ENTER)
        one(page, ".chip.of-filter:nth-of-type(3)")
        assert len(ids_of(page)) == 2
        go(page, page.find_element(By.LINK_TEXT, "oldest"))
        assert "order=oldest" in page.current_url
        go(page, one(page, ".chip.of-filter .remove"))  # the month
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


_PAGES = (
    *("duplicates?threshold=0.9", "index", "health", "help", "guide", "guide/json", "sign-in"),
    *("nowhere", "?q=x&k=none", f"?id={'x' * 64}"),
)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_every_page_is_accessible(server: Server, profile: Path, dark: bool, width: int) -> None:
    id = server.ask("/api/v1/search?q=red+heart&k=1").json["hits"][0]["id"]
    paths = ("", "?q=red+heart", f"?q=red+heart&id*-0.5={id}", f"photo/{id}?q=red+heart&at=1")
    with chromium(profile, dark=dark, width=width) as page:
        for path in (*paths, *_PAGES):
            page.get(server.address + path)
            assert violations(page) == [], path
            overflow = page.execute_script(
                "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert overflow <= 0, path
            widths = [picture.size["width"] for picture in every(page, ".chip img")]
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
        assert "imgsearch ingest" in one(page, "[role=alert]").text
        assert violations(page) == []
        command.run("ingest", photos)
        WebDriverWait(page, 60).until(lambda it: "1 photo" in one(it, "h1").text)
