"""Texts that name an installation command name this distribution, never the other project's."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from imgsearch import installation

ROOT = Path(__file__).parent.parent
# "imgsearch" as what pip, uv or pipx is to install: not a path, not imgsearch-cli
_OTHERS_NAME = re.compile(
    r"(?:pip|uv|pipx|tool|inject|install|upgrade|add)\b[^\n`\"]*?\s['\"]?imgsearch(?![-\w./])"
)


def _texts() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.md", "*.toml", "*.yaml", "*.yml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return [ROOT / name for name in listed if name != "tests/test_installation.py"]


@pytest.mark.parametrize(
    "line", ["pip install --upgrade imgsearch", "pip install 'imgsearch[raw]'", "uv add imgsearch"]
)
def test_the_search_finds_commands_that_name_the_other_project(line: str) -> None:
    assert _OTHERS_NAME.search(line)


def test_no_text_installs_the_other_project() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in _texts()
        for line in path.read_text("utf-8").splitlines()
        if re.search(r"\b(pip|uv|pipx)\b.*\b(install|upgrade|add|inject)\b", line)
        and _OTHERS_NAME.search(line)
    ]
    assert not found


class _Installed:
    """A distribution whose records say how it was installed."""

    def __init__(self, installer: str, url: object = None) -> None:
        self._files = {"INSTALLER": f"{installer}\n"}
        if url is not None:
            self._files["direct_url.json"] = url if isinstance(url, str) else json.dumps(url)

    def read_text(self, name: str) -> str | None:
        return self._files.get(name)


_CHECKOUT = {"url": "file:///home/me/my%20code/imgsearch", "dir_info": {"editable": True}}


@pytest.mark.parametrize(
    ("installed", "marker", "upgrade", "extra"),
    [
        (
            _Installed("pip"),
            "",
            "pip install --upgrade imgsearch-cli",
            "pip install 'imgsearch-cli[raw]'",
        ),
        (
            _Installed("uv"),
            "",
            "uv pip install --upgrade imgsearch-cli",
            "uv pip install 'imgsearch-cli[raw]'",
        ),
        (
            _Installed("pip"),
            "pipx_metadata.json",
            "pipx upgrade imgsearch-cli",
            "pipx install --force 'imgsearch-cli[raw]'",
        ),
        (
            _Installed("uv"),
            "uv-receipt.toml",
            "uv tool upgrade imgsearch-cli",
            "uv tool install 'imgsearch-cli[raw]'",
        ),
        (
            _Installed("pip", _CHECKOUT),
            "",
            "git -C '/home/me/my code/imgsearch' pull && pip install '/home/me/my code/imgsearch'",
            "pip install '/home/me/my code/imgsearch[raw]'",
        ),
        (
            _Installed("pip", "not JSON"),
            "",
            "pip install --upgrade imgsearch-cli",
            "pip install 'imgsearch-cli[raw]'",
        ),
    ],
)
def test_the_command_is_right_for_how_it_was_installed(
    installed: _Installed,
    marker: str,
    upgrade: str,
    extra: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.metadata.distribution", lambda name: installed)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    if marker:
        (tmp_path / marker).touch()
    assert installation.upgrade_command() == upgrade
    assert installation.extra_command("raw") == extra


def test_a_checkout_that_is_not_installed_names_the_distribution(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def absent(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.distribution", absent)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert installation.reinstall_command() == "pip install --force-reinstall imgsearch-cli"


def test_the_declared_name_is_the_one_that_texts_use() -> None:
    assert f'name = "{installation.DISTRIBUTION}"' in (ROOT / "pyproject.toml").read_text("utf-8")
