"""`imgsearch ingest`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgsearch.cli import ingest_summary, parts
from imgsearch.cli.ingest_summary import Filled
from imgsearch.cli.options import Common, Quantization, Replicas, Shards, SourceVectors, command
from imgsearch.ingest import resources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgsearch.ingest.result import Result
    from imgsearch.ingest.scan import Options
    from imgsearch.library import Library
    from imgsearch.settings import Settings


def register(app: typer.Typer) -> None:
    command(app)(ingest)


def ingest(
    common: Common,
    directories: Annotated[
        list[str] | None, typer.Argument(metavar="DIR...", help="Folders of pictures.")
    ] = None,
    library: Annotated[
        str | None,
        typer.Option(
            "--library", metavar="NAME", help="The library's name (default: the folder's)."
        ),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Take photos that are gone from DIR out of the index.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", metavar="N", min=1, help="Only N new or changed photos: a first try."
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="GLOB", help="Leave out what matches; repeatable."),
    ] = None,
    follow_links: Annotated[
        bool | None,
        typer.Option("--follow-links", help="Follow symbolic links to files and folders."),
    ] = None,
    max_megapixels: Annotated[
        float | None,
        typer.Option("--max-megapixels", help="Skip larger pictures (default: 250)."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 1 when a file was skipped.")
    ] = False,
    re_embed: Annotated[
        bool,
        typer.Option("--re-embed", help="Embed everything anew, for another model."),
    ] = False,
    precision: Annotated[
        str | None,
        typer.Option("--precision", metavar="auto|f32|bf16|int8", help="Of the image model."),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size", min=1, help="Photos embedded together (default: by memory, up to 16)."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Threads (default: one a core, if memory allows)."),
    ] = None,
    background: Annotated[
        bool,
        typer.Option("--background", help="Give way to other programs, and leave a core free."),
    ] = False,
    part: Annotated[
        str | None,
        typer.Option("--part", metavar="I/N", help="One part of N, for N machines at once: 1/4."),
    ] = None,
    shards: Shards = None,
    replicas: Replicas = None,
    quantization: Quantization = None,
    source_vectors: SourceVectors = None,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            "-y",
            help="Do not ask: before writing to a foreign index, before a whole folder is pruned.",
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="The summary as one JSON object.")] = False,
) -> None:
    """Walk folders, embed every picture, and keep the index.

    Unchanged files are not embedded again; renamed ones keep their vector.

    Example: imgsearch ingest ./photos
    """
    if background:
        resources.give_way()  # before anything is imported that makes threads
    from imgsearch.ingest.run import report_of
    from imgsearch.output.console import print_json

    chosen = parts.load_settings(
        common,
        exclude=exclude,
        follow_links=follow_links,
        max_megapixels=max_megapixels,
        precision=precision,
        batch_size=batch_size,
        workers=workers,
        shards=shards,
        replicas=replicas,
        quantization=quantization,
        source_vectors=source_vectors,
    )
    wanted = options(
        chosen,
        background=background,
        prune=prune,
        sure=yes,
        dry_run=dry_run,
        limit=limit,
        part=_part(part),
    )
    began = time.perf_counter()
    if re_embed:
        result, filled = _re_embed(chosen, wanted, directories or [], library, began)
    else:
        result, filled = _ingest(chosen, wanted, directories or [], library, yes, began)
    if json:
        print_json(report_of(result))
    else:
        ingest_summary.show(result, filled, dry_run=dry_run, verbose=common.verbose)
    if strict and result.skipped:
        raise typer.Exit(1)


def _part(text: str | None) -> tuple[int, int] | None:
    """ "1/4" to (1, 4)."""
    from imgsearch.errors import UsageError

    if text is None:
        return None
    number, slash, count = text.partition("/")
    if slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count):
        return int(number), int(count)
    raise UsageError(
        f"Invalid value for --part: {text!r} is not I/N.", "Say which part of how many: --part 1/4"
    )


def options(chosen: Settings, *, background: bool = False, **given: Any) -> Options:
    """What the user did not set is chosen from what this process may use of the machine."""
    from imgsearch.ingest.pipeline import Limits
    from imgsearch.ingest.scan import Options

    memory = resources.memory()
    workers = chosen.workers or resources.workers(resources.cores() - background, memory)
    return Options(
        limits=Limits(
            workers=workers,
            batch_size=chosen.batch_size or resources.batch_size(memory),
            on_the_way=resources.on_the_way(workers, memory),
        ),
        max_megapixels=chosen.max_megapixels,
        exclude=tuple(chosen.exclude),
        follow_links=chosen.follow_links,
        **given,
    )


def _ingest(
    chosen: Settings,
    options: Options,
    directories: Sequence[str],
    name: str | None,
    yes: bool,
    began: float,
) -> tuple[Result, Filled]:
    from imgsearch.errors import UsageError
    from imgsearch.ingest.sources import check_directory

    if not directories:
        raise UsageError("No folder is named.", "Name one: imgsearch ingest ./photos")
    for directory in directories:
        if not directory:
            raise UsageError(
                "The name of a folder is empty.", "Name one: imgsearch ingest ./photos"
            )
        check_directory(Path(directory))
    opened = parts.opened_for_dry_run if options.dry_run else parts.opened_for_ingest
    with opened(chosen) as library:
        if not options.dry_run and not yes:
            _ask_about_foreign(library)
        result = library.ingest(directories, options, name)
        return result, Filled.of(library, time.perf_counter() - began)


def _ask_about_foreign(library: Library) -> None:
    """Another program's index, such as the tutorial's, is written to only when the user says so."""
    if library.index.foreign:
        question = f"{library.index.place} was not made by imgsearch. Write into it?"
        typer.confirm(question, abort=True, err=True)


def _re_embed(
    chosen: Settings,
    options: Options,
    directories: Sequence[str],
    library_name: str | None,
    began: float,
) -> tuple[Result, Filled]:
    from imgsearch.errors import UsageError

    if directories or library_name or options.limit or options.dry_run:
        raise UsageError(
            "--re-embed is for the whole index.", "Leave out folders, --limit and --dry-run."
        )
    with parts.opened_for_ingest(chosen) as library:
        result = library.re_embed(options)
    with parts.opened(chosen) as library:
        return result, Filled.of(library, time.perf_counter() - began)
