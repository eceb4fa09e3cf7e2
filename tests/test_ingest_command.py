"""`imgsearch ingest` as a user runs it: what is embedded, kept, moved, removed, and said."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from imgsearch.cli import ingest_summary
from imgsearch.cli.ingest_summary import Filled
from imgsearch.cli.options import Common
from imgsearch.ingest.result import Result
from tests.command import Command


def _rows(command: Command, index: Path) -> dict[str, dict[str, Any]]:
    """Every row of the index by relative path: what a query for all returns, less the scores."""
    results = command.run("--index", index, "query", "something", "-k", "1000", "--json").json_lines
    return {row["relative_path"]: row for row in results}


def _ingest(command: Command, index: Path, *arguments: object, code: int | None = 0) -> Any:
    given = [os.fspath(a) if isinstance(a, Path) else str(a) for a in arguments]
    return command.run("--index", index, "ingest", "--json", *given, code=code).json


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "index"


def test_the_second_ingest_embeds_nothing(command: Command, album: Path, index: Path) -> None:
    first = _ingest(command, index, album)
    photos = [path for path in album.rglob("*") if path.is_file()]
    assert (first["added"], first["embedded"]) == (len(photos), len(photos))
    assert not first["skipped"]
    second = _ingest(command, index, album)
    assert (second["unchanged"], second["embedded"]) == (len(photos), 0)


def test_a_rename_and_a_touch_embed_nothing(command: Command, album: Path, index: Path) -> None:
    _ingest(command, index, album)
    before = _rows(command, index)
    (album / "moon.png").rename(album / "pets" / "luna.png")
    os.utime(album / "grass.png")
    report = _ingest(command, index, album)
    assert (report["renamed"], report["embedded"], report["missing"]) == (1, 0, 0)
    after = _rows(command, index)
    assert set(after) == set(before) - {"moon.png"} | {"pets/luna.png"}
    assert after["pets/luna.png"]["path"] == str(album / "pets" / "luna.png")
    assert not after["grass.png"]["missing"]
    assert _ingest(command, index, album)["unchanged"] == len(before)


def test_a_copy_reuses_the_vector(command: Command, album: Path, index: Path) -> None:
    shutil.copy(album / "moon.png", album / "moon again.png")
    first = _ingest(command, index, album)
    assert first["embedded"] == first["added"] - 1
    shutil.copy(album / "grass.png", album / "papers" / "green.png")
    second = _ingest(command, index, album)
    assert (second["added"], second["embedded"]) == (1, 0)
    [best] = command.run(
        "--index", index, "similar", album / "grass.png", "-k", "1", "--json"
    ).json_lines
    assert best["relative_path"] == "papers/green.png"
    assert best["score"] == pytest.approx(1, abs=1e-5)


def test_a_rename_and_copies_of_it_at_once(command: Command, album: Path, index: Path) -> None:
    _ingest(command, index, album)
    (album / "moon.png").rename(album / "luna.png")
    for number in range(3):
        shutil.copy(album / "luna.png", album / f"luna {number}.png")
    report = _ingest(command, index, album)
    assert (report["renamed"], report["added"], report["embedded"]) == (1, 3, 0)
    near = command.run(
        "--index", index, "similar", "luna.png", "-k", "3", "--no-fold", "--json"
    ).json_lines
    assert {line["name"] for line in near} == {"luna 0.png", "luna 1.png", "luna 2.png"}
    assert "moon.png" not in _rows(command, index)


def test_changed_content_is_embedded_again(command: Command, album: Path, index: Path) -> None:
    _ingest(command, index, album)
    shutil.copy(album / "pets" / "DSC 0042.png", album / "moon.png")
    shutil.copy(album / "launch" / "07.jpg", album / "grass.png")  # and its type is in its bytes
    with open(album / "grass.png", "ab") as file:
        file.write(b"\0")  # bytes that no other photo has
    report = _ingest(command, index, album)
    assert (report["updated"], report["embedded"]) == (2, 1)
    best = command.run(
        "--index", index, "similar", album / "moon.png", "-k", "1", "--json"
    ).json_lines[0]
    assert best["relative_path"] == "pets/DSC 0042.png"


def test_names_that_were_swapped(command: Command, album: Path, index: Path) -> None:
    """Every photo takes the next one's name; each must keep its own vector."""
    _ingest(command, index, album)
    names = sorted(path for path in album.rglob("*") if path.is_file())
    contents = [path.read_bytes() for path in names]
    for path, content in zip(names, contents[1:] + contents[:1], strict=True):
        path.write_bytes(content)
    report = _ingest(command, index, album, "--batch-size", 2)
    assert report["updated"] == 8
    fresh = index.with_name("fresh")
    _ingest(command, fresh, album)
    for path in names:
        question = ("similar", path, "-k", "3", "--json")
        ours = command.run("--index", index, *question).json_lines
        theirs = command.run("--index", fresh, *question).json_lines
        assert [line["relative_path"] for line in ours] == [
            line["relative_path"] for line in theirs
        ]


def test_photos_that_are_gone_stay_until_prune(command: Command, album: Path, index: Path) -> None:
    _ingest(command, index, album)
    (album / "moon.png").unlink()
    assert _ingest(command, index, album)["missing"] == 1
    assert _rows(command, index)["moon.png"]["missing"]
    shown = command.run("--index", index, "query", "moon", "-k", "20").stdout
    assert "missing" in shown
    paths = command.run("--index", index, "query", "moon", "-k", "20", "--paths")
    assert "moon.png" not in paths.stdout
    assert "1 photo left out" in paths.stderr
    assert _ingest(command, index, album / "pets", "--prune")["removed"] == 0
    assert _ingest(command, index, album, "--prune", "--dry-run")["removed"] == 1
    assert "moon.png" in _rows(command, index)
    assert _ingest(command, index, album, "--prune")["removed"] == 1
    assert "moon.png" not in _rows(command, index)


def test_an_unmounted_disk_does_not_empty_an_index(
    command: Command, album: Path, index: Path
) -> None:
    _ingest(command, index, album)
    count = len(_rows(command, index))
    away = album.rename(album.with_name("away"))
    album.mkdir()
    refused = command.run("--index", index, "ingest", album, "--prune", code=1)
    assert "empty" in refused.stderr
    album.rmdir()
    command.run("--index", index, "ingest", album, "--prune", code=1)
    assert len(_rows(command, index)) == count
    away.rename(album)
    assert _ingest(command, index, album)["unchanged"] == count


def test_a_dry_run_changes_nothing(command: Command, album: Path, index: Path) -> None:
    report = _ingest(command, index, album, "--dry-run")
    assert report["added"] == 8
    assert report["embedded"] == 0
    assert not index.exists()
    _ingest(command, index, album)
    before = _rows(command, index)
    (album / "moon.png").rename(album / "luna.png")
    (album / "new.png").write_bytes((album / "grass.png").read_bytes() + b"\0")
    report = _ingest(command, index, album, "--dry-run")
    assert (report["renamed"], report["added"], report["embedded"]) == (1, 1, 0)
    after = _rows(command, index)
    assert set(after) == set(before)


def test_a_dry_run_counts_no_damaged_files(command: Command, album: Path, index: Path) -> None:
    """Before the first ingest and after it: known by its size or not, truncated or rubbish."""
    for path in [path for path in album.rglob("*") if path.is_file()][3:]:
        path.unlink()
    whole = (album.parent / "whole.jpg").resolve()
    Image.effect_noise((300, 300), 90).save(whole)
    (album / "truncated.jpg").write_bytes(whole.read_bytes()[:-20_000])
    (album / "zeros.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(5_000))
    shutil.copy(album / "zeros.png", album / "zeros again.png")
    before = _ingest(command, index, album, "--dry-run")
    assert (before["added"], len(before["skipped"])) == (3, 3)
    assert not any(command.home.glob("data/imgsearch/file-states/*"))
    real = _ingest(command, index, album)
    assert (real["added"], len(real["skipped"])) == (3, 3)
    assert {each["path"] for each in real["skipped"]} == {
        each["path"] for each in before["skipped"]
    }
    (album / "as long.png").write_bytes((album / "zeros.png").read_bytes())
    after = _ingest(command, index, album, "--dry-run")
    assert (after["added"], after["unchanged"], len(after["skipped"])) == (0, 3, 4)
    assert "nothing" in command.run("--index", index, "ingest", album, "--dry-run").stdout


def test_a_limit_goes_on_where_it_stopped(command: Command, album: Path, index: Path) -> None:
    counts = [_ingest(command, index, album, "--limit", 3)["embedded"] for _ in range(4)]
    assert counts == [3, 3, 2, 0]


def test_exclude_leaves_out_folders_and_patterns(
    command: Command, album: Path, index: Path
) -> None:
    _ingest(command, index, album, "--exclude", "launch", "--exclude", "*grass*")
    names = set(_rows(command, index))
    assert not {name for name in names if name.startswith("launch/") or "grass" in name}
    assert "moon.png" in names


def test_a_folder_inside_a_library_belongs_to_it(
    command: Command, album: Path, index: Path
) -> None:
    _ingest(command, index, album)
    report = _ingest(command, index, album / "launch")
    assert (report["unchanged"], report["added"]) == (2, 0)
    _ingest(command, index, album, album / "pets")
    assert len(_rows(command, index)) == 8


def test_a_name_that_another_folder_has_is_refused_with_the_cure(
    command: Command, album: Path, index: Path, tmp_path: Path
) -> None:
    _ingest(command, index, album)
    other = tmp_path / "elsewhere" / "album"
    shutil.copytree(album / "pets", other)
    refused = command.run("--index", index, "ingest", other, code=2)
    assert str(album) in refused.stderr
    assert "--library" in refused.stderr
    report = _ingest(command, index, other, "--library", "other pets")
    assert (report["added"], report["embedded"]) == (1, 0)
    rows = command.run(
        "--index", index, "query", "cat", "-k", "99", "--no-fold", "--json"
    ).json_lines
    assert len({row["id"] for row in rows}) == 9


def test_a_library_that_moved_is_the_same_library(
    command: Command, album: Path, index: Path, tmp_path: Path
) -> None:
    _ingest(command, index, album)
    moved = tmp_path / "new disk" / "album"
    moved.parent.mkdir()
    album.rename(moved)
    report = _ingest(command, index, moved)
    assert (report["unchanged"], report["embedded"]) == (8, 0)
    assert all(row["path"].startswith(str(moved)) for row in _rows(command, index).values())


def test_an_index_beside_its_photos_moves_with_them(
    command: Command, album: Path, tmp_path: Path
) -> None:
    inside = album / ".imgsearch"
    _ingest(command, inside, album)
    moved = tmp_path / "moved"
    album.rename(moved)
    shutil.rmtree(command.home / "data")  # another machine
    rows = _rows(command, moved / ".imgsearch")
    assert {row["path"] for row in rows.values()} == {
        str(path) for path in moved.rglob("*") if path.is_file() and ".imgsearch" not in path.parts
    }


def test_the_summary_for_people(command: Command, album: Path, index: Path) -> None:
    (album / "broken.jpg").write_text("no picture at all")
    (album / "notes.txt").write_text("nobody expects this to be a picture")
    finished = command.run("--index", index, "ingest", album, "-v")
    assert "broken.jpg" in finished.stderr
    assert "not a picture" in finished.stderr
    assert "notes.txt" not in finished.stderr
    shown = ("8 photos in", "8 added", "skipped", "not a picture: 1", "photos/s", "walk", "embed")
    for words in (*shown, "added up over threads"):
        assert words in finished.stdout
    for words in ("0 ", "unchanged", "updated", "removed"):  # no rows of zeros
        assert f" {words}" not in finished.stdout.split(" took")[0]
    assert 'query "a red car"' in finished.stderr
    again = command.run("--index", index, "ingest", album, "--strict", code=1)
    assert "nothing" in again.stdout
    assert "unchanged  8" in again.stdout
    assert 'query "a red car"' not in again.stderr
    status = command.run("--index", index, "status", "-v").stdout
    assert "broken.jpg" in status


def test_the_rate_is_without_the_time_until_the_model_was_ready(
    capsys: pytest.CaptureFixture[str],
) -> None:
    filled = Filled(place="shop", photos=100, libraries={"shop": 100}, seconds=60.0)
    common = Common(verbose=0, trust_model_code=(), options={})
    for model, told in (
        (40.0, "60.0 s (40.0 s until the model was ready), 5.0 photos/s"),
        (0.1, "60.0 s, 1.7"),
    ):
        result = Result(added=100, embedded=100, seconds={"model": model})
        ingest_summary.show(result, filled, common, dry_run=False)
        assert told in capsys.readouterr().out


def test_errors_of_the_command_line(command: Command, album: Path, tmp_path: Path) -> None:
    nowhere = command.run("ingest", tmp_path / "nowhere", code=1)
    assert "does not exist" in nowhere.stderr
    (tmp_path / "empty").mkdir()
    assert "empty" in command.run("ingest", tmp_path / "empty", code=1).stderr
    assert "folder" in command.run("ingest", code=2).stderr
    refused = command.run("--index", album, "ingest", album, code=2)
    assert "other files" in refused.stderr
    for command_line in (["query", "x"], ["similar", "x"], ["remove", "x", "--yes"]):
        answer = command.run(*command_line, code=1)
        assert "imgsearch ingest" in answer.stderr, command_line


def test_a_date_beyond_64_bits_harms_nobody(command: Command, album: Path, index: Path) -> None:
    late = 13_569_465_600  # 2400
    os.utime(album / "moon.png", (late, late))
    if (album / "moon.png").stat().st_mtime < late:
        pytest.skip("the file system has no such date")
    assert _ingest(command, index, album)["added"] == 8
    (album / "new.png").write_bytes((album / "grass.png").read_bytes() + b"\0")
    report = _ingest(command, index, album)
    assert (report["unchanged"], report["added"]) == (8, 1)
    moon = ("similar", "moon.png", "-k", "9", "--no-fold", "--json")
    assert len(command.run("--index", index, *moon).json_lines) == 8


# -- interruption


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_first_ingest_that_was_stopped_early_is_repeated(
    command: Command, album: Path, index: Path, kept: int
) -> None:
    """`kept`: an empty generation; an empty database in it; all but CURRENT."""
    if kept == 2:
        _ingest(command, index, album)
        (index / "CURRENT").unlink()
    else:
        (index / "generation-1").mkdir(parents=True)
        (index / "CURRENT.123.partial").write_text("gen")
        if kept:
            (index / "generation-1" / "index.sqlite").touch()
    report = _ingest(command, index, album)
    assert report["added"] + report["unchanged"] == 8
    assert sorted(path.name for path in index.iterdir()) == [
        "CURRENT",
        "generation-1",
        "ingest.lock",
    ]
    assert len(_rows(command, index)) == 8


def test_two_first_ingests_at_once(command: Command, album: Path, index: Path) -> None:
    processes = [command.start("--index", index, "ingest", album) for _ in range(2)]
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode in (0, 1), err
        assert process.returncode == 0 or b"Another ingest holds" in err
    assert _ingest(command, index, album)["unchanged"] == 8


def _stored(index: Path) -> dict[str, tuple[object, ...]]:
    """All rows as they lie in the database, vectors too, but for what a new run may change."""
    [database] = index.glob("*/index.sqlite")
    connection = sqlite3.connect(database)
    try:
        connection.row_factory = sqlite3.Row
        rows = connection.execute(
            "SELECT photos.*, embeddings.vector AS vector FROM photos JOIN embeddings USING (row)"
        ).fetchall()
    finally:
        connection.close()
    return {
        row["relative_path"]: tuple(row[key] for key in row.keys() if key != "row")  # noqa: SIM118
        for row in rows
    }


@pytest.fixture
def many(tmp_path: Path, demo_photos: Path) -> Path:
    """A few hundred pictures, all with bytes of their own."""
    folder = tmp_path / "many"
    folder.mkdir()
    sources = [path for path in sorted(demo_photos.rglob("*")) if path.suffix == ".png"]
    for number in range(240):
        source = sources[number % len(sources)]
        (folder / f"{number:03}.png").write_bytes(source.read_bytes() + b"%d" % number)
    return folder


@pytest.mark.parametrize("moments", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_9_loses_no_more_than_the_batch_in_flight(
    command: Command, many: Path, tmp_path: Path, moments: int
) -> None:
    undisturbed = tmp_path / "undisturbed"
    started = time.monotonic()
    _ingest(command, undisturbed, many, "--workers", 1, "--precision", "f32")
    duration = time.monotonic() - started
    expected = _stored(undisturbed)
    draw = random.Random(20)
    for attempt in range(moments):
        index = tmp_path / f"killed-{attempt}"
        process = command.start(
            "--index", index, "ingest", many, "--workers", "1", "--precision", "f32"
        )
        time.sleep(draw.uniform(0, duration))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        done = len(_stored(index)) if list(index.glob("*/index.sqlite")) else 0
        report = _ingest(command, index, many, "--workers", 1, "--precision", "f32")
        assert report["embedded"] == len(expected) - done
        assert _stored(index) == expected
        shutil.rmtree(index)


def test_ctrl_c_keeps_what_was_done_and_says_so(command: Command, many: Path, index: Path) -> None:
    process = command.start("--index", index, "ingest", many, "--batch-size", "1", "--workers", "1")
    for _ in range(600):
        if list(index.glob("*/index.sqlite")) and _count(index) > 10:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert b"Traceback" not in err
    assert b"same command again" in err
    kept = _count(index)
    assert 0 < kept < 240
    assert _ingest(command, index, many)["unchanged"] == kept


def _count(index: Path) -> int:
    try:
        return len(_stored(index))
    except (sqlite3.Error, ValueError):  # not made yet
        return 0


def test_a_second_ingest_says_who_holds_the_lock(command: Command, many: Path, index: Path) -> None:
    process = command.start("--index", index, "ingest", many, "--batch-size", "1", "--workers", "1")
    try:
        for _ in range(600):
            if _count(index) > 5:
                break
            time.sleep(0.05)
        command.run("--index", index, "query", "red heart")  # searching goes on meanwhile
        second = command.run("--index", index, "ingest", many, code=1)
        assert str(process.pid) in second.stderr
    finally:
        process.kill()
        process.communicate()
    assert _ingest(command, index, many)["unchanged"] > 0  # and a dead holder blocks nobody


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="no /proc tells of priorities")
def test_in_the_background_every_thread_gives_way(
    command: Command, many: Path, index: Path
) -> None:
    """The index, the model's threads and the workers too, all of which start later."""
    process = command.start("--index", index, "ingest", many, "--background", "--batch-size", "1")
    try:
        for _ in range(600):
            if _count(index) > 5:
                break
            time.sleep(0.05)
        niceness = {
            int((task / "stat").read_text().rpartition(")")[2].split()[16])
            for task in Path(f"/proc/{process.pid}/task").iterdir()
        }
    finally:
        process.communicate()
    assert process.returncode == 0
    assert niceness == {19}
    assert _count(index) == 240


def test_another_model_is_refused_and_re_embed_takes_it(
    command: Command, album: Path, index: Path, other_models: tuple[Path, Path]
) -> None:
    _ingest(command, index, album)
    image, text = other_models
    options = ("--index", index, "--image-model", image, "--text-model", text)
    command.environment.pop("IMGSEARCH_MODEL")
    for arguments in (["ingest", album], ["query", "moon"]):
        refused = command.run(*options, *arguments, code=1)
        assert "demo" in refused.stderr
        assert str(image) in refused.stderr or str(text) in refused.stderr
    report = command.run(*options, "ingest", "--re-embed", "--json").json
    assert report["embedded"] == 8
    assert len(command.run("--index", index, "query", "moon", "-k", "99", "--json").json_lines) == 8
    assert str(text) in command.run("--index", index, "status").stdout


@pytest.fixture
def other_models(tmp_path: Path) -> tuple[Path, Path]:
    """The demo's towers with one weight changed: another model of the same form."""
    from safetensors.numpy import load_file, save_file

    from imgsearch.demo import __file__ as package

    folder = tmp_path / "other"
    shutil.copytree(Path(package).parent / "models", folder)
    for tower in ("image", "text"):
        weights = max((folder / tower).rglob("*.safetensors"), key=lambda path: path.stat().st_size)
        tensors = load_file(weights)
        name = next(name for name in sorted(tensors) if tensors[name].ndim == 2)
        tensors[name][0] *= 2
        save_file(tensors, weights, metadata={"format": "pt"})
    return folder / "image", folder / "text"


def test_json_is_one_object(command: Command, album: Path, index: Path) -> None:
    finished = command.run("--index", index, "ingest", album, "--json")
    report = json.loads(finished.stdout)
    assert set(report["seconds"]) == {"walk", "read", "decode", "embed", "text", "index", "model"}
