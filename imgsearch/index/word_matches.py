"""Photos that have wanted words: which come first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from imgsearch.index.base import PartTexts, Record
from imgsearch.index.records import NO_TEXTS, Part
from imgsearch.word_splitting import Field, Wanted, words_read

CANDIDATES = 1000  # of the best by the backend's own score, at least

Texts = Mapping[str, PartTexts]  # what was read in photos that have text, by id


def in_order(records: Iterable[Record], wanted: Wanted, texts: Texts) -> list[Record]:
    """Of `CANDIDATES` and more, best by the backend's own score first: the very string before all
    words before some of them, those with more of them first; then by id, so that the order is the
    same on every backend. What follows behind the first `CANDIDATES` stays behind them, so that the
    order is the same however many are asked for."""
    rest = iter(records)
    first = islice(rest, CANDIDATES)
    ordered = sorted(
        first, key=lambda one: (*_lacks(one, wanted, texts.get(one.id, NO_TEXTS)), one.id)
    )
    return [*ordered, *rest]


def words_of(record: Record, read: PartTexts) -> dict[Field, str]:
    """All in which words are looked for, in tokens."""
    return {**record.words, **words_read(read.texts)}


def _lacks(record: Record, wanted: Wanted, read: PartTexts) -> tuple[bool, bool, int]:
    words = words_of(record, read)
    return not is_exact(record, wanted, read), not wanted.fields(words), -wanted.near(words)


def is_exact(record: Record, wanted: Wanted, read: PartTexts) -> bool:
    """Whether the very string is in its name, caption, title or tags, or in a line of its text."""
    texts = (record.relative_path, record.title, record.caption, *record.tags, *read.texts)
    return wanted.is_exactly_in(text for text in texts if text)


def line_with(wanted: Wanted, read: PartTexts) -> tuple[Part, str] | None:
    """The line of a photo's text that has the very string, else the first with most of the wanted
    words; None where none has any."""
    best, most = None, 0
    for place, text in zip(*read, strict=True):
        if wanted.is_exactly_in([text]):
            return Part("text", place), text
        if (words := wanted.near(words_read([text]))) > most:
            best, most = (Part("text", place), text), words
    return best
