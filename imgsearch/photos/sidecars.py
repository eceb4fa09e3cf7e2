"""XMP files beside photos: `photo.jpg.xmp` (darktable, digiKam) and `photo.xmp` (Lightroom)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import NamedTuple

from imgsearch.photos import raw_pairs, xmp

_ENDING = b".xmp"


class Sidecar(NamedTuple):
    """An XMP file beside a photo. `size` and `mtime_ns` tell whether it has changed."""

    path: str
    size: int  # bytes
    mtime_ns: int


def belonging(names: Iterable[bytes], joined: Iterable[bytes] = ()) -> dict[bytes, bytes]:
    """The sidecar of each photo among the names of one folder's files. A photo's whole name counts
    before its name without ending, which may belong to several: a RAW and its JPEG. `joined`: RAWs
    whose JPEG stands for both, so that a RAW's own sidecar is the JPEG's."""
    names = list(names)
    sidecars = {name[: -len(_ENDING)]: name for name in names if name.lower().endswith(_ENDING)}
    if not sidecars:
        return {}
    of_raws = {raw_pairs.stem(raw): sidecars[raw] for raw in joined if raw in sidecars}
    found = {}
    for name in names:
        if not name.lower().endswith(_ENDING):
            sidecar = sidecars.get(name) or sidecars.get(os.path.splitext(name)[0])
            if sidecar is None and of_raws and raw_pairs.is_rendered(name):
                sidecar = of_raws.get(raw_pairs.stem(name))
            if sidecar is not None:
                found[name] = sidecar
    return found


def of(photo: str) -> Sidecar | None:
    """The sidecar of the photo at this path. A link is none: it could lead out of the library."""
    for start in (photo, os.path.splitext(photo)[0]):
        for ending in (".xmp", ".XMP"):
            try:
                status = os.lstat(start + ending)
            except (OSError, ValueError):
                continue
            if stat.S_ISREG(status.st_mode):
                return Sidecar(start + ending, status.st_size, status.st_mtime_ns)
    return None


def read(sidecar: Sidecar) -> bytes:
    """Empty where it is too large or cannot be read: then the photo stands for itself."""
    if sidecar.size > xmp.MOST_BYTES:
        return b""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        with open(os.open(sidecar.path, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
            return file.read(xmp.MOST_BYTES)
    except OSError:
        return b""
