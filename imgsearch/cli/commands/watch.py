"""`imgsearch watch`."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from imgsearch import cpu_and_memory
from imgsearch.cli import opening
from imgsearch.cli.commands.ingest import options
from imgsearch.cli.error_handler import say
from imgsearch.cli.options import INDEX_AND_MODELS, NEW_INDEX, Common
from imgsearch.cli.program import command
from imgsearch.escaping import shown
from imgsearch.output import cures
from imgsearch.settings import values
from imgsearch.settings.options import CommandOptions, arguments, flag, option
from imgsearch.settings.values import text

if TYPE_CHECKING:
    from imgsearch.ingest.events import Event
    from imgsearch.library import Library
    from imgsearch.settings import Settings


class Watching(CommandOptions):
    folders: tuple[str, ...] = arguments(
        text, "[DIR...]", "Folders to watch (default: all known libraries).", completion="folders"
    )
    settle: float = option(
        values.above_zero,
        "--settle SECONDS",
        "Ingest a file when it has not changed for so long.",
        default=2.0,
    )
    rescan: float = option(
        values.above_zero,
        "--rescan MINUTES",
        "Look through everything again after so long.",
        default=60.0,
    )
    yes: bool = flag("-y, --yes", "Write to a foreign index.")


@command(
    "watch",
    Watching,
    (
        *INDEX_AND_MODELS,
        *("exclude", "follow_links", "max_megapixels", "precision", "batch_size", "workers"),
        "ocr_model",
        *NEW_INDEX,
    ),
    examples=["imgsearch watch", "imgsearch watch ./photos"],
)
def watch(common: Common, given: Watching) -> None:
    """Ingest what changes in folders, until Ctrl-C.

    Nothing is ever removed; a disk that is not mounted is waited for. Where changes cannot be
    watched, the folder is looked through now and then.
    """
    cpu_and_memory.give_way()
    from imgsearch import paths
    from imgsearch.errors import Interrupted
    from imgsearch.library import index_place
    from imgsearch.watching.run import Times, Watch

    chosen = opening.load_settings(common)
    place = index_place(chosen)
    asked = options(chosen, background=True, report=_say_event if common.verbose else None)
    asked = replace(asked, exclude=(*asked.exclude, *asked.exclude_for_good), exclude_for_good=())
    watching = Watch(
        lambda: _opened(chosen, given.yes),
        given.folders,
        asked,
        Times(given.settle, given.rescan * 60),
        _say,
        place.folder if isinstance(place, paths.LocalPlace) else None,
    )
    with contextlib.suppress(KeyboardInterrupt, Interrupted), _ended_by_signals():
        watching.run(threading.Event())
    _say("Stopped.")


def _say(line: str) -> None:
    say(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}")


def _say_event(event: Event) -> None:
    why = f": {event.reason} ({cures.shown(event.detail)})" if event.reason else ""
    say(f"  {event.kind} {shown(event.path)}{shown(why)}")


def _opened(chosen: Settings, yes: bool) -> Library:
    """Raises UsageError for another program's index, unless the user allows it."""
    from imgsearch.errors import UsageError
    from imgsearch.library import open_library
    from imgsearch.progress import Talk

    library = open_library(chosen, create=True, talk=Talk(_say))
    if library.index.foreign and not yes:
        place = library.index.place
        library.close()
        raise UsageError(f"{place} was not made by imgsearch.", "To write into it: --yes")
    return library


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM, by which services are ended, is like Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
