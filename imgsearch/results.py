"""What a question is answered with: the one result type that tables, JSON, the web page and Python
programs show."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.dataclass import dataclass

if TYPE_CHECKING:
    from imgsearch.index.base import Part, Record
    from imgsearch.question import Box, Question
    from imgsearch.roots.locations import Refusal
    from imgsearch.search.ranking import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A photo that answers a question. `raw_path`: the file on this machine as the system's bytes,
    None where it is not known, or where the record's path leads out of its library (`refusal`)."""

    rank: int  # from 1, counted over all pages
    # cosine to the question's vector, higher is better, of copies the highest; None: by date alone
    score: float | None
    record: Record
    raw_path: bytes | None
    missing: bool  # the path is known, and no file lies there
    refusal: Refusal | None = None  # why there is no path
    copies: int = 0  # further copies of the picture that were folded into this one
    # the probability, from 0 to 1, that no photo of the index would score as high by chance
    # (`imgsearch.search.cut_off`); None: not known, or it fits for another reason
    surprise: float | None = None
    # whether it answers the question, or is only nearest: by its score, or since it has all the
    # words; None: not known
    fits: bool | None = None
    # "fit": by its score, or as a copy of the picture that is asked for; and where all the words
    # are: "name", "caption", "tag", "place", "text"
    why: tuple[Reason, ...] = ()
    # of the photo, which scored higher than all of it; where the words were read in the photo, the
    # line that has them
    part: Part | None = None
    line: str | None = None  # of text, as it was read there

    @property
    def box(self) -> Box | None:
        """Where that part is: left, top, width and height in pixels of the upright picture."""
        return None if self.part is None else self.part.box

    @property
    def page(self) -> int | None:
        """The page that was found, from 1."""
        return None if self.part is None else self.part.page

    @property
    def moment(self) -> float | None:
        """Where in a film that part is: seconds from its start. None: it is no frame of a film."""
        return None if self.part is None else self.part.moment

    @property
    def path(self) -> Path | None:
        """The file on this machine; None where it cannot be known."""
        return None if self.raw_path is None else Path(os.fsdecode(self.raw_path))


@dataclass(frozen=True, slots=True, kw_only=True)
class SomeWords:
    """Where words were looked for alone (`Question.match`): how many `photos` have only some of
    them; `at_least`: or more. `nowhere`: words that no photo has, where none has all."""

    photos: int
    at_least: bool = False
    nowhere: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The hits of one page of a question, best first."""

    question: Question
    hits: tuple[Hit, ...]
    fitting: int | None = None  # up to this page's end, hits that fit; None: not known
    some_words: SomeWords | None = None  # None: not asked so, or not known on this page

    @property
    def by_date(self) -> bool:
        """Whether they are in the order of their dates, not of how well they fit."""
        asked = self.question
        return asked.order != "fit" or not (asked.terms or asked.match)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __len__(self) -> int:
        return len(self.hits)

    def __getitem__(self, position: int) -> Hit:
        return self.hits[position]


def located(hits: Iterable[Hit]) -> Iterator[tuple[Record, bytes]]:
    """The record and the path of each whose file is on this machine."""
    for hit in hits:
        if hit.raw_path is not None and not hit.missing:
            yield hit.record, hit.raw_path
