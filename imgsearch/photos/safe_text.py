"""Words that strangers wrote into files, as text that can be shown and stored: decoded, in Unicode
form NFC, without control characters, and of bounded length."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

TITLE, CAPTION, KEYWORD, KEYWORDS = 500, 5000, 200, 200  # characters, and how many

# control characters, and those that turn the direction of what follows; a family of emoji needs its
# joiners, which stay
_UNSEEN = re.compile(
    "[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]+"
)
_SURROGATES = re.compile("[\ud800-\udfff]+")
_LOOKED_AT = 20_000  # characters of a text


def clean(text: str, most: int = TITLE) -> str | None:
    """The text in one line, without control characters; None where nothing is left."""
    text = _SURROGATES.sub("\ufffd", text[:_LOOKED_AT])
    text = " ".join(_UNSEEN.sub(" ", unicodedata.normalize("NFC", text)).split())
    return text[:most].rstrip() or None


def decoded(data: bytes) -> str:
    """What the bytes say: by a byte order mark, as UTF-16 that is seen by its zeros, as UTF-8, else
    as Windows' Latin-1."""
    data = data[: 4 * _LOOKED_AT]
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _even(data).decode("utf-16", "replace")
    odd, even = data[1:64:2], data[0:64:2]
    if len(odd) >= 2 and any(odd + even):
        if odd.count(0) * 2 > len(odd) and 0 not in even.rstrip(b"\0"):
            return _even(data).decode("utf-16-le", "replace")
        if even.count(0) * 2 > len(even) and 0 not in odd.rstrip(b"\0"):
            return _even(data).decode("utf-16-be", "replace")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return data.partition(b"\0")[0].decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.partition(b"\0")[0].decode("latin-1")


def _even(data: bytes) -> bytes:
    return data + b"\0" * (len(data) % 2)


def keywords(found: Iterable[str]) -> tuple[str, ...]:
    """The keywords, each once whatever its case, in their order."""
    kept: dict[str, str] = {}
    for text in found:
        word = clean(text, KEYWORD)
        if word and len(kept) < KEYWORDS:
            kept.setdefault(word.casefold(), word)
    return tuple(kept.values())
