"""What it would cost to look through photos for parts, as far as the last ingest tells."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from imgsearch.dataclass import dataclass
from imgsearch.index.base import PartCount, PartKind
from imgsearch.question import ALL

if TYPE_CHECKING:
    from typing import TypeGuard

    from imgsearch.index.base import Index, IndexInfo

_ONE_MB = 1e6
_BYTES = 80  # of a part besides its vector: its place, its rows in tables
_LONGEST = 1e12  # seconds
_MOST = 2**63  # of any number that an index keeps
PAGED = ("TIFF", "HEIF")  # formats of files that may have several pages
_LOOKED_AT = 0.01  # seconds of one core, for how many pages a file has
_FRAMES = 20  # of a film: of a short one each scene
_OPENED, _READ = 0.5, 10.0  # seconds of one core, for a film, and for a gigabyte of it


class Expected(NamedTuple):
    """Of an ordinary photo. `decoded`: times as long as for its own vector."""

    parts: int
    decoded: float
    vectors: bool = True
    seconds: float = 0.0  # of one core besides


# what every photo may have, if it is asked for
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


class Holding(NamedTuple):
    """What an index holds. `photos`: of which `paged` have a format of PAGED. `there`: parts by
    kind. `last_ingest`: as the index keeps it, which may be a stranger's."""

    photos: int
    paged: int
    there: Mapping[PartKind, PartCount]
    dims: int
    last_ingest: Mapping[str, Any]

    def photos_with(self, kind: PartKind) -> int:
        """How many were looked through for parts of that kind."""
        return self.there[kind].photos if kind in self.there else 0


def holding(index: Index, info: IndexInfo) -> Holding | None:
    """None: the index can hold no parts of photos, or nothing was ingested yet. `info`: its own."""
    if info.models is None or index.capabilities.no_parts is not None:
        return None
    formats = dict(index.facets(ALL, ["format"])["format"])
    paged = sum(formats.get(name, 0) for name in PAGED)
    return Holding(info.photos, paged, info.parts, info.models.dims, info.last_ingest or {})


def of(kind: PartKind, photos: int, dims: int, last_ingest: Mapping[str, Any], cores: int) -> Cost:
    """Of one of the kinds in ASKED, for so many photos."""
    parts, decoded, vectors, more = ASKED[kind]
    size = photos * parts * ((_of_vector(dims) if vectors else 0) + _BYTES)
    each = _seconds_each(last_ingest)
    if each is None:
        return Cost(photos, None, size)
    embedding = each["embed"] * (parts if vectors else 0)
    work = more + each["read"] + each["decode"] * decoded + embedding
    return Cost(photos, work * photos / max(1, cores) / 3600, size)


def of_films(last_ingest: Mapping[str, Any], dims: int, cores: int) -> Cost | None:
    """Of the films that the last ingest passed over. None: of none, as far as is known."""
    films, size = (last_ingest.get(name) for name in ("films", "film_bytes"))
    if not (_is_count(films) and films and _is_count(size)):
        return None
    room = films * _FRAMES * (_of_vector(dims) + _BYTES)
    each = _seconds_each(last_ingest)
    if each is None:
        return Cost(films, None, room)
    work = films * (_OPENED + _FRAMES * each["embed"]) + size / 1e9 * _READ
    return Cost(films, work / max(1, cores) / 3600, room)


def _of_vector(dims: int) -> int:
    """Bytes: f32, and int8 in the search files."""
    return 5 * dims


def _is_count(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < _MOST


def _seconds_each(last_ingest: Mapping[str, Any]) -> dict[str, float] | None:
    """Seconds of one core that each stage took for a photo. None: nothing was embedded."""
    embedded, seconds = last_ingest.get("embedded"), last_ingest.get("seconds")
    if not (_is_count(embedded) and embedded and isinstance(seconds, dict)):
        return None
    found = dict.fromkeys(("read", "decode", "embed"), 0.0)
    for stage in found:
        spent = seconds.get(stage)
        if isinstance(spent, (int, float)) and 0 <= spent < _LONGEST:
            found[stage] = spent / embedded
    return found


def told(cost: Cost) -> str:
    """For a person: "12,000 photos would take about 2.5 hours and 310 MB"."""
    photos = "1 photo" if cost.photos == 1 else f"{cost.photos:,} photos"
    return f"{photos} would take {_about(cost)}"


def _about(cost: Cost) -> str:
    room = _room(cost.bytes)
    if cost.hours is not None:
        return f"about {_duration(cost.hours)} and {room}"
    return room if cost.bytes < _ONE_MB else f"about {room}"


def _duration(hours: float) -> str:
    minutes = 60 * hours
    return f"{hours:.1f} hours" if minutes >= 90 else f"{max(1, minutes):.0f} min"


def _room(size: float) -> str:
    if size < _ONE_MB:
        return "less than 1 MB"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / _ONE_MB:.0f} MB"


def said(
    holding: Holding, cores: int, asked: Collection[PartKind]
) -> Iterator[tuple[PartKind, str, bool]]:
    """For each kind that photos of an index have or may get: how many parts there are of how many
    photos, and what those of the other photos would cost; and whether these have to be asked for.
    `asked`: the kinds that an ingest may be asked for."""
    for kind in NAMES:
        found = holding.there.get(kind)
        cost = _said_of_cost(kind, holding, cores, asked)
        if found is None and cost is None:
            continue
        absent = "not asked for" if kind in asked else "none"
        there = absent if found is None else f"{found.parts:,} in {found.photos:,} photos"
        yield kind, "; ".join(filter(None, [there, cost])), cost is not None and kind in asked


def _said_of_cost(
    kind: PartKind, holding: Holding, cores: int, asked: Collection[PartKind]
) -> str | None:
    """None: there is nothing more to be had, as far as is known."""
    if kind == "page":
        return _said_of_pages(holding, cores)
    if kind not in asked:
        return None
    if kind == "frame":
        cost = of_films(holding.last_ingest, holding.dims, cores)
        return None if cost is None else _said_of_films(cost, holding.last_ingest["film_bytes"])
    lacking = holding.photos - holding.photos_with(kind)
    if lacking <= 0:
        return None
    return told(of(kind, lacking, holding.dims, holding.last_ingest, cores))


def _said_of_pages(holding: Holding, cores: int) -> str | None:
    """How many pages a file has is not known before it is looked at."""
    lacking = holding.paged - holding.photos_with("page")
    if lacking <= 0:
        return None
    files = "1 TIFF or HEIC file" if lacking == 1 else f"{lacking:,} TIFF or HEIC files"
    hours = lacking * _LOOKED_AT / max(1, cores) / 3600
    return (
        f"the next ingest looks into {files}: about {_duration(hours)}, and as long as for a photo"
        f" for each page in them"
    )


def _said_of_films(cost: Cost, size: int) -> str:
    films = "1 film" if cost.photos == 1 else f"{cost.photos:,} films"
    return f"the last ingest passed over {films} ({_room(size)}): {_about(cost)}"
