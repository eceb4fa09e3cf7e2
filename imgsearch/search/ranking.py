"""One order for what was found by its vector and what was found by its words.

Both are brought together by reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009): a
photo weighs 1 / (60 + its rank) in each of the two lists. What fits comes before what is only
nearest; a photo that has all the words fits. An inventory number comes before all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import inf
from typing import Literal

from imgsearch.copies.comparing import LEAST_COSINE
from imgsearch.dataclass import dataclass
from imgsearch.index import word_matches
from imgsearch.index.base import NO_TEXTS, Near, Neighbour, Part, PartTexts, Record, Wanted
from imgsearch.index.word_matches import Texts
from imgsearch.question import Term
from imgsearch.search.cut_off import Chance
from imgsearch.word_splitting import Field

Reason = Literal["fit"] | Field

RANKED = 50  # of the nearest: further ones add nothing to a photo that has the words
_CONSTANT = 60  # of the fusion: the higher, the less the first ranks weigh


@dataclass(frozen=True, slots=True)
class Found:
    """A photo that was found. `score`: cosine; None where no vector was asked for. `why`: "fit"
    where its cosine says so, and the fields that have all the words. `fits`: None where it is not
    known. `part`: the part that scored higher than the whole photo; where the words were read in
    the photo, the line that has them, which is `line`."""

    record: Record
    score: float | None = None
    why: tuple[Reason, ...] = ()
    fits: bool | None = None
    part: Part | None = None
    line: str | None = None


def copies_from(terms: Sequence[Term]) -> float:
    """The cosine from which on a hit is a copy of the one picture that is asked for, or nearly, and
    so fits, however many others are as near; infinite where anything else is asked for."""
    one = terms[0] if len(terms) == 1 else None
    return inf if one is None or one.words is not None or one.weight < 0 else LEAST_COSINE


def fused(
    near: Near, wanted: Wanted | None, chance: Chance | None, texts: Texts, sure: float = inf
) -> list[Found]:
    """The best first. `texts`: of the photos that have the words. `sure`: the score from which on a
    photo fits whatever scores come by chance. As long as `near.neighbours` has `RANKED` photos or
    all, those that follow in a longer list change nothing before."""
    weights: dict[str, float] = {}
    having = {one.record.id for one in near.named}
    exact = {
        one.record.id
        for one in near.named
        if wanted and _is_the_one(one.record, wanted, texts.get(one.record.id, NO_TEXTS))
    }
    named = sorted(near.named, key=lambda one: one.record.id not in exact)  # keeps their order
    for rank, one in enumerate(named, start=1):
        weights[one.record.id] = 1 / (_CONSTANT + rank)
    for rank, one in enumerate(near.neighbours, start=1):
        has_words = one.record.id in weights
        if not has_words or rank <= RANKED:
            weights[one.record.id] = weights.get(one.record.id, 0) + 1 / (_CONSTANT + rank)
    both = {one.record.id: one for one in (*named, *near.neighbours)}  # these know of parts
    line = sure if chance is None else min(sure, chance.line)
    found = []
    for id, one in both.items():
        words = wanted if id in having or not near.all_named else None  # others do not have them
        found.append(_judged(one, words, line, chance is not None, texts.get(id, NO_TEXTS)))

    def order(one: Found) -> tuple[bool, bool, float, str]:
        weight = weights[one.record.id]
        return one.record.id not in exact, one.fits is False, -weight, one.record.id

    return sorted(found, key=order) if named else found


def _is_the_one(record: Record, wanted: Wanted, read: PartTexts) -> bool:
    return wanted.is_code and word_matches.is_exact(record, wanted, read)


def _judged(
    one: Neighbour, wanted: Wanted | None, line: float, known: bool, read: PartTexts
) -> Found:
    """`line`: the score from which on it fits; `known`: whether it does not fit below that."""
    fields = () if wanted is None else wanted.fields(word_matches.words_of(one.record, read))
    why: tuple[Reason, ...] = (*(("fit",) if one.score >= line else ()), *fields)
    fits = True if why else (False if known else None)
    return _with_line(Found(one.record, one.score, why, fits, one.part), wanted, read)


def by_words(records: Iterable[Record], wanted: Wanted, texts: Texts) -> list[Found]:
    """Of photos that were found by words alone: those that have all of them fit."""
    found = []
    for record in records:
        read = texts.get(record.id, NO_TEXTS)
        why = wanted.fields(word_matches.words_of(record, read))
        found.append(_with_line(Found(record, None, why, bool(why)), wanted, read))
    return found


def _with_line(one: Found, wanted: Wanted | None, read: PartTexts) -> Found:
    """With the line that has the words, where they were read in the photo."""
    if wanted is None or "text" not in one.why:
        return one
    line = word_matches.line_with(wanted, read)
    return one if line is None else replace(one, part=line[0], line=line[1])
