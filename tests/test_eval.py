"""`imgsearch eval`: the figures against ones computed by hand, and bad lists of questions."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgsearch.index.base import Neighbour
from imgsearch.question import Question
from imgsearch.results import Hit, Results
from imgsearch.search import evaluation
from tests.command import Command
from tests.index_contract import IndexFactory, filled, record, row
from tests.test_index_contract import local_factory


def hit(rank: int, name: str, fits: bool | None) -> Hit:
    return Hit(rank=rank, score=0.5, record=record(name), raw_path=None, missing=False, fits=fits)


def results(names: str, fitting: int | None) -> Results:
    hits = [
        hit(rank, name, None if fitting is None else rank <= fitting)
        for rank, name in enumerate(names, start=1)
    ]
    return Results(question=Question(), hits=tuple(hits), fitting=fitting)


def test_figures_of_questions_are_those_of_the_books() -> None:
    found = {"one": results("abcdefghijkl", 3), "two": results("badc", 1), "none": results("x", 0)}
    truth = {"one": ["a", "f", "l"], "two": ["a"], "none": ["a"]}
    ids = {question: [record(name).id for name in names] for question, names in truth.items()}
    judged = evaluation.judged(ids, found.__getitem__)
    assert judged.questions == 3
    assert judged.recall == {
        1: pytest.approx((1 + 0 + 0) / 3),  # of one there are three: 1 of min(1, 3)
        5: pytest.approx((1 / 3 + 1 + 0) / 3),
        10: pytest.approx((2 / 3 + 1 + 0) / 3),
    }
    assert judged.mrr == pytest.approx((1 + 1 / 2 + 0) / 3)
    ideal = 1 + 1 / 1.5849625 + 1 / 2
    ndcg = ((1 + 1 / 2.8073549) / ideal + 1 / 1.5849625 + 0) / 3
    assert judged.ndcg == pytest.approx(ndcg)
    assert judged.fitting == 1
    assert judged.within_line == pytest.approx((1 / 3 + 0 + 0) / 3)


def test_no_line_is_told_where_none_can_be() -> None:
    judged = evaluation.judged({"one": [record("a").id]}, lambda question: results("a", None))
    assert (judged.fitting, judged.within_line) == (None, None)


@pytest.fixture
def index_factory(tmp_path: Path) -> object:
    yield from local_factory(tmp_path, None)


def test_an_exact_index_has_recall_1_and_a_wrong_one_less(
    index_factory: IndexFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = filled(index_factory, [row(f"{n}.jpg", n) for n in range(300)])
    exact = evaluation.exactness(index, 50, 10)
    assert (exact.photos, exact.questions, exact.k, exact.recall) == (300, 50, 10, 1.0)
    search = index.search

    def half(vector: object, k: int) -> list[Neighbour]:
        return search(vector, 2 * k)[::2]  # type: ignore[arg-type]

    monkeypatch.setattr(index, "search", half)
    assert evaluation.exactness(index, 50, 10).recall == pytest.approx(0.5)
    monkeypatch.undo()
    few = filled(index_factory, [row(f"{n}.jpg", n) for n in range(3)], "few")
    assert evaluation.exactness(few, 50, 10).recall == 1.0


def test_the_command(command: Command, album: Path, tmp_path: Path) -> None:
    command.run("ingest", album)
    table = tmp_path / "questions.csv"
    table.write_text(
        f"path,question,note\nmoon.png,moon,\n{album / 'grass.png'},grass,by its place on disk\n",
        "utf-8-sig",
    )
    told = command.run("eval", table, "--json").json
    assert told["index"]["recall"] == 1.0
    assert told["index"]["photos"] == 8
    assert told["questions"]["questions"] == 2
    assert set(told["questions"]["recall"]) == {"1", "5", "10"}
    assert 0 < told["questions"]["mrr"] <= 1
    with table.open("a") as more:
        more.write("nowhere.png,sea,\n,sun,\n")
    partly = command.run("eval", table, code=1)
    assert "On 2 questions" in partly.stdout
    assert "recall@10" in partly.stdout
    assert "MRR" in partly.stdout
    assert partly.stderr.splitlines()[-4:-1] == [
        "Not measured:",
        "  line 4: nowhere.png is not in the index",
        "  line 5: the path is missing",
    ]
    assert set(command.run("eval", "--json").json) == {"index"}


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_a_list_of_questions_as_spreadsheets_write_it(tmp_path: Path, between: str) -> None:
    table = tmp_path / "questions.csv"
    lines = [["note", "Question", "path"], ["", '"red; or, blue"', "a.jpg"], ["", "sea", "b.jpg"]]
    table.write_bytes("\r\n".join(map(between.join, lines)).encode("utf-8-sig"))
    found, bad = evaluation.read_questions(str(table), str.upper)
    assert (found, bad) == ({"red; or, blue": ["A.JPG"], "sea": ["B.JPG"]}, [])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        (b"", "no column question and path"),
        (b"question,file\na,b\n", "no column path"),
        (b"question,path\n", "holds no question"),
        (b"question,path\nmoon\n", "line 2: the path is missing"),
        (b"question,path\nmoon,nowhere.png\n", "line 2: nowhere.png"),
        (b"question,path\n\xff\xfe,moon.png\n", "is not UTF-8"),
        (b'question,path\n"moon' + b"x" * 200_000 + b'",moon.png\n', "line 2"),
    ],
)
def test_a_bad_list_of_questions_is_a_sentence(
    command: Command, album: Path, tmp_path: Path, content: bytes | None, said: str
) -> None:
    command.run("ingest", album)
    table = tmp_path / "questions.csv"
    if content is not None:
        table.write_bytes(content)
    done = command.run("eval", table, code=2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
