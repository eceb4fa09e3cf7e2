"""Photos as files on disk: naming them, and why one is skipped. `walk` finds them, `decode` shows
their pixels."""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import re
from enum import Enum

from imgsearch.dataclass import dataclass

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
_ID_BYTES = 16  # 128 bits: no accidental twin among any number of photos
_LATEST = (1 << 63) - 1  # ns
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
    ABSENT = "not there"
    LEFT_OUT = "left out"
    UNREACHABLE = "not within reach"
    UNREADABLE = "unreadable"
    REFUSED = "refused by the index"
    NOT_INSTALLED = "what reads it is not installed"


@dataclass(frozen=True, slots=True)
class Skip:
    """A file that was skipped. `path`: as `os.fsdecode` gives it, so that any name can be kept."""

    path: str
    reason: SkipReason
    detail: str


def unreadable(path: str, error: OSError) -> Skip:
    """A `Skip` with the reason that the system gave for a file or folder."""
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
    """The modification time in ns, within 64 bits: a date after April 2262 becomes that day's."""
    return max(-_LATEST, min(status.st_mtime_ns, _LATEST))


def ctime_ns(status: os.stat_result) -> int:
    """The change time in ns, within 64 bits."""
    return max(-_LATEST, min(status.st_ctime_ns, _LATEST))


def inode(status: os.stat_result) -> int:
    """The inode number, within 63 bits, which some file systems exceed."""
    return status.st_ino & _LATEST


def photo_id(library: str, relative: bytes) -> str:
    """The same photo has the same id on every machine: 32 hexadecimal digits."""
    hashed = library_hash(library).copy()
    hashed.update(relative)
    return hashed.hexdigest()


@functools.lru_cache(maxsize=16)
def library_hash(library: str) -> hashlib.blake2b:
    return hashlib.blake2b(library.encode() + b"\0", digest_size=_ID_BYTES)


def folder_texts(raw: bytes) -> list[str]:
    """A folder's path as records below it spell it: those with a name that is not UTF-8 have "%"
    escaped in their whole path, the others do not."""
    text, escaped = path_text(raw)
    return [text] if escaped else list(dict.fromkeys([text, text.replace("%", "%25")]))


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
