"""What `query` and `similar` show, at every width, and what one can do with it."""

from __future__ import annotations

import csv
import io
import os
import shlex
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from rich.cells import cell_len

import imgsearch
from imgsearch.escaping import shell_quoted
from imgsearch.output.results_table import width
from imgsearch.question import Question
from imgsearch.web import templating
from tests.command import SCRIPT, Command
from tests.terminal import on_terminal

LONG = "a name of many words, " * 9 + "its end.png"
FOLDER = "Pictures/2020/Patagonia (best of)/the long walk from the hut to the glacier and back"


@pytest.fixture(scope="module")
def trip(tmp_path_factory: pytest.TempPathFactory, model_cache: Path, demo_photos: Path) -> Command:
    """A home with pictures in deep folders, with long names and a date."""
    home = tmp_path_factory.mktemp("home")
    sources = sorted(demo_photos.rglob("*.png"))
    names = [f"{FOLDER}/IMG_{n}.png" for n in range(4)]
    names += [f"Pictures/{LONG}", "Pictures/horse.png", "Pictures/京都 it's.png"]
    for name, source in zip(names, sources, strict=False):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, home / name)
    command = Command(home, model_cache, {"IMGSEARCH_MODEL": "demo", "COLUMNS": ""})
    command.run("ingest", "Pictures")
    return command


def _at(command: Command, columns: int) -> Command:
    return Command(command.home, command.cache, {**command.environment, "COLUMNS": str(columns)})


def _paths(table: str) -> list[str]:
    """What stands in the last column, as a shell reads it."""
    lines = [line.split("  ", 3) for line in table.splitlines()[2:]]
    return [shlex.split(line[-1])[0] for line in lines]


def test_a_path_from_the_table_can_be_pasted(trip: Command) -> None:
    expected = [line["path"] for line in trip.run("query", "x", "--json").json_lines]
    for folder in (trip.home, trip.home / "Pictures", Path("/")):
        table = trip.run("query", "x", cwd=folder).stdout
        printed = _paths(table)
        assert [os.path.join(folder, path) for path in printed] == expected
        assert all(len(path) <= len(whole) for path, whole in zip(printed, expected, strict=True))
    best = expected[0]
    answer = trip.run("similar", best, "--json").stdout
    inside = trip.home / "Pictures"
    [printed] = _paths(trip.run("query", "x", "-k", "1", cwd=inside).stdout)
    pasted = f'"{SCRIPT}" similar {shlex.quote(printed)} --json'
    shell = subprocess.run(
        ["sh", "-c", pasted], env=trip.env(), cwd=inside, capture_output=True, check=True
    )
    assert shell.stdout.decode() == answer


@pytest.mark.parametrize("columns", [40, 59, 60, 80, 120, 200])
def test_every_width_shows_every_hit_in_as_many_lines(trip: Command, columns: int) -> None:
    lines = _at(trip, columns).run("query", "x").stdout.splitlines()
    hits = len(trip.run("query", "x", "--json").json_lines)
    assert max(map(cell_len, lines)) <= columns
    assert len(lines) == (1 + 2 * hits if columns < 60 else 2 + hits)
    assert all(line == line.rstrip() for line in lines)


@pytest.fixture(scope="module")
def nearest(trip: Command) -> list[str]:
    """What `similar` answers for each hit by its id, in the order of the hits."""
    hits = trip.run("query", "x", "--json").json_lines
    return [trip.run("similar", hit["id"], "-k", "1", "--json").stdout for hit in hits]


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_similar_takes_what_the_table_shows(
    trip: Command, nearest: list[str], columns: int
) -> None:
    narrow = _at(trip, columns)
    lines = narrow.run("query", "x").stdout.splitlines()
    printed = lines[2::2] if columns < 60 else [line[14:] for line in lines[2:]]
    assert any("…" in path for path in printed)
    for path, expected in zip(printed, nearest, strict=True):
        [name] = shlex.split(path)
        assert trip.run("similar", name, "-k", "1", "--json").stdout == expected, name


def test_folders_in_the_middle_go_before_words(trip: Command) -> None:
    table = _at(trip, 80).run("query", "x").stdout
    assert "'Pictures/…/IMG_0.png'" in table or "Pictures/…/IMG_0.png" in table
    assert "its end.png" in table


def test_similar_takes_a_name_alone_and_asks_where_it_fits_several(trip: Command) -> None:
    assert trip.run("similar", "horse.png", "--json").json_lines
    several = trip.run("similar", "Pictures/…png", code=2)
    assert "fits 7 photos" in several.stderr
    assert "no photo in the index" in trip.run("similar", "no…such.png", code=1).stderr


def test_a_pipe_gets_whole_paths_and_no_decoration(trip: Command) -> None:
    out = trip.run("query", "x").stdout
    assert f"{FOLDER}/IMG_0.png" in out
    assert LONG in out
    assert not set(out) & set("─━│┃╭╰\x1b")
    assert out.splitlines()[1].split() == ["rank", "score", "path"]  # no column without a date
    for command in ("status", "doctor"):
        lines = trip.run(command, code=None).stdout.splitlines()
        assert all(line == line.rstrip() for line in lines)


def test_a_date_has_its_column(command: Command, tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "dated").mkdir()
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2019:05:04 10:11:12"
    Image.new("RGB", (64, 64), "red").save(tmp_path / "dated" / "a.jpg", exif=exif)
    command.run("ingest", tmp_path / "dated")
    lines = command.run("query", "x").stdout.splitlines()
    assert lines[1].split() == ["rank", "score", "date", "path"]
    assert lines[2].split()[2] == "2019-05-04"
    narrow = _at(command, 40).run("query", "x").stdout.splitlines()
    assert "2019-05-04" in narrow[1]


def test_of_a_date_no_more_is_shown_than_is_known(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    folder = tmp_path / "scans"
    folder.mkdir()
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
        ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description'
        ' xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" photoshop:DateCreated="{}"/>'
        "</rdf:RDF></x:xmpmeta>"
    )
    for name, date in (("a", "1901"), ("b", "1941-06"), ("c", "1950-02-03")):
        Image.effect_mandelbrot((64, 64), (-2, -1, 1, 1), 50).save(folder / f"{name}.png")
        (folder / f"{name}.png.xmp").write_text(packet.format(date), "utf-8")
    command.run("ingest", folder)
    known = ["1901", "1941-06", "1950-02-03"]
    args = ("query", "--sort", "oldest", "--no-fold")
    table = command.run(*args).stdout.splitlines()
    assert [line.split()[1] for line in table[2:]] == known
    rows = csv.DictReader(io.StringIO(command.run(*args, "--csv").stdout))
    assert [row["taken"] for row in rows] == known
    told = command.run(*args, "--json").json_lines
    assert [hit["taken"][:10] for hit in told] == ["1901-01-01", "1941-06-01", "1950-02-03"]
    assert [hit["taken_precision"] for hit in told] == ["year", "month", "day"]
    gallery = command.run(*args, "--html", "-").stdout
    copies = command.run("duplicates").stdout
    for text in (gallery, copies):
        assert all(date in text for date in known)
        assert "1901-" not in text
        assert "1941-06-" not in text
        assert "00:00" not in text
    for name, value in command.env().items():
        monkeypatch.setenv(name, value)
    with imgsearch.open() as library:
        records = [hit.record for hit in library.search(Question(order="oldest", fold=False))]
    assert [dict(templating.facts(record))["Taken"] for record in records] == known
    assert [
        value
        for record in records
        for key, _, value in templating.copy_facts(record)
        if key == "taken"
    ] == known


def test_colours_are_for_terminals_that_want_them(trip: Command) -> None:
    env = {**trip.env(), "TERM": "xterm-256color"}
    question = [SCRIPT, "query", "x"]
    assert b"\x1b[" in on_terminal(question, env, trip.home)[1]
    for other in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert b"\x1b[" not in on_terminal(question, {**env, **other}, trip.home)[1]


def test_a_terminal_without_a_size_is_80_columns_wide(trip: Command) -> None:
    env = {**trip.env(), "TERM": "dumb"}
    code, written = on_terminal([SCRIPT, "query", "x"], env, trip.home, columns=0)
    assert code == 0
    table = written.decode().split("Only 7")[0]
    assert max(map(cell_len, table.splitlines())) <= 80


@pytest.mark.parametrize("columns", [40, 200])
def test_a_long_question_takes_one_line_and_says_what_was_read(trip: Command, columns: int) -> None:
    words = "red heart " * 1000
    answer = _at(trip, columns).run("query", words, "-k", "1")
    title = answer.stdout.splitlines()[0]
    assert cell_len(title) <= columns
    assert title.endswith("…")
    [note] = [line for line in answer.stderr.splitlines() if "characters" in line]
    assert "of 9,999 characters" in note or "of 10,000 characters" in note
    read = int(note.split("first ")[1].split()[0].replace(",", ""))
    # what was not read makes no difference
    whole = trip.run("query", words, "--json").stdout
    assert trip.run("query", words[:read], "--json").stdout == whole
    assert "characters" not in trip.run("query", "a red heart beside a green tree").stderr


def test_nothing_found_names_only_what_was_asked_for(trip: Command) -> None:
    answer = trip.run("query", "x", "--min-score", "1")
    assert "--min-score" in answer.stderr
    assert "--under" not in answer.stderr
    from_environment = Command(
        trip.home, trip.cache, {**trip.environment, "IMGSEARCH_MIN_SCORE": "1"}
    )
    assert "IMGSEARCH_MIN_SCORE" in from_environment.run("query", "x").stderr


def test_verbose_says_where_and_how_it_was_searched(trip: Command) -> None:
    once = trip.run("query", "x", "-v")
    assert "7 photos" in once.stderr
    assert "demo" in once.stderr
    twice = trip.run("query", "x", "-vv")
    assert len(twice.stderr.splitlines()) > len(once.stderr.splitlines())
    assert once.stdout == twice.stdout == trip.run("query", "x").stdout


@pytest.mark.skipif(os.name == "nt" or os.uname().sysname == "Darwin", reason="xdg-open is Linux's")
class TestOpen:
    """A program of the test's own has the name of the one that opens files."""

    @pytest.fixture
    def viewer(self, tmp_path: Path) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        program = folder / "xdg-open"
        program.write_text(f'#!/bin/sh\necho "$1" >> "{tmp_path}/opened"\nexit ${{FAILS:-0}}\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return folder

    def _with(self, trip: Command, path: str, **more: str) -> Command:
        return Command(trip.home, trip.cache, {**trip.environment, "PATH": path, **more})

    def test_says_what_it_opened(self, trip: Command, viewer: Path, tmp_path: Path) -> None:
        command = self._with(trip, f"{viewer}:/usr/bin:/bin")
        [first, second] = trip.run("query", "x", "-k", "2", "--json").json_lines
        answer = command.run("open", first["id"], second["relative_path"])
        assert "Opened 2 photos" in answer.stderr
        opened = sorted((tmp_path / "opened").read_text().splitlines())
        assert opened == sorted([first["path"], second["path"]])

    def test_says_that_there_is_no_viewer(self, trip: Command, viewer: Path) -> None:
        """Then where the photos lie, as a shell takes them."""
        hits = trip.run("query", "x", "-k", "2", "--json").json_lines
        paths = [hit["path"] for hit in hits]
        without = self._with(trip, "/nonexistent")
        fails = self._with(trip, f"{viewer}:/usr/bin:/bin", FAILS="3")
        for command in (without, fails):
            said = command.run("open", *(hit["id"] for hit in hits), code=1).stderr
            assert "2 photos could not be opened" in said
            [line] = [line for line in said.splitlines() if " VIEWER " in line]
            assert shlex.split(line.partition(" VIEWER ")[2]) == paths

    def test_what_is_no_photo_here_is_said(self, trip: Command, viewer: Path) -> None:
        command = self._with(trip, f"{viewer}:/usr/bin:/bin")
        assert "There is no photo" in command.run("open", "nothing.png", code=1).stderr


@pytest.mark.parametrize(
    "name",
    [
        b"plain.png", "Straße/京都.png".encode(), b"a b.png", b"it's.png", b"$HOME.png",
        b"~x.png", b"!x.png", b"a\\b.png", b"*.png", b"caf\xe9.png", b"two\nlines.png",
        b"\x1b[31m'\\.png", "c1\x9b\u202e.png".encode(), b"-rf", b"#x", b"a;b",
        "nbsp\xa0ideographic\u3000.png".encode(),
    ],
)  # fmt: skip
def test_quoted_names_reach_a_program_as_they_are(name: bytes) -> None:
    quoted = shell_quoted(name)
    assert quoted.isprintable() or "\xa0" in quoted
    finished = subprocess.run(
        ["bash", "-c", f"printf %s {quoted}"],
        env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]},
        capture_output=True,
        check=True,
    )
    assert finished.stdout in (name, b"./" + name)


def test_a_title_in_quotation_marks_is_measured_as_rich_does() -> None:
    for text in ("“red car” …", "Straße – naïve", "京都", "👨‍👩‍👧", "e\u0301", "a\xadb"):
        assert width(text) == cell_len(text), text
