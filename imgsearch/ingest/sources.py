"""Which folder is which library: named root folders. The index knows names; each machine knows its
own roots (`imgsearch.roots`)."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch import photos
from imgsearch.dataclass import dataclass
from imgsearch.errors import Action, PhotoError, UsageError
from imgsearch.escaping import is_safe, shell_quoted, shown
from imgsearch.ingest import relocated_libraries
from imgsearch.ingest.relocated_libraries import within_folder
from imgsearch.question import Filter, Folder
from imgsearch.roots import Roots, locations, sample
from imgsearch.roots.locations import Root

if TYPE_CHECKING:
    from imgsearch.index.base import Index, Record


@dataclass(frozen=True, slots=True)
class Job:
    """What to ingest of a library: its folder `within` (relative to the root, "" for all), or
    `files` alone (relative too; then `within` is ""). `named`: somebody named these files, so it is
    said what became of each, and nothing is pruned; else they are all that the library holds.
    `follow_links`: whatever `Options` say."""

    library: str
    root: Path
    within: bytes = b""
    files: frozenset[bytes] | None = None
    named: bool = False
    follow_links: bool = False

    @property
    def folder(self) -> Path:
        return Path(os.path.join(self.root, os.fsdecode(self.within)))


def check_directory(directory: Path) -> None:
    """Raises PhotoError where there is no such folder."""
    if not directory.is_dir():
        what = "is a file, not a folder" if directory.exists() else "does not exist"
        raise PhotoError(f"{shown(directory)} {what}.", "Name a folder of pictures.")


def jobs_for(
    directories: Sequence[Path],
    name: str | None,
    roots: Roots,
    index: Index,
    note: Callable[[str], None],
) -> list[Job]:
    """The libraries that folders belong to, without folders inside another one that is named too.
    Changes nothing. Raises PhotoError (no such folder, nothing in it) and UsageError (a name that
    belongs to another root, or would to two)."""
    jobs: list[Job] = []
    for directory in directories:
        job = job_for(directory, name, roots, index, note)
        check_not_empty(job)
        jobs.append(job)
    check_names(jobs, roots, index)
    return distinct(jobs)


def check_names(jobs: Iterable[Job], roots: Roots, index: Index) -> None:
    """Raises UsageError where two folders would be the same library."""
    seen: dict[str, Path] = {}
    for job in jobs:
        other = seen.setdefault(job.library, job.root)
        if other != job.root:
            raise UsageError(
                f"{shown(other)} and {shown(job.root)} would both be the library {job.library!r}.",
                "Ingest them one after the other, the second with a name of its own",
                Action("name a library", {"name": _free_name(job.library, roots, index)}),
            )


def job_for(
    directory: Path, name: str | None, roots: Roots, index: Index, note: Callable[[str], None]
) -> Job:
    """The library that a folder belongs to, by what is known of it. Changes nothing.
    Raises PhotoError (no such folder) and UsageError (the name belongs to another root)."""
    check_directory(directory)
    directory = Path(os.path.realpath(directory))
    inside = _known_root_around(directory, roots)
    if inside is not None:
        library, root = inside
        check_belongs(directory, name, library)
        relative = os.fsencode(directory.relative_to(root).as_posix())
        return Job(library, root, b"" if relative == b"." else relative)
    part = relocated_libraries.part_of_library(directory, name, roots, index)
    if part is not None:
        library, root, within = part
        note(
            f"{shown(directory)} is a part of the library {library!r}: its folder {shown(within)}."
        )
        return Job(library, root, within)
    return new_library(directory, name, roots, index, note)


def check_belongs(path: Path | str, name: str | None, library: str) -> None:
    """`library`: the one that a folder or file is in. Raises UsageError where another is named."""
    if name not in (None, library):
        raise UsageError(
            f"{shown(path)} belongs to the library {library!r} already; as {name!r} its photos"
            " would be in the index twice.",
            f"Name no other library, or take it out of {library!r} first",
            Action("remove a folder", {"folder": shell_quoted(os.fsencode(path))}),
        )


def new_library(
    directory: Path, name: str | None, roots: Roots, index: Index, note: Callable[[str], None]
) -> Job:
    """A folder in no known library as one of its own. Raises UsageError (the name is another's, or
    cannot be a library's)."""
    moved = None if name else _moved_here(directory, roots, index, note)
    library = name or moved or directory.name or "photos"
    if not is_safe(library):
        raise UsageError(
            f"{shown(directory)} has a name that cannot be a library's.",
            "Give one",
            Action("name a library", {"name": "NAME"}),
        )
    if moved is None:
        _check_name(library, directory, roots, index, note)
    return Job(library, directory)


def _moved_here(
    directory: Path, roots: Roots, index: Index, note: Callable[[str], None]
) -> str | None:
    """The library whose root is gone, and whose photos lie in this folder under another name."""
    for library, root in roots.items():
        if root.is_dir() or library == directory.name or library not in index.libraries():
            continue
        there, sampled = sample(library, directory, index)
        if sampled and 2 * there >= sampled:
            note(f"Library {library!r} has moved from {shown(root)} to {shown(directory)}.")
            return library
    return None


def inner_libraries(job: Job, roots: Roots, index: Index) -> list[str]:
    """Libraries whose folder lies inside the one that is ingested: their photos are its own now."""
    if job.within or job.files is not None:
        return []
    known = index.libraries()
    return [
        library
        for library, root in roots.all().items()
        if library != job.library
        and library in known
        and job.root in root.path.parents
        and not root.within  # the rest of it lies elsewhere
    ]


def files_around(job: Job, roots: Roots) -> list[Filter]:
    """Photos in a folder that is ingested, which are in a library of single files besides."""
    if job.files is not None:
        return []
    folder, found = job.folder, []
    for library, root in roots.items():
        if library != job.library and root in folder.parents and roots.only_files(library):
            relative = os.fsencode(folder.relative_to(root).as_posix())
            found.append(within_folder([library], relative))
    return found


def _known_root_around(directory: Path, roots: Roots) -> tuple[str, Path] | None:
    """A library of single files does not hold the folders beside them."""
    around = [
        (name, root.path)
        for name, root in roots.all().items()
        if directory == root.path
        or (
            root.path in directory.parents
            and not root.only_files
            and root.covers(os.fsencode(directory.relative_to(root.path).as_posix()))
        )
    ]
    return max(around, key=lambda found: len(found[1].parts), default=None)


def _check_name(
    library: str, directory: Path, roots: Roots, index: Index, note: Callable[[str], None]
) -> None:
    known = roots.get(library)
    if known == directory or (known is None and library not in index.libraries()):
        return
    moved = known is None or not known.is_dir()
    if moved and relocated_libraries.holds_its_photos(library, directory, index):
        if known is not None:
            note(f"Library {library!r} has moved from {shown(known)} to {shown(directory)}.")
        return
    where = f"the folder {shown(known)}" if known else "a folder of another machine"
    raise UsageError(
        f"The name {library!r} belongs to {where}; {shown(directory)} is another one.",
        "Give this one a name of its own",
        Action("name a library", {"name": _free_name(library, roots, index)}),
    )


def _free_name(library: str, roots: Roots, index: Index) -> str:
    taken = {name for name, _ in roots.items()} | set(index.libraries())
    return next(
        name for name in (f"{library}-{n}" for n in itertools.count(2)) if name not in taken
    )


def distinct(jobs: Iterable[Job]) -> list[Job]:
    """The jobs without folders and files that lie inside another named folder."""
    kept: list[Job] = []
    # by parts: "a", "a/x", "a-b", where bytes alone would put "a-b" in between
    jobs = sorted(jobs, key=lambda job: (job.library, job.within.split(b"/")))
    for job in jobs:
        if job.files is not None:
            continue
        last = kept[-1] if kept else None
        if last is not None and last.library == job.library:
            inside = job.within.startswith(last.within + b"/") or not last.within
            if inside or job.within == last.within:
                continue
        kept.append(job)
    files = [_without_files_in(kept, job) for job in jobs if job.files is not None]
    return kept + [job for job in files if job.files]


def _without_files_in(folders: Sequence[Job], job: Job) -> Job:
    within = tuple(f.within and f.within + b"/" for f in folders if f.library == job.library)
    return replace(job, files=frozenset(f for f in job.files or () if not f.startswith(within)))


def path_of(root: Path, record: Record) -> str:
    """Where the photo lies or lay, for a person; a path that no file can have as it is recorded."""
    relative = locations.relative_bytes(record.relative_path, record.path_escaped)
    named = record.relative_path if relative is None else os.fsdecode(relative)
    return os.path.join(os.fspath(root), named)


def is_there(root: Path, record: Record) -> bool:
    """Whether a file lies at the photo's path. False only where there is none for sure: no
    permission is no proof."""
    relative = locations.relative_bytes(record.relative_path, record.path_escaped)
    if relative is None:  # no file can have that path
        return False
    return not locations.is_missing(os.path.join(os.fsencode(root), relative))


def has_entries(folder: bytes) -> bool:
    """Whether a folder holds anything that a person put there: what hides, and what only systems
    write, lies on a disk's mount point too."""
    try:
        with os.scandir(folder) as entries:
            return any(not photos.is_systems_own(entry.name) for entry in entries)
    except OSError:
        return False


def emptied_folders(root: Path, gone: Sequence[Record]) -> dict[Path, int]:
    """Folders below a root that hold nothing or are gone themselves, with how many of the photos
    lay in each: the uppermost ones alone."""
    counts: dict[bytes, int] = {}
    for record in gone:
        relative = locations.relative_bytes(record.relative_path, record.path_escaped)
        if relative is not None:
            folder = _uppermost_empty(os.fsencode(root), relative.split(b"/")[:-1])
            if folder is not None:
                counts[folder] = counts.get(folder, 0) + 1
    return {Path(os.fsdecode(folder)): count for folder, count in counts.items()}


def _uppermost_empty(root: bytes, parts: Sequence[bytes]) -> bytes | None:
    folder = root
    for part in parts:
        folder = os.path.join(folder, part)
        if not has_entries(folder):
            return folder
    return None


def check_not_empty(job: Job) -> None:
    """An unmounted disk looks like an empty folder: nothing may be concluded from it."""
    if job.files is not None:
        return
    folder = os.path.join(os.fsencode(job.root), job.within)
    if not os.access(folder, os.R_OK | os.X_OK) and os.path.isdir(folder):
        raise PhotoError(
            f"{shown(folder)} cannot be read: Permission denied; nothing was changed.",
            "Allow yourself to read it (ls -ld shows who may), then ingest it again.",
        )
    if not has_entries(folder):
        raise PhotoError(
            f"{shown(folder)} is empty; nothing was changed.",
            "Is a disk not mounted? To take its photos out of the index",
            Action("remove a folder", {"folder": shell_quoted(folder)}),
        )


def check_all_reachable(index: Index, roots: Roots, prune: bool) -> None:
    """Before everything is embedded anew: what cannot be read now would be lost.
    Raises PhotoError, naming the libraries, unless `prune` gives them up."""
    known = roots.all()
    away = []
    for name, summary in index.libraries().items():
        root = known.get(name)
        if root is None or not has_entries(os.fsencode(root.path)):
            away.append(name)
        elif root.within and index.count(_covered(name, root)) < summary.photos:
            folders = ", ".join(map(shown, root.within))
            away.append(f"{name} (but for {folders})")
    if away and not prune:
        raise PhotoError(
            f"Not within reach: {', '.join(away)}. Embedding anew would lose their photos.",
            "Mount or ingest their folders first, or give their photos up",
            Action("give up what is away"),
        )


def _covered(library: str, root: Root) -> Filter:
    each = [within_folder([library], within).under for within in root.within]
    return Filter(under=tuple(itertools.chain.from_iterable(each)) or (Folder(library),))
