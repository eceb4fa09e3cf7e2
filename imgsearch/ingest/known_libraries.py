"""What an ingest without folders looks at: the libraries that this machine has ingested before."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.errors import Action, Advice, PhotoError, UsageError
from imgsearch.escaping import shell_quoted, shown
from imgsearch.ingest.sources import Job, distinct, has_entries
from imgsearch.photos import Skip, SkipReason
from imgsearch.question import Filter
from imgsearch.roots import FOLDER_AWAY, Roots, locations, said_of_folder_away
from imgsearch.roots.locations import Root

if TYPE_CHECKING:
    from imgsearch.index.base import Index

_AT_A_TIME = 512  # records


def known_jobs(
    name: str | None, roots: Roots, index: Index, note: Callable[[str], None]
) -> tuple[list[Job], list[Skip]]:
    """A job for each library that was ingested on this machine (`name`: for that one alone), and
    those that are not within reach, of which nothing is concluded. Raises UsageError (there is
    none) and PhotoError (none is within reach)."""
    jobs: list[Job] = []
    away: list[tuple[str, Path]] = []
    hinted: list[tuple[str, Path]] = []
    for library, root in sorted(roots.all().items()):
        if name not in (None, library):
            continue
        if not roots.registered(library):
            hinted.append((library, root.path))
            continue
        for job in jobs_of(library, root, index):
            if has_entries(os.fsencode(job.folder)):
                jobs.append(job)
            else:
                away.append((library, job.folder))
    if not jobs:
        raise _nothing_to_do(name, roots, away, hinted)
    for one in hinted:
        message, action = _never_ingested_here([one])
        note(Advice(f"{message} {_IF_RIGHT}", action))
    return jobs, [
        Skip(str(folder), SkipReason.UNREACHABLE, f"library {library!r}; is a disk not mounted?")
        for library, folder in away
    ]


def _nothing_to_do(
    name: str | None,
    roots: Roots,
    away: Sequence[tuple[str, Path]],
    hinted: Sequence[tuple[str, Path]],
) -> UsageError | PhotoError:
    if away:
        folders = " ".join(said_of_folder_away(*each) for each in away)
        return PhotoError(f"{folders} Nothing was changed.", FOLDER_AWAY, FOLDER_AWAY.action)
    if hinted:
        message, action = _never_ingested_here(hinted)
        return UsageError(message, _IF_RIGHT, action)
    if name is not None:
        here = ", ".join(shown(library) for library, _ in roots.items()) or "none"
        return UsageError(
            f"No library {name!r} has been ingested on this machine.",
            f"Known are: {here}. To ingest another, name its folder",
            Action("ingest as a library"),
        )
    return UsageError(
        "No folder is named, and none has been ingested into this index on this machine.",
        "Name one",
        Action("ingest", {"folder": "./photos"}),
    )


_IF_RIGHT = "If that is right, ingest it once"


def _never_ingested_here(hinted: Sequence[tuple[str, Path]]) -> tuple[str, Action]:
    """What to say of libraries whose folders only the index names, and what to do."""
    each = " and ".join(f"{library!r} lies in {shown(folder)}" for library, folder in hinted)
    folders = " ".join(shell_quoted(os.fsencode(folder)) for _, folder in hinted)
    return (
        f"The index says that library {each}; this machine has not ingested it yet.",
        Action("ingest", {"folder": folders}),
    )


def check_all_ingested_here(roots: Roots) -> None:
    """Before everything in the roots is read anew: the index alone may not say what that is.
    Raises PhotoError."""
    hinted = [each for each in roots.items() if not roots.registered(each[0])]
    if hinted:
        message, action = _never_ingested_here(hinted)
        raise PhotoError(message, _IF_RIGHT, action)


def all_jobs(roots: Roots, index: Index) -> list[Job]:
    """For all that was ingested on this machine and is there now."""
    jobs = [job for name, root in roots.all().items() for job in jobs_of(name, root, index)]
    return distinct(job for job in jobs if job.folder.is_dir())


def jobs_of(library: str, root: Root, index: Index) -> list[Job]:
    """All of a library that this machine has: its folder, folders of it, or single files."""
    links = root.follow_links
    if root.only_files:
        files = frozenset(_files(library, index))
        return [Job(library, root.path, files=files, follow_links=links)]
    folders = root.within or (b"",)
    return [Job(library, root.path, within, follow_links=links) for within in folders]


def _files(library: str, index: Index) -> Iterator[bytes]:
    ids = iter(index.ids(Filter.within(library)))
    while some := list(islice(ids, _AT_A_TIME)):
        for record in index.records(some).values():
            relative = locations.relative_bytes(record.relative_path, record.path_escaped)
            if relative is not None:
                yield relative
