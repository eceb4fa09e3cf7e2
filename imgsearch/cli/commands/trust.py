"""`imgsearch trust`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.cli.error_handler import say
from imgsearch.cli.options import Common
from imgsearch.cli.program import command
from imgsearch.settings.options import CommandOptions, argument, flag

if TYPE_CHECKING:
    from imgsearch.settings.folder_files import FolderFile


class Trusting(CommandOptions):
    directory: Path = argument(
        Path,
        "[DIR]",
        "The folder they are in.",
        default=Path(),
        default_text="this one",
        completion="folders",
    )
    revoke: bool = flag("--revoke", "Take it back: ask again next time.")


@command("trust", Trusting, examples=["imgsearch trust ."])
def trust(common: Common, given: Trusting) -> None:
    """Let a folder's .env and imgsearch.toml say which index to use.

    And as whom to use it, as these files are now. A file that changes afterwards has to be allowed
    again.
    """
    from imgsearch import paths
    from imgsearch.errors import UsageError
    from imgsearch.settings import folder_files

    directory = given.directory
    if given.revoke:
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
