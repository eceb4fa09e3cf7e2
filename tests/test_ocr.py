"""`ingest --text`: what is written in a picture is read, found by its words, and said where."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image, ImageDraw, ImageFont

from imgsearch import ocr
from imgsearch.cli.commands.ingest import Ingest, wanted_parts
from imgsearch.errors import ModelError, ModelUnavailable, UsageError
from imgsearch.index.base import Capabilities
from imgsearch.ingest import decisions
from imgsearch.ingest.options import Options
from imgsearch.ingest.rules import Rules
from imgsearch.ocr import networks
from imgsearch.settings.table import KNOWN
from tests import lettering, text_recall
from tests.command import Command
from tests.elasticsearch import servers


def lettered(*lines: str, size: tuple[int, int] = (900, 500)) -> Image.Image:
    image = Image.new("RGB", size, "#dfe4d8")
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((80, 70 + 150 * number), line, "#18181c", ImageFont.load_default(60))
    return image


@pytest.fixture(scope="module")
def reader() -> ocr.Reader:
    return ocr.Reader()


@pytest.mark.parametrize("turn", [0, 6])
def test_lines_are_read_with_their_places(reader: ocr.Reader, turn: int) -> None:
    image = lettered("Bakery Vogel", "Open 7-18").rotate(turn, fillcolor="#dfe4d8")
    first, second = reader.lines(image)
    assert (first.text, second.text) == ("Bakery Vogel", "Open 7-18")
    left, top, width, height = first.box
    if turn == 0:
        drawn = ImageDraw.Draw(image).textbbox((80, 70), "Bakery Vogel", ImageFont.load_default(60))
        assert max(abs(left - drawn[0]), abs(top - drawn[1])) < 25
        assert max(abs(left + width - drawn[2]), abs(top + height - drawn[3])) < 25
    assert second.box[1] > top
    assert "rapidocr" not in sys.modules  # nothing of it runs, so nothing is fetched


@pytest.mark.parametrize("size", [(1, 1), (3000, 2), (9, 800), (300, 200)])
def test_there_is_nothing_to_read_in_nothing(reader: ocr.Reader, size: tuple[int, int]) -> None:
    assert reader.lines(Image.new("RGB", size, "grey")) == []


def test_what_is_read_is_bounded(reader: ocr.Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocr, "MOST_LINES", 2)
    monkeypatch.setattr(ocr, "MOST_CHARACTERS", 15)
    lines = reader.lines(lettered("Bakery Vogel", "Open 7-18", "Closed"))
    assert [line.text for line in lines] == ["Bakery Vogel", "Ope"]


def test_another_recogniser_must_be_one(tmp_path: Path) -> None:
    junk = tmp_path / "mine.onnx"
    junk.write_bytes(b"no network")
    for file in (junk, tmp_path / "absent.onnx", networks._weights(networks._DETECTOR)):
        with pytest.raises(ModelError, match="cannot read text") as caught:
            ocr.Reader(file)
        assert "IMGSEARCH_OCR_MODEL" in caught.value.cure
    assert not KNOWN["ocr_model"].harmless(str(junk), tmp_path)  # of a folder's file: asks first


def test_without_the_extra_a_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(networks, "missing", lambda: True)
    index = SimpleNamespace(capabilities=Capabilities(texts=lambda ids: {}))
    with pytest.raises(ModelUnavailable, match="rapidocr") as caught:
        decisions.check_parts(index, Options(parts={"text": True}))  # type: ignore[arg-type] # enough
    assert "[ocr]" in caught.value.cure
    said: list[str] = []
    library = SimpleNamespace(index=index, talk=SimpleNamespace(tell=said.append))
    decisions.tell_unread(library, [Rules(parts=("region",))])  # type: ignore[arg-type]
    assert said == []
    decisions.tell_unread(library, [Rules(parts=("text",))])  # type: ignore[arg-type]
    assert "[ocr]" in said[0]


def test_an_index_that_can_hold_no_text_says_why() -> None:
    index = SimpleNamespace(capabilities=Capabilities(no_parts="Whole photos only."))
    with pytest.raises(UsageError, match="Whole photos only") as caught:
        decisions.check_parts(index, Options(parts={"text": True}))  # type: ignore[arg-type] # enough
    assert "on this machine" in caught.value.cure


def test_yes_and_no_contradict_each_other() -> None:
    assert wanted_parts(Ingest(no_text=True)) == {"text": False}
    with pytest.raises(UsageError, match="--text and --no-text"):
        wanted_parts(Ingest(read_text=True, no_text=True))


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Command:
    """With four photos, ingested without text and then with it."""
    user = Command(tmp_path_factory.mktemp("home"), model_cache, {"IMGSEARCH_MODEL": "demo"})
    folder = user.home / "photos"
    folder.mkdir()
    lettered("Bakery Vogel", "Open 7-18").save(folder / "a.png")
    lettered("RE16 TGX").save(folder / "b.png")
    lettered("RE16 TGK").resize((1800, 1000)).save(folder / "c.png")
    Image.new("RGB", (600, 400), "#5588cc").save(folder / "d.png")
    assert user.run("ingest", "photos", "--json").json["read"] == 0
    first = user.run("ingest", "photos", "--text", "--limit", "1", "--json").json
    done = user.run("ingest", "photos", "--json").json
    assert (first["read"], done["read"]) == (1, 3)
    assert (done["embedded"], done["added"], done["updated"]) == (0, 0, 0)
    assert done["seconds"]["text"] > 0
    return user


def test_no_photo_is_read_twice(user: Command) -> None:
    again = user.run("ingest", "photos", "--text", "--json").json
    assert (again["read"], again["looked_through"], again["unchanged"]) == (0, 0, 4)


def test_no_photo_is_read_again_where_everything_is_embedded_anew(user: Command) -> None:
    """Text does not depend on the model, nor on whether what reads it is still installed."""
    before = user.run("query", "--match", "re16tgk", "--json").json_lines
    lettered("Corner shop").save(user.home / "photos" / "new.png")
    done = user.run("ingest", "--re-embed", "--json").json
    assert (done["embedded"], done["read"]) == (5, 1)
    assert user.run("query", "--match", "re16tgk", "--json").json_lines == before
    assert user.run("query", "--match", "corner", "--json").json_lines[0]["line"] == "Corner shop"
    (user.home / "photos" / "new.png").unlink()
    user.run("ingest", "photos", "--prune", "--yes")
    parts = user.run("status", "--json").json["parts"]
    user.run("ingest", "photos", "--no-text")
    assert user.run("ingest", "--re-embed", "--json").json["read"] == 0
    assert user.run("status", "--json").json["parts"] == parts
    user.run("ingest", "photos", "--text")


@pytest.mark.parametrize("words", ["re16tgk", "RE16 TGK"])
@pytest.mark.parametrize("asking", [("query", "--match"), ("query",)])
def test_the_very_plate_comes_first(user: Command, asking: tuple[str, ...], words: str) -> None:
    first, *rest = user.run(*asking, words, "--json").json_lines
    assert (first["name"], first["line"]) == ("c.png", "RE16 TGK")
    assert "text" in first["why"]
    left, top, width, height = first["box"]
    assert abs(left - 160) < 50  # in pixels of the photo, which is twice as large as it was drawn
    assert abs(top - 140) < 50
    assert 400 < width < 800
    assert 60 < height < 200
    assert all(hit["line"] is None for hit in rest)


def test_a_hit_shows_what_was_read(user: Command) -> None:
    told = user.run("query", "vogel").stdout
    assert "“Bakery Vogel”" in told
    page = user.home / "found.html"
    user.run("query", "vogel", "--html", page)
    assert "“Bakery Vogel”" in page.read_text("utf-8")


@pytest.mark.slow
def test_text_is_read_into_an_index_on_a_cluster(user: Command) -> None:
    with servers.space(servers.NEWEST) as space:
        index = ("--index", f"{space.server}/{space.name()}", "--json")
        assert user.run("ingest", "photos", "--text", *index).json["read"] == 4
        assert user.run("ingest", "photos", *index).json["read"] == 0
        for asking in (("query",), ("query", "--match")):
            first = user.run(*asking, "RE16 TGK", *index).json_lines[0]
            assert (first["name"], first["line"]) == ("c.png", "RE16 TGK")
            assert "text" in first["why"]


@pytest.mark.slow
@pytest.mark.skipif(not all(face.exists() for face in lettering.FACES), reason="no such fonts")
def test_words_and_plates_find_their_pictures() -> None:
    found = text_recall.measured()
    assert found["words"] >= text_recall.WORDS_AT_LEAST
    assert found["plates"] >= text_recall.PLATES_AT_LEAST
