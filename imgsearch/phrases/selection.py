"""Which dates and places of a line are taken out of it."""

from __future__ import annotations

from datetime import date

from imgsearch.gazetteer import Place
from imgsearch.phrases import dates, false_dates, places, titles
from imgsearch.phrases.tokens import Line
from imgsearch.phrases.understood import Evidence, Filter, Span


def taken(text: str, today: date, evidence: Evidence | None) -> list[Span]:
    """The spans of `text` that are its date and its place, in order."""
    line = Line(text)
    if not line.tokens:
        return []
    spans: list[tuple[int, int, Filter]] = []
    dated: set[int] = set()
    written = dates.find(line.folded, today)
    if len(written) == 1:
        [one] = written
        first, last = line.tokens_of(one.start, one.stop)
        asked = Filter(taken_from=one.days[0], taken_to=one.days[1])
        if (evidence is None or evidence(asked)) and false_dates.is_date(line, first, last, one):
            spans.append((first, last, asked))
            dated = set(range(first, last))

    def lies(place: Place) -> bool:
        return evidence is None or evidence(Filter(country=place.country, city=place.city))

    named = places.find(line, dated, lies)
    if named:
        asked = Filter(country=named.place.country, city=named.place.city)
        spans.append((named.first, named.last, asked))
    titled = titles.tokens_in(line) if spans else set()
    kept = [span for span in spans if titled.isdisjoint(range(span[0], span[1]))]
    return [_span(line, *span) for span in sorted(kept, key=lambda span: span[0])]


def _span(line: Line, first: int, last: int, meaning: Filter) -> Span:
    start, stop = line.tokens[first].start, line.tokens[last - 1].stop
    return Span(start, stop, line.text[start:stop], meaning)
