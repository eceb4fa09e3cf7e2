"""One form for all spellings of a name: case, accents and punctuation folded."""

from __future__ import annotations

import unicodedata

# letters that Unicode does not take apart into a base letter and an accent
_LETTERS = str.maketrans(
    {"ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
# of Latin, Greek and Cyrillic; elsewhere (が, हिन्दी, ไทย) a mark makes another letter
_ACCENTS = dict.fromkeys(range(0x300, 0x370))


def fold(name: str) -> str:
    """`name` in lower case, without accents, each run of spaces and punctuation as one space:
    "São Tomé" and "sao-tome" are the same. Empty when nothing but punctuation is left."""
    whole = name.lower() if name.isascii() else _folded(name)
    if whole.isalnum():
        return whole
    return _spaced(whole)


def _folded(name: str) -> str:
    bare = unicodedata.normalize("NFKD", name.casefold()).translate(_ACCENTS)
    return unicodedata.normalize("NFC", bare).translate(_LETTERS)


def _spaced(text: str) -> str:
    kept = (
        letter if letter.isalnum() or unicodedata.category(letter)[0] == "M" else " "
        for letter in text
    )
    return " ".join("".join(kept).split())
