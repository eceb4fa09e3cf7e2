"""A library's folders into its index: what `Library.ingest` and `Library.re_embed` do."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgsearch import paths
from imgsearch.errors import Interrupted
from imgsearch.ingest import decisions, sources
from imgsearch.ingest.file_states import FileStates
from imgsearch.ingest.result import Result
from imgsearch.ingest.scan import Ingest, Options
from imgsearch.ingest.sources import Job
from imgsearch.photos import path_text
from imgsearch.question import Filter
from imgsearch.rules import Rules, lift_removed
from imgsearch.rules import of as rules_of

if TYPE_CHECKING:
    from imgsearch.library import Library
    from imgsearch.models.base import ImageEncoder

_DELETED_AT_A_TIME = 512
SKIPPED_KEPT = 1000  # skipped files that the index remembers of its last ingest


def ingest(library: Library, folders: Sequence[Path], options: Options, name: str | None) -> Result:
    library.models.check_choice()
    jobs = sources.jobs_for(folders, name, library.roots, library.index, library.talk.tell)
    rules = {job.library: decisions.in_force(library, job, options) for job in jobs}
    if not options.dry_run:
        decisions.keep(library, [job.library for job in jobs], options)
        for job in jobs:
            is_named_by_index = library.roots.get(job.library) and not library.roots.registered(
                job.library
            )
            if not (job.within and is_named_by_index):
                library.roots.remember(
                    job.library, job.root, follow_links=options.follow_links, within=job.within
                )
    result = _run(library, jobs, options, rules)
    if options.include_removed and not options.dry_run:
        for job in jobs:
            lift_removed(library.index, job.library)
    if not (options.dry_run or options.limit or options.part):
        for job in jobs:
            _join_inner(library, job)
    return result


def _join_inner(library: Library, job: Job) -> None:
    """Libraries inside the folder that was ingested have become a part of it: their photos, whose
    vectors were taken over by their bytes, would be there twice."""
    for inner in sources.inner_libraries(job, library.roots, library.index):
        ids = iter(library.index.ids(Filter.within(inner)))
        while some := list(islice(ids, _DELETED_AT_A_TIME)):
            library.index.write([], some)
        decisions.join(library, job, inner)
        library.roots.forget(inner)
        library.talk.tell(f"Library {inner!r} is a part of {job.library!r} now.")


def re_embed(library: Library, options: Options) -> Result:
    sources.check_all_reachable(library.index, library.roots, options.prune)
    sources.check_all_ingested_here(library.roots)
    jobs = sources.all_jobs(library.roots)
    index = library.index.successor(library.models.successor_pair())
    successor = library.beside(index)
    without_prune = replace(options, prune=False)
    try:
        # again: what others write from now on is caught up, not what they wrote just before
        sources.check_all_reachable(library.index, library.roots, options.prune)
        rules = rules_of(library.index)
        result = _run(successor, jobs, without_prune, rules)
        index.promote(lambda: result.include(_run(successor, jobs, without_prune, rules)))
        return result
    finally:
        library.index.notes.extend(index.notes)
        index.close()


def _run(
    library: Library, jobs: Sequence[Job], options: Options, rules: Mapping[str, Rules]
) -> Result:
    index = library.index

    def open_encoder() -> ImageEncoder:
        encoder, pair = library.models.ingest_encoder(options.limits.workers)
        index.stamp(pair)
        return encoder

    try:
        with library.talk.photo_progress() as progress:
            states = FileStates(paths.data_dir() / "file-states", index.index_id)
            may_remove = library.talk.may_remove
            run = Ingest(index, open_encoder, options, progress, may_remove, states, rules)
            result = run.run(jobs, library.roots.all())
            if not options.dry_run:
                index.finish(progress)
    except KeyboardInterrupt:
        raise Interrupted(
            "Interrupted; what was embedded so far is in the index.",
            "Give the same command again to go on from there.",
        ) from None
    if not options.dry_run:
        report = report_of(result)
        report["finished"] = datetime.now().astimezone().isoformat(timespec="seconds")
        report["skipped"] = report["skipped"][:SKIPPED_KEPT]
        index.record_ingest(report)
    return result


def report_of(result: Result) -> dict[str, Any]:
    """The summary, for `--json` and for the index's memory of its last ingest."""
    counts = {
        name: getattr(result, name)
        for name in [
            "added",
            "updated",
            "unchanged",
            "renamed",
            "removed",
            "missing",
            "left_out",
            "joined",
            "embedded",
            "described",
        ]
    }
    skipped = [
        {
            "path": path_text(os.fsencode(skip.path))[0],
            "reason": skip.reason.value,
            "detail": skip.detail,
        }
        for skip in result.skipped
    ]
    seconds = {stage: round(spent, 3) for stage, spent in result.seconds.items()}
    return {**counts, "skipped": skipped, "seconds": seconds}
