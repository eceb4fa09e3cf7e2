"""How dates are written: patterns over `Line.folded` and what each says.

A pattern's groups are named after what they hold: y year, m month, d day, season, feast, unit,
count, weekday."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from datetime import date, timedelta

from imgsearch.phrases import days, vocabulary
from imgsearch.phrases.days import Days
from imgsearch.phrases.vocabulary import any_of

Reader = Callable[["re.Match[str]", date], "Days | None"]

_YEAR_WORDS = """
    года год году г роки року році рік roku rok yili yilinda yilinin yilindan 年度 年 년도 년 년에
    년의 년도에
"""
_Y = (
    r"(?P<y>1[89]\d\d|20\d\d)"
    rf"(?: {any_of(_YEAR_WORDS)}(?: \.)?)?"
    r"(?: ['’‘] (?:da|de|ta|te|dan|den|in|un|nin|nun|daki|deki|i|u))?"
)
_WORD = r"[^\W\d_]+"  # the readers know which words are months: 500 names are slow to compile
_OF = r"(?: (?:of|de|del|do|di|d ['’‘]|da|['’‘]|,|/|\.|的|の|van|des|du|el|dell ['’‘]|году))*"
_D = r"(?P<d>\d\d?)(?: (?:st|nd|rd|th|er|o|º|ª|e|\.|го))*"
_FULL = r"(?P<y>1[89]\d\d|20\d\d)"


@functools.cache
def meanings(table: str) -> dict[str, str]:
    """What each phrase of a table (season, feast, unit) means."""
    source = {"season": vocabulary.SEASONS, "feast": vocabulary.FEASTS, "unit": vocabulary.UNITS}
    named = source[table].items()
    return {phrase: name for name, text in named for phrase in vocabulary.phrases(text)}


@functools.cache
def counts() -> dict[str, int]:
    """Numbers by their words."""
    named = vocabulary.COUNTS.items()
    return {phrase: number for number, text in named for phrase in vocabulary.phrases(text)}


def _group(name: str, phrases: dict[str, str] | dict[str, int]) -> str:
    return f"(?P<{name}>{any_of(list(phrases))})"


def _said(match: re.Match[str], table: str) -> str:
    return meanings(table)[re.sub("[’‘]", "'", match.group(table))]


def _count(match: re.Match[str]) -> int:
    written = match.group("count")
    return int(written) if written.isdigit() else counts()[written]


def _year(match: re.Match[str], _: date) -> Days:
    year = int(match["y"])
    return date(year, 1, 1), date(year, 12, 31)


def _numeric(match: re.Match[str], _: date) -> Days | None:
    return days.one_day(int(match["y"]), int(match["m"]), int(match["d"]))


def _day_first(match: re.Match[str], today: date) -> Days | None:
    """07/14/2019 and 14/07/2019 are clear; nobody can tell the month of 03/04/2019."""
    first, second = int(match["d"]), int(match["m"])
    if match["sign"] == "/" and first <= 12:
        if second <= 12 and first != second:
            return None
        first, second = second, first
    return days.one_day(int(match["y"]), second, first)


def _numeric_month(match: re.Match[str], _: date) -> Days | None:
    month = int(match["m"])
    return days.month_days(int(match["y"]), month) if 1 <= month <= 12 else None


def _month(match: re.Match[str], _: date) -> Days | None:
    month = vocabulary.calendar()["months"].get(match["month"])
    return days.month_days(int(match["y"]), month) if month else None


def _months(match: re.Match[str], _: date) -> Days | None:
    months, year = vocabulary.calendar()["months"], int(match["y"])
    first, last = months.get(match["first"]), months.get(match["month"])
    if not first or not last:
        return None
    return days.month_days(year, first)[0], days.month_days(year, last)[1]


def _day_of_month(match: re.Match[str], _: date) -> Days | None:
    month = vocabulary.calendar()["months"].get(match["month"])
    return days.one_day(int(match["y"]), month, int(match["d"])) if month else None


def _season(match: re.Match[str], _: date) -> Days:
    return days.season_days(int(match["y"]), _said(match, "season"))


def _short_season(match: re.Match[str], today: date) -> Days:
    """Of summer '19: the last such year that has come."""
    year = today.year - (today.year - int(match["short"])) % 100
    return days.season_days(year, _said(match, "season"))


def _two_years_winter(match: re.Match[str], today: date) -> Days | None:
    year, end = int(match["y"]), int(match["end"])
    return _season(match, today) if end in (year + 1, (year + 1) % 100) else None


def _feast(match: re.Match[str], _: date) -> Days:
    return days.feast_days(int(match["y"]), _said(match, "feast"))


def _decade(match: re.Match[str], today: date) -> Days:
    written = match["decade"]
    year = int(written) if len(written) == 4 else 1900 + int(written)
    if year + 100 <= today.year - 5:  # the 20s are this century's
        year += 100 * (len(written) == 2)
    return date(year, 1, 1), date(year + 9, 12, 31)


def _ago(match: re.Match[str], today: date) -> Days | None:
    return days.unit_days(today, _said(match, "unit"), _count(match))


def _last_few(match: re.Match[str], today: date) -> Days | None:
    first = days.unit_days(today, _said(match, "unit"), _count(match))
    return (first[0], today) if first else None


def _last(match: re.Match[str], today: date) -> Days | None:
    return _recent(match, today, over=True)


def _this(match: re.Match[str], today: date) -> Days | None:
    return _recent(match, today, over=False)


def _recent(match: re.Match[str], today: date, *, over: bool) -> Days | None:
    groups = match.groupdict()
    if groups.get("season"):
        season = _said(match, "season")
        return days.latest(lambda year: days.season_days(year, season), today, over)
    if groups.get("feast"):
        feast = _said(match, "feast")
        return days.latest(lambda year: days.feast_days(year, feast), today, over)
    if groups.get("month"):
        return _recent_named(match["month"], today, over)
    unit = _said(match, "unit")
    if unit == "day":
        return None
    if unit == "weekend" and over and today.weekday() < 5:
        return days.unit_days(today, unit, 1)
    return days.unit_days(today, unit, int(over))


def _recent_named(name: str, today: date, over: bool) -> Days | None:
    """The latest month or weekday of that name; None where it is neither."""
    month, weekday = (vocabulary.calendar()[table].get(name) for table in ("months", "days"))
    if month:
        return days.latest(lambda year: days.month_days(year, month), today, over)
    if weekday is None:
        return None
    back = (today.weekday() - weekday) % 7
    day = today - timedelta(back or 7 * over)
    return day, day


def _fixed(unit: str, back: int) -> Reader:
    return lambda match, today: days.unit_days(today, unit, back)


@functools.cache
def patterns() -> list[tuple[str, re.Pattern[str], Reader]]:
    """Every way to write one date: its name, its pattern, what it says."""
    month, first = rf"(?<!rio de )(?P<month>{_WORD})(?: \.)?", rf"(?P<first>{_WORD})"
    season = r"(?![春夏秋冬] (?![天季])[\u3400-\u9fff])" + _group("season", meanings("season"))
    feast = _group("feast", meanings("feast"))
    unit = _group("unit", meanings("unit"))
    number = rf"(?P<count>\d\d?|{any_of(list(counts()))})"
    opened = any_of(f"{vocabulary.BETWEEN} {vocabulary.FROM}")
    linked = any_of(f"{vocabulary.AND} {vocabulary.TO}")
    written: list[tuple[str, str, Reader]] = [
        ("day", rf"{_FULL} (?P<sign>[-/.]) (?P<m>\d\d?) (?P=sign) (?P<d>\d\d?)", _numeric),
        ("day", rf"(?P<d>\d\d?) (?P<sign>[-/.]) (?P<m>\d\d?) (?P=sign) {_FULL}", _day_first),
        ("month", rf"{_FULL} [-/.] (?P<m>\d\d)(?! [-/.] \d)", _numeric_month),
        ("month", rf"(?<![-/.] )(?P<m>\d\d?) [/.] {_FULL}", _numeric_month),
        (
            "day",
            rf"{_FULL} (?:年|년) (?P<m>\d\d?) (?:月|월) (?P<d>\d\d?) (?:日|号|號|일\w{{0,2}})",
            _numeric,
        ),
        ("month", rf"{_FULL} (?:年|년) (?:的 )?(?P<m>\d\d?) (?:月|월\w{{0,2}})", _numeric_month),
        ("day", rf"{_D}{_OF} {month}{_OF} {_Y}", _day_of_month),
        ("day", rf"{month} {_D}(?: ,)? {_Y}", _day_of_month),
        (
            "months",
            rf"(?:{opened} )?{first} {linked} {month}{_OF} {_Y}",
            _months,
        ),
        ("month", rf"{month}{_OF} {_Y}", _month),
        ("month", rf"{_Y}{_OF} {month}", _month),
        ("season", rf"{season}{_OF} {_FULL} [/–-] (?P<end>\d\d(?:\d\d)?)", _two_years_winter),
        ("season", rf"{season}{_OF} {_Y}", _season),
        ("season", rf"{_Y}{_OF} {season}", _season),
        ("season", rf"{season} ['’‘] (?P<short>\d\d)", _short_season),
        ("feast", rf"{feast}{_OF} {_Y}", _feast),
        ("feast", rf"{_Y}{_OF} {feast}", _feast),
        ("year", _Y, _year),
        *_decades(),
        *_relative(unit, season, feast, month, number),
    ]
    return [
        (name, re.compile(rf"(?<![^ ]){pattern}(?![^ ])"), read) for name, pattern, read in written
    ]


_DECADE_ENDINGS = """
    s er ern talet 年代 년대 년대의 년대에 er_jahre er_jahren ern_jahren х х_годах х_годов е е_годы
    ті х_роках '_s -_х -_е -_ті -_х_годах -_х_годов -_е_годы -_х_роках -_talet '_ler '_lar '_lerde
    '_larda '_li_yillar
"""


def _decades() -> list[tuple[str, str, Reader]]:
    ten, sign = r"(?P<decade>(?:1[89]|20)?\d0)", r"(?: ['’‘])?"
    before = any_of("annees anni anos jaren lata latach roky")
    return [
        ("decade", rf"(?:(?:the|den|die|der){sign} )?{ten} {any_of(_DECADE_ENDINGS)}", _decade),
        ("decade", rf"{before}{sign} {ten}(?: \.)?", _decade),
    ]


def _relative(
    unit: str, season: str, feast: str, month: str, number: str
) -> list[tuple[str, str, Reader]]:
    one = rf"(?:{season}|{feast}|{unit}|{month})"
    article = r"(?:(?:l ['’‘]|la|le|el|il|lo|o|a|the|der|die|das|den|dem) )?"
    last, after = any_of(vocabulary.LAST_BEFORE), any_of(vocabulary.LAST_AFTER)
    ago = any_of("ago ag geleden temu назад тому once oncesi sedan 前 전 전에 atras fa")
    before = any_of("vor il_y_a hace ha för")
    whole: list[tuple[str, str, Reader]] = [
        ("relative", rf"{article}{last} {one}", _last),
        ("relative", rf"{article}{one} {after}", _last),
        ("relative", rf"{any_of(vocabulary.THIS_BEFORE)} {one}", _this),
        ("relative", rf"{number} {unit} {ago}", _ago),
        ("relative", rf"{before} {number} {unit}", _ago),
        ("relative", rf"{article}{last} {number} {unit}", _last_few),
        ("relative", rf"{any_of(vocabulary.LAST_YEAR)}(?: (?:的|の))? {season}", _last),
        ("relative", rf"{any_of(vocabulary.THIS_YEAR)}(?: (?:的|の))? {season}", _this),
    ]
    fixed = [
        (vocabulary.YESTERDAY, "day", 1),
        (vocabulary.BEFORE_YESTERDAY, "day", 2),
        (vocabulary.TODAY, "day", 0),
        (vocabulary.LAST_YEAR, "year", 1),
        (vocabulary.YEAR_BEFORE_LAST, "year", 2),
        (vocabulary.THIS_YEAR, "year", 0),
        (vocabulary.LAST_WEEK, "week", 1),
        (vocabulary.LAST_MONTH, "month", 1),
    ]
    for text, of, back in fixed:
        name = "day word" if of == "day" else "relative"
        whole.append((name, any_of(text), _fixed(of, back)))
    return whole
