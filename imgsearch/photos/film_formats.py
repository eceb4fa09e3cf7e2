"""Which files are films, by their first bytes and their names."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

ENDINGS = frozenset(
    (".mp4", ".m4v", ".mov", ".qt", ".mkv", ".webm", ".avi", ".3gp", ".3gpp", ".3g2")
)
_ENDINGS = frozenset(ending.encode() for ending in ENDINGS)
FORMATS = ("MP4", "MOV", "MKV", "WEBM", "AVI", "3GP")
CONTENT_TYPES = {
    "MP4": "video/mp4",
    "MOV": "video/quicktime",
    "MKV": "video/x-matroska",
    "WEBM": "video/webm",
    "AVI": "video/x-msvideo",
    "3GP": "video/3gpp",
}
_SOUND = frozenset((".m4a", ".m4b", ".m4p", ".m4r", ".aac", ".aax", ".mka", ".weba", ".mp3"))
_MP4 = re.compile(rb"iso[m2-9a]|mp4[12]|avc1|M4V[ HP]|MSNV|XAVC|dash|f4v |mmp4|NDX[A-Z]|hvc1|av01")
_QUICKTIME = re.compile(rb"....(moov|mdat|wide|free|skip|pnot)", re.DOTALL)  # without a brand
_HALF_AT_MOST = 24 << 20  # bytes of three seconds beside a photo, at 60 Mb/s
_HALVES = frozenset((b".mov", b".mp4"))
_PHOTOS = frozenset((b".heic", b".heif", b".jpg", b".jpeg"))


def format_of(head: bytes, name: str) -> str | None:
    """ "MP4", "MOV", "MKV", "WEBM", "AVI" or "3GP"; None for what is no film. `head`: a file's
    first bytes. The name counts where they do not tell films from sound."""
    ending = os.path.splitext(name)[1].lower()
    if ending in _SOUND:
        return None
    if head[4:8] == b"ftyp":
        return _of_brand(head[8:12])
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        opening = head[:64]
        return "WEBM" if b"webm" in opening else "MKV" if b"matroska" in opening else None
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "AVI"
    return "MOV" if ending in (".mov", ".qt") and _QUICKTIME.match(head) else None


def _of_brand(brand: bytes) -> str | None:
    """Of an ISO media file, by its major brand: pictures and songs have others."""
    if brand == b"qt  ":
        return "MOV"
    if brand[:3] in (b"3gp", b"3g2"):
        return "3GP"
    return "MP4" if _MP4.fullmatch(brand) else None


def has_film_ending(name: str) -> bool:
    """Whether a person would call a file of this name a film."""
    return os.path.splitext(name)[1].lower() in ENDINGS


def has_film_ending_bytes(name: bytes) -> bool:
    """`has_film_ending`, for a million names."""
    dot = name.rfind(b".")
    return dot > 0 and name[dot:].lower() in _ENDINGS


def halves_of_photos(names: Sequence[bytes], sizes: Sequence[int]) -> set[bytes]:
    """Of the files of one folder: the short films that a phone took with a photo and named as it
    (`IMG_1.HEIC` and `IMG_1.MOV`). A longer one is a film of its own. `sizes`: bytes."""
    photos: set[bytes] | None = None
    found = set()
    for name, size in zip(names, sizes, strict=True):
        stem, ending = os.path.splitext(name.lower())
        if ending not in _HALVES or size > _HALF_AT_MOST:
            continue
        if photos is None:
            lowered = map(os.path.splitext, map(bytes.lower, names))
            photos = {stem for stem, ending in lowered if ending in _PHOTOS}
        if stem in photos:
            found.add(name)
    return found
