"""Titles of films, books and songs, and sayings: what in them looks like a date or a place is none.
"Midnight in Paris" is a film, and `titles.txt` knows it."""

from __future__ import annotations

import functools

from imgsearch.phrases import date_words
from imgsearch.phrases.tokens import Line


def tokens_in(line: Line) -> set[int]:
    """The numbers of the line's tokens that belong to a title."""
    numbers, words = _words(line)
    text = f" {' '.join(words)} "
    covered: set[int] = set()
    for title in _titles():
        at = text.find(f" {title} ")
        if at >= 0:
            first = text[: at + 1].count(" ") - 1
            covered.update(numbers[first : first + title.count(" ") + 1])
    return covered


def _words(line: Line) -> tuple[list[int], list[str]]:
    """Of tokens that are no punctuation: their numbers, and what they say."""
    there = [n for n, token in enumerate(line.tokens) if token.raw[0].isalnum()]
    return there, [line.tokens[n].folded.replace(" ", "") for n in there]


@functools.cache
def _titles() -> tuple[str, ...]:
    listed = (date_words.HERE / "titles.txt").read_text("utf-8").splitlines()
    lines = (Line(title) for title in listed if title and not title.startswith("#"))
    return tuple(" ".join(_words(line)[1]) for line in lines)
