"""Whether a folder on this machine holds photos that the index knows from elsewhere."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from imgsearch import photos
from imgsearch.index.base import Index
from imgsearch.photos import content_hashes
from imgsearch.question import Filter, Folder
from imgsearch.roots import SAMPLE, Roots, locations, sample
from imgsearch.roots.locations import Root

_FOLDERS = 200  # libraries that are asked about at a time
_HASHED = 3  # photos that are read as a whole


def holds_its_photos(library: str, directory: Path, index: Index) -> bool:
    """At least half of a sample of the library's photos lie there, with their sizes."""
    there, sampled = sample(library, directory, index)
    return 2 * there >= sampled


Part = tuple[str, Path, bytes]  # a library, what would be its root here, a relative path in it


def part_of_library(directory: Path, name: str | None, roots: Roots, index: Index) -> Part | None:
    """Which library, ingested by another machine, has this folder inside its own: the folder holds
    at least half of a sample of the photos that are known below that path, some of the same
    bytes."""
    libraries = index.libraries()
    if name not in (None, *libraries):
        return None
    if directory.name in libraries and holds_its_photos(directory.name, directory, index):
        return None
    for root in directory.parents:
        within = os.fsencode(directory.relative_to(root).as_posix())
        mine = [one for one in libraries if name in (None, one) and _may_lie_in(roots, one, root)]
        for some in (mine[n : n + _FOLDERS] for n in range(0, len(mine), _FOLDERS)):
            known = index.browse(within_folder(some, within), "newest", SAMPLE)
            for library in dict.fromkeys(record.library for record in known):
                if _holds_a_part(library, root, within, index):
                    return library, root, within
    return None


def _may_lie_in(roots: Roots, library: str, root: Path) -> bool:
    """Nothing of the library is on this machine, or another part of it, in the same folder."""
    known = roots.root(library)
    return known is None or (bool(known.within) and (known.path == root or not known.path.is_dir()))


def _holds_a_part(library: str, root: Path, within: bytes, index: Index) -> bool:
    """As `holds_its_photos`, by the bytes of some too: that a name and a size are the same may be
    by chance."""
    known = index.browse(within_folder([library], within), "newest", SAMPLE)
    there = [
        (record, path)
        for record in known
        if (path := locations.located(Root(root, within=(within,)), record).path) is not None
        and _size(path) == record.size
    ]
    hashed = [(record, path) for record, path in there if record.content_hash][:_HASHED]
    return (
        2 * len(there) >= len(known)
        and bool(hashed)
        and all(_has_hash(path, record.content_hash) for record, path in hashed)
    )


def _size(path: bytes) -> int | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _has_hash(path: bytes, content_hash: str) -> bool:
    try:
        return content_hashes.is_of_file(content_hash, os.fsdecode(path))
    except OSError:
        return False


def within_folder(libraries: Sequence[str], within: bytes) -> Filter:
    """Photos below a relative path, of any of these libraries."""
    texts = photos.folder_texts(within)
    return Filter(under=tuple(Folder(library, text) for library in libraries for text in texts))
