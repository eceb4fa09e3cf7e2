"""Which frames of a film are kept: those that show something, and differ from each other."""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from imgsearch.dataclass import dataclass

SIDE = 24  # pixels of the small square by which frames are compared
SHARPNESS_SIDE = 160  # of the one by which it is told whether a frame is blurred
DIFFERENT = 3.0  # mean difference of two frames' pixels, from 0 to 255, from which both are kept
_BLACK = 20.0  # nearly all pixels are below it: television's black is 16
_BLACK_SHARE = 0.99
_PLAIN = 2.0  # standard deviation of pixels below which there is nothing to see
_BLURRED = (
    4.0  # mean of the strongest differences of neighbouring pixels, below which it is blurred
)
_STRONGEST = 0.05  # share of pixels

Grey = npt.NDArray[np.uint8]  # (height, width)
Small = npt.NDArray[np.float32]  # (SIDE, SIDE, 3), from 0 to 255
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    place: int
    small: Small
    frame: T


class Selection(Generic[T]):
    """At most `most` of the frames that are offered, no two alike. Where there are more, the one
    gives way that is most like another."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: list[_Kept[T]] = []
        self._poor: _Kept[T] | None = None  # the first one, where none is good

    def offer(self, place: int, small: Small, frame: T, *, good: bool) -> None:
        """`place`: milliseconds. `good`: it shows something."""
        offered = _Kept(place, small, frame)
        if not good:
            self._poor = self._poor or offered
            return
        differences = [_difference(small, one.small) for one in self._kept]
        if differences and min(differences) < DIFFERENT:
            return
        self._kept.append(offered)
        if len(self._kept) > self._most:
            self._drop_one()

    def _drop_one(self) -> None:
        smalls = np.stack([one.small.ravel() for one in self._kept])
        nearest = np.full(len(smalls), np.inf)
        for at in range(1, len(smalls)):  # from those before it, so that the earliest one stays
            nearest[at] = np.abs(smalls[:at] - smalls[at]).mean(1).min()
        del self._kept[int(nearest.argmin())]

    @property
    def is_empty(self) -> bool:
        """Whether no good frame was offered yet."""
        return not self._kept

    def frames(self) -> list[tuple[int, T]]:
        """(milliseconds, frame) in the order of time; of a film without a good frame its first."""
        kept = self._kept or ([self._poor] if self._poor is not None else [])
        return sorted(((one.place, one.frame) for one in kept), key=lambda found: found[0])


def _difference(one: Small, other: Small) -> float:
    return float(np.abs(one - other).mean())


def shows_something(grey: Grey) -> bool:
    """Whether a frame is neither black nor plain nor blurred. `grey`: reduced to about
    SHARPNESS_SIDE pixels of its longer side, where motion blur is still seen and noise is not."""
    values = grey.astype(np.int16)
    if float((values < _BLACK).mean()) > _BLACK_SHARE or float(values.std()) < _PLAIN:
        return False
    across, down = np.abs(np.diff(values, axis=1)).ravel(), np.abs(np.diff(values, axis=0)).ravel()
    differences = np.concatenate([across, down])
    strongest = max(1, round(_STRONGEST * differences.size))
    return float(np.partition(differences, -strongest)[-strongest:].mean()) > _BLURRED
