"""A library's folders into its index: what `Library.ingest` and `Library.re_embed` do."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from imgsearch import paths
from imgsearch.errors import Interrupted
from imgsearch.index.base import INGEST_COUNTS, Index
from imgsearch.ingest import decisions, not_re_embedded, sources
from imgsearch.ingest.file_states import FileStates
from imgsearch.ingest.known_libraries import all_jobs, check_all_ingested_here, known_jobs
from imgsearch.ingest.named_files import named_jobs
from imgsearch.ingest.not_re_embedded import Lost
from imgsearch.ingest.options import Options
from imgsearch.ingest.result import Result
from imgsearch.ingest.rules import Rules, lift_removed
from imgsearch.ingest.rules import of as rules_of
from imgsearch.ingest.scan import Ingest
from imgsearch.ingest.sources import Job
from imgsearch.photos import Skip, path_text
from imgsearch.question import Filter

if TYPE_CHECKING:
    from imgsearch.library import Library
    from imgsearch.models.base import ImageEncoder
    from imgsearch.roots import Roots

_DELETED_AT_A_TIME = 512
SKIPPED_KEPT = 1000  # skipped files that the index remembers of its last ingest


def ingest(
    library: Library,
    paths: Iterable[str | os.PathLike[str]] | None,
    options: Options | None,
    name: str | None,
    files: Iterable[str | os.PathLike[str]] | None,
) -> Result:
    """As `Library.ingest` says."""
    options = options or Options()
    library.models.check_choice()
    decisions.check_parts(library.index, options)
    where = library.roots, library.index, library.talk.tell
    if paths is None and files is None:
        jobs, skips = known_jobs(name, *where)
    else:
        named = [os.fspath(path) for path in paths or ()]
        listed = [os.fspath(file) for file in files or ()]
        jobs, skips = named_jobs(named, listed, name, *where)
    if not jobs and not skips:
        library.talk.tell("No file is named; nothing was changed.")
        return Result()
    decisions.check_excluded(jobs, options)
    rules = {job.library: decisions.in_force(library, job, options) for job in jobs}
    if not options.dry_run:
        decisions.keep(library, jobs, options)
        if paths is not None or files is not None:
            _remember(library.roots, jobs, options)
    result = _run(library, jobs, options, rules, skips)
    if options.include_removed and not options.dry_run:
        for job in jobs:
            lift_removed(library.index, job.library)
    if not (options.dry_run or options.limit or options.part):
        for job in jobs:
            _join_inner(library, job)
    return result


def _remember(roots: Roots, jobs: Sequence[Job], options: Options) -> None:
    for job in jobs:
        if job.files is not None:
            if roots.get(job.library) != job.root:
                roots.remember(job.library, job.root, only_files=True)
        elif not job.within or not roots.get(job.library) or roots.registered(job.library):
            # else the index alone names the folder, and only a part of it is ingested
            links = options.follow_links
            roots.remember(job.library, job.root, follow_links=links, within=job.within)


def run_jobs(library: Library, jobs: Sequence[Job], options: Options) -> Result:
    """Ingests parts of libraries that are known. To be called while `locked`. Raises PhotoError for
    a folder that is empty now."""
    library.models.check_choice()
    return _run(library, jobs, options, rules_of(library.index))


def _join_inner(library: Library, job: Job) -> None:
    """Libraries inside the folder that was ingested have become a part of it: their photos, whose
    vectors were taken over by their bytes, would be there twice. So would files of it that were
    ingested by their names, into a library of a folder above."""
    for inner in sources.inner_libraries(job, library.roots, library.index):
        _delete(library.index, Filter.within(inner))
        decisions.join(library, job, inner)
        library.roots.forget(inner)
        library.talk.tell(f"Library {inner!r} is a part of {job.library!r} now.")
    for where in sources.files_around(job, library.roots):
        _delete(library.index, where)


def _delete(index: Index, where: Filter) -> None:
    ids = iter(index.ids(where))
    while some := list(islice(ids, _DELETED_AT_A_TIME)):
        index.write([], some)


def re_embed(library: Library, options: Options) -> Result:
    sources.check_all_reachable(library.index, library.roots, options.prune)
    check_all_ingested_here(library.roots)
    jobs = all_jobs(library.roots, library.index)
    decisions.check_parts(library.index, options)
    decisions.keep(library, jobs, Options(parts=options.parts))
    index = library.index.successor(library.models.successor_pair())
    successor = library.beside(index)
    without_prune = replace(options, prune=False)
    try:
        # again: what others write from now on is caught up, not what they wrote just before
        sources.check_all_reachable(library.index, library.roots, options.prune)
        rules = rules_of(library.index)
        run = partial(_run, successor, jobs, without_prune, rules, before=library.index)
        result = run()
        losing = not_re_embedded.lost(library.index, index, library.roots, result.skipped)
        index.promote(lambda: result.include(run()))
        caught_up = index.records([one.id for one in losing])
        _tell_lost(result, [one for one in losing if one.id not in caught_up], options.prune)
        result.seconds["model"] += library.models.seconds
        return result
    finally:
        library.index.notes.extend(index.notes)
        index.close()


def _tell_lost(result: Result, losing: Sequence[Lost], prune: bool) -> None:
    """With --prune, what is gone from disk is given up as it is by any other ingest."""
    given_up = (not_re_embedded.MISSING, not_re_embedded.GIVEN_UP) if prune else ()
    result.lost = [one for one in losing if one.reason not in given_up]
    result.removed += len(losing) - len(result.lost)


def _run(
    library: Library,
    jobs: Sequence[Job],
    options: Options,
    rules: Mapping[str, Rules],
    passed_over: Sequence[Skip] = (),
    before: Index | None = None,
) -> Result:
    """`before`: the index whose place the library's takes."""
    index, ready_after = library.index, library.models.seconds
    decisions.tell_unread(library, rules.values())

    def open_encoder() -> ImageEncoder:
        encoder, pair = library.models.ingest_encoder(options.limits.workers, index.index_id)
        index.stamp(pair)
        return encoder

    try:
        with library.talk.photo_progress() as progress:
            states = FileStates(paths.data_dir() / "file-states", index.index_id)
            may_remove = library.talk.may_remove
            run = Ingest(index, open_encoder, options, progress, may_remove, states, rules, before)
            result = run.run(jobs, library.roots.all(), passed_over)
            result.seconds["model"] = library.models.seconds - ready_after
            if not options.dry_run:
                index.finish(progress)
                library.sample()  # kept, so that no question has to fetch it from far away
    except KeyboardInterrupt:
        raise Interrupted(
            "Interrupted; what was embedded so far is in the index.",
            "Give the same command again to go on from there.",
        ) from None
    if not options.dry_run:
        report = report_of(result)
        for name in ("gone", "incomplete"):  # which may be long, and are told once
            del report[name]
        report["finished"] = datetime.now().astimezone().isoformat(timespec="seconds")
        report["skipped"] = report["skipped"][:SKIPPED_KEPT]
        index.record_ingest(report)
    return result


def report_of(result: Result) -> dict[str, Any]:
    """The summary, for `--json` and for the index's memory of its last ingest."""
    gone = [{"path": path_text(os.fsencode(path))[0], "what": what} for what, path in result.gone]
    lost = [
        {"path": path_text(os.fsencode(one.path))[0], "reason": one.reason} for one in result.lost
    ]
    seconds = {stage: round(spent, 3) for stage, spent in result.seconds.items()}
    return {
        **{name: getattr(result, name) for name in INGEST_COUNTS},
        "skipped": _report_of_skips(result.skipped),
        "incomplete": _report_of_skips(result.incomplete),
        "gone": gone,
        "lost": lost,
        "seconds": seconds,
    }


def _report_of_skips(skips: Sequence[Skip]) -> list[dict[str, str]]:
    return [
        {
            "path": path_text(os.fsencode(skip.path))[0],
            "reason": skip.reason.value,
            "detail": skip.detail,
        }
        for skip in skips
    ]
