"""What a date means: its first and last day."""

from __future__ import annotations

import calendar
from collections.abc import Callable
from datetime import date, timedelta

Days = tuple["date | None", "date | None"]  # inclusive; None where it is open

SEASON_MONTHS = {"spring": 3, "summer": 6, "autumn": 9, "winter": 12}


def month_days(year: int, month: int) -> Days:
    """The first and the last day of a month; months beyond 12 are the next year's."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])


def season_days(year: int, season: str) -> Days:
    """Three whole months of the northern half of the world; winter begins in December of `year`
    and ends in the next February."""
    month = SEASON_MONTHS[season]
    return month_days(year, month)[0], month_days(year, month + 2)[1]


def feast_days(year: int, feast: str) -> Days:
    """The days of a feast in `year`."""
    if feast == "easter":
        sunday = _easter(year)
        return sunday - timedelta(2), sunday + timedelta(1)
    if feast == "thanksgiving":
        first = date(year, 11, 1)
        day = first + timedelta((3 - first.weekday()) % 7 + 21)
        return day, day
    if feast == "new year":
        return date(year - 1, 12, 31), date(year, 1, 1)
    month, day_from, day_to = {
        "christmas": (12, 24, 26),
        "new year's eve": (12, 31, 31),
        "halloween": (10, 31, 31),
        "valentine": (2, 14, 14),
    }[feast]
    return date(year, month, day_from), date(year, month, day_to)


def _easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (the anonymous algorithm of 1876)."""
    century, rest = divmod(year, 100)
    golden = year % 19
    epact = (
        19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15
    ) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (rest // 4) - epact - rest % 4) % 7
    shift = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * shift + 114, 31)
    return date(year, month, day + 1)


def one_day(year: int, month: int, day: int) -> Days | None:
    if not (1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):
        return None
    return date(year, month, day), date(year, month, day)


def unit_days(today: date, unit: str, back: int) -> Days | None:
    """The day, week (Monday to Sunday), weekend, month or year that lies `back` of them ago."""
    if unit == "day":
        day = today - timedelta(back)
        return day, day
    monday = today - timedelta(today.weekday() + 7 * back)
    if unit == "week":
        return monday, monday + timedelta(6)
    if unit == "weekend":
        return monday + timedelta(5), monday + timedelta(6)
    if unit == "month":
        months = today.year * 12 + today.month - 1 - back
        return month_days(months // 12, months % 12 + 1)
    return date(today.year - back, 1, 1), date(today.year - back, 12, 31)


def latest(days_of: Callable[[int], Days], today: date, over: bool) -> Days:
    """The latest one that has begun, or, with `over`, that has ended."""
    for year in range(today.year, today.year - 3, -1):
        start, end = days_of(year)
        if start and end and (end if over else start) <= today - timedelta(over):
            return start, end
    return days_of(today.year - 1)
