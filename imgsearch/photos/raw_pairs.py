"""A RAW and the JPEG or HEIC that the camera wrote beside it, by their names."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

RAW_ENDINGS = frozenset(
    {
        ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq",
        ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2",
        ".rwl", ".sr2", ".srf", ".srw", ".x3f",
    }
)  # fmt: skip
_RAW = frozenset(ending.encode() for ending in RAW_ENDINGS)
_RENDERED = frozenset((b".jpg", b".jpeg", b".jpe", b".heic", b".heif", b".hif"))
# Pixel phones: PXL_1.RAW-01.COVER.jpg and PXL_1.RAW-02.ORIGINAL.dng
_NUMBERED = re.compile(rb"\.raw-\d\d(\..*)?$", re.DOTALL)


def joined(names: Sequence[bytes]) -> set[bytes]:
    """Of the names of one folder's files: the RAWs beside which a JPEG or HEIC of the same name
    lies. Upper and lower case are the same, as on a camera's card."""
    raws = [name for name in names if name[-4:].lower() in _RAW]  # all endings are that long
    if not raws:
        return set()
    rendered = {stem(name) for name in names if is_rendered(name)}
    return {raw for raw in raws if stem(raw) in rendered}


def behind(names: Sequence[bytes], joined: Sequence[bytes]) -> dict[bytes, list[bytes]]:
    """The RAWs that each JPEG or HEIC stands for: where there are both, the first. `joined`: what
    is one photo with another file; short films are among it."""
    first: dict[bytes, bytes] = {}
    for name in filter(is_rendered, names):
        first.setdefault(stem(name), name)
    found: dict[bytes, list[bytes]] = {}
    for raw in joined:
        if raw[-4:].lower() in _RAW and stem(raw) in first:
            found.setdefault(first[stem(raw)], []).append(raw)
    return found


def is_rendered(name: bytes) -> bool:
    """Whether it is a JPEG's or HEIC's name."""
    return os.path.splitext(name)[1].lower() in _RENDERED


def stem(name: bytes) -> bytes:
    """What a camera gives both files of one photo."""
    return _NUMBERED.sub(b"", os.path.splitext(name.lower())[0])
