"""What it would cost to look through photos for regions, as far as the last ingest tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imgsearch.index.base import PartCount

REGIONS = 9  # of an ordinary photo
_BYTES = 80  # of a region besides its vector: its place, its rows in tables
_LONGEST = 1e12  # seconds
_LESS_REDUCED = 2  # a photo is decoded larger for them, which takes about so much longer


@dataclass(frozen=True, slots=True)
class Cost:
    """`hours`: of this machine; None where no ingest tells how fast it is."""

    photos: int
    hours: float | None
    bytes: int


def of_regions(photos: int, dims: int, last_ingest: Mapping[str, Any], cores: int) -> Cost:
    """For so many photos. `last_ingest`: as an index keeps it, which may be a stranger's."""
    embedded, seconds = last_ingest.get("embedded"), last_ingest.get("seconds")
    size = photos * REGIONS * (5 * dims + _BYTES)  # f32, and int8 in the search files
    if not (isinstance(embedded, int) and 0 < embedded < 2**63 and isinstance(seconds, dict)):
        return Cost(photos, None, size)
    work = 0.0
    for stage, times in (("read", 1), ("decode", _LESS_REDUCED), ("embed", REGIONS)):
        spent = seconds.get(stage)
        if isinstance(spent, (int, float)) and 0 <= spent < _LONGEST:
            work += times * spent
    return Cost(photos, work / embedded * photos / max(1, cores) / 3600, size)


def told(cost: Cost) -> str:
    """For a person: "12,000 photos more: about 2.5 hours and 310 MB"."""
    parts = []
    if cost.hours is not None:
        minutes = 60 * cost.hours
        parts.append(f"{cost.hours:.1f} hours" if minutes >= 90 else f"{max(1, minutes):.0f} min")
    megabytes = cost.bytes / 1e6
    parts.append(f"{megabytes / 1e3:.1f} GB" if megabytes >= 1e3 else f"{megabytes:.0f} MB")
    photos = "1 photo" if cost.photos == 1 else f"{cost.photos:,} photos"
    return f"{photos} more: about {' and '.join(parts)}"


def said_of_regions(
    photos: int, there: PartCount | None, dims: int, last_ingest: Mapping[str, Any], cores: int
) -> str:
    """How many of an index's photos have regions, and what those of the others would cost."""
    said = ["none"] if there is None else [f"{there.parts:,} of {there.photos:,} photos"]
    lacking = photos - (0 if there is None else there.photos)
    if lacking > 0:
        cost = of_regions(lacking, dims, last_ingest, cores)
        said.append(told(cost))
    return "; ".join(said)
