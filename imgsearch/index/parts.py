"""Parts of photos: what they are, and how hits by parts and hits by whole photos become one list.

The best of many scores is higher than one alone, by chance. So the score of a photo's best part is
brought down to the score that a whole photo would have to be as rare: how rare a part's score is
among parts is told by a sample of them, times the number of the photo's parts (Bonferroni)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from imgsearch.index.records import Neighbour
from imgsearch.models.base import Vector, Vectors

SAMPLE = 256  # vectors of parts, and of whole photos, by which scores are compared
SPARE = 15  # photos whose best parts are looked at besides
_AHEAD = 3  # times k: their order changes with the number of their parts
_MOST = 10_000  # photos
_SAME = 1e-3  # cosines of one vector differ by less, however it is quantised
_ENOUGH = 8  # vectors, to tell a spread from
_FLAT = 1e-4  # spread of scores below which all vectors are one and the same
_ONE_BELOW = 0.1587  # share of normal values that are a standard deviation below the mean
_FARTHEST = 35.0  # standard deviations; beyond, a probability is no number any more


class Best(NamedTuple):
    """`photos`: those whose parts are nearest, best first, each by its best part with that one's
    cosine. `counts`: how many parts each of them has, by id. `complete`: these are all."""

    photos: list[Neighbour]
    counts: dict[str, int]
    complete: bool


class Spread(NamedTuple):
    """Of scores: their middle, and their standard deviation as the lower half tells it, where the
    few that are looked for do not count."""

    middle: float
    deviation: float


class Calibration(NamedTuple):
    """Of one question. None: too few vectors to tell."""

    whole: Spread | None
    parts: Spread | None

    @classmethod
    def of(cls, vector: Vector, whole: Vectors, parts: Vectors) -> Calibration:
        """`whole`, `parts`: samples (n, dims) of an index's vectors."""
        return cls.of_scores(_scores(vector, whole), _scores(vector, parts))

    @classmethod
    def of_scores(cls, whole: npt.ArrayLike, parts: npt.ArrayLike) -> Calibration:
        """`whole`, `parts`: the scores of samples, each (n,)."""
        return cls(_spread(whole), _spread(parts))

    def score(self, score: float, count: int) -> float:
        """What the best of a photo's `count` parts counts for, beside scores of whole photos; never
        more than its own."""
        if self.whole is None or self.parts is None:
            return score
        from statistics import NormalDist  # 2 ms, for which a library without parts has no use

        deviations = min((score - self.parts.middle) / self.parts.deviation, _FARTHEST)
        chance = min(0.5, max(1, count) * math.erfc(deviations / math.sqrt(2)) / 2)
        same = self.whole.middle - self.whole.deviation * NormalDist().inv_cdf(chance)
        return min(score, same)


def _scores(vector: Vector, sample: Vectors) -> npt.ArrayLike:
    return sample @ vector if sample.shape[1:] == vector.shape else []


def _spread(of: npt.ArrayLike) -> Spread | None:
    scores = np.asarray(of, np.float64)
    if len(scores) < _ENOUGH:
        return None
    lower, middle = np.quantile(scores, (_ONE_BELOW, 0.5)).tolist()
    return Spread(middle, middle - lower) if middle - lower > _FLAT else None


def ahead(k: int) -> int:
    """For so many photos `merged` asks first, where it is not told."""
    return min(_AHEAD * k + SPARE, _MOST)


def merged(
    whole: Sequence[Neighbour],
    parts: Callable[[int], Best],
    calibration: Calibration,
    k: int,
    first: int | None = None,
) -> list[Neighbour]:
    """The k best photos, each once; ties in the order of ids. `whole`: the k nearest. `parts`: as
    many photos by their parts as it is told. They are asked for until no further one can be among
    the best, however few parts it has. `first`: for so many at first."""
    wanted = ahead(k) if first is None else first
    while True:
        found = parts(wanted)
        best = _best_of(whole, found, calibration)[:k]
        last = found.photos[-1].score if found.photos else -1.0
        enough = len(best) == k and calibration.score(last, 1) < best[-1].score
        if found.complete or enough or wanted >= _MOST:
            return best
        wanted *= 2


def _best_of(whole: Sequence[Neighbour], found: Best, calibration: Calibration) -> list[Neighbour]:
    """The vector of a whole film is that of one of its frames: such a frame is named although its
    score counts for less."""
    best = {one.record.id: one for one in whole}
    for one in found.photos:
        id = one.record.id
        score = calibration.score(one.score, found.counts.get(id, 1))
        if id not in best or score > best[id].score:
            best[id] = replace(one, score=score)
        elif (
            one.part is not None and one.part.kind == "frame" and one.score > best[id].score - _SAME
        ):
            best[id] = replace(best[id], part=one.part)
    return sorted(best.values(), key=lambda one: (-one.score, one.record.id))
