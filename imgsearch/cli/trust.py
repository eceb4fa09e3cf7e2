"""`imgsearch trust`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imgsearch.cli.error_handler import say
from imgsearch.cli.options import Common, command

if TYPE_CHECKING:
    from imgsearch.settings.folder_files import FolderFile


def register(app: typer.Typer) -> None:
    command(app)(trust)


def trust(
    common: Common,
    directory: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="The folder they are in (default: this one).")
    ] = Path(),
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Take it back: ask again next time.")
    ] = False,
) -> None:
    """Allow a folder's .env and imgsearch.toml, as they are now, to say where an index is and as
    whom to use it.

    A file that changes afterwards has to be allowed again.
    """
    from imgsearch import paths
    from imgsearch.errors import UsageError
    from imgsearch.settings import folder_files

    if revoke:
        for path in folder_files.forget(directory):
            say(f"No longer allowed: {paths.shown(path)}")
        return
    files = [file for name in folder_files.NAMES if (file := folder_files.read(directory, name))]
    if not files:
        raise UsageError(
            f"Neither .env nor imgsearch.toml is in {paths.shown(directory.absolute())}.",
            "Name the folder that holds one: imgsearch trust DIR",
        )
    allowed = [file for file in files if _needs_permission(file, directory)]
    folder_files.remember(allowed, allowed=True)


def _needs_permission(file: FolderFile, directory: Path) -> bool:
    """Says what the file sets. Raises SettingsError for one that is not obeyed in any case."""
    from imgsearch import paths, settings
    from imgsearch.cli.permission import description
    from imgsearch.errors import SettingsError

    path = paths.shown(file.path)
    if file.fault:
        raise SettingsError(
            f"{path} cannot be allowed: {file.fault}.", "Correct that, and run the command again."
        )
    guarded = settings.guarded(file, directory)
    if not guarded:
        say(f"{path} needs no permission.")
        return False
    say(f"Allowed: {description(path, guarded)}")
    return True
