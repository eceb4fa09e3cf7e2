"""What every index backend answers about words in names, captions, tags and places: a part of
`tests.index_contract.IndexContract`. What is right is computed here, photo by photo."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Sequence

import pytest

from imgsearch.index.base import ALL, NAMED, Index, Record, Row
from imgsearch.models.base import unit
from imgsearch.question import Filter, Folder
from imgsearch.word_splitting import Wanted

Fixture = Callable[[Sequence[Row]], Index]

NAMES = [
    "trip/redCar.jpg",
    "trip/red-bus.jpg",
    "DCIM/100CANON/IMG_1234.JPG",
    "Städte/Köln Straße.png",
    "東京タワー.jpg",
    "INV-2019-0042.jpg",
    "INV-2019-0043.jpg",
    "shop/RE16TGK front.jpg",
    "4711-B.png",
    "4711-B2.png",
    "दिल्ली.jpg",
    "plain.jpg",
]
CAPTIONS = [None, "Old town by night", "a red car", "Ein langer Abend"]
TAGS = [(), ("Oldtimer", "car"), ("sea", "night")]
QUESTIONS = [
    "red",
    "red car",
    "car night",
    "oldtimer",
    "koln strasse",
    "KÖLN",
    "東京",
    "INV-2019-0042",
    "RE16 TGK",
    "4711-B",
    "IMG_1234",
    "1234",
    "दिल्ली",
    "florence",
    "italy night",
    "submarine",
    'red" OR *',
    "NOT red",
    "plain.jpg",
]


def described(count: int, record: Callable[..., Record]) -> list[Row]:
    """Photos with names, captions, tags and places in all combinations that chance makes."""
    chance = random.Random(5)
    rows = []
    for number in range(count):
        folder, _, name = chance.choice(NAMES).rpartition("/")
        country, city = chance.choice([(None, None), ("IT", "Florence"), ("JP", "Tokyo")])
        one = record(
            f"{number}/{folder}/{name}".replace("//", "/"),
            caption=chance.choice(CAPTIONS),
            tags=chance.choice(TAGS),
            country=country,
            city=city,
        )
        rows.append(Row(one, unit([chance.gauss(0, 1) for _ in range(32)])))
    return rows


def ids_with(rows: Sequence[Row], wanted: Wanted) -> set[str]:
    return {row.record.id for row in rows if wanted.fields(row.record.words)}


class WordsContract:
    @pytest.fixture
    def described_rows(self) -> list[Row]:
        raise NotImplementedError

    @pytest.fixture
    def filled_album(self) -> Fixture:
        raise NotImplementedError

    def test_words(self, filled_album: Fixture, described_rows: list[Row]) -> None:
        """All photos with every word, the nearest first, and nobody else; the neighbours are those
        of a search without words."""
        index, vector = filled_album(described_rows), described_rows[7].vector
        assert vector is not None
        for text in QUESTIONS:
            wanted = Wanted(text)
            near = index.search_words(vector, 9, wanted)
            expected = ids_with(described_rows, wanted)
            assert len(expected) < NAMED
            assert {one.record.id for one in near.named} == expected, text
            scores = [one.score for one in near.named]
            assert scores == sorted(scores, reverse=True)
            assert near.neighbours == index.search(vector, 9)
            found = [record.id for record in index.match(wanted, 400)]
            assert set(found[: len(expected)]) == expected, text
            assert found[:5] == [record.id for record in index.match(wanted, 5)][:5]
            assert all(wanted.near(record.words) for record in index.match(wanted, 400))

    def test_an_exact_string_comes_first(
        self, filled_album: Fixture, described_rows: list[Row]
    ) -> None:
        index = filled_album(described_rows)
        for text in ("INV-2019-0042", "4711-B"):
            names = [one.relative_path for one in index.match(Wanted(text), 400)]
            exact = [name for name in names if f"{text}." in name]
            assert exact
            assert names[: len(exact)] == exact
            assert len(names) > len(exact)  # near ones follow

    def test_words_under_filters(self, filled_album: Fixture, described_rows: list[Row]) -> None:
        index, vector = filled_album(described_rows), described_rows[7].vector
        assert vector is not None
        in_italy = [row for row in described_rows if row.record.country == "IT"]
        night = [row for row in in_italy if "night" in row.record.tags]
        for where, rows in (
            (Filter(country="IT"), in_italy),
            (Filter(country="IT", tags=("night",)), night),
            (Filter(under=(Folder("holiday", "nowhere"),)), []),
        ):
            for text in ("red car", "oldtimer", "INV-2019-0042", "florence"):
                wanted = Wanted(text)
                near = index.search_words(vector, 5, wanted, where)
                assert {one.record.id for one in near.named} == ids_with(rows, wanted)
                assert near.neighbours == index.search(vector, 5, where)
                assert near.photos in (None, len(rows))
                found = index.match(wanted, 400, where)
                assert {one.id for one in found} <= {row.record.id for row in rows}
                assert {one.id for one in found} >= ids_with(rows, wanted)
        first = index.search_words(vector, 5, Wanted("red"), exclude=[described_rows[0].record.id])
        assert described_rows[0].record.id not in {one.record.id for one in first.named}

    def test_words_are_kept_in_step(self, filled_album: Fixture, described_rows: list[Row]) -> None:
        """With every write, rename, change of a caption, and removal."""
        index = filled_album(described_rows)
        one = described_rows[3]

        def found(text: str) -> list[str]:
            return [record.relative_path for record in index.match(Wanted(text), 5)]

        renamed = dataclasses.replace(one.record, caption="zebra crossing")
        index.write([Row(renamed, None)])
        index.finish()
        assert found("zebra") == [one.record.relative_path]
        index.write([Row(dataclasses.replace(one.record, tags=("okapi",)), one.vector)])
        index.finish()
        assert (found("zebra"), found("okapi")) == ([], [one.record.relative_path])
        other = described_rows[4].vector
        index.write([Row(dataclasses.replace(one.record, title="quagga"), other)])
        index.finish()
        assert (found("okapi"), found("quagga")) == ([], [one.record.relative_path])
        index.write([], delete=[one.record.id])
        index.finish()
        assert found("quagga") == []
        assert index.erase([row.record.id for row in described_rows[5:20]]) == 15
        gone = {row.record.id for row in described_rows[5:20]}
        assert not gone & {record.id for record in index.match(Wanted("red car"), 400, ALL)}

    def test_words_of_nothing(self, filled_album: Fixture, described_rows: list[Row]) -> None:
        index, vector = filled_album(described_rows[:9]), described_rows[0].vector
        assert vector is not None
        for text in ("", "!?", " ", "\ud800"):
            assert index.match(Wanted(text), 5) == []
            assert index.search_words(vector, 5, Wanted(text)).named == []
