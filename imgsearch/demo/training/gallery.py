"""All pictures as one tensor, and random batches of them."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from imgsearch.demo.training.augmentation import Augmentation, normalised, on_ground
from imgsearch.demo.training.concepts import Concept
from imgsearch.demo.training.pictures import CLEAN, UNSEEN, Picture, premultiplied


class Gallery:
    """Premultiplied RGBA pictures [n, 4, side, side] in uint8, with what they show."""

    def __init__(self, concepts: Sequence[Concept], pictures: Sequence[Picture]) -> None:
        self.rgba = torch.from_numpy(np.stack([premultiplied(p.image) for p in pictures]))
        self.concept = torch.tensor([p.concept for p in pictures])
        self.ink = torch.tensor([p.ink for p in pictures])
        self.repaintable = torch.tensor([not concepts[p.concept].coloured for p in pictures])
        self.clean = self._where(pictures, CLEAN)
        self.unseen = self._where(pictures, UNSEEN)
        self.clean_of: list[list[int]] = [[] for _ in concepts]
        self.other_of: list[list[int]] = [[] for _ in concepts]
        for number, picture in enumerate(pictures):
            if picture.style == CLEAN:
                self.clean_of[picture.concept].append(number)
            elif picture.style != UNSEEN:
                self.other_of[picture.concept].append(number)

    @staticmethod
    def _where(pictures: Sequence[Picture], style: str) -> Tensor:
        return torch.tensor([n for n, p in enumerate(pictures) if p.style == style])

    def pick(self, concepts: Sequence[int], draw: random.Random, clean: float = 0.4) -> Tensor:
        """One training picture per concept; `clean`: the chance of the clean style."""
        numbers = [
            draw.choice(self.clean_of[c])
            if draw.random() < clean or not self.other_of[c]
            else draw.choice(self.other_of[c])
            for c in concepts
        ]
        return torch.tensor(numbers)

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
            ground,
        )

    def on_white(self, numbers: Tensor) -> Tensor:
        """As they are, on white, normalised."""
        return normalised(on_ground(self.floats(numbers), torch.ones(len(numbers), 3)))
