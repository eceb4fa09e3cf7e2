"""What users install: the wheel. (That it needs nothing of what the tests need is shown by the
README's first command, which `.ci/run` runs before anything else is installed.)"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.command import Command

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


def test_the_wheel_runs_away_from_the_checkout(
    wheel: Path, command: Command, tmp_path: Path
) -> None:
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    command.environment["PYTHONPATH"] = os.fspath(installed)
    finished = subprocess.run(
        [sys.executable, "-c", "import imgsearch; print(imgsearch.__file__)"],
        env=command.env(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.startswith(os.fspath(installed))
    finished = subprocess.run(
        [sys.executable, "-m", "imgsearch", "demo"],
        env=command.env(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    assert "imgsearch ingest" in finished.stdout
