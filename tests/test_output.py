"""Whatever a name, a reason or a stream is like, what a person sees is text, and what a program
reads is whole."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from imgsearch.escaping import is_safe, json_text, shown, shown_lines, typed_text
from tests.command import SCRIPT, Command
from tests.terminal import on_terminal

NAMES = [  # as a hostile archive could have them
    b"red\x1b[31m.png",
    b"title\x1b]0;owned\x07.png",
    b"line\rback.png",
    b"two\nlines.png",
    b"c1\xc2\x9b31m.png",
    b"c1\xc2\x9d0;x\xc2\x9c.png",
    "rlo\u202egnp.exe.png".encode(),
    "isolate\u2066x\u2069.png".encode(),
    b"markup [bold]x[alt] :smile:.png",
    b"=HYPERLINK(1).png",
    b"+1.png",
    b"-2.png",
    b"@x.png",
    b"\tx.png",
    b"caf\xe9.png",
    "narrow\u202fspace, wide\u3000space, no\xa0break.png".encode(),
    "family \U0001f468\u200d\U0001f469\u200d\U0001f467.png".encode(),
]
# what may move the cursor, set a title, turn the reading direction; SGR colours are Rich's own
SGR = re.compile(rb"\x1b\[[0-9;]*m")
CURSOR = re.compile(rb"\x1b\[[0-9]*[ABCDGJKhl]|\x1b\[\?25[hl]")
HARMFUL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)


def _harm(written: bytes) -> list[str]:
    """Characters that a terminal would obey, other than colours, the end of a line, and what the
    program itself asks a terminal before it draws pictures."""
    written = written.replace(b"\x1b[>q\x1b[16t\x1b[c", b"", 1)
    text = CURSOR.sub(b"", SGR.sub(b"", written)).replace(b"\r\n", b"\n").decode()
    return HARMFUL.findall(text) + re.findall("\r(?=.*owned|.*back)", text)


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, model_cache: Path, demo_photos: Path) -> Command:
    """A home whose index holds pictures with hostile names, in a library with markup."""
    home = tmp_path_factory.mktemp("home")
    folder = os.fsencode(home / "Fotos [alt]")
    os.mkdir(folder)
    source = sorted(demo_photos.rglob("*.png"))
    for number, name in enumerate(NAMES):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(source[number].read_bytes())
    command = Command(home, model_cache, {"IMGSEARCH_MODEL": "demo"})
    command.run("ingest", os.fsdecode(folder))
    return command


@pytest.mark.parametrize(
    "text",
    [*"\x1b\x07\r\n\t\x00\x7f\x9b\x9d\u202e\u2066\u200f\u2028\ufeff", "\ud800"],
)
def test_what_a_terminal_obeys_is_escaped(text: str) -> None:
    assert shown(f"a{text}b").isprintable()
    assert shown(f"a{text}b").startswith("a\\")
    assert not is_safe(text)


@pytest.mark.parametrize(
    "text",
    ["Straße 京都", "a\u202fb\u3000c\xa0d", "👨‍👩‍👧", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "می‌خواهم", "❤️", "[bold]", "\\x1b"],
)
def test_what_people_write_stays(text: str) -> None:
    assert shown(text) == text


def test_lines_stay_where_lines_are_meant() -> None:
    assert shown_lines("a\nb\x1b") == "a\nb\\x1b"


@pytest.mark.parametrize("text", ["\x9b", "\u202e", "\x7f", "é", "\n", "👨‍👩‍👧", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"])
def test_json_is_the_same_value_without_control_characters(text: str) -> None:
    for indent in (None, 2):
        written = json_text({"name": f"a{text}b"}, indent)
        assert json.loads(written) == {"name": f"a{text}b"}
        assert is_safe(written.replace("\n", ""))


def test_typed_bytes_that_are_not_utf8_are_read_as_windows_1252() -> None:
    assert typed_text(os.fsdecode(b"caf\xe9 \x80")) == "café €"
    assert typed_text(os.fsdecode(b"\x81")) == "\x81"
    assert typed_text("café") == "café"


COMMANDS = [
    ("query", "x\x1b[31m", "-k", "99"),
    ("query", "x", "-k", "99", "--csv"),
    ("query", "x", "-k", "99", "--paths"),
    ("query", "x", "-k", "99", "--json"),
    ("status", "-v"),
    ("status", "--json"),
    ("doctor",),
    ("similar", "no\x1b[31msuch\u202e.png"),
    ("query", "x", "--under", "no\x1b[31msuch"),
    ("remove", "no\x1b]0;owned\x07"),
    ("--no\x1b[31msuch", "query"),
    ("no\x1b[31msuch",),
    ("ingest", "no\x1b[31msuch"),
    ("ingest", "Fotos [alt]", "-vv"),
    ("query", "x", "--index", "./no\x1b[31msuch"),
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=map(repr, COMMANDS))
def test_a_terminal_gets_nothing_to_obey(odd: Command, arguments: tuple[str, ...]) -> None:
    env = {**odd.env(), "TERM": "xterm-256color"}
    code, written = on_terminal([SCRIPT, *arguments], env, odd.home)
    assert code in (0, 1, 2)
    assert written.strip()
    assert b"bug in imgsearch" not in written
    assert _harm(written) == []


def test_a_prompt_on_a_terminal_is_escaped(odd: Command) -> None:
    env = {**odd.env(), "TERM": "xterm-256color", "IMGSEARCH_INDEX": "./n\x1b[31m\u202ex"}
    on_terminal([SCRIPT, "ingest", "Fotos [alt]", "--limit", "1"], env, odd.home)
    code, written = on_terminal([SCRIPT, "remove", "Fotos [alt]"], env, odd.home, typed=b"n\n")
    assert b"n\\x1b[31m\\u202ex?" in written
    assert _harm(written) == []
    assert code == 0


def test_names_are_shown_as_people_know_them(odd: Command) -> None:
    table = odd.run("query", "x", "-k", "99").stdout
    for words in ("markup [bold]x[alt] :smile:", "red\\x1b[31m", "rlo\\u202egnp", "caf\\xe9"):
        assert words in table
    assert "narrow\u202fspace, wide\u3000space" in table
    assert "\U0001f468\u200d\U0001f469\u200d\U0001f467" in table
    assert "Fotos [alt]" in odd.run("status").stdout


def test_csv_holds_no_formulas_and_is_read_back_whole(odd: Command) -> None:
    _, out, _ = odd.run_bytes("query", "x", "-k", "99", "--csv")
    assert out.count(b"\r\n") == len(NAMES) + 1
    rows = list(csv.DictReader(io.StringIO(out.decode(), newline="")))
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "@"))]
    names = {row["name"] for row in rows}
    lines = odd.run("query", "x", "-k", "99", "--json").json_lines
    assert {name.removeprefix("'") for name in names} == {line["name"] for line in lines}
    guarded = {name for name in names if name.startswith("'")}
    assert guarded == {"'=HYPERLINK(1).png", "'+1.png", "'-2.png", "'@x.png", "'\tx.png"}


def test_paths_cannot_be_split_into_foreign_lines(odd: Command) -> None:
    code, out, err = odd.run_bytes("query", "x", "-k", "99", "--paths")
    assert code == 0
    assert {os.path.basename(line) for line in re.split(b"[\r\n]", out) if line} == {
        name for name in NAMES if b"\n" not in name and b"\r" not in name
    }
    assert b"2 photos left out" in err
    assert b"-0" in err
    _, out, _ = odd.run_bytes("query", "x", "-k", "99", "--paths", "-0")
    assert {os.path.basename(path) for path in out.split(b"\0") if path} == set(NAMES)


ENCODINGS = {
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LANG": "C"},
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_streams_of_other_encodings_get_everything(odd: Command, encoding: str) -> None:
    other = Command(odd.home, odd.cache, {**odd.environment, **ENCODINGS[encoding]})
    question = ("query", "x", "-k", "99")
    for form in ((), ("--csv",), ("--paths", "-0")):
        code, out, err = other.run_bytes(*question, *form)
        assert code == 0, err
        assert b"bug" not in err
        assert out.count(b".png") >= len(NAMES)
    _, out, _ = other.run_bytes(*question, "--json")
    assert [json.loads(line) for line in out.decode().splitlines()] == odd.run(
        *question, "--json"
    ).json_lines
    for command in (("status",), ("status", "--json"), ("doctor",), ("similar", "nö京都.png")):
        code, out, err = other.run_bytes(*command)
        assert code in (0, 1)
        assert b"bug in imgsearch" not in err


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams(odd: Command, demo_photos: Path, tmp_path: Path, closed: str) -> None:
    index = tmp_path / "index"
    script = f'"{SCRIPT}" --index "{index}" ingest "{demo_photos}" --limit 3 {closed}'
    subprocess.run(["sh", "-c", script], env=odd.env(), cwd=odd.home, check=True)
    found = odd.run("--index", index, "query", "x", "--json").json_lines
    assert len(found) == 3
    for command in ("query x", "query x --json", "query x --csv", "query x --paths", "status"):
        script = f'"{SCRIPT}" --index "{index}" {command} {closed}'
        finished = subprocess.run(
            ["sh", "-c", script], env=odd.env(), cwd=odd.home, capture_output=True
        )
        assert finished.returncode == 0, finished.stderr
        assert b"bug" not in finished.stderr
    for path in index.rglob("*"):
        assert not path.is_file() or b"rank,score" not in path.read_bytes()


@pytest.mark.parametrize("form", ["", "--json", "--csv", "--paths"])
def test_a_reader_that_leaves_is_no_failure(odd: Command, form: str) -> None:
    # the reader closes its end before anything is written
    script = f'set -o pipefail; "{SCRIPT}" query x -k 99 {form} | true'
    finished = subprocess.run(
        ["bash", "-c", script], env=odd.env(), cwd=odd.home, capture_output=True
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr.decode().count("Only") <= 1
    assert b"rror" not in finished.stderr


def test_a_reader_of_stderr_that_leaves_stops_nothing(odd: Command, tmp_path: Path) -> None:
    script = f'"{SCRIPT}" query x -k 99 2>&1 >"{tmp_path}/out" | true; exit ${{PIPESTATUS[0]}}'
    finished = subprocess.run(
        ["bash", "-c", script], env=odd.env(), cwd=odd.home, capture_output=True
    )
    assert finished.returncode == 0
    assert len((tmp_path / "out").read_text().splitlines()) > len(NAMES)


def test_a_full_disk_behind_stdout_gets_its_sentence(odd: Command) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    forms = ("query x -k 99", "query x --json", "query x --csv", "query x --paths", "--help")
    for form in forms:
        script = f'"{SCRIPT}" {form} >/dev/full'
        finished = subprocess.run(
            ["sh", "-c", script], env=odd.env(), cwd=odd.home, capture_output=True
        )
        assert finished.returncode == 1
        assert b"No space left" in finished.stderr
        assert b"bug" not in finished.stderr
        assert b"Exception" not in finished.stderr


def test_a_query_of_bytes_that_are_not_utf8(odd: Command) -> None:
    code, out, err = odd.run_bytes("query", b"caf\xe9")
    assert code == 0, err
    assert "“café”".encode() in out


def test_the_log_lines_of_libraries_are_escaped(odd: Command) -> None:
    program = (
        "import logging; from imgsearch.cli import streams; streams.prepare();"
        "from imgsearch.cli.error_handler import listen; listen(2);"
        "logging.getLogger('imgsearch.x').warning('a\\x1b[31m\\u009b\\u202eb')"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert finished.stderr == b"a\\x1b[31m\\u009b\\u202eb\n"
