"""What an ingest tells the index of photos besides their bytes: from pictures, sidecars, names and
the gazetteer; and how it keeps that up to date without embedding anything."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from imgsearch.index.base import Record
from imgsearch.index.local.opening import open_local
from imgsearch.question import Filter
from tests import pictures
from tests.command import Command
from tests.test_local_index import NEW_IN_SCHEMA_5, OF_SCHEMA_4, database_of

SIDECAR = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
    ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description'
    ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    ' xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"'
    ' xmp:Rating="{rating}" photoshop:City="{city}" photoshop:Country="{country}"><dc:subject>'
    "<rdf:Bag><rdf:li>{tag}</rdf:li></rdf:Bag></dc:subject>"
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
)


def sidecar(tag: str, rating: int = 3, city: str = "Florenz", country: str = "Italien") -> str:
    return SIDECAR.format(tag=tag, rating=rating, city=city, country=country)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "index"


COUNTS = ("added", "updated", "unchanged", "renamed", "removed", "missing", "embedded", "described")


def ingest(command: Command, index: Path, *arguments: str | Path) -> Any:
    report = command.run("--index", index, "ingest", *arguments, "--json").json
    return {name: report[name] for name in COUNTS} | {"skipped": len(report["skipped"])}


def records(index: Path, where: Filter | None = None) -> dict[str, Record]:
    with contextlib.closing(open_local(index, create=False)) as opened:
        found = opened.rows(where or Filter())
        return {row.record.relative_path: row.record for row in found}


def nothing_embedded(report: dict[str, Any], described: int) -> bool:
    counts = {name: count for name, count in report.items() if count and name != "unchanged"}
    return counts == ({"described": described} if described else {})


def test_places_by_coordinates_and_by_what_was_written(
    command: Command, tmp_path: Path, index: Path
) -> None:
    album = tmp_path / "album"
    album.mkdir()
    gps = {1: "N", 2: (35.0, 41.0, 22.0), 3: "E", 4: (139.0, 41.0, 30.0)}
    taken = pictures.exif(gps=gps, exif={0x9003: "2019:07:14 12:30:45"}, Model="D750")
    photo = pictures.photo(size=(90, 60))
    (album / "tokyo.jpg").write_bytes(pictures.encoded(photo, ".jpg", exif=taken))
    (album / "IMG-20200229-WA0003.jpg").write_bytes(pictures.encoded(photo.rotate(90), ".jpg"))
    for name, city in (("a", "Florenz"), ("b", "Nowhere at all")):
        (album / f"{name}.png").write_bytes(pictures.encoded(photo.rotate(len(city)), ".png"))
        (album / f"{name}.png.xmp").write_text(sidecar("Urlaub", city=city), "utf-8")
    ingest(command, index, album)
    found = records(index)
    tokyo, florence, nowhere = found["tokyo.jpg"], found["a.png"], found["b.png"]
    assert (tokyo.country, tokyo.city, tokyo.camera) == ("JP", "Tokyo", "D750")
    assert (florence.country, florence.city) == ("IT", "Florence")
    assert (nowhere.country, nowhere.city) == ("IT", "Nowhere at all")
    assert (florence.tags, florence.rating) == (("Urlaub",), 3)
    named = found["IMG-20200229-WA0003.jpg"]
    assert (named.taken, named.taken_precision, named.taken_source) == (
        "2020-02-29T00:00:00", "day", "name",
    )  # fmt: skip
    assert set(records(index, Filter(taken_to=date(2019, 12, 31)))) == {"tokyo.jpg"}


def test_copies_are_dated_by_their_own_names_and_described_by_their_own_sidecars(
    command: Command, album: Path, index: Path
) -> None:
    moon = album / "moon.png"
    ingest(command, index, album)
    shutil.copy(moon, album / "IMG-20190714-WA0003.png")
    shutil.copy(moon, album / "tagged.png")
    (album / "tagged.xmp").write_text(sidecar("moon"))
    assert ingest(command, index, album)["embedded"] == 0
    moon.rename(album / "Screenshot_2021-05-06.png")
    report = ingest(command, index, album)
    assert (report["renamed"], report["embedded"]) == (1, 0)
    found = records(index)
    assert found["IMG-20190714-WA0003.png"].taken == "2019-07-14T00:00:00"
    assert found["Screenshot_2021-05-06.png"].taken == "2021-05-06T00:00:00"
    assert (found["tagged.png"].taken, found["tagged.png"].tags) == (None, ("moon",))
    assert nothing_embedded(ingest(command, index, album), 0)


def test_a_changed_sidecar_updates_the_row(command: Command, album: Path, index: Path) -> None:
    ingest(command, index, album)
    before = records(index)["moon.png"]
    beside = album / "moon.xmp"
    beside.write_text(sidecar("first"))
    assert nothing_embedded(ingest(command, index, album), 1)
    assert records(index)["moon.png"].tags == ("first",)
    beside.write_text(sidecar("second", rating=5))
    dry = ingest(command, index, album, "--dry-run")
    assert nothing_embedded(dry, 1)
    assert records(index)["moon.png"].tags == ("first",)
    assert nothing_embedded(ingest(command, index, album), 1)
    after = records(index)["moon.png"]
    assert (after.tags, after.rating) == (("second",), 5)
    assert set(records(index, Filter(tags=("SECOND",), min_rating=5))) == {"moon.png"}
    assert records(index, Filter(tags=("first",))) == {}
    beside.unlink()
    assert nothing_embedded(ingest(command, index, album), 1)
    assert records(index)["moon.png"] == before
    assert nothing_embedded(ingest(command, index, album), 0)


def test_a_sidecar_that_leads_out_is_none(
    command: Command, album: Path, index: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.xmp"
    outside.write_text(sidecar("secret"))
    (album / "moon.xmp").symlink_to(outside)
    ingest(command, index, album, "--follow-links")
    assert records(index)["moon.png"].tags == ()


def make_older(index: Path) -> None:
    """As the version before this one's metadata left it."""
    with contextlib.closing(sqlite3.connect(database_of(index))) as connection:
        connection.executescript(OF_SCHEMA_4)


def without_hashes(found: dict[str, Record]) -> dict[str, Record]:
    """Pixels are not decoded for metadata: `imgsearch duplicates` does that."""
    return {path: replace(each, perceptual_hash=None) for path, each in found.items()}


def vectors(index: Path) -> dict[str, bytes]:
    with contextlib.closing(sqlite3.connect(database_of(index))) as connection:
        return dict(
            connection.execute(
                "select relative_path, vector from photos join embeddings using (row)"
            )
        )


def test_an_index_of_the_version_before_gets_the_new_fields_from_headers_alone(
    command: Command, album: Path, index: Path
) -> None:
    (album / "moon.xmp").write_text(sidecar("moon"))
    ingest(command, index, album)
    before, vectors_before = records(index), vectors(index)
    make_older(index)
    older = records(index)
    assert older["moon.png"].tags == ()
    assert all(record.metadata_mark == 0 for record in older.values())
    told = command.run("--index", index, "ingest", album).stderr
    assert f"What {len(before)} unchanged photos say of themselves was read again" in told
    assert "nothing was embedded" in told
    assert records(index) == without_hashes(before)
    assert vectors(index) == vectors_before
    assert nothing_embedded(ingest(command, index, album), 0)
    assert set(NEW_IN_SCHEMA_5) <= set(Record.__dataclass_fields__)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")
def test_killed_in_the_middle_it_goes_on(
    command: Command, demo_photos: Path, tmp_path: Path, index: Path
) -> None:
    album = tmp_path / "album"
    album.mkdir()
    source = next(demo_photos.rglob("*.png")).read_bytes()
    for number in range(3000):
        (album / f"{number}.png").write_bytes(source)
    ingest(command, index, album)
    before = records(index)
    make_older(index)
    begun = 0
    for _ in range(3):
        process = command.start("--index", index, "ingest", album)
        deadline = time.monotonic() + 120
        done = begun
        while process.poll() is None and done <= begun and time.monotonic() < deadline:
            time.sleep(0.02)
            done = described(index)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert described(index) >= begun
        begun = described(index)
    assert begun > 0
    report = ingest(command, index, album)
    assert report["described"] == len(before) - begun
    assert report["embedded"] == 0
    assert records(index) == without_hashes(before)


def described(index: Path) -> int:
    try:
        with contextlib.closing(sqlite3.connect(database_of(index), timeout=10)) as connection:
            [count] = connection.execute(
                "select count(*) from photos where metadata_mark > 0"
            ).fetchone()
    except sqlite3.OperationalError:  # its migration has not been committed
        return 0
    return int(count)


def test_a_photo_that_cannot_be_read_now_is_told_and_read_the_next_time(
    command: Command, album: Path, index: Path
) -> None:
    ingest(command, index, album)
    moon = album / "moon.png"
    status = moon.stat()
    states = command.home / "data" / "imgsearch" / "file-states"  # ctimes: they would tell
    whole = moon.read_bytes()
    moon.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(len(whole) - 8))
    os.utime(moon, ns=(status.st_atime_ns, status.st_mtime_ns))
    make_older(index)
    shutil.rmtree(states)
    report = ingest(command, index, album)
    assert (report["skipped"], report["embedded"], report["removed"]) == (1, 0, 0)
    assert records(index)["moon.png"].metadata_mark == 0
    moon.write_bytes(whole)
    os.utime(moon, ns=(status.st_atime_ns, status.st_mtime_ns))
    shutil.rmtree(states)
    assert nothing_embedded(ingest(command, index, album), 1)
