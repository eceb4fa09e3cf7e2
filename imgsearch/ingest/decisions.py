"""Which rules an ingest goes by: those that a library has, and what is asked for now."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from imgsearch import ocr, photos
from imgsearch.errors import Action, Advice, UsageError
from imgsearch.escaping import shown
from imgsearch.index.part_kinds import PART_KINDS, PartKind
from imgsearch.ingest import rules, sources
from imgsearch.ingest.rules import Rules
from imgsearch.photos import walk
from imgsearch.question import Filter

if TYPE_CHECKING:
    from imgsearch.index.base import Index
    from imgsearch.ingest.options import Options
    from imgsearch.ingest.sources import Job
    from imgsearch.library import Library

_LOOKED_UP = 512  # records at a time
# those that have to be asked for, as their options are called
NAMES_OF_PARTS: Mapping[PartKind, str] = {"region": "regions", "frame": "films", "text": "text"}
_TO_END: Mapping[PartKind, Action] = {
    "region": Action("make no regions"),
    "frame": Action("take in no films"),
    "text": Action("read no text"),
}


def in_force(library: Library, job: Job, options: Options) -> Rules:
    """For this run; with those of libraries that become a part of this one. Changes nothing.
    Raises UsageError where nothing of the folder, or of the library, would be left."""
    known = rules.of(library.index)
    found = _changed(known.get(job.library, Rules()), _globs(job, options), options)
    for inner in sources.inner_libraries(job, library.roots, library.index):
        found = found.with_those_of(known.get(inner, Rules()), _folder_of(library, job, inner))
    if options.include_removed:
        found = replace(found, removed={})
    if job.within and walk.excluder(found.exclude)(job.within):
        raise UsageError(
            f"{shown(os.path.join(os.fsencode(job.root), job.within))} is left out of the library"
            f" {job.library!r}, which excludes {', '.join(map(shown, found.exclude))}.",
            "To forget that",
            Action("exclude nothing"),
        )
    if options.exclude_for_good and _leaves_nothing(library, job, found.exclude):
        globs = ", ".join(map(shown, options.exclude_for_good))
        raise UsageError(
            f"Excluding {globs} would leave no photo of the library {job.library!r}.",
            "To take the library out of the index",
            Action("remove", {"what": shown(job.library)}),
        )
    return found


def keep(library: Library, jobs: Sequence[Job], options: Options) -> None:
    """What was asked for, for every later ingest of these libraries too."""
    decided = options.raw_apart is not None or options.forget_excluded
    if not (options.exclude_for_good or options.parts or decided):
        return
    for name, job in {job.library: job for job in jobs}.items():
        globs = _globs(job, options)
        before = rules.of(library.index).get(name, Rules())
        rules.change(library.index, name, partial(_changed, globs=globs, options=options))
        for kind, wanted in options.parts.items():
            if wanted != (kind in before.parts):
                library.talk.tell(_said_of_parts(name, kind, wanted))
        new = [glob for glob in globs if glob not in before.exclude]
        if new:
            library.talk.tell(
                Advice(
                    f"Library {name!r} leaves out {', '.join(map(shown, new))} from now on."
                    " To forget that",
                    Action("exclude nothing"),
                )
            )


def _said_of_parts(library: str, kind: PartKind, wanted: bool) -> str:
    parts = NAMES_OF_PARTS[kind]
    if kind == "frame":
        if wanted:
            said = f"Films of library {library!r} are ingested from now on. To end that"
            return Advice(said, _TO_END[kind])
        return f"No further films of library {library!r} are ingested; those that there are stay."
    if wanted:
        said = f"Photos of library {library!r} get {parts} from now on. To end that"
        return Advice(said, _TO_END[kind])
    return f"Further photos of library {library!r} get no {parts}; those that there are stay."


def join(library: Library, job: Job, inner: str) -> None:
    """The rules of a library that has become a part of another go with it."""
    known = rules.of(library.index)
    if inner in known:
        folder = _folder_of(library, job, inner)
        rules.change(
            library.index, job.library, lambda found: found.with_those_of(known[inner], folder)
        )
        rules.forget(library.index, [inner])


def _globs(job: Job, options: Options) -> list[str]:
    """What is to be excluded for good, from the library's root. A path on this machine that lies
    elsewhere is none of the library's."""
    found = []
    for glob in options.exclude_for_good:
        path = os.path.expanduser(glob)
        if os.path.isabs(path):
            root = os.path.join(os.fspath(job.root), "")
            if not path.startswith(root):
                continue
            glob = path[len(root) :].replace(os.sep, "/")
        found.append(glob.removeprefix("./"))
    return found


def check_excluded(jobs: Sequence[Job], options: Options) -> None:
    """Raises UsageError for a path that lies in none of the libraries."""
    for glob in options.exclude_for_good:
        alone = replace(options, exclude_for_good=(glob,))
        if not any(_globs(job, alone) for job in jobs):
            raise UsageError(
                f"{shown(glob)} cannot be excluded: it is not in"
                f" {', '.join(shown(job.root) for job in jobs)}.",
                "Give a name, a path from there, or a pattern",
                Action("exclude"),
            )


def check_parts(index: Index, options: Options) -> None:
    """Raises UsageError where parts of photos are asked for and the index can hold none;
    ModelUnavailable where text is to be read and the extra for it is missing."""
    reason = index.capabilities.no_parts
    asked = [NAMES_OF_PARTS[kind] for kind, wanted in options.parts.items() if wanted]
    if asked and reason is not None:
        without = " and ".join(asked)
        raise UsageError(
            reason, f"Ingest without {without}; or into an index on this machine, which holds them."
        )
    missing = ocr.missing() if options.parts.get("text") else None
    if missing is not None:
        raise missing


def tell_unread(library: Library, found: Iterable[Rules]) -> None:
    """A word where rules want text to be read and the extra for it is missing: it is read later."""
    wanted = any("text" in each.parts for each in found)
    missing = ocr.missing() if wanted and library.index.capabilities.texts is not None else None
    if missing is not None:
        library.talk.tell(f"No text in photos is read. {missing.message} {missing.cure}")


def _changed(known: Rules, globs: Sequence[str], options: Options) -> Rules:
    kept = () if options.forget_excluded else known.exclude
    exclude = tuple(dict.fromkeys([*kept, *globs]))
    raw_apart = known.raw_apart if options.raw_apart is None else options.raw_apart
    wanted = {**dict.fromkeys(known.parts, True), **options.parts}
    parts = tuple(kind for kind in PART_KINDS if wanted.get(kind))
    return replace(known, exclude=exclude, raw_apart=raw_apart, parts=parts)


def _folder_of(library: Library, job: Job, inner: str) -> str:
    """The path of an inner library's root from the root of the one around it."""
    return library.roots[inner].relative_to(job.root).as_posix()


def _leaves_nothing(library: Library, job: Job, exclude: Sequence[str]) -> bool:
    """Of what the index has of the library; of a new one nothing is known."""
    excluded = walk.excluder(exclude)
    ids = library.index.ids(Filter.within(job.library))
    any_photo = False
    while some := list(islice(ids, _LOOKED_UP)):
        for record in library.index.records(some).values():
            any_photo = True
            if not excluded(photos.path_bytes(record.relative_path, record.path_escaped)):
                return False
    return any_photo
