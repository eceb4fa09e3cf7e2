"""Several terms of a question as one vector, so that one search for neighbours answers all.

A text's scores over an index spread less than a picture's: in a plain sum the picture would
decide alone. Each term is therefore divided by the standard deviation of its scores over a sample
of the index, and weighs what its weight says. (To subtract their mean would add the same to the
score of every photo.)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgsearch.errors import UsageError

if TYPE_CHECKING:
    from imgsearch.models.base import Vector, Vectors

_NOTHING = 1e-3  # of the terms' lengths: what is left of terms that cancel each other
_ENOUGH = 8  # vectors, to tell a spread from


def combined(vectors: Sequence[Vector], weights: Sequence[float], sample: Vectors) -> Vector:
    """The unit vector (dims,) whose cosines rank photos as the weighted sum of the terms' standard
    scores does. `sample`: (n, dims). Raises UsageError where the terms cancel each other."""
    import numpy as np

    terms = np.array(vectors, np.float64)
    shares = np.array(weights, np.float64)
    if len(sample) >= _ENOUGH and sample.shape[1] == terms.shape[1]:
        # not `@`: the threads of NumPy's BLAS would spin on while the search begins, 2 ms longer
        scores = np.einsum("ij,kj->ki", sample, terms.astype(np.float32))
        spreads = scores.std(axis=1, dtype=np.float64)
        if spreads.min() > 1e-4:  # else all photos are one and the same
            shares = shares / spreads
    summed = shares @ terms
    length = float(np.linalg.norm(summed))
    if not length > _NOTHING * float(np.abs(shares).sum()):
        raise UsageError(
            "The parts of this question cancel each other: nothing is left to look for.",
            "Change a weight, or leave out a part.",
        )
    vector: Vector = (summed / length).astype(np.float32)
    return vector
