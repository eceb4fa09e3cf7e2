"""Questions of several parts: words, pictures, weights, filters, many questions at once."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import imgsearch
from imgsearch import demo
from imgsearch.errors import UsageError
from imgsearch.output.results_table import Page, table_lines
from imgsearch.question import Filter, Question, Term
from imgsearch.search import combined_terms, cut_off
from imgsearch.search.understanding import told
from tests import fitting as fitting_figures
from tests import mixtures
from tests.command import Command
from tests.index_contract import vector

CONCEPTS = json.loads((demo.PHOTOS.parent / "photos.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def searched(
    tmp_path_factory: pytest.TempPathFactory, model_cache: Path, demo_photos: Path
) -> Command:
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(demo_photos, home / "icons")
    command = Command(home, model_cache, {"IMGSEARCH_MODEL": "demo"})
    command.run("ingest", "icons")
    return command


@pytest.fixture
def library(searched: Command, monkeypatch: pytest.MonkeyPatch) -> imgsearch.Library:
    for name, value in searched.env().items():
        monkeypatch.setenv(name, value)
    return imgsearch.open()


def photo_of(concept: str) -> str:
    return next(path for path, shown in CONCEPTS.items() if shown == concept)


def concepts(answer: list[dict[str, str]]) -> list[str]:
    return [CONCEPTS[line["relative_path"]] for line in answer]


# -- several terms


def test_a_picture_takes_on_what_words_say(searched: Command) -> None:
    like = searched.home / "icons" / photo_of("heart-blue")
    found = searched.run("query", "green", "--like", like, "-k", "1", "--json").json_lines
    assert concepts(found) == ["heart-green"]
    plus = searched.run("similar", like, "--plus", "green", "-k", "1", "--json").json_lines
    assert concepts(plus) == ["heart-green"]


def test_minus_drives_away_and_plus_draws_near(searched: Command) -> None:
    def best(*options: str) -> list[str]:
        return concepts(searched.run("query", *options, "-k", "1", "--json").json_lines)

    assert best("heart", "--plus", "blue") == ["heart-blue"]
    assert best("heart", "--plus", "2:red", "--minus", "blue") == ["heart-red"]
    assert best("red heart", "--minus", "3:red") != ["heart-red"]


def test_several_pictures_are_left_out_themselves(searched: Command) -> None:
    pair = [photo_of("heart-blue"), photo_of("heart-red")]
    found = searched.run("similar", *pair, "-k", "3", "--json").json_lines
    assert not {line["relative_path"] for line in found} & set(pair)
    assert all(shown.startswith("heart") for shown in concepts(found)[:2])


def test_one_term_is_answered_as_ever(library: imgsearch.Library) -> None:
    plain = library.search("green recycle", k=20)
    heavy = library.search(Question(terms=(Term(words="green recycle", weight=3.0),), k=20))
    own = library.index.search(library.embed_text("green recycle"), 20)
    as_ever = [(each.record.id, each.score) for each in own]
    assert [(hit.record.id, hit.score) for hit in plain] == as_ever
    assert [(hit.record.id, hit.score) for hit in heavy] == as_ever


def test_a_part_of_a_picture_is_asked_for(library: imgsearch.Library, tmp_path: Path) -> None:
    from PIL import Image

    both = Image.new("RGB", (600, 300), "white")
    for place, concept in enumerate(("heart-red", "heart-green")):
        with Image.open(demo.PHOTOS / photo_of(concept)) as image:
            both.paste(image.convert("RGB").resize((300, 300)), (300 * place, 0))
    both.save(tmp_path / "both.png")
    for left, concept in ((0, "heart-red"), (300, "heart-green")):
        term = Term(picture=str(tmp_path / "both.png"), box=(left, 0, 300, 300))
        [hit] = library.search(Question(terms=(term,), k=1))
        assert CONCEPTS[hit.record.relative_path] == concept
    outside = Term(picture=str(tmp_path / "both.png"), box=(600, 0, 10, 10))
    with pytest.raises(imgsearch.ImgsearchError, match="600 x 300"):
        library.search(Question(terms=(outside,)))


def test_a_mixture_weighs_each_term_alike(library: imgsearch.Library) -> None:
    weighed, plain = mixtures.both_found(library, 150)
    assert weighed > plain + 0.02
    assert weighed > 0.8


def test_words_in_names_cost_no_recall(library: imgsearch.Library) -> None:
    """Names and folders of the demo's photos, "Unbenannt-11.png" in "Desktop", say nothing of what
    they show: to look for the words in them as well must not push the right photo away."""
    names = json.loads(mixtures.TEXTS.read_text("utf-8"))["names"]
    asked = [
        (concept, names[concept][tongue])
        for concept in sorted(set(CONCEPTS.values()))
        for tongue in ("en", "de")
        if tongue in names[concept]
    ]
    fused = plain = 0
    for concept, words in asked:
        vector = library.embed_text(words)
        [nearest] = library.index.search(vector, 1)
        [hit] = library.search(words, k=1, fold=False).hits
        plain += CONCEPTS[nearest.record.relative_path] == concept
        fused += CONCEPTS[hit.record.relative_path] == concept
    assert len(asked) > 200
    assert plain > 0.95 * len(asked)
    assert fused >= plain - 0.005 * len(
        asked
    )  # one: a folder is called as a thing that is asked for


def test_terms_of_unlike_spread_weigh_what_they_say() -> None:
    """Over a sample that spreads ten times as far along one axis as along another."""
    random = np.random.default_rng(1)
    spread = np.ones(32)
    spread[0], spread[1] = 10, 1
    sample = (random.standard_normal((2000, 32)) * spread).astype(np.float32)
    axes = np.eye(32, dtype=np.float32)
    found = combined_terms.combined([axes[0], axes[1]], [1, 1], sample)
    assert found[1] / found[0] == pytest.approx(10, rel=0.1)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("size", [0, 3, 100])
def test_terms_that_cancel_each_other_are_refused(size: int) -> None:
    sample = np.array([vector(seed) for seed in range(size)], np.float32).reshape(size, 32)
    with pytest.raises(UsageError, match="cancel"):
        combined_terms.combined([vector(1), vector(1)], [2, -2], sample)


# -- the sample that terms are weighed by


def test_the_sample_is_kept_and_drawn_again_when_the_index_has_grown(
    command: Command, album: Path, demo_photos: Path
) -> None:
    def kept() -> list[tuple[str, int]]:
        found = (command.cache / "imgsearch" / "samples").glob("*.npy")
        return sorted((file.name, file.stat().st_mtime_ns) for file in found)

    others = kept()  # of other tests
    command.run("ingest", album)
    command.run("query", "cat", "--minus", "dog")
    [first] = set(kept()) - set(others)
    command.run("query", "cat", "--minus", "dog")
    assert set(kept()) - set(others) == {first}
    command.run("ingest", demo_photos)
    command.run("query", "cat", "--minus", "dog")
    [second] = set(kept()) - set(others)
    assert second != first
    file = command.cache / "imgsearch" / "samples" / second[0]
    assert np.load(file).shape[0] == 8 + len(CONCEPTS)
    file.write_bytes(b"damaged")
    answer = command.run("query", "cat", "--minus", "dog", "--json").json_lines
    assert answer
    assert np.load(file).shape[0] == 8 + len(CONCEPTS)


# -- options


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--plus", "0:red"), "weight of “red” is 0"),
        (("--minus", "heart"), "cancel each other"),
        (("--like", "nowhere.jpg"), "no file 'nowhere.jpg'"),
        (("--from", "2019-13"), "--from: '2019-13' is not a date"),
        (("--to", "yesterday"), "--to: 'yesterday' is not a date"),
        (("--on", "2019-02-30"), "--on: '2019-02-30' is not a date"),
        (("--from", "2020", "--to", "2019"), "--from 2020 is later than --to 2019"),
        (("--on", "2020", "--to", "2019"), "--on goes without"),
        (("--undated", "--on", "2019"), "--undated"),
        (("--in", "Florense"), "Did you mean Florence?"),
        (("--in", "qqqqqqqqqq"), "no place 'qqqqqqqqqq'"),
        (("--within", "5"), "--within goes with --near"),
        (("--near", "91,0"), "'91,0' are no coordinates"),
        (("--near", "1,2", "--within", "0"), "'0' is not a distance"),
        (("--near", "Italy"), "Italy is a country"),
        (("--orientation", "round"), "'round' is not one of landscape, portrait, square"),
        (("--rating", "6"), "6"),
        (("--from-file", "x"), "--from-file goes without a text"),
        (("--from-file", "-", "--like", "-"), "would both read stdin"),
    ],
)
def test_a_value_that_cannot_be_has_its_sentence(
    searched: Command, options: tuple[str, ...], said: str
) -> None:
    answer = searched.run("query", "heart", *options, code=None)
    assert answer.returncode in (1, 2)
    assert said in answer.stderr
    assert not answer.stdout


@pytest.mark.parametrize(
    ("options", "title"),
    [
        (("heart", "--minus", "blue"), "“heart” without “blue”"),
        (
            ("heart", "--under", "icons", "--orientation", "square"),
            "“heart”, in the folder icons, square",
        ),
        (("--orientation", "square", "-k", "3"), f"square: 3 of {len(CONCEPTS)}"),
    ],
)
def test_the_title_says_all_that_is_asked_for(
    searched: Command, options: tuple[str, ...], title: str
) -> None:
    assert searched.run("query", *options, "--no-fold").stdout.splitlines()[0] == title


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--in", "Florence"), "no photo was taken in Florence, Italy."),
        (("--on", "2019-07", "--in", "Italy"), "no photo was taken in July 2019 in Italy."),
        (("--tag", "a\x1bb"), "no photo has all of this: tagged “a\\x1bb”."),
        (("--min-score", "1"), "with a score of 1 or more"),
    ],
)
def test_nothing_found_says_what_no_photo_has(
    searched: Command, options: tuple[str, ...], said: str
) -> None:
    answer = searched.run("query", "heart", *options)
    assert (answer.stdout, said in answer.stderr) == ("", True), answer.stderr


def test_an_unreadable_picture_has_its_sentence(searched: Command, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    answer = searched.run("query", "heart", "--like", tmp_path / "text.jpg", code=1)
    assert "not a picture" in answer.stderr


def test_a_picture_comes_from_stdin(searched: Command) -> None:
    picture = demo.PHOTOS / photo_of("heart-blue")
    code, out, _ = searched.run_bytes(
        "similar", "-", "-k", "1", "--json", input=picture.read_bytes()
    )
    assert code == 0
    assert concepts([json.loads(out)]) == ["heart-blue"]
    for given in (b"", b"no picture"):
        code, out, err = searched.run_bytes("similar", "-", input=given)
        assert (code, out) == (1, b"")
        assert b"Traceback" not in err


def test_many_questions_are_asked_at_once(searched: Command, tmp_path: Path) -> None:
    questions = tmp_path / "questions.txt"
    questions.write_text("\ufeffred heart\n\n  green recycle \r\nGrün\n", "utf-8")
    one = searched.run("query", "green recycle", "-k", "2", "--json").json_lines
    lines = searched.run("query", "--from-file", questions, "-k", "2", "--json").json_lines
    asked = [line.pop("question") for line in lines]
    assert asked == ["red heart"] * 2 + ["green recycle"] * 2 + ["Grün"] * 2
    assert lines[2:4] == one
    _, out, _ = searched.run_bytes(
        "query", "-", "-k", "1", "--csv", input=b"red heart\nGr\xc3\xbcn"
    )
    rows = list(csv.DictReader(io.StringIO(out.decode())))
    assert [row["question"] for row in rows] == ["red heart", "Grün"]
    answer = searched.run("query", "--from-file", tmp_path / "none.txt", code=2)
    assert "none.txt cannot be read" in answer.stderr


def test_help_shows_options_in_groups(searched: Command) -> None:
    help = searched.run("query", "--help").stdout
    headings = [line for line in help.splitlines() if line.endswith(":") and line[0] != " "]
    assert headings == [
        "Arguments:",
        "What to look for:",
        "Which photos:",
        "How many, and how they are shown:",
        "Index and models:",
        "Cluster:",
        "Trust:",
        "Options:",
    ]


# -- what fits


def test_what_fits_is_told_from_what_is_only_nearest(library: imgsearch.Library) -> None:
    told = fitting_figures.figures(library, every=5)
    assert told.f1 >= 0.85
    assert told.nothing_fits >= 0.95


def test_only_what_fits_is_shown(searched: Command) -> None:
    found = searched.run("query", "red heart", "--only-fitting", "--json").json_lines
    assert concepts(found) == ["heart-red"]
    answer = searched.run("query", "submarine", "--only-fitting", code=1)
    assert not answer.stdout
    assert "Nothing fits" in answer.stderr
    assert " %" in searched.run("query", "red heart", "--only-fitting").stdout


def test_a_near_copy_fits_whatever_chance_says(
    library: imgsearch.Library, demo_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    high = cut_off.Chance(photos=1000, share=0.1, start=0.9, fall=0.05)
    assert high.line > 1
    monkeypatch.setattr(cut_off, "chance", lambda *given: high)
    name = next(iter(CONCEPTS))
    with Image.open(demo_photos / name) as whole:
        whole.resize((whole.width // 2, whole.height // 2)).save(tmp_path / "half.png")
    found = library.similar(tmp_path / "half.png")
    assert (found[0].record.relative_path, found[0].fits, found[0].why) == (name, True, ("fit",))
    assert found.fitting == sum((hit.score or 0) >= 0.95 for hit in found) < len(found)
    head, first, *others = table_lines(found, None, Page(80, False))
    assert head.split() == ["rank", "score", "surprise", "why", "path"]
    assert "near copy" in first
    assert "near copy" not in others[-1]
    assert library.search("qqq").fitting == 0
    mixed = library.like(tmp_path / "half.png")
    assert library.search(replace(mixed, terms=(*mixed.terms, Term(words="qqq")))).fitting == 0


def test_the_surprise_of_what_does_not_fit_is_below_the_lines(library: imgsearch.Library) -> None:
    found = library.search("red heart", k=2)
    least = cut_off.LEAST_SURPRISE
    fitted = replace(found[0], surprise=least, fits=True)
    other = replace(found[1], surprise=least - 1e-6, fits=False)
    named = replace(found[1], surprise=None, fits=True, why=("name",))
    table = "\n".join(
        table_lines(replace(found, hits=(named, fitted, other)), None, Page(80, False))
    )
    assert re.findall(r"\d+ %", table) == ["95 %", "94 %"]
    assert [line.split()[2] for line in table.splitlines()[:2]] == ["surprise", "name"]


def test_several_that_fit_are_not_taken_for_chance(searched: Command) -> None:
    """What the demo asks: all pictures of a kind fit, and what is like them does not."""
    for words, count in (("green recycle", 4), ("European E", 5)):
        assert len(searched.run("query", words, "--only-fitting", "--json").json_lines) == count


def test_the_line_stays_where_some_of_the_sample_match() -> None:
    random = np.random.default_rng(2)
    axis = np.eye(2, dtype=np.float32)[0]
    for size, matches in ((119, 12), (500, 12), (2000, 15)):
        heights = random.exponential(0.05, size).astype(np.float32)
        with_matches = np.concatenate([heights[matches:], np.full(matches, 0.95, np.float32)])
        chance = cut_off.chance(axis, np.stack([with_matches, 0 * with_matches], 1), size)
        assert chance is not None
        assert chance.line < 0.95


def test_too_few_photos_tell_what_their_words_say(command: Command, album: Path) -> None:
    """What has the words is shown in an index of any size; for what only vectors could tell, the
    question is named, and the others are answered."""
    command.run("ingest", album)
    assert "few photos" in command.run("query", "cat", "--only-fitting", code=1).stderr
    for asked, code in ((b"\ncat\nmoon\ndog\n", 1), (b"moon\n", 0)):
        answer = command.run(
            "query",
            "--from-file",
            "-",
            "-k",
            "1",
            "--only-fitting",
            "--json",
            input=asked,
            code=code,
        )
        assert [(hit["question"], hit["name"]) for hit in answer.json_lines] == [
            ("moon", "moon.png")
        ]
        said = [line for line in answer.stderr.splitlines() if "few photos" in line]
        assert [line.partition(":")[0] for line in said] == ["Line 2, “cat”", "Line 4, “dog”"][
            : 2 * code
        ]


def test_chance_means_the_same_at_every_size() -> None:
    """Scores that fall off exponentially: at the line, a twentieth of a photo is expected."""
    random = np.random.default_rng(1)
    heights = random.exponential(0.05, 2000).astype(np.float32)
    axis = np.eye(2, dtype=np.float32)[0]
    sample = np.stack([heights, np.zeros_like(heights)], axis=1)
    for photos in (1000, 100_000):
        chance = cut_off.chance(axis, sample, photos)
        assert chance is not None
        assert chance.hits(chance.line) == pytest.approx(0.05)
        assert photos * np.exp(-chance.line / 0.05) == pytest.approx(0.05, rel=1.5)
        assert chance.surprise(chance.line) == pytest.approx(0.95, abs=0.01)


# -- words that are understood, and orders by date


VIENNA = {1: "N", 2: (48.0, 12.0, 30.0), 3: "E", 4: (16.0, 22.0, 26.0)}  # GPS of EXIF


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Command:
    """Hearts and an arrow, from Vienna, of 2018 and 2019, and one without a date."""
    from PIL import ExifTags, Image

    home = tmp_path_factory.mktemp("dated")
    (home / "trip").mkdir()
    for name, concept, taken in (
        ("a", "heart-red", "2019:07:14 10:00:00"),
        ("b", "heart-blue", "2018:12:24 10:00:00"),
        ("c", "heart-green", "2019:08:01 10:00:00"),
        ("d", "arrow-black", "2019:07:20 10:00:00"),
        ("e", "heart-black", None),
    ):
        with Image.open(demo.PHOTOS / photo_of(concept)) as image:
            exif = Image.Exif()
            if taken is not None:
                exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
            if name == "d":
                exif.get_ifd(ExifTags.IFD.GPSInfo).update(VIENNA)
            image.convert("RGB").save(home / "trip" / f"{name}.jpg", exif=exif)
    command = Command(home, model_cache, {"IMGSEARCH_MODEL": "demo"})
    command.run("ingest", "trip")
    return command


def names(command: Command, *arguments: str) -> list[str]:
    lines = command.run("query", *arguments, "--json").json_lines
    return [line["name"].removesuffix(".jpg") for line in lines]


def test_a_date_in_the_words_becomes_a_filter(dated: Command) -> None:
    answer = dated.run("query", "heart july 2019", "--json")
    assert {line["name"] for line in answer.json_lines} == {"a.jpg", "d.jpg"}
    assert answer.json_lines[0]["name"] == "a.jpg"
    assert "Understood: “heart”, taken in July 2019; --literal" in answer.stderr
    literal = dated.run("query", "heart july 2019", "--literal", "--json")
    assert len(literal.json_lines) == 5
    assert "Understood" not in literal.stderr
    # no photo is of that year, and a date that the options give is not taken from the words
    assert "Understood" not in dated.run("query", "heart in 1998", "--json").stderr
    assert names(dated, "heart in 2019", "--on", "2018") == ["b"]


def test_a_place_that_stays_a_word_is_told(dated: Command) -> None:
    told = "“Wien” is searched as a word; --in Wien for photos taken there"
    assert names(dated, "--in", "Wien") == ["d"]
    assert told in dated.run("query", "Wien", "--json").stderr
    assert told in dated.run("query", "Hochzeit Wien", "--json").stderr
    for others in (
        ["Nice"],
        ["Wien", "--literal"],
        ["Wien", "--in", "Wien"],
        ["heart", "--plus", "Wien"],
    ):
        assert "as a word" not in dated.run("query", *others, "--json").stderr


def test_a_date_alone_shows_its_photos_newest_first(dated: Command) -> None:
    assert names(dated, "2019") == ["c", "d", "a"]
    assert names(dated, "--on", "2019") == ["c", "d", "a"]
    assert names(dated, "--from", "2018-12", "--to", "2019-07-14", "--sort", "oldest") == ["b", "a"]
    assert names(dated, "--sort", "newest", "-k", "2", "--offset", "1") == ["d", "a"]
    assert names(dated, "--undated") == ["e"]
    shown = dated.run("query", "2019").stdout.splitlines()
    assert shown[1].split() == ["rank", "date", "path"]


def test_photos_that_fit_are_brought_into_the_order_of_their_dates(dated: Command) -> None:
    assert names(dated, "heart", "--sort", "newest") == ["c", "d", "a", "b", "e"]
    assert names(dated, "heart", "--sort", "oldest") == ["b", "a", "d", "c", "e"]
    pages = [names(dated, "heart", "--sort", "oldest", "-k", "2", "--offset", n) for n in "024"]
    assert pages == [["b", "a"], ["d", "c"], ["e"]]


def test_a_plain_question_asks_no_gazetteer(searched: Command) -> None:
    program = (
        "import sys\nfrom imgsearch.__main__ import main\n"
        "sys.argv = ['imgsearch', 'query', 'red heart in Italy 2019']\n"
        "try:\n    main()\nfinally:\n"
        "    print(sorted({'imgsearch.gazetteer', 'imgsearch.phrases'} & set(sys.modules)))\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        env=searched.env(),
        cwd=searched.home,
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.splitlines()[-1] == "[]"


def test_a_line_is_understood_from_python(dated: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    day = date(2026, 3, 1)
    question = imgsearch.understand("beach 2019 Italy", today=day)
    assert question.text == "beach"
    assert question.filter == Filter(
        taken_from=date(2019, 1, 1), taken_to=date(2019, 12, 31), country="IT"
    )
    assert imgsearch.understand("route 66", today=day) == Question.of("route 66")
    kept = imgsearch.understand("beach 2019", today=day, evidence=lambda asked: False)
    assert kept == Question.of("beach 2019")
    assert imgsearch.understand("2019", today=day).terms == ()
    for name, value in dated.env().items():
        monkeypatch.setenv(name, value)
    with imgsearch.open() as opened:
        assert opened.understand("heart 2019").filter.taken_to == date(2019, 12, 31)
        assert opened.understand("heart 1999") == Question.of("heart 1999")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("beach 2019", "“beach”, taken in 2019"),
        ("beach in July 2019", "“beach”, taken in July 2019"),
        ("Lisbon", "in Lisbon, Portugal"),
        ("sunset in Italy", "“sunset”, in Italy"),
        ("14 July 2019", "taken on 2019-07-14"),
        ("dog", ""),
    ],
)
def test_what_was_understood_is_told(line: str, said: str) -> None:
    assert told(imgsearch.understand(line, today=date(2026, 3, 1))) == said


# -- copies of one file


def test_copies_of_one_file_are_folded(command: Command, album: Path) -> None:
    for number in range(12):
        shutil.copy(album / "moon.png", album / f"moon copy {number}.png")
    shutil.copy(album / "grass.png", album / "lawn.png")
    command.run("ingest", album)
    question = ("query", "moon", "-k", "3", "--json")
    lines = command.run(*question).json_lines
    assert len(lines) == 3
    copies = {line["name"].partition(" ")[0]: line.get("copies", 0) for line in lines}
    pages = [
        command.run(*question[:3], "1", *question[4:], "--offset", n).json_lines for n in "012"
    ]
    assert [line["id"] for page in pages for line in page] == [line["id"] for line in lines]
    whole = command.run("query", "moon", "-k", "99", "--json").json_lines
    assert len(whole) == 8
    assert sum(line.get("copies", 0) for line in whole) == 13
    assert {line.get("copies", 0) for line in whole} == {0, 1, 12}
    assert set(copies.values()) <= {0, 1, 12}
    assert len(command.run("query", "moon", "-k", "99", "--no-fold", "--json").json_lines) == 21
    assert " +12" in command.run("query", "moon", "-k", "99").stdout
    by_date = command.run("query", "--sort", "newest", "-k", "99", "--json").json_lines
    assert {line["id"] for line in by_date} == {line["id"] for line in whole}
