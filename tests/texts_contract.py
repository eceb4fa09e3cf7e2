"""What an index backend keeps to that holds text which was read in photos
(`Capabilities.texts`): see `tests/index_contract.py`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from imgsearch.index import copy_between_indexes
from imgsearch.index.base import Index, PartCount, Parts, PartTexts, Row, Wanted
from imgsearch.question import Filter
from imgsearch.search.ranking import by_words
from tests.index_contract import filled, record, vector


def lines(*texts: str) -> Parts:
    places = tuple((10, 40 * n, 200, 30) for n in range(len(texts)))
    return {"text": PartTexts(places, texts)}


SIGN = Row(record("sign.jpg"), vector(1), lines("Bäckerei Vogel", "seit 1904"))
PLATE = Row(record("car.jpg"), vector(2), lines("RE16 TGK"))
EMPTY = Row(record("sky.jpg"), vector(3), lines())
UNREAD = Row(record("bakery.jpg", caption="Die Bäckerei"), vector(4))
ROWS = [SIGN, PLATE, EMPTY, UNREAD]
IDS = [row.record.id for row in ROWS]


def found(index: Index, words: str) -> list[str]:
    return [each.relative_path for each in index.match(Wanted(words), 9)]


class TextsContract:
    @pytest.fixture
    def read_photos(self, index_factory: Callable[..., Index]) -> Index:
        index = filled(index_factory, ROWS)
        if index.capabilities.no_parts is not None:
            pytest.skip(index.capabilities.no_parts)
        return index

    def test_lines_are_kept_with_their_places(
        self, read_photos: Index, index_factory: Callable[..., Index]
    ) -> None:
        there = {row.record.id: row.parts for row in (SIGN, PLATE, EMPTY)}
        assert read_photos.parts(IDS) == there
        stored = {row.record.id: row.parts for row in read_photos.rows()}
        assert {id: parts for id, parts in stored.items() if parts is not None} == there
        assert read_photos.info().parts == {"text": PartCount(3, 3)}
        texts = read_photos.capabilities.texts
        assert texts is not None
        assert {id: {"text": read} for id, read in texts(IDS).items()} == {
            row.record.id: row.parts for row in (SIGN, PLATE)
        }
        copy = index_factory("copy")
        assert copy_between_indexes.copy(read_photos, copy).complete
        assert copy.parts(IDS) == there
        assert found(copy, "re16tgk") == ["car.jpg"]

    def test_text_is_found_like_other_words(self, read_photos: Index) -> None:
        """Beside names and captions, within filters, across a photo's lines and fields; a hit has
        the line that was wanted."""
        assert UNREAD.vector is not None
        assert set(found(read_photos, "bäckerei")) == {"sign.jpg", "bakery.jpg"}
        assert found(read_photos, "baeckerei") == []
        assert found(read_photos, "sign 1904")[0] == "sign.jpg"
        assert read_photos.match(Wanted("vogel"), 9, Filter(country="IT")) == []
        for words, names, line in (
            ("Bäckerei", {"sign.jpg", "bakery.jpg"}, "Bäckerei Vogel"),
            ("vogel seit", {"sign.jpg"}, "Bäckerei Vogel"),
            ("re16tgk", set(), None),  # one word, which stands as two
            ("RE16 TGK", {"car.jpg"}, "RE16 TGK"),
            ("sky tgk", set(), None),
        ):
            wanted = Wanted(words)
            near = read_photos.search_words(UNREAD.vector, 3, wanted)
            assert near.neighbours == read_photos.search(UNREAD.vector, 3)
            texts = read_photos.capabilities.texts
            assert texts is not None
            read = texts([one.id for one in near.records_named])
            assert near.texts in (None, read)
            if line is not None:
                assert {one.relative_path for one in near.records_named} == names, words
                shown = {one.line for one in by_words(near.records_named, wanted, read)}
                assert line in shown

    def test_text_stays_with_its_photo_and_goes_with_it(self, read_photos: Index) -> None:
        touched = dataclasses.replace(SIGN.record, mtime_ns=7)
        assert read_photos.write([Row(touched, None)]) == []
        assert found(read_photos, "vogel") == ["sign.jpg"]
        assert read_photos.write([Row(touched, None, lines("Café Vogel"))]) == []
        assert found(read_photos, "1904") == []
        assert found(read_photos, "cafe") == ["sign.jpg"]
        assert read_photos.write([Row(touched, vector(9))]) == []  # another picture
        assert found(read_photos, "cafe") == []
        assert read_photos.parts([touched.id]) == {}
        assert read_photos.erase([PLATE.record.id]) == 1
        assert found(read_photos, "tgk") == []
        assert read_photos.info().parts == {"text": PartCount(1, 0)}

    def test_what_cannot_be_a_line_is_refused(self, read_photos: Index) -> None:
        for parts, why in (
            ({"text": PartTexts(((0, 0, 9, 9),), ())}, "place"),
            ({"text": PartTexts(((0, 0, 0, 9),), ("a",))}, "place"),
            ({"text": PartTexts(((0, 0, 9, 9),), ("a\ud800",))}, "stored"),
            (lines(*["many"] * 501), "more text"),
            (lines("long" * 200), "more text"),
        ):
            [failure] = read_photos.write([Row(SIGN.record, None, parts)])
            assert why in failure.reason
            assert found(read_photos, "vogel") == ["sign.jpg"]
