"""Names of places out of the forms that they take after "in": в Риме, we Włoszech, İtalya'da."""

from __future__ import annotations

import re
from collections.abc import Iterator

from imgsearch.gazetteer import fold

# what stands at the end after в, у, w, we, na and what the name itself may end in, likeliest first
_RUSSIAN = (
    ("ции", ("ция",)),
    ("ии", ("ия", "ии")),
    ("ию", ("ия",)),
    ("ю", ("я",)),
    ("ове", ("ов",)),
    ("ске", ("ск",)),
    ("ве", ("ва", "в")),
    ("е", ("", "а", "я", "и", "ь", "о")),
    ("и", ("ь", "я", "а")),
    ("ах", ("ы", "а", "и")),
    ("ях", ("и", "я")),
    ("у", ("", "а")),
    ("ом", ("ыи",)),
)
_UKRAINIAN = (
    ("іі", ("ія",)),
    ("ціі", ("ція",)),
    ("єві", ("ів",)),
    ("ові", ("ів",)),
    ("зі", ("га",)),
    ("ці", ("ка", "ця")),
    ("і", ("", "а", "я", "ь")),
    ("у", ("",)),
    ("ах", ("и",)),
)
_POLISH = (
    ("ku", ("k", "ko")),
    ("ii", ("ia",)),
    ("ji", ("ja",)),
    ("dze", ("ga",)),
    ("ce", ("ka",)),
    ("rze", ("r", "ra")),
    ("ie", ("", "a")),
    ("iu", ("",)),
    ("u", ("",)),
    ("i", ("", "a")),
    ("y", ("a",)),
    ("e", ("a",)),
)
# after из, z, do
_GENITIVE = (
    ("ии", ("ия",)),
    ("ії", ("ія",)),
    ("іі", ("ія",)),
    ("и", ("а", "ь", "я")),
    ("ы", ("а",)),
    ("а", ("",)),
    ("я", ("ь", "и")),
    ("ii", ("ia",)),
    ("ji", ("ja",)),
    ("ski", ("ska",)),
    ("y", ("a",)),
    ("u", ("",)),
    ("a", ("",)),
    ("och", ("ochy",)),
    ("iec", ("cy",)),
)
_IRREGULAR = {
    "wloszech": "wlochy",
    "niemczech": "niemcy",
    "wegrzech": "wegry",
    "czechach": "czechy",
    "chinach": "chiny",
    "indiach": "indie",
    "niderlandach": "niderlandy",
    "stanach zjednoczonych": "stany zjednoczone",
    "wielkiej brytanii": "wielka brytania",
    "соединенных штатах": "соединенные штаты",
    "великобритании": "великобритания",
    "новои зеландии": "новая зеландия",
    "южнои корее": "южная корея",
}
_TURKISH = r"(?i)(.{3,}?)\s?['’]\s?n?[dt][ae](?:ki|n)?"
_KOREAN = r"(.{2,}?)(?:에서의|에서|의|에|으로|로)"


def names(written: str, preposition: str) -> Iterator[tuple[str, bool]]:
    """The names that `written` may be a form of, itself first, and whether its ending alone says
    "in" there."""
    yield written, False
    folded = fold(written)
    if preposition in ("в", "во", "на", "у"):
        yield from ((name, False) for name in _forms(folded, (*_RUSSIAN, *_UKRAINIAN)))
    elif preposition in ("w", "we", "na"):
        yield from ((name, False) for name in _forms(folded, _POLISH))
    elif preposition in ("из", "від", "до", "от", "з", "z", "ze", "do"):
        yield from ((name, False) for name in _forms(folded, _GENITIVE))
    elif "가" <= written[-1] <= "힣":
        if match := re.fullmatch(_KOREAN, written):
            yield match[1], True
    elif written[0].isupper() and (match := re.fullmatch(_TURKISH, written)):
        yield match[1], True


def _forms(folded: str, endings: tuple[tuple[str, tuple[str, ...]], ...]) -> Iterator[str]:
    if folded in _IRREGULAR:
        yield _IRREGULAR[folded]
    for ending, originals in endings:
        if folded.endswith(ending) and len(folded) >= len(ending) + 2:
            for original in originals:
                yield folded.removesuffix(ending) + original
