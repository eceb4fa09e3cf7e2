"""Dates in a line of words: where they stand, and the first and last day that they mean."""

from __future__ import annotations

import functools
import re
from dataclasses import replace
from datetime import date, timedelta

from imgsearch.dataclass import dataclass
from imgsearch.phrases import date_words, deciding_words
from imgsearch.phrases.date_patterns import patterns
from imgsearch.phrases.date_ranges import Days

FIRST_YEAR = 1839  # of photography


PICTURES = frozenset(deciding_words.JOURNEYS.split())


@dataclass(frozen=True)
class Written:
    """A date at [start, stop) of `Line.folded`. `kind` is the name of its pattern; `led` says that
    a preposition stands before it, which is then part of it."""

    start: int
    stop: int
    days: Days
    kind: str
    led: bool = False


def find(folded: str, today: date) -> list[Written]:
    """The dates in `folded`, in order; none overlaps another. A date that has not begun by
    `today`, or ended before there were cameras, is none."""
    found = []
    for kind, pattern, read in patterns(folded):
        for match in pattern.finditer(folded):
            days = read(match, today)
            if days:
                found.append(Written(match.start(), match.end(), days, kind))
    kept: list[Written] = []
    for one in sorted(found, key=lambda one: (one.start - one.stop, one.start)):
        if all(one.stop <= other.start or other.stop <= one.start for other in kept):
            kept.append(one)
    kept.sort(key=lambda one: one.start)
    led = [_with_lead(one, folded, today) for one in _spans_of_two(kept, folded)]
    return [one for one in led if _possible(one.days, today)]


def _possible(days: Days, today: date) -> bool:
    first, last = days
    if first and last and first > last:
        return False
    return (first is None or first <= today) and (last is None or last.year >= FIRST_YEAR)


def _ends(ahead: str, words: str) -> int | None:
    """Where the phrase of `words` begins with which `ahead` ends, longest first; else None."""
    known = _phrases(words)
    tokens = ahead.split()
    for length in range(min(4, len(tokens)), 0, -1):
        phrase = " ".join(tokens[-length:])
        if date_words.with_plain_quotes(phrase) in known:
            return len(ahead.rstrip()) - len(phrase)
    return None


@functools.cache
def _phrases(words: str) -> frozenset[str]:
    return frozenset(date_words.phrases(words))


def _is(between: str, words: str) -> bool:
    return date_words.with_plain_quotes(between.strip()) in _phrases(words)


LINKS = date_words.TO + " から 到 至 ile ~ 〜"
ANDS = date_words.AND + " 和 と"
TAILS = "まで 之间 之間 の間 間 arasi arasinda arasindaki"
SINCE_AFTER = "以降 以来 以後 之后 之後 이후"
BEFORE_AFTER = "以前 之前 이전"


def _tail(behind: str, words: str) -> int:
    """How many letters of `behind` are a phrase of `words` at its beginning."""
    found = [phrase for phrase in _phrases(words) if f"{behind} ".startswith(f" {phrase} ")]
    return max((len(phrase) + 1 for phrase in found), default=0)


def _spans_of_two(found: list[Written], folded: str) -> list[Written]:
    """Neighbours that are the two ends of a span ("from 2015 to 2018") as one."""
    joined: list[Written] = []
    for one in found:
        if joined:
            before = joined[-1]
            between = folded[before.stop : one.start]
            opened = _ends(folded[: before.start], f"{date_words.BETWEEN} {date_words.FROM}")
            if _is(between, LINKS) or (opened is not None and _is(between, ANDS)):
                start = before.start if opened is None else opened
                stop = one.stop + _tail(folded[one.stop :], TAILS)
                joined[-1] = Written(start, stop, (before.days[0], one.days[1]), "span", True)
                continue
        joined.append(one)
    return joined


def _with_lead(one: Written, folded: str, today: date) -> Written:
    """`one` with the preposition before it, which may open it towards the past or today."""
    if one.kind == "span":
        return one
    ahead, behind = folded[: one.start], folded[one.stop :]
    before, after = _day_before(one.days[0]), _day_after(one.days[1])
    if length := _tail(behind, SINCE_AFTER):
        return replace(one, stop=one.stop + length, days=(one.days[0], today), led=True)
    if before and (length := _tail(behind, BEFORE_AFTER)):
        return replace(one, stop=one.stop + length, days=(None, before), led=True)
    if (start := _ends(ahead, date_words.SINCE)) is not None:
        return replace(one, start=start, days=(one.days[0], today), led=True)
    if one.kind not in ("relative", "day word"):
        if before and (start := _ends(ahead, date_words.BEFORE)) is not None:
            return replace(one, start=start, days=(None, before), led=True)
        start = _ends(ahead, date_words.AFTER)
        # "na primavera" is "in" in Portuguese, "na 2019" is "after" in Dutch
        is_in = one.kind == "season" and start is not None and ahead[start:] == "na "
        if after and start is not None and not is_in:
            return replace(one, start=start, days=(after, None), led=True)
    if one.kind in ("day", "month", "season", "feast", "part"):
        one = replace(one, start=_with_weekday(ahead))
        ahead = folded[: one.start]
    start = _lead(ahead)
    if start is None and one.kind in ("relative", "day word"):
        start = _ends(ahead, date_words.DAY_LEADS)
    if start is None and one.kind == "year" and PICTURES.intersection(ahead.split()[-2:]):
        start = _ends(ahead, date_words.YEAR_LEADS_OF_PICTURES)
    if start is None and one.kind == "feast":
        start = _ends(ahead, date_words.FEAST_LEADS)
    if start is None or (one.kind == "year" and ahead[start:].strip() == "a"):
        return one
    return replace(one, start=start, led=True)


def _day_before(day: date | None) -> date | None:
    return day and day - timedelta(1)


def _day_after(day: date | None) -> date | None:
    return day and day + timedelta(1)


def _with_weekday(ahead: str) -> int:
    """Where a day's date begins that stands behind `ahead`: with "Saturday," and "le" before it."""
    start = len(ahead)
    if (match := re.search(r"(\S+) (?:, )?$", ahead)) and match[1] in date_words.calendar()["days"]:
        start = match.start()
    article = _ends(ahead[:start], date_words.ARTICLES)
    return start if article is None or _lead(ahead[:start]) is not None else article


def _lead(ahead: str) -> int | None:
    """Where "taken in the year" or a part of it begins at the end of `ahead`; None without."""
    year = _ends(ahead, date_words.YEAR_LEADS)
    rest = ahead if year is None else ahead[:year]
    further = _ends(rest, date_words.YEAR_LEADS)
    rest = rest if further is None else rest[:further]
    article = _ends(rest, date_words.ARTICLES)
    lead = None if article is None else _ends(rest[:article], date_words.LEADS)
    lead = _ends(rest, date_words.LEADS) if lead is None else lead
    if lead is None and article is not None:
        return None  # "the year 1984"
    if lead is None:
        return further if further is not None else year
    taken = _ends(ahead[:lead], date_words.TAKEN)
    return lead if taken is None else taken
