"""What pictures say about themselves, true or broken, in the formats that carry EXIF."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from PIL.TiffImagePlugin import IFDRational

from imgsearch.index.base import Record
from imgsearch.photos import decode
from imgsearch.photos.metadata import Metadata
from tests import pictures

PHOTO = pictures.photo(size=(96, 64))
ORIGINAL, DIGITIZED, OFFSET, LENS = 0x9003, 0x9004, 0x9011, 0xA434
WHERE = {1: "S", 2: (33.0, 51.0, 24.5), 3: "E", 4: (151.0, 12.0, 54.0)}


def _read(ending: str = ".jpg", **tags: Any) -> Metadata:
    exif = pictures.exif(**tags)
    given = exif.tobytes() if ending in (".heic", ".tif") else exif  # else Pillow loses parts
    data = pictures.encoded(PHOTO, ending, exif=given)
    return decode.decode(data, target=32, max_megapixels=10).metadata


def test_a_record_keeps_its_fields_as_they_are() -> None:
    said = {field.name: field.type for field in dataclasses.fields(Metadata)}
    kept = {field.name: field.type for field in dataclasses.fields(Record)}
    both = said.keys() & kept.keys()
    assert both >= {"format", "width", "height", "taken", "latitude", "longitude", "camera", "lens"}
    # an index may hold another version's words for these two
    words = {"taken_precision": "Precision | None", "taken_source": "Source | None"}
    assert {name: said[name] for name in words} == words
    assert {name: kept[name] for name in words} == dict.fromkeys(words, "str | None")
    same = both - words.keys()
    assert {name: said[name] for name in same} == {name: kept[name] for name in same}


@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif", ".webp", ".heic", ".avif"])
def test_every_format_that_carries_exif(ending: str) -> None:
    found = _read(
        ending,
        Make="Canon",
        Model="Canon EOS R5",
        exif={ORIGINAL: "2024:05:01 12:30:00", OFFSET: "+02:00", LENS: "RF 35mm\0\0"},
        gps=WHERE,
    )
    assert (found.width, found.height) == PHOTO.size
    assert (found.taken, found.taken_offset) == ("2024-05-01T12:30:00", "+02:00")
    assert (found.camera, found.lens) == ("Canon EOS R5", "RF 35mm")
    assert found.latitude == pytest.approx(-(33 + 51 / 60 + 24.5 / 3600), abs=1e-6)
    assert found.longitude == pytest.approx(151 + 12 / 60 + 54 / 3600, abs=1e-6)


def test_a_picture_without_exif_says_nothing() -> None:
    data = pictures.encoded(PHOTO, ".png")
    found = decode.decode(data, target=32, max_megapixels=10).metadata
    assert found == Metadata(format="PNG", width=PHOTO.width, height=PHOTO.height)


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS R5", "Canon EOS R5"),
        ("NIKON CORPORATION", "NIKON D750", "NIKON D750"),
        ("SONY", "ILCE-7M3", "SONY ILCE-7M3"),
        ("Apple ", "iPhone 15\x01 Pro", "Apple iPhone 15 Pro"),
        ("", "X100", "X100"),
        ("Fuji", "  ", "Fuji"),
        ("", "", None),
    ],
)
def test_the_camera_names_its_make_once(make: str, model: str, camera: str | None) -> None:
    assert _read(Make=make, Model=model).camera == camera


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ("2024:05:01 12:30:00", "2024-05-01T12:30:00"),
        ("2024-05-01T12:30:00", "2024-05-01T12:30:00"),
        ("2024:05:01 12:30", "2024-05-01T12:30:00"),
        ("2024:5:1  9:3:7", "2024-05-01T09:03:07"),
        ("20240501T123000+0200", "2024-05-01T12:30:00"),
        ("20240501 123000", "2024-05-01T12:30:00"),
        ("20240501", "2024-05-01T00:00:00"),
        ("20241301", None),
        ("1714566600", None),
        ("0000:00:00 00:00:00", None),
        ("2024:13:41 12:30:00", None),
        ("    :  :     :  :  ", None),
        ("yesterday", None),
    ],
)
def test_dates(written: str, taken: str | None) -> None:
    found = _read(DateTime="2020:01:01 00:00:00", exif={ORIGINAL: written})
    assert found.taken == taken


def test_the_date_digitized_serves_where_the_original_is_wrong() -> None:
    found = _read(exif={ORIGINAL: "0000:00:00 00:00:00", DIGITIZED: "1999:12:31 23:59:59"})
    assert found.taken == "1999-12-31T23:59:59"


@pytest.mark.parametrize(
    ("written", "offset"), [("-03:30", "-03:30"), ("Z", "+00:00"), ("25:00", None), ("", None)]
)
def test_offsets(written: str, offset: str | None) -> None:
    found = _read(exif={ORIGINAL: "2024:05:01 12:30:00", OFFSET: written})
    assert found.taken_offset == offset


@pytest.mark.parametrize(
    "broken",
    [
        {2: (IFDRational(0, 0), 0.0, 0.0)},
        {2: (IFDRational(1, 0), 0.0, 0.0)},
        {2: (91.0, 0.0, 0.0)},
        {4: (181.0, 0.0, 0.0)},
        {1: "X"},
        {2: (0.0, 0.0, 0.0), 4: (0.0, 0.0, 0.0)},
    ],
)
def test_places_that_cannot_be_are_left_out(broken: dict[int, Any]) -> None:
    found = _read(gps={**WHERE, **broken})
    assert (found.latitude, found.longitude) == (None, None)
    assert not any(
        isinstance(value, float) and math.isnan(value)
        for value in dataclasses.asdict(found).values()
    )
