"""This machine's folders of the libraries of one index.

A root is found by the hint that a local index keeps (relative to its own folder, so that index and
photos can move together), else by this machine's `registry`. A hint is the index's word alone."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.errors import Action, Advice
from imgsearch.escaping import shown
from imgsearch.question import Filter
from imgsearch.roots import locations
from imgsearch.roots.locations import Root
from imgsearch.roots.registry import Registry

if TYPE_CHECKING:
    from imgsearch.index.base import Index

_HINT = re.compile(r"\.\.(/\.\.)*|\.\./(?!\.\.?$)[^/\\:]+")  # around the index, or beside it
SAMPLE = 50  # photos of a known library that are looked for under a root that claims its name

FOLDER_AWAY = Advice(
    "Is its disk not mounted? If it has moved, ingest its new place; nothing is embedded again.",
    Action("ingest the new place"),
)


def said_of_folder_away(library: str, folder: Path) -> str:
    """A sentence about a library's folder that cannot be looked through now."""
    how = "is empty" if folder.is_dir() else "is not there"
    return f"{shown(folder)}, the folder of library {shown(repr(library))}, {how}."


def folder_away(library: str, folder: Path) -> Advice:
    """The same with what to do."""
    return Advice(f"{said_of_folder_away(library, folder)} {FOLDER_AWAY}", FOLDER_AWAY.action)


class Roots:
    """This machine's roots of one index's libraries."""

    def __init__(self, index: Index, registry: Path, index_folder: Path | None) -> None:
        self._index = index
        # None: a cluster
        self._index_folder = None if index_folder is None else Path(os.path.realpath(index_folder))
        self._registry = Registry(registry, self._note)
        self._state = self._registry.state()
        self._registered = self._registry.roots(index.index_id)
        self._known = self._registered | self._hinted()

    def refresh(self) -> None:
        """Read this machine's registry again where another process has changed it since, so that
        a program that runs for long finds a library at its new place."""
        state = self._registry.state()
        if state == self._state:
            return
        self._state = state
        self._registered = self._registry.roots(self._index.index_id)
        self._known = self._registered | self._hinted()

    def _note(self, line: str) -> None:
        if line not in self._index.notes:
            self._index.notes.append(line)

    def __getitem__(self, library: str) -> Path:
        return self._known[library].path

    def get(self, library: str) -> Path | None:
        return None if (root := self._known.get(library)) is None else root.path

    def root(self, library: str) -> Root | None:
        """The root of a library on this machine; None where it is not known."""
        return self._known.get(library)

    def all(self) -> dict[str, Root]:
        """By library."""
        return dict(self._known)

    def items(self) -> list[tuple[str, Path]]:
        return sorted((name, root.path) for name, root in self._known.items())

    def away(self, libraries: Iterable[str]) -> list[tuple[str, Path]]:
        """Those of these libraries whose whole folder is not there now, with that folder."""
        known = ((name, self.get(name)) for name in dict.fromkeys(libraries))
        return [(name, root) for name, root in known if root is not None and not root.is_dir()]

    def registered(self, library: str) -> bool:
        """Whether the root was ingested on this machine. Otherwise the index alone names it, and
        nothing of it may be read but the photos that the index knows."""
        return self._known.get(library) == self._registered.get(library)

    def follows_links(self, library: str) -> bool:
        root = self._known.get(library)
        return root is not None and root.follow_links

    def _hinted(self) -> dict[str, Root]:
        """Roots that the index names, so that it can move together with its photos. The index may
        be a stranger's: a root counts only beside or around the index, not where all of a user's
        files lie, and if it holds the photos that the index knows."""
        if self._index_folder is None:
            return {}
        found = {}
        for name, summary in self._index.libraries().items():
            path = _hinted_path(self._index_folder, summary.root_hint)
            known = self._registered.get(name)
            if path is None or (known is not None and known.path == path):
                continue
            there, sampled = sample(name, path, self._index)
            if there and 2 * there >= sampled:
                found[name] = Root(path)
        return found

    def only_files(self, library: str) -> bool:
        root = self._known.get(library)
        return root is not None and root.only_files

    def remember(
        self,
        library: str,
        root: Path,
        *,
        of: Root | None = None,
        follow_links: bool = False,
        within: bytes = b"",
        only_files: bool = False,
    ) -> None:
        """Remember a library's root. `follow_links`: it is ingested with symbolic links; that stays
        once it was set. `within`: only
        this folder of it is ingested, so that nothing beside it counts, unless that is known.
        `only_files`: files of it are ingested by their names; a library that was a whole folder
        stays one. `of`: what another index knows of it."""
        known = self._registered.get(library)
        same = known if known is not None and known.path == root else None
        follow_links |= any(one is not None and one.follow_links for one in (same, of))
        only_files |= of is not None and of.only_files
        only_files &= known is None or known.only_files
        folders = _joined(same, root, within)
        found = Root(root, follow_links, folders, only_files)
        self._known[library] = self._registered[library] = found
        self._registry.set(self._index.index_id, library, self._known[library])
        if not folders:
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
        self._known.pop(library, None)
        if self._registered.pop(library, None) is not None:
            self._registry.set(self._index.index_id, library, None)


def _joined(known: Root | None, path: Path, within: bytes) -> tuple[bytes, ...]:
    """The folders of a root that are ingested alone, with one more of them; empty: all of it."""
    if not within or (known is not None and not known.within):
        return ()
    others = () if known is None else known.within
    if known is not None and known.covers(within):
        return others
    inside = Root(path, within=(within,))
    return (*(one for one in others if not inside.covers(one)), within)


def _hinted_path(index_folder: Path, hint: str | None) -> Path | None:
    """None: nobody's hint of ours leads there, or it leads to all of a user's files."""
    if hint is None or not _HINT.fullmatch(hint) or "\0" in hint:
        return None
    path = Path(os.path.normpath(index_folder / hint))
    home = Path(os.path.realpath(Path.home()))
    if path == home or path in home.parents or path == path.parent:
        return None
    is_plain = os.path.realpath(path) == str(path)  # no link leads there
    return path if is_plain and path.is_dir() else None


def sample(library: str, directory: Path, index: Index) -> tuple[int, int]:
    """How many of a sample of the library's photos lie there, with their sizes; and how many there
    are in the sample."""
    ids = list(itertools.islice(index.ids(Filter.within(library)), SAMPLE))
    there = 0
    for record in index.records(ids).values():
        path = locations.located(Root(directory), record).path
        try:
            there += path is not None and os.stat(path).st_size == record.size
        except OSError:
            continue
    return there, len(ids)
