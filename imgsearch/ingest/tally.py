"""What each photo counts as in the result, until the index has taken it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from imgsearch.escaping import shown
from imgsearch.index.base import Failure, Row
from imgsearch.ingest.events import SILENT, Event, Kind, Teller
from imgsearch.ingest.fingerprints import KnownPhotos
from imgsearch.ingest.reading import Candidate
from imgsearch.ingest.result import Result
from imgsearch.photos import Skip, SkipReason
from imgsearch.photos.walk import Photo

log = logging.getLogger(__name__)


class Tally:
    """`dry_run`: nothing will be written. `tell` hears what became of each photo."""

    def __init__(
        self, result: Result, known: KnownPhotos, tell: Teller = SILENT, *, dry_run: bool
    ) -> None:
        self._result, self._known, self._tell, self._dry_run = result, known, tell, dry_run
        self._coming: dict[str, tuple[Photo, Event]] = {}  # by id

    def count(self, candidate: Candidate) -> None:
        self.count_as(candidate, "updated" if candidate.known else "added")

    def count_as(self, candidate: Candidate, kind: Kind, old_path: str = "") -> None:
        """`kind`: a number of the result. The photo's row is to be written. `old_path`: of one that
        was renamed."""
        setattr(self._result, kind, getattr(self._result, kind) + 1)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s %s", kind, shown(candidate.photo.path))
        event = Event(kind, candidate.photo.path, old_path)
        if self._dry_run:
            self._tell([event])
        else:
            self._coming[candidate.id] = candidate.photo, event

    def count_same(self, candidate: Candidate) -> None:
        """Its row says all of it already."""
        self._result.unchanged += 1
        self._known.confirm(candidate.id, candidate.photo)

    def skip(self, skip: Skip) -> None:
        self._result.skipped.append(skip)
        self._tell.skipped([skip])

    def tell_written(self, rows: Sequence[Row], failures: list[Failure]) -> list[Failure]:
        """Returns the failures. To be called as soon as they are written, on any thread: also where
        an interruption keeps `written` from being called."""
        refused = {id for id, _ in failures}
        ids = (row.record.id for row in rows)
        self._tell([self._coming[id][1] for id in ids if id not in refused])
        return failures

    def written(self, rows: Sequence[Row], failures: Sequence[Failure]) -> None:
        refused = dict(failures)
        for id in [row.record.id for row in rows]:
            photo, event = self._coming.pop(id)
            if id in refused:
                skip = Skip(photo.path, SkipReason.REFUSED, refused[id])
                self._result.take_back(event.kind, skip)
                self._tell.skipped([skip])
            else:
                self._known.confirm(id, photo)
