"""Records made of photos that were read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from imgsearch import photos
from imgsearch.index.base import Record
from imgsearch.ingest.descriptions import Facts
from imgsearch.ingest.fingerprints import metadata_mark
from imgsearch.ingest.reading import Read


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


def is_same(read: Read, record: Record) -> bool:
    """Whether the record says all this already: only the file's ctime or inode is new."""
    marked = record.metadata_mark == metadata_mark(read.candidate.sidecar)
    return marked and same_picture(read, record) == record


def same_picture(read: Read, source: Record) -> Record:
    """The source's picture at the candidate's path."""
    return replace(source, **_identity(read))
