"""Which folders are watched, and what is to be ingested when something changed in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.dataclass import dataclass
from imgsearch.errors import UsageError
from imgsearch.ingest import known_libraries, rules, sources
from imgsearch.ingest.rules import Rules
from imgsearch.ingest.sources import Job
from imgsearch.photos import walk
from imgsearch.roots import Roots

if TYPE_CHECKING:
    from imgsearch.index.base import Index

Note = Callable[[str], None]
Place = tuple[str, Path, bytes]  # a library, its root, a folder in it


@dataclass(frozen=True, slots=True)
class Target:
    """A library's folder, or a folder of it (`within`, relative to the root). `exclude`: the
    patterns of what is left out of it."""

    library: str
    root: Path
    within: bytes = b""
    exclude: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return Path(os.path.join(self.root, os.fsdecode(self.within)))

    @property
    def identity(self) -> tuple[int, int] | None:
        """Of the folder that is there now: another disk's is another one. None: there is none, or
        it is empty, as a mount point is without its disk."""
        try:
            status = os.stat(self.folder)
        except OSError:
            return None
        if not sources.has_entries(os.fsencode(self.folder)):
            return None
        return status.st_dev, status.st_ino


def targets(
    folders: Sequence[str], roots: Roots, index: Index, exclude: Sequence[str], note: Note
) -> list[Target]:
    """`folders`: of libraries that are known, or new ones; without any, all libraries of this
    machine. Those that are not there now are among them. `exclude`: patterns besides the
    libraries' own. Raises UsageError, PhotoError."""
    known = [
        (name, root.path, within)
        for name, root in sorted(roots.all().items())
        if roots.registered(name)
        for within in root.within or (b"",)
    ]
    if not folders and not known:
        raise UsageError(
            "No folder is named, and none has been ingested into this index on this machine.",
            "Name one: imgsearch watch ./photos",
        )
    wanted = [_named(folder, known, roots, index, note) for folder in folders] or known
    left_out = rules.of(index)
    return [
        Target(name, root, within, (*left_out.get(name, Rules()).exclude, *exclude))
        for name, root, within in dict.fromkeys(wanted)
    ]


def _named(folder: str, known: Sequence[Place], roots: Roots, index: Index, note: Note) -> Place:
    """A known folder need not be there; another one must."""
    real = os.path.realpath(folder)
    for library, root, within in known:
        if real == os.path.join(root, os.fsdecode(within)).rstrip(os.sep):
            return library, root, within
    job = sources.job_for(Path(real), None, roots, index, note)
    return job.library, job.root, job.within


def jobs(target: Target, changed: set[str] | None, roots: Roots, index: Index) -> list[Job]:
    """What to ingest for these paths; None: for the whole folder."""
    root = roots.root(target.library)
    links = root is not None and root.follow_links
    single = None
    if root is not None and root.only_files:
        [whole] = known_libraries.jobs_of(target.library, root, index)
        single = whole.files or frozenset()
    if changed is None:
        files = single
        return [Job(target.library, target.root, target.within, files, follow_links=links)]
    folders: set[bytes] = set()
    names: set[bytes] = set()
    for path in changed:
        relative = os.fsencode(os.path.relpath(path, target.root).replace(os.sep, "/"))
        (folders if os.path.isdir(path) else names).add(relative)
    files = frozenset(_with_described(target.root, names))
    if single is not None:  # others beside them are none of this library
        folders, files = set(), files & single
    found = [Job(target.library, target.root, each, follow_links=links) for each in folders]
    found.append(Job(target.library, target.root, files=files, follow_links=links))
    return sources.distinct(found)


def _with_described(root: Path, files: Iterable[bytes]) -> Iterable[bytes]:
    """The files, and the photos that those among them describe (`photo.jpg.xmp`, `photo.xmp`)."""
    for file in files:
        yield file
        folder, _, name = file.rpartition(b"/")
        if not name.lower().endswith(b".xmp"):
            continue
        try:
            names = os.listdir(os.path.join(os.fsencode(root), folder))
        except OSError:
            continue
        stem = name[: -len(b".xmp")]
        for other in names:
            if other != name and stem in (other, os.path.splitext(other)[0]):
                yield folder + b"/" + other if folder else other


def is_ignored(target: Target, index_folder: Path | None) -> Callable[[str], bool]:
    """Whether a path is none that an ingest would look at: hidden, a system's, excluded, or of the
    index itself, which each ingest changes."""
    own = None if index_folder is None else os.path.realpath(index_folder)

    def ignored(path: str) -> bool:
        if own is not None and (path == own or path.startswith(os.path.join(own, ""))):
            return True
        relative = os.fsencode(os.path.relpath(path, target.root).replace(os.sep, "/"))
        return relative == b"." or walk.leaves_out(relative, target.exclude)

    return ignored
