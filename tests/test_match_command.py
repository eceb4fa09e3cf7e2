"""Words in names, captions, tags and places; and where what fits ends: by the installed command."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest

import imgsearch
from imgsearch import demo
from imgsearch.question import Filter, Question, Term
from imgsearch.results import SomeWords
from tests.command import Command

CONCEPTS = json.loads((demo.PHOTOS.parent / "photos.json").read_text("utf-8"))


def _with_tags(source: Path, target: Path) -> None:
    """A sidecar with a caption and keywords."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
    target.with_name(f"{target.name}.xmp").write_text(
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4">'
        '<dc:title><rdf:Alt><rdf:li xml:lang="x-default">The lighthouse</rdf:li></rdf:Alt>'
        '</dc:title><dc:description><rdf:Alt><rdf:li xml:lang="x-default">Old harbour by night'
        "</rdf:li></rdf:Alt></dc:description>"
        "<dc:subject><rdf:Bag><rdf:li>=SUM(1)</rdf:li><rdf:li>Zebra</rdf:li></rdf:Bag>"
        "</dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>",
        "utf-8",
    )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, model_cache: Path, demo_photos: Path) -> Command:
    """The demo's pictures, and eight of them under names that a shop gives."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(demo_photos, home / "all" / "icons")
    sources = sorted(demo_photos.rglob("*.png"))
    names = [
        *("INV-2019-0042.png", "INV-2019-0043.png", "RE16TGK front.png", "re 16 other.png"),
        *("4711-B.png", "4711-B2.png", "blueWhale.png", "IMG_4711.png"),
    ]
    for name, source in zip(names, sources, strict=False):
        shutil.copy(source, home / "all" / name)
    _with_tags(sources[20], home / "all" / "DSC00012.png")
    command = Command(home, model_cache, {"IMGSEARCH_MODEL": "demo"})
    command.run("ingest", "all")
    return command


def found(command: Command, *arguments: str) -> list[str]:
    return [line["name"] for line in command.run("query", *arguments, "--json").json_lines]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("INV-2019-0042", "INV-2019-0042.png"),
        ("inv 2019 0043", "INV-2019-0043.png"),
        ("RE16 TGK", "RE16TGK front.png"),
        ("4711-B", "4711-B.png"),
        ("4711-B2", "4711-B2.png"),
        ("IMG_4711", "IMG_4711.png"),
        ("blue whale", "blueWhale.png"),
        ("Zebra", "DSC00012.png"),
        ("old harbour", "DSC00012.png"),
    ],
)
def test_a_name_finds_its_picture_first(shop: Command, words: str, name: str) -> None:
    """Also as a plain question, whose words are looked for beside the vectors."""
    assert found(shop, words)[0] == name
    assert found(shop, "--match", words)[0] == name
    assert len(found(shop, words)) == 10


def test_words_alone_find_the_photos_that_have_all_of_them(shop: Command) -> None:
    """The very string first; of the others, which have a part of it, it is told how many there
    are, and `--any-word` shows them."""
    exact = shop.run("query", "--match", "INV-2019-0042", "--json")
    assert [line["name"] for line in exact.json_lines] == ["INV-2019-0042.png"]
    told = re.search(r"(\d+) more photos? ha(?:s|ve) parts of it; --any-word", exact.stderr)
    assert told is not None
    some = shop.run("query", "--match", "INV-2019-0042", "--any-word", "-k", "99")
    lines = some.stdout.splitlines()
    assert [Path(lines[n].split()[-1]).name for n in (2, 4)] == [
        "INV-2019-0042.png",
        "INV-2019-0043.png",
    ]
    assert lines[3] == "1 has all the words; then those with some:"
    assert len(lines) == 4 + int(told[1])
    assert "--any-word" not in some.stderr
    assert found(shop, "--match", "4711-B") == ["4711-B.png", "4711-B2.png"]
    assert "any-word" not in shop.run("query", "--match", "4711-B", "-k", "1").stderr  # they go on
    refused = shop.run("query", "heart", "--match", "4711-B", "--any-word", code=2)
    assert "--any-word goes with --match alone" in refused.stderr


def test_where_no_photo_has_all_words_those_with_some_are_shown(shop: Command) -> None:
    near = {"INV-2019-0042.png", "INV-2019-0043.png"}
    for words, told in (
        ("INV-2019-0044", "No photo has “INV-2019-0044”; these have parts of it:"),
        ("INV-2019 qqqq", "No photo has “qqqq”; these have some of the words:"),
        ("INV-2019 zebra", "No photo has all of the words; these have some:"),
    ):
        answer = shop.run("query", "--match", words)
        lines = answer.stdout.splitlines()
        assert lines[2] == told
        assert {Path(line.split()[-1]).name for line in lines[3:6]} >= near
        assert "--any-word" not in answer.stderr
    programs = shop.run("query", "--match", "INV-2019-0044", "--json")
    assert {line["fits"] for line in programs.json_lines} == {False}
    assert "No photo has “INV-2019-0044”; these have parts of it." in programs.stderr


def test_a_hit_says_why(shop: Command) -> None:
    [tagged] = shop.run("query", "--match", "zebra", "--json").json_lines
    assert tagged["why"] == ["tag"]
    assert (tagged["fits"], tagged["score"], tagged["surprise"]) == (True, None, None)
    assert tagged["title"] == "The lighthouse"
    assert tagged["caption"] == "Old harbour by night"
    assert tagged["tags"] == ["=SUM(1)", "Zebra"]
    assert tagged["rating"] == 4
    first = shop.run("query", "old harbour", "--json").json_lines[0]
    assert first["why"] == ["caption"]
    assert first["score"] is not None
    named = shop.run("query", "blue whale", "--json").json_lines[0]
    assert "name" in named["why"]
    [heart] = shop.run("query", "red heart", "-k", "1", "--json").json_lines
    assert heart["why"] == ["fit"]
    whale = shop.run("query", "blue whale", "-k", "1", "--json").json_lines[0]
    assert (whale["why"], whale["surprise"]) == (["name"], None)
    table = shop.run("query", "blue whale").stdout.splitlines()
    assert table[1].split() == ["rank", "score", "surprise", "why", "path"]
    assert table[2].split()[2:4] == ["name", "all/blueWhale.png"]  # its score has no part in that
    assert "%" in table[-1]
    assert "why" not in shop.run("query", "red heart").stdout.splitlines()[1]


def test_a_spreadsheet_gets_the_same_fields(shop: Command) -> None:
    answer = shop.run("query", "--match", "zebra", "--csv").stdout
    [row] = csv.DictReader(io.StringIO(answer))
    [line] = shop.run("query", "--match", "zebra", "--json").json_lines
    assert list(row) == list(line)
    assert row["tags"] == "'=SUM(1); Zebra"
    assert (row["why"], row["rating"], row["caption"]) == ("tag", "4", "Old harbour by night")


def test_words_beside_other_terms(shop: Command) -> None:
    """`--match` beside words, a picture or a filter; without words of its own it adds none."""
    assert found(shop, "red heart", "--match", "4711-B")[0] == "4711-B.png"
    assert len(found(shop, "red heart", "--match", "4711-B")) == 10
    assert "4711-B.png" not in found(shop, "red heart", "--match", "", "-k", "5")
    like = shop.home / "all" / "INV-2019-0043.png"
    lines = shop.run("similar", like, "--match", "4711-B", "--json").json_lines
    assert lines[0]["name"] == "4711-B.png"
    assert "INV-2019-0043.png" not in [line["name"] for line in lines]
    assert found(shop, "--match", "INV", "--not-under", "all/icons") == found(
        shop, "--match", "INV"
    )
    assert found(shop, "--match", "zebra", "--on", "2019") == []


def test_pages_with_words_follow_each_other(shop: Command) -> None:
    for question in (("png 4711",), ("INV",), ("--match", "inv re 4711 zebra")):
        whole = found(shop, *question, "-k", "24")
        pages = [found(shop, *question, "-k", "4", "--offset", str(n)) for n in range(0, 24, 4)]
        assert [name for page in pages for name in page] == whole
        assert len(set(whole)) == len(whole)


def test_words_in_an_address() -> None:
    for question in (
        Question(match="4711-B & more"),
        Question(match=""),
        Question(match="x", any_word=True),
        Question.of("a red car", match="Ä/ö=1", filter=Filter(country="IT")),
        Question(terms=(Term(photo="ab", weight=-0.5),), match="x"),
    ):
        assert Question.from_address(question.to_address()) == question
    assert Question.from_address("q=dog").match is None


def test_words_that_are_none_have_a_sentence(shop: Command) -> None:
    assert "no word to match" in shop.run("query", "--match", "!?", code=2).stderr
    assert "Nothing found" in shop.run("query", "--match", "qqqq").stderr
    answer = shop.run("query", "--match", "qqqq", "--only-fitting", code=1)
    assert (answer.stdout, "Nothing fits" in answer.stderr) == ("", True)


# -- where what fits ends


def test_the_table_says_where_what_fits_ends(shop: Command) -> None:
    lines = shop.run("query", "red heart").stdout.splitlines()
    assert lines[3] == "1 fits; then the nearest others:"
    assert " %" in lines[2]
    nothing = shop.run("query", "submarine").stdout.splitlines()
    assert nothing[2] == "Nothing fits clearly; these are the nearest:"
    second = shop.run("query", "red heart", "--offset", "1").stdout
    assert "1 fits; then the nearest others:" in second
    third = shop.run("query", "red heart", "--offset", "5").stdout
    assert "fit" not in third
    assert "others" not in shop.run("query", "red heart", "--sort", "newest").stdout


def test_a_result_knows_how_many_fit(shop: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in shop.env().items():
        monkeypatch.setenv(name, value)
    with imgsearch.open() as library:
        found = library.search("red heart")
        assert found.fitting == 1
        assert [hit.fits for hit in found] == [True] + [False] * 9
        assert found[0].surprise > 0.95 > found[1].surprise  # type: ignore[operator]
        assert library.search("submarine").fitting == 0
        assert library.search("red heart", offset=5).fitting == 1
        exact = library.search(Question(match="4711-B"))
        assert (exact.fitting, len(exact)) == (2, 2)
        assert exact.some_words is not None
        assert exact.some_words.nowhere == ()
        nothing = library.search(Question(match="qqqq zebra"))
        assert nothing.some_words == SomeWords(photos=1, nowhere=("qqqq",))
        assert [hit.record.relative_path for hit in nothing] == ["DSC00012.png"]
        assert library.search(Question(order="newest")).fitting is None


def test_too_few_photos_do_not_tell_what_fits(command: Command, album: Path) -> None:
    command.run("ingest", album)
    assert {line["fits"] for line in command.run("query", "cat", "--json").json_lines} == {None}
    assert "nearest" not in command.run("query", "cat").stdout
