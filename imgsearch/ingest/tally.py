"""What each photo counts as in the result, until the index has taken it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from imgsearch.escaping import shown
from imgsearch.index.base import Failure, Row
from imgsearch.ingest.fingerprints import KnownPhotos
from imgsearch.ingest.result import Result
from imgsearch.ingest.steps import Candidate
from imgsearch.photos import Skip, SkipReason
from imgsearch.photos.walk import Photo

log = logging.getLogger(__name__)


class Tally:
    """`dry_run`: nothing will be written."""

    def __init__(self, result: Result, known: KnownPhotos, *, dry_run: bool) -> None:
        self._result, self._known, self._dry_run = result, known, dry_run
        self._coming: dict[str, tuple[Photo, str]] = {}  # by id

    def count(self, candidate: Candidate) -> None:
        self.count_as(candidate, "updated" if candidate.known else "added")

    def count_as(self, candidate: Candidate, name: str) -> None:
        """`name`: of a number of the result. The photo's row is to be written."""
        setattr(self._result, name, getattr(self._result, name) + 1)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s %s", name, shown(candidate.photo.path))
        if not self._dry_run:
            self._coming[candidate.id] = candidate.photo, name

    def count_same(self, candidate: Candidate) -> None:
        """Its row says all of it already."""
        self._result.unchanged += 1
        self._known.confirm(candidate.id, candidate.photo)

    def written(self, rows: Sequence[Row], failures: Sequence[Failure]) -> None:
        refused = dict(failures)
        for id in [row.record.id for row in rows]:
            photo, name = self._coming.pop(id)
            if id in refused:
                self._result.take_back(name, Skip(photo.path, SkipReason.REFUSED, refused[id]))
            else:
                self._known.confirm(id, photo)
