"""`--html` and `--open`: what was found as one file that opens anywhere."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import html5lib
import numpy as np
import pytest
from PIL import Image

from imgsearch.index.base import Record
from imgsearch.output import gallery
from imgsearch.results import Hit
from imgsearch.thumbnails import Thumbnails, opened
from tests.browser import chromium, violations
from tests.command import Command

HOSTILE = '"><script>alert(1)<⁄script><img src=x onerror=alert(2)> {{7*7}} \u202e\x1b[31m.png'
EMBEDDED = re.compile(r'src="data:image/webp;base64,([A-Za-z0-9+/=]+)"')


@pytest.fixture(scope="module")
def trip(tmp_path_factory: pytest.TempPathFactory, model_cache: Path, demo_photos: Path) -> Command:
    """A home with pictures of which one has a hostile name and one is gone."""
    home = tmp_path_factory.mktemp("home")
    folder = home / "Pictures"
    folder.mkdir()
    for number, source in enumerate(sorted(demo_photos.rglob("*.png"))[:6]):
        shutil.copy(source, folder / f"{number}.png")
    with Image.open(folder / "3.png") as image:  # a narrow one
        image.resize((90, 300)).save(folder / "3.png")
    (folder / "4.png").rename(folder / HOSTILE)
    command = Command(home, model_cache, {"IMGSEARCH_MODEL": "demo"})
    command.run("ingest", "Pictures")
    (folder / "5.png").unlink()
    return command


def _parsed(text: str) -> None:
    """Raises html5lib.html5parser.ParseError at the first thing that HTML does not allow."""
    html5lib.HTMLParser(strict=True).parse(text)


def _pictures(text: str) -> list[Image.Image]:
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in EMBEDDED.findall(text)]


def _difference(one: Image.Image, other: Image.Image) -> float:
    """Mean of the channels' absolute differences, 0 to 255."""
    pixels = [np.asarray(each.convert("RGB").resize((64, 64)), float) for each in (one, other)]
    return float(np.abs(pixels[0] - pixels[1]).mean())


def test_the_file_holds_the_question_and_the_pictures(trip: Command, tmp_path: Path) -> None:
    file = tmp_path / "out.html"
    answer = trip.run("query", "red <b>heart</b>", "--html", file)
    assert f"Wrote 6 photos to {file}" in answer.stderr
    assert "score" in answer.stdout, "the table is shown all the same"
    text = file.read_text("utf-8")
    _parsed(text)
    assert "“red &lt;b&gt;heart&lt;/b&gt;”" in text
    hits = trip.run("query", "red <b>heart</b>", "--json").json_lines
    there = [hit for hit in hits if not hit["missing"]]
    pictures = _pictures(text)
    assert len(pictures) == len(there) == 5
    for picture, hit in zip(pictures, there, strict=True):
        assert max(picture.size) <= 480
        assert "exif" not in picture.info
        with Image.open(hit["path"]) as original:
            flat = Image.new("RGB", original.size, "white")
            flat.paste(original.convert("RGBA"), mask=original.convert("RGBA").getchannel("A"))
        assert _difference(picture, flat) < 6
    assert "The file is missing" in text
    assert str(trip.home) not in text, "no folder of this machine goes along"


def test_nothing_in_it_asks_the_network_or_runs(trip: Command, tmp_path: Path) -> None:
    file = tmp_path / "out.html"
    trip.run("query", HOSTILE, "--html", file)
    text = file.read_text("utf-8")
    _parsed(text)
    assert "<script" not in text
    assert "\\u202e" in text
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert not re.search(r"(?i)<[^>]*\s(on\w+|style|href|srcset)\s*=", re.sub('"[^"]*"', "", text))
    assert all(src.startswith("data:image/webp") for src in re.findall(r'src="([^"]*)"', text))
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    [style] = re.findall(r"<style>(.*)</style>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}';"
        " base-uri 'none'; form-action 'none'"
    )


def test_similar_shows_the_picture_that_was_asked_with(
    trip: Command, tmp_path: Path, demo_photos: Path
) -> None:
    asked = tmp_path / "asked.png"
    shutil.copy(sorted(demo_photos.rglob("*.png"))[40], asked)
    for photo, options in ((asked, {}), ("-", {"input": asked.read_bytes()}), ("0.png", {})):
        file = tmp_path / "out.html"
        trip.run("similar", photo, "--html", file, **options)
        text = file.read_text("utf-8")
        _parsed(text)
        example = _pictures(text)[0]
        assert str(tmp_path) not in text
        original = Path(trip.home / "Pictures/0.png") if photo == "0.png" else asked
        with Image.open(original) as picture:
            rgba = picture.convert("RGBA")
        flat = Image.new("RGB", rgba.size, "white")
        flat.paste(rgba, mask=rgba.getchannel("A"))
        assert _difference(example, flat) < 6


def test_many_questions_make_one_gallery(trip: Command, tmp_path: Path) -> None:
    file, questions = tmp_path / "out.html", tmp_path / "questions"
    questions.write_text("red heart\nblue bird\n")
    trip.run("query", "--from-file", questions, "-k", "2", "--html", file)
    text = file.read_text("utf-8")
    _parsed(text)
    assert [text.count(f"“{words}”") for words in ("red heart", "blue bird")] == [1, 1]
    assert "2 questions" in text


def test_a_gallery_on_stdout_stands_there_alone(trip: Command) -> None:
    answer = trip.run("query", "red heart", "--html", "-")
    _parsed(answer.stdout)
    both = trip.run("query", "red heart", "--html", "-", "--json", code=2).stderr
    assert "exclude each other" in both


def test_no_other_file_is_overwritten(trip: Command, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"\xff\xd8\xff not a page")
    os.mkfifo(tmp_path / "fifo")
    for file, reason in (
        (photo, "not an HTML file"),
        (tmp_path, "is a folder"),
        (tmp_path / "fifo", "is a FIFO"),
        (tmp_path / "no" / "folder.html", "cannot be written"),
    ):
        answer = trip.run("query", "x", "--html", file, code=2)
        assert reason in answer.stderr
    assert photo.read_bytes().endswith(b"not a page")
    earlier = tmp_path / "out.html"
    earlier.write_text("<!DOCTYPE html>earlier")
    trip.run("query", "x", "--html", earlier)
    assert "earlier" not in earlier.read_text()
    assert not list(tmp_path.glob(".*partial"))


class TestOpen:
    """A program of the test's own has the name of the one that opens files."""

    @pytest.fixture
    def browser(self, tmp_path: Path) -> Path:
        program = tmp_path / "bin" / "xdg-open"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\necho "$1" >> "{tmp_path}/opened"\nexit ${{FAILS:-0}}\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return program

    def _with(self, trip: Command, **more: str) -> Command:
        return Command(trip.home, trip.cache, {**trip.environment, **more})

    def test_one_window_shows_all(self, trip: Command, browser: Path, tmp_path: Path) -> None:
        command = self._with(trip, PATH=f"{browser.parent}:/usr/bin:/bin", DISPLAY=":7")
        answer = command.run("query", "x", "--open")
        [file] = (tmp_path / "opened").read_text().splitlines()
        assert f"Opened the gallery in the browser: {file}" in answer.stderr
        assert len(_pictures(Path(file).read_text("utf-8"))) == 5
        assert Path(file).stat().st_mode & 0o77 == 0 or Path(file).parent.stat().st_mode & 0o77 == 0

    def test_a_named_file_is_opened(self, trip: Command, browser: Path, tmp_path: Path) -> None:
        command = self._with(trip, BROWSER=f"{browser} %s", PATH="/usr/bin:/bin")
        command.run("similar", "0.png", "--html", tmp_path / "out.html", "--open")
        assert (tmp_path / "opened").read_text().strip().endswith(f"{tmp_path}/out.html")

    @pytest.mark.parametrize("more", [{}, {"DISPLAY": ":7", "FAILS": "3"}], ids=["none", "fails"])
    def test_no_browser_is_said(self, trip: Command, browser: Path, more: dict[str, str]) -> None:
        command = self._with(trip, PATH=str(browser.parent) + ":/usr/bin:/bin", **more)
        answer = command.run("query", "x", "--open", code=1)
        assert "No browser was found" in answer.stderr
        file = Path(answer.stderr.split("The gallery lies in ")[1].strip())
        assert len(_pictures(file.read_text("utf-8"))) == 5

    def test_nothing_found_opens_nothing(
        self, trip: Command, browser: Path, tmp_path: Path
    ) -> None:
        command = self._with(trip, PATH=f"{browser.parent}:/usr/bin:/bin", DISPLAY=":7")
        answer = command.run("query", "x", "--from", "2030", "--open")
        assert "Nothing found" in answer.stderr
        assert not (tmp_path / "opened").exists()


def test_a_browser_shows_it_without_a_fault(trip: Command, tmp_path: Path) -> None:
    file = tmp_path / "out.html"
    trip.run("query", HOSTILE, "--html", file)
    profile = tmp_path / "profile"
    profile.mkdir()
    for dark in (False, True):
        with chromium(profile, dark=dark) as page:
            page.get(file.as_uri())
            sizes = page.execute_script(
                "return [...document.images].map((each) => [each.naturalWidth, each.height]);"
            )
            assert len(sizes) == 5
            assert all(natural > 0 and height > 100 for natural, height in sizes)
            captions = page.execute_script(
                "return [...document.querySelectorAll('.about')].map((each) => {"
                " const name = each.querySelector('.name')?.getBoundingClientRect();"
                " const right = each.getBoundingClientRect().right;"
                " const shown = name && Math.min(name.right, right) - name.left;"
                " return [shown, each.clientHeight]; });"
            )
            names = [width for width, _ in captions if width is not None]
            assert 2 * len(names) == len(captions)  # the second line names nothing
            assert min(names) > 30  # pixels, also below a narrow picture
            assert max(height for _, height in captions) < 40  # one line each, however long
            assert not violations(page)
            assert page.execute_script("return document.documentElement.scrollWidth") <= 1280
            refused = [each for each in page.get_log("browser") if "Content" in each["message"]]
            assert not refused


def test_what_fits_is_told_apart(tmp_path: Path) -> None:
    facts = {"size": 1, "mtime_ns": 1, "content_hash": "", "format": "PNG"}
    named = {"id": "a", "library": "b", "relative_path": "c.png"}
    record = Record(**named, **facts, width=64, height=64)
    one = Hit(rank=1, score=0.5, record=record, raw_path=None, missing=False, fits=True)
    hits = [one, replace(one, rank=2, fits=False), replace(one, rank=3, fits=False)]
    with opened(tmp_path, 100) as thumbnails:
        section = gallery.Section(title="x", hits=hits, told="1 fits; then the nearest others:")
        text = "".join(gallery.html([section], thumbnails))
    _parsed(text)
    order = re.findall(r'class="(told|rank)">(\d+)', text)
    assert order == [("rank", "1"), ("told", "1"), ("rank", "2"), ("rank", "3")]


def test_a_selection_becomes_a_gallery_too(tmp_path: Path, demo_photos: Path) -> None:
    """What the page calls: hits without a score, some of them elsewhere."""
    source = min(demo_photos.rglob("*.png"))
    facts = {"size": 1, "mtime_ns": 1, "content_hash": "", "format": "PNG"}
    named = {"id": "a", "library": "b", "relative_path": "c/<i>.png"}
    record = Record(**named, **facts, width=64, height=64)
    hit = Hit(rank=1, score=None, record=record, raw_path=os.fsencode(source), missing=False)
    elsewhere = replace(hit, rank=2, raw_path=None)
    damaged = replace(hit, rank=3, raw_path=os.fsencode(__file__))
    damaged = replace(damaged, record=replace(record, id="d", relative_path="damaged.png"))
    with opened(tmp_path, 100) as thumbnails:
        assert isinstance(thumbnails, Thumbnails)
        section = gallery.Section(title="Selected photos", hits=[hit, elsewhere, damaged])
        text = "".join(gallery.html([section], thumbnails))
    _parsed(text)
    assert len(_pictures(text)) == 1
    assert "&lt;i&gt;.png" in text
    assert "Not on this machine" in text
