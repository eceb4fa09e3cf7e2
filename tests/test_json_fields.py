"""What the guides promise to scripts: exit codes, and every field of --json."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from imgsearch.cli.commands import setup_model
from imgsearch.index.elasticsearch.text_model.setup import Arranged
from imgsearch.index.elasticsearch.text_model.state import Deployment
from tests.command import Command

GUIDES = Path(__file__).parent.parent / "imgsearch" / "guides"
TYPES = {
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "text": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "date": lambda value: datetime.fromisoformat(value).tzinfo is not None,
    "any": lambda value: True,
}


def _documented(command: str) -> dict[str, str]:
    """The fields of a command's answer, and the type of each."""
    page = (GUIDES / "reference" / "json.md").read_text("utf-8")
    section = page.partition(f"## imgsearch {command} --json\n")[2]
    rows = re.findall(r"^\| `(.*?)` \| (.*?) \|", section.partition("\n## ")[0], re.MULTILINE)
    assert rows
    return dict(rows)


def _fields(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is neither an object nor a list, by its path in the guide's form."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _fields(inner, f"{path}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for inner in value:
            yield from _fields(inner, f"{path}[]")
    else:
        yield path, value


def _check(command: str, *answers: Any, but: set[str] | None = None) -> None:
    """Each field of the answers is documented with its type, and each that is documented is in one
    of the answers, except `but`."""
    documented = _documented(command)
    forms = {name: re.compile(re.escape(name).replace(r"\*", "[^.]+")) for name in documented}
    met = set()
    for path, value in _fields(list(answers)):
        path = path.removeprefix("[].")
        names = [name for name, form in forms.items() if form.fullmatch(path)]
        assert names, f"{path} is not documented"
        right = [name for name in names if _is(value, documented[name])]
        assert right, f"{path}: {value!r} is not {documented[names[0]]}"
        met.update(right)
    assert set(documented) - met == (but or set())


def _is(value: Any, types: str) -> bool:
    return any(TYPES[each](value) for each in types.split(" or "))


@pytest.fixture(scope="module")
def filled(
    tmp_path_factory: pytest.TempPathFactory, demo_photos: Path, new_cache: Callable[[], Path]
) -> Command:
    """A home with an index of six pictures, two of them alike, and a damaged one."""
    home = tmp_path_factory.mktemp("home")
    (home / "icons").mkdir()
    for photo in sorted(demo_photos.rglob("*.png"))[:5]:
        shutil.copy(photo, home / "icons")
    shutil.copy(photo, home / "icons" / "copy.png")
    (home / "icons" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return Command(home, new_cache(), {"IMGSEARCH_MODEL": "demo"})


def test_fields_of_ingest_and_status(filled: Command) -> None:
    before = filled.run("status", "--json").json
    answer = filled.run("ingest", "icons", "--json").json
    _check("ingest", answer, but={f"incomplete[].{key}" for key in answer["skipped"][0]})
    assert datetime.fromisoformat(answer["finished"]) <= datetime.now().astimezone()
    (filled.home / ".env").write_text("ES_URL=http://127.0.0.1:9\n")
    withheld = filled.run("status", "--json").json
    (filled.home / ".env").unlink()
    away = filled.run("--index", "http://127.0.0.1:9/x", "status", "--json", code=1).json
    parts = ("parts.*.photos", "parts.*.parts", "libraries[].parts[]")  # see test_regions
    names = ("pictures", "centred", "worst", "overlap", "mixed", "speed", "passed")
    int8 = {f"index.int8_trial.{name}" for name in names}  # see test_int8
    _check("status", before, withheld, away, but={"libraries[].exclude[]", *parts, *int8})


def test_fields_of_query(filled: Command) -> None:
    filled.run("ingest", "icons")
    words = filled.run("query", "--from-file", "-", "--json", "--fold", input=b"heart\n")
    fitting = filled.run("query", "heart", "--only-fitting", "--json", code=None)
    filtered = filled.run("query", "--format", "PNG", "--json")
    answers = [words.json_lines, fitting.json_lines, filtered.json_lines]
    _check(
        "query", *(line for lines in answers for line in lines), but={"tags[]", "why[]", "box[]"}
    )


def test_fields_of_doctor(filled: Command) -> None:
    _check("doctor", filled.run("doctor", "--json", code=None).json)


def test_fields_of_copy_and_remove(filled: Command, tmp_path: Path) -> None:
    filled.run("ingest", "icons")
    target = tmp_path / "copy"
    answer = filled.run("copy", "default", target, "--json").json
    _check("copy", answer, but={"refused[].id", "refused[].reason"})
    removed = filled.run("--index", target, "remove", "icons", "-y", "--json").json
    _check("remove", removed, but={"copies[].id", "copies[].relative_path"})  # all are gone


def test_fields_of_models(filled: Command) -> None:
    _check("models", *filled.run("models", "--json").json)


def test_fields_of_setup_model(filled: Command) -> None:
    here = filled.run("setup-model", "--json").json
    deployment = Deployment("demo", "started", 1, 1, 1, "normal", "")
    arranged = Arranged("demo", deployment, 0.99, ("uploaded",), 7, {"upload": 1})
    there = here | {"cluster": setup_model.as_dict_there(arranged, "http://host:9200")}
    _check("setup-model", here, there)


# -- exit codes


def test_the_guide_lists_the_exit_codes() -> None:
    section = (
        (GUIDES / "scripts.md")
        .read_text("utf-8")
        .partition("## Exit codes\n")[2]
        .partition("\n## ")[0]
    )
    codes = [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)]
    assert codes == [0, 1, 2, 3, 130]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["query", "heart"], 0),
        (["query", "heart", "--min-score", "1"], 0),  # nothing found is no failure
        (["similar", "nowhere.png"], 1),
        (["ingest", "icons", "--strict"], 1),
        (["--index", "none-yet", "query", "heart"], 1),
        (["query", "heart", "-k", "none"], 2),
        (["query", "--no-such-option"], 2),
        (["no-such-command"], 2),
        ([], 2),
        (["ingest", ""], 2),
        (["--version"], 0),
        (["ingest", "--help"], 0),
    ],
)
def test_exit_codes(filled: Command, words: list[str], code: int) -> None:
    filled.run("ingest", "icons")
    answer = filled.run(*words, code=code)
    assert answer.stderr.strip() or code == 0


def test_no_is_an_answer_and_no_failure(filled: Command) -> None:
    filled.run("ingest", "icons")
    assert "Nothing was removed" in filled.run("remove", "icons", input=b"n\n").stderr


def test_ctrl_c_is_130(filled: Command) -> None:
    began = time.monotonic()
    filled.run("ingest", "icons")
    start = time.monotonic() - began  # on a busy machine, long
    process = filled.start(
        "query", "--from-file", "-", stdin=subprocess.PIPE
    )  # waits for questions
    time.sleep(1 + 2 * start)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == b""
    assert err == b"Interrupted.\n"


def test_ctrl_c_at_a_question_is_130(filled: Command) -> None:
    filled.run("ingest", "icons")
    process = filled.start("remove", "icons", stdin=subprocess.PIPE)
    assert process.stderr is not None
    asked = process.stderr.read(len("Remove"))  # the question has begun
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert asked == b"Remove"
    assert process.returncode == 130
    assert err.endswith(b"Interrupted.\n")
