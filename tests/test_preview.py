"""Thumbnails beside the hits: what a terminal draws of them, and that it is only asked for what it
answers."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgsearch.index.base import Record
from imgsearch.output import contact_sheet, sixel
from imgsearch.output.results_table import Page
from imgsearch.output.terminal import USUAL_CELL
from imgsearch.question import Question
from imgsearch.results import Hit, Results
from imgsearch.thumbnails import made
from tests import drawn_pictures
from tests.command import SCRIPT, Command
from tests.terminal import Session, in_session

WHO, ABILITIES, CELL = b"\x1b[>q", b"\x1b[c", b"\x1b[16t"
IS_KITTY = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
KITTY = {
    WHO: b"\x1bP>|kitty(0.40.0)\x1b\\",
    CELL: b"\x1b[6;40;20t",
    IS_KITTY: b"\x1b_Gi=31;OK\x1b\\",
    ABILITIES: b"\x1b[?62;52;c",
}
SIXEL = {WHO: b"\x1bP>|XTerm(390)\x1b\\", CELL: b"\x1b[6;20;10t", ABILITIES: b"\x1b[?64;1;4;22c"}
ITERM2 = {WHO: b"\x1bP>|iTerm2 3.5.0\x1b\\", CELL: b"\x1b[6;34;16t", ABILITIES: b"\x1b[?64;1;4c"}
PLAIN = {ABILITIES: b"\x1b[?1;2c"}
DRAWING = {"kitty": KITTY, "sixel": SIXEL, "iterm2": ITERM2}


@pytest.fixture(scope="module")
def trip(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Command:
    """A home with photos of several shapes, of which one is gone and one a link out of the
    library."""
    from tests.conftest import SKIMAGE

    home = tmp_path_factory.mktemp("home")
    folder = home / "Pictures"
    folder.mkdir()
    names = ("astronaut.png", "coffee.png", "rocket.jpg", "motorcycle_left.png", "page.png")
    for name in names:
        shutil.copy(SKIMAGE / name, folder)
    with Image.open(SKIMAGE / "coffee.png") as coffee:
        coffee.resize((120, 600)).save(folder / "京都 tall.png")
    for gone in ("gone.png", "link.png"):
        shutil.copy(SKIMAGE / "moon.png", folder / gone)
    with Image.open(SKIMAGE / "camera.png") as camera:
        camera.rotate(90).save(folder / "link.png")
    command = Command(home, model_cache, {"IMGSEARCH_MODEL": "demo", "TERM": "xterm-256color"})
    command.run("ingest", "Pictures")
    (folder / "gone.png").unlink()
    (folder / "link.png").unlink()
    shutil.copy(SKIMAGE / "camera.png", home / "secret.png")
    (folder / "link.png").symlink_to(home / "secret.png")
    return command


def _run(
    trip: Command, *arguments: str, columns: int = 120, lines: int = 50, **options: object
) -> Session:
    env = {name: value for name, value in trip.env().items() if name != "COLUMNS"}
    if "answers" in options:  # on a busy machine the tests' terminal is as slow as a distant one
        env["SSH_TTY"] = "/dev/pts/1"
    return in_session([SCRIPT, *arguments], env, trip.home, columns=columns, lines=lines, **options)


def _hits(trip: Command) -> list[dict[str, object]]:
    return trip.run("query", "coffee", "--json").json_lines


def _expected(path: object, size: tuple[int, int]) -> Image.Image:
    """The thumbnail at a size."""
    webp = made(str(path), 480, 100)
    return Image.open(io.BytesIO(webp)).convert("RGB").resize(size)


def _difference(image: Image.Image, path: object) -> float:
    """Mean of the channels' differences from the thumbnail, 0 to 255; a transparent margin is cut
    off."""
    if image.mode == "RGBA":
        image = image.crop(image.getchannel("A").getbbox())
    pixels = np.asarray(image.convert("RGB"), float)
    return float(np.abs(pixels - np.asarray(_expected(path, image.size), float)).mean())


@pytest.mark.parametrize("columns", [80, 120, 200])
@pytest.mark.parametrize("protocol", DRAWING)
def test_each_hit_has_its_picture_beside_it(trip: Command, protocol: str, columns: int) -> None:
    answers = DRAWING[protocol]
    ran = _run(trip, "query", "coffee", columns=columns, answers=answers)
    assert ran.code == 0
    assert ran.left == b""
    shown = drawn_pictures.screen(ran.written, columns)
    assert "^[" not in "".join(shown.lines), "no answer is echoed"
    hits = _hits(trip)
    drawn = [hit for hit in hits if not hit["missing"] and hit["path"]]
    assert len(hits) == 8
    assert len(drawn) == len(shown.pictures) == 6
    height, width = (int(part) for part in answers[CELL][4:-1].split(b";"))
    for picture, hit in zip(shown.pictures, drawn, strict=True):
        assert _difference(picture.image, hit["path"]) < (12 if protocol == "sixel" else 6)
        assert picture.image.width <= contact_sheet.COLUMNS * width
        assert picture.image.height <= contact_sheet.ROWS * height
        if picture.places is not None:
            columns_taken, rows_taken = picture.places
            assert picture.image.size == (columns_taken * width, rows_taken * height)
        beside = shown.lines[picture.row][picture.column + contact_sheet.COLUMNS :].split()
        assert beside[:2] == [str(hit["rank"]), f"{hit['score']:.3f}"]
    _looks_right(shown, hits, columns)


def _looks_right(shown: drawn_pictures.Screen, hits: list[dict[str, object]], columns: int) -> None:
    """Hits lie in order, row by row, evenly over the width; nothing is wider than the terminal, no
    text lies where a picture is, and every hit is named."""
    beside = {80: 2, 120: 3, 200: 5}[columns]
    assert shown.lines[0] == "“coffee”"
    places = [
        (number % beside * columns // beside, 1 + number // beside * (contact_sheet.ROWS + 1))
        for number, hit in enumerate(hits)
        if hit["path"] and not hit["missing"]
    ]
    assert [(picture.column, picture.row) for picture in shown.pictures] == places
    for column, row in places:
        for line in shown.lines[row : row + contact_sheet.ROWS]:
            assert not line[column : column + contact_sheet.COLUMNS].strip()
    text = "\n".join(shown.lines)
    for hit in hits:
        assert str(hit["name"])[-8:].replace(" ", "") in text.replace(" ", "")
    assert "(missing)" in text


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_half_blocks_are_drawn_where_they_are_asked_for(trip: Command, columns: int) -> None:
    hits = _hits(trip)
    first = next(number for number, hit in enumerate(hits) if hit["path"] and not hit["missing"])
    one = ("--offset", str(first), "-k", "1")
    ran = _run(trip, "query", "coffee", *one, "--preview", "blocks", columns=columns)
    assert ran.code == 0
    rows = np.concatenate(drawn_pictures.half_blocks(ran.written.decode()))
    assert rows.shape[0] <= 2 * contact_sheet.ROWS
    assert rows.shape[1] <= contact_sheet.COLUMNS
    image = Image.fromarray(rows)
    assert _difference(image, hits[first]["path"]) < 12
    ran = _run(trip, "query", "coffee", "--preview=blocks", columns=columns)
    shown = drawn_pictures.screen(ran.written, columns)
    assert not shown.pictures
    assert all(len(line) <= columns for line in shown.lines)
    assert WHO not in ran.written, "what is asked for need not be found out"


def test_a_picture_outside_of_the_library_is_not_drawn(trip: Command) -> None:
    [link] = [hit for hit in _hits(trip) if hit["name"] == "link.png"]
    assert link["path"] is None
    ran = _run(trip, "query", "coffee", answers=KITTY)
    shown = drawn_pictures.screen(ran.written, 120)
    secret = trip.home / "secret.png"
    assert shown.pictures
    assert all(_difference(picture.image, secret) > 20 for picture in shown.pictures)
    assert "leads out of its" in "\n".join(shown.lines)


def test_a_terminal_that_draws_nothing_gets_the_table(trip: Command) -> None:
    table = trip.run("query", "coffee").stdout
    for options in ((), ("--no-preview",)):
        ran = _run(trip, "query", "coffee", *options, answers=PLAIN)
        shown = drawn_pictures.screen(ran.written, 120)
        assert ran.left == b""
        assert not shown.pictures
        assert shown.lines[1].split()[:2] == ["rank", "score"]
        assert shown.lines[1].endswith("path")
        assert len(shown.lines) == len(table.splitlines()) + 1, "the hint on so small a library"
    ran = _run(trip, "query", "coffee", "--preview", answers=PLAIN)
    assert b"does not say that it draws pictures; --preview blocks" in ran.written
    assert b"score" in ran.written


def test_a_capable_terminal_gets_the_table_where_thumbnails_are_not_wanted(trip: Command) -> None:
    ran = _run(trip, "query", "coffee", "--no-preview", answers=KITTY)
    assert b"\x1b_G" not in ran.written
    assert b"score" in ran.written
    both = _run(trip, "query", "coffee", "--no-preview", "--preview", answers=KITTY)
    assert both.code == 2
    wrong = _run(trip, "query", "coffee", "--preview=crayons", answers=KITTY)
    assert wrong.code == 2
    assert b"blocks" in wrong.written


def test_a_pipe_never_gets_pictures(trip: Command, tmp_path: Path) -> None:
    plain = trip.run("query", "coffee").stdout
    for mode in ("--preview", "--preview=blocks", "--preview=kitty"):
        answer = trip.run("query", "coffee", mode)
        assert answer.stdout == plain
        assert "Thumbnails are drawn on a terminal alone." in answer.stderr
    out = tmp_path / "out"
    script = f'"{SCRIPT}" query coffee > "{out}"'
    ran = in_session(["/bin/sh", "-c", script], trip.env(), trip.home, answers=KITTY)
    assert WHO not in ran.written, "a terminal is not asked about a file"
    assert out.read_text() == plain


def test_preview_takes_no_word_of_the_question(trip: Command) -> None:
    ran = _run(trip, "query", "--preview", "coffee", answers=SIXEL)
    assert drawn_pictures.screen(ran.written, 120).lines[0] == "“coffee”"
    ran = _run(trip, "query", "--preview", "blocks", "coffee", answers=SIXEL)
    assert drawn_pictures.screen(ran.written, 120).lines[0] == "“coffee”"
    assert "▀" in ran.written.decode()


def test_nobody_waits_for_a_terminal_that_does_not_answer(trip: Command) -> None:
    """It is asked once, whatever the number of questions, and what it is asked leaves no trace."""
    questions = trip.home / "questions"
    questions.write_text("coffee\n" * 3)
    ran = _run(trip, "query", "--from-file", str(questions))
    assert ran.code == 0
    assert ran.written.count(ABILITIES) == 1
    assert IS_KITTY not in ran.written, "only who answers is asked for more"
    assert ran.written.count(b"rank  score") == 3
    for silent in ({"TERM": "dumb"}, {"TERM": "linux"}, {"NO_COLOR": "1"}):
        command = Command(trip.home, trip.cache, {**trip.environment, **silent})
        assert ABILITIES not in _run(command, "query", "coffee", answers=KITTY).written


def test_an_answer_that_stops_in_the_middle_is_no_answer(trip: Command) -> None:
    ran = _run(trip, "query", "coffee", answers={WHO: b"\x1bP>|kitty(0", ABILITIES: b"\x1b[?62;"})
    assert b"score" in ran.written
    assert ran.left == b""


@pytest.mark.parametrize("typed", [b"ls\n", b"ls"], ids=["line", "beginning"])
def test_what_was_typed_ahead_stays_for_the_shell(trip: Command, typed: bytes) -> None:
    ran = _run(trip, "query", "coffee", answers=KITTY, typed=typed)
    assert ran.left == typed
    assert ABILITIES not in ran.written


def test_in_the_background_nothing_is_read(trip: Command) -> None:
    """A job that reads from its terminal would be stopped."""
    script = f'set -m; "{SCRIPT}" query coffee & wait; echo done'
    ran = in_session(["/bin/bash", "-c", script], trip.env(), trip.home, answers=KITTY)
    assert b"done" in ran.written
    assert b"score" in ran.written
    assert ABILITIES not in ran.written


def test_a_damaged_thumbnail_in_the_cache_is_left_out(trip: Command) -> None:
    _run(trip, "query", "coffee", answers=SIXEL)
    kept = list((trip.cache / "imgsearch" / "thumbnails").glob("*/*.webp"))
    assert kept
    whole = {file: file.read_bytes() for file in kept}
    for file in kept:
        file.write_bytes(whole[file][:40])
    try:
        ran = _run(trip, "query", "coffee", answers=SIXEL)
    finally:
        for file, data in whole.items():
            file.write_bytes(data)
    assert ran.code == 0
    assert b"coffee.png" in ran.written


def test_a_low_or_narrow_window_gets_the_table(trip: Command) -> None:
    for columns, lines in ((30, 50), (120, 5)):
        ran = _run(trip, "query", "coffee", columns=columns, lines=lines, answers=KITTY)
        assert b"\x1b_Ga=T" not in ran.written
        assert ran.code == 0


def test_what_fits_is_told_apart(trip: Command) -> None:
    """As in the table: a line, and the others on rows of their own."""
    question = ("query", "coffee", "-k", "6")
    expected = trip.run(*question).stdout.splitlines()
    told = [line for line in expected if line.endswith("nearest others:")]
    ran = _run(trip, *question, answers=KITTY)
    lines = drawn_pictures.screen(ran.written, 120).lines
    assert [line for line in lines if line.endswith("nearest others:")] == told


def test_hits_that_do_not_fit_begin_a_row() -> None:
    facts = {"size": 1, "mtime_ns": 1, "content_hash": "", "format": "PNG"}

    def hit(rank: int, fits: bool) -> Hit:
        record = Record(
            id=str(rank), library="l", relative_path=f"{rank}.png", width=1, height=1, **facts
        )
        return Hit(rank=rank, score=0.5, record=record, raw_path=None, missing=False, fits=fits)

    hits = tuple(hit(rank, rank < 3) for rank in range(1, 6))
    results = Results(question=Question.of("x"), hits=hits, fitting=2)
    sheet = contact_sheet.Sheet(
        Page(120, False), "utf-8", "blocks", USUAL_CELL, thumbnail=lambda hit: None
    )
    lines = b"".join(contact_sheet.drawn(results, None, sheet)).decode().splitlines()
    assert lines[contact_sheet.ROWS + 1] == "2 fit; then the nearest others:"
    ranks = [line.split()[::2] for line in lines if "0.500" in line]
    assert ranks == [["1", "2"], ["3", "4", "5"]]


def test_sixel_of_any_size_is_drawn_as_it_was(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    for width, height in ((1, 1), (3, 6), (130, 7), (17, 100)):
        smooth = Image.fromarray(random.integers(0, 255, (3, 3, 3), np.uint8))
        image = smooth.resize((width, height), Image.Resampling.BICUBIC)
        data = sixel.encoded(image)
        assert data.startswith(b"\x1bP")
        assert data.endswith(b"\x1b\\")
        back = drawn_pictures.sixel(data[2:-2])
        assert back.size == image.size
        difference = np.abs(np.asarray(back, float) - np.asarray(image, float))
        assert difference.mean() < 6
        assert difference.max() < 60
