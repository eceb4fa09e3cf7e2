"""Makes the README's pictures from the shipped library, light and dark: a search in a terminal and
on the page. `python -m tests.readme_pictures` needs Chromium, by which it checks that no texts and
pictures overlap and that none is cut."""

from __future__ import annotations

import base64
import io
import itertools
import os
import re
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image
from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI, TerminalTheme
from rich.text import Text
from selenium.webdriver.chrome.webdriver import WebDriver

import imgsearch
from imgsearch.demo import PHOTOS
from imgsearch.output.results_table import Page, table_lines
from imgsearch.results import Results
from tests.browser import chromium
from tests.command import Command
from tests.web_server import serving

WORDS = "green recycle"
FOLDER = Path(__file__).parent.parent / ".github"
SIDE, GAP = 96, 22  # of the icons below the table, in the picture's units
WIDTH = 1200  # of the page
INK = [(36, 41, 47), (176, 8, 34), (17, 99, 41), (121, 78, 0), (5, 80, 174), (130, 80, 223)]
LIGHT = TerminalTheme((246, 248, 250), (36, 41, 47), [*INK, (27, 124, 131), (87, 96, 106)])
THEMES = {"light": LIGHT, "dark": DIMMED_MONOKAI}

# boxes of what is drawn: left, top, right, bottom
BOXES = """
    return [...document.querySelectorAll(arguments[0])].map((each) => {
        const box = each.getBoundingClientRect();
        return [box.left, box.top, box.right, box.bottom];
    }).filter((box) => box[2] > box[0]);
"""
CUT = """
    return [...document.querySelectorAll(arguments[0])]
        .filter((each) => each.scrollWidth > each.clientWidth + 1)
        .map((each) => each.textContent);
"""
SHOWN = """
    const below = (each) => each.getBoundingClientRect().top > window.innerHeight;
    const seen = [...document.images].filter((each) => !below(each));
    return Promise.all(seen.map((each) => each.decode()));
"""
Box = list[float]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = Command(folder, folder / "cache", {"IMGSEARCH_MODEL": "demo"})
        command.environment["IMGSEARCH_INDEX"] = str(folder / "index")
        command.run("ingest", PHOTOS)
        os.environ.update(command.env())  # where the library lies is known there
        with imgsearch.open(folder / "index") as library:
            results = library.search(WORDS, k=6)
        for name, theme in THEMES.items():
            (FOLDER / f"demo-{name}.svg").write_text(_terminal(results, theme), "utf-8")
            (folder / name).mkdir()
            with chromium(folder / name, dark=name == "dark", width=WIDTH) as page:
                _check_terminal(page, FOLDER / f"demo-{name}.svg")
                with serving(command) as server:
                    page.get(f"{server.address}?q={quote(WORDS)}")
                    _photograph(page, FOLDER / f"page-{name}.webp")


def _terminal(results: Results, theme: TerminalTheme) -> str:
    console = Console(record=True, width=76, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "dim"), (f'imgsearch query "{WORDS}"', "bold")))
    page = Page(console.width, styled=True)
    console.print(Text.from_ansi("\n".join(table_lines(results, None, page))))
    for _ in range(5):
        console.print()
    svg = console.export_svg(title="imgsearch", theme=theme)
    # a picture in a README loads no fonts
    return _with_icons(re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL), results)


def _with_icons(svg: str, results: Results) -> str:
    """The found pictures, side by side in the room that was left below the table."""
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert found is not None
    top = float(found[2]) - SIDE - GAP
    images = []
    for place, hit in enumerate(results):
        assert hit.path is not None
        data = base64.b64encode(hit.path.read_bytes()).decode()
        kind = {"PNG": "png", "JPEG": "jpeg", "WEBP": "webp"}[hit.record.format]
        at = f'x="{40 + place * (SIDE + GAP)}" y="{top}" width="{SIDE}" height="{SIDE}"'
        images.append(
            f'<rect {at} fill="white"/><image {at} href="data:image/{kind};base64,{data}"/>'
        )
    return svg.replace("</svg>", "\n".join(images) + "\n</svg>")


def _check_terminal(page: WebDriver, svg: Path) -> None:
    page.get(svg.as_uri())
    [frame] = page.execute_script(BOXES, "svg")
    drawn = page.execute_script(BOXES, "svg > image") + page.execute_script(BOXES, "g text")
    _check(drawn, frame)


def _photograph(page: WebDriver, path: Path) -> None:
    """The page down to the end of its second row of hits."""
    cards = page.execute_script(BOXES, "main li.photo")
    rows = sorted({round(card[1]) for card in cards})
    assert len(rows) > 2, rows
    height = max(card[3] for card in cards if round(card[1]) <= rows[1]) + 4
    whole = [card for card in cards if card[1] < height]
    links = page.execute_script(BOXES, "header a, header input, header button")
    _check(whole, [0, 0, WIDTH, height])
    _check(links, [0, 0, WIDTH, height])
    assert not page.execute_script(CUT, "li.photo, header")
    size: dict[str, Any] = {"width": WIDTH, "height": round(height), "deviceScaleFactor": 1}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**size, "mobile": False})
    page.execute_script(SHOWN)
    Image.open(io.BytesIO(page.get_screenshot_as_png())).convert("RGB").save(path, quality=85)


def _check(boxes: list[Box], frame: Box) -> None:
    """Raises AssertionError where boxes overlap, or leave the frame."""
    for left, top, right, bottom in boxes:
        inside = left >= frame[0] and top >= frame[1] and right <= frame[2] and bottom <= frame[3]
        assert inside, (left, top, right, bottom)
    for one, other in itertools.combinations(boxes, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, (one, other)


if __name__ == "__main__":
    main()
