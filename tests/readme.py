"""Writes the commands' help into the README: `python -m tests.readme`."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.command import SCRIPT

README = Path(__file__).parent.parent / "README.md"
_SECTION = re.compile(r"(<!-- help begins -->\n).*?(<!-- help ends -->)", re.DOTALL)


def _help(*words: str) -> str:
    return subprocess.run(
        [os.fspath(SCRIPT), *words, "--help"],
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "COLUMNS": "88", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def with_help(readme: str) -> str:
    """The README with the help of every command as it is now."""
    overview = _help()
    commands = re.findall(r"^  ([a-z-]+)  ", overview.partition("Commands:")[2], re.MULTILINE)
    blocks = [f"```text\n{overview}\n```\n"]
    for name in commands:
        blocks.append(f"<details><summary><code>imgsearch {name}</code></summary>\n")
        blocks.append(f"```text\n{_help(name)}\n```\n\n</details>\n")
    return _SECTION.sub(lambda match: match[1] + "\n" + "\n".join(blocks) + "\n" + match[2], readme)


if __name__ == "__main__":
    README.write_text(with_help(README.read_text("utf-8")), "utf-8")
