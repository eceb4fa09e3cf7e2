"""Words that are looked for in a photo's names, caption, tags and place, and in the text that was
read in it. Photos and questions are
cut into the same tokens here, for every backend: an index keeps them and finds phrases of them.

A token is a run of letters or of digits, in lower case and without accents; in scripts that put no
spaces between words, each letter is one. "INV-2019_0042" is the phrase "inv 2019 0042"."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from functools import cached_property
from typing import Literal, get_args

from imgsearch.dataclass import dataclass

Field = Literal["name", "caption", "tag", "place", "text"]
FIELDS: tuple[Field, ...] = get_args(Field)
VERSION = 1  # of how texts are cut: rows that were cut otherwise are cut again
_MOST_TOKENS = 2000  # of one field: a caption of 16 KB has about as many
_MOST_WORDS = 32  # of a question

# scripts without spaces between words: Japanese, Chinese, Thai, Lao, Burmese, Khmer
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_UNSPACED += "\uf900-\ufaff\U00020000-\U0003ffff"
_ASCII_TOKEN = re.compile("[a-z]+|[0-9]+")
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,5}$")

# what cameras, telephones, messengers and downloads call a picture
_DAY = r"(?:19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d"
_MOMENT = rf"{_DAY}(?:[-_ T]|[_ ]at[_ ])?(?:\d\d[-_.:h]?\d\d(?:[-_.:m]?\d\d(?:[.]?\d{{1,3}})?)?)?"
_CAMERAS = (
    "img|dsc|dscn|dscf|dsci|pxl|mvimg|vid|cimg|sam|gopr|gp|gh|gx|dji|pano|burst|pict|imgp|mg|kif"
    "|hpim|dcp|fb_img|sdc|lrm|p|r|wp"
)
_COUNTED = "photo|image|picture|foto|received|signal|snapchat|untitled|whatsapp[_ ]image"


@functools.cache  # compiled when a text needs it: both take 2 ms, and most questions do without
def _token() -> re.Pattern[str]:
    return re.compile(rf"\d+|[{_UNSPACED}]|[^\s\d{_UNSPACED}]+")


@functools.cache
def _camera_made() -> re.Pattern[str]:
    return re.compile(
        rf"""
        (?<![^\W_])
        (?: (?:_?(?:{_CAMERAS})[-_ ]?(?:{_MOMENT}|\d{{3,}}) | (?:{_COUNTED})[-_ ]?(?:{_MOMENT}|\d+))
            (?:[-_ .]?(?:\d+|wa\d+|[ap]m|mp|portrait|burst\d*|cover|night|[(]\d+[)]))*
          | {_DAY}[-_ T]?\d{{6,9}}
          | (?:19|20)\d\d-\d\d-\d\d[ _T-]\d\d[-.:h]\d\d[-.:m]\d\d
          | \d{{3}}_\d{{4}}
          | \d{{3}}(?:canon|apple|nikon|olymp|_?pana|msdcf|_fuji|media|gopro|ricoh|photo)
          | dcim | [0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}} | [0-9a-f]{{16,}}
        )
        (?![^\W_])""",
        re.IGNORECASE | re.VERBOSE,
    )


def tokens(text: str) -> list[str]:
    if text.isascii():
        return _ASCII_TOKEN.findall(text.lower())
    return _token().findall(_folded(text))


def _folded(text: str) -> str:
    """In lower case, without accents. (Most texts are ASCII, and need no gazetteer.)"""
    if text.isascii():
        return text.lower()
    from imgsearch.gazetteer.normalized import fold

    return fold(text)


def name_tokens(path: str) -> list[str]:
    """Of a relative path, folders and file: camelCase is cut, and the ending left out. A name that
    a camera made is one token, which is found by that name alone: "IMG_1234" has neither the word
    "img" nor the number 1234."""
    found: list[str] = []
    parts = path.split("/")
    parts[-1] = _ENDING.sub("", parts[-1])
    for part in parts:
        found += _of_name(part)
    return found


def _of_name(name: str) -> Iterator[str]:
    last = 0
    for made in _camera_made().finditer(name):
        yield from tokens(_camel_cut(name[last : made.start()]))
        yield joined(made[0])
        last = made.end()
    rest = name[last:]
    cut = _camel_cut(rest)
    yield from tokens(cut)
    if cut != rest:  # "RedCar" is found as "redcar" too
        yield from (token for token in tokens(rest) if token not in tokens(cut))


def joined(text: str) -> str:
    """A text as one token."""
    return "".join(tokens(text))


def _camel_cut(text: str) -> str:
    if text.islower() or text.isupper():
        return text
    cut = []
    for at, letter in enumerate(text):
        before, after = text[at - 1 : at], text[at + 1 : at + 2]
        if letter.isupper() and (before.islower() or (before.isupper() and after.islower())):
            cut.append(" ")
        cut.append(letter)
    return "".join(cut)


def words_of(
    relative_path: str,
    captions: Iterable[str | None],
    tags: Iterable[str],
    country: str | None,
    city: str | None,
) -> dict[Field, str]:
    """The tokens of each field, with spaces between; of those that have any."""
    found: dict[Field, list[str]] = {
        "name": name_tokens(relative_path),
        "caption": [token for text in captions if text for token in tokens(text)],
        "tag": [token for tag in tags for token in tokens(tag)],
        "place": tokens(f"{city or ''} {_country(country)}"),
    }
    return {name: " ".join(found[name][:_MOST_TOKENS]) for name in FIELDS if found.get(name)}


def words_read(lines: Iterable[str]) -> dict[Field, str]:
    """The tokens of text that was read in a photo, as `words_of` has those of the other fields."""
    found = [token for line in lines for token in tokens(line)]
    return {"text": " ".join(found[:_MOST_TOKENS])} if found else {}


def _country(code: str | None) -> str:
    if code is None:
        return ""
    from imgsearch import gazetteer

    return gazetteer.country_name(code) or ""


Phrase = tuple[str, ...]


@dataclass(frozen=True)
class Wanted:
    """Words that are looked for. `words`: of each, the phrases that it may be written as."""

    text: str
    words: tuple[tuple[Phrase, ...], ...] = field(init=False)

    def __post_init__(self) -> None:
        cut = [tuple(_phrases(word)) for word in self.text.split()[:_MOST_WORDS]]
        object.__setattr__(self, "words", tuple(phrases for phrases in cut if phrases))

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """Each of them once, and each word's in one: for what is only near."""
        flat = (token for word in self.words for phrase in word for token in phrase)
        return tuple(dict.fromkeys(flat))

    @cached_property
    def _exactly(self) -> re.Pattern[str]:
        """All of it in a row, whatever lies between."""
        parts = (re.escape(token) for token in tokens(self.text))
        return re.compile(r"(?<![^\W_])" + r"[\W_]*".join(parts) + r"(?![^\W_])")

    @property
    def is_code(self) -> bool:
        """Like an inventory number, whose photo is looked for, not photos like the words."""
        return any(token.isdigit() for token in self.tokens)

    def fields(self, words: Mapping[Field, str]) -> tuple[Field, ...]:
        """Where a photo's words (`words_of`) have all that is looked for; empty: some is missing.
        Where no field has all of it, those that have a part."""
        spaced = {name: f" {text} " for name, text in words.items()}
        has = {
            name: [any(f" {' '.join(each)} " in text for each in word) for word in self.words]
            for name, text in spaced.items()
        }
        if not self.words or not all(map(any, zip(*has.values(), strict=True))) or not has:
            return ()
        whole = tuple(name for name in FIELDS if all(has.get(name, (False,))))
        return whole or tuple(name for name in FIELDS if any(has.get(name, ())))

    def near(self, words: Mapping[Field, str]) -> int:
        """How many of its tokens a photo has."""
        there = {token for text in words.values() for token in text.split()}
        return sum(token in there for token in self.tokens)

    def is_exactly_in(self, texts: Iterable[str]) -> bool:
        """Whether a text has the very string, between others: "4711-B" is not in "4711-B2"."""
        return any(self._exactly.search(_folded(text)) for text in texts)


def _phrases(word: str) -> Iterator[Phrase]:
    if any(map(str.isdigit, word)):  # without a digit, what a camera made is cut like other names
        made = _camera_made().fullmatch(word) or _camera_made().fullmatch(_ENDING.sub("", word))
        if made is not None:
            yield (joined(made[0]),)
            return
    whole = tuple(tokens(word))
    if whole:
        yield whole
    cut = tuple(tokens(_camel_cut(word)))
    if cut != whole:
        yield cut
