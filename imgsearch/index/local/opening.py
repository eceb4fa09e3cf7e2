"""Opening an index on this machine, or making one."""

from __future__ import annotations

from pathlib import Path

from imgsearch.errors import IndexDamaged
from imgsearch.index.local.generations import DATABASE, IndexFolder
from imgsearch.index.local.index import LocalIndex
from imgsearch.index.local.search_files.segments import Limits


def open_local(folder: Path, *, create: bool, limits: Limits | None = None) -> LocalIndex:
    """Raises IndexNotFound where there is none and `create` is not set."""
    place = IndexFolder(folder.absolute())
    for attempt in range(5):
        generation = place.current(create=create)
        if create or (generation / DATABASE).exists():
            index = LocalIndex(place, generation, limits or Limits())
            index.complete_erasing()
            return index
        if attempt and place.current(create=False) == generation:
            break  # not a `promote` between our two looks
    raise IndexDamaged(
        f"The index at {folder} is damaged: {generation / DATABASE} is missing.",
        "Bring the folder back from a backup, or ingest again.",
    )
