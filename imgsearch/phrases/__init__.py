"""One line of words, and what in it is a date or a place: `understand`."""

from __future__ import annotations

import re
from datetime import date

from imgsearch.phrases.understood import Evidence, Filter, Span, Understood

__all__ = ["Evidence", "Filter", "Span", "Understood", "understand"]

LONGEST = 500  # letters; a longer line is a description, not a question


def understand(text: str, today: date, evidence: Evidence | None = None) -> Understood:
    """`text` without the date and the place that it names, and these as a filter.

    Words become a filter only where they can mean nothing else, and where `evidence` (if given)
    says that photos match it; everything else stays as it was written. At most one date (or span
    of dates) and one place are taken. Relative dates count from `today`; seasons are those of the
    northern half of the world; a bare winter begins in its year."""
    if len(text) > LONGEST:
        return Understood(text)
    from imgsearch.phrases.selection import taken

    spans = taken(text, today, evidence)
    found = Filter()
    for span in spans:
        found = _both(found, span.meaning)
    return Understood(_without(text, spans) if spans else text, found, tuple(spans))


def _both(one: Filter, other: Filter) -> Filter:
    return Filter(
        one.taken_from or other.taken_from,
        one.taken_to or other.taken_to,
        one.country or other.country,
        one.city or other.city,
    )


def _without(text: str, spans: list[Span]) -> str:
    parts, at = [], 0
    for span in spans:
        parts.append(text[at : span.start])
        at = span.stop
    rest = text[at:]
    said = re.search(r"\w|[)\]）]", rest)  # a bracket closes one that stands before
    left = " ".join([*parts, rest if said else ""])
    left = re.sub(r"\s+([,;.:!?])", r"\1", " ".join(left.split()))
    left = re.sub(r"([,;])(?:\s*[,;])+", r"\1", left)
    left = re.sub(r"\(\s*\)|\[\s*\]|（\s*）", "", left)
    left = re.sub(r"^[\s,;:.、，。–—-]+|[\s,;:、，。–—-]+$", "", left)
    # の and 的 link words to the place or date that is gone
    return re.sub(r"^[のでにへ的]\s*|\s*[の的在]$", "", left).strip()
