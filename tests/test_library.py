"""The library as a Python program uses it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import imgsearch
from imgsearch.errors import UsageError
from imgsearch.question import Filter, Folder, Near, Question, Term
from tests.command import Command


@pytest.fixture
def filled(command: Command, demo_photos: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index of the demo's pictures, and this process's places set to the command's."""
    index = command.home / "index"
    command.run("--index", index, "ingest", demo_photos)
    for name, value in command.env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(command.home)
    return index


def test_three_lines_find_a_picture(filled: Path, command: Command) -> None:
    with imgsearch.open(filled) as library:
        found = [(hit.path, round(hit.score, 4)) for hit in library.search("green recycle", k=5)]
    told = command.run("--index", filled, "query", "green recycle", "-k", "5", "--json").json_lines
    assert found == [(Path(each["path"]), round(each["score"], 4)) for each in told]
    assert all(path.is_file() for path, _ in found if path is not None)


def test_similar_leaves_out_the_photo_itself(filled: Path) -> None:
    with imgsearch.open(filled) as library:
        first = library.search("red heart", k=1)[0]
        assert first.path is not None
        found = library.similar(first.path, k=3)
        assert len(found) == 3
        assert first.record.id not in {hit.record.id for hit in found}


def test_pages_follow_each_other(filled: Path) -> None:
    with imgsearch.open(filled) as library:
        whole = [hit.record.id for hit in library.search("animal", k=30)]
        pages = [
            hit
            for offset in (0, 10, 20)
            for hit in library.search(Question.of("animal", k=10, offset=offset))
        ]
    assert [hit.record.id for hit in pages] == whole
    assert [hit.rank for hit in pages] == list(range(1, 31))


def test_errors_carry_what_happened_and_what_to_do(filled: Path, tmp_path: Path) -> None:
    with pytest.raises(imgsearch.ImgsearchError) as caught:
        imgsearch.open(tmp_path / "nowhere")
    assert caught.value.message
    assert caught.value.cure
    with imgsearch.open(filled) as library, pytest.raises(imgsearch.ImgsearchError):
        library.search("   ")


def test_a_closed_library_says_so(filled: Path) -> None:
    with imgsearch.open(filled) as library:
        record = library.search("red heart", k=1)[0].record
    library.close()
    calls: list[Callable[[], object]] = [
        *(lambda: library.search("x"), lambda: library.similar(record.id), library.count),
        *(lambda: library.embed_text("x"), lambda: library.understand("x"), library.status),
        *(lambda: library.record(record.id), lambda: library.location(record), library.browse),
        *(library.facets, library.duplicates, lambda: library.folder("x"), library.ingest),
        *(lambda: library.remove([record.id]), lambda: library.locked().__enter__()),
        *(lambda: library.stored(record.id), library.sample, library.text_choice),
    ]
    for call in calls:
        with pytest.raises(UsageError, match=r"This library is closed\."):
            call()


def test_a_field_or_a_value_that_cannot_be_has_its_sentence(filled: Path) -> None:
    wrong: list[tuple[dict[str, object], str]] = [
        ({"filtr": 1}, "Did you mean 'filter'?"),
        ({"qqqq": 1}, "min_score"),
        ({"k": 0}, "leave it out"),
        ({"k": "5"}, "leave it out"),
        ({"offset": -1}, "leave it out"),
        ({"order": "best"}, "newest"),
        ({"filter": 1}, "Filter"),
    ]
    with imgsearch.open(filled) as library:
        for others, cure in wrong:
            with pytest.raises(UsageError) as raised:
                library.search("red heart", **others)
            assert cure in raised.value.cure
            assert next(iter(others)) in raised.value.message


def test_importing_changes_nothing_in_the_process(command: Command) -> None:
    program = (
        "import json, os, sys\n"
        "before = dict(os.environ)\n"
        "import imgsearch\n"
        "from imgsearch import Library, Question, Filter, Hit\n"
        "print(json.dumps([before == dict(os.environ), sorted({n.split('.')[0] for n in"
        " sys.modules} & {'torch', 'typer', 'rich', 'PIL', 'openvino', 'elasticsearch'})]))\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        env=command.env(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(finished.stdout) == [True, []]


def test_many_threads_search_one_library(filled: Path) -> None:
    questions = ["green recycle", "red heart", "endless road", "European E"]
    with imgsearch.open(filled) as library:
        expected = {words: [h.record.id for h in library.search(words)] for words in questions}
        wrong: list[object] = []

        def ask(turn: int) -> None:
            for n in range(25):
                words = questions[(turn + n) % len(questions)]
                try:
                    found = [hit.record.id for hit in library.search(words)]
                except Exception as error:  # noqa: BLE001 - any is what this test is about
                    wrong.append(error)
                    return
                if found != expected[words]:
                    wrong.append((words, found))

        threads = [threading.Thread(target=ask, args=(turn,)) for turn in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


# -- questions as addresses


QUESTIONS = [
    Question(),
    Question.of("beach at sunset"),
    Question.of("5:30 train * @ & = ? # %", k=20, offset=40, order="newest", min_score=0.25),
    Question(
        terms=(
            Term(words="film grain", weight=0.5),
            Term(photo="ab" * 16, weight=-0.5),
            Term(picture="/x y/é.jpg", box=(1, 2, 30, 40)),
        ),
        only_fitting=True,
        fold=False,
        exclude=("ab" * 16, "cd" * 16),
    ),
    Question(
        filter=Filter(
            under=(Folder("a/b%", "c/d"), Folder("z"), Folder(None, "x")),
            not_under=(Folder("z", "private"),),
            near=Near(38.7, -9.1, 25.0),
            tags=("sea", "a,b"),
            camera=("Canon EOS R5",),
            undated=True,
            min_rating=3,
            min_megapixels=1.5,
            orientation="portrait",
            country="PT",
        )
    ),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=range(len(QUESTIONS)))
def test_a_question_becomes_an_address_and_comes_back(question: Question) -> None:
    assert Question.from_address(question.to_address()) == question


@pytest.mark.parametrize(
    "address",
    [
        *("k=0", "k=x", "q*nan=x", "pic@1,2=x", "near=1,2", "near=91,0,1", "taken_from=2019-13-01"),
        *(
            "order=up",
            "orientation=square2",
            "undated=maybe",
            "min_rating=0",
            "min_score=inf",
            "max_megapixels=-1",
        ),
    ],
)
def test_an_address_that_cannot_be_read_says_which_value(address: str) -> None:
    with pytest.raises(imgsearch.ImgsearchError) as caught:
        Question.from_address(address)
    assert address.split("=")[0].partition("*")[0].partition("@")[0] in caught.value.message
