"""What an ingest shows while it works: on a terminal of 80 columns, and in a pipe."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from imgsearch.cli import progress
from tests.command import SCRIPT, Command
from tests.terminal import on_terminal

HEADING = "Preparing the model (once): "


def screen(written: bytes) -> list[str]:
    """The lines that a terminal shows in the end, without colours."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", written.decode())
    assert "\x1b" not in text  # nothing else moves the cursor
    lines = []
    for line in text.split("\n"):
        shown: list[str] = []
        for part in line.split("\r"):
            shown[: len(part)] = part
        lines.append("".join(shown).rstrip())
    return lines


def drawn(written: bytes) -> list[str]:
    """Every line that stood there for a moment."""
    return [line for line in re.split(r"[\r\n]", written.decode()) if line.strip()]


@pytest.fixture
def mixed(tmp_path: Path, demo_photos: Path) -> Path:
    """Thirty pictures, one of them without an ending, a damaged one, and files that are none."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for number, source in enumerate(sorted(demo_photos.rglob("*.png"))[:30]):
        shutil.copy(source, folder / f"{number}.png")
    (folder / "0.png").rename(folder / "scan")
    (folder / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500))
    for number in range(20):
        (folder / f"notes {number}.txt").write_text("nobody takes this for a picture")
    (folder / "clip.mov").write_bytes(b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(500))
    return folder


def run(command: Command, *arguments: object, columns: int = 80) -> bytes:
    given = [SCRIPT, *map(str, arguments)]
    env = {**command.env(), "TERM": "xterm"}
    code, written = on_terminal(given, env, command.home, columns=columns)
    assert code == 0, written
    return written


def test_the_first_use_at_80_columns(command: Command, mixed: Path, tmp_path: Path) -> None:
    command.cache = tmp_path / "empty cache"
    written = run(command, "ingest", mixed)
    lines = screen(written)
    headed = [line for line in lines if HEADING in line]
    assert len(headed) == 1
    assert re.fullmatch(re.escape(HEADING) + r"done in \d+ s", headed[0])
    steps = [line for line in drawn(written) if HEADING in line]
    assert any(line.startswith(f"{HEADING}exporting the image model, 3 of 8") for line in steps)
    assert any("exporting the text model, 7 of 8" in line for line in steps)
    numbers = [int(found) for line in steps for found in re.findall(r"(\d) of 8", line)]
    assert numbers == sorted(set(numbers))  # none twice, none backwards
    assert not re.search(rb"\?B/s|0\.00B", written)
    bars = [line for line in drawn(written) if line.startswith("photos:")]
    assert all(len(line) <= 80 for line in [*steps, *bars])
    [bar] = [line for line in lines if line.startswith("photos:")]
    assert "100%" in bar
    assert "31/31" in bar
    again = run(command, "ingest", mixed)
    assert HEADING.encode() not in again
    [bar] = [line for line in screen(again) if line.startswith("photos:")]
    assert "100%" in bar
    assert "31/31" in bar


def test_a_step_that_is_wider_than_the_terminal_ends_with_an_ellipsis(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    bar = progress._Drawn("B", True, HEADING)
    bar("waiting for another imgsearch to finish this", 0, 0)
    bar.close()
    assert capsys.readouterr().err.strip() == f"{HEADING}waiting fo…"


def test_the_first_use_in_a_pipe(command: Command, mixed: Path, tmp_path: Path) -> None:
    command.cache = tmp_path / "empty cache"
    lines = command.run("ingest", mixed).stderr.splitlines()
    steps = [line for line in lines if line.startswith(HEADING)]
    assert len(steps) == len(set(steps)) == 8
    assert steps[2] == f"{HEADING}exporting the image model, 3 of 8"
    assert not any("\r" in line or "0 B" in line for line in lines)


def test_what_was_removed_or_moved_away_does_not_keep_the_bar_from_its_end(
    command: Command, mixed: Path
) -> None:
    command.run("ingest", mixed)
    command.run("remove", "1.png", "2.png", "--yes")
    (mixed / "3.png").rename(mixed / "three.png")
    (mixed / "4.png").unlink()
    shutil.copy(mixed / "5.png", mixed / "copy of 5.png")
    [bar] = [line for line in screen(run(command, "ingest", mixed)) if line.startswith("photos:")]
    assert "100%" in bar


def test_more_and_more_is_said(command: Command, mixed: Path) -> None:
    command.run("ingest", mixed)
    shutil.copy(mixed / "5.png", mixed / "copy of 5.png")
    (mixed / "3.png").rename(mixed / "three.png")
    (mixed / "4.png").unlink()
    runs = [command.run("ingest", mixed, *more, "--dry-run") for more in ([], ["-v"], ["-vv"])]
    plain, verbose, everything = [run.stdout + run.stderr for run in runs]
    assert "added up over threads" not in plain
    assert "added up over threads" in verbose
    assert "added up over threads" in everything
    for said in (plain, verbose, everything):  # few are named at once, and nothing is to be asked
        assert f"skipped {mixed}/damaged.png: " in said
        assert "-v names" not in said
    assert "4.png" in plain  # a dry run names what is not there
    for words in (f"added {mixed}/copy of 5.png", f"renamed {mixed}/three.png"):
        assert words not in verbose
        assert words in everything


def test_a_line_a_photo_and_a_bar_do_not_mix(command: Command, mixed: Path) -> None:
    lines = screen(run(command, "-vv", "ingest", mixed, columns=200))
    assert f"added {mixed}/5.png" in lines
    assert sum(line.startswith("added ") for line in lines) == 30
    assert not any("photos/s]" in line for line in lines)


@pytest.mark.parametrize("options", [["--prune"], ["--exclude", "sub", "--prune"]])
def test_a_dry_run_names_what_would_go(options: list[str], command: Command, mixed: Path) -> None:
    (mixed / "sub").mkdir()
    (mixed / "9.png").rename(mixed / "sub" / "9.png")
    command.run("ingest", mixed)
    (mixed / "4.png").unlink()
    if "--exclude" not in options:
        shutil.rmtree(mixed / "sub")
    finished = command.run("ingest", mixed, *options, "--dry-run")
    named = [line for line in finished.stderr.splitlines() if line.startswith("would ")]
    kind = "excluded" if "--exclude" in options else "removed"
    would = kind.removesuffix("d")
    assert sorted(named) == sorted(
        [f"would remove {mixed}/4.png", f"would {would} {mixed}/sub/9.png"]
    )
    report = command.run("ingest", mixed, *options, "--dry-run", "--json").json
    assert {(each["what"], each["path"]) for each in report["gone"]} == {
        ("removed", f"{mixed}/4.png"),
        (kind, f"{mixed}/sub/9.png"),
    }
    assert command.run("status", "--json").json["index"]["photos"] == 30
    done = command.run("ingest", mixed, *options, "--yes", "-v")
    assert f"removed {mixed}/4.png" in done.stderr.splitlines()
