"""Whether a bare year beside a name is when a photo was taken: "Oma Karla 1978" and "Golden Gate
Bridge 2011", or the year of a model, a wine or a film: "Contessa Nettel 1926", "Lagavulin 1991".

No list of makers is ever complete, so a name has to be known as that of a person, a place or
something that people photograph, by which the year may be taken."""

from __future__ import annotations

import functools
import re

from imgsearch import gazetteer
from imgsearch.phrases import date_words, deciding_words, known_words
from imgsearch.phrases.tokens import Line, Token

_SMALL_WORDS = frozenset(deciding_words.SMALL_WORDS.split())
_AT = frozenset(deciding_words.AT.split())
_ROMAN = re.compile(r"[IVX]{2,}")
_ARTICLES = frozenset(deciding_words.TITLE_ARTICLES.split())
_STREETS = frozenset(deciding_words.STREETS.split())
_KATAKANA = re.compile(r"[\u30a0-\u30ff]{2,}$")
_SUFFIXES = frozenset(["da", "de", "ta", "te", "nda", "nde"])  # İstanbul'da
_REGIONS = frozenset(name.replace("_", " ") for name in deciding_words.REGIONS.split())


def is_of_model(line: Line, first: int, last: int) -> bool:
    """Whether the year at the tokens [first, last) of `line` goes with a name that is not known."""
    if last - first > 1:
        return False  # 2019年: said to be a year
    if first == 0:
        return _opens_model(line.tokens[last:])
    begin = first
    while begin and not _parts(line.tokens, begin - 1):
        begin -= 1
    if begin and _is_preposition(line.tokens, begin - 1) and begin < first:
        return False
    words = [token for token in line.tokens[begin:first] if token.raw[0].isalnum()]
    if begin == 0 and words and words[0].raw in _ARTICLES:  # Das Boot 1981
        known = _photographed().intersection(word.folded for word in words)
        return not known and not _names_a_place(words[1:] or words)
    said = [word for word in words if word.folded not in _SMALL_WORDS]
    return bool(said) and _is_model(said, shouted=len(said) > 1 and line.text.isupper())


def _parts(tokens: list[Token], at: int) -> bool:
    """Whether the year has nothing to do with what stands before that token."""
    return tokens[at].raw in ",;:、，()–—" or _is_preposition(tokens, at)


def _is_preposition(tokens: list[Token], at: int) -> bool:
    if at and tokens[at - 1].raw in "'’":
        return tokens[at].folded in _SUFFIXES
    return tokens[at].raw.islower() and tokens[at].folded in _AT


def _opens_model(following: list[Token]) -> bool:
    """Whether a year stands at the beginning of a line, and a model's name behind it."""
    if not following or not following[0].raw[0].isupper():
        return False
    if following[-1].folded in _STREETS:
        return True  # the number of a house: 1910 Elm Street
    if any(word.folded in _photographed() for word in following):
        return False
    starts = (following[:length] for length in range(1, 5))
    if any(_names_a_place(words) for words in starts):
        return False
    word = following[0]
    return _is_code(word, shouted=False) or not (
        known_words.is_word(word.folded) or known_words.is_given_name(word.folded)
    )


def _is_model(said: list[Token], *, shouted: bool) -> bool:
    if said[-1].unspaced:
        return _is_unknown_katakana(said)
    if any(word.folded in _photographed() for word in said):
        return False
    if any(_is_code(word, shouted) for word in said):
        return True
    if _ends_in_place(said):
        return False
    if all(_is_lower(word) for word in said):
        latin = said[-1].folded.isascii()  # Slavic words have too many forms to know them all
        return latin and not any(known_words.is_word(word.folded) for word in said)
    return not _are_known(said)


def _is_code(word: Token, shouted: bool) -> bool:
    """Of a model: 150, A110, RAL, Mk IX."""
    if not word.raw.isalpha():
        return word.raw.upper() == word.raw
    if shouted or len(word.raw) < 2 or not word.raw.isupper():
        return False
    if len(word.raw) == 2 and word.folded not in ("uk", "us"):
        return True  # HD 1994, LH 2018
    return bool(_ROMAN.fullmatch(word.raw)) or not gazetteer.find(word.folded)


def _is_lower(word: Token) -> bool:
    return not word.raw[0].isupper()


def _names_a_place(words: list[Token]) -> bool:
    name = " ".join(word.raw for word in words)
    return words[0].raw[0].isupper() and bool(
        gazetteer.find(name) or gazetteer.fold(name) in _REGIONS
    )


def _ends_in_place(said: list[Token]) -> bool:
    """Whether the words end in a place, before which none is unknown."""
    for length in range(min(4, len(said)), 0, -1):
        if _names_a_place(said[-length:]):
            rest = said[:-length]
            return not rest or all(_is_lower(word) for word in rest) or _are_known(rest)
    return False


def _are_known(said: list[Token]) -> bool:
    """Whether each word is a person's name or an everyday word as it is written here."""
    names = all(known_words.is_given_name(word.folded) for word in said if not _is_lower(word))
    if names or all(known_words.is_german_noun(word.folded) for word in said):
        return True
    opening, *others = said
    if _is_lower(opening):
        return False
    begins = others and all(_is_lower(word) for word in others)  # a line, and so with a capital
    return bool(begins) and known_words.is_word(opening.folded)


def _is_unknown_katakana(said: list[Token]) -> bool:
    match = _KATAKANA.search("".join(word.raw for word in said if word.unspaced))
    return match is not None and not known_words.is_word(match[0])


@functools.cache
def _photographed() -> frozenset[str]:
    text = (date_words.HERE / "photographed.txt").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return frozenset(word for line in lines for word in line.split())
