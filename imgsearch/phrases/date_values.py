"""What a written date says: from a pattern's groups to days.

Groups are named after what they hold: y year, m month's number, d day, month and first (names of
months), season, feast, unit, count, decade."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from datetime import date, timedelta

from imgsearch.phrases import date_ranges, date_words
from imgsearch.phrases.date_ranges import Days

Reader = Callable[["re.Match[str]", date], "Days | None"]


@functools.cache
def meanings(table: str) -> dict[str, str]:
    """What each phrase of a table (season, feast, unit) means."""
    source = {"season": date_words.SEASONS, "feast": date_words.FEASTS, "unit": date_words.UNITS}
    named = source[table].items()
    return {phrase: name for name, text in named for phrase in date_words.phrases(text)}


@functools.cache
def counts() -> dict[str, int]:
    """Numbers by their words."""
    named = date_words.COUNTS.items()
    return {phrase: number for number, text in named for phrase in date_words.phrases(text)}


@functools.cache
def decades() -> dict[str, int]:
    """First years of decades by their words."""
    named = date_words.DECADES.items()
    return {phrase: year for year, text in named for phrase in date_words.phrases(text)}


def _said(match: re.Match[str], table: str) -> str:
    return meanings(table)[re.sub("[’‘]", "'", match.group(table))]


def _count(match: re.Match[str]) -> int:
    written = match.groupdict().get("count") or "1"
    return int(written) if written.isdigit() else counts()[written]


def year(match: re.Match[str], _: date) -> Days:
    year = int(match["y"])
    return date(year, 1, 1), date(year, 12, 31)


def numeric(match: re.Match[str], _: date) -> Days | None:
    return date_ranges.one_day(int(match["y"]), int(match["m"]), int(match["d"]))


def day_first(match: re.Match[str], today: date) -> Days | None:
    """07/14/2019 and 14/07/2019 are clear; nobody can tell the month of 03/04/2019."""
    first, second = int(match["d"]), int(match["m"])
    if match["sign"] == "/" and first <= 12:
        if second <= 12 and first != second:
            return None
        first, second = second, first
    return date_ranges.one_day(int(match["y"]), second, first)


def numeric_month(match: re.Match[str], _: date) -> Days | None:
    month = int(match["m"])
    return date_ranges.month_days(int(match["y"]), month) if 1 <= month <= 12 else None


def month(match: re.Match[str], _: date) -> Days | None:
    month = date_words.calendar()["months"].get(match["month"])
    return date_ranges.month_days(int(match["y"]), month) if month else None


def months(match: re.Match[str], _: date) -> Days | None:
    months, year = date_words.calendar()["months"], int(match["y"])
    first, last = months.get(match["first"]), months.get(match["month"])
    if not first or not last:
        return None
    return date_ranges.month_days(year, first)[0], date_ranges.month_days(year, last)[1]


def day_of_month(match: re.Match[str], _: date) -> Days | None:
    month = date_words.calendar()["months"].get(match["month"])
    return date_ranges.one_day(int(match["y"]), month, int(match["d"])) if month else None


def part(match: re.Match[str], _: date) -> Days:
    """Early, mid or late in a year: four months each."""
    written = re.sub("[’‘]", "'", match["part"])
    first = next(n for n, text in date_words.PARTS.items() if written in date_words.phrases(text))
    year = int(match["y"])
    return date_ranges.month_days(year, first)[0], date_ranges.month_days(year, first + 3)[1]


def season(match: re.Match[str], _: date) -> Days:
    return date_ranges.season_days(int(match["y"]), _said(match, "season"))


def short_season(match: re.Match[str], today: date) -> Days:
    """Of summer '19: the last such year that has come."""
    year = today.year - (today.year - int(match["short"])) % 100
    return date_ranges.season_days(year, _said(match, "season"))


def two_years_winter(match: re.Match[str], today: date) -> Days | None:
    year, end = int(match["y"]), int(match["end"])
    return season(match, today) if end in (year + 1, (year + 1) % 100) else None


def feast(match: re.Match[str], _: date) -> Days:
    return date_ranges.feast_days(int(match["y"]), _said(match, "feast"))


def decade(match: re.Match[str], today: date) -> Days:
    written = match["decade"]
    year = int(written) if len(written) == 4 else 1900 + int(written)
    if year + 100 <= today.year - 5:  # the 20s are this century's
        year += 100 * (len(written) == 2)
    return date(year, 1, 1), date(year + 9, 12, 31)


def spelled_decade(match: re.Match[str], _: date) -> Days:
    year = decades()[re.sub("[’‘]", "'", match["spelled"])]
    return date(year, 1, 1), date(year + 9, 12, 31)


def ago(match: re.Match[str], today: date) -> Days | None:
    return date_ranges.unit_days(today, _said(match, "unit"), _count(match))


def last_few(match: re.Match[str], today: date) -> Days | None:
    first = date_ranges.unit_days(today, _said(match, "unit"), _count(match))
    return (first[0], today) if first else None


def last(match: re.Match[str], today: date) -> Days | None:
    return _recent(match, today, over=True)


def this(match: re.Match[str], today: date) -> Days | None:
    return _recent(match, today, over=False)


def _recent(match: re.Match[str], today: date, *, over: bool) -> Days | None:
    groups = match.groupdict()
    if groups.get("season"):
        season = _said(match, "season")
        return date_ranges.latest(lambda year: date_ranges.season_days(year, season), today, over)
    if groups.get("feast"):
        feast = _said(match, "feast")
        return date_ranges.latest(lambda year: date_ranges.feast_days(year, feast), today, over)
    if groups.get("month"):
        return _recent_named(match["month"], today, over)
    unit = _said(match, "unit")
    if unit == "day":
        return None
    if unit == "weekend" and over and today.weekday() < 5:
        return date_ranges.unit_days(today, unit, 1)
    return date_ranges.unit_days(today, unit, int(over))


def _recent_named(name: str, today: date, over: bool) -> Days | None:
    """The latest month or weekday of that name; None where it is neither."""
    month, weekday = (date_words.calendar()[table].get(name) for table in ("months", "days"))
    if month:
        return date_ranges.latest(lambda year: date_ranges.month_days(year, month), today, over)
    if weekday is None:
        return None
    back = (today.weekday() - weekday) % 7
    day = today - timedelta(back or 7 * over)
    return day, day


def fixed(unit: str, back: int) -> Reader:
    return lambda match, today: date_ranges.unit_days(today, unit, back)
