"""`imgsearch open`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from imgsearch.cli import asked_question, opening
from imgsearch.cli.error_handler import say
from imgsearch.cli.options import INDEX_ALONE, Common
from imgsearch.cli.program import command
from imgsearch.errors import EXIT_FAILURE, PhotoError
from imgsearch.escaping import shell_quoted, shown
from imgsearch.settings.options import CommandOptions, arguments
from imgsearch.settings.values import text

if TYPE_CHECKING:
    from imgsearch.library import Library


class Opening(CommandOptions):
    photos: tuple[str, ...] = arguments(
        text,
        "PHOTO...",
        "Ids, paths, or ranks in the last result list (@1 @4), of indexed photos.",
    )


class Wanted(NamedTuple):
    """A photo's file, which lies inside its library's folder. `moment`: of a film, where in it
    something was found, in seconds."""

    path: bytes
    format: str
    moment: float | None


@command("open", Opening, INDEX_ALONE, brief=True, examples=["imgsearch open @1 @4"])
def open_photos(common: Common, given: Opening) -> None:
    """Open photos of the index in the system's viewer."""
    with opening.opened(opening.load_settings(common)) as library:
        library.check_not_empty()
        files = [_file(library, photo) for photo in given.photos]
    _open(files)


def _file(library: Library, photo: str) -> Wanted:
    """Raises PhotoError."""
    from imgsearch.search import last_results, photo_names

    record = asked_question.ranked(library, photo)
    if record is None:
        record = photo_names.find_record(library.index, library.roots, photo)
    if record is None and not Path(photo).is_file():
        record = photo_names.find_shown(library.index, library.roots, photo)
    if record is None:
        raise PhotoError(
            f"There is no photo in the index with that id or path: {shown(photo)}",
            "Copy an id or a path from a result.",
        )
    found = library.location(record)
    if found.refusal is not None:
        raise PhotoError(
            f"{shown(record.relative_path)} is not opened: {found.refusal.value}.",
            "Ingest its folder on this machine first.",
        )
    if found.path is None or found.missing:
        raise PhotoError(
            f"{shown(record.relative_path)} is missing: there is no file {shown(found.path or '')}",
            "Ingest its folder again, which finds photos that were moved.",
        )
    rank = last_results.rank(photo)
    moment = None if rank is None else last_results.moment_at(library.index.place, rank)
    return Wanted(found.path, record.format, moment)


def _open(files: Sequence[Wanted]) -> None:
    """Says how many were opened, and why others were not. Exit code 1 where any was not."""
    from imgsearch.cli import viewer
    from imgsearch.output import console
    from imgsearch.roots.locations import may_be_opened

    found = [file for file in files if may_be_opened(file.path)]
    if len(found) < len(files):
        say(f"{console.count(len(files) - len(found), 'file')} not opened: no picture.")
    at_a_moment = [_is_opened_at_its_moment(file) for file in found]
    pictures = [file.path for file, is_open in zip(found, at_a_moment, strict=True) if not is_open]
    failed = viewer.open_files(pictures)
    if len(failed) < len(pictures):
        say(f"Opened {console.count(len(pictures) - len(failed), 'photo')} in the system's viewer.")
    if failed:
        _say_how_else(failed)
    if failed or len(found) < len(files):
        raise typer.Exit(EXIT_FAILURE)


def _say_how_else(paths: Sequence[bytes]) -> None:
    """Of photos that the system has no viewer for: where they lie, and what shows them."""
    from imgsearch.cli import viewer
    from imgsearch.output import console

    photos, them = console.count(len(paths), "photo"), "it" if len(paths) == 1 else "them"
    say(f"{photos} could not be opened: {viewer.PROGRAM} found no program for {them}.")
    typed = " ".join(shell_quoted(path) for path in paths)
    say(f"Give {them} to a viewer of your own: VIEWER {typed}")
    say("Or search in a browser: imgsearch serve --open")


def _is_opened_at_its_moment(file: Wanted) -> bool:
    """Opens a film where something was found in it, if the player can; else says where that is."""
    from imgsearch.cli import viewer
    from imgsearch.output.captions import clock
    from imgsearch.photos.film_formats import CONTENT_TYPES

    if file.moment is None or file.format not in CONTENT_TYPES:
        return False
    name, at = shown(os.path.basename(file.path)), clock(file.moment)
    player = viewer.open_film(file.path, file.moment, CONTENT_TYPES[file.format])
    if player is None:
        say(f"In {name}, what was found is at {at}.")
        return False
    say(f"Opened {name} at {at} in {player}.")
    return True
