"""What a question must be, to be asked."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from imgsearch.errors import Action, UsageError
from imgsearch.escaping import shown
from imgsearch.index.base import Wanted
from imgsearch.question import ORDERS, Filter, Question


def changed(question: Question, others: Mapping[str, Any]) -> Question:
    """The question with other values of the fields that are named. Raises UsageError for a name
    that no field has."""
    names = [each.name for each in fields(Question)]
    for name in others:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            raise UsageError(
                f"There is no field {name!r} of a question.",
                f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names)}.",
            )
    return replace(question, **others)


def check(question: Question) -> None:
    """Raises UsageError for values that a field cannot have, and for words that say nothing."""
    _check_at_least("k", question.k, 1)
    _check_at_least("offset", question.offset, 0)
    if question.order not in ORDERS:
        raise UsageError(
            f"Photos have no order {question.order!r}.", f"Give one of these: {', '.join(ORDERS)}."
        )
    if not isinstance(question.filter, Filter):
        raise UsageError(
            f"A question's filter cannot be {question.filter!r}.",
            'Give an imgsearch.Filter, such as library.folder("2019").',
        )
    for term in question.terms:
        if not term.weight:
            raise UsageError(
                f"The weight of “{shown(term.shown)}” is 0: it would say nothing.",
                "Give another weight, below 0 for what should not be in the picture; or leave it"
                " out.",
            )
    if any(term.words is not None and not term.words.strip() for term in question.terms):
        raise UsageError("The query is empty.", "Say what to look for.", Action("query"))
    if question.match and not Wanted(question.match).words:
        raise UsageError(
            f"There is no word to match in “{shown(question.match)}”.", "Give letters or digits."
        )


def _check_at_least(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or value < least:
        raise UsageError(
            f"{name} is {value!r}; it has to be a whole number from {least} on.",
            "Correct it, or leave it out.",
        )
