"""Text that was read in photos, as an index keeps and finds it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgsearch.index import copying
from imgsearch.index.base import Index, PartCount, Parts, PartTexts, Row, Wanted
from imgsearch.index.local.opening import open_local
from tests.index_contract import filled, record, vector


def lines(*texts: str) -> Parts:
    places = tuple((10, 40 * n, 200, 30) for n in range(len(texts)))
    return {"text": PartTexts(places, texts)}


SIGN = Row(record("sign.jpg"), vector(1), lines("Bäckerei Vogel", "seit 1904"))
PLATE = Row(record("car.jpg"), vector(2), lines("RE16 TGK"))
EMPTY = Row(record("sky.jpg"), vector(3), lines())
UNREAD = Row(record("bakery.jpg", caption="Die Bäckerei"), vector(4))


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with contextlib.closing(open_local(tmp_path / "photos", create=True)) as opened:
        filled(lambda name: opened, [SIGN, PLATE, EMPTY, UNREAD])
        yield opened


def found(index: Index, words: str) -> list[str]:
    return [each.relative_path for each in index.match(Wanted(words), 9)]


def test_lines_are_kept_with_their_places(index: Index, tmp_path: Path) -> None:
    ids = [row.record.id for row in (SIGN, PLATE, EMPTY, UNREAD)]
    there = {row.record.id: row.parts for row in (SIGN, PLATE, EMPTY)}
    assert index.parts(ids) == there
    assert {row.record.id: row.parts for row in index.rows() if row.parts is not None} == there
    assert index.info().parts == {"text": PartCount(3, 3)}
    with contextlib.closing(open_local(tmp_path / "copy", create=True)) as copy:
        assert copying.copy(index, copy).complete
        assert copy.parts(ids) == there
        assert found(copy, "re16tgk") == ["car.jpg"]


def test_text_stays_with_its_photo_and_goes_with_it(index: Index) -> None:
    touched = dataclasses.replace(SIGN.record, mtime_ns=7)
    assert index.write([Row(touched, None)]) == []
    assert found(index, "vogel") == ["sign.jpg"]
    assert index.write([Row(touched, None, lines("Café Vogel"))]) == []
    assert found(index, "1904") == []
    assert found(index, "cafe") == ["sign.jpg"]
    assert index.write([Row(touched, vector(9))]) == []  # another picture
    assert found(index, "cafe") == []
    assert index.parts([touched.id]) == {}
    assert index.erase([PLATE.record.id]) == 1
    assert found(index, "tgk") == []
    assert index.info().parts == {"text": PartCount(1, 0)}


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"text": PartTexts(((0, 0, 9, 9),), ())}, "place"),
        ({"text": PartTexts(((0, 0, 0, 9),), ("a",))}, "place"),
        ({"text": PartTexts(((0, 0, 9, 9),), ("a\ud800",))}, "stored"),
        (lines(*["many"] * 501), "more text"),
        (lines("long" * 200), "more text"),
    ],
)
def test_what_cannot_be_a_line_is_refused(index: Index, parts: Parts, why: str) -> None:
    [failure] = index.write([Row(SIGN.record, None, parts)])
    assert why in failure.reason
    assert found(index, "vogel") == ["sign.jpg"]
