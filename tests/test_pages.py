"""Pages of picture files: which files have some, and what each shows."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import shutil
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
import tifffile
from PIL import Image

from imgsearch import demo, thumbnails
from imgsearch.index.base import Part
from imgsearch.photos import decode, downscaling, multi_page, tiff_directories
from imgsearch.results import Hit
from tests.command import Command
from tests.index_contract import record

COLOURS = ("red", "lime", "blue", "yellow")


def sheet(colour: str, size: tuple[int, int] = (640, 480)) -> Image.Image:
    """White, with a square of that colour in its upper left quarter."""
    found = Image.new("RGB", size, "white")
    found.paste(colour, (0, 0, size[0] // 2, size[1] // 2))
    return found


def by_pillow(**options: Any) -> bytes:
    buffer = io.BytesIO()
    first, *others = map(sheet, COLOURS)
    first.save(buffer, "TIFF", save_all=True, append_images=others, **options)
    return buffer.getvalue()


def by_tifffile(bigtiff: bool = False, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer, bigtiff=bigtiff) as writer:
        for colour in COLOURS:
            deep = np.asarray(sheet(colour)).astype(np.uint16) * 257
            if options.get("planarconfig") == "separate":
                deep = np.moveaxis(deep, -1, 0)
            writer.write(deep, photometric="rgb", metadata=None, **options)
    return buffer.getvalue()


def heif(count: int = 4) -> bytes:
    pillow_heif.register_heif_opener()
    buffer = io.BytesIO()
    first, *others = (sheet(COLOURS[n % 4]) for n in range(count))
    first.save(buffer, "HEIF", save_all=True, append_images=others, quality=90)
    return buffer.getvalue()


def gif() -> bytes:
    buffer = io.BytesIO()
    first, *others = map(sheet, COLOURS)
    first.save(buffer, "GIF", save_all=True, append_images=others)
    return buffer.getvalue()


def mpo() -> bytes:
    buffer = io.BytesIO()
    first, *others = map(sheet, COLOURS)
    first.save(buffer, "MPO", save_all=True, append_images=others)
    return buffer.getvalue()


def corner(image: Image.Image) -> tuple[int, ...]:
    """The colour in its upper left quarter, in steps that survive compression."""
    small = np.asarray(image.convert("RGB").resize((4, 4), Image.Resampling.BOX))
    return tuple(np.round(small[0, 0] / 255).astype(int).tolist())


def found(data: bytes | str, **options: Any) -> list[tuple[int, tuple[int, ...]]]:
    options = {"target": 64, "max_megapixels": 250} | options
    return [(page.number, corner(page.image)) for page in multi_page.each(data, **options)]


EXPECTED = [(1, (1, 0, 0)), (2, (0, 1, 0)), (3, (0, 0, 1)), (4, (1, 1, 0))]


@pytest.mark.parametrize(
    "made",
    [
        by_pillow,
        lambda: by_pillow(compression="tiff_lzw"),
        lambda: by_pillow(compression="jpeg"),
        by_tifffile,
        lambda: by_tifffile(bigtiff=True, planarconfig="separate"),
        heif,
    ],
    ids=["TIFF", "LZW", "JPEG in TIFF", "16 bits", "BigTIFF in planes", "HEIF"],
)
def test_each_page_is_shown_with_its_number(made: Callable[[], bytes], tmp_path: Path) -> None:
    data = made()
    path = tmp_path / "scan"
    path.write_bytes(data)
    assert multi_page.several(data)
    assert found(data) == found(str(path)) == EXPECTED
    alone = multi_page.one(data, 3, target=64, max_megapixels=250)
    assert corner(alone) == (0, 0, 1)
    assert min(alone.size) >= downscaling.least(64)


def test_small_pages_that_are_kept_stay_what_they_are() -> None:
    """Those that are not made smaller were one picture, which became the next page (found by a
    fuzzer)."""
    shades = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    first, *others = (Image.new("RGB", (40, 30), shade) for shade in shades)
    buffer = io.BytesIO()
    first.save(buffer, "TIFF", save_all=True, append_images=others)
    found = list(multi_page.each(buffer.getvalue(), target=64, max_megapixels=5))
    assert [page.image.getpixel((3, 3)) for page in found] == shades


def test_other_files_of_several_pictures_have_no_pages() -> None:
    for data in (gif(), mpo(), heif(1), by_tifffile()[:6], b"II*\0", b""):
        assert not multi_page.several(data)
        assert found(data) == []


def test_a_page_that_does_not_exist_is_said() -> None:
    with pytest.raises(decode.Undecodable, match="it has no page 5"):
        multi_page.one(by_pillow(), 5, target=64, max_megapixels=250)


def test_pages_are_upright_each_by_its_own_orientation() -> None:
    buffer = io.BytesIO()
    turned = [np.asarray(sheet("red")), np.rot90(np.asarray(sheet("blue")))]
    for kind in (np.uint8, np.uint16):
        buffer = io.BytesIO()
        with tifffile.TiffWriter(buffer) as writer:
            for pixels, orientation in zip(turned, (1, 6), strict=True):
                values = pixels.astype(kind) * (1 if kind == np.uint8 else 257)
                tags = [(274, "H", 1, orientation, True)]
                writer.write(values, photometric="rgb", metadata=None, extratags=tags)
        first, second = multi_page.each(buffer.getvalue(), target=64, max_megapixels=250)
        assert first.image.width > first.image.height
        assert second.image.width > second.image.height
        assert corner(second.image) == (0, 0, 1)


@pytest.mark.parametrize("marked", [True, False])
def test_thumbnails_and_masks_are_no_pages(marked: bool) -> None:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        options: dict[str, Any] = {"photometric": "rgb", "metadata": None}
        small = np.asarray(sheet("black").resize((64, 48)))
        writer.write(small, subfiletype=1 if marked else 0, **options)
        writer.write(np.asarray(sheet("red")), **options)
        mask = np.zeros((480, 640), bool)
        writer.write(mask, photometric="minisblack", subfiletype=4, metadata=None)
        writer.write(np.asarray(sheet("lime")), **options)
    assert found(buffer.getvalue()) == EXPECTED[:2]


def test_a_page_that_is_damaged_leaves_the_others() -> None:
    data = bytearray(by_pillow(compression="tiff_lzw"))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as opened:
        at, length = opened.pages[1].dataoffsets[0], opened.pages[1].databytecounts[0]
    data[at : at + length] = bytes(length)
    numbers = [number for number, _ in found(bytes(data))]
    assert numbers in ([1, 3, 4], [1, 2, 3, 4])
    assert found(bytes(data))[-1] == EXPECTED[3]


def test_more_pages_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multi_page, "MOST", 3)
    assert found(by_pillow()) == EXPECTED[:3]


def directory(at: int, following: int, width: int, strip: tuple[int, int], bits: int = 8) -> bytes:
    """A TIFF's directory: a grey page of width x width, deflated."""
    offset, length = strip
    entries = [
        (256, 4, width), (257, 4, width), (258, 3, bits), (259, 3, 8), (262, 3, 1),
        (273, 4, offset), (277, 3, 1), (278, 4, width), (279, 4, length),
    ]  # fmt: skip
    packed = b"".join(
        struct.pack(
            "<HHIHH" if kind == 3 else "<HHII", tag, kind, 1, value, *([0] if kind == 3 else [])
        )
        for tag, kind, value in entries
    )
    return struct.pack("<H", len(entries)) + packed + struct.pack("<I", following)


def chained(count: int, width: int, strip: bytes, last: int = 0, bits: int = 8) -> bytes:
    """A TIFF of `count` pages that share their pixels; `last`: what follows the last one."""
    start = 8 + len(strip) + len(strip) % 2
    size = len(directory(0, 0, 1, (0, 0)))
    body = b"".join(
        directory(
            start + n * size,
            start + (n + 1) * size if n + 1 < count else last,
            width,
            (8, len(strip)),
            bits,
        )
        for n in range(count)
    )
    return b"II*\0" + struct.pack("<I", start) + strip.ljust(start - 8, b"\0") + body


def zeros(count: int) -> bytes:
    import zlib

    packer = zlib.compressobj(9)
    found = [packer.compress(bytes(min(1 << 24, count - at))) for at in range(0, count, 1 << 24)]
    return b"".join([*found, packer.flush()])


def test_pages_that_follow_each_other_in_a_circle() -> None:
    strip = zeros(100 * 100)
    there = chained(3, 100, strip)
    start = struct.unpack_from("<I", there, 4)[0]
    assert len(found(there)) == 3
    assert len(found(chained(3, 100, strip, last=start))) == 3
    assert found(chained(1, 100, strip, last=start)) == []


@pytest.mark.parametrize(("count", "width", "bits"), [(4000, 10, 8), (500, 6000, 8), (70, 6000, 1)])
def test_bombs_of_pages_cost_little(
    count: int, width: int, bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many pages, and many large ones that take no room in the file."""
    monkeypatch.setattr(multi_page, "MOST", 40)
    monkeypatch.setattr(multi_page, "_DIRECTORIES", 80)
    monkeypatch.setattr(multi_page, "_FREE_BYTES", 1 << 27)
    data = chained(count, width, zeros(width * width * bits // 8), bits=bits)
    shown = len(found(data))
    assert 0 < shown <= 40
    assert shown * width * width <= (1 << 27) + 400 * len(data)


def test_directories_that_name_the_same_values_are_not_all_read() -> None:
    """A thousand of them, each with a value as large as the file."""
    many = chained(1000, 10, zeros(100))
    large = many.replace(
        struct.pack("<HHIHH", 277, 3, 1, 1, 0), struct.pack("<HHII", 277, 1, len(many), 8)
    )
    assert len(large) == len(many)
    assert tiff_directories.count(io.BytesIO(many), 2000) == 1000
    assert tiff_directories.count(io.BytesIO(large), 2000) < 60


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Command:
    """With a folder of scans that an earlier version has ingested, which knew no pages."""
    pillow_heif.register_heif_opener()
    user = Command(tmp_path_factory.mktemp("home"), model_cache, {"IMGSEARCH_MODEL": "demo"})
    folder = user.home / "scans"
    folder.mkdir()
    photos = [Image.open(path).convert("RGB") for path in sorted(demo.PHOTOS.rglob("*.png"))[:8]]
    photos[0].save(folder / "letters.tif", save_all=True, append_images=photos[1:4])
    photos[4].save(folder / "album.heic", "HEIF", save_all=True, append_images=photos[5:6])
    photos[6].save(folder / "one.tif")
    photos[6].save(folder / "plain.png")
    photos[2].save(user.home / "asked.png")
    assert user.run("ingest", "scans", "--json").json["added"] == 4
    with contextlib.closing(_database(user)) as connection, connection:
        assert _kept(connection) == {"letters.tif": [1, 2, 3, 4], "album.heic": [1, 2]}
        connection.execute("delete from embeddings where kind = 2")
        connection.execute("update photos set parted = 0")
    return user


def _database(user: Command, index: str = "data") -> sqlite3.Connection:
    [path] = (user.home / index).rglob("index.sqlite")
    return sqlite3.connect(path)


def _kept(connection: sqlite3.Connection) -> dict[str, list[int]]:
    """Numbers of pages by the photo's path."""
    rows = connection.execute(
        "select relative_path, place from embeddings join photos on photos.row = photo"
        " where kind = 2 order by cast(place as integer)"
    )
    found: dict[str, list[int]] = {}
    for path, place in rows:
        found.setdefault(path, []).append(int(place))
    return found


def test_pages_are_ingested_and_found(user: Command) -> None:
    with contextlib.closing(_database(user)) as connection:
        whole = connection.execute("select row, vector from embeddings").fetchall()
    done = user.run("ingest", "--json").json
    assert (done["embedded"], done["looked_through"], done["unchanged"]) == (0, 2, 2)
    with contextlib.closing(_database(user)) as connection:
        assert _kept(connection) == {"letters.tif": [1, 2, 3, 4], "album.heic": [1, 2]}
        after = connection.execute("select row, vector from embeddings where kind = 0").fetchall()
    assert after == whole  # nothing whole was embedded again
    again = user.run("ingest", "--json").json
    assert (again["looked_through"], again["unchanged"]) == (0, 4)
    hit = user.run("similar", "asked.png", "--json").json_lines[0]
    assert (hit["name"], hit["page"], hit["box"]) == ("letters.tif", 3, None)
    shown = user.run("similar", "asked.png", "--html", "found.html").stdout
    assert any("page 3" in line and "letters.tif" in line for line in shown.splitlines())
    assert "page 3" in (user.home / "found.html").read_text()
    assert user.run("similar", "@1", "--json").json_lines[0]["name"] != "letters.tif"
    parts = user.run("status", "--json").json["parts"]
    assert parts["page"] == {"photos": 3, "parts": 6}


def test_pages_that_cannot_be_decoded_are_told(user: Command, tmp_path: Path) -> None:
    """With their numbers; the others are in the index."""
    data = bytearray(by_tifffile(compression="deflate"))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as opened:
        for page in opened.pages[1:3]:
            at, length = page.dataoffsets[0], page.databytecounts[0]
            data[at : at + length] = bytes(length)
    scan = tmp_path / "scan.tif"
    scan.write_bytes(data)
    told = user.run("--index", "./told", "ingest", scan, "--strict", code=1)
    assert f"incomplete {scan}: damaged (pages 2, 3: " in told.stderr
    assert "1 file without the pages that cannot be decoded" in told.stdout
    done = user.run("--index", "./damaged", "ingest", scan, "--json").json
    assert (done["added"], done["skipped"]) == (1, [])
    [incomplete] = done["incomplete"]
    assert (incomplete["path"], incomplete["reason"]) == (str(scan), "damaged")
    assert incomplete["detail"].startswith("pages 2, 3: ")
    assert _numbers(user, "damaged") == {"scan.tif": [1, 4]}
    assert user.run("--index", "./damaged", "ingest", "--json").json["incomplete"] == []


def test_a_hits_thumbnail_shows_its_page(user: Command, tmp_path: Path) -> None:
    file = user.home / "scans/letters.tif"
    with Image.open(file) as image:
        photo = record(file.name, width=image.width, height=image.height)
    hit = Hit(rank=1, score=0.5, record=photo, raw_path=os.fsencode(file), missing=False)
    with thumbnails.opened(tmp_path, 250) as made:
        webp = made.of(dataclasses.replace(hit, part=Part("page", (3,))), 240)
        assert webp == made.of(dataclasses.replace(hit, part=Part("page", (3,))), 240)
        assert webp == thumbnails.made(str(user.home / "asked.png"), 240, 250)
        assert webp != made.of(hit, 240)
        assert made.of(dataclasses.replace(hit, part=Part("page", (9,))), 240) is None


def test_pages_go_along_with_their_photos(user: Command) -> None:
    """Ingested by halves, copied, embedded anew, removed, pruned."""
    folder = shutil.copytree(user.home / "scans", user.home / "others")
    for part in ("1/2", "2/2"):
        user.run("--index", "./one", "ingest", "others", "--part", part)
    both = {"letters.tif": [1, 2, 3, 4], "album.heic": [1, 2]}
    assert _numbers(user, "one") == both
    user.run("copy", "./one", "./two")
    assert _numbers(user, "two") == both
    user.run("--index", "./two", "ingest", "--re-embed")
    assert _numbers(user, "two") == both
    user.run("--index", "./two", "remove", "others/letters.tif", "--yes")
    assert _numbers(user, "two") == {"album.heic": [1, 2]}
    (folder / "album.heic").unlink()
    user.run("--index", "./one", "ingest", "--prune", "--yes")
    assert _numbers(user, "one") == {"letters.tif": [1, 2, 3, 4]}


def _numbers(user: Command, index: str) -> dict[str, list[int]]:
    with contextlib.closing(_database(user, index)) as connection:
        orphans = "select count(*) from embeddings where photo not in (select row from photos)"
        assert connection.execute(orphans).fetchone() == (0,)
        return _kept(connection)
