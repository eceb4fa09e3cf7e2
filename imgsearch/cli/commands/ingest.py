"""`imgsearch ingest`."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from imgsearch import cpu_and_memory
from imgsearch.cli import ingest_summary, name_list, opening, report_file
from imgsearch.cli.confirmation import confirmed
from imgsearch.cli.error_handler import say
from imgsearch.cli.ingest_summary import Filled
from imgsearch.cli.options import INDEX_AND_MODELS, NEW_INDEX, Common
from imgsearch.cli.program import command
from imgsearch.settings import values
from imgsearch.settings.options import CommandOptions, arguments, flag, option
from imgsearch.settings.table import PICTURES, SPEED
from imgsearch.settings.values import one_of, text, whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imgsearch.cli.report_file import Written
    from imgsearch.index.base import PartKind
    from imgsearch.ingest.options import Options
    from imgsearch.ingest.result import Result
    from imgsearch.library import Library
    from imgsearch.settings import Settings
    from imgsearch.thumbnails import Thumbnails

WORTH_TELLING = 50  # photos: fewer are embedded in no time


class Ingest(CommandOptions):
    paths: tuple[str, ...] = arguments(
        text,
        "[DIR|FILE...]",
        "Folders of pictures, or single files (default: all known libraries, once more).",
        completion="folders",
    )
    files_from: str | None = option(
        text,
        "--files-from FILE",
        "Ingest the files that FILE names, one a line or NUL-separated; - for stdin.",
    )
    null: bool = flag("-0, --null", "Names in --files-from are NUL-separated in any case.")
    library: str | None = option(
        text,
        "--library NAME",
        "The library's name.",
        default_text="the folder's",
        completion="libraries",
    )
    prune: bool = flag("--prune", "Take photos that are gone from DIR out of the index.")
    dry_run: bool = flag(
        "--dry-run", "Say what would be done (with --re-embed: at what cost), and do nothing."
    )
    re_embed: bool = flag("--re-embed", "Embed everything anew, for another model.")
    limit: int | None = option(
        whole, "--limit N", "Only N new or changed photos: a first try.", heading=PICTURES
    )
    no_exclude: bool = flag(
        "--no-exclude", "Forget what --exclude has left out until now.", heading=PICTURES
    )
    include_removed: bool = flag(
        "--include-removed", "Take in again what `imgsearch remove` took out.", heading=PICTURES
    )
    raw_pairs: str | None = option(
        one_of("one", "two"),
        "--raw-pairs one|two",
        "Whether a RAW and the JPEG of its name are one photo or two, from now on.",
        default_text="one",
        heading=PICTURES,
    )
    regions: bool = flag(
        "--regions",
        "Find small things in photos too: parts get vectors of their own, from now on.",
        heading=PICTURES,
    )
    no_regions: bool = flag(
        "--no-regions",
        "No regions for further photos; those that there are stay.",
        heading=PICTURES,
    )
    films: bool = flag(
        "--films",
        "Ingest films too, by their key frames, from now on: a hit names the moment.",
        heading=PICTURES,
    )
    no_films: bool = flag(
        "--no-films",
        "No further films; those that there are stay.",
        heading=PICTURES,
    )
    read_text: bool = flag(
        "--text",
        "Read text in photos too, from now on: --match and questions find its words.",
        heading=PICTURES,
    )
    no_text: bool = flag(
        "--no-text",
        "Read no text in further photos; what was read stays.",
        heading=PICTURES,
    )
    thumbnails: bool = flag(
        "--thumbnails",
        "Make the page's thumbnails of new photos too, while they are decoded anyway.",
        heading=PICTURES,
    )
    strict: bool = flag(
        "--strict",
        "Exit code 1 when a file was skipped, lacks pages, is not there, or lost by --re-embed.",
    )
    report: str | None = option(
        text, "--report FILE", "List what became of each file, as .csv or .json."
    )
    background: bool = flag(
        "--background", "Give way to other programs, and leave a core free.", heading=SPEED
    )
    part: tuple[int, int] | None = option(
        values.part, "--part I/N", "One part of N, for N machines at once: 1/4.", heading=SPEED
    )
    yes: bool = flag(
        "-y, --yes",
        "Do not ask: before writing to a foreign index, before a whole folder is pruned.",
    )
    json: bool = flag("--json", "The summary as one JSON object.")


@command(
    "ingest",
    Ingest,
    (
        *INDEX_AND_MODELS,
        *("exclude", "follow_links", "max_megapixels", "precision", "batch_size", "workers"),
        "ocr_model",
        *NEW_INDEX,
    ),
    examples=["imgsearch ingest ./photos"],
)
def ingest(common: Common, given: Ingest) -> None:
    """Walk folders, embed every picture, and keep the index.

    Without folders and files, all libraries that this machine has ingested. Unchanged files are not
    embedded again; renamed ones keep their vector.
    """
    if given.background:
        cpu_and_memory.give_way()  # before anything is imported that makes threads
    cpu_and_memory.keep_freed_memory()
    from imgsearch.ingest.run import report_of
    from imgsearch.output.console import print_json

    began = time.perf_counter()
    report_file.check(given.report)
    wanted_parts(given)
    chosen = opening.load_settings(common)
    if given.re_embed and given.dry_run:
        _check_whole(given)
        _show_cost(chosen, given)
        return
    result, filled = (_re_embed if given.re_embed else _ingest)(chosen, given, began)
    if given.json:
        print_json(filled.as_dict(dry_run=given.dry_run) | report_of(result))
    else:
        ingest_summary.show(result, filled, common, dry_run=given.dry_run)
    failed = result.skipped or result.incomplete or result.named_missing or result.lost
    if given.strict and failed:
        raise typer.Exit(1)


def wanted_parts(given: Ingest) -> dict[PartKind, bool]:
    """The kinds of parts that are asked for, or not any more. Raises UsageError for both."""
    from imgsearch.errors import UsageError
    from imgsearch.ingest.decisions import NAMES_OF_PARTS

    flags: dict[PartKind, tuple[bool, bool]] = {
        "region": (given.regions, given.no_regions),
        "frame": (given.films, given.no_films),
        "text": (given.read_text, given.no_text),
    }
    for kind, (wanted, unwanted) in flags.items():
        if wanted and unwanted:
            name = NAMES_OF_PARTS[kind]
            raise UsageError(
                f"--{name} and --no-{name} contradict each other.", "Give one of them."
            )
    return {kind: wanted for kind, (wanted, unwanted) in flags.items() if wanted or unwanted}


def _options(chosen: Settings, given: Ingest, report: Written) -> Options:
    return options(
        chosen,
        background=given.background,
        prune=given.prune,
        sure=given.yes,
        dry_run=given.dry_run,
        limit=given.limit,
        part=given.part,
        report=report.event,
        forget_excluded=given.no_exclude,
        include_removed=given.include_removed,
        raw_apart=None if given.raw_pairs is None else given.raw_pairs == "two",
        parts=wanted_parts(given),
        thumbnails=_thumbnails(chosen) if given.thumbnails else None,
    )


def _thumbnails(chosen: Settings) -> Thumbnails:
    from imgsearch import paths
    from imgsearch.thumbnails import KEPT_BYTES, Thumbnails

    folder = paths.cache_dir() / "thumbnails"
    return Thumbnails(folder, chosen.max_megapixels, KEPT_BYTES)


def options(chosen: Settings, *, background: bool = False, **given: Any) -> Options:
    """The options of an ingest. What the user did not set is chosen by what this process may use of
    the machine."""
    from imgsearch.ingest import batch_size
    from imgsearch.ingest.options import Options

    for_good = chosen.setting("exclude").source == "--exclude"
    memory = cpu_and_memory.memory()
    workers = chosen.workers or batch_size.workers(cpu_and_memory.cores() - background, memory)
    return Options(
        limits=batch_size.Limits(
            workers=workers,
            batch_size=chosen.batch_size or batch_size.batch_size(memory),
            on_the_way=batch_size.on_the_way(workers, memory),
        ),
        max_megapixels=chosen.max_megapixels,
        exclude=() if for_good else tuple(chosen.exclude),
        exclude_for_good=tuple(chosen.exclude) if for_good else (),
        follow_links=chosen.follow_links,
        recogniser=Path(chosen.ocr_model).expanduser() if chosen.ocr_model else None,
        **given,
    )


def _ingest(chosen: Settings, given: Ingest, began: float) -> tuple[Result, Filled]:
    from imgsearch.errors import UsageError
    from imgsearch.ingest.named_files import check_paths

    if "" in given.paths:
        raise UsageError("The name of a folder is empty.", "Name one: imgsearch ingest ./photos")
    listed = None
    if given.files_from is not None:
        listed = name_list.read(given.files_from, nul=given.null)
    check_paths(given.paths, listed, given.prune)
    opened = opening.opened_for_dry_run if given.dry_run else opening.opened_for_ingest
    with opened(chosen) as library:
        if not given.dry_run and not given.yes:
            _ask_about_foreign(library)
        with report_file.opened(given.report) as report:
            asked = _options(chosen, given, report)
            with _offering_a_small_model(library, given.paths):
                paths = given.paths or None
                report.result = library.ingest(paths, asked, given.library, files=listed)
        return report.result, Filled.of(library, time.perf_counter() - began)


@contextlib.contextmanager
def _offering_a_small_model(library: Library, paths: Sequence[str]) -> Iterator[None]:
    """Where models cannot be fetched: says how these pictures can be tried without, unless the
    index has its models already."""
    from imgsearch.errors import Action, ModelUnavailable
    from imgsearch.escaping import shell_quoted

    try:
        yield
    except ModelUnavailable as error:
        is_of_hub = error.action == Action("name both models")
        if is_of_hub and paths and library.index.models() is None:
            folders = " ".join(shell_quoted(os.fsencode(path)) for path in paths)
            error.action = Action("name both models, or try a small one", {"folders": folders})
        raise


def _ask_about_foreign(library: Library) -> None:
    """Ask before anything is written to another program's index, such as the tutorial's."""
    if library.index.foreign:
        question = f"{library.index.place} was not made by imgsearch. Write into it?"
        if not confirmed(question):
            raise typer.Abort


def _check_whole(given: Ingest) -> None:
    from imgsearch.errors import UsageError

    if given.paths or given.files_from or given.library or given.limit:
        raise UsageError("--re-embed is for the whole index.", "Leave out folders and --limit.")


def _tell_cost(library: Library, asked: Options) -> None:
    """Before anything is fetched, where it can be told then."""
    from imgsearch.ingest import cost

    if library.count() < WORTH_TELLING:
        return
    found = cost.of(library, asked)
    if found is None:
        library.models.successor_pair()  # fetched and exported, as the ingest would
        found = cost.of(library, asked)
    if found is not None:
        say(ingest_summary.of_cost(found))


def _show_cost(chosen: Settings, given: Ingest) -> None:
    """What a dry run of --re-embed says; nothing is fetched for it."""
    from dataclasses import asdict

    from imgsearch.errors import Action, ModelUnavailable
    from imgsearch.ingest import cost
    from imgsearch.output.console import console, print_json

    with opening.opened(chosen) as library, report_file.opened(None) as report:
        found = cost.of(library, _options(chosen, given, report))
    if found is None:
        raise ModelUnavailable(
            "What it costs cannot be told: these models are not on this machine yet, or none of the"
            " photos can be read.",
            "Fetch the models first",
            Action("set up"),
        )
    if given.json:
        print_json(asdict(found))
    else:
        console().print(ingest_summary.of_cost(found), soft_wrap=True, highlight=False)


def _re_embed(chosen: Settings, given: Ingest, began: float) -> tuple[Result, Filled]:
    _check_whole(given)
    with opening.opened_for_ingest(chosen) as library, report_file.opened(given.report) as report:
        asked = _options(chosen, given, report)
        _tell_cost(library, asked)
        report.result = library.re_embed(asked)
    with opening.opened(chosen) as library:
        return report.result, Filled.of(library, time.perf_counter() - began)
