"""What an ingest is asked to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path

from imgsearch.dataclass import dataclass
from imgsearch.index.part_kinds import PartKind
from imgsearch.ingest.batch_size import Limits
from imgsearch.ingest.events import Event
from imgsearch.thumbnails import Thumbnails


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    limits: Limits = field(default_factory=Limits)
    max_megapixels: float = 250.0
    exclude: Sequence[str] = ()  # in this run
    exclude_for_good: Sequence[str] = ()  # from now on, as a rule of the libraries
    forget_excluded: bool = False  # what was excluded for good until now
    include_removed: bool = False  # take photos in again that were removed
    raw_apart: bool | None = None  # a RAW and its JPEG are two photos; None: as before
    # which kinds of parts photos are looked through for from now on, as a rule of the libraries;
    # a kind that is not named: as before
    parts: Mapping[PartKind, bool] = field(default_factory=dict)
    recogniser: Path | None = None  # a network that reads text, in place of the extra's
    follow_links: bool = False
    limit: int | None = None  # new or changed photos
    dry_run: bool = False  # nothing is embedded or written
    prune: bool = False
    sure: bool = False  # do not ask before a folder whose photos are all gone is pruned
    thumbnails: Thumbnails | None = None  # in which one of each new photo is put
    # hears what became of each file, from several threads, one at a time
    report: Callable[[Event], None] | None = None
    part: tuple[int, int] | None = None  # (1, 4): the first of four parts, split by photo id


def in_part(id: str, part: tuple[int, int] | None) -> bool:
    """Whether a photo belongs to part i of n, by its id: the same answer on every machine."""
    return part is None or int(id[:8], 16) % part[1] == part[0] - 1
