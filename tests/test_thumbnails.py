"""Small pictures: made by an ingest, from what a camera put into its files, and never more of them
than there is room for."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from imgsearch.index.base import Record
from imgsearch.photos.decode import Undecodable
from imgsearch.thumbnails import Thumbnails, made
from tests import pictures
from tests.command import Command
from tests.index_contract import record
from tests.web_server import serving


def kept(command: Command) -> dict[str, bytes]:
    files = (command.cache / "imgsearch" / "thumbnails").rglob("*.webp")
    return {file.name: file.read_bytes() for file in files}


@pytest.fixture
def own_cache(command: Command, new_cache: Callable[[], Path]) -> Command:
    command.cache = new_cache()
    return command


def test_an_ingest_makes_those_of_the_page(own_cache: Command, album: Path) -> None:
    """As large, and of the same pictures, as the page would make them."""
    (album / "tall.jpg").write_bytes(
        pictures.encoded(pictures.photo(size=(300, 1600)), ".jpg", exif=pictures.exif())
    )
    turned = pictures.photo(size=(900, 600))
    (album / "turned.jpg").write_bytes(pictures.oriented(turned, ".jpg", 6))
    (album / "copy.png").write_bytes((album / "moon.png").read_bytes())
    own_cache.run("ingest", album)
    vectors = own_cache.run("query", "moon", "--json", "-k", "20").json_lines
    assert not kept(own_cache)
    own_cache.run("ingest", album, "--re-embed", code=2)  # goes without folders
    own_cache.run("ingest", "--re-embed", "--thumbnails")
    made_ahead = kept(own_cache)
    assert len(made_ahead) == len({file.read_bytes() for file in album.rglob("*.*")})
    again = own_cache.run("query", "moon", "--json", "-k", "20").json_lines
    assert [(one["id"], one["score"]) for one in again] == [
        (one["id"], one["score"]) for one in vectors
    ]  # what is embedded does not depend on it
    with serving(own_cache) as server:
        for hit in server.ask("/api/v1/search?k=20").json["hits"]:
            shown = server.ask(f"/thumbnail/{hit['id']}?size=480").body
            assert shown in made_ahead.values()
            size = Image.open(io.BytesIO(shown)).size
            assert max(size) == min(480, max(hit["width"], hit["height"]))
            assert (size[0] > size[1]) == (hit["width"] > hit["height"])
    assert kept(own_cache) == made_ahead


def test_an_ingest_without_it_makes_none(own_cache: Command, album: Path) -> None:
    own_cache.run("ingest", album)
    assert not kept(own_cache)


def test_a_dry_run_makes_none(own_cache: Command, album: Path) -> None:
    own_cache.run("ingest", album, "--thumbnails", "--dry-run")
    assert not kept(own_cache)


def heic(embedded: int) -> bytes:
    """A HEIC of 1,000 x 750 pixels, with a small picture of so many pixels in it."""
    options = {"thumbnails": [embedded]} if embedded else {}
    fast = {"preset": "ultrafast", "x265:pools": "none"}
    return pictures.encoded(
        pictures.photo(size=(1000, 750)), ".heic", quality=60, enc_params=fast, **options
    )


@pytest.mark.parametrize(("embedded", "is_taken"), [(512, True), (320, False)])
def test_heic_has_its_own_where_it_is_large_enough(
    embedded: int, is_taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imgsearch.photos import hevc

    whole: list[object] = []
    decode_whole = hevc.reduced
    monkeypatch.setattr(
        hevc, "reduced", lambda *given: (whole.append(given), decode_whole(*given))[1]
    )
    small = Image.open(io.BytesIO(made(heic(embedded), 480, 100)))
    assert small.size == (480, 360)
    assert bool(whole) is not is_taken
    expected = pictures.photo(size=(480, 360))
    difference = [
        abs(a - b) for a, b in zip(small.convert("RGB").tobytes(), expected.tobytes(), strict=True)
    ]
    assert sum(difference) / len(difference) < 6  # of 255: it is this picture


def test_what_was_not_asked_for_the_longest_leaves_first(tmp_path: Path) -> None:
    """All together keep below the limit, whoever made them and whenever."""
    photos: list[tuple[Record, bytes]] = []
    for number in range(12):
        path = tmp_path / f"{number}.jpg"
        pictures.photo(size=(300 + number, 300)).save(path)
        photos.append((record(path.name), str(path).encode()))
    one = len(made(str(tmp_path / "0.jpg"), 240, 100))
    limit = 6 * one
    folder = tmp_path / "thumbnails"
    thumbnails = Thumbnails(folder, 100, limit)
    for each, path in photos[:4]:
        thumbnails.get(each, path, 240)
    thumbnails.get(*photos[0], 240)  # again: so it stays
    for each, path in photos[4:]:
        thumbnails.get(each, path, 240)
        thumbnails.get(*photos[0], 240)
        assert sum(file.stat().st_size for file in folder.rglob("*.webp")) <= limit
    thumbnails.close()
    assert len(list(folder.rglob("*.webp"))) >= 4
    for file in (tmp_path / f"{number}.jpg" for number in range(12)):
        file.unlink()
    another = Thumbnails(folder, 100, limit)  # the next run of the page
    assert another.get(*photos[0], 240)
    with pytest.raises((OSError, Undecodable)):
        another.get(*photos[1], 240)
    another.close()
