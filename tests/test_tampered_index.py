"""Tables that somebody changed: every command ends with an answer or a sentence, and what is as it
was is found as before."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import zlib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.command import Command

PHOTOS = 12
NAN = b"\0\0\xc0\x7f"

# what is executed -> how many photos a query still finds (None: a sentence instead)
TAMPERINGS: dict[str, int | None] = {
    # rows that are gone
    "delete from embeddings where row = 3": 11,
    "delete from embeddings": 0,
    "drop trigger photo_gone; delete from photos where row = 3": 11,
    "drop trigger photo_gone; delete from photos": None,
    "delete from segments": 12,
    "delete from libraries": 0,
    "delete from meta": None,
    "delete from meta where key = 'models'": None,
    "delete from meta where key = 'index_id'": 12,
    "delete from sqlite_sequence": 12,
    # tables, columns, triggers
    "drop table embeddings": None,
    "drop table photos": None,
    "drop table libraries": None,
    "drop table meta": None,
    "drop table segments": 12,
    "drop index photos_by_path": 12,
    "drop index embeddings_by_photo": 12,
    "drop trigger photo_added": 12,
    "alter table photos rename column size to length": None,
    "alter table photos add column more": None,
    "alter table segments drop column sketch": 12,
    "alter table embeddings rename to others;"
    " create view embeddings as with recursive n(x) as (select 1 union all select x + 1 from n)"
    " select x as row, x as photo, 0 as kind, x as vector, x as checksum from n": None,
    "create trigger evil after insert on photos begin delete from photos; end": 12,
    "create trigger evil after update on photos begin update photos set size = size; end": 12,
    "create index evil on photos (id) where abs(row) > 5": 12,
    "create table more (a); create view others as select * from more": None,
    "create table more (a)": 12,
    "pragma user_version = 0": None,
    "pragma user_version = -7": None,
    "pragma user_version = 1": None,
    "pragma user_version = 3": None,
    "pragma user_version = 1000": None,
    "pragma application_id = 7": None,
    # photos
    "update photos set id = 'text' where row = 3": 11,
    "update photos set id = x'00' where row = 3": 11,
    "update photos set id = row": 0,
    "update photos set library = 99 where row = 3": 11,
    "update photos set library = 'x' where row = 3": 11,
    "update photos set relative_path = '../../../../etc/passwd' where row = 3": 11,
    "update photos set relative_path = '/etc/hostname' where row = 3": 11,
    "update photos set relative_path = x'00ff' where row = 3": 11,
    "update photos set relative_path = cast(x'ff2f' as text) where row = 3": 11,
    "update photos set relative_path = 'a' || char(0) where row = 3": 11,
    "update photos set relative_path = '%2F..%2Fx', path_escaped = 1 where row = 3": 11,
    "update photos set path_escaped = 'yes' where row = 3": 11,
    "update photos set size = 'large' where row = 3": 11,
    "update photos set size = -1": 0,
    "update photos set size = 1e300 where row = 3": 11,
    "update photos set mtime_ns = 'then' where row = 3": 11,
    "update photos set mtime_ns = 9223372036854775807 where row = 3": 12,
    "update photos set content_hash = 7 where row = 3": 11,
    "update photos set format = x'00' where row = 3": 11,
    "update photos set width = 'wide' where row = 3": 11,
    "update photos set height = 2.5 where row = 3": 11,
    "update photos set taken = x'ff', camera = 3, lens = cast(x'ff' as text)": 12,
    "update photos set latitude = 'north', longitude = 1e999": 12,
    "update photos set row = 4611686018427387904 where row = 3": 11,
    "update photos set row = row + 1000": 0,
    "update photos set row = -row where row > 1": 1,
    # vectors
    "update embeddings set vector = x'' where row = 3": 11,
    "update embeddings set vector = 'text' where row = 3": 11,
    "update embeddings set vector = 5": 0,
    "update embeddings set vector = substr(vector, 5) where row = 3": 11,
    "update embeddings set vector = zeroblob(length(vector)),"
    " checksum = crc32(zeroblob(length(vector))) where row = 3": 11,
    "update embeddings set vector = nan(vector), checksum = crc32(nan(vector)) where row = 3": 11,
    "update embeddings set vector = flipped(vector) where row = 3": 11,
    "update embeddings set checksum = 'sum' where row = 3": 11,
    "update embeddings set row = row + 100": 0,
    "update embeddings set row = 9223372036854775807 where row = 12": 11,
    # files for searching
    "insert into segments values (0, 12, 12, 'x', 'x', null, null)": 12,
    "insert into segments values (0, 9000000000, 5, '000000012-0123abcd.codes', 'x', '', '')": 12,
    "insert into segments values (0, 12, 12, '000000012-0123abcd.codes', 'x', 'y', 'z')": 12,
    "insert into segments values (0, 'last', -1, 7, 7, 7, 7)": 12,
    "insert into segments values (-5, 3, 3, '000000012-0123abcd.codes', 'x', '', '');"
    " insert into segments values (2, 5, 3, '000000012-0123abce.codes', 'x', '', '')": 12,
    "update sqlite_sequence set seq = 3": 12,
    "update sqlite_sequence set seq = 'x'": 12,
    "update sqlite_sequence set seq = 9223372036854775807": 12,
    # libraries
    "update libraries set photos = 0": 12,
    "update libraries set photos = 'many'": 12,
    "update libraries set photos = -5": 12,
    "update libraries set name = x'ff'": 0,
    "update libraries set name = cast(x'ff' as text)": 0,
    "update libraries set name = ''": 0,
    "update libraries set root_hint = x'00'": 12,
    "update libraries set root_hint = '..' || char(0)": 12,
    # meta
    "update meta set value = '[]'": None,
    "update meta set value = '{' where key = 'models'": None,
    "update meta set value = replace(value, '128', '1e99') where key = 'models'": None,
    "update meta set value = replace(value, '128', '64') where key = 'models'": None,
    "update meta set value = replace(value, '\"name\"', '\"game\"') where key = 'models'": None,
    "update meta set value = '{\"added\": \"x\", \"skipped\": 7}' where key = 'last_ingest'": 12,
    "update meta set value = '{\"skipped\": [7, {\"path\": 3}]}' where key = 'last_ingest'": 12,
    "update meta set value = replace(hex(zeroblob(9999)), '0', '[') where key = 'last_ingest'": 12,
    "update meta set value = x'ff' where key = 'index_id'": 12,
    "insert into meta values ('erasing', 'true')": 12,
}  # fmt: skip


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, model_cache: Path, demo_photos: Path
) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("made")
    index, album = place / "index", place / "album"
    album.mkdir()
    for path in sorted(demo_photos.rglob("*.png"))[:PHOTOS]:
        shutil.copy(path, album / path.name)
    home = place / "home"
    home.mkdir()
    command = Command(home, model_cache, {"IMGSEARCH_MODEL": "demo"})
    command.run("--index", index, "ingest", album)
    return index, album


@pytest.fixture
def tampered(
    request: pytest.FixtureRequest, made: tuple[Path, Path], tmp_path: Path
) -> tuple[Path, Path]:
    index, album = tmp_path / "index", tmp_path / "album"
    shutil.copytree(made[0], index)
    shutil.copytree(made[1], album)
    with contextlib.closing(sqlite3.connect(index / "generation-1" / "index.sqlite")) as connection:
        connection.create_function("crc32", 1, zlib.crc32)
        connection.create_function("nan", 1, lambda blob: NAN + blob[4:])
        connection.create_function("flipped", 1, lambda blob: bytes([blob[0] ^ 1]) + blob[1:])
        connection.execute("pragma writable_schema = on")
        connection.execute("pragma legacy_alter_table = on")
        for statement in _statements(request.param):
            connection.execute(statement)
        connection.commit()
    return index, album


def _statements(script: str) -> list[str]:
    return [script] if script.startswith("create trigger") else script.split("; ")


@pytest.fixture
def run(command: Command, monkeypatch: pytest.MonkeyPatch) -> object:
    """The program inside this process: five times a hundred of its own would take minutes."""
    from imgsearch.cli.main import app

    for name, value in command.env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(command.home)

    def run_it(*arguments: object) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code in (0, 1, 2), result.output
        assert "bug" not in result.output
        assert "Traceback" not in result.output
        return result

    return run_it


@pytest.mark.timeout(120)  # five commands; none may wait for ever
@pytest.mark.parametrize("tampered", TAMPERINGS, indirect=True)
def test_a_tampered_index(
    request: pytest.FixtureRequest, tampered: tuple[Path, Path], run: object
) -> None:
    index, album = tampered
    script = request.node.callspec.params["tampered"]
    wanted = TAMPERINGS[script]
    found = run("--index", index, "query", "red", "-k", "50", "--json")
    if wanted is None:
        assert found.exit_code == 1
        assert str(index) in found.stderr
    else:
        assert len(found.stdout.splitlines()) == wanted, found.output
        if wanted < PHOTOS:
            gone = "delete from photos" in script  # nothing is left that could be missed
            assert gone or "damaged" in found.stderr, found.output
    run("--index", index, "similar", min(album.iterdir()), "--json")
    run("--index", index, "status")
    run("--index", index, "doctor", "--deep")
    ingested = run("--index", index, "ingest", album, "--json")
    run("--index", index, "doctor")
    if ingested.exit_code == 0:
        again = run("--index", index, "query", "red", "-k", "50", "--json")
        assert len(again.stdout.splitlines()) >= (wanted or 0)
