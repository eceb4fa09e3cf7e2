"""What users install: the wheel. (That it needs nothing of what the tests need is shown by the
README's first command, which `.ci/run` runs before anything else is installed.)"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import manual
from tests.command import Command
from tests.elasticsearch import servers

ROOT = Path(__file__).parent.parent
MOST_BYTES = 20_000_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
        timeout=500,
    )
    [built] = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_demo_and_not_its_making(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.stat().st_size <= MOST_BYTES
    assert not [name for name in names if "training" in name or name.startswith("tests")]
    for part in ("demo/models/image/", "demo/models/text/", "demo/photos/", "demo/NOTICE.md"):
        assert [name for name in names if name.startswith(f"imgsearch/{part}")], part
    assert [name for name in names if name.endswith("licenses/LICENSE")]


def test_the_wheel_brings_the_manual_and_completions(wheel: Path) -> None:
    held = zipfile.ZipFile(wheel)
    [data] = {name.partition("/")[0] for name in held.namelist() if ".data/" in name}
    for path, text in manual.files().items():
        inside = f"{data}/data/share/{path.relative_to(manual.SHARE).as_posix()}"
        assert held.read(inside).decode() == text


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own with the wheel installed by pip; its dependencies are those of this
    environment. Returns its folder of programs."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    [packages] = folder.glob("lib/python3*/site-packages") or folder.glob("Lib/site-packages")
    # a folder that a .pth file names has its own .pth files passed over: the checkout's stays out
    ours = [entry for entry in sys.path if entry.endswith("-packages")]
    (packages / "zz_dependencies.pth").write_text("\n".join(ours))
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", programs / "python", "install"),
            *("--no-deps", "--no-index", "--quiet", wheel),
        ],
        check=True,
        timeout=300,
    )
    return programs


def _run(program: Path, *arguments: str, command: Command, cwd: Path) -> str:
    finished = subprocess.run(
        [program, *arguments],
        env=command.env(),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_the_installed_wheel_runs_away_from_the_checkout(
    installed: Path, command: Command, tmp_path: Path
) -> None:
    where = "import imgsearch; print(imgsearch.__file__)"
    found = _run(installed / "python", "-c", where, command=command, cwd=tmp_path)
    assert Path(found.strip()).is_relative_to(installed.parent)
    said = _run(installed / "imgsearch", "demo", command=command, cwd=tmp_path)
    assert "imgsearch ingest" in said
    assert (installed.parent / "share" / "man" / "man1" / "imgsearch.1").is_file()


THREADS = """
import sys, threading, time
import imgsearch

questions = ["green recycle", "red heart", "endless road", "European E"]
with imgsearch.open(sys.argv[1]) as library:
    def ids(words):
        return [hit.record.id for hit in library.search(words)]

    expected = {words: ids(words) for words in questions}
    until, counts = time.monotonic() + float(sys.argv[2]), []

    def ask(first):
        answered = 0
        while answered < len(questions) or time.monotonic() < until:
            words = questions[(first + answered) % len(questions)]
            assert ids(words) == expected[words], words
            answered += 1
        counts.append(answered)

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(len(counts), sum(counts))
"""


@pytest.fixture(params=["folder", "cluster"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """What `imgsearch.open` takes: a folder, and the URL of an index on a real node."""
    if request.param == "folder":
        yield str(tmp_path / "photos")
        return
    with servers.space() as space:
        yield f"{space.server}/{space.name()}"


@pytest.mark.parametrize("seconds", [1, pytest.param(60, marks=pytest.mark.slow)])
def test_the_guides_first_lines_run_from_the_installed_wheel(
    installed: Path, command: Command, tmp_path: Path, place: str, seconds: int
) -> None:
    """As they stand, and then from eight threads at once."""
    guide = (ROOT / "imgsearch" / "guides" / "python.md").read_text("utf-8")
    first, filling = (
        code.replace('"photos"', repr(place))
        for code in re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    )
    album = tmp_path / "album"
    shutil.copytree(ROOT / "imgsearch" / "demo" / "photos", album)
    filling = filling.replace('"~/Pictures/2024"', repr(str(album)))
    command.environment["IMGSEARCH_MODEL"] = "demo"

    def python(program: str, *arguments: str) -> str:
        words = ("-c", program, *arguments)
        return _run(installed / "python", *words, command=command, cwd=tmp_path)

    assert int(python(f"import imgsearch\n{filling}").split()[0]) > 100
    lines = python(first).splitlines()
    assert len(lines) == 5
    for line in lines:
        path, _, score = line.rpartition(" ")
        assert Path(path).is_file()
        assert -1 <= float(score) <= 1
    threads, answers = map(int, python(THREADS, place, str(seconds)).split())
    assert threads == 8
    assert answers >= 8 * 4
