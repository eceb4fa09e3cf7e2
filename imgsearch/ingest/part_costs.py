"""What it would cost to look through photos for parts, as far as the last ingest tells."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from imgsearch.dataclass import dataclass
from imgsearch.index.base import PartCount, PartKind

_BYTES = 80  # of a part besides its vector: its place, its rows in tables
_LONGEST = 1e12  # seconds


class Expected(NamedTuple):
    """Of an ordinary photo. `decoded`: times as long as for its own vector."""

    parts: int
    decoded: float
    vectors: bool = True
    seconds: float = 0.0  # of one core besides


# What every photo may have. Pages come without being asked for, and how many films there are no
# index knows.
ASKED: Mapping[PartKind, Expected] = {
    "region": Expected(9, 2),  # a photo is decoded larger for them
    "text": Expected(4, 1, vectors=False, seconds=0.5),
}
NAMES: Mapping[PartKind, str] = {
    "region": "regions",
    "page": "pages",
    "frame": "frames of films",
    "text": "lines of text",
}


@dataclass(frozen=True, slots=True)
class Cost:
    """`hours`: of this machine; None where no ingest tells how fast it is."""

    photos: int
    hours: float | None
    bytes: int


def of(kind: PartKind, photos: int, dims: int, last_ingest: Mapping[str, Any], cores: int) -> Cost:
    """Of one of the kinds in ASKED, for so many photos. `last_ingest`: as an index keeps it, which
    may be a stranger's."""
    parts, decoded, vectors, more = ASKED[kind]
    vector = 5 * dims if vectors else 0  # f32, and int8 in the search files
    size = photos * parts * (vector + _BYTES)
    embedded, seconds = last_ingest.get("embedded"), last_ingest.get("seconds")
    if not (isinstance(embedded, int) and 0 < embedded < 2**63 and isinstance(seconds, dict)):
        return Cost(photos, None, size)
    work = more * embedded
    for stage, times in (("read", 1), ("decode", decoded), ("embed", parts if vectors else 0)):
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


def said(
    photos: int,
    there: Mapping[PartKind, PartCount],
    dims: int,
    last_ingest: Mapping[str, Any],
    cores: int,
    asked: Collection[PartKind],
) -> Iterator[tuple[PartKind, str, bool]]:
    """For each kind that photos of an index have or may get: how many parts there are of how many
    photos, and what those of the other photos would cost; and whether there are such. `photos`: of
    the index. `asked`: the kinds that an ingest may be asked for."""
    for kind in NAMES:
        found = there.get(kind)
        if found is None and (kind not in ASKED or kind not in asked):
            continue
        told_of = ["none"] if found is None else [f"{found.parts:,} of {found.photos:,} photos"]
        lacking = photos - (0 if found is None else found.photos)
        may_get = lacking > 0 and kind in ASKED and kind in asked
        if may_get:
            told_of.append(told(of(kind, lacking, dims, last_ingest, cores)))
        yield kind, "; ".join(told_of), may_get
