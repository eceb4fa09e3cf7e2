"""The texts of the training: names and keywords, what is held out, and random texts of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from imgsearch.demo.training.concepts import Concept, Texts, languages, words

Weights = dict[int, float]  # concept -> how much a text means it


@dataclass(frozen=True)
class HeldOut:
    """What training never sees: (concept, language) names and (concept, English keyword)s."""

    names: tuple[tuple[int, str], ...]
    keywords: tuple[tuple[int, str], ...]


def draw_held_out(concepts: Sequence[Concept], seed: int) -> HeldOut:
    """8 % of the names that are not English, and 16 % of the English keywords.

    The words of the demo's own queries are exempt: it must show what the model can do.
    """
    draw = random.Random(seed)
    exempt = {word for query in words()["demo_queries"] for word in query.lower().split()}
    general = {
        (language, text.lower())
        for category in words()["categories"].values()
        for language, texts in category["words"].items()
        for text in texts
    }
    names, keywords = [], []
    for index, concept in enumerate(concepts):
        for language in words()["measured_languages"]:
            name = concept.names.get(language)
            if not name or language == "en" or (language, name.lower()) in general:
                continue
            if draw.random() < 0.08:
                names.append((index, language))
        for keyword in concept.keywords.get("en", []):
            told = keyword.lower() == concept.names["en"].lower()
            if told or exempt & set(keyword.lower().split()):
                continue
            if draw.random() < 0.16:
                keywords.append((index, keyword))
    return HeldOut(tuple(names), tuple(keywords))


class TextBook:
    """The texts training may see, who owns each, and random training texts made of them."""

    def __init__(self, concepts: Sequence[Concept], held_out: HeldOut) -> None:
        self.count = len(concepts)
        self.names: list[dict[str, str]] = []
        self.keywords: list[Texts] = []
        self.categories = [concept.categories for concept in concepts]
        self.owners: dict[str, Weights] = {}
        self.forbidden = {
            (index, language, concepts[index].names[language].lower())
            for index, language in held_out.names
        } | {(index, "en", keyword.lower()) for index, keyword in held_out.keywords}
        for index, concept in enumerate(concepts):
            self.names.append({})
            self.keywords.append({})
            for language in languages():
                self._learn(index, concept, language)
        self.invention = sorted(
            {w for text in self.owners for w in text.split() if len(w) > 4 and w.isalpha()}
        )

    def _learn(self, index: int, concept: Concept, language: str) -> None:
        def allowed(text: str) -> bool:
            return (index, language, text.lower()) not in self.forbidden

        name = concept.names.get(language)
        if name and allowed(name):
            self.names[index][language] = name
            self._own(name, index, 5.0)
        keywords = [k for k in concept.keywords.get(language, []) if allowed(k)]
        if keywords:
            self.keywords[index][language] = keywords
        general = [
            word
            for category in concept.categories
            for word in words()["categories"][category]["words"].get(language, [])
        ]
        for text in keywords + general:
            self._own(text, index, 1.0)

    def _own(self, text: str, index: int, weight: float) -> None:
        owners = self.owners.setdefault(text.lower(), {})
        owners[index] = max(owners.get(index, 0.0), weight)

    def corpus(self) -> list[str]:
        """All texts, weighted, for the tokenizer's vocabulary."""
        found: list[str] = []
        for names, keywords in zip(self.names, self.keywords, strict=True):
            for language in languages():
                often = 2 if language in words()["languages"] else 1
                found += [names[language]] * 2 * often if language in names else []
                found += keywords.get(language, []) * often
        for category in words()["categories"].values():
            found += [w for texts in category["words"].values() for w in texts * 3]
        return found + [t.replace("{}", "") for ts in words()["templates"].values() for t in ts]

    def sample(self, index: int, draw: random.Random, noise: float) -> tuple[str, Weights]:
        """A random text of a concept and what it means. `noise`: chance of a made-up word."""
        while True:
            language = self._language(index, draw)
            text, weights = self._plain(index, language, draw)
            if (index, language, text.lower()) not in self.forbidden:
                break
        templates = words()["templates"].get(language)
        if templates and draw.random() < 0.2:
            text = draw.choice(templates).format(text)
        if draw.random() < 0.15:
            text = misspelt(text, draw)
        if draw.random() < noise:
            for _ in range(draw.choice((1, 1, 2))):
                parts = [self._invented(draw), text]
                draw.shuffle(parts)
                text = " ".join(parts)
        return text, weights

    def _language(self, index: int, draw: random.Random) -> str:
        known = [language for language in languages() if language in self.names[index]]
        chance = [
            3.0 if lang == "en" else 1.0 if lang in words()["languages"] else 0.5 for lang in known
        ]
        return draw.choices(known, chance)[0]

    def _plain(self, index: int, language: str, draw: random.Random) -> tuple[str, Weights]:
        name = self.names[index][language]
        keywords = self.keywords[index].get(language, [])
        kind = draw.random()
        if kind < 0.08 and self.categories[index]:
            category = words()["categories"][draw.choice(self.categories[index])]
            if texts := category["words"].get(language):
                text = draw.choice(texts)
                return text, self.owners[text.lower()]
        if kind < 0.42 or not keywords:
            return name, self.owners[name.lower()]
        if kind < 0.75 or len(keywords) < 2:
            text = draw.choice(keywords)
            return text, self.owners[text.lower()]
        chosen = draw.sample(keywords, min(len(keywords), draw.randint(2, 3)))
        if draw.random() < 0.3:
            chosen[0] = name
        shared = set.intersection(*(set(self.owners[text.lower()]) for text in chosen))
        draw.shuffle(chosen)
        return " ".join(chosen), dict.fromkeys(shared or {index}, 1.0)

    def _invented(self, draw: random.Random) -> str:
        first, second = draw.choices(self.invention, k=2)
        return first[: draw.randint(2, 4)] + second[-draw.randint(2, 4) :]

    def targets(self, weights: Sequence[Weights]) -> Tensor:
        """[texts, concepts], rows summing to one."""
        rows = torch.zeros(len(weights), self.count)
        for row, own in zip(rows, weights, strict=True):
            row[list(own)] = torch.tensor(list(own.values()))
        return rows / rows.sum(1, keepdim=True)


def misspelt(text: str, draw: random.Random) -> str:
    """The text with one letter missing, swapped or added."""
    if len(text) < 5:
        return text
    at = draw.randrange(1, len(text) - 1)
    kind = draw.random()
    if kind < 0.4:
        return text[:at] + text[at + 1 :]
    if kind < 0.7:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + draw.choice("aeioustrnl") + text[at:]
