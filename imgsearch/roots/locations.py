"""From a record to a file on this machine. A record may come from a stranger's index or from a
cluster that others write to, so its path is taken for what it is only where it stays inside its
library's root. Whoever shows, prints, opens or sends a photo's path has it from here."""

from __future__ import annotations

import os
import stat
from enum import Enum
from pathlib import Path

from imgsearch import photos, regular_files
from imgsearch.dataclass import dataclass
from imgsearch.index.base import Record

_NO_NAMES = frozenset((b"", b".", b".."))  # of files and folders


class Refusal(Enum):
    """Why a record has no path on this machine."""

    NO_ROOT = "the folder of its library is not known on this machine"
    LEADS_OUT = "its path leads out of its library"


@dataclass(frozen=True, slots=True)
class Root:
    """A library's folder on this machine. `follow_links`: it was ingested with --follow-links, so
    its own links, which may lead out of it, are part of it. `within`: relative paths of the folders
    that were ingested alone; of what lies beside them this machine knows nothing. Empty: all of
    it. `only_files`: it is no more than the files that were ingested by their names; whatever else
    lies in the folder is none of it."""

    path: Path
    follow_links: bool = False
    within: tuple[bytes, ...] = ()
    only_files: bool = False

    def covers(self, relative: bytes) -> bool:
        """Whether a path from the root is, or lies in, a folder that was ingested."""
        return not self.within or any((relative + b"/").startswith(f + b"/") for f in self.within)


@dataclass(frozen=True, slots=True)
class Located:
    """Where a photo lies. `path`: absolute; None if refused. `missing`: no picture lies there."""

    path: bytes | None
    refusal: Refusal | None = None
    missing: bool = False


def relative_bytes(relative_path: str, escaped: bool) -> bytes | None:
    """A record's path from its library's root, as bytes with "/". None: it is not one (absolute,
    empty, with "..", NUL, or what no UTF-8 can hold)."""
    try:
        raw = photos.path_bytes(relative_path, escaped)
    except UnicodeEncodeError:
        return None
    parts = raw.split(b"/")
    if b"\0" in raw or not _NO_NAMES.isdisjoint(parts):
        return None
    if os.sep != "/" and (b"\\" in raw or b":" in raw):  # Windows: folders, drives and streams
        return None
    return raw


def located(root: Root | None, record: Record) -> Located:
    """Where the photo lies, or lay, on this machine. The only function that makes a path of a
    record."""
    relative = relative_bytes(record.relative_path, record.path_escaped)
    if relative is None:
        return Located(None, Refusal.LEADS_OUT)
    if root is None or not root.covers(relative):
        return Located(None, Refusal.NO_ROOT)
    path = os.path.join(os.fsencode(root.path), relative)
    if not root.follow_links and not _stays_inside(root, path):
        return Located(None, Refusal.LEADS_OUT)
    return Located(path, missing=_is_missing_or_replaced(path, record))


def _stays_inside(root: Root, path: bytes) -> bool:
    inside = os.path.realpath(os.fsencode(root.path))
    return os.path.realpath(path).startswith(
        inside.rstrip(os.fsencode(os.sep)) + os.fsencode(os.sep)
    )


def is_missing(path: bytes) -> bool:
    """Whether no file lies there for sure: no permission is no proof."""
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return not stat.S_ISREG(mode)


def _is_missing_or_replaced(path: bytes, record: Record) -> bool:
    """Whether no file lies there, or one that is no picture, such as a web page that was saved
    under the photo's name. A file of the recorded size is not read."""
    try:
        status = os.stat(path)
    except OSError:
        return is_missing(path)
    if not stat.S_ISREG(status.st_mode):
        return True
    return status.st_size != record.size and not _looks_like_picture(path, unreadable=True)


def may_be_opened(path: bytes) -> bool:
    """Whether it is a picture or film, by its content and its name (an ending of one, or none), so
    that the system's viewer shows it: another program's file, such as `x.desktop`, may run."""
    from imgsearch.photos import film_formats, formats

    name = os.fsdecode(path)
    ending = os.path.splitext(name)[1]
    named = formats.has_picture_ending(name) or film_formats.has_film_ending(name)
    if ending and not named:
        return False
    return _looks_like_picture(path, unreadable=False)


def _looks_like_picture(path: bytes, *, unreadable: bool) -> bool:
    """Whether the content may be a picture's or a film's. `unreadable`: the answer where it cannot
    be read."""
    from imgsearch.photos import film_formats, formats

    try:
        head = regular_files.read(path, follow_links=True, limit=formats.HEAD_BYTES)
    except OSError:
        return unreadable
    name = os.fsdecode(path)
    is_film = film_formats.format_of(head, name) is not None
    return is_film or formats.looks_like_picture(head, name)
