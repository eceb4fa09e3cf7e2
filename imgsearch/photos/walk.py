"""Finding photos on disk: every regular file below a folder that may be a picture.

What the walk passes over without a word: names that begin with a dot (hidden files and folders,
`._x` of macOS, `.Trash`) and folders and files that only systems write (`@eaDir`, `__MACOSX`,
`Thumbs.db`, ...). Symbolic links are followed only on request; otherwise each one is reported, so
that a library made of links does not look empty."""

from __future__ import annotations

import fnmatch
import operator
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import compress
from typing import NamedTuple

from imgsearch.errors import Action, Advice
from imgsearch.photos import (
    SYSTEM_NAMES,
    Skip,
    SkipReason,
    ctime_ns,
    film_formats,
    inode,
    is_systems_own,
    library_hash,
    mtime_ns,
    raw_pairs,
    unreadable,
)


class Photo(NamedTuple):
    """A regular file that may be a picture. `relative`: "/"-separated on every system."""

    root: str
    relative: bytes
    size: int  # bytes
    mtime_ns: int
    ctime_ns: int = 0  # of Windows, the creation time; 0: not known
    inode: int = 0  # 0: not known

    @property
    def path(self) -> str:
        return _path(self.root, self.relative)


class _Folder(NamedTuple):
    relative: bytes
    above: _Folder | None


class Which(NamedTuple):
    """Which files a walk lists. `exclude`: patterns, as for `walk`. `join_raw`: not the RAWs that
    are one photo with the JPEG beside them. `join_films`: nor the short films that a phone took
    with a photo."""

    exclude: Sequence[str] = ()
    follow_links: bool = False
    join_raw: bool = False
    join_films: bool = False


class Listing(NamedTuple):
    """The photos of one folder, and what was skipped in it. A photo becomes an object of its own
    only when it is asked for: of most, an ingest wants no more than the fingerprint."""

    root: str
    prefix: bytes  # of the relative paths: "" or "folder/"
    names: list[bytes]
    sizes: list[int]  # bytes
    mtimes: list[int]  # ns
    ctimes: list[int]  # ns
    inodes: list[int]
    skips: list[Skip]
    joined: list[bytes]  # names of RAWs and short films that are one photo with another of these

    def photo(self, place: int) -> Photo:
        return Photo(
            self.root,
            self.prefix + self.names[place],
            self.sizes[place],
            self.mtimes[place],
            self.ctimes[place],
            self.inodes[place],
        )

    def only(self, wanted: Sequence[bool]) -> Listing:
        return self._replace(
            names=list(compress(self.names, wanted)),
            sizes=list(compress(self.sizes, wanted)),
            mtimes=list(compress(self.mtimes, wanted)),
            ctimes=list(compress(self.ctimes, wanted)),
            inodes=list(compress(self.inodes, wanted)),
        )

    def with_joined(self, which: Which) -> Listing:
        """Without files that are one photo with a picture beside them, which stands for both."""
        joined = raw_pairs.joined(self.names) if which.join_raw else set()
        if which.join_films:
            joined |= film_formats.halves_of_photos(self.names, self.sizes)
        if not joined:
            return self
        listing = self.only([name not in joined for name in self.names])
        return listing._replace(joined=sorted(joined))

    def ids(self, library: str) -> list[str]:
        """The `photo_id` of each photo."""
        return self._ids(library, self.names)

    def ids_of_joined(self, library: str) -> list[str]:
        return self._ids(library, self.joined)

    def _ids(self, library: str, names: Sequence[bytes]) -> list[str]:
        folder = library_hash(library).copy()
        folder.update(self.prefix)
        ids = []
        for name in names:
            hashed = folder.copy()
            hashed.update(name)
            ids.append(hashed.hexdigest())
        return ids


def walk(
    root: str, *, exclude: Sequence[str] = (), follow_links: bool = False, within: bytes = b""
) -> Iterator[Photo | Skip]:
    """Every regular file below `root` (or its folder `within`), whatever its ending, in an order
    that depends on names alone: a folder's files by their bytes, then its folders.

    `exclude`: shell patterns (`*`, `?`, `[...]`, case-sensitive; `*` also matches "/"). What
    matches by its name or by its relative path is left out, a folder with all that it holds."""
    for listing in listings(root, Which(exclude, follow_links), within=within):
        yield from listing.skips
        yield from map(listing.photo, range(len(listing.names)))


def listings(root: str, which: Which, *, within: bytes = b"") -> Iterator[Listing]:
    """As `walk`, one folder at a time."""
    excluded = _matcher(which.exclude)
    folders = [_Folder(within, None)]
    entered: set[tuple[int, int]] = set()  # a folder that links lead to is entered once
    while folders:
        folder = folders.pop()
        if which.follow_links and not _enter(root, folder, entered):
            continue
        listing = _empty_listing(root, folder)
        inside = _list(listing, folder, excluded, which.follow_links)
        yield listing.with_joined(which)
        folders += reversed(inside)


def listings_of(root: str, folders: Iterable[bytes], which: Which) -> Iterator[Listing]:
    """What `listings` gives for these folders alone, without the folders in them: nothing for one
    that the walk would leave out."""
    excluded = _matcher(which.exclude)
    for relative in folders:
        if not leaves_out(relative, which.exclude):
            listing = _empty_listing(root, _Folder(relative, None))
            _list(listing, _Folder(relative, None), excluded, which.follow_links)
            yield listing.with_joined(which)


def leaves_out(relative: bytes, exclude: Sequence[str] = ()) -> bool:
    """Whether the walk passes over this path: it, or a folder that it is in, has a name that hides
    or that only systems write, or is excluded."""
    names = filter(None, relative.split(b"/"))
    return any(map(is_systems_own, names)) or excluder(exclude)(relative)


def _empty_listing(root: str, folder: _Folder) -> Listing:
    prefix = folder.relative + b"/" if folder.relative else b""
    return Listing(root, prefix, [], [], [], [], [], [], [])


def _list(
    listing: Listing,
    folder: _Folder,
    excluded: Callable[[bytes, bytes], bool] | None,
    follow_links: bool,
) -> list[_Folder]:
    """Fills the listing of a folder; returns the folders in it. What fails is a skip."""
    root, prefix, names, sizes, mtimes, ctimes, inodes, skips, _ = listing
    inside: list[_Folder] = []
    try:
        with os.scandir(os.fsencode(_path(root, folder.relative))) as found:
            entries = sorted(found, key=_name)
    except OSError as error:
        skips.append(unreadable(_path(root, folder.relative), error))
        return inside
    for entry in entries:
        name = entry.name
        if name[0] == 46 or name in SYSTEM_NAMES:  # `is_systems_own`, without a call for each
            continue
        if excluded is not None and excluded(name, prefix + name):
            continue
        try:
            if entry.is_dir(follow_symlinks=False):
                inside.append(_Folder(prefix + name, folder))
                continue
            if entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
            else:
                status = _status(root, prefix + name, folder, entry, follow_links)
                if stat.S_ISDIR(status.st_mode):
                    inside.append(_Folder(prefix + name, folder))
                    continue
        except _Skipped as skipped:
            skips.append(Skip(_path(root, prefix + name), skipped.reason, skipped.detail))
            continue
        except OSError as error:
            skips.append(unreadable(_path(root, prefix + name), error))
            continue
        names.append(name)
        sizes.append(status.st_size)
        mtimes.append(mtime_ns(status))
        ctimes.append(ctime_ns(status))
        inodes.append(inode(status))
    return inside


def _enter(root: str, folder: _Folder, entered: set[tuple[int, int]]) -> bool:
    """Note that a folder is entered. False where it was entered before, by another path."""
    try:
        status = os.stat(os.fsencode(_path(root, folder.relative)))
    except OSError:
        return True  # listing it says why
    if (status.st_dev, status.st_ino) in entered:
        return False
    entered.add((status.st_dev, status.st_ino))
    return True


class _Skipped(Exception):
    def __init__(self, reason: SkipReason, detail: str) -> None:
        self.reason, self.detail = reason, detail


_name = operator.attrgetter("name")


def _status(
    root: str, relative: bytes, folder: _Folder, entry: os.DirEntry[bytes], follow_links: bool
) -> os.stat_result:
    """Of what a link leads to; nothing is opened, so a FIFO cannot hang. Raises _Skipped for what
    is neither a file nor a folder, and for links that are not to be followed."""
    is_link = entry.is_symlink()
    try:
        status = os.stat(os.fsencode(_path(root, relative)))
    except FileNotFoundError:
        if is_link:
            raise _Skipped(SkipReason.BROKEN_LINK, f"to {_target(entry)}") from None
        raise
    if stat.S_ISDIR(status.st_mode) and _is_above(status, root, folder):
        raise _Skipped(SkipReason.LOOP, f"to {_target(entry)}, which holds it")
    if not stat.S_ISDIR(status.st_mode) and not stat.S_ISREG(status.st_mode):
        raise _Skipped(SkipReason.NOT_REGULAR, _kind(status.st_mode))
    if is_link and not follow_links:
        raise _Skipped(SkipReason.LINK, Advice(f"to {_target(entry)}", Action("follow links")))
    return status


def _is_above(status: os.stat_result, root: str, folder: _Folder | None) -> bool:
    """Whether a link leads to a folder that contains it. Only asked for links to folders, so that
    no other folder costs a stat."""
    while folder is not None:
        if os.path.samestat(status, os.stat(os.fsencode(_path(root, folder.relative)))):
            return True
        folder = folder.above
    return False


def _target(entry: os.DirEntry[bytes]) -> str:
    return os.fsdecode(os.readlink(entry.path))


def _kind(mode: int) -> str:
    kinds = {stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(mode), "device")


def _path(root: str, relative: bytes) -> str:
    return os.path.join(root, os.fsdecode(relative).replace("/", os.sep)) if relative else root


def excluder(patterns: Sequence[str]) -> Callable[[bytes], bool]:
    """Whether a relative path, or a folder that it lies in, matches one of the patterns."""
    matches = _matcher(patterns)

    def excluded(relative: bytes) -> bool:
        path = b""
        for name in relative.split(b"/"):
            path = path + b"/" + name if path else name
            if matches is not None and matches(name, path):
                return True
        return False

    return excluded


def _matcher(patterns: Sequence[str]) -> Callable[[bytes, bytes], bool] | None:
    if not patterns:
        return None
    plain = [_composed(pattern).removeprefix("./").rstrip("/") for pattern in patterns]
    match = re.compile("|".join(map(fnmatch.translate, plain))).match

    def matches(name: bytes, relative: bytes) -> bool:
        if name.isascii() and relative.isascii():
            return bool(match(name.decode()) or match(relative.decode()))
        # macOS writes names in the other form of Unicode than most keyboards
        return bool(match(_composed(os.fsdecode(name))) or match(_composed(os.fsdecode(relative))))

    return matches


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)
