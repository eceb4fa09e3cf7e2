"""Photos as files on disk: finding them, naming them, hashing them. Pixels are `images`' business.

What the walk passes over without a word: names that begin with a dot (hidden files and folders,
`._x` of macOS, `.Trash`) and folders and files that only systems write (`@eaDir`, `__MACOSX`,
`Thumbs.db`, ...). Symbolic links are followed only on request; otherwise each one is reported, so
that a library made of links does not look empty."""

from __future__ import annotations

import errno
import fnmatch
import functools
import hashlib
import operator
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import compress
from typing import NamedTuple

SYSTEM_NAMES = frozenset(
    {
        b"@eaDir",  # Synology's thumbnails
        b"#recycle",
        b"$RECYCLE.BIN",
        b"System Volume Information",
        b"lost+found",
        b"__MACOSX",
        b"Thumbs.db",
        b"ehthumbs.db",
        b"desktop.ini",
    }
)
_HASH_BYTES = 16  # 128 bits: no accidental twin among any number of photos
_LATEST = (1 << 63) - 1  # ns
_CHUNK = 1 << 20  # bytes read at a time
_ESCAPE = re.compile(rb"%([0-9A-F]{2})")
_UNDECODABLE = re.compile("[\udc80-\udcff]")


def is_systems_own(name: bytes) -> bool:
    """A name that hides (it begins with a dot), or that only systems write."""
    return name.startswith(b".") or name in SYSTEM_NAMES


class SkipReason(str, Enum):
    """Why a photo is not in the index, in words for people."""

    NOT_A_PICTURE = "not a picture"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    EMPTY = "empty file"
    TOO_LARGE = "too large"
    UNSUPPORTED = "unsupported format"
    NO_PERMISSION = "no permission"
    NOT_REGULAR = "not a regular file"
    LINK = "symbolic link"
    LOOP = "symlink loop"
    BROKEN_LINK = "broken link"
    GONE = "gone while reading"
    UNREADABLE = "unreadable"
    REFUSED = "refused by the index"


@dataclass(frozen=True, slots=True)
class Skip:
    """`path`: as `os.fsdecode` gives it, so that any name survives."""

    path: str
    reason: SkipReason
    detail: str


class Photo(NamedTuple):
    """A regular file that may be a picture. `relative`: "/"-separated on every system."""

    root: str
    relative: bytes
    size: int  # bytes
    mtime_ns: int

    @property
    def path(self) -> str:
        return _path(self.root, self.relative)


class _Folder(NamedTuple):
    relative: bytes
    above: _Folder | None


class Listing(NamedTuple):
    """The photos of one folder, and what was skipped in it. A photo becomes an object of its own
    only when it is asked for: of most, an ingest wants no more than the fingerprint."""

    root: str
    prefix: bytes  # of the relative paths: "" or "folder/"
    names: list[bytes]
    sizes: list[int]  # bytes
    mtimes: list[int]  # ns
    skips: list[Skip]

    def photo(self, place: int) -> Photo:
        relative = self.prefix + self.names[place]
        return Photo(self.root, relative, self.sizes[place], self.mtimes[place])

    def only(self, wanted: Sequence[bool]) -> Listing:
        return self._replace(
            names=list(compress(self.names, wanted)),
            sizes=list(compress(self.sizes, wanted)),
            mtimes=list(compress(self.mtimes, wanted)),
        )

    def ids(self, library: str) -> list[str]:
        """The `photo_id` of each."""
        folder = _library_hash(library).copy()
        folder.update(self.prefix)
        ids = []
        for name in self.names:
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
    for listing in listings(root, exclude=exclude, follow_links=follow_links, within=within):
        yield from listing.skips
        yield from map(listing.photo, range(len(listing.names)))


def listings(
    root: str, *, exclude: Sequence[str] = (), follow_links: bool = False, within: bytes = b""
) -> Iterator[Listing]:
    """`walk`, folder by folder."""
    excluded = _matcher(exclude)
    folders = [_Folder(within, None)]
    entered: set[tuple[int, int]] = set()  # a folder that links lead to is entered once
    while folders:
        folder = folders.pop()
        if follow_links and not _enter(root, folder, entered):
            continue
        prefix = folder.relative + b"/" if folder.relative else b""
        names: list[bytes] = []
        sizes: list[int] = []
        mtimes: list[int] = []
        skips: list[Skip] = []
        try:
            with os.scandir(os.fsencode(_path(root, folder.relative))) as listing:
                entries = sorted(listing, key=_name)
        except OSError as error:
            skips.append(unreadable(_path(root, folder.relative), error))
            yield Listing(root, prefix, names, sizes, mtimes, skips)
            continue
        inside = []
        for entry in entries:
            name = entry.name
            if name[0] == 46 or name in SYSTEM_NAMES:  # 46: a dot
                continue
            if excluded is not None and excluded(name, prefix + name):
                continue
            try:
                if entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                elif entry.is_dir(follow_symlinks=False):
                    inside.append(_Folder(prefix + name, folder))
                    continue
                else:
                    status = _status(root, prefix + name, folder, entry, follow_links)
                    if stat.S_ISDIR(status.st_mode):
                        inside.append(_Folder(prefix + name, folder))
                        continue
            except _Skipped as skipped:
                path = _path(root, prefix + name)
                skips.append(Skip(path, skipped.reason, skipped.detail))
                continue
            except OSError as error:
                skips.append(unreadable(_path(root, prefix + name), error))
                continue
            names.append(name)
            sizes.append(status.st_size)
            mtimes.append(mtime_ns(status))
        yield Listing(root, prefix, names, sizes, mtimes, skips)
        folders += reversed(inside)


def _enter(root: str, folder: _Folder, entered: set[tuple[int, int]]) -> bool:
    """False: it was entered before, by another path."""
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
        raise _Skipped(SkipReason.LINK, f"to {_target(entry)}; --follow-links follows it")
    return status


def _is_above(status: os.stat_result, root: str, folder: _Folder | None) -> bool:
    """Only asked for links to folders, so that no other folder costs a stat."""
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


def _matcher(patterns: Sequence[str]) -> Callable[[bytes, bytes], bool] | None:
    if not patterns:
        return None
    regex = "|".join(fnmatch.translate(pattern.rstrip("/")) for pattern in patterns)
    match = re.compile(regex).match
    return lambda name, relative: bool(match(os.fsdecode(name)) or match(os.fsdecode(relative)))


def unreadable(path: str, error: OSError) -> Skip:
    """What the system said about a file or folder, as a reason."""
    if isinstance(error, PermissionError):
        reason = SkipReason.NO_PERMISSION
    elif isinstance(error, FileNotFoundError):
        reason = SkipReason.GONE
    elif error.errno == errno.ELOOP:
        reason = SkipReason.LOOP
    else:
        reason = SkipReason.UNREADABLE
    return Skip(path, reason, error.strerror or type(error).__name__)


def mtime_ns(status: os.stat_result) -> int:
    """As an index can keep it, in 64 bits: a date after April 2262 is that day's."""
    return max(-_LATEST, min(status.st_mtime_ns, _LATEST))


def photo_id(library: str, relative: bytes) -> str:
    """The same photo has the same id on every machine: 32 hexadecimal digits."""
    hashed = _library_hash(library).copy()
    hashed.update(relative)
    return hashed.hexdigest()


@functools.lru_cache(maxsize=16)
def _library_hash(library: str) -> hashlib.blake2b:
    return hashlib.blake2b(library.encode() + b"\0", digest_size=_HASH_BYTES)


def content_hash(data: bytes | memoryview) -> str:
    """32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=_HASH_BYTES).hexdigest()


def hash_file(path: str) -> str:
    """`content_hash` of a file, read in pieces. Raises OSError."""
    hashed = hashlib.blake2b(digest_size=_HASH_BYTES)
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            hashed.update(chunk)
    return hashed.hexdigest()


def path_text(raw: bytes) -> tuple[str, bool]:
    """A path for JSON. UTF-8 as it is (False); else with "%" and the bytes that are no UTF-8
    percent-escaped (True)."""
    try:
        return raw.decode(), False
    except UnicodeDecodeError:
        text = raw.replace(b"%", b"%25").decode("utf-8", "surrogateescape")
        return _UNDECODABLE.sub(lambda found: f"%{ord(found[0]) - 0xDC00:02X}", text), True


def path_bytes(text: str, escaped: bool) -> bytes:
    """The inverse of `path_text`."""
    raw = text.encode()
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), raw) if escaped else raw
