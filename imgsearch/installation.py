"""How this program was installed, and so which command updates it or adds an extra.

On PyPI, `imgsearch` is another project's name: this one is distributed as `imgsearch-cli`, and a
command that named the other would replace this program by it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from importlib.metadata import Distribution

DISTRIBUTION = "imgsearch-cli"


def upgrade_command() -> str:
    """The shell command that brings the newest version."""
    source = _source()
    if source is not None:
        return f"git -C {_quoted(source)} pull && {_installer()} install {_quoted(source)}"
    return {
        "pipx": f"pipx upgrade {DISTRIBUTION}",
        "uv tool": f"uv tool upgrade {DISTRIBUTION}",
    }.get(_tool(), f"{_installer()} install --upgrade {DISTRIBUTION}")


def extra_command(extra: str) -> str:
    """The shell command that adds an extra, such as "raw". Quoted, as zsh wants it."""
    source = _source()
    wanted = f"'{DISTRIBUTION}[{extra}]'" if source is None else f"'{source}[{extra}]'"
    return {
        "pipx": f"pipx install --force {wanted}",
        "uv tool": f"uv tool install {wanted}",
    }.get(_tool(), f"{_installer()} install {wanted}")


def reinstall_command() -> str:
    """The shell command that brings every dependency again."""
    source = _source()
    wanted = DISTRIBUTION if source is None else _quoted(source)
    return {
        "pipx": f"pipx reinstall {DISTRIBUTION}",
        "uv tool": f"uv tool install --reinstall {wanted}",
    }.get(_tool(), f"{_installer()} install --force-reinstall {wanted}")


def _tool() -> str:
    """ "pipx" or "uv tool" where one of them made this environment, else ""."""
    environment = Path(sys.prefix)
    if (environment / "pipx_metadata.json").is_file():
        return "pipx"
    return "uv tool" if (environment / "uv-receipt.toml").is_file() else ""


def _installer() -> str:
    """ "uv pip" where uv installed us, else "pip"."""
    ours = _distribution()
    recorded = None if ours is None else ours.read_text("INSTALLER")
    return "uv pip" if (recorded or "").strip() == "uv" else "pip"


def _source() -> str | None:
    """The checkout that was installed (`pip install .`); None: a package index or a wheel."""
    ours = _distribution()
    recorded = None if ours is None else ours.read_text("direct_url.json")
    try:
        url = json.loads(recorded or "{}")
        if "dir_info" in url:
            return unquote(urlsplit(url["url"]).path)
    except (ValueError, TypeError, KeyError):
        return None
    return None


def _distribution() -> Distribution | None:
    # importlib.metadata takes 9 ms to import, and only messages need it.
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return distribution(DISTRIBUTION)
    except PackageNotFoundError:  # run from a checkout that is not installed
        return None


def _quoted(path: str) -> str:
    import shlex

    return shlex.quote(path)
