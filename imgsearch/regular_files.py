"""Opening files in folders that other people may have filled. Only regular files are opened: a FIFO
would wait for a writer for ever, a device may do anything, and a link may lead anywhere."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

SMALL = 16 << 20  # bytes: more than any text file of ours


class NotRegular(OSError):
    """Where a regular file is expected, there is a folder, a FIFO, a device, or a link that is not
    to be followed. `filename` says where, `strerror` what it is."""


def check(path: str | bytes | Path, *, follow_links: bool = False) -> None:
    """Raises NotRegular; nothing where nothing is there, or where it cannot be told."""
    try:
        mode = os.stat(path, follow_symlinks=follow_links).st_mode
    except OSError:
        return
    _check_mode(mode, path)


def opened(path: str | bytes | Path, *, follow_links: bool = False) -> BinaryIO:
    """The file, open for reading. Never waits for anybody. Raises NotRegular, OSError."""
    check(path, follow_links=follow_links)
    flags = os.O_RDONLY
    # none of these exists everywhere; the first two hold if the file is replaced meanwhile
    for name in ("O_NONBLOCK", "" if follow_links else "O_NOFOLLOW", "O_BINARY", "O_CLOEXEC"):
        flags |= getattr(os, name, 0) if name else 0
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP and not follow_links:
            raise NotRegular(errno.ELOOP, "a symbolic link", path) from None
        raise
    file = os.fdopen(descriptor, "rb")
    try:
        _check_mode(os.fstat(descriptor).st_mode, path)
    except NotRegular:
        file.close()
        raise
    return file


def read(path: str | bytes | Path, *, follow_links: bool = False, limit: int = SMALL) -> bytes:
    """At most `limit` bytes from the beginning of a regular file. Raises NotRegular, OSError."""
    with opened(path, follow_links=follow_links) as file:
        return file.read(limit)


def _check_mode(mode: int, path: str | bytes | Path) -> None:
    if not stat.S_ISREG(mode):
        raise NotRegular(errno.EINVAL, kind(mode), path)


def kind(mode: int) -> str:
    """What something that is no regular file is, with its article."""
    kinds = {
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), "a device")
