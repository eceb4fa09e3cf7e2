"""Questions of several parts: words, pictures, weights, filters, many questions at once."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import imgsearch
from imgsearch import demo, mixture
from imgsearch.errors import UsageError
from imgsearch.question import Question, Term
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


def test_terms_of_unlike_spread_weigh_what_they_say() -> None:
    """Over a sample that spreads ten times as far along one axis as along another."""
    random = np.random.default_rng(1)
    spread = np.ones(32)
    spread[0], spread[1] = 10, 1
    sample = (random.standard_normal((2000, 32)) * spread).astype(np.float32)
    axes = np.eye(32, dtype=np.float32)
    found = mixture.combined([axes[0], axes[1]], [1, 1], sample)
    assert found[1] / found[0] == pytest.approx(10, rel=0.1)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("size", [0, 3, 100])
def test_terms_that_cancel_each_other_are_refused(size: int) -> None:
    sample = np.array([vector(seed) for seed in range(size)], np.float32).reshape(size, 32)
    with pytest.raises(UsageError, match="cancel"):
        mixture.combined([vector(1), vector(1)], [2, -2], sample)


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
        (("--orientation", "round"), "'round' is none of landscape, portrait, square"),
        (("--rating", "6"), "6"),
        (("--from-file", "x"), "--from-file goes without a text"),
    ],
)
def test_a_value_that_cannot_be_has_its_sentence(
    searched: Command, options: tuple[str, ...], said: str
) -> None:
    answer = searched.run("query", "heart", *options, code=None)
    assert answer.returncode in (1, 2)
    assert said in answer.stderr
    assert not answer.stdout


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
        "Options:",
    ]
