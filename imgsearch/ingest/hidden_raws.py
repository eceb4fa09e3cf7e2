"""RAWs that are one photo with the JPEG or HEIC of their name beside them, and are ingested after
all where that shows nothing."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from imgsearch import photos
from imgsearch.errors import Advice
from imgsearch.escaping import shown
from imgsearch.ingest.fingerprints import KnownPhotos
from imgsearch.ingest.parts import kinds_of
from imgsearch.ingest.prefetch import Ahead
from imgsearch.ingest.reading import Candidate
from imgsearch.ingest.rules import LeftOut
from imgsearch.photos import Skip, SkipReason, raw_pairs
from imgsearch.photos.walk import Listing, Photo

# not what may be better in a minute: a disk that is away, a file that may not be read
_SHOWS_NOTHING = (
    *(SkipReason.NOT_A_PICTURE, SkipReason.TRUNCATED, SkipReason.DAMAGED, SkipReason.EMPTY),
    SkipReason.UNSUPPORTED,
)


def raws_in(listing: Listing, ids: Sequence[str]) -> dict[str, list[bytes]]:
    """The relative paths of the RAWs that each picture of a folder stands for, by its id."""
    if not listing.joined:
        return {}
    behind = raw_pairs.behind(listing.names, listing.joined)
    return {
        id: [listing.prefix + raw for raw in behind[name]]
        for name, id in zip(listing.names, ids, strict=True)
        if name in behind
    }


class Candidates(Iterator[Candidate]):
    """What a walk has found; and RAWs, ahead of the rest, once the picture that stands for them was
    skipped. To be read by several threads."""

    def __init__(self, walked: Ahead[Candidate], known: KnownPhotos, left_out: LeftOut) -> None:
        self._walked, self._known, self._left_out = walked, known, left_out
        self._raws: deque[Candidate] = deque()
        self.released: set[str] = set()  # ids of RAWs that this walk takes for photos

    def __next__(self) -> Candidate:
        try:
            return self._raws.popleft()
        except IndexError:
            return next(self._walked)

    @property
    def has_raws(self) -> bool:
        return bool(self._raws)

    def close(self) -> None:
        self._walked.close()

    def instead_of(self, candidate: Candidate, skip: Skip) -> Skip:
        """Lets the RAWs follow that a skipped picture stands for; returns what is told of it."""
        if skip.reason not in _SHOWS_NOTHING:
            return skip
        names = [name for raw in candidate.raws if (name := self._release(candidate, raw))]
        if not names:
            return skip
        detail = f"{skip.detail}; {' and '.join(names)} beside it is read instead"
        if isinstance(skip.detail, Advice):
            detail = Advice(detail, skip.detail.action)
        return replace(skip, detail=detail)

    def _release(self, candidate: Candidate, relative: bytes) -> str:
        """The RAW's name, for a person; empty where it is gone or has been removed."""
        root, library = candidate.photo.root, candidate.library
        id = photos.photo_id(library, relative)
        try:
            status = os.lstat(os.path.join(root, os.fsdecode(relative)))
        except OSError:
            return ""
        if self._left_out.has_id(id):
            return ""
        about = photos.mtime_ns(status), photos.ctime_ns(status), photos.inode(status)
        raw = Photo(root, relative, status.st_size, *about)
        kinds = kinds_of(relative, set(candidate.parts) - {"page"}) if candidate.parts else ()
        known = bool(self._known.among([id]))
        self._raws.append(
            Candidate(id, library, raw, known=known, sidecar=candidate.sidecar, parts=kinds)
        )
        self.released.add(id)
        return shown(os.path.basename(raw.path))
