"""A real Chromium, driven by Selenium. IMGSEARCH_TEST_REQUIRE_BROWSER=1 makes a skip a failure."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

AXE = Path(__file__).with_name("axe.min.js")  # axe-core 4.14.1, MPL-2.0 (npm: axe-core)
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--hide-scrollbars", "--lang=en"),
)


@contextlib.contextmanager
def chromium(
    profile: Path, *, javascript: bool = True, dark: bool = False, width: int = 1280
) -> Iterator[WebDriver]:
    """Skips the test where there is no Chromium. `profile`: an empty folder for it."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        reason = "no browser: install chromium and chromedriver"
        if os.environ.get("IMGSEARCH_TEST_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    options = Options()
    options.binary_location = browser
    flags = (*_FLAGS, f"--window-size={width},900", f"--user-data-dir={profile}")
    for flag in flags + (("--force-dark-mode",) if dark else ()):
        options.add_argument(flag)
    preferences: dict[str, Any] = {"download.default_directory": str(profile / "downloads")}
    if not javascript:
        preferences["profile.managed_default_content_settings.javascript"] = 2
    options.add_experimental_option("prefs", preferences)
    page = webdriver.Chrome(options, Service(driver))
    try:
        page.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]},
        )
        page.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
        )
        yield page
    finally:
        page.quit()


def violations(page: WebDriver) -> list[str]:
    """What axe-core finds on the page as it is: WCAG 2.2 A and AA, and best practices. A page that
    would open itself again waits for it, and is opened again then."""
    page.execute_script("for (let id = setTimeout(() => {}); id > 0; id--) clearTimeout(id)")
    found = page.execute_async_script(
        AXE.read_text("utf-8")
        + """
        ;const done = arguments[arguments.length - 1];
        axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa",
                                     "best-practice"]})
           .then((result) => done(result.violations), (error) => done([{id: String(error)}]));
        """
    )
    if every(page, "[data-retry]"):
        page.refresh()
    return [
        f"{each['id']}: {[node['html'][:120] for node in each.get('nodes', [])[:3]]}"
        for each in found
    ]


def one(page: WebDriver, selector: str) -> WebElement:
    return WebDriverWait(page, 30).until(lambda it: it.find_element(By.CSS_SELECTOR, selector))


def every(page: WebDriver, selector: str) -> list[WebElement]:
    return page.find_elements(By.CSS_SELECTOR, selector)


def ids_of(page: WebDriver) -> list[str]:
    return [each.get_attribute("value") or "" for each in every(page, ".pick input")]


def go(page: WebDriver, element: WebElement) -> None:
    """Clicks, and waits for the next page."""
    before = page.current_url
    element.click()
    WebDriverWait(page, 30).until(lambda it: it.current_url != before and every(it, "main"))


def downloaded(profile: Path, page: WebDriver) -> Path:
    def finished(_: object) -> Path | None:
        files = [file for file in (profile / "downloads").iterdir() if file.suffix in _ENDINGS]
        return files[0] if files else None

    return WebDriverWait(page, 30).until(finished)


_ENDINGS = (".txt", ".csv", ".json", ".zip", ".html")


def upload(page: WebDriver, picture: Path, javascript: bool) -> None:
    before = page.current_url
    one(page, "#picture").send_keys(str(picture))
    if not javascript:
        one(page, ".upload button").click()
    WebDriverWait(page, 30).until(lambda it: it.current_url != before)
