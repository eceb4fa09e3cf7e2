"""Records made of photos that were read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from imgsearch import photos
from imgsearch.index.base import Record
from imgsearch.ingest.descriptions import Facts
from imgsearch.ingest.steps import Read


def _identity(read: Read) -> dict[str, Any]:
    """Which photo it is and what its file is like: the part of a Record that the picture's
    content does not decide."""
    candidate = read.candidate
    relative_path, escaped = photos.path_text(candidate.photo.relative)
    return {
        "id": candidate.id,
        "library": candidate.library,
        "relative_path": relative_path,
        "path_escaped": escaped,
        "size": candidate.photo.size,
        "mtime_ns": candidate.photo.mtime_ns,
    }


def record_of(read: Read, facts: Facts) -> Record:
    return Record(content_hash=read.content_hash, **_identity(read), **facts)


def same_picture(read: Read, source: Record) -> Record:
    """The source's picture at the candidate's path."""
    return replace(source, **_identity(read))


def path_of(record: Record, roots: Mapping[str, Path]) -> str:
    """Where the photo lies on this machine."""
    relative = photos.path_bytes(record.relative_path, record.path_escaped)
    return os.path.join(os.fspath(roots[record.library]), os.fsdecode(relative))
