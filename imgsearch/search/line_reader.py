"""Lines of words, read against the photos of an index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgsearch.index.base import ALL, Filter, Index
from imgsearch.question import Question

if TYPE_CHECKING:
    from imgsearch.search.understanding import PlaceAsWord


class LineReader:
    def __init__(self, index: Index) -> None:
        self._index = index
        self._dated: bool | None = None  # whether any photo has a date; asked for once

    def question(self, text: str, where: Filter = ALL) -> Question:
        """As `Library.understand`."""
        if not self._may_say_more(text):
            return Question.of(text, filter=where)
        from imgsearch.search import understanding

        evidence = understanding.of_index(self._index, where)
        question = understanding.understand(text, evidence=evidence)
        return Question(terms=question.terms, filter=understanding.both(where, question.filter))

    def place_left(self, question: Question) -> PlaceAsWord | None:
        """The place whose name stayed one of the question's words, though photos were taken there;
        None where the question is not a line of words, or they name none."""
        text = question.text if len(question.terms) == 1 else ""
        if not self._may_say_more(text):
            return None
        from imgsearch.search import understanding

        return understanding.place_as_word(
            text, understanding.of_index(self._index, question.filter)
        )

    def _may_say_more(self, text: str) -> bool:
        """Whether a date or a place in the words can be found at all: both come with photos that
        have a date. A distant index is not asked for that alone."""
        return bool(text.strip()) and (self._index.capabilities.distant or self._has_dates())

    def _has_dates(self) -> bool:
        if self._dated is None:
            newest = self._index.browse(ALL, "newest", 1)
            self._dated = bool(newest and newest[0].taken)
        return self._dated
