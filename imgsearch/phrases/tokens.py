"""A line as tokens, and the tokens as one folded string that patterns are matched on."""

from __future__ import annotations

import bisect
import functools
import re

from imgsearch.dataclass import dataclass
from imgsearch.gazetteer.normalized import fold

# one letter at a time: these scripts write no spaces
_UNSPACED = (("\u3005", "\u3007"), ("\u3040", "\u30ff"), ("\u3400", "\u9fff"))  # first and last
_ASCII_TOKEN = re.compile(r"\d+|[A-Za-z]+|[^\w\s]|_")
# what may follow a number's digits without a space; with any other letters it is a code: 1080p
_NUMBER_ENDINGS = """
    s er ern ers es st nd rd th e eme ere re r o a º ª х е ых ті г р talet 년 월 일 년대 월의 월에
    년의 년에 년도 년대의 일의 일에 월부터 월까지 년부터 년까지
"""


@functools.cache
def _token() -> re.Pattern[str]:
    """Of any text; to compile it takes 2 ms, and most questions are ASCII."""
    unspaced = "".join(f"{first}-{last}" for first, last in _UNSPACED)
    return re.compile(rf"\d+|[{unspaced}]|[^\W\d_{unspaced}]+[\u0300-\u036f]*|[^\w\s]|_")


def _is_unspaced(letter: str) -> bool:
    return any(first <= letter <= last for first, last in _UNSPACED)


@dataclass(frozen=True)
class Token:
    """A word, a number, a sign, or one letter of a script without spaces."""

    start: int
    stop: int
    raw: str
    folded: str
    glued: bool  # no space before it

    @property
    def capital(self) -> bool:
        """Begins with a capital, or its script has none."""
        return self.raw[:1].upper() == self.raw[:1] and self.raw[:1].isalpha()

    @property
    def unspaced(self) -> bool:
        return len(self.raw) == 1 and _is_unspaced(self.raw)


class Line:
    """`text` in tokens; `folded` is all of them, a space between each."""

    def __init__(self, text: str) -> None:
        self.text = text
        pattern = _ASCII_TOKEN if text.isascii() else _token()
        self.tokens = _joined([match.span() for match in pattern.finditer(text)], text)
        self._starts: list[int] = []
        at = 0
        for token in self.tokens:
            self._starts.append(at)
            at += len(token.folded) + 1
        self.folded = " ".join(token.folded for token in self.tokens)

    def tokens_of(self, start: int, stop: int) -> tuple[int, int]:
        """The tokens [first, last) that lie at [start, stop) of `folded`."""
        return bisect.bisect_left(self._starts, start), bisect.bisect_left(self._starts, stop)


def _joined(spans: list[tuple[int, int]], text: str) -> list[Token]:
    tokens: list[Token] = []
    for start, stop in spans:
        raw = text[start:stop]
        glued = bool(tokens) and tokens[-1].stop == start
        if glued and raw[0].isalnum() and _is_code(tokens[-1].raw, raw):
            start = tokens.pop().start
            raw = text[start:stop]
            glued = bool(tokens) and tokens[-1].stop == start
        tokens.append(Token(start, stop, raw, fold(raw) or raw, glued))
    return tokens


def _is_code(before: str, raw: str) -> bool:
    """Whether letters and digits without a space are one word, as in 2000D or route66."""
    if _is_unspaced(raw[0]) or _is_unspaced(before[0]):
        return False
    if raw[0].isdigit():
        return before[-1].isalnum() and not before[-1].isdigit()
    if not before.isdigit():
        return before[-1].isalnum()
    return fold(raw) not in _NUMBER_ENDINGS.split()
