"""The wheel on every Python that it is for: installed with its dependencies, without and with the
extras, and run. `-m slow`: each downloads some GB."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from imgsearch.demo import PHOTOS
from tests.command import Command

ROOT = Path(__file__).parent.parent
VERSIONS = ["3.10", "3.11", "3.12", "3.13"]
EXTRAS = ["", "[raw,mcp,ocr,video]"]


def interpreter(version: str) -> str | None:
    """One that runs: on PATH, or of pyenv."""
    ours = Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python")
    named = filter(None, [shutil.which(f"python{version}"), *map(os.fspath, ours)])
    for program in named:
        tried = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
        if tried.returncode == 0 and f" {version}." in tried.stdout:
            return program
    return None


def test_all_pythons_that_are_promised_are_tried() -> None:
    promised = (ROOT / "pyproject.toml").read_text("utf-8")
    assert f'requires-python = ">={VERSIONS[0]},<3.{int(VERSIONS[-1][2:]) + 1}"' in promised
    for version in VERSIONS:
        assert f'"Programming Language :: Python :: {version}"' in promised


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT]
    subprocess.run(command, check=True, capture_output=True, timeout=500)
    [built] = folder.glob("*.whl")
    return built


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_wheel_runs_without_and_with_its_extras(
    wheel: Path, version: str, command: Command, tmp_path: Path
) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    environment = tmp_path / "environment"
    subprocess.run([python, "-m", "venv", environment], check=True)
    programs = environment / "bin"
    for extras in EXTRAS:
        _run(
            command,
            programs / "pip",
            "install",
            "--quiet",
            f"imgsearch-cli{extras} @ {wheel.as_uri()}",
        )
        assert "imgsearch ingest" in _run(command, programs / "imgsearch", "demo")
        filled = json.loads(_run(command, programs / "imgsearch", "ingest", PHOTOS, "--json"))
        assert filled["photos"] > 100
        found = _run(command, programs / "imgsearch", "query", "red heart", "-k", "3", "--paths")
        assert len(found.splitlines()) == 3
        if not extras:
            assert _bytes(environment) < _promised_bytes()
    _run(command, programs / "python", "-c", "import rawpy, mcp, rapidocr, av")


def _promised_bytes() -> float:
    found = re.search(r"on Linux, ([\d.]+) GB of disk", (ROOT / "README.md").read_text("utf-8"))
    assert found is not None
    return 1e9 * float(found[1])


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if not path.is_symlink())


def _run(command: Command, *arguments: str | Path) -> str:
    finished = subprocess.run(
        arguments, env=command.env(), cwd=command.home, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout
