"""The last result list of each index, so that a photo can be named by its rank: @3. A file in the
cache folder holds ids, and of films the moments that were found; where a photo lies is asked of the
index again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch import paths, regular_files
from imgsearch.errors import Action, PhotoError

if TYPE_CHECKING:
    from imgsearch.results import Results

MOST = 10_000  # hits that are remembered
_RANK = re.compile(r"@([1-9]\d{0,8})")
_LONGEST = 4 << 20  # bytes of the file
_MOMENTS = "moments"  # beside the ranks
_LAST_SECOND = 1e7  # of a film


def rank(name: str) -> int | None:
    """3 for "@3", None for what is no rank; a file of that name is ./@3."""
    found = _RANK.fullmatch(name)
    return int(found[1]) if found else None


def remember(place: str, results: Results) -> None:
    """`place`: of the index. A cache that cannot be written remembers nothing."""
    hits = results.hits[:MOST]
    found: dict[str, object] = {str(hit.rank): hit.record.id for hit in hits}
    moments = {str(hit.rank): hit.moment for hit in hits if hit.moment is not None}
    if moments:
        found[_MOMENTS] = moments
    file = _file(place)
    with contextlib.suppress(OSError):
        paths.private_folder(file.parent)
        paths.write_whole(file, json.dumps(found))


def id_at(place: str, rank: int) -> str:
    """Of the photo that had this rank. Raises PhotoError where there was none."""
    ids = _read(place)
    id = ids.get(str(rank))
    if isinstance(id, str):
        return id
    ranks = [int(each) for each in ids if each.isascii() and each.isdecimal()]
    if not ranks:
        raise PhotoError(
            f"There is no last result list of {place}, so @{rank} names no photo.",
            "Search first.",
            Action("query"),
        )
    raise PhotoError(
        f"The last result list has no rank {rank}.",
        f"It has @{min(ranks)} to @{max(ranks)}; search again for others.",
    )


def moment_at(place: str, rank: int) -> float | None:
    """Where in the film of this rank something was found, in seconds from its start. None: it is no
    film, or nothing is known."""
    moments = _read(place).get(_MOMENTS)
    moment = moments.get(str(rank)) if isinstance(moments, dict) else None
    if isinstance(moment, bool) or not isinstance(moment, (int, float)):
        return None
    return float(moment) if 0 <= moment <= _LAST_SECOND else None


def is_older_than_another(place: str) -> bool:
    """Whether another index was searched after this one."""
    own = _file(place)
    with contextlib.suppress(OSError):
        return own != max(own.parent.glob("*.json"), key=lambda file: file.stat().st_mtime_ns)
    return False


def _read(place: str) -> dict[str, object]:
    """By rank; what is damaged is empty."""
    try:
        found = json.loads(regular_files.read(_file(place), limit=_LONGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _file(place: str) -> Path:
    name = hashlib.sha256(place.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return paths.cache_dir() / "last-results" / f"{name}.json"
