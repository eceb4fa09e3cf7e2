"""Lines of words that are understood, and lines that must stay whole (`tests/phrases`)."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import pytest

from imgsearch.gazetteer import fold
from imgsearch.phrases import Filter, date_words, deciding_words, understand
from tests.phrases import SETS, TODAY, read


@pytest.mark.parametrize("name", SETS)
def test_phrases_are_understood_and_traps_are_left(name: str) -> None:
    cases = read(SETS[name])
    wrong = [(case, got) for case in cases if (got := case.wrong())]
    traps = [case for case in cases if case.trap]
    assert len(traps) >= len(cases) / 2
    assert not [case for case, _ in wrong if case.trap]
    assert len(wrong) <= 0.03 * len(cases), wrong


def test_there_are_enough_phrases() -> None:
    assert all(len(read(path)) >= 200 for path in SETS.values())


def test_the_words_of_all_lists_are_folded_as_lines_are() -> None:
    listed = [*vars(date_words).values(), *vars(deciding_words).values()]
    texts = [text for value in listed if isinstance(value, dict) for text in value.values()]
    texts += [value for value in listed if isinstance(value, str)]
    lists = [text for text in texts if isinstance(text, str) and text.startswith("\n    ")]
    words = {part for text in lists for word in text.split() for part in word.split("_")}
    assert len(words) > 1000
    assert {word for word in words if word.isalpha() and fold(word) != word} == set()


def test_spans_say_where_each_part_stood() -> None:
    understood = understand("birthday party in Paris, July 2017", TODAY)
    assert [span.text for span in understood.spans] == ["in Paris", "July 2017"]
    assert [span.meaning for span in understood.spans] == [
        Filter(country="FR", city="Paris"),
        Filter(taken_from=date(2017, 7, 1), taken_to=date(2017, 7, 31)),
    ]
    line = "birthday party in Paris, July 2017"
    assert all(line[span.start : span.stop] == span.text for span in understood.spans)


def test_what_no_photo_matches_stays_words() -> None:
    def photos(asked: Filter) -> bool:
        return asked.taken_from == date(2019, 1, 1) or asked.country == "IT"

    line = "beach 2019 Italy"
    assert understand(line, TODAY, photos).text == "beach"
    assert understand("beach 2018 Italy", TODAY, photos).text == "beach 2018"
    assert understand("beach 2019 Spain", TODAY, photos).text == "beach Spain"
    assert understand("beach 2018 Spain", TODAY, lambda asked: False).filter == Filter()
    assert understand("beach 2018 Spain", TODAY, lambda asked: False).text == "beach 2018 Spain"


def test_evidence_chooses_between_places_of_one_name() -> None:
    def in_america(asked: Filter) -> bool:
        return asked.country == "US"

    assert understand("market in Florence", TODAY).filter == Filter(country="IT", city="Florence")
    found = understand("market in Birmingham", TODAY, in_america)
    assert found.filter == Filter(country="US", city="Birmingham")


def test_two_dates_or_two_places_are_none() -> None:
    assert understand("2018 2020 beach", TODAY).filter == Filter()
    assert understand("flight from Paris, in Rome, in Berlin", TODAY).filter.city is None


def test_words_come_back_as_they_were_written() -> None:
    assert understand("  A  dog,\tasleep ", TODAY).text == "  A  dog,\tasleep "
    assert understand("", TODAY).text == ""


@pytest.mark.parametrize(
    "hostile",
    ["\0", "💥" * 50, "2019" * 200, "in " * 150, "a" * 5000, "'" * 400, "99.99.9999", "31.02.2019",
     "0000-00-00", "2019-13-01", "in 2019 " * 60, "٢٠١٩", "²⁰¹⁹", "\u202e2019", "year 9999"],
)  # fmt: skip
def test_no_line_fails(hostile: str) -> None:
    assert isinstance(understand(hostile, TODAY).text, str)


@pytest.mark.parametrize("today", [date(2024, 2, 29), date(2026, 1, 1), date(2026, 12, 31)])
def test_relative_dates_hold_on_any_day(today: date) -> None:
    for line in ("last year", "last month", "last summer", "12 months ago", "last weekend"):
        asked = understand(line, today).filter
        assert asked.taken_from
        assert asked.taken_to
        assert asked.taken_from <= asked.taken_to < today


def test_a_date_is_understood_without_numpy_and_babel() -> None:
    program = (
        "import sys, datetime; from imgsearch.phrases import understand;"
        "assert understand('sunset in Lisbon 2019', datetime.date.today()).filter.city;"
        "assert not {'numpy', 'babel', 'dateparser'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
