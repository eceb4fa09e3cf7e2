"""From a question to hits: by words, by a picture, by a photo that is in the index. Knows encoders
and the index protocol; never a backend, a setting or a terminal."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from imgsearch import photos
from imgsearch.errors import IndexNotFound, PhotoError, UsageError
from imgsearch.escaping import shown
from imgsearch.index.base import ALL, Filter, Hit, Index, Record
from imgsearch.ingest.sources import Roots
from imgsearch.models.base import ImageEncoder, TextEncoder, Vector
from imgsearch.roots import locations
from imgsearch.roots.locations import Refusal

_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Result:
    """A hit with its place on this machine: `path` None where that is not known, or where the
    record's path leads out of its library."""

    rank: int
    score: float
    record: Record
    path: bytes | None
    missing: bool  # the path is known, and no file lies there
    refusal: Refusal | None = None  # why there is no path


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many, where, and how near."""

    k: int = 10
    where: Filter = ALL
    min_score: float | None = None


Ask = Callable[[str, int, Filter], list[Hit]]  # words, how many, where


def by_text(
    index: Index,
    roots: Roots,
    open_encoder: Callable[[], TextEncoder],
    text: str,
    wanted: Wanted,
    ask: Ask | None = None,
) -> list[Result]:
    """`ask`: an index that makes vectors of words itself. Raises UsageError on an empty text and
    IndexNotFound on an empty index, before any model."""
    if not text.strip():
        raise UsageError("The query is empty.", 'Say what to look for: imgsearch query "a red car"')
    check_not_empty(index)
    if ask is not None:
        hits = ask(text, wanted.k, wanted.where)
    else:
        [vector] = open_encoder().encode([text])
        hits = index.search(vector, wanted.k, wanted.where)
    if not hits and not index.count():
        raise _nothing_in(index)
    return _results(hits, roots, wanted)


def by_record(index: Index, roots: Roots, record: Record, wanted: Wanted) -> list[Result]:
    """Neighbours of a photo in the index: no model is needed."""
    vector = index.vectors([record.id]).get(record.id)
    if vector is None:
        raise PhotoError(
            f"The vector of {record.relative_path} in {index.place} is missing or damaged.",
            "Ingest its folder again, which embeds it anew; or show the file itself.",
        )
    return _results(index.search(vector, wanted.k, wanted.where, {record.id}), roots, wanted)


def by_image(
    index: Index, roots: Roots, vector: Vector, wanted: Wanted, exclude: Collection[str] = ()
) -> list[Result]:
    return _results(index.search(vector, wanted.k, wanted.where, exclude), roots, wanted)


def embed_file(path: Path, encoder: ImageEncoder, max_megapixels: float) -> Vector:
    """Raises PhotoError with the reason for what cannot be decoded."""
    from imgsearch.photos import decode

    try:
        decoded = decode.decode(
            os.fspath(path), target=encoder.image_size, max_megapixels=max_megapixels
        )
    except decode.Undecodable as error:
        raise PhotoError(
            f"{shown(path)}: {error.reason.value} ({error.detail}).", "Show another picture."
        ) from None
    vector: Vector = encoder.encode(encoder.prepare(decoded.image))[0]
    return vector


def find_record(index: Index, roots: Roots, photo: str) -> Record | None:
    """The indexed photo that is meant by a file's path, an id, or a relative path in a library."""
    check_not_empty(index)
    candidates = list(_ids_of_file(roots, photo))
    if _ID.fullmatch(photo):
        candidates.append(photo)
    found = index.records(candidates) if candidates else {}
    for id in candidates:  # most often it is one of these, and no library need be asked for
        if id in found:
            return found[id]
    candidates = []
    relative = os.fsencode(photo.replace(os.sep, "/"))
    for library in index.libraries():
        candidates.append(photos.photo_id(library, relative))
        prefix = os.fsencode(library) + b"/"
        if relative.startswith(prefix):
            candidates.append(photos.photo_id(library, relative[len(prefix) :]))
    found = index.records(candidates)
    return next((found[id] for id in candidates if id in found), None)


def find_shown(index: Index, roots: Roots, photo: str) -> Record | None:
    """The photo whose path is shown like this in a table: with `…` for what was left out of its
    middle, or its name alone. Reads the whole index. Raises UsageError where it fits several."""
    if "…" not in photo and "/" in photo:
        return None
    pattern = re.compile(".*".join(map(re.escape, photo.split("…"))), re.DOTALL)
    found: list[Record] = []
    ids = iter(index.ids())
    while batch := list(itertools.islice(ids, 1000)):
        records = index.records(batch).values()
        found += [one for one in records if any(map(pattern.fullmatch, _shown_as(one, roots)))]
    if len(found) > 1:
        few = ", ".join(shown(f"{one.library}/{one.relative_path}") for one in found[:3])
        raise UsageError(
            f"'{shown(photo)}' fits {len(found):,} photos: {few}{', …' if len(found) > 3 else ''}.",
            "Give one of these paths.",
        )
    return found[0] if found else None


def _shown_as(record: Record, roots: Roots) -> list[str]:
    raw = locations.relative_bytes(record.relative_path, record.path_escaped)
    if raw is None:
        return []
    relative = os.fsdecode(raw)
    names = [relative, f"{record.library}/{relative}", relative.rpartition("/")[2]]
    root = roots.get(record.library)
    if root is not None:
        path = os.path.join(root, relative)
        names += [path, os.path.relpath(path)]
    return names


def is_current(record: Record, path: Path) -> bool:
    """Whether the file still is what was ingested: then its stored vector serves."""
    try:
        status = path.stat()
    except OSError:
        return True
    return (status.st_size, photos.mtime_ns(status)) == (record.size, record.mtime_ns)


def _ids_of_file(roots: Roots, photo: str) -> list[str]:
    path = Path(os.path.realpath(photo))
    return [
        photos.photo_id(library, os.fsencode(path.relative_to(root).as_posix()))
        for library, root in roots.items()
        if root in path.parents
    ]


def folder_filter(index: Index, roots: Roots, folder: str) -> Filter:
    """`--under`: a folder on disk, a library's name, or a folder within a library.
    Raises UsageError where it is none of them."""
    libraries = index.libraries()
    path = Path(os.path.realpath(folder))
    for library, root in sorted(roots.items(), key=lambda item: -len(item[1].parts)):
        if library in libraries and (path == root or root in path.parents):
            relative = path.relative_to(root).as_posix()
            return Filter(library, None if relative == "." else _text(relative))
    name = folder.replace(os.sep, "/").strip("/")
    if name in libraries:
        return Filter(name)
    choices = [Filter(library, _text(name)) for library in libraries]
    choices += [
        Filter(library, _text(name[len(library) + 1 :]))
        for library in libraries
        if name.startswith(f"{library}/")
    ]
    matching = [choice for choice in choices if index.count(choice)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        named = ", ".join(f"{choice.library}/{choice.folder}" for choice in matching)
        raise UsageError(
            f"{folder!r} is a folder in several libraries.", f"Name one of them: {named}"
        )
    raise UsageError(
        f"No photo in the index lies under {folder!r}.",
        f"Name a folder that was ingested, or a library: {', '.join(sorted(libraries)) or '–'}",
    )


def _text(relative: str) -> str:
    return photos.path_text(os.fsencode(relative))[0]


def check_not_empty(index: Index) -> None:
    """Raises IndexNotFound. A cluster's index that is only empty by now passes, and is found out by
    the search, which saves a request."""
    if index.models() is None and not index.count():
        raise _nothing_in(index)


def _nothing_in(index: Index) -> IndexNotFound:
    return IndexNotFound(
        f"Nothing has been ingested into {index.place} yet.",
        "Ingest a folder of pictures first: imgsearch ingest ./photos",
    )


def _results(hits: Sequence[Hit], roots: Roots, wanted: Wanted) -> list[Result]:
    near = [
        hit
        for hit in hits
        if (wanted.min_score is None or hit.score >= wanted.min_score)
        and locations.relative_bytes(hit.record.relative_path, hit.record.path_escaped) is not None
    ]
    return [_result(rank, hit, roots) for rank, hit in enumerate(near, start=1)]


def _result(rank: int, hit: Hit, roots: Roots) -> Result:
    found = locations.located(roots.root(hit.record.library), hit.record)
    return Result(rank, hit.score, hit.record, found.path, found.missing, found.refusal)
