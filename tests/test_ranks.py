"""Hits named by their rank in the last result list, and names that are links."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests import drawn_pictures
from tests.command import SCRIPT, Command
from tests.terminal import in_session, on_terminal
from tests.test_preview import KITTY


@pytest.fixture
def library(command: Command, demo_photos: Path) -> Command:
    folder = command.home / "Pictures"
    folder.mkdir()
    for number, source in enumerate(sorted(demo_photos.rglob("*.png"))[:8]):
        shutil.copy(source, folder / f"{number} é;.png")
    command.run("ingest", "Pictures")
    return command


def _remembered(command: Command) -> Path:
    [file] = (command.cache / "imgsearch" / "last-results").glob("*.json")
    return file


@pytest.fixture(autouse=True)
def forget(model_cache: Path) -> None:
    """The cache folder is shared by the tests."""
    shutil.rmtree(model_cache / "imgsearch" / "last-results", ignore_errors=True)


def test_similar_takes_a_rank(library: Command) -> None:
    hits = library.run("query", "red heart", "--json").json_lines
    by_id = library.run("similar", hits[2]["id"], "--json").json_lines
    library.run("query", "red heart", "-k", "5")
    answer = library.run("similar", "@3", "--json")
    assert answer.json_lines == by_id
    again = library.run("query", "x", "-k", "2", "--offset", "2", "--json").json_lines
    assert [hit["rank"] for hit in again] == [3, 4]
    assert library.run("similar", "@3", "--json").stdout
    library.run("query", "x", "-k", "2", "--offset", "2")
    title = library.run("similar", "@4").stdout.splitlines()[0]
    assert title == f"similar to {again[1]['relative_path']}"


def test_a_rank_is_of_its_own_index_and_a_later_search_elsewhere_is_told(library: Command) -> None:
    other = library.home / "other"
    library.run("ingest", "Pictures", "--index", other)
    first = library.run("query", "red heart", "--json").json_lines[0]
    library.run("query", "red heart")
    library.run("query", "blue", "--index", other)
    answer = library.run("similar", "@1")
    assert answer.stdout.splitlines()[0] == f"similar to {first['relative_path']}"
    assert "another index" in answer.stderr
    library.run("query", "red heart")
    assert "another index" not in library.run("similar", "@1").stderr


def test_like_takes_a_rank_with_a_weight(library: Command) -> None:
    hits = library.run("query", "red heart", "--json").json_lines
    expected = library.run("query", "blue", "--like", f"2:{hits[1]['id']}", "--json").json_lines
    library.run("query", "red heart")
    assert library.run("query", "blue", "--like", "2:@2", "--json").json_lines == expected


def test_open_takes_ranks(library: Command, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "xdg-open"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$1" >> "{tmp_path}/opened"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    environment = {**library.environment, "PATH": f"{program.parent}:/usr/bin:/bin"}
    command = Command(library.home, library.cache, environment)
    hits = command.run("query", "red heart", "--json").json_lines
    command.run("open", "@1", "@4")
    opened = (tmp_path / "opened").read_text().splitlines()
    assert sorted(opened) == sorted([hits[0]["path"], hits[3]["path"]])


def test_each_index_has_its_own_list(library: Command, demo_photos: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    library.run("--index", other, "ingest", demo_photos, "--limit", "5")
    assert "no last result list" in library.run("--index", other, "similar", "@1", code=1).stderr
    first = library.run("query", "red heart", "--json").json_lines
    library.run("--index", other, "query", "blue")
    assert first[0]["id"] in _texts(library)
    title = library.run("similar", "@1").stdout.splitlines()[0]
    assert title == f"similar to {first[0]['relative_path']}"


def _texts(command: Command) -> str:
    folder = command.cache / "imgsearch" / "last-results"
    return "".join(file.read_text() for file in folder.glob("*.json"))


def test_what_cannot_be_named_is_said(library: Command) -> None:
    assert "no last result list" in library.run("open", "@1", code=1).stderr
    library.run("query", "red heart", "-k", "3")
    assert "@1 to @3" in library.run("similar", "@9", code=1).stderr
    best = library.run("query", "red heart", "-k", "1", "--json").json_lines[0]
    library.run("remove", best["id"], "--yes")
    assert "no longer in" in library.run("similar", "@1", code=1).stderr
    shutil.copy(next((library.home / "Pictures").glob("*.png")), library.home / "@1")
    assert library.run("similar", "./@1").stdout


def test_no_path_comes_from_the_file(library: Command, tmp_path: Path) -> None:
    """Whoever writes it names ids at most, and no file is read that way."""
    secret = tmp_path / "secret.png"
    shutil.copy(next((library.home / "Pictures").glob("*.png")), secret)
    library.run("query", "red heart")
    file = _remembered(library)
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert "/" not in "".join(json.loads(file.read_text()).values())
    for content in (
        json.dumps({"1": str(secret)}),
        json.dumps({"1": "../../etc/passwd"}),
        json.dumps({"1": "\x1b[31m\u202e"}),
        json.dumps({"1": 5}),
        json.dumps({"x": None, "١": "a"}),
        json.dumps({"1": "a", "moments": {"1": "0; reboot"}}),
        "[" * 100_000,
        "[1]",
        "\xff",
    ):
        file.write_text(content)
        for command in ("similar", "open"):
            answer = library.run(command, "@1", code=1)
            assert "\x1b" not in answer.stderr
            assert not answer.stdout
    file.unlink()
    file.symlink_to(secret)
    assert "no last result list" in library.run("similar", "@1", code=1).stderr
    file.unlink()
    os.mkfifo(file)
    assert "no last result list" in library.run("open", "@1", code=1).stderr


def test_a_cache_that_cannot_be_written_is_no_failure(library: Command) -> None:
    folder = library.cache / "imgsearch" / "last-results"
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("in the way")
    assert library.run("query", "red heart").stdout
    folder.unlink()


# -- links

_LINK = re.compile(r"\x1b\]8;;([^\x1b]*)\x1b\\([^\x1b]*)\x1b\]8;;\x1b\\")


def _env(command: Command, **more: str) -> dict[str, str]:
    return {**command.env(), "TERM": "xterm-256color", "COLUMNS": "", **more}


def test_names_are_links_where_the_terminal_knows_them(library: Command) -> None:
    hits = library.run("query", "red heart", "--json").json_lines
    for columns in (40, 80, 200):
        question = [SCRIPT, "query", "red heart", "--no-preview"]
        env = _env(library, TERM_PROGRAM="WezTerm")
        _, written = on_terminal(question, env, library.home, columns=columns)
        links = _LINK.findall(written.decode())
        assert [unquote(urlsplit(address).path) for address, _ in links] == [
            hit["path"] for hit in hits
        ]
        assert {urlsplit(address).netloc for address, _ in links} == {os.uname().nodename}
        assert all(re.fullmatch(r"file://[!-~]+", address) for address, _ in links)
        lines = drawn_pictures.screen(written, columns).lines
        assert max(map(len, lines[1:-1])) <= columns


def test_a_contact_sheet_has_links_too(library: Command) -> None:
    env = _env(library, TERM_PROGRAM="WezTerm", SSH_TTY="/dev/pts/1")
    del env["COLUMNS"]
    ran = in_session([SCRIPT, "query", "red heart"], env, library.home, answers=KITTY)
    assert len(_LINK.findall(ran.written.decode("utf-8", "replace"))) == 8


@pytest.mark.parametrize(
    ("environment", "known"),
    [
        ({}, False),
        ({"VTE_VERSION": "6003"}, True),
        ({"VTE_VERSION": "4999"}, False),
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM_PROGRAM": "Apple_Terminal"}, False),
        ({"TMUX": "/tmp/x", "TERM_PROGRAM": "tmux", "TERM_PROGRAM_VERSION": "3.4"}, True),
        ({"TMUX": "/tmp/x", "TERM_PROGRAM": "tmux", "TERM_PROGRAM_VERSION": "3.3a"}, False),
        ({"TMUX": "/tmp/x", "VTE_VERSION": "6003"}, False),
        ({"STY": "1.x", "VTE_VERSION": "6003"}, False),
        ({"FORCE_HYPERLINK": "1"}, True),
        ({"VTE_VERSION": "6003", "FORCE_HYPERLINK": "0"}, False),
        ({"TERM": "dumb", "VTE_VERSION": "6003"}, False),
        ({"NO_COLOR": "1", "VTE_VERSION": "6003"}, False),
    ],
)
def test_who_knows_links(library: Command, environment: dict[str, str], known: bool) -> None:
    question = [SCRIPT, "query", "x", "--no-preview", "-k", "1"]
    _, written = on_terminal(question, _env(library, **environment), library.home)
    assert bool(_LINK.search(written.decode())) is known


def test_a_pipe_has_no_links(library: Command) -> None:
    command = Command(library.home, library.cache, {**library.environment, "VTE_VERSION": "6003"})
    for options in ((), ("--paths",), ("--csv",)):
        assert "\x1b" not in command.run("query", "x", *options).stdout


def test_a_name_that_is_no_picture_and_a_photo_that_is_gone_are_no_links(library: Command) -> None:
    source = next((library.home / "Pictures").glob("*.png"))
    shutil.copy(source, library.home / "Pictures" / "run me.desktop")
    shutil.copy(source, library.home / "Pictures" / "run me")
    library.run("ingest", "Pictures")
    source.unlink()
    question = [SCRIPT, "query", "x", "--no-preview"]
    _, written = on_terminal(question, _env(library, VTE_VERSION="6003"), library.home)
    addresses = [address for address, _ in _LINK.findall(written.decode())]
    assert len(addresses) == 7
    assert all(address.endswith(".png") for address in addresses)
