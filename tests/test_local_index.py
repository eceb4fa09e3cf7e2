"""What is true of the index on one machine alone: its files, and what may befall them."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from imgsearch import installation
from imgsearch.doctor import local_index
from imgsearch.errors import (
    IndexDamaged,
    IndexLocked,
    IndexNotFound,
    IndexTooNew,
    IndexUnavailable,
)
from imgsearch.index.base import (
    ALL,
    FACETS,
    Filter,
    PartCount,
    Parts,
    PartTexts,
    PartVectors,
    Row,
    Wanted,
)
from imgsearch.index.local import filesystems, migrations
from imgsearch.index.local.database import Database
from imgsearch.index.local.index import LocalIndex
from imgsearch.index.local.opening import open_local
from imgsearch.index.local.search_files import (
    codes,
    nearest,
    sketch_builder,
    sketch_files,
    sketches,
)
from imgsearch.index.local.search_files.segments import Limits
from imgsearch.output import cures
from tests.filter_contract import album, counted
from tests.index_contract import (
    DIMS,
    MODELS,
    OTHER_MODELS,
    filled,
    paths,
    record,
    row,
    towards,
    vector,
)

SMALL = Limits(flush=16, flush_at_end=2, segment=400, sketch_from=100, sketch=50, looked_at=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "photos index"


@pytest.fixture
def opened() -> Iterator[list[LocalIndex]]:
    indexes: list[LocalIndex] = []
    yield indexes
    for index in indexes:
        index.close()


def fill(folder: Path, count: int, seed: int = 0) -> None:
    index = open_local(folder, create=True, limits=SMALL)
    index.stamp(MODELS)
    for start in range(0, count, 50):
        index.write([row(f"{n}.jpg", seed + n) for n in range(start, min(start + 50, count))])
    index.finish()
    index.close()


def reopen(folder: Path, opened: list[LocalIndex], limits: Limits = SMALL) -> LocalIndex:
    opened.append(open_local(folder, create=False, limits=limits))
    return opened[-1]


def database_of(folder: Path) -> Path:
    return folder / "generation-1" / "index.sqlite"


def files_of(folder: Path, kind: str) -> list[Path]:
    return sorted(folder.glob(f"generation-1/*.{kind}"))


def assert_right(index: LocalIndex, count: int) -> None:
    """Every fifth vector finds its own photo, and the ten nearest of a question are the truth."""
    for n in range(0, count, 5):
        assert paths(index.search(vector(n), 1)) == [f"{n}.jpg"]
    question = vector(10**6)
    scores = np.stack([vector(n) for n in range(count)]) @ question
    wanted = [f"{n}.jpg" for n in np.argsort(-scores)[:10]]
    assert paths(index.search(question, 10)) == wanted


# the folder


def test_nothing_there_yet(folder: Path) -> None:
    with pytest.raises(IndexNotFound) as caught:
        open_local(folder, create=False)
    assert str(folder) in caught.value.message
    assert "imgsearch ingest" in cures.of(caught.value)
    assert not folder.exists()


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(IndexUnavailable, match="holds other files"):
        open_local(tmp_path, create=True)
    with pytest.raises(IndexUnavailable, match="is a file"):
        open_local(tmp_path / "photo.jpg", create=True)
    assert [each.name for each in tmp_path.iterdir()] == ["photo.jpg"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
def test_only_the_owner_can_read(folder: Path) -> None:
    before = os.umask(0)
    try:
        fill(folder, 200)
        index = open_local(folder, create=False, limits=SMALL)
        with index.lock():
            index.write([row("more.jpg", 500)])
            found = [folder, *folder.rglob("*")]
            assert files_of(folder, "sketch")
            assert {path.name for path in found} >= {"CURRENT", "index.sqlite-wal", "ingest.lock"}
            readable = [path for path in found if stat.S_IMODE(path.stat().st_mode) & 0o077]
        index.close()
    finally:
        os.umask(before)
    assert readable == []


def test_the_folder_can_move(folder: Path, opened: list[LocalIndex]) -> None:
    fill(folder, 150)
    moved = folder.rename(folder.with_name("elsewhere"))
    index = reopen(moved, opened)
    assert_right(index, 150)
    assert index.notes == []


def test_a_killed_creation_is_gone_on_with(folder: Path, opened: list[LocalIndex]) -> None:
    fill(folder, 20)
    (folder / "CURRENT").unlink()  # it is written last
    assert reopen(folder, opened).count() == 20


def test_a_promoted_successor_leaves_nothing_of_its_predecessor(
    folder: Path, opened: list[LocalIndex]
) -> None:
    fill(folder, 120)
    old, reader = reopen(folder, opened), reopen(folder, opened)
    reader.search(vector(3), 1)
    successor = old.successor(OTHER_MODELS)
    successor.write([row("a.jpg", 1)])
    successor.promote()
    successor.close()
    assert sorted(each.name for each in folder.iterdir()) == ["CURRENT", "generation-2"]
    assert paths(reader.search(vector(3), 1)) == ["3.jpg"]  # open files live on
    assert reopen(folder, opened).models() == OTHER_MODELS


# SQLite


def test_a_newer_schema_is_refused(folder: Path) -> None:
    fill(folder, 3)
    with sqlite3.connect(database_of(folder)) as connection:
        connection.execute("pragma user_version = 99")
    connection.close()
    with pytest.raises(IndexTooNew, match="schema 99") as caught:
        open_local(folder, create=False)
    assert installation.upgrade_command() in caught.value.cure


def schema_0(path: Path) -> Database:
    """Made up: an index of a version that had no column `lens`."""
    database = Database(path, create=True)
    migrations.prepare(database)
    with database.transaction() as connection:
        connection.execute("alter table photos drop column lens")
        connection.execute("pragma user_version = 0")
    return database


def test_an_older_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    database = schema_0(tmp_path / "old.sqlite")
    add_lens = {0: lambda connection: connection.execute("alter table photos add column lens text")}
    migrations.prepare(database, add_lens, current=1)
    assert database.value("pragma user_version") == 1
    assert database.rows("select lens from photos") == []
    database.close()


def test_a_failed_migration_changes_nothing(tmp_path: Path) -> None:
    database = schema_0(tmp_path / "old.sqlite")

    def half(connection: sqlite3.Connection) -> None:
        connection.execute("alter table photos add column lens text")
        raise RuntimeError("the power goes")

    with pytest.raises(RuntimeError, match="the power goes"):
        migrations.prepare(database, {0: half}, current=1)
    assert database.value("pragma user_version") == 0
    with pytest.raises(IndexDamaged, match="no such column"):
        database.rows("select lens from photos")
    database.close()


def test_another_programs_database_is_refused(folder: Path) -> None:
    fill(folder, 3)
    database_of(folder).unlink()
    with sqlite3.connect(database_of(folder)) as connection:
        connection.execute("create table theirs (a)")
    connection.close()
    with pytest.raises(IndexDamaged, match="another program"):
        open_local(folder, create=False)


@pytest.mark.parametrize("what", ["no SQLite", "zeroed pages", "cut off", "gone"])
def test_a_damaged_database_is_named(folder: Path, what: str) -> None:
    fill(folder, 300)
    path = database_of(folder)
    whole = path.read_bytes()
    if what == "no SQLite":
        path.write_bytes(b"garbage " * 10_000)
    elif what == "zeroed pages":
        path.write_bytes(whole[:4096] + bytes(len(whole) - 4096))
    elif what == "cut off":
        path.write_bytes(whole[: 2 * 32_768])
    else:
        path.unlink()

    def use() -> None:
        index = open_local(folder, create=False, limits=SMALL)
        try:
            index.search(vector(1), 200)
            list(index.rows())
        finally:
            index.close()

    with pytest.raises(IndexDamaged) as caught:
        use()
    assert str(path) in caught.value.message
    assert "backup" in caught.value.cure


def test_a_full_disk_loses_nothing(folder: Path, opened: list[LocalIndex]) -> None:
    fill(folder, 100)
    index = reopen(folder, opened)
    pages = index._database.value("pragma page_count")
    index._database.rows(f"pragma max_page_count = {pages}")
    with pytest.raises(IndexUnavailable, match="disk is full") as caught:
        index.write([row(f"more {n}.jpg", n + 1000) for n in range(500)])
    assert "Free some space" in caught.value.cure
    assert index.count() == 100
    assert_right(index, 100)
    index._database.rows("pragma max_page_count = 1000000")
    index.write([row(f"more {n}.jpg", n + 1000) for n in range(500)])
    assert index.count() == 600


def test_a_disk_too_full_for_search_files_loses_nothing(
    folder: Path, opened: list[LocalIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, 100)
    index = reopen(folder, opened)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(codes.os, "fsync", full)
    with pytest.raises(IndexUnavailable, match="disk is full"):
        index.write([row(f"{n}.jpg", n) for n in range(100, 150)])
    monkeypatch.undo()
    assert_right(index, 150)
    with index.lock():
        index.finish()
    assert not files_of(folder, "partial")
    assert_right(index, 150)


def test_a_network_file_system_gets_a_rollback_journal(
    folder: Path, opened: list[LocalIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystems, "on_network", lambda folder: True)
    fill(folder, 60)
    index = reopen(folder, opened)
    assert index.info().details["journal"] == "delete"
    listing = index.rows()
    next(listing)
    index.write([row("more.jpg", 500)])  # a reader must not hold up the writer
    listing.close()
    assert index.count() == 61
    monkeypatch.undo()
    assert reopen(folder, opened).info().details["journal"] in ("wal", "delete")


def test_network_file_systems_are_told_by_the_innermost_mount() -> None:
    mounts = (
        "/dev/sda / ext4 rw 0 0\nserver:/x /net nfs4 rw 0 0\n"
        "host:/ /net/my\\040disk fuse.sshfs rw\n/dev/sdb /net/local xfs rw 0 0\n"
    )
    kinds = {
        "/home/a": "ext4",
        "/net/a": "nfs4",
        "/net/my disk/b": "fuse.sshfs",
        "/net/local": "xfs",
    }
    assert {path: filesystems.file_system_type(path, mounts) for path in kinds} == kinds
    assert filesystems.file_system_type("/network", mounts) == "ext4"


# read-only media


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """By rights; for root, which they do not bind, as somebody else."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    root = os.geteuid() == 0
    if root:
        for parent in folder.parents:
            parent.chmod(parent.stat().st_mode | 0o011)
        # nobody may not read Python's own folder, so what is imported late is imported now
        importlib.import_module("concurrent.futures.thread")
        os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        if root:
            os.setresuid(0, 0, 0)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)


@pytest.mark.skipif(not hasattr(os, "setresuid"), reason="macOS and Windows lack it")
@pytest.mark.parametrize("broken", [False, True])
def test_read_only_media_can_be_searched(folder: Path, broken: bool) -> None:
    fill(folder, 150)
    if broken:
        for path in (*files_of(folder, "codes"), *files_of(folder, "sketch")):
            path.unlink()
    with read_only(folder):
        index = open_local(folder, create=False, limits=SMALL)
        assert_right(index, 150)
        assert len(list(index.rows())) == index.info().photos == 150
        with pytest.raises(IndexUnavailable, match="cannot be written to") as caught:
            index.write([row("x.jpg", 1)])
        assert "index" in caught.value.cure
        with pytest.raises(IndexUnavailable, match="cannot be written to"), index.lock():
            pass
        with pytest.raises(IndexUnavailable, match="cannot be written to"):
            index.erase([record("1.jpg").id])
        with pytest.raises(IndexUnavailable, match="cannot be written to"):
            index.successor(OTHER_MODELS)
        assert any("cannot be rebuilt now" in note for note in index.notes) == broken
        index.close()


@pytest.mark.skipif(not hasattr(os, "setresuid"), reason="macOS and Windows lack it")
def test_read_only_media_with_an_unfinished_ingest(folder: Path) -> None:
    fill(folder, 40)
    index = open_local(folder, create=False, limits=SMALL)
    index.write([row("last.jpg", 500)])
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)  # as a backup of a running or killed ingest is
    (copy / "generation-1" / "index.sqlite-shm").unlink()
    index.close()
    with read_only(copy):
        index = open_local(copy, create=False, limits=SMALL)
        found = paths(index.search(vector(500), 1))
        assert found == ["last.jpg"] or "not shown" in index.notes[0]
        assert_right(index, 40)
        index.close()


# derived files


@pytest.mark.parametrize("kind", ["codes", "sketch"])
@pytest.mark.parametrize("how", ["missing", "foreign", "cut off", "empty", "flipped"])
def test_a_broken_search_file_is_noticed_and_rebuilt(
    folder: Path, opened: list[LocalIndex], kind: str, how: str
) -> None:
    fill(folder, 300)
    (path, *_) = files_of(folder, kind)
    whole = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "foreign":
        other = folder.with_name("other")
        fill(other, 300, seed=10_000)
        shutil.copy(files_of(other, kind)[0], path)
    elif how == "cut off":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    else:
        path.write_bytes(bytes([whole[0] ^ 255]) + whole[1:])
    index = reopen(folder, opened)
    assert_right(index, 300)
    assert len(index.notes) == 1
    assert path.name in index.notes[0]
    assert "rebuil" in index.notes[0]
    with index.lock():
        index.finish()
    again = reopen(folder, opened)
    assert_right(again, 300)
    assert again.notes == []
    assert files_of(folder, "sketch")


def test_while_another_ingests_a_broken_file_is_left_to_it(
    folder: Path, opened: list[LocalIndex]
) -> None:
    fill(folder, 300)
    files_of(folder, "codes")[0].unlink()
    holder, reader = reopen(folder, opened), reopen(folder, opened)
    with holder.lock():
        assert_right(reader, 300)
        assert "cannot be rebuilt now" in reader.notes[0]


def test_files_of_an_interrupted_run_are_cleared_away(
    folder: Path, opened: list[LocalIndex]
) -> None:
    fill(folder, 100)
    strays = [
        folder / "generation-1" / name
        for name in ("x.codes.partial", "1.codes", "2.sketch", "3.usearch")
    ]
    for stray in strays:
        stray.write_bytes(b"x")
    index = reopen(folder, opened)
    with index.lock():
        assert not [stray for stray in strays if stray.exists()]
    assert_right(index, 100)


def test_many_small_writes_leave_few_files(folder: Path, opened: list[LocalIndex]) -> None:
    fill(folder, 1)
    index = reopen(folder, opened)
    for n in range(1, 1200, 3):
        index.write([row(f"{each}.jpg", each) for each in range(n, n + 3)])
    index.finish()
    sizes = [piece.rows for piece in index._files.whole.pieces()]
    assert len(sizes) <= 9
    assert max(sizes) <= SMALL.segment
    assert len(files_of(folder, "codes")) == len(sizes)
    assert_right(index, 1200)


def test_rows_that_are_gone_leave_the_files_in_time(folder: Path, opened: list[LocalIndex]) -> None:
    fill(folder, 300)
    index = reopen(folder, opened)
    index.write([], delete=[record(f"{n}.jpg").id for n in range(300) if n % 3])
    assert sorted(paths(index.search(vector(3), 300))) == sorted(
        f"{n}.jpg" for n in range(0, 300, 3)
    )
    index.finish()
    assert sum(piece.rows for piece in index._files.whole.pieces()) <= 125
    index.write([], delete=list(index.ids()))
    index.finish()
    assert index._files.whole.pieces() == []
    assert index.search(vector(3), 3) == []


def test_a_sketch_serves_and_masks_what_is_gone(folder: Path, opened: list[LocalIndex]) -> None:
    fill(folder, 400)
    index = reopen(folder, opened)
    assert [piece for piece in index._files.whole.pieces() if piece.sketch]
    near = vector(7)
    crowd = [Row(record(f"near {n}.jpg"), towards(near, vector(n + 900), 0.1)) for n in range(200)]
    index.write(crowd)
    index.finish()
    index.write([], delete=[each.record.id for each in crowd])
    truth = sorted(range(400), key=lambda n: -float(vector(n) @ near))
    assert paths(index.search(near, 5)) == [f"{n}.jpg" for n in truth[:5]]


def _codes_of(vectors: np.ndarray, first_row: int = 0) -> codes.Codes:
    units = (vectors / np.linalg.norm(vectors, axis=1)[:, None]).astype(np.float32)
    return codes.Codes.of(first_row + np.arange(len(units)), units)


def _uneven(chance: np.random.Generator, directions: np.ndarray, count: int) -> np.ndarray:
    """Vectors in clusters, most of the variance in the first of the directions."""
    centres = 4 * chance.standard_normal((200, 256))
    found = chance.standard_normal((count, 256)) + centres[chance.integers(200, size=count)]
    return (found / np.arange(1, 257) ** 0.5) @ directions + 1


@pytest.mark.slow
@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("count", [sketches.USUAL, sketches.USUAL + 1])  # in near cells; in all
def test_sketches_name_what_a_scan_finds(tmp_path: Path, count: int, alike: bool) -> None:
    chance = np.random.default_rng(1)
    directions = [np.eye(256), np.eye(256) if alike else np.roll(np.eye(256), 128, axis=0)]
    vectors = [_uneven(np.random.default_rng(2), each, 20_000) for each in directions]
    vectors[1] += chance.standard_normal((20_000, 256)) / 10  # not the same rows twice
    parts: list[tuple[codes.Codes, sketches.Sketch | None]] = []
    known = None
    for number, each in enumerate(vectors):
        part, path = _codes_of(each, 20_000 * number), tmp_path / f"{number}.sketch"
        assert sketch_builder.build(part, path, 1 / 4, 1 / 2, known)
        sketch = sketch_files.loaded(path, 20_000, 256)
        assert sketch.projection.basis.shape[1] < 256
        assert 0 < sketch.scanned < 20_000
        parts.append((part, sketch))
        known = known or sketch.projection
    names = {sketch.projection.name for _, sketch in parts if sketch is not None}
    assert len(names) == (1 if alike else 2)
    everything = codes.joined([part for part, _ in parts])
    right = 0
    for each in np.concatenate([some[:25] for some in vectors]):
        query = codes.Query.of((each + chance.standard_normal(256) / 40).astype(np.float32))
        rows, scores, complete = nearest.Ranking(query, parts).best(count)
        assert count <= len(rows) < 200
        assert not complete
        cosines = everything.cosines(query)
        assert scores == pytest.approx(cosines[rows], abs=1e-6)
        right += len(np.intersect1d(rows, np.argsort(-cosines)[:10]))
    assert right >= 0.98 * 500


def test_where_no_sketch_finds_it_there_is_none(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    even = _codes_of(chance.standard_normal((6000, 256)))
    assert not sketch_builder.build(even, tmp_path / "even.sketch", 1 / 64)
    assert not (tmp_path / "even.sketch").exists()


def assert_right_and_after_finishing(index: LocalIndex, count: int) -> None:
    assert_right(index, count)
    with index.lock():
        index.finish()
    assert_right(index, count)


NEW_IN_SCHEMA_5 = (
    "taken_precision",
    "taken_source",
    "title",
    "caption",
    "tags",
    "rating",
    "country",
    "city",
    "metadata_mark",
)
OF_SCHEMA_8 = """
drop table texts;
drop table words;
create virtual table words using fts5(
    name, caption, tag, place, tokenize = "unicode61 remove_diacritics 0 categories 'L* N* M*'"
);
drop trigger photo_gone;
create trigger photo_gone after delete on photos begin
    update libraries set photos = photos - 1 where number = old.library;
    delete from embeddings where photo = old.row;
    delete from tags where photo = old.row;
end;
pragma user_version = 8;
"""
OF_SCHEMA_7 = f"""
{OF_SCHEMA_8}
alter table photos drop column parted;
pragma writable_schema = on;
update sqlite_master set sql = rtrim(rtrim(sql, '), ' || char(10))) || char(10) || ')'
where name = 'photos';
pragma writable_schema = reset;
pragma user_version = 7;
"""
OF_SCHEMA_6 = f"{OF_SCHEMA_7} drop table words; pragma user_version = 6;"
OF_SCHEMA_5 = f"""
{OF_SCHEMA_6}
drop trigger photo_counted;
drop trigger photo_counted_anew;
drop trigger photo_uncounted;
drop table facet_counts;
alter table photos drop column perceptual_hash;
pragma writable_schema = on;
update sqlite_master set sql = rtrim(rtrim(sql, '), ' || char(10))) || char(10) || ')'
where name = 'photos';
pragma writable_schema = reset;
pragma user_version = 5;
"""
OF_SCHEMA_4 = f"""
{OF_SCHEMA_5}
drop trigger photo_gone;
drop index photos_by_taken;
drop index photos_by_picture;
drop index photos_by_place;
drop index photos_by_latitude;
drop table tags;
{"".join(f"alter table photos drop column {name};" for name in reversed(NEW_IN_SCHEMA_5))}
pragma writable_schema = on;
update sqlite_master set sql = rtrim(rtrim(sql, '), ' || char(10))) || char(10) || ')'
where name = 'photos';
pragma writable_schema = reset;
create trigger photo_gone after delete on photos begin
    update libraries set photos = photos - 1 where number = old.library;
    delete from embeddings where photo = old.row;
end;
pragma user_version = 4;
"""
OF_SCHEMA_3 = f"""
{OF_SCHEMA_4}
drop trigger photo_moved;
drop trigger photo_gone;
create table vectors (row integer primary key, vector blob not null);
insert into vectors select row, vector from embeddings;
drop table embeddings;
create trigger photo_gone after delete on photos begin
    update libraries set photos = photos - 1 where number = old.library;
    delete from vectors where row = old.row;
end;
pragma user_version = 3;
"""


def make_older(folder: Path, *statements: str, schema: str = OF_SCHEMA_3) -> None:
    """The index as a version with an older schema wrote it, and what else is to be different in
    it."""
    with contextlib.closing(sqlite3.connect(database_of(folder))) as connection:
        connection.executescript(schema)
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_an_index_of_the_first_schema_is_searched_and_gets_sketches(
    folder: Path, opened: list[LocalIndex]
) -> None:
    fill(folder, 300)
    for path in files_of(folder, "sketch"):
        path.rename(path.with_suffix(".usearch"))
    make_older(
        folder,
        "alter table segments rename column sketch to graph",
        "alter table segments rename column sketch_digest to graph_digest",
        "alter table segments add column expansion integer",
        "pragma user_version = 1",
    )
    index = reopen(folder, opened)
    assert_right_and_after_finishing(index, 300)
    assert files_of(folder, "sketch")
    assert not files_of(folder, "usearch")


def test_an_index_of_the_second_schema_gets_new_sketches(
    folder: Path, opened: list[LocalIndex]
) -> None:
    fill(folder, 300)
    of_before = files_of(folder, "sketch")
    for path in of_before:
        path.write_bytes(b"of another layout")
    make_older(folder, "pragma user_version = 2")
    index = reopen(folder, opened)
    assert_right_and_after_finishing(index, 300)
    assert not index.notes
    assert files_of(folder, "sketch")
    assert not set(files_of(folder, "sketch")) & set(of_before)


def stored_rows(folder: Path) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(database_of(folder))) as connection:
        return connection.execute(
            "select photos.*, vector from photos join embeddings on photo = photos.row"
            " order by photos.row"
        ).fetchall()


def test_an_index_of_the_third_schema_keeps_every_bit(
    folder: Path, opened: list[LocalIndex]
) -> None:
    fill(folder, 300)
    before = stored_rows(folder)
    files = files_of(folder, "codes") + files_of(folder, "sketch")
    make_older(folder)
    index = reopen(folder, opened)
    assert_right_and_after_finishing(index, 300)
    assert index.notes == []
    assert stored_rows(folder) == before
    assert files == files_of(folder, "codes") + files_of(folder, "sketch")
    index.write([], delete=[record("3.jpg").id])
    assert index._database.value("select count(*) from embeddings") == 299


def brought_up_to_date(folder: Path, opened: list[LocalIndex], schema: str) -> LocalIndex:
    """An index of 300 photos that had an older schema: opened without a word and without a loss."""
    fill(folder, 300)
    before = stored_rows(folder)
    make_older(folder, schema=schema)
    index = reopen(folder, opened)
    assert index.notes == []
    assert stored_rows(folder) == before
    return index


def test_an_index_of_the_fourth_schema_gets_room_for_what_pictures_say(
    folder: Path, opened: list[LocalIndex]
) -> None:
    index = brought_up_to_date(folder, opened, OF_SCHEMA_4)
    assert {each.metadata_mark for some in index.fingerprints() for each in some} == {0}
    full = record("3.jpg", tags=("Dog", "sea"), title="One", rating=4, country="IT", city="Rome")
    assert index.write([Row(full, None)]) == []
    assert index.records([full.id]) == {full.id: full}
    assert list(index.ids(Filter(tags=("dog",), country="it"))) == [full.id]
    assert_right_and_after_finishing(reopen(folder, opened), 300)
    index.write([], delete=[full.id])
    assert index._database.value("select count(*) from tags") == 0


def test_an_index_of_the_fifth_schema_is_read_and_its_facets_counted(
    folder: Path, opened: list[LocalIndex]
) -> None:
    with contextlib.closing(open_local(folder, create=True, limits=SMALL)) as index:
        rows = album(150, record)
        filled(lambda name: index, rows)
    make_older(folder, schema=OF_SCHEMA_5)
    index = reopen(folder, opened)
    assert index.notes == []
    right = {name: counted([each.record for each in rows], name) for name in FACETS}
    assert index.facets(ALL, FACETS) == right
    assert {look.perceptual_hash for look in index.looks()} == {None}
    seen = record("seen.jpg", perceptual_hash="ab" * 32)
    index.write([Row(seen, vector(1))])
    assert index.records([seen.id]) == {seen.id: seen}


def test_an_index_of_the_seventh_schema_gets_room_for_parts(
    folder: Path, opened: list[LocalIndex]
) -> None:
    index = brought_up_to_date(folder, opened, OF_SCHEMA_7)
    assert index.info().parts == {}
    parts = {"region": PartVectors(((0, 0, 9, 9),), vector(54321)[None])}
    assert index.write([Row(record("3.jpg"), None, parts)]) == []
    assert index.info().parts == {"region": PartCount(1, 1)}
    assert_right_and_after_finishing(reopen(folder, opened), 300)


def test_an_index_of_the_eighth_schema_gets_room_for_text(
    folder: Path, opened: list[LocalIndex]
) -> None:
    index = brought_up_to_date(folder, opened, OF_SCHEMA_8)
    assert index.match(Wanted("3.jpg"), 1) == [record("3.jpg")]
    read: Parts = {"text": PartTexts(((5, 6, 70, 9),), ("Bäckerei Vogel",))}
    assert index.write([Row(record("3.jpg"), None, read)]) == []
    assert index.match(Wanted("backerei"), 2) == [record("3.jpg")]
    assert index.parts([record("3.jpg").id]) == {record("3.jpg").id: read}
    assert_right_and_after_finishing(reopen(folder, opened), 300)


def test_counts_that_cannot_be_right_are_counted_again(
    folder: Path, opened: list[LocalIndex]
) -> None:
    with contextlib.closing(open_local(folder, create=True, limits=SMALL)) as index:
        rows = album(60, record)
        filled(lambda name: index, rows)
    right = {name: counted([each.record for each in rows], name) for name in FACETS}
    for tampering in (
        "update facet_counts set photos = -5",
        "update facet_counts set photos = 'many'",
        "delete from facet_counts",
        "update facet_counts set photos = photos + 1 where facet = 'orientation'",
    ):
        with contextlib.closing(sqlite3.connect(database_of(folder))) as connection:
            connection.execute(tampering)
            connection.commit()
        assert reopen(folder, opened).facets(ALL, FACETS) == right, tampering


@pytest.mark.parametrize(
    ("damage", "deep"),
    [
        ("update facet_counts set photos = photos + 1 where facet = 'orientation'", False),
        ("update facet_counts set photos = photos + 100 where facet = 'camera'", False),
        ("delete from facet_counts where facet = 'year'", True),
        ("update facet_counts set value = 'x' || value where facet = 'camera'", True),
    ],
)
def test_damaged_counts_are_found_by_doctor_and_made_anew_by_an_ingest(
    folder: Path, opened: list[LocalIndex], damage: str, deep: bool
) -> None:
    with contextlib.closing(open_local(folder, create=True, limits=SMALL)) as index:
        rows = album(60, record)
        filled(lambda name: index, rows)
        index.finish()
        assert index.notes == []
    assert next(local_index.index(folder, deep=True)).state == "ok"
    with contextlib.closing(sqlite3.connect(database_of(folder))) as connection:
        connection.executescript(damage)
    [finding] = local_index.index(folder, deep)
    assert (finding.state, "counts by year" in finding.detail) == ("failure", True)
    assert "Ingest again" in str(finding.cure)
    damaged = reopen(folder, opened)
    damaged.facets(ALL, FACETS)
    damaged.finish()
    assert any("have been counted anew" in note for note in damaged.notes)
    assert damaged.facets(ALL, FACETS) == {
        name: counted([each.record for each in rows], name) for name in FACETS
    }
    assert next(local_index.index(folder, deep=True)).state == "ok"


def test_what_no_photo_has_any_more_is_not_kept(folder: Path) -> None:
    with contextlib.closing(open_local(folder, create=True)) as index:
        filled(lambda name: index, [row("secret plan/a.jpg", 1), row("b.jpg", 2)])
        index.erase([record("secret plan/a.jpg").id])
    assert b"secret" not in database_of(folder).read_bytes()


MIGRATE = """
import os, sys
from pathlib import Path
from imgsearch.index.local.opening import open_local
from imgsearch.index.local import migrations as all_migrations
delay = int(sys.argv[2])
steps = 0
def count() -> int:
    global steps
    steps += 1
    if steps == delay:
        os.kill(os.getpid(), 9)
    return 0
migrations = dict(all_migrations.MIGRATIONS)
original = migrations[int(sys.argv[3])]
def watched(connection):
    connection.set_progress_handler(count, 50)
    original(connection)
    connection.set_progress_handler(None, 0)
migrations[int(sys.argv[3])] = watched
all_migrations.prepare.__defaults__ = (migrations, all_migrations.VERSION)
open_local(Path(sys.argv[1]), create=False).close()
print("done")
"""


def killed_migrations(folder: Path, version: int, delays: Sequence[int]) -> int:
    """How often the migration from that version was killed."""
    killed = 0
    for delay in delays:
        arguments = (str(folder), str(delay), str(version))
        migrated = subprocess.run([sys.executable, "-c", MIGRATE, *arguments])
        if migrated.returncode == 0:
            break
        assert migrated.returncode == -signal.SIGKILL
        killed += 1
    return killed


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
def test_a_killed_migration_goes_on(folder: Path, opened: list[LocalIndex]) -> None:
    fill(folder, 300)
    before = stored_rows(folder)
    make_older(folder)
    assert killed_migrations(folder, 3, (1, 2, 5, 12, 30, 60, 100)) >= 3
    index = reopen(folder, opened)
    assert stored_rows(folder) == before
    assert index.notes == []
    assert_right_and_after_finishing(index, 300)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
def test_a_killed_migration_of_words_goes_on(folder: Path, opened: list[LocalIndex]) -> None:
    fill(folder, 300)
    full = record("trip/redCar.jpg", caption="Old town", tags=("Oldtimer",), city="Rome")
    reopen(folder, opened).write([Row(full, vector(7))])
    before = stored_rows(folder)
    make_older(folder, schema=OF_SCHEMA_6)
    assert killed_migrations(folder, 8, (1, 4, 16, 64, 150, 300, 600)) >= 4
    index = reopen(folder, opened)
    assert stored_rows(folder) == before
    assert index.notes == []
    for words in ("red car", "old town", "oldtimer", "rome"):
        assert index.match(Wanted(words), 9)[0] == full
    assert index._database.value("select count(*) from words") == 301
    index.write([], delete=[full.id])
    assert index.match(Wanted("oldtimer"), 9) == []
    assert_right_and_after_finishing(index, 300)


@pytest.mark.parametrize(
    "damage",
    [
        "update words_data set block = x'ffffffffffffffffff'",
        "delete from words_config",
        "delete from words_data",
        # SQLite takes zeros for a block without entries
        "update words_data set block = zeroblob(length(block)) where id >= 1 << 37",
        "update words_data set block = zeroblob(length(block)) where id = 10",
    ],
)
def test_damaged_words_are_read_again_from_the_photos(
    folder: Path, opened: list[LocalIndex], damage: str
) -> None:
    fill(folder, 60)
    one = record("trip/redCar.jpg", caption="Old town")
    reopen(folder, opened).write([Row(one, vector(7))])

    def damaged() -> LocalIndex:
        while opened:
            opened.pop().close()
        with contextlib.closing(sqlite3.connect(database_of(folder))) as connection:
            connection.executescript(damage)
        return reopen(folder, opened)

    def has_words(index: LocalIndex) -> bool:
        near = index.search_words(vector(3), 5, Wanted("old town"))
        assert near.neighbours == index.search(vector(3), 5)
        found = [hit.record for hit in near.named] == index.match(Wanted("old town"), 9) == [one]
        return found and any("have been read again" in note for note in index.notes)

    assert has_words(damaged())
    damaged().write([row("new.jpg", 3)], delete=[one.id])
    assert reopen(folder, opened).match(Wanted("old town"), 9) == []
    reopen(folder, opened).write([Row(one, vector(7))])
    assert damaged().erase([record("new.jpg").id]) == 1
    assert reopen(folder, opened).match(Wanted("old town"), 9) == [one]


def test_zeroed_words_are_found_by_doctor_and_made_anew_by_an_ingest(
    folder: Path, opened: list[LocalIndex]
) -> None:
    fill(folder, 60)
    reopen(folder, opened).write([Row(record("trip/redCar.jpg"), vector(7))])
    reopen(folder, opened).finish()
    assert next(local_index.index(folder, deep=True)).state == "ok"
    for damage, deep in (
        ("update words_data set block = zeroblob(length(block)) where id >= 1 << 37", False),
        ("update words_content set c0 = zeroblob(5)", True),
    ):
        while opened:
            opened.pop().close()
        with contextlib.closing(sqlite3.connect(database_of(folder))) as connection:
            connection.executescript(damage)
        [finding] = local_index.index(folder, deep)
        assert finding.state == "failure"
        assert "words of names and captions" in finding.detail
        assert "Ingest again" in str(finding.cure)
        if not deep:
            reopen(folder, opened).finish()
            assert next(local_index.index(folder)).state == "ok"


@pytest.mark.skipif(not hasattr(os, "setresuid"), reason="macOS and Windows lack it")
def test_damaged_words_on_read_only_media_leave_the_pictures(folder: Path) -> None:
    fill(folder, 60)
    with contextlib.closing(sqlite3.connect(database_of(folder))) as connection:
        connection.executescript("delete from words_config")
    with read_only(folder):
        index = open_local(folder, create=False, limits=SMALL)
        near = index.search_words(vector(3), 5, Wanted("old town"))
        assert (len(near.neighbours), near.named) == (5, [])
        assert any("only the pictures themselves" in note for note in index.notes)
        with pytest.raises(IndexDamaged):
            index.match(Wanted("old town"), 9)
        index.close()


def test_large_selections_find_all_as_well(
    folder: Path, opened: list[LocalIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgsearch.index.local.search_files.nearest.SMALL", 10)
    index = open_local(folder, create=True, limits=SMALL)
    opened.append(index)
    index.stamp(MODELS)
    near = vector(1)
    rows = [Row(record(f"in/{n}.jpg"), towards(near, vector(n), 0.2)) for n in range(600)]
    rows += [Row(record(f"far/{n}.jpg"), towards(-near, vector(n), 0.4)) for n in range(40)]
    index.write(rows)
    index.finish()
    truth = sorted(rows[600:], key=lambda each: -float(each.vector @ near))  # type: ignore[operator]
    found = index.search(near, 40, Filter.within("holiday", "far"))
    assert paths(found) == [each.record.relative_path for each in truth]


# one ingest at a time

HOLD = """
import sys, time
from pathlib import Path
from imgsearch.index.local.opening import open_local
index = open_local(Path(sys.argv[1]), create=True)
with index.lock():
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_ingest_hears_who_holds_the_index_until_it_dies(
    folder: Path, opened: list[LocalIndex]
) -> None:
    fill(folder, 5)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    index = reopen(folder, opened)
    with holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(IndexLocked, match=f"process {holder.pid} on "), index.lock():
            pass
        assert len(index.search(vector(1), 5)) == 5
        holder.kill()
    with index.lock():
        pass


WRITE = """
import sys
from pathlib import Path
from imgsearch.index.local.opening import open_local
from tests.index_contract import MODELS, row
from tests.test_local_index import SMALL
index = open_local(Path(sys.argv[1]), create=True, limits=SMALL)
index.stamp(MODELS)
with index.lock():
    for start in range(index.count(), 4000, 8):
        index.write([row(f"{n}.jpg", n) for n in range(start, start + 8)])
        print(start + 8, flush=True)
    index.finish()
"""


def test_killed_at_any_moment_it_keeps_what_was_committed(
    folder: Path, opened: list[LocalIndex]
) -> None:
    chance = np.random.default_rng(4)
    count = 0
    for _ in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITE, str(folder)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
        )
        assert writer.stdout is not None
        with writer:
            for _ in range(int(chance.integers(1, 25))):
                committed = int(writer.stdout.readline())
            time.sleep(float(chance.uniform(0, 0.02)))
            writer.send_signal(signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
            committed = max(
                [committed, *(int(line) for line in writer.stdout if line[-1:] == "\n")]
            )
        index = open_local(folder, create=False, limits=SMALL)
        opened.append(index)
        count = index.count()
        assert count % 8 == 0
        assert committed <= count <= committed + 8
        assert index._database.value("pragma integrity_check") == "ok"
        assert_right(index, count)
        assert index.notes == []
        index.close()
    assert count > 100


# on disk


def _bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_what_is_erased_is_in_no_file(folder: Path, opened: list[LocalIndex]) -> None:
    fill(folder, 600)
    index = reopen(folder, opened)
    secret = towards(vector(77_000), vector(77_001), 0.5)
    earlier = vector(78_000)
    photo = record("Müller family/secret picture.jpg", "private library", camera="Secretcam 3")
    index.write([Row(photo, earlier)])
    index.write([row(f"later {n}.jpg", n + 600) for n in range(300)])
    index.write([Row(photo, secret)])  # the earlier vector goes too
    index.write([row(f"last {n}.jpg", n + 5000) for n in range(40)])
    index.finish()
    needles = {
        "path": photo.relative_path.encode(),
        "library": b"private library",
        "camera": b"Secretcam",
        "id": bytes.fromhex(photo.id),
        "hash": bytes.fromhex(photo.content_hash),
        "vector": secret.tobytes()[:32],
        "codes": codes.quantised(secret[None]).tobytes(),
        "earlier codes": codes.quantised(earlier[None]).tobytes(),
    }
    before = _bytes_of(folder)
    assert {name for name, needle in needles.items() if needle in before} == set(needles)
    assert index.erase([photo.id]) == 1
    after = _bytes_of(folder)
    assert {name for name, needle in needles.items() if needle in after} == set()
    assert index.count() == 940
    assert all(piece.sketch for piece in index._files.whole.pieces() if piece.rows >= SMALL.sketch)
    index.finish()
    assert paths(index.search(vector(5000), 1)) == ["last 0.jpg"]
    assert index.notes == []


def test_an_interrupted_erase_is_completed(
    folder: Path, opened: list[LocalIndex], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, 100)
    index = reopen(folder, opened)
    index.write([Row(record("secret picture.jpg"), vector(1))])

    def killed(database: Database) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(Database, "rewrite", killed)
    with pytest.raises(KeyboardInterrupt):
        index.erase([record("secret picture.jpg").id])
    monkeypatch.undo()
    index.finish()
    assert b"secret picture" not in _bytes_of(folder)


def test_a_reader_delays_the_erasing_and_is_named(folder: Path, opened: list[LocalIndex]) -> None:
    fill(folder, 40)
    index, reader = reopen(folder, opened), reopen(folder, opened)
    index._database.rows("pragma busy_timeout = 50")
    listing = reader.rows()
    next(listing)
    index.erase([record("3.jpg").id])
    assert "Another process is searching" in index.notes[0]
    listing.close()
    index.finish()
    assert b"\0003.jpg" not in _bytes_of(folder)
    assert bytes.fromhex(record("3.jpg").id) not in _bytes_of(folder)


def test_a_generation_that_a_kill_left_behind_is_cleared_away(
    folder: Path, opened: list[LocalIndex]
) -> None:
    fill(folder, 40)
    index = reopen(folder, opened)
    with index.lock():
        shutil.copytree(folder / "generation-1", folder / "old")
        successor = index.successor(OTHER_MODELS)
        successor.write([row(f"{n}.jpg", n + 50) for n in range(40)])
        successor.promote()
        successor.close()
    (folder / "old").rename(folder / "generation-1")  # killed before it was deleted
    assert b"39.jpg" in _bytes_of(folder / "generation-1")
    index = reopen(folder, opened)
    with index.lock():
        index.erase([record("39.jpg").id])
    assert b"39.jpg" not in _bytes_of(folder)
    assert not (folder / "generation-1").exists()


def test_what_is_erased_is_in_no_half_filled_successor(
    folder: Path, opened: list[LocalIndex]
) -> None:
    fill(folder, 40)
    index = reopen(folder, opened)
    with index.lock():
        successor = index.successor(OTHER_MODELS)
        successor.write([row(f"{n}.jpg", n + 50) for n in range(40)])
        successor.close()
        index.erase([record("39.jpg").id])
        assert b"39.jpg" not in _bytes_of(folder)
        again = index.successor(OTHER_MODELS)
        assert again.count() == 39
        again.close()


def test_an_index_that_was_embedded_anew_meanwhile_takes_no_rows(
    folder: Path, opened: list[LocalIndex]
) -> None:
    fill(folder, 10)
    early, other = reopen(folder, opened), reopen(folder, opened)
    with other.lock():
        successor = other.successor(OTHER_MODELS)
        successor.promote()
        successor.close()
    with pytest.raises(IndexLocked, match="embedded anew"), early.lock():
        pass


def test_several_damaged_photos_are_counted(folder: Path, opened: list[LocalIndex]) -> None:
    fill(folder, 60)
    with contextlib.closing(sqlite3.connect(database_of(folder))) as connection:
        connection.execute("delete from embeddings where row in (8, 9)")
        connection.commit()
    index = reopen(folder, opened)
    assert len(index.search(vector(7), 60)) == 58
    assert any("2 photos are damaged" in note for note in index.notes)


@pytest.mark.parametrize("what", ["flipped", "gone"])
def test_a_damaged_vector_is_said_and_embedded_again(
    folder: Path, opened: list[LocalIndex], what: str
) -> None:
    fill(folder, 60)
    with contextlib.closing(sqlite3.connect(database_of(folder))) as connection:
        connection.create_function("flipped", 1, lambda blob: bytes([blob[0] ^ 1]) + blob[1:])
        change = {
            "flipped": "update embeddings set vector = flipped(vector) where row = 8",
            "gone": "delete from embeddings where row = 8",
        }
        connection.execute(change[what])
        connection.commit()
    index = reopen(folder, opened)
    (damaged,) = index._reader.by_row([8]).values()
    assert index.vectors([damaged.id]) == {}
    found = index.search(vector(7), 60)
    assert len(found) == len(list(index.rows())) == 59
    assert damaged.id not in {hit.record.id for hit in found}
    assert any("1 photo is damaged" in note for note in index.notes)
    ids = {each.id for some in index.fingerprints() for each in some}
    assert (damaged.id in ids) == (what == "flipped")
    assert index.write([Row(damaged, vector(7))]) == []
    assert paths(index.search(vector(7), 1)) == ["7.jpg"]
    assert index.count() == 60


def test_a_photo_takes_little_space(folder: Path, opened: list[LocalIndex]) -> None:
    """At 512 dimensions, at most 3.5 KB besides paths and metadata; a sketch takes .26 of it."""
    from tests.benchmarks.index_scale import MODELS as MODELS_512

    index = open_local(folder, create=True)
    opened.append(index)
    index.stamp(MODELS_512)
    for start in range(0, 3000, 500):
        index.write([Row(record(f"{n}.jpg"), vector(n, 512)) for n in range(start, start + 500)])
    index.finish()
    index._database.empty_wal()
    metadata = 300  # with room for its indexes
    assert index.info().bytes_on_disk / 3000 < 3500 - 260 + metadata
    assert index.info().bytes_on_disk == sum(
        path.stat().st_size for path in folder.rglob("*") if path.is_file()
    )


def test_dims_of_the_contract_are_those_of_its_models() -> None:
    assert MODELS.dims == DIMS
