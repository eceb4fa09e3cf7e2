"""`imgsearch demo`: what it prints can be typed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgsearch import demo
from imgsearch.models.choices import CHOICES
from tests.command import SCRIPT, Command


@pytest.fixture
def user(tmp_path: Path, model_cache: Path) -> Command:
    """Without settings, and with blanks in the way to the cache."""
    home = tmp_path / "home of mine"
    home.mkdir()
    (home / "cache it's").mkdir()
    exported = model_cache / "imgsearch" / "models"
    if exported.is_dir():  # so that nothing is exported twice
        (home / "cache it's" / "imgsearch").mkdir()
        (home / "cache it's" / "imgsearch" / "models").symlink_to(exported)
    return Command(home, home / "cache it's", {"PATH": f"{SCRIPT.parent}:{os.environ['PATH']}"})


def _typed(user: Command, line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", "-c", line],
        cwd=user.home,
        env=user.env(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def _commands(shown: str) -> Iterator[tuple[str, str]]:
    """Each command as it is printed, and what stands below it."""
    for block in shown.split("$ ")[1:]:
        lines = block.split("\n")
        last = next(n for n, line in enumerate(lines) if not line.endswith(" \\"))
        yield "\n".join(lines[: last + 1]), "\n".join(lines[last + 1 :])


def test_its_commands_can_be_repeated_as_they_are_printed(user: Command) -> None:
    """At 80 columns too, where a long command is several lines."""
    user.environment["COLUMNS"] = "80"
    shown = user.run("demo").stdout
    blocks = list(_commands(shown))
    for line in "\n".join(f"$ {typed}" for typed, _ in blocks).splitlines():
        assert len(line) <= 80 or " " not in line.strip(" \\")  # a word is never broken
    assert [block[0].split()[1] for block in blocks] == [
        "ingest",
        "query",
        "query",
        "query",
        "similar",
    ]
    lines = shown.splitlines()
    about = [lines[place - 1] for place, line in enumerate(lines) if line.startswith("$ ")][1:]
    assert about == [*demo.QUERIES.values(), demo.SIMILAR]
    assert max(map(len, about)) <= 80
    for line, below in blocks:
        done = _typed(user, line)
        assert done.returncode == 0, done.stderr
        if " ingest " in line:
            assert below.startswith("changed  119 added\n\n")
            assert re.search(r"changed +nothing\n +unchanged +119\n", done.stdout)
        else:
            table = "\n".join(done.stdout.strip().splitlines()[1:])  # without the title
            assert table
            assert table in below


def test_a_program_that_the_shell_does_not_find_is_printed_with_its_folder(user: Command) -> None:
    user.environment["PATH"] = os.defpath
    line = user.run("demo").stdout.rstrip().splitlines()[-1].strip()
    program = shlex.split(line.removesuffix(" similar photo.jpg"))
    assert program == [str(SCRIPT)]
    assert _typed(user, f"{shlex.join(program)} --version").returncode == 0


def test_it_ends_with_the_page_and_a_gallery_of_its_own_index(user: Command) -> None:
    shown = user.run("demo").stdout
    lines = [line.strip() for line in shown.partition("The same as a page")[2].splitlines()]
    [serve, gallery, *_] = [line for line in lines if line.startswith("imgsearch ")]
    done = _typed(user, gallery)
    assert done.returncode == 0, done.stderr
    assert (user.home / "gallery.html").read_text("utf-8").startswith("<!doctype html>")
    assert f"fetches models once, about {CHOICES['default'].gigabytes} GB" in " ".join(lines)
    assert "without network, add --model demo" in " ".join(lines)
    words = shlex.split(serve)
    assert words[:3] == ["imgsearch", "serve", "--index"]
    index = str(user.home / words[3].removeprefix("~/"))  # as a shell reads it
    process = user.start("serve", "--index", index, "--port", "0")  # its own may be taken
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"http://127.0.0.1:")
    process.terminate()
    process.communicate(timeout=60)


def test_the_users_own_settings_do_not_count(user: Command) -> None:
    """Neither for the demo itself."""
    other = Command(user.home, user.cache, {**user.environment, "IMGSEARCH_MODEL": "nobody/model"})
    assert "green recycle" in other.run("demo").stdout
