"""Completion in the shells themselves, installed as a user installs it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imgsearch import gazetteer
from tests import manual
from tests.command import SCRIPT, Command

REQUIRED = "IMGSEARCH_TEST_REQUIRE_SHELLS"
HOSTILE = ["$(touch OWNED)", "\\$(touch OWNED)", "';touch OWNED;'"]


def _needed(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing and os.environ.get(REQUIRED):
        pytest.fail(f"{REQUIRED} is set, and there is no {', '.join(missing)}")
    if missing:
        pytest.skip(f"no {', '.join(missing)}: completion is not tested there")


@pytest.fixture(scope="module")
def home(
    tmp_path_factory: pytest.TempPathFactory, demo_photos: Path, new_cache: Callable[[], Path]
) -> Command:
    """A home with two indexes, and libraries with plain, spaced and hostile names."""
    home = tmp_path_factory.mktemp("home")
    environment = {"IMGSEARCH_MODEL": "demo", "PATH": f"{SCRIPT.parent}:{os.environ['PATH']}"}
    command = Command(home, new_cache(), environment)
    for name in ["Summer 2019", "holidays", *HOSTILE]:
        folder = home / "photos" / name.replace("/", "")
        folder.mkdir(parents=True)
        shutil.copy(sorted(demo_photos.rglob("*.png"))[0], folder)
        command.run("ingest", folder, "--limit", "1")
    command.run("--index", "archive", "ingest", home / "photos" / "holidays")
    for shell in filter(shutil.which, ("bash", "zsh", "fish")):
        _install(command, shell)
    return command


def _environment(home: Command) -> dict[str, str]:
    return {**home.env(), "TERM": "xterm"}


def _install(home: Command, shell: str) -> None:
    """By the shell, because that is what tells Typer which it is."""
    subprocess.run(
        [shell, "-c", "imgsearch --install-completion; true"],
        env=_environment(home),
        cwd=home.home,
        check=True,
        capture_output=True,
    )


def _in_bash(home: Command, line: str) -> list[str]:
    """What bash has to offer, by its own function for the program and its own variables."""
    _needed("bash")
    words = f"{line}|".split(" ")  # | keeps an empty last word
    words[-1] = words[-1].removesuffix("|")
    script = f"""
        source ~/.bash_completions/imgsearch.sh
        COMP_WORDS=({" ".join(shlex.quote(word) for word in words)})
        COMP_CWORD={len(words) - 1}
        $(complete -p imgsearch | sed 's/.*-F \\([^ ]*\\).*/\\1/') imgsearch
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    return _output(home, ["bash", "--norc", "-c", script])


def _in_fish(home: Command, line: str) -> list[str]:
    _needed("fish")
    found = _output(home, ["fish", "-c", f"complete -C {shlex.quote(line)}"])
    return [each.partition("\t")[0] for each in found]


def _output(home: Command, arguments: list[str]) -> list[str]:
    finished = subprocess.run(
        arguments,
        env=_environment(home),
        cwd=home.home,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return [line for line in finished.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("shell", "place"),
    [
        ("bash", ".bash_completions/imgsearch.sh"),
        ("zsh", ".zfunc/_imgsearch"),
        ("fish", "config/fish/completions/imgsearch.fish"),
    ],
)
def test_the_package_brings_what_is_installed(home: Command, shell: str, place: str) -> None:
    _needed(shell)
    brought = manual.SHARE / manual.SCRIPTS[shell]
    assert (home.home / place).read_text("utf-8") == brought.read_text("utf-8")


CASES = [
    ("imgsearch que", ["query"]),
    ("imgsearch s", ["setup-model", "serve", "similar", "status"]),
    ("imgsearch query --only", ["--only-fitting"]),
    ("imgsearch ingest --precision ", ["auto", "bf16", "f32", "int8"]),
    ("imgsearch ingest --precision b", ["bf16"]),
    ("imgsearch query --sort ", ["fit", "newest", "oldest"]),
    ("imgsearch query --format JP", ["JPEG", "JPEG2000"]),
    ("imgsearch query --under hol", ["holidays"]),
    ("imgsearch remove hol", ["holidays"]),
    ("imgsearch query --index ", ["archive", "default"]),
    ("imgsearch copy a", ["archive"]),
    ("imgsearch query --in Denma", ["Denmark"]),
    ("imgsearch --model dem", ["demo"]),
]


@pytest.mark.parametrize("shell", [_in_bash, _in_fish])
@pytest.mark.parametrize(("line", "wanted"), CASES)
def test_what_a_shell_offers(home: Command, shell: object, line: str, wanted: list[str]) -> None:
    assert callable(shell)
    assert set(shell(home, line)) == set(wanted)


def test_names_with_blanks_are_one_word_in_each_shell(home: Command) -> None:
    assert _in_bash(home, "imgsearch query --under Sum") == ["Summer\\ 2019"]
    assert _in_fish(home, "imgsearch query --under Sum") == ["Summer 2019"]  # fish quotes it


@pytest.mark.parametrize("shell", [_in_bash, _in_fish])
def test_files_are_offered_where_files_are_wanted(home: Command, shell: object) -> None:
    assert callable(shell)
    found = shell(home, "imgsearch ingest ./pho")
    assert found == [] if shell is _in_bash else found == ["./photos/"]


class Terminal:
    """A shell in tmux, with keys pressed as a user presses them."""

    def __init__(self, home: Command, shell: str) -> None:
        # one of its own: the server of the test before may still be ending
        self._socket = str(home.home / f"tmux-{os.urandom(4).hex()}")
        self._environment = _environment(home)
        self._run("new-session", "-d", "-x", "100", "-y", "40", "-c", str(home.home), shell)

    def _run(self, *arguments: str) -> str:
        return subprocess.run(
            ["tmux", "-f", "/dev/null", "-S", self._socket, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout

    def press(self, *keys: str) -> None:
        self._run("send-keys", *keys)

    def wait_for(self, text: str) -> str:
        """What is on the screen, once it shows the text."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            screen = self._run("capture-pane", "-p")
            if text in screen:
                return screen
            time.sleep(0.1)
        raise AssertionError(f"no {text!r} in:\n{screen}")

    def close(self) -> None:
        self._run("kill-server")


@pytest.fixture
def zsh(home: Command) -> Iterator[Terminal]:
    _needed("zsh", "tmux")
    with open(home.home / ".zshrc", "a") as file:
        file.write("PROMPT='ready> '\nZDOTDIR=~\n")
    terminal = Terminal(home, "zsh")
    terminal.wait_for("ready>")
    yield terminal
    terminal.close()


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("imgsearch que", "imgsearch query "),
        ("imgsearch query --only", "imgsearch query --only-fitting "),
        ("imgsearch ingest --precision b", "imgsearch ingest --precision bf16 "),
        ("imgsearch query --under hol", "imgsearch query --under holidays "),
        ("imgsearch query --under Sum", "imgsearch query --under Summer\\ 2019 "),
        ("imgsearch query --index arc", "imgsearch query --index archive "),
        ("imgsearch query --in Denma", "imgsearch query --in Denmark "),
        ("imgsearch ingest ./pho", "imgsearch ingest ./photos/"),
    ],
)
def test_zsh_completes_what_is_typed(zsh: Terminal, typed: str, completed: str) -> None:
    zsh.press("-l", typed)
    zsh.press("Tab")
    zsh.press("-l", "X")
    zsh.wait_for(f"ready> {completed}X")


def test_zsh_lists_values(zsh: Terminal) -> None:
    zsh.press("-l", "imgsearch query --sort ")
    zsh.press("Tab")
    screen = zsh.wait_for("oldest")
    assert "newest" in screen


def test_nothing_of_a_strangers_names_runs(home: Command, zsh: Terminal) -> None:
    line = "imgsearch query --under "
    zsh.press("-l", line)
    zsh.press("Tab")
    zsh.wait_for("holidays")
    offered = {*_in_bash(home, line), *_in_fish(home, line)}
    assert {"holidays"} <= offered
    assert not [each for each in offered if "touch" in each]
    assert not list(home.home.rglob("OWNED"))


def test_places_that_begin_so() -> None:
    assert gazetteer.beginning("lisbo") == ["Lisbon"]
    assert gazetteer.beginning("new y")[0] == "New York City"
    assert gazetteer.beginning("münche") == ["Munchen"]
    assert gazetteer.beginning("") == []
    assert len(gazetteer.beginning("san", most=7)) == 7
