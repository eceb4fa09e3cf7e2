"""README and guides: every command in them runs, every link leads somewhere, every option is
there."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from imgsearch import guides
from imgsearch.demo import PHOTOS
from imgsearch.errors import UsageError
from imgsearch.models.choices import CHOICES
from tests.benchmarks import results
from tests.command import SCRIPT, Command
from tests.elasticsearch import servers

ROOT = Path(__file__).parent.parent
GUIDES = sorted((ROOT / "imgsearch" / "guides").glob("*.md"))
PAGES = [
    ROOT / "README.md",
    ROOT / "es-docker" / "README.md",
    *(ROOT / ".github").glob("*.md"),
    *GUIDES,
    *sorted((ROOT / "imgsearch" / "guides" / "reference").glob("*.md")),
]
BENCHMARKS = ROOT / "tests" / "benchmarks"
TUTORIAL = "ingest, 12 MP JPEG: imgsearch / the tutorial's loop"
README_BYTES, GUIDE_BYTES = 9_000, 6_000
NAMES = "vor,titel,te"  # words of other languages, which codespell takes for English ones


def _named(path: Path) -> str:
    return str(path.relative_to(ROOT))


FENCE = r"(?:```|~~~)"


def _unfenced(text: str) -> str:
    """The text of a page without its blocks of code."""
    return re.sub(rf"{FENCE}.*?{FENCE}", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_links_lead_somewhere(page: Path) -> None:
    text = _unfenced(page.read_text("utf-8"))
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
    spans = re.findall(r"`(imgsearch [^`]*)`", _unfenced(text))
    blocks = "\n".join(re.findall(rf"{FENCE}(?:text|console|sh)\n(.*?){FENCE}", text, re.DOTALL))
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
    blocks = re.findall(rf"{FENCE}console\n(.*?){FENCE}", page.read_text("utf-8"), re.DOTALL)
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
        finished = _typed(line, photographer)
        # nothing may fit in these few icons
        codes = (0, 1) if "--only-fitting" in line else (0,)
        assert finished.returncode in codes, f"{line}\n{finished.stdout}\n{finished.stderr}"
        shown = finished.stdout.splitlines()
        for wanted in expected:
            pattern = wanted.replace("[", "[[]").replace("…", "*")
            assert fnmatch.filter(shown, pattern), f"{line}\n{finished.stdout}"


def test_the_readmes_table_is_what_a_query_prints(photographer: Command) -> None:
    photographer.run("ingest", photographer.home / "Pictures")
    [(line, expected)] = _console(ROOT / "README.md")
    shown = _typed(line, photographer).stdout.splitlines()[-len(expected) :]
    scores, rest = zip(*map(_score, shown), strict=True)
    wanted, lines = zip(*map(_score, expected), strict=True)
    assert rest == lines
    assert scores == pytest.approx(wanted, abs=0.01)  # processors round differently


def _score(row: str) -> tuple[float, str]:
    """The score in a line of a result table (0 where it has none), and the line without its
    figures."""
    found = re.search(r"0\.\d+", row)
    return float(found.group()) if found else 0.0, re.sub(r"\d\.\d+ +\d+ %", "", row)


STAY = ("serve", "watch", "mcp")  # until they are stopped
ELSEWHERE = ("https://host", "--install-completion", "COMMAND")  # another machine, this shell, any


def _shown_in_readme() -> list[str]:
    lines = [re.sub(r"\s+#.*", "", line) for line in _lines(ROOT / "README.md")]
    run = [line for line in lines if not any(word in line for word in ELSEWHERE)]
    return [line for line in run if not {*line.split()} & {*STAY}]


@pytest.mark.slow
def test_the_readmes_commands_run(photographer: Command) -> None:
    work, pictures = photographer.home / "work", photographer.home / "Pictures"
    some = sorted(pictures.rglob("*.png"))[0]
    shutil.copy(some, work / "photo.jpg")
    (pictures / "2019").mkdir()
    shutil.copy(some, pictures / "2019")
    block = [line for line in _shown_in_readme() if line == "imgsearch ingest ~/Pictures"]
    rest = [line for line in _shown_in_readme() if line not in block and " demo" not in line]
    assert block
    assert len(rest) > 15
    for line in (*block[:1], *rest):
        finished = _typed(line, photographer)
        may_fail = (0, 1) if "--only-fitting" in line else (0,)  # nothing may fit
        assert finished.returncode in may_fail, f"{line}\n{finished.stdout}\n{finished.stderr}"


def _typed(
    line: str, photographer: Command, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line],
        env=photographer.env() | environment,
        cwd=photographer.home / "work",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
def test_the_commands_for_a_cluster_run_on_one(photographer: Command) -> None:
    """Those that work with its index, and those that lead away."""
    page = ROOT / "imgsearch" / "guides" / "elasticsearch.md"
    lines = [re.sub(r"\s+#.*", "", line) for line in _lines(page)]
    verbs = ("ingest", "query", "copy", "doctor")  # in an order in which they make sense
    work = [line for verb in verbs for line in dict.fromkeys(lines) if f"imgsearch {verb}" in line]
    with servers.space() as space:
        named = [line.replace("my-photos", space.name()) for line in work]
        photographer.run(
            "ingest", photographer.home / "Pictures"
        )  # what the first copy takes along
        for line in named:
            finished = _typed(line, photographer, ES_URL=space.server)
            assert finished.returncode == 0, f"{line}\n{finished.stdout}\n{finished.stderr}"


def _prose(page: Path) -> str:
    """Without code, tables' cells kept."""
    text = _unfenced(page.read_text("utf-8"))
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


def test_the_beginning_of_a_topic_is_enough() -> None:
    assert guides.text("photos") == guides.text("photos-at-home")
    for several in ("from-", "s", ""):
        with pytest.raises(UsageError, match="There is no guide"):
            guides.text(several)


def test_topics_are_the_files() -> None:
    topics = list(guides.topics())
    assert set(topics) >= {path.stem for path in GUIDES}
    section = (ROOT / "README.md").read_text("utf-8").partition("## Guides")[2]
    linked = re.findall(r"imgsearch/guides/([\w-]+)\.md", section)
    assert topics[: len(guides.ORDER)] == linked  # in the order of the README


def _figures() -> dict[str, list[str]]:
    """What pages say of what was measured, or of what the program is told elsewhere."""
    measured = results.read()
    slower = partial(results.worse, measured)  # what may be promised
    sizing = json.loads((BENCHMARKS / "sizing.json").read_text("utf-8"))
    sizes, texts = {row["where"]: row for row in sizing["sizes"]}, dict(sizing["texts"])
    fetch = f"{CHOICES['default'].gigabytes:g} GB"
    return {
        "README.md": [
            f"{slower('ingest, 12 MP JPEG: imgsearch / rclip'):.1f} times as fast as rclip",
            f"{slower(TUTORIAL):.1f} times as fast as the tutorial's loop",
            f"in words takes {slower('text query, new process, 10,000 photos'):.2f} s",
            f"million photos takes {slower('search, 1,000,000 rows: p50'):.1f} ms",
            f"models once, about {fetch}",
        ],
        "imgsearch/guides/models.md": [
            f"fetched once ({fetch})",
            f"{sizes['local']['photo'] / 1000:.1f} KB a photo at 512",
            f"{sizes['local']['dimension']:.1f} bytes more for each",
        ],
        "imgsearch/guides/elasticsearch.md": [
            f"take {sizes['`int8`']['photo'] * 100_000 / 1e9:.2f} GB",
            f"{texts['text and vector'] / texts['vector'] - 1:.0%} more".replace("%", " %"),
        ],
    }


def test_figures_are_those_that_were_measured() -> None:
    for page in PAGES:
        text = " ".join(page.read_text("utf-8").split())
        for figure in _figures().get(_named(page), []):
            assert figure in text, (page.name, figure)
