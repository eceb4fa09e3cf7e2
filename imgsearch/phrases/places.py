"""Places in a line of words: where they stand, and which country or city they are.

Names of places are also words, people, brands and dishes, so a name alone is never enough. It
counts with a preposition of place before it, beside a date or a comma, or at the line's end, and
nothing may follow that could go with it ("Boston terrier"). Names that are everyday words in some
language (`common.txt`) or that people bear need more than others."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

from imgsearch import gazetteer
from imgsearch.dataclass import dataclass
from imgsearch.gazetteer import Place
from imgsearch.phrases import date_words, deciding_words, inflection
from imgsearch.phrases.tokens import Line, Token

LONGEST = 5  # tokens of a name; 8 letters where a script has no spaces
KNOWN = 100_000  # people of a city that is meant without a preposition
GREAT = 1_000_000  # likewise, written in lower case, or though its name is a word


@dataclass(frozen=True)
class Named:
    """A place at tokens [first, last) of a line, its preposition among them."""

    first: int
    last: int
    place: Place


def find(line: Line, dated: set[int], lies: Callable[[Place], bool]) -> Named | None:
    """The one place that `line` names; None where it names none, or several apart. `dated` are
    the numbers of the tokens that are a date; `lies` says of a place whether it has photos."""
    found: list[Named] = []
    at = 0
    while at < len(line.tokens):
        named = None if at in dated else _at(line, at, dated, lies)
        if named:
            found.append(named)
            at = named.last
        else:
            at += 1
    if len(found) == 2 and _within(found[0], found[1], line):
        return replace(found[0], last=found[1].last)
    return found[0] if len(found) == 1 else None


def _within(city: Named, country: Named, line: Line) -> bool:
    """ "Florence, Italy": a city and its country, with no more than a comma between."""
    between = [token.raw for token in line.tokens[city.last : country.first]]
    return (
        city.place.city is not None
        and country.place.city is None
        and city.place.country == country.place.country
        and between in ([], [","])
    )


def _at(line: Line, at: int, dated: set[int], lies: Callable[[Place], bool]) -> Named | None:
    tokens = line.tokens
    most = 8 if tokens[at].unspaced else LONGEST
    for last in range(min(len(tokens), at + most), at, -1):
        if dated & set(range(at, last)) or not _word(tokens[at], tokens[last - 1]):
            continue
        name = line.text[tokens[at].start : tokens[last - 1].stop]
        setting = _setting(line, at, last, dated)
        for spelled, ending in inflection.names(name, setting.preposition):
            known = replace(setting, ending=ending)
            if not (_free(known) or _maybe_country(line, last)):
                continue  # without a look into the gazetteer, which takes a millisecond
            place = _meant(gazetteer.fold(spelled), known, line, last, lies)
            if place:
                return Named(setting.first, last, place)
    return None


def _word(first: Token, last: Token) -> bool:
    return first.raw[0].isalpha() and last.raw[-1].isalpha()


@dataclass(frozen=True)
class _Setting:
    """What stands around a name."""

    first: int  # the token where its preposition begins
    preposition: str  # folded; empty where there is none
    before: Token | None  # what stands before all that; None at the line's beginning
    after: Token | None
    dated_before: bool
    dated_after: bool
    capital: bool
    glued: bool  # no space before it
    titles: bool  # the preposition has a capital: a Title In Capitals
    unspaced: bool
    dated: bool  # the line has a date
    sole: bool  # nothing else in the line but dates
    several: bool  # two words with capitals before it: Eiffel Tower Paris
    country: str | None = None  # the country that is named next: Florence, Italy
    ending: bool = False  # an ending says "in": İtalya'da, 서울에서


def _setting(line: Line, at: int, last: int, dated: set[int]) -> _Setting:
    tokens = line.tokens
    first, preposition = _preposition(line, at, dated)
    words = [n for n, token in enumerate(tokens) if token.raw.isalpha() and n not in dated]
    others = [n for n in words if not first <= n < last]
    return _Setting(
        first=first,
        preposition=preposition,
        before=tokens[first - 1] if first and first - 1 not in dated else None,
        after=tokens[last] if last < len(tokens) and last not in dated else None,
        dated_before=first - 1 in dated,
        dated_after=last in dated,
        capital=tokens[at].capital,
        glued=tokens[at].glued,
        titles=0 < first < at and tokens[first].raw[0].isupper(),
        unspaced=tokens[at].unspaced,
        dated=bool(dated),
        several=first >= 2 and all(token.capital for token in tokens[max(0, first - 2) : first]),
        sole=not others,
    )


def _maybe_country(line: Line, at: int) -> bool:
    """Whether the tokens from `at` may be a country's name: "Florence, Italy", "Florence Italy"."""
    following = line.tokens[at : at + 1]
    return bool(following) and (following[0].raw in ",，、(" or following[0].capital)


def _country_after(line: Line, at: int) -> str | None:
    tokens = line.tokens
    if at < len(tokens) and tokens[at].raw in ",，、(":
        at += 1
    for last in range(min(len(tokens), at + 3), at, -1):
        best = gazetteer.find(line.text[tokens[at].start : tokens[last - 1].stop])[:1]
        if best and best[0].city is None:
            return best[0].country
    return None


def _preposition(line: Line, at: int, dated: set[int]) -> tuple[int, str]:
    """Where the preposition before token `at` begins, and what it is."""
    first = at
    for length in (3, 2, 1):  # nell'Italia, in the USA, in Italy
        start = at - length
        if start < 0 or dated & set(range(start, at)):
            continue
        said = " ".join(token.folded for token in line.tokens[start:at])
        if said in _prepositions() or said in deciding_words.ISLAND_LEADS.split():
            return start, said
        word, *article = said.split(" ", 1)
        from_to = said in _from_to() or (word in _from_to() and set(article) <= _articles())
        if from_to and _journey(line, start):
            return start, word
    return first, ""


@functools.cache
def _articles() -> frozenset[str]:
    return frozenset(date_words.phrases(date_words.ARTICLES))


def _journey(line: Line, at: int) -> bool:
    """Whether the word before token `at` is one for pictures or journeys, or there is none."""
    return at == 0 or line.tokens[at - 1].folded in deciding_words.JOURNEYS.split()


@functools.cache
def _from_to() -> frozenset[str]:
    return frozenset(date_words.phrases(deciding_words.FROM_TO))


@functools.cache
def _prepositions() -> frozenset[str]:
    alone = date_words.phrases(deciding_words.PLACE_LEADS)
    articles = date_words.phrases(date_words.ARTICLES)
    return frozenset(alone) | {
        f"{one} {article}" for one in ("in", "en", "a", "i", "w") for article in articles
    }


def _meant(
    folded: str, setting: _Setting, line: Line, at: int, lies: Callable[[Place], bool]
) -> Place | None:
    """The place that the name `folded`, which ends before token `at`, means in its setting."""
    shortest = 2 if ord(folded[:1] or "a") > 0x2E80 or folded == "uk" else 3
    if len(folded) < shortest or folded in _regions():
        return None
    known = gazetteer.find(folded)
    if known and _maybe_country(line, at):
        setting = replace(setting, country=_country_after(line, at))
    if known and (setting.country or _free(setting)):
        return next((one for one in known if _clear(one, folded, setting) and lies(one)), None)
    return None


def _free(setting: _Setting) -> bool:
    """Whether the name stands by itself, so that it is no part of another name."""
    before, after = setting.before, setting.after
    if not setting.preposition and before and before.folded in _from_to() | _small_words():
        return False
    if before and before.folded in (_made() if setting.preposition else _never_before()):
        return False
    if before and before.raw == "." and before.glued:
        return False  # Mr. London
    if before and before.raw in "-+&/'’_" and before.glued and setting.glued:
        return False  # Wah-Wah, Romeo+Juliet
    if setting.unspaced:
        opened = before is None or not before.unspaced or before.raw in "の的、。"
        opened = opened or bool(setting.preposition)
        closed = after is None or not after.unspaced or after.raw in "のでにを的、。へ"
        apart = after is not None and setting.dated and not after.glued  # 日本 樱花 2019年
        return opened and (closed or apart)
    if setting.ending:
        return True
    if after and not (after.folded in _small_words() or not after.raw[0].isalnum()):
        return False
    return not (after and after.raw in "-'’&_/+" and after.glued)


def _clear(place: Place, folded: str, setting: _Setting) -> bool:
    """Whether `place` is meant by its name in this setting, and not a word or a person."""
    country, main = place.city is None, gazetteer.fold(place.name) == folded
    if setting.country:
        return place.country == setting.country and setting.capital and not country
    if setting.unspaced:
        return country or place.population >= KNOWN
    if setting.ending:
        return country or place.population >= KNOWN or main
    word = folded in _common() or folded in _more_common() or folded in _borne()
    if setting.preposition:
        return _clear_with_preposition(place, setting, word, main)
    word = word or folded in _people() or folded in _sayings()
    dated = setting.dated_before or setting.dated_after
    beside = dated or _comma(setting)
    if not beside and setting.before and setting.before.folded in _makes():
        return False  # Tag Heuer Monaco
    if " " in folded and not (country or main) and not (setting.capital and beside):
        return False  # big apple
    if word:
        return setting.capital and _clear_word(place, folded, setting, main, dated)
    if setting.before is None and setting.after is not None and not beside:
        return False  # it begins the line: "Italy on a plate"
    if country:
        return True
    if not setting.capital:
        return place.population >= (2 * KNOWN if dated and main else GREAT)
    return place.population >= KNOWN and (beside or not _may_be_named(setting))


def _clear_with_preposition(place: Place, setting: _Setting, word: bool, main: bool) -> bool:
    country, people = place.city is None, place.population
    if setting.preposition in deciding_words.ISLAND_LEADS.split():
        return country and setting.capital and place.country in deciding_words.ISLANDS.split()
    if not country and (" " in setting.preposition or setting.preposition in ("im", "aux")):
        return False  # in der Halle, im Ofen: cities have no article
    if word:
        if setting.preposition == "a" and setting.first == 0:
            return False  # A Man for All Seasons
        return setting.capital and not setting.titles and (country or people >= 2 * KNOWN)
    if setting.capital:
        return country or people >= KNOWN // 2 or main
    return country or people >= 2 * KNOWN


def _clear_word(place: Place, folded: str, setting: _Setting, main: bool, dated: bool) -> bool:
    """For a name that is also a word or a person's, with a capital and without a preposition."""
    country = place.city is None
    named = setting.before is not None and setting.before.capital
    if folded in _people():  # Kenya 2015, but not Tom Holland 2019
        mixed = folded in _common() or folded in _more_common()
        return country and dated and not mixed and setting.before is not None and not named
    if not country and place.population < GREAT:
        return False
    if folded in _common() and folded not in _more_common() and main and dated and not named:
        return True  # Berlin 2022
    return (dated and setting.sole) or (setting.several and main and setting.after is None)


def _may_be_named(setting: _Setting) -> bool:
    """Whether a name's capital may go with one before it: Jack London, Real Madrid."""
    return setting.before is not None and setting.before.capital and not setting.several


def _comma(setting: _Setting) -> bool:
    return any(
        token is not None and token.raw in ",;，、" for token in (setting.before, setting.after)
    )


@functools.cache
def _common() -> frozenset[str]:
    text = (date_words.HERE / "common.txt").read_text("utf-8")
    return frozenset(text.split())


@functools.cache
def _more_common() -> frozenset[str]:
    return frozenset(deciding_words.MORE_COMMON.split())


@functools.cache
def _borne() -> frozenset[str]:
    return frozenset(deciding_words.BORNE_BY_PEOPLE.split())


@functools.cache
def _people() -> frozenset[str]:
    return _borne() | frozenset((date_words.HERE / "people.txt").read_text("utf-8").split())


@functools.cache
def _sayings() -> frozenset[str]:
    """Names of several words, each of them one of a dictionary: Broken Arrow."""
    text = (date_words.HERE / "common_pairs.txt").read_text("utf-8")
    return frozenset(text.splitlines())


@functools.cache
def _regions() -> frozenset[str]:
    return frozenset(name.replace("_", " ") for name in deciding_words.REGIONS.split())


@functools.cache
def _made() -> frozenset[str]:
    return frozenset(deciding_words.MADE.split())


@functools.cache
def _never_before() -> frozenset[str]:
    return frozenset(deciding_words.NEVER_BEFORE.split())


@functools.cache
def _makes() -> frozenset[str]:
    return frozenset(deciding_words.MAKES.split())


@functools.cache
def _small_words() -> frozenset[str]:
    return frozenset(deciding_words.SMALL_WORDS.split())
