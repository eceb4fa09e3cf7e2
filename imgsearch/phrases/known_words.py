"""Which words are everyday words: `is_word`, `is_german_noun`, `is_given_name`.

A name that is none of these, as of a camera, a wine or a film, is told from them by three Bloom
filters in `known_words.bin` (`build_words.py` makes it): 300,000 words as sets would take 60 ms to
load. Of a thousand unknown words three are taken for known ones."""

from __future__ import annotations

import functools
import hashlib
import struct
from collections.abc import Collection, Iterator

from imgsearch.dataclass import dataclass
from imgsearch.phrases import date_words

FILE = date_words.HERE / "known_words.bin"
TABLES = ("words", "nouns", "names")  # in this order in the file
_BITS = 12  # for each word
_HASHES = 8
_SIZE = struct.Struct("<I")  # bytes of a table, before it
_PARTS = struct.Struct("<QQ")
_SHORTEST = 4  # letters of a part of a German compound
_LINKS = ("", "s", "n", "en", "es", "e")  # between two parts of one


@dataclass(frozen=True)
class Bloom:
    """A set of words; `in` may err by taking a word for one of them, never the other way."""

    table: bytes

    @classmethod
    def of(cls, words: Collection[str]) -> Bloom:
        table = bytearray(max(8, len(words) * _BITS // 8))
        for word in words:
            for bit in _bits(word, len(table)):
                table[bit >> 3] |= 1 << (bit & 7)
        return cls(bytes(table))

    def __contains__(self, word: str) -> bool:
        return all(self.table[bit >> 3] >> (bit & 7) & 1 for bit in _bits(word, len(self.table)))


def _bits(word: str, size: int) -> Iterator[int]:
    first, step = _PARTS.unpack(hashlib.blake2b(word.encode(), digest_size=16).digest())
    for number in range(_HASHES):
        yield (first + number * step) % (size * 8)


def write(tables: dict[str, Collection[str]]) -> None:
    """Write `FILE`: folded words, by the names in `TABLES`."""
    blooms = [Bloom.of(tables[name]).table for name in TABLES]
    FILE.write_bytes(b"".join(_SIZE.pack(len(table)) + table for table in blooms))


@functools.cache
def _tables() -> dict[str, Bloom]:
    data, found = FILE.read_bytes(), {}
    at = 0
    for name in TABLES:
        (size,) = _SIZE.unpack_from(data, at)
        at += _SIZE.size
        found[name] = Bloom(data[at : at + size])
        at += size
    return found


def is_word(folded: str) -> bool:
    """Whether it is written in lower case in one of many languages, or is a German noun."""
    return folded in _tables()["words"] or is_german_noun(folded)


def is_german_noun(folded: str) -> bool:
    """Whether it is one, or two of them in one word: Kirchturm, Sonntagsausflug."""
    nouns = _tables()["nouns"]
    if folded in nouns:
        return True
    for at in range(_SHORTEST, len(folded) - _SHORTEST + 1):
        if folded[at:] in nouns and _begins(folded[:at]):
            return True
    return False


def _begins(part: str) -> bool:
    nouns = _tables()["nouns"]
    stems = (part.removesuffix(link) for link in _LINKS if part.endswith(link))
    return any(len(stem) >= _SHORTEST - 1 and stem in nouns for stem in stems)


def is_given_name(folded: str) -> bool:
    """Whether many people bear it as their first name."""
    return folded in _tables()["names"]
