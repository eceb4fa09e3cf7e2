"""Sample values of any depth as 8 bits: integers of 1 to 64 bits, floating point, with no-data
values, NaN and outliers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]

WHITE = 237  # of 255: where nobody says which value is white, a guess between a bright grey and it
_SAMPLE = 1 << 20  # values, enough to tell a range
_ROWS = 256  # converted at a time, so that no second copy of a large picture is made


@np.errstate(all="ignore")  # signalling NaN, and ranges beyond what a float holds
def eight_bits(
    values: Values,
    *,
    bits: int | None = None,
    no_data: float | None = None,
    inverted: bool = False,
) -> Bytes:
    """`values` of shape [height, width, ...] from 0 (black) to 255 (white).

    `bits`: how many of an unsigned integer are used, None where that is not known. `no_data`: the
    value of pixels that were not measured; these, NaN and infinities become black. `inverted`: the
    smallest value is white.

    Unsigned integers of up to 16 known bits keep their range; so do others that use half of it,
    and floating point from 0 to 1 or from 0 to 255. Everything else is stretched from its smallest
    value to its largest, which becomes WHITE; outliers far beyond the bulk do not count."""
    if values.dtype == np.bool_:
        values, bits = values.astype(np.uint8), 1
    if values.dtype == np.uint8 and bits == 8:
        return 255 - values if inverted else values
    if no_data is not None and values.dtype.kind == "f":
        with np.errstate(over="ignore"):  # a number that no such value can be
            no_data = float(np.float64(no_data).astype(values.dtype))  # as it is stored
    if values.dtype.kind == "u" and bits is not None and bits <= 16:
        low, high, top = 0.0, float(2**bits - 1), 255
    else:
        low, high, top = _range(values, no_data)
    if not np.isfinite(high - low):
        values, low, high = values / 4, low / 4, high / 4
        no_data = None if no_data is None else no_data / 4
    scale = top / (high - low) if high > low else 0.0

    def shown(part: Values) -> Bytes:
        part = part.astype(np.float64)
        known = np.isfinite(part) if no_data is None else np.isfinite(part) & (part != no_data)
        part = np.where(known, part, high if inverted else low)
        scaled = np.clip(((high - part) if inverted else (part - low)) * scale, 0, 255)
        return (scaled + 0.5).astype(np.uint8)

    return _converted(values, shown)


def _converted(values: Values, shown: Callable[[Values], Bytes]) -> Bytes:
    """What `shown` makes of all values. Of small integers it makes each once."""
    table = None
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:
        table = shown(np.arange(1 << 8 * values.dtype.itemsize, dtype=values.dtype))
    result = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), _ROWS):
        part = values[start : start + _ROWS]
        result[start : start + _ROWS] = shown(part) if table is None else table[part]
    return result


def _range(values: Values, no_data: float | None) -> tuple[float, float, int]:
    """The darkest and the brightest value, and how bright the brightest is (0 to 255)."""
    flat = values.reshape(-1)
    sample = flat[:: max(1, flat.size // _SAMPLE)].astype(np.float64)
    known = np.isfinite(sample)
    if no_data is not None:
        known &= sample != no_data
    sample = sample[known]
    if not sample.size:
        return 0.0, 0.0, 255
    first, last = np.percentile(sample, (1, 99))
    span = last - first
    if span > 0:  # else nearly all values are one, and the few others are the picture
        sample = sample[(sample >= first - span) & (sample <= last + span)]
    low, high = float(sample.min()), float(sample.max())
    if values.dtype.kind == "f":
        whole = (0.0, 1.0 if high <= 1 else 255.0)
        return (*whole, 255) if low >= 0 and high <= 255 else (low, high, WHITE)
    limits = np.iinfo(values.dtype)
    whole = (float(min(0, limits.min)) if low < 0 else 0.0, float(limits.max))
    return (*whole, 255) if high - low >= (whole[1] - whole[0]) / 2 else (low, high, WHITE)
