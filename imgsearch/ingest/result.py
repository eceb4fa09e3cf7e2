"""What an ingest did."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from imgsearch.dataclass import dataclass
from imgsearch.ingest.not_re_embedded import Lost
from imgsearch.photos import Skip

ADDED_UP = (
    *("added", "updated", "renamed", "removed", "excluded", "embedded", "described"),
    *("looked_through", "read"),
)


Left = Literal["removed", "excluded", "missing"]


@dataclass(slots=True)
class Result:
    """What an ingest did, in photos; `seconds` of work by stage, added up over the threads, and of
    the clock until the model was ready."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    renamed: int = 0
    removed: int = 0
    excluded: int = 0  # taken out, since their names are left out from now on
    missing: int = 0  # gone from disk, kept in the index
    named_missing: int = 0  # of these, files that were named one by one
    left_out: int = 0  # removed before, so not taken in again
    joined: int = 0  # RAWs and short films that are one photo with the picture beside them
    films: int = 0  # that were passed over, since films are not asked for
    film_bytes: int = 0  # of these
    documents: int = 0  # SVG, PDF, EPS and the like, which hold no pixels
    embedded: int = 0
    looked_through: int = 0  # unchanged photos, for parts that they had not
    read: int = 0  # of the embedded and looked through ones, those in which text was looked for
    described: int = 0  # the same bytes; metadata was read again, and nothing embedded
    skipped: list[Skip] = field(default_factory=list)
    incomplete: list[Skip] = field(default_factory=list)  # taken in without some of their pages
    gone: list[tuple[Left, str]] = field(default_factory=list)  # paths
    lost: list[Lost] = field(default_factory=list)  # in the index until it was embedded anew
    seconds: dict[str, float] = field(default_factory=dict)

    def include(self, later: Result) -> None:
        """Adds what a second run over the same photos did."""
        for name in ADDED_UP:
            setattr(self, name, getattr(self, name) + getattr(later, name))
        for name in (
            "missing",
            "named_missing",
            "left_out",
            "joined",
            "films",
            "film_bytes",
            "documents",
            "skipped",
            "gone",
        ):
            setattr(self, name, getattr(later, name))
        self.incomplete += later.incomplete
        for stage, spent in later.seconds.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent

    def take_back(self, name: str, skip: Skip) -> None:
        """One photo that was counted as `name` was skipped instead."""
        setattr(self, name, getattr(self, name) - 1)
        self.skipped.append(skip)

    @property
    def done(self) -> int:
        known = self.updated + self.unchanged + self.described + self.renamed
        return self.added + known + self.looked_through + self.left_out + len(self.skipped)
