"""All pictures as one tensor, and random batches of them."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from imgsearch.demo.training.augmentation import Augmentation, normalised, on_ground
from imgsearch.demo.training.concepts import Concept
from imgsearch.demo.training.icons import OBJECT_SETS
from imgsearch.demo.training.pictures import CLEAN, UNSEEN, Picture, premultiplied

# Unicode subgroups whose pictures say something else in a mirror
ONE_WAY = ("alphanum", "arrow", "av-symbol", "country-flag", "light & video", "religion")

CLEAN_SHARE = 0.2


class Gallery:
    """Premultiplied RGBA pictures [n, 4, side, side] in uint8, with what they show."""

    def __init__(self, concepts: Sequence[Concept], pictures: Sequence[Picture]) -> None:
        self.rgba = torch.from_numpy(np.stack([premultiplied(p.image) for p in pictures]))
        self.concept = torch.tensor([p.concept for p in pictures])
        self.ink = torch.tensor([p.ink for p in pictures])
        self.repaintable = torch.tensor([not concepts[p.concept].coloured for p in pictures])
        mirrorable = [
            not c.coloured and not c.sign and bool(c.emoji) and c.kin not in ONE_WAY
            for c in concepts
        ]
        self.mirrorable = torch.tensor([mirrorable[p.concept] for p in pictures])
        self.clean = self._where(pictures, CLEAN)
        self.unseen = self._where(pictures, UNSEEN)
        self.clean_of: list[list[int]] = [[] for _ in concepts]
        self.emoji_of: list[list[int]] = [[] for _ in concepts]
        self.object_of: list[list[int]] = [[] for _ in concepts]
        for number, picture in enumerate(pictures):
            if picture.style == CLEAN:
                self.clean_of[picture.concept].append(number)
            elif picture.style in OBJECT_SETS:
                self.object_of[picture.concept].append(number)
            elif picture.style != UNSEEN:
                self.emoji_of[picture.concept].append(number)

    @staticmethod
    def _where(pictures: Sequence[Picture], style: str) -> Tensor:
        return torch.tensor([n for n, p in enumerate(pictures) if p.style == style])

    def pick(self, concepts: Sequence[int], draw: random.Random) -> Tensor:
        """One training picture per concept; a fifth in the clean style. Of the rest, two in five
        are from icon sets that are no emoji, however many those have."""
        return torch.tensor([self._one(concept, draw) for concept in concepts])

    def _one(self, concept: int, draw: random.Random) -> int:
        if draw.random() >= CLEAN_SHARE:
            kinds = [self.object_of[concept], self.emoji_of[concept]]
            for numbers in kinds if draw.random() < 0.4 else kinds[::-1]:
                if numbers:
                    return draw.choice(numbers)
        return draw.choice(self.clean_of[concept])

    def floats(self, numbers: Tensor) -> Tensor:
        """Premultiplied RGBA of 0..1."""
        return self.rgba[numbers].float() / 255

    def augmented(
        self,
        numbers: Tensor,
        augment: Augmentation,
        strength: float,
        ground: Tensor | None = None,
    ) -> Tensor:
        """Random versions, normalised."""
        return augment(
            self.floats(numbers),
            strength,
            self.ink[numbers],
            self.repaintable[numbers],
            self.mirrorable[numbers],
            ground,
        )

    def on_white(self, numbers: Tensor) -> Tensor:
        """As they are, on white, normalised."""
        return normalised(on_ground(self.floats(numbers), torch.ones(len(numbers), 3)))
