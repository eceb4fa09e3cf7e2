"""What the demo model knows: concepts, their names and keywords, and which are kin.

A concept is one emoji, one sign in one colour ("green recycle"), one flag, or the European E.
Names and keywords come from Unicode CLDR; category, colour and sign words are in words.json.

`python -m imgsearch.demo.training.concepts` rewrites kin.json, which training only reads.
"""

from __future__ import annotations

import json
import re
import unicodedata
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CLDR = Path("/usr/share/unicode/cldr/common")
EMOJI_TEST = Path("/usr/share/unicode/emoji/emoji-test.txt")

Texts = dict[str, list[str]]  # language -> texts


@dataclass(frozen=True)
class Concept:
    """One thing a picture can show. `emoji` are the code points whose pictures show it."""

    id: str
    names: dict[str, str]
    keywords: Texts
    categories: list[str]
    kin: str
    emoji: tuple[str, ...] = ()
    sign: str | None = None
    colour: str | None = None
    # a colour is part of the meaning, so training must not repaint the picture
    coloured: bool = field(default=False)


@cache
def words() -> dict[str, Any]:
    """The hand-written words, colours and lists of emoji."""
    loaded: dict[str, Any] = json.loads((HERE / "words.json").read_text("utf-8"))
    return loaded


@cache
def languages() -> list[str]:
    """All languages of the training texts; the first ones are the supported ones."""
    return [*words()["languages"], *words()["sister_languages"]]


def characters(code_points: str) -> str:
    """'0031-20e3' -> '1⃣'."""
    return "".join(chr(int(part, 16)) for part in code_points.split("-"))


@cache
def cldr_annotations() -> dict[str, tuple[dict[str, str], Texts]]:
    """CLDR's names and keywords per emoji (without variation selectors)."""
    found: dict[str, tuple[dict[str, str], Texts]] = {}
    for language in languages():
        for folder in ("annotations", "annotationsDerived"):
            path = CLDR / folder / f"{language}.xml"
            if not path.exists():
                continue
            for node in ET.parse(path).getroot().iter("annotation"):
                text = node.text or ""
                emoji = (node.get("cp") or "").replace("\ufe0f", "")
                names, keywords = found.setdefault(emoji, ({}, {}))
                if node.get("type") == "tts":
                    names[language] = text.strip()
                else:
                    keywords[language] = [k.strip() for k in text.split("|") if k.strip()]
    return found


@cache
def emoji_table() -> dict[str, tuple[str, str]]:
    """Emoji (without variation selectors) -> (Unicode subgroup, English name)."""
    table: dict[str, tuple[str, str]] = {}
    subgroup = ""
    for line in EMOJI_TEST.read_text("utf-8").splitlines():
        if line.startswith("# subgroup:"):
            subgroup = line.split(":")[1].strip()
        elif ";" in line and not line.startswith("#"):
            emoji = "".join(chr(int(c, 16)) for c in line.split(";")[0].split() if c != "FE0F")
            table[emoji] = (subgroup, re.split(r" E\d+\.\d+ ", line)[1].strip())
    return table


def icon_names(code_points: str) -> set[str]:
    """The names an icon set may give an emoji, letters and digits only."""
    emoji = characters(code_points)
    names = [emoji_table().get(emoji, ("", ""))[1]]
    if len(emoji) == 1:
        names.append(unicodedata.name(emoji, ""))
    slugs = {re.sub(r"[^a-z0-9]", "", name.replace("&", "and").lower()) for name in names}
    return slugs - {""}


def colour_phrase(language: str, colour: str, noun: str, gender: str) -> str:
    """A noun with its colour in the right form and order: 'zelená šipka', 'flèche verte'."""
    forms = words()["colours"][colour]["words"][language]
    if len(forms) == 3:
        form = forms["mfn".index(gender)]
    else:
        form = forms[1 if gender == "f" and len(forms) == 2 else 0]
    before = language in words()["colour_before_noun"]
    return f"{form} {noun}" if before else f"{noun} {form}"


def _emoji_concepts(taken: set[str]) -> list[Concept]:
    categories: dict[str, list[str]] = {}
    for name, category in words()["categories"].items():
        for code_points in category["emoji"].split():
            own = categories.setdefault(code_points, [])
            own += [c for c in (name, *category["broader"]) if c not in own]
    colours = set(words()["colours"]) | {"brown"}
    concepts = []
    for code_points, own in categories.items():
        emoji = characters(code_points)
        names, keywords = cldr_annotations().get(emoji, ({}, {}))
        if "en" not in names or code_points in taken:
            continue
        coloured = bool(colours & set(names["en"].lower().split()))
        kin = emoji_table().get(emoji, ("", ""))[0]
        concepts.append(
            Concept(
                f"emoji-{code_points}",
                names,
                keywords,
                own,
                kin or code_points,
                (code_points,),
                coloured=coloured,
            )
        )
    return concepts


def _flag_concepts() -> list[Concept]:
    concepts = []
    for country in words()["flags"]:
        letters = [0x1F1E6 + ord(letter) - ord("A") for letter in country]
        code_points = "-".join(f"{letter:x}" for letter in letters)
        names, keywords = cldr_annotations()[characters(code_points)]
        concepts.append(
            Concept(
                f"flag-{country.lower()}",
                names,
                keywords,
                ["flag", "sign"],
                "country-flag",
                (code_points,),
                coloured=True,
            )
        )
    return concepts


def _sign_concepts() -> list[Concept]:
    concepts = []
    for sign, entry in words()["signs"].items():
        for colour in words()["colours"]:
            names, keywords = {}, {}
            for language, nouns in entry["words"].items():
                phrases = [colour_phrase(language, colour, *noun) for noun in nouns]
                forms = words()["colours"][colour]["words"][language]
                names[language] = phrases[0]
                keywords[language] = list(
                    dict.fromkeys([*phrases[1:], *(noun for noun, _ in nouns), *forms])
                )
            code_points = entry["emoji"].get(colour)
            if code_points:  # '🔴' shows the red circle too: its CLDR names are further keywords
                more, _ = cldr_annotations().get(characters(code_points), ({}, {}))
                for language, name in more.items():
                    if name.lower() != names.get(language, "").lower():
                        keywords.setdefault(language, []).append(name)
            concepts.append(
                Concept(
                    f"{sign.replace(' ', '-')}-{colour}",
                    names,
                    keywords,
                    ["sign"],
                    f"sign-{sign.replace(' ', '-')}",
                    (code_points,) if code_points else (),
                    sign,
                    colour,
                    True,
                )
            )
    return concepts


def _european_e() -> Concept:
    texts: Texts = words()["european_e"]
    names = {language: own[0] for language, own in texts.items()}
    keywords = {language: own[1:] for language, own in texts.items()}
    return Concept("european-e", names, keywords, ["sign"], "european-e", coloured=True)


@cache
def all_concepts() -> tuple[Concept, ...]:
    """Every concept, in a fixed order."""
    taken = {e for sign in words()["signs"].values() for e in sign["emoji"].values()}
    return (*_emoji_concepts(taken), *_flag_concepts(), *_sign_concepts(), _european_e())


def read_kin() -> dict[str, str]:
    """Concept id -> kin group, as committed before training."""
    kin: dict[str, str] = json.loads((HERE / "kin.json").read_text("utf-8"))
    return kin


def main() -> None:
    """Write kin.json: the same sign in another colour, or the same Unicode emoji subgroup."""
    kin = {concept.id: concept.kin for concept in all_concepts()}
    (HERE / "kin.json").write_text(json.dumps(kin, indent=1) + "\n", "utf-8")
    sizes = Counter(kin.values())
    print(f"{len(kin)} concepts, {len(sizes)} kin groups, {sizes.most_common(8)} ...")


if __name__ == "__main__":
    main()
