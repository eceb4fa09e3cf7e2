"""Dates in a line of words: where they stand, and the first and last day that they mean."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace
from datetime import date, timedelta

from imgsearch.phrases import vocabulary
from imgsearch.phrases.days import Days
from imgsearch.phrases.patterns import patterns
from imgsearch.phrases.vocabulary import any_of

FIRST_YEAR = 1839  # of photography


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
    for kind, pattern, read in patterns():
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


@functools.cache
def _ends(words: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|(?<= )){any_of(words)} $")


@functools.cache
def _leads() -> re.Pattern[str]:
    return re.compile(
        rf"(?:^|(?<= ))(?:{any_of(vocabulary.TAKEN)} )?{any_of(vocabulary.LEADS)}"
        rf"(?: {any_of(vocabulary.ARTICLES)})?"
        rf"(?: {any_of(vocabulary.YEAR_LEADS)}){{0,2}} $"
        rf"|(?:^|(?<= )){any_of(vocabulary.YEAR_LEADS)} $"
    )


_LINKS = re.compile(rf"^ {any_of(vocabulary.TO + ' から 到 至 ile ~ 〜')} $")
_ANDS = re.compile(rf"^ {any_of(vocabulary.AND + ' 和 と')} $")
_TAIL = re.compile(rf"^ {any_of('まで 之间 之間 の間 間 arasi arasinda arasindaki')}(?![^ ])")


def _spans_of_two(found: list[Written], folded: str) -> list[Written]:
    """Neighbours that are the two ends of a span ("from 2015 to 2018") as one."""
    joined: list[Written] = []
    for one in found:
        if joined:
            before = joined[-1]
            between = folded[before.stop : one.start]
            opened = _ends(vocabulary.BETWEEN).search(folded[: before.start])
            opened = opened or _ends(vocabulary.FROM).search(folded[: before.start])
            if _LINKS.match(between) or (opened and _ANDS.match(between)):
                start = opened.start() if opened else before.start
                tail = _TAIL.match(folded[one.stop :])
                stop = one.stop + (tail.end() if tail else 0)
                joined[-1] = Written(start, stop, (before.days[0], one.days[1]), "span", True)
                continue
        joined.append(one)
    return joined


@functools.cache
def _follows(words: str) -> re.Pattern[str]:
    return re.compile(rf"^ {any_of(words)}(?![^ ])")


def _with_weekday(ahead: str) -> int:
    """Where a day's date begins that stands behind `ahead`: with "Saturday," and "le" before it."""
    start = len(ahead)
    if (match := re.search(r"(\S+) (?:, )?$", ahead)) and match[1] in vocabulary.calendar()["days"]:
        start = match.start()
    article = _ends(vocabulary.ARTICLES).search(ahead[:start])
    return article.start() if article and not _leads().search(ahead[:start]) else start


def _with_lead(one: Written, folded: str, today: date) -> Written:
    """`one` with the preposition before it, which may open it towards the past or today."""
    if one.kind == "span":
        return one
    ahead, behind = folded[: one.start], folded[one.stop :]
    if match := _follows("以降 以来 以後 之后 之後 이후").search(behind):
        return replace(one, stop=one.stop + match.end(), days=(one.days[0], today), led=True)
    if (match := _follows("以前 之前 이전").search(behind)) and one.days[0]:
        last = one.days[0] - timedelta(1)
        return replace(one, stop=one.stop + match.end(), days=(None, last), led=True)
    if match := _ends(vocabulary.SINCE).search(ahead):
        return replace(one, start=match.start(), days=(one.days[0], today), led=True)
    if one.kind not in ("relative", "day word"):
        if (match := _ends(vocabulary.BEFORE).search(ahead)) and one.days[0]:
            last = one.days[0] - timedelta(1)
            return replace(one, start=match.start(), days=(None, last), led=True)
        if (match := _ends(vocabulary.AFTER).search(ahead)) and one.days[1]:
            first = one.days[1] + timedelta(1)
            return replace(one, start=match.start(), days=(first, None), led=True)
    if one.kind == "day":
        one = replace(one, start=_with_weekday(ahead))
        ahead = folded[: one.start]
    if (match := _leads().search(ahead)) and (one.kind, match.group()) != ("year", "a "):
        return replace(one, start=match.start(), led=True)
    return one
