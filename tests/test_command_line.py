"""The command line's shape: help that can be read, and words that are nearly right."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest

from imgsearch import settings
from imgsearch.cli import main, program
from imgsearch.cli.options import OFFERED, Yes
from imgsearch.cli.query_options import AskedByPictures, AskedInWords
from imgsearch.settings.options import Option, declared
from tests.command import SCRIPT, Command
from tests.terminal import on_terminal

NAMES = list(main.Program.modules)
WITHOUT_A_CLUSTER = ("demo", "guide", "models", "trust")


def _declared(name: str) -> list[Option]:
    found = main.Program().get_command(None, name)
    assert found is not None
    return found.declared


def _help(command: Command, *words: str, columns: int) -> str:
    other = Command(command.home, command.cache, {"COLUMNS": str(columns), "NO_COLOR": "1"})
    return other.run(*words, "--help").stdout


def test_the_overview_says_each_command_in_one_whole_line(command: Command) -> None:
    overview = _help(command, columns=80)
    section = overview.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in section] == NAMES
    assert all(line.endswith(".") and not line.endswith("...") for line in section)


@pytest.mark.parametrize("columns", [50, 80, 200])
@pytest.mark.parametrize("name", NAMES)
def test_help(command: Command, name: str, columns: int) -> None:
    told = _help(command, name, columns=columns)
    example, usage, summary = (
        re.search(pattern, told, re.MULTILINE)
        for pattern in (rf"^    imgsearch {name}\b", "^Usage: imgsearch", r"^  [A-Z].*\.$")
    )
    assert example is not None
    assert usage is not None
    heads = [line for line in told.splitlines() if re.match(r"\w.*:$", line)]
    assert example.start() < told.index(heads[0])
    assert summary is not None or columns < 80
    assert "range" not in told.lower()
    assert not re.search(r"\(default[^)]*\)\s+\(default", told), "a default is said twice"
    examples = {line for line in told.splitlines() if line.startswith("    imgsearch ")}
    assert all(len(line) <= columns for line in set(told.splitlines()) - examples)
    assert bool({"Cluster:", "Trust:"} & set(heads)) == (name not in WITHOUT_A_CLUSTER)
    for option in _declared(name):
        if option.flags:
            assert re.search(rf"(?<![\w-]){re.escape(option.flags[-1])}\b", told) or option.negation


def test_help_uses_the_width_of_the_terminal(command: Command) -> None:
    environment = {name: value for name, value in command.env().items() if name != "COLUMNS"}
    lengths = {}
    for columns in (80, 200):
        code, written = on_terminal(
            [SCRIPT, "ingest", "--help"], environment, command.home, columns=columns
        )
        assert code == 0
        lengths[columns] = max(len(line) for line in written.decode().splitlines())
    assert lengths[80] < 80 < lengths[200] < 200


def test_help_in_a_pipe_is_plain_and_80_columns_wide(command: Command) -> None:
    piped = Command(command.home, command.cache, {"COLUMNS": ""}).run("query", "--help").stdout
    assert "\x1b" not in piped
    assert max(map(len, piped.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["search", "red car"], 'imgsearch query "red car"'),
        (["find", "cat"], "imgsearch query cat"),
        (["ls"], "imgsearch status"),
        (["list"], "imgsearch status"),
        (["help"], "imgsearch --help"),
        (["help", "query"], "imgsearch query --help"),
        (["version"], "imgsearch --version"),
        (["-V"], "--version"),
        (["add", "photos"], "imgsearch ingest photos"),
        (["index", "photos"], "imgsearch ingest photos"),
        (["rm", "x"], "imgsearch remove x"),
        (["ingets", "./photos"], "imgsearch ingest ./photos"),
        (["quary", "a"], "imgsearch query a"),
        (["Status"], "imgsearch status"),
        (["setup_model"], "imgsearch setup-model"),
        (["red car"], 'imgsearch query "red car"'),
        (["sunset", "over", "a", "lake"], 'imgsearch query "sunset over a lake"'),
        (["ingest", "--dryrun"], "--dry-run"),
        (["query", "x", "--num_candidates", "5"], "--num-candidates"),
    ],
)
def test_nearly_right_words_get_the_right_ones(
    command: Command, words: list[str], meant: str
) -> None:
    answer = command.run(*words, code=2)
    assert answer.stdout == ""
    assert meant in answer.stderr
    assert len(answer.stderr.splitlines()) == 2


def test_a_long_question_instead_of_a_command_is_repeated_in_part(command: Command) -> None:
    answer = command.run("a very long question " * 500, code=2)
    assert "imgsearch query" in answer.stderr
    assert max(map(len, answer.stderr.splitlines())) < 200


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--index", "x", "demo"], "--index does not go with imgsearch demo"),
        (["--model", "demo", "trust"], "--model does not go with imgsearch trust"),
        (["--index", "x", "copy", "a", "b"], "--index does not go with imgsearch copy"),
    ],
)
def test_an_option_that_a_command_does_not_take_is_not_dropped(
    command: Command, words: list[str], said: str
) -> None:
    assert said in command.run(*words, code=2).stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["query", "x", "-k", "0"], "-k: '0' is not a whole number of 1 or more"),
        (["query", "x", "--rating", "9"], "--rating: '9' is not a whole number from 1 to 5"),
        (["query", "x", "--sort", "size"], "'size' is not one of fit, newest, oldest"),
        (["ingest", ".", "--limit", "many"], "--limit: 'many' is not a whole number of 1 or more"),
        (["ingest", ".", "--part", "5/4"], "--part: '5/4' is not I/N"),
        (["serve", "--port", "70000"], "--port: '70000' is not a port"),
        (["ingest", ".", "--precision", "f64"], "'f64' is not one of auto, f32, bf16, int8"),
    ],
)
def test_a_wrong_value_is_named_with_what_it_may_be(
    command: Command, words: list[str], said: str
) -> None:
    answer = command.run(*words, code=2)
    assert said in answer.stderr


# in different commands
DIFFERENT = {"--max-megapixels", "--json", "-y", "--yes", "--under", "--open", "-0"}
DIFFERENT |= {"--paths", "--csv", "--html"}  # of results, and of groups of copies
DIFFERENT |= {"--match"}  # a question in words has words to match already


def test_each_option_is_declared_once() -> None:
    for name in NAMES:
        main.Program().get_command(None, name)
    options = [each for one in program.COMMANDS.values() for each in one.declared]
    seen: dict[str, Option] = {}
    for option in options:
        for flag in option.flags:
            assert seen.setdefault(flag, option) == option or flag in DIFFERENT


def test_settings_are_typed_and_all_in_the_table(tmp_path: Path) -> None:
    chosen = settings.load({"k": "3"}, {"IMGSEARCH_VERIFY_CERTS": "no"}, tmp_path)
    assert (chosen.k, chosen.verify_certs, chosen.index) == (3, False, None)
    assert set(chosen.shown()) == {field.name for field in dataclasses.fields(settings.Values)}
    assert set(settings.KNOWN) <= set(OFFERED)
    with pytest.raises(AttributeError):
        _ = chosen.no_such_setting  # type: ignore[attr-defined] # that is what is tested


@pytest.mark.parametrize(("word", "code"), [("--version", 0), ("nonsense", 2)])
def test_the_process_ends_with_its_code_and_all_that_was_said(word: str, code: int) -> None:
    """Although the interpreter is not taken apart."""
    program = (
        "import atexit, sys\nfrom imgsearch.__main__ import run\n"
        "atexit.register(print, 'the end')\n"
        f"sys.argv = ['imgsearch', {word!r}]\nrun()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert done.stdout.splitlines()[-1] == "the end"
    assert ("imgsearch" in done.stdout) == (code == 0)


def test_an_option_that_no_command_declares_is_refused() -> None:
    assert Yes(yes=True).yes
    assert not Yes().yes
    with pytest.raises(TypeError, match="Yes has no no"):
        Yes(no=True)  # type: ignore[call-arg] # that is what is tested


def test_what_an_option_means_holds_for_each_command_that_has_it() -> None:
    """`watch` excludes for its own run alone; a help text is understood without its heading."""
    told = {name: option.help for name, option in OFFERED.items()}
    assert "watch while it runs" in told["exclude"]
    assert not [text for text in told.values() if text.startswith("Of ")]
    words, pictures = declared(AskedInWords), declared(AskedByPictures)
    assert "the words of a plain question" in words["match"].shown_help
    assert "default" not in pictures["match"].shown_help  # there is no question in words
    assert "default: no" in OFFERED["follow_links"].shown_help
