"""Libraries: named root folders. The index knows names; each machine knows its own roots.

A root is found by the hint that a local index keeps (relative to its own folder, so that index and
photos can move together), else by this machine's registry, a JSON file in the data folder."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch import photos
from imgsearch.errors import PhotoError, UsageError
from imgsearch.escaping import is_safe, shown

if TYPE_CHECKING:
    from imgsearch.index.base import Index, Record

SAMPLE = 50  # photos of a known library that are looked for under a root that claims its name


@dataclass(frozen=True, slots=True)
class Job:
    """A folder to ingest: `within` is its relative path inside the library's root, "" for all."""

    library: str
    root: Path
    within: bytes = b""


class Roots:
    """This machine's roots of one index's libraries."""

    def __init__(self, index: Index, registry: Path, index_folder: Path | None) -> None:
        self._index = index
        self._index_folder = index_folder  # None: a cluster
        self._registry = registry
        self._index_id = index.index_id
        self._known: dict[str, Path] = {}
        self._load()

    def __getitem__(self, library: str) -> Path:
        return self._known[library]

    def get(self, library: str) -> Path | None:
        return self._known.get(library)

    def items(self) -> list[tuple[str, Path]]:
        return sorted(self._known.items())

    def _load(self) -> None:
        for name, root in self._read_registry().get(self._index_id, {}).items():
            self._known[name] = Path(root)
        if self._index_folder is None:
            return
        for name, summary in self._index.libraries().items():
            if summary.root_hint is not None:
                hinted = Path(os.path.normpath(self._index_folder / summary.root_hint))
                if hinted.is_dir():
                    self._known[name] = hinted

    def _read_registry(self) -> dict[str, dict[str, str]]:
        try:
            found: dict[str, dict[str, str]] = json.loads(self._registry.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise UsageError(
                f"{self._registry} cannot be read: {error}.",
                "Remove the file; the next ingest of each folder writes it again.",
            ) from None
        return found

    def remember(self, library: str, root: Path) -> None:
        from filelock import FileLock

        self._known[library] = root
        self._registry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(f"{self._registry}.lock"):
            known = self._read_registry()
            known.setdefault(self._index_id, {})[library] = str(root)
            self._write_registry(known)
        self._index.set_root_hint(library, self._hint(root))

    def _hint(self, root: Path) -> str | None:
        """Relative, where index and photos lie together: one in the other, or side by side."""
        if self._index_folder is None:
            return None
        beside = self._index_folder.parent
        if root == beside or root in beside.parents or root.parent == beside:
            return os.path.relpath(root, self._index_folder).replace(os.sep, "/")
        return None

    def forget(self, library: str) -> None:
        from filelock import FileLock

        self._known.pop(library, None)
        with FileLock(f"{self._registry}.lock"):
            known = self._read_registry()
            if known.get(self._index_id, {}).pop(library, None) is not None:
                self._write_registry(known)

    def _write_registry(self, known: dict[str, dict[str, str]]) -> None:
        partial = self._registry.with_suffix(".partial")
        partial.write_text(json.dumps(known, indent=1), "utf-8")  # ASCII: any name survives
        partial.chmod(0o600)
        partial.replace(self._registry)


def check_directory(directory: Path) -> None:
    """Raises PhotoError where there is no such folder."""
    if not directory.is_dir():
        what = "is a file, not a folder" if directory.exists() else "does not exist"
        raise PhotoError(f"{shown(directory)} {what}.", "Name a folder of pictures.")


def job_for(
    directory: Path, name: str | None, roots: Roots, index: Index, note: Callable[[str], None]
) -> Job:
    """The library that a folder belongs to, by what is known of it. Changes nothing.
    Raises PhotoError (no such folder) and UsageError (the name belongs to another root)."""
    check_directory(directory)
    directory = Path(os.path.realpath(directory))
    inside = _known_root_around(directory, roots)
    if inside is not None and (name is None or name == inside[0]):
        library, root = inside
        relative = os.fsencode(directory.relative_to(root).as_posix())
        return Job(library, root, b"" if relative == b"." else relative)
    library = name or directory.name or "photos"
    if not is_safe(library):
        raise UsageError(
            f"{shown(directory)} has a name that cannot be a library's.",
            "Give one: --library NAME",
        )
    _check_name(library, directory, roots, index, note)
    return Job(library, directory)


def _known_root_around(directory: Path, roots: Roots) -> tuple[str, Path] | None:
    around = [
        (name, root)
        for name, root in roots.items()
        if directory == root or root in directory.parents
    ]
    return max(around, key=lambda found: len(found[1].parts), default=None)


def _check_name(
    library: str, directory: Path, roots: Roots, index: Index, note: Callable[[str], None]
) -> None:
    known = roots.get(library)
    if known == directory or (known is None and library not in index.libraries()):
        return
    moved = known is None or not known.is_dir()
    if moved and _holds_its_photos(library, directory, index):
        if known is not None:
            note(f"Library {library!r} has moved from {shown(known)} to {shown(directory)}.")
        return
    where = f"the folder {shown(known)}" if known else "a folder of another machine"
    raise UsageError(
        f"The name {library!r} belongs to {where}; {shown(directory)} is another one.",
        f"Give this one a name of its own: --library {_free_name(library, roots, index)}",
    )


def _holds_its_photos(library: str, directory: Path, index: Index) -> bool:
    """At least half of a sample of the library's photos lie there, with their sizes."""
    from imgsearch.index.base import Filter

    sample = list(itertools.islice(index.ids(Filter(library)), SAMPLE))
    found = 0
    for record in index.records(sample).values():
        relative = photos.path_bytes(record.relative_path, record.path_escaped)
        path = os.path.join(os.fsencode(directory), relative)
        try:
            found += os.stat(path).st_size == record.size
        except OSError:
            continue
    return 2 * found >= len(sample)


def _free_name(library: str, roots: Roots, index: Index) -> str:
    taken = {name for name, _ in roots.items()} | set(index.libraries())
    return next(
        name for name in (f"{library}-{n}" for n in itertools.count(2)) if name not in taken
    )


def distinct(jobs: Iterable[Job]) -> list[Job]:
    """Without folders that lie inside another one that is named too."""
    kept: list[Job] = []
    for job in sorted(jobs, key=lambda job: (job.library, job.within)):
        last = kept[-1] if kept else None
        if last is not None and last.library == job.library:
            inside = job.within.startswith(last.within + b"/") or not last.within
            if inside or job.within == last.within:
                continue
        kept.append(job)
    return kept


def is_there(root: Path, record: Record) -> bool:
    """False only where the file is gone for sure: no permission is no proof."""
    relative = photos.path_bytes(record.relative_path, record.path_escaped)
    try:
        os.lstat(os.path.join(os.fsencode(root), relative))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def has_entries(folder: bytes) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except OSError:
        return False


def check_not_empty(job: Job) -> None:
    """An unmounted disk looks like an empty folder: nothing may be concluded from it."""
    folder = os.path.join(os.fsencode(job.root), job.within)
    if not has_entries(folder):
        raise PhotoError(
            f"{shown(folder)} is empty; nothing was changed.",
            "Is a disk not mounted? To take its photos out of the index: imgsearch remove.",
        )


def check_all_reachable(index: Index, roots: Roots, prune: bool) -> None:
    """Before everything is embedded anew: what cannot be read now would be lost.
    Raises PhotoError, naming the libraries, unless `prune` gives them up."""
    away = [
        name
        for name in index.libraries()
        if (root := roots.get(name)) is None or not root.is_dir() or not any(root.iterdir())
    ]
    if away and not prune:
        raise PhotoError(
            f"Not within reach: {', '.join(away)}. Embedding anew would lose their photos.",
            "Mount or ingest their folders first, or give them up with --prune.",
        )
