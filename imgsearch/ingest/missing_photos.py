"""Photos that the index knows and that are not where they were, or are left out from now on:
counted as missing, or removed."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from itertools import islice
from typing import Literal, NamedTuple, TypeVar

from imgsearch import photos
from imgsearch.errors import Action, PhotoError
from imgsearch.escaping import shown
from imgsearch.index.base import Index, Record
from imgsearch.ingest.events import Event, Teller
from imgsearch.ingest.fingerprints import KnownPhotos
from imgsearch.ingest.options import Options, in_part
from imgsearch.ingest.relocated_libraries import within_folder
from imgsearch.ingest.result import Result
from imgsearch.ingest.sources import Job, emptied_folders, is_there
from imgsearch.ingest.stopwatch import Stopwatch
from imgsearch.photos import Skip, SkipReason, walk
from imgsearch.question import Filter
from imgsearch.roots import locations

T = TypeVar("T")
GONE_CHUNK = 512  # rows looked up and deleted at a time


class Departed(NamedTuple):
    """A photo that is not where it was. `path`: as `os.fsdecode` gives it."""

    id: str
    path: str


class Seen(NamedTuple):
    """What an ingest has come across. `met`: files of jobs that list them (library, relative path),
    if they are there. `moved`: the old ids of photos that have moved. `joined`: ids of RAWs that
    are part of another photo."""

    met: Container[tuple[str, bytes]]
    moved: Container[str]
    joined: Container[str]


class Unseen(NamedTuple):
    """Photos of a job that the index knows and the walk did not list: those whose file is gone,
    those that are left out from now on by their names, and RAWs that are part of another photo."""

    gone: list[Record]
    excluded: list[Record]
    joined: list[Record]


class Gone:
    """`may_remove` is asked before the photos of a whole folder are pruned. `excluded`: the
    patterns that a job leaves out."""

    def __init__(
        self,
        index: Index,
        options: Options,
        result: Result,
        stopwatch: Stopwatch,
        may_remove: Callable[[str], bool],
        excluded: Callable[[Job], Sequence[str]],
        tell: Teller,
    ) -> None:
        self._index, self._options, self._result = index, options, result
        self._stopwatch, self._may_remove, self._excluded = stopwatch, may_remove, excluded
        self._tell = tell

    def settle(
        self, jobs: Sequence[Job], known: KnownPhotos, seen: Seen, replaced: Sequence[Departed]
    ) -> None:
        """`replaced`: photos whose file is no picture any more. Raises PhotoError where a whole
        folder may not be removed."""
        self._seen = seen
        for job in jobs:
            self._settle(job, known)
        self._take_out(replaced, self._options.prune)

    def _settle(self, job: Job, known: KnownPhotos) -> None:
        unseen = self._unseen(job, known) if job.files is None else self._unmet(job)
        gone = unseen.gone
        prune = self._options.prune and not job.named
        self._result.named_missing += len(gone) if job.named else 0
        if prune and gone and not (self._options.sure or self._options.dry_run):
            self._ask_about_folders(job, gone)
        self._take_out([_departed(job, record) for record in gone], prune)
        self._remove([_departed(job, record) for record in unseen.joined])
        self._remove([_departed(job, record) for record in unseen.excluded], "excluded")

    def _ask_about_folders(self, job: Job, gone: Sequence[Record]) -> None:
        """A disk that is not mounted looks like a folder whose photos are all gone."""
        for folder, count in emptied_folders(job.root, gone).items():
            said = f"All {count:,} photos of {shown(folder)} are gone."
            if count == 1:
                said = f"The only photo of {shown(folder)} is gone."
            if not self._may_remove(said):
                raise PhotoError(
                    f"{said} Nothing was removed.",
                    "Is a disk not mounted? If they are gone for good",
                    Action("prune"),
                )

    def _take_out(self, gone: Sequence[Departed], prune: bool) -> None:
        """Counted as missing, or removed."""
        if prune:
            self._remove(gone)
            return
        self._result.missing += len(gone)
        self._result.gone += [("missing", each.path) for each in gone]
        self._tell(Event("missing", each.path) for each in gone)

    def _remove(
        self, gone: Sequence[Departed], kind: Literal["removed", "excluded"] = "removed"
    ) -> None:
        if kind == "removed":
            self._result.removed += len(gone)
        else:
            self._result.excluded += len(gone)
        self._result.gone += [(kind, each.path) for each in gone]
        for some in _some(gone, GONE_CHUNK):
            if not self._options.dry_run:
                with self._stopwatch("index"):
                    self._index.write([], [each.id for each in some])
            self._tell(Event(kind, each.path) for each in some)

    def _unseen(self, job: Job, known: KnownPhotos) -> Unseen:
        """Of a folder."""
        found = Unseen([], [], [])
        excluded = walk.excluder(self._excluded(job))
        unseen = known.unseen_of(self._index.ids(_within(job)))
        for ids in _some((id for id in unseen if in_part(id, self._options.part)), GONE_CHUNK):
            wanted = [id for id in ids if id not in self._seen.moved]
            for record in self._index.records(wanted).values():
                path = photos.path_bytes(record.relative_path, record.path_escaped)
                if not is_there(job.root, record):
                    found.gone.append(record)
                elif record.id in self._seen.joined:
                    found.joined.append(record)
                elif excluded(path):
                    found.excluded.append(record)
        return found

    def _unmet(self, job: Job) -> Unseen:
        """Of single files; of those that were named nothing is left out: it is said why each that
        was not met is none of the photos."""
        found = Unseen([], [], [])
        unmet = (f for f in sorted(job.files or ()) if (job.library, f) not in self._seen.met)
        for files in _some(unmet, GONE_CHUNK):
            ids = [photos.photo_id(job.library, file) for file in files]
            known = self._index.records([id for id in ids if id not in self._seen.moved])
            for file, id in zip(files, ids, strict=True):
                path = os.path.join(os.fspath(job.root), os.fsdecode(file))
                missing = locations.is_missing(os.fsencode(path))
                if missing and id in known:
                    found.gone.append(known[id])
                elif job.named and id not in self._seen.moved:
                    why = self._why_unmet(job, path, file, missing)
                    self._result.skipped.append(why)
                    self._tell.skipped([why])
                elif id in known and id in self._seen.joined:
                    found.joined.append(known[id])
                elif id in known and self._leaves_out(job, file):
                    found.excluded.append(known[id])
        return found

    def _leaves_out(self, job: Job, file: bytes) -> bool:
        return walk.leaves_out(file, self._excluded(job))

    def _why_unmet(self, job: Job, path: str, file: bytes, missing: bool) -> Skip:
        if missing:
            return Skip(path, SkipReason.ABSENT, "there is no such file")
        if self._leaves_out(job, file):
            return Skip(path, SkipReason.LEFT_OUT, "hidden, a system's own, or excluded")
        return Skip(path, SkipReason.UNREADABLE, "its folder cannot be read")


def _departed(job: Job, record: Record) -> Departed:
    relative = photos.path_bytes(record.relative_path, record.path_escaped)
    return Departed(record.id, os.path.join(os.fspath(job.root), os.fsdecode(relative)))


def _within(job: Job) -> Filter:
    """The records of the folder that is ingested."""
    if not job.within:
        return Filter.within(job.library)
    return within_folder([job.library], job.within)


def _some(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
