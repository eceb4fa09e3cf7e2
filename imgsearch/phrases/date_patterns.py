"""How dates are written: patterns over `Line.folded`, made for each line.

A pattern holds only those words that occur in its line, and one that lacks a word it needs is not
compiled: to compile every word of every language would take 200 ms."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

from imgsearch.phrases import date_values, date_words
from imgsearch.phrases.date_values import Reader

_WORD = r"[^\W\d_]+"  # the readers know which words are months
_YEAR = r"(?P<y>1[89]\d\d|20\d\d)"
_YEAR_WORDS = """
    года год году г роки року році рік roku rok yili yilinda yilinin yilindan 年度 年 년도 년 년에
    년의 년도에
"""
_OF = r"(?: (?:of|de|del|do|di|d ['’‘]|da|['’‘]|,|/|\.|的|の|van|des|du|el|dell ['’‘]|году))*"
_NTH = r"(?P<d>\d\d?)(?: (?:st|nd|rd|th|er|o|º|ª|e|\.|го))*"
_THE = r"(?:(?:l ['’‘]|la|le|el|il|lo|o|a|the|der|die|das|den|dem) )?"
_DECADE_ENDINGS = """
    s er ern talet 年代 년대 년대의 년대에 er_jahre er_jahren ern_jahren х х_годах х_годов е е_годы
    ті х_роках '_s -_х -_е -_ті -_х_годах -_х_годов -_е_годы -_х_роках -_talet '_ler '_lar '_lerde
    '_larda '_li_yillar
"""
# a number with one of these ends is a decade without "years" before it
_PLURALS = ("ties", "ziger", "zigern", "ssiger", "ssigern", "тые", "тых", "ості")
_DECADES = "annees anni anos jaren lata latach roky"
_AGO = "ago geleden temu назад тому once sedan 前 전 전에 atras fa"
_ONE_AGO = "temu назад тому"  # "rok temu" is a year ago
_AGO_BEFORE = "vor il_y_a hace ha för"

_Written = tuple[str, "str | None", Reader]  # kind, pattern (None: it cannot occur), what it says


class _Line:
    """The words that occur in `folded`."""

    def __init__(self, folded: str) -> None:
        self._padded = date_words.with_plain_quotes(f" {folded} ")

    def any_of(self, words: str | list[str]) -> str | None:
        """A pattern of those of `words` that occur; None if none does."""
        known = _phrases(words) if isinstance(words, str) else words
        found = [phrase for phrase in known if f" {phrase} " in self._padded]
        return date_words.any_of(found) if found else None

    def group(self, name: str, words: list[str]) -> str | None:
        pattern = self.any_of(words)
        return pattern and f"(?P<{name}>{pattern})"


@functools.cache
def _phrases(words: str) -> list[str]:
    return date_words.phrases(words)


def _all(*parts: str | None) -> str | None:
    """The parts one after the other; None if one cannot occur."""
    return None if None in parts else "".join(part for part in parts if part)


def _either(*parts: str | None) -> str | None:
    possible = [part for part in parts if part]
    return "(?:" + "|".join(possible) + ")" if possible else None


def patterns(folded: str) -> Iterator[tuple[str, re.Pattern[str], Reader]]:
    """Every way to write one date that may occur in `folded`: its name, its pattern, what it
    says."""
    line = _Line(folded)
    written = [*_relative(line), *_spelled_decades(line)]
    if re.search(r"(?<!\d)(?:1[89]|20)\d\d(?!\d)", folded):
        written += [*_numbers(), *_named(line)]
    if re.search(r"\d", folded):
        written += _decades(line)
    for kind, pattern, read in written:
        if pattern:
            yield kind, re.compile(rf"(?<![^ ]){pattern}(?![^ ])"), read


def _numbers() -> list[_Written]:
    """Dates in figures alone, or with the signs of Chinese, Japanese and Korean."""
    sign, month = r"(?P<sign>[-/.])", r"(?P<m>\d\d?)"
    unit, units = r"(?:年|년)", r"(?:月|월\w{0,2})"
    return [
        ("day", rf"{_YEAR} {sign} {month} (?P=sign) (?P<d>\d\d?)", date_values.numeric),
        ("day", rf"(?P<d>\d\d?) {sign} {month} (?P=sign) {_YEAR}", date_values.day_first),
        ("month", rf"{_YEAR} [-/.] (?P<m>\d\d)(?! [-/.] \d)", date_values.numeric_month),
        ("month", rf"(?<![-/.] ){month} [/.] {_YEAR}", date_values.numeric_month),
        (
            "day",
            rf"{_YEAR} {unit} {month} {units} (?P<d>\d\d?) (?:日|号|號|일\w{{0,2}})",
            date_values.numeric,
        ),
        ("month", rf"{_YEAR} {unit} (?:的 )?{month} {units}", date_values.numeric_month),
    ]


def _named(line: _Line) -> list[_Written]:
    """Dates with a year and a name of a month, a season or a feast."""
    word = line.any_of(_YEAR_WORDS)
    year = _YEAR + (rf"(?: {word}(?: \.)?)?" if word else "")
    year += r"(?: ['’‘] (?:da|de|ta|te|dan|den|in|un|nin|nun|daki|deki|i|u))?"
    month = rf"(?<!rio de )(?P<month>{_WORD})(?: \.)?"
    season, feast = _season(line), _feast(line)
    parts = date_words.phrases(" ".join(date_words.PARTS.values()))
    opened = line.any_of(f"{date_words.BETWEEN} {date_words.FROM}")
    linked = line.any_of(f"{date_words.AND} {date_words.TO}")
    return [
        ("day", rf"{_NTH}{_OF} {month}{_OF} {year}", date_values.day_of_month),
        ("day", rf"{month} {_NTH}(?: ,)? {year}", date_values.day_of_month),
        (
            "months",
            _all(
                f"(?:{opened} )?" if opened else "",
                rf"(?P<first>{_WORD}) ",
                linked,
                rf" {month}{_OF} {year}",
            ),
            date_values.months,
        ),
        ("month", rf"{month}{_OF} {year}", date_values.month),
        ("month", rf"{year}{_OF} {month}", date_values.month),
        (
            "season",
            _all(season, rf"{_OF} {_YEAR} [/–-] (?P<end>\d\d(?:\d\d)?)"),
            date_values.two_years_winter,
        ),
        ("season", _all(season, f"{_OF} {year}"), date_values.season),
        ("season", _all(f"{year}{_OF} ", season), date_values.season),
        ("feast", _all(feast, f"{_OF} {year}"), date_values.feast),
        ("feast", _all(f"{year}{_OF} ", feast), date_values.feast),
        ("part", _all(line.group("part", parts), f"(?: -)?{_OF} {year}"), date_values.part),
        ("year", year, date_values.year),
    ]


def _season(line: _Line) -> str | None:
    # 春 is spring, 春节 is not
    return _all(
        r"(?![春夏秋冬] (?![天季])[\u3400-\u9fff])",
        line.group("season", list(date_values.meanings("season"))),
    )


def _feast(line: _Line) -> str | None:
    # the moon decides on others
    return _all(
        "(?<!chinese )(?<!lunar )", line.group("feast", list(date_values.meanings("feast")))
    )


def _decades(line: _Line) -> list[_Written]:
    ten, sign = r"(?P<decade>(?:1[89]|20)?\d0)", r"(?: ['’‘])?"
    return [
        (
            "decade",
            _all(rf"(?:(?:the|den|die|der){sign} )?{ten} ", line.any_of(_DECADE_ENDINGS)),
            date_values.decade,
        ),
        ("decade", _all(line.any_of(_DECADES), rf"{sign} {ten}(?: \.)?"), date_values.decade),
        ("season", _all(_season(line), r" ['’‘] (?P<short>\d\d)"), date_values.short_season),
    ]


def _spelled_decades(line: _Line) -> Iterator[_Written]:
    """ "In the nineties", "in den Neunzigern", "años noventa"."""
    ten = line.group("spelled", list(date_values.decades()))
    led = line.any_of(_DECADES)
    yield "decade", _all(led, " ", ten), date_values.spelled_decade
    alone = line.group(
        "spelled", [word for word in date_values.decades() if word.endswith(_PLURALS)]
    )
    yield (
        "decade",
        _all("(?:(?:the|den|die|der) )?", alone, "(?: jahren?)?"),
        date_values.spelled_decade,
    )


def _relative(line: _Line) -> Iterator[_Written]:
    """Dates that are counted from today."""
    season, unit = _season(line), line.group("unit", list(date_values.meanings("unit")))
    feast = _feast(line)
    one = _either(season, feast, unit, f"(?P<month>{_WORD})")
    count = _either(r"\d\d?", line.any_of(list(date_values.counts())))
    number = f"(?P<count>{count})"
    last, after = line.any_of(date_words.LAST_BEFORE), line.any_of(date_words.LAST_AFTER)
    yield "relative", _all(_THE, last, " ", one), date_values.last
    yield "relative", _all(_THE, one, " ", after), date_values.last
    yield "relative", _all(line.any_of(date_words.THIS_BEFORE), " ", one), date_values.this
    yield "relative", _all(f"{number} ", unit, " ", line.any_of(_AGO)), date_values.ago
    yield "relative", _all(unit, " ", line.any_of(_ONE_AGO)), date_values.ago
    yield "relative", _all(line.any_of(_AGO_BEFORE), f" {number} ", unit), date_values.ago
    yield "relative", _all(_THE, last, f" {number} ", unit), date_values.last_few
    for words, read in (
        (date_words.LAST_YEAR, date_values.last),
        (date_words.THIS_YEAR, date_values.this),
    ):
        yield "relative", _all(line.any_of(words), "(?: (?:的|の))? ", season), read
    for words, of, back in (
        (date_words.YESTERDAY, "day", 1),
        (date_words.BEFORE_YESTERDAY, "day", 2),
        (date_words.TODAY, "day", 0),
        (date_words.LAST_YEAR, "year", 1),
        (date_words.YEAR_BEFORE_LAST, "year", 2),
        (date_words.THIS_YEAR, "year", 0),
        (date_words.LAST_WEEK, "week", 1),
        (date_words.LAST_MONTH, "month", 1),
    ):
        kind = "day word" if of == "day" else "relative"
        yield kind, line.any_of(words), date_values.fixed(of, back)
