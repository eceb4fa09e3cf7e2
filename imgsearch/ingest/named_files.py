"""Photos that are named one by one: which library each belongs to, and which of them are there."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch import photos, regular_files
from imgsearch.errors import Action, PhotoError, UsageError
from imgsearch.escaping import shown
from imgsearch.ingest import sources
from imgsearch.ingest.sources import Job
from imgsearch.photos import Skip, SkipReason, film_formats, formats
from imgsearch.roots import Roots
from imgsearch.roots.locations import Root

if TYPE_CHECKING:
    from imgsearch.index.base import Index

_AT_A_TIME = 512  # records
Known = list[tuple[str, Root]]  # libraries on this machine


def named_jobs(
    paths: Iterable[str],
    files: Iterable[str],
    name: str | None,
    roots: Roots,
    index: Index,
    note: Callable[[str], None],
) -> tuple[list[Job], list[Skip]]:
    """What folders and files ask for, and what of it is not there or no file. Changes nothing.
    Raises PhotoError (no such folder; none of the files is there) and UsageError."""
    folders: list[str] = []
    singles: list[str] = []
    for path in paths:
        (singles if _is_single(path) else folders).append(path)
    jobs = sources.jobs_for([Path(folder) for folder in folders], name, roots, index, note)
    more, skips = jobs_for_files(chain(singles, files), name, jobs, roots, index, note)
    jobs += more
    sources.check_names(jobs, roots, index)
    if skips and not jobs and all(skip.reason is SkipReason.ABSENT for skip in skips):
        first = shown(skips[0].path)
        raise PhotoError(
            f"{first} does not exist."
            if len(skips) == 1
            else f"None of the {len(skips):,} files exists; the first is {first}.",
            "Name files or a folder of pictures.",
        )
    return sources.distinct(jobs), skips


def check_paths(paths: Sequence[str], files: Sequence[str] | None, prune: bool) -> None:
    """Before an index is made. Raises PhotoError (no such folder) and UsageError (photos of files
    that are named one by one would be pruned)."""
    folders = [path for path in paths if not _is_single(path)]
    for folder in folders:
        sources.check_directory(Path(folder))
    if prune and not folders and (paths or files is not None):
        raise UsageError(
            "Pruning is for folders: what is gone from them is taken out of the index.",
            "Name the folder",
            Action("prune folders only"),
        )


def _is_single(path: str) -> bool:
    """What is not there is meant as a file where it is named like a picture."""
    if os.path.lexists(path):
        return not os.path.isdir(path)
    return formats.has_picture_ending(path) or film_formats.has_film_ending(path)


def jobs_for_files(
    names: Iterable[str],
    library: str | None,
    folders: Sequence[Job],
    roots: Roots,
    index: Index,
    note: Callable[[str], None],
) -> tuple[list[Job], list[Skip]]:
    """One job for each library that the files belong to, and those that are no files or belong to
    no library because they are not there. A file in no known library is of the library that its
    folder becomes, or all of these are of the one that `library` names. `folders`: jobs of the same
    ingest, which may make a library of a folder. Changes nothing. Raises UsageError."""
    known = _known_roots(library, folders, roots)
    inside, outside, skips = _sorted(names, known, _Resolver(roots), index)
    jobs = []
    for (name, root), of in inside.items():
        sources.check_belongs(os.path.join(root, os.fsdecode(min(of))), library, name)
        follow_links = roots.follows_links(name)
        jobs.append(Job(name, root, files=frozenset(of), named=True, follow_links=follow_links))
    for folder, paths in _new_roots(outside, library is not None).items():
        new = sources.new_library(Path(folder), library, roots, index, note)
        of = {_relative(path, new.root) for path in paths}
        jobs.append(Job(new.library, new.root, files=frozenset(of), named=True))
    return jobs, skips


def _sorted(
    names: Iterable[str], known: Known, resolve: _Resolver, index: Index
) -> tuple[dict[tuple[str, Path], set[bytes]], dict[str, list[str]], list[Skip]]:
    """Files by the known library that they are in (relative), those in none by their folder, and
    what is to be skipped. What is not there goes with its library where the index knows it."""
    inside: dict[tuple[str, Path], set[bytes]] = {}
    absent: dict[tuple[str, Path], dict[bytes, Skip]] = {}
    outside: dict[str, list[str]] = {}
    skips = []
    find_root = lru_cache(1024)(lambda folder: _root_around(folder, known))
    for name in dict.fromkeys(names):
        path, skip = resolve(name)
        around = find_root(os.path.dirname(path))
        if around is not None and skip is None:
            inside.setdefault(around, set()).add(_relative(path, around[1]))
        elif around is not None and skip is not None and skip.reason is SkipReason.ABSENT:
            absent.setdefault(around, {})[_relative(path, around[1])] = skip
        elif skip is not None:
            skips.append(skip)
        else:
            outside.setdefault(os.path.dirname(path), []).append(path)
    for around, by_path in absent.items():
        gone = _known_ones(index, around[0], list(by_path))
        skips += [skip for relative, skip in by_path.items() if relative not in gone]
        if gone:
            inside.setdefault(around, set()).update(gone)
    return inside, outside, skips


def _known_roots(library: str | None, folders: Sequence[Job], roots: Roots) -> Known:
    """Of libraries that files may belong to: those of `folders`, and those that do not become a
    part of these. One of single files gives way to one that is named."""
    new = [
        (job.library, Root(job.root, within=(job.within,) if job.within else ())) for job in folders
    ]
    whole = [job.root for job in folders if not job.within]
    old = [
        (name, root)
        for name, root in roots.all().items()
        if not any(folder in root.path.parents for folder in whole)
        and (library in (None, name) or not root.only_files)
    ]
    return new + old


def _known_ones(index: Index, library: str, relatives: Sequence[bytes]) -> set[bytes]:
    known: set[bytes] = set()
    for start in range(0, len(relatives), _AT_A_TIME):
        ids = {photos.photo_id(library, each): each for each in relatives[start:][:_AT_A_TIME]}
        known.update(ids[id] for id in index.records(list(ids)))
    return known


class _Resolver:
    """Turns a name as it was typed into the path of the file itself: links are followed, so that a
    file has one path however it is named; but in a library that is ingested with its links, a path
    through them is one of its own."""

    def __init__(self, roots: Roots) -> None:
        self._linked = [each for each in roots.all().items() if each[1].follow_links]
        self._folder = lru_cache(1024)(os.path.realpath)

    def __call__(self, name: str) -> tuple[str, Skip | None]:
        """An absolute path, and why there is no photo to be read at it."""
        if not name or "\0" in name:
            return name, Skip(name, SkipReason.ABSENT, "no file can have this name")
        path = self._path(name)
        try:
            mode = os.stat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return path, Skip(path, SkipReason.ABSENT, "there is no such file")
        except OSError as error:
            return path, photos.unreadable(path, error)
        if stat.S_ISREG(mode):
            return path, None
        detail = regular_files.kind(mode)
        if stat.S_ISDIR(mode):
            detail += "; name it as an argument to ingest what it holds"
        return path, Skip(path, SkipReason.NOT_REGULAR, detail)

    def _path(self, name: str) -> str:
        absolute = os.path.abspath(name)
        if self._linked and _root_around(os.path.dirname(absolute), self._linked):
            return absolute
        folder, last = os.path.split(name)
        if last in ("", os.curdir, os.pardir):
            return os.path.realpath(name)
        path = os.path.join(self._folder(folder or os.curdir), last)
        return os.path.realpath(path) if os.path.islink(path) else path


def _root_around(folder: str, known: Known) -> tuple[str, Path] | None:
    """The innermost library that a folder is in."""
    around = [
        (name, root.path)
        for name, root in known
        if folder == str(root.path)
        or (
            folder.startswith(os.path.join(str(root.path), ""))
            and root.covers(_relative(folder, root.path))
        )
    ]
    return max(around, key=lambda found: len(found[1].parts), default=None)


def _relative(path: str, root: Path) -> bytes:
    return os.fsencode(os.path.relpath(path, root).replace(os.sep, "/"))


def _new_roots(by_folder: dict[str, list[str]], together: bool) -> dict[str, list[str]]:
    """Files by the folder that becomes their library: a folder above another one takes its files
    too; `together`: one folder above all."""
    if not by_folder:
        return {}
    if together:
        try:
            above = os.path.commonpath(by_folder)
        except ValueError:  # drives of Windows
            raise UsageError(
                "The files lie on several drives, and cannot be one library.",
                "Ingest those of each drive apart, with a name of their own",
                Action("name a library", {"name": "NAME"}),
            ) from None
        return {above: [path for paths in by_folder.values() for path in paths]}
    roots: dict[str, list[str]] = {}
    for folder in sorted(by_folder, key=lambda folder: Path(folder).parts):
        last = next(reversed(roots), None)
        inside = last is not None and folder.startswith(os.path.join(last, ""))
        roots.setdefault(last if inside and last is not None else folder, []).extend(
            by_folder[folder]
        )
    return roots
