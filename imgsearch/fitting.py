"""Where the photos that fit a question end: judged by its own scores over a sample of the index.

Most photos of an index have nothing to do with a question, and their scores tell how high a score
comes by chance. Above the sample's median (in a large sample: above its upper tenth), chance scores
fall off exponentially; a hit fits where less than a twentieth of a photo would score as high by
chance, in the whole of the photos that were searched."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy.typing as npt

    from imgsearch.models.base import Vector, Vectors

_CHANCE_HITS = 0.05  # expected among all photos, at the line
_TAIL = 60  # scores, from which the fall is measured; half of the sample at most, a tenth at least
_MATCHES = 0.02  # of the sample, which may be what is looked for: only that they are high counts
_LEAST = 40  # vectors; in fewer no tail can be seen


@dataclass(frozen=True, slots=True)
class Chance:
    """How many of `photos` photos score as high by chance: share * photos * e^-((s - start) /
    fall)."""

    photos: int
    share: float
    start: float
    fall: float

    def hits(self, score: float) -> float:
        """Expected number of photos that reach this score by chance."""
        return self.share * self.photos * exp(min(0.0, -(score - self.start) / self.fall))

    def surprise(self, score: float) -> float:
        """From 0 to 1: the probability that no photo would score as high by chance. It means the
        same for every question, index and model."""
        return exp(-self.hits(score))

    @property
    def line(self) -> float:
        """The score from which on a photo fits."""
        return self.start + self.fall * max(0.0, log(self.share * self.photos / _CHANCE_HITS))


def chance(vector: Vector, sample: Vectors, photos: int) -> Chance | None:
    """`sample`: (n, dims), of the index; `photos`: how many were searched. None where there are too
    few to tell."""
    import numpy as np

    size = len(sample)
    if size < _LEAST or photos < 1 or sample.shape[1] != vector.size:
        return None
    scores: npt.NDArray[np.float64] = np.sort((sample @ vector).astype(np.float64))
    tail = round(size * min(0.5, max(0.1, _TAIL / size)))
    start = scores[size - tail - 1]
    censored = max(1, round(_MATCHES * size))
    above = scores[size - tail : size - censored] - start
    # the mean of an exponential distribution of which the highest are only known to be so high
    fall = (above.sum() + censored * above[-1]) / (tail - censored)
    if not fall > 0:
        return None
    return Chance(photos, tail / size, float(start), float(fall))
