"""Photos that have words in their names, captions, tags, places or in text that was read in them:
found by the words alone, without any vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from imgsearch.copies import folding
from imgsearch.index.base import Index, Record, Wanted
from imgsearch.index.word_matches import CANDIDATES, Texts
from imgsearch.question import Filter, Question
from imgsearch.results import SomeWords
from imgsearch.search.ranking import Found, by_words


def find(index: Index, question: Question, k: int) -> tuple[list[Found], SomeWords | None]:
    """Up to k photos, or more by their copies, that have all words of `question.match`. Where no
    photo has all of them, or where `question.any_word` asks for it, those that have some, too.
    Second, how many have only some; None where that is not known."""
    wanted = Wanted(question.match or "")
    some_words: SomeWords | None = None

    def match(k: int) -> list[Found]:
        nonlocal some_words
        # an index reads so many in any case, to order them
        looked_at = max(k, CANDIDATES) + len(question.exclude)
        records = index.match(wanted, looked_at, question.filter)
        cut_off = len(records) == looked_at
        records = [record for record in records if record.id not in question.exclude]
        found = by_words(records[:k], wanted, texts_of(index, records[:k]))
        full = [one for one in found if one.fits]
        some_words = None
        if len(full) < len(found) or len(found) < k:
            some_words = SomeWords(photos=len(records) - len(full), at_least=cut_off)
        with_some = (question.any_word or not full) and not question.only_fitting
        return found if with_some else full

    found = folding.distinct(match, k, index.vectors) if question.fold else match(k)
    if some_words is not None and some_words.photos and not any(one.fits for one in found):
        nowhere = _nowhere(index, question.match or "", question.filter)
        some_words = replace(some_words, nowhere=nowhere)
    return found, some_words


def texts_of(index: Index, records: Sequence[Record]) -> Texts:
    """What was read in the photos."""
    read = index.capabilities.texts
    return read([record.id for record in records]) if read is not None and records else {}


def _nowhere(index: Index, text: str, where: Filter) -> tuple[str, ...]:
    """The words that no photo has, of words that no photo has all of."""
    words = [word for word in text.split() if Wanted(word).words]
    if len(words) == 1:
        return tuple(words)
    return tuple(word for word in words if not _is_somewhere(index, Wanted(word), where))


def _is_somewhere(index: Index, wanted: Wanted, where: Filter) -> bool:
    first = index.match(wanted, 1, where)  # those that have all of it come first
    return any(one.fits for one in by_words(first, wanted, texts_of(index, first)))
