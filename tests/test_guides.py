"""README and guides: every command in them runs, every link leads somewhere, every option is
there."""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from imgsearch import guides
from imgsearch.demo import PHOTOS
from tests.command import SCRIPT, Command

ROOT = Path(__file__).parent.parent
GUIDES = sorted((ROOT / "imgsearch" / "guides").glob("*.md"))
PAGES = [
    ROOT / "README.md",
    ROOT / "es-docker" / "README.md",
    *(ROOT / ".github").glob("*.md"),
    *GUIDES,
    *sorted((ROOT / "imgsearch" / "guides" / "reference").glob("*.md")),
]
README_BYTES, GUIDE_BYTES = 9_000, 6_000
NAMES = "vor,titel,te"  # words of other languages, which codespell takes for English ones


def _named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)|\b(?:src|srcset)=\"([^\"]+)\"", text):
        target = "".join(target)
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", found.read_text("utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
            assert anchor in anchors, target


def test_readme_and_guides_are_short() -> None:
    assert (ROOT / "README.md").stat().st_size <= README_BYTES
    assert not [page.name for page in GUIDES if page.stat().st_size > GUIDE_BYTES]


def test_readme_links_every_guide() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert not [page.name for page in GUIDES if f"(imgsearch/guides/{page.name})" not in readme]


def _lines(page: Path) -> list[str]:
    """Every command line of imgsearch that a page shows."""
    text = page.read_text("utf-8").replace("\\|", "|")
    spans = re.findall(r"`(imgsearch [^`]*)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    blocks = "\n".join(re.findall(r"```(?:text|console|sh)\n(.*?)```", text, re.DOTALL))
    return [*spans, *re.findall(r"(?:^|[|&$] ?)(imgsearch [^|\n]*)", blocks, re.MULTILINE)]


@pytest.fixture(scope="module")
def known() -> dict[str, set[str]]:
    """The options of each command."""
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "COLUMNS": "200", "TERM": "dumb"}

    def shown(*words: str) -> str:
        return subprocess.run(
            [os.fspath(SCRIPT), *words, "--help"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    overview = shown()
    commands = re.findall(r"^  ([a-z-]+)  ", overview.partition("Commands")[2], re.MULTILINE)
    return {
        name: set(re.findall(r"(?<![\w-])--?[\w][\w-]*", overview + shown(name)))
        for name in commands
    }


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_commands_and_options_are_there(page: Path, known: dict[str, set[str]]) -> None:
    for line in _lines(page):
        words = re.sub(r"\s#.*|\"[^\"]*\"", "", line).split()[1:]
        options = {word.partition("=")[0] for word in words if re.match(r"--?[a-zA-Z0-9]", word)}
        before = [word for word in words if word in known]
        if not before:  # such as `imgsearch --help`
            assert options <= {"--help", "--version", "-h"} | set.union(*known.values()), line
            continue
        assert options <= known[before[0]] | {"--help", "-h"}, line


def _console(page: Path) -> list[tuple[str, list[str]]]:
    """The commands that are shown with a prompt, in order, and what is shown below each."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    found: list[tuple[str, list[str]]] = []
    for line in "\n".join(blocks).splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line:
            found[-1][1].append(line)
    return found


@pytest.fixture
def photographer(command: Command) -> Command:
    """Somebody with pictures, in a folder with those that the guides name."""
    pictures = command.home / "Pictures"
    shutil.copytree(PHOTOS, pictures)
    some = sorted(path for path in pictures.rglob("*") if path.suffix in (".png", ".jpg", ".webp"))
    for folder in ("verso", "box-7"):
        (pictures / folder).mkdir()
        shutil.copy(some[0], pictures / folder)
    work = command.home / "work"
    work.mkdir()
    for name, picture in zip(("icon", "screenshot", "other"), some, strict=False):
        shutil.copy(picture, work / f"{name}.png")
    (work / "questions.txt").write_text("harbour\nred sign\n")
    command.environment["IMGSEARCH_MODEL"] = "demo"
    command.environment["PATH"] = f"{SCRIPT.parent}{os.pathsep}{os.environ['PATH']}"
    return command


@pytest.mark.parametrize("page", [page for page in GUIDES if _console(page)], ids=_named)
def test_commands_of_a_guide_run_as_they_stand_there(page: Path, photographer: Command) -> None:
    if not any("imgsearch ingest" in line for line, _ in _console(page)):
        photographer.run("ingest", photographer.home / "Pictures")
    for line, expected in _console(page):
        finished = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            env=photographer.env(),
            cwd=photographer.home / "work",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        # nothing may fit in these few icons
        codes = (0, 1) if "--only-fitting" in line else (0,)
        assert finished.returncode in codes, f"{line}\n{finished.stdout}\n{finished.stderr}"
        shown = finished.stdout.splitlines()
        for wanted in expected:
            pattern = wanted.replace("[", "[[]").replace("…", "*")
            assert fnmatch.filter(shown, pattern), f"{line}\n{finished.stdout}"


def _prose(page: Path) -> str:
    """Without code, tables' cells kept."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    text = re.sub(r"\]\([^)]*\)|<!--.*?-->", "", text, flags=re.DOTALL)
    return re.sub(r"`[^`]*`", "x", text)


@pytest.mark.parametrize("page", [ROOT / "README.md", *GUIDES], ids=_named)
def test_prose_checkers_find_nothing(page: Path, tmp_path: Path) -> None:
    prose = tmp_path / page.name
    prose.write_text(_prose(page), "utf-8")
    for program in (("codespell_lib", "--ignore-words-list", NAMES), ("proselint", "check")):
        found = subprocess.run(
            [sys.executable, "-m", program[0], *program[1:], prose],
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stdout + found.stderr


def test_guide_lists_and_shows(command: Command) -> None:
    listed = command.run("guide").stdout
    for path in GUIDES:
        title = path.read_text("utf-8").splitlines()[0].lstrip("# ")
        assert re.search(rf"^{path.stem} +{re.escape(title)}$", listed, re.MULTILINE)
        assert command.run("guide", path.stem).stdout == path.read_text("utf-8")
    refused = command.run("guide", "sceres", code=2).stderr
    assert "sceres" in refused
    assert "scores" in refused


def test_topics_are_the_files() -> None:
    assert set(guides.topics()) >= {path.stem for path in GUIDES}
