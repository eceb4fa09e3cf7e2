"""Where the photos that fit a question end: judged by its own scores over a sample of the index.

Most photos of an index have nothing to do with a question, and their scores tell how high a score
comes by chance. Chance scores fall off exponentially; how fast is measured between two quantiles of
the sample, below its highest scores, so that the photos that are looked for do not count. A hit
fits where less than a twentieth of a photo would score as high by chance, in the whole of the
photos that were searched."""

from __future__ import annotations

from math import exp, log
from typing import TYPE_CHECKING

from imgsearch.dataclass import dataclass

if TYPE_CHECKING:
    from imgsearch.models.base import Vector, Vectors

_CHANCE_HITS = 0.05  # expected among all photos, at the line
LEAST_SURPRISE = exp(-_CHANCE_HITS)  # of what fits by its score
_MATCHES = 20  # photos of the sample that may be what is looked for
_LEAST_SHARE = 0.01  # of the sample, above which no scores are looked at
_RATIO, _MOST = 5.0, 0.8  # the lower quantile's share beside the upper one's, and at most
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
    # not `@`: see `combined_terms`
    scores = np.sort(np.einsum("ij,j->i", sample, vector).astype(np.float64))
    high = max(_LEAST_SHARE, min(_MATCHES / size, _MOST / 2))
    low = min(_MOST, _RATIO * high)
    # Linear quantiles, without numpy.quantile: that imports numpy.ma, which takes 20 ms.
    places = np.array((1 - low, 1 - high)) * (size - 1)
    start, end = np.interp(places, np.arange(size), scores).tolist()
    fall = (end - start) / log(low / high)
    return Chance(photos, low, start, fall) if fall > 0 else None
