"""Asks whether a file of the working directory may set more than what is harmless."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from imgsearch.cli.confirmation import confirmed
from imgsearch.cli.error_handler import say

if TYPE_CHECKING:
    from imgsearch.settings import NotObeyed
    from imgsearch.settings.table import Setting


def granted(not_obeyed: Sequence[NotObeyed]) -> bool:
    """Whether the user has now allowed the files. On a terminal this is one question for all of
    them, and the answer is remembered; elsewhere a sentence for each. Raises SettingsError where
    a file was allowed, has changed, and nobody can be asked: the command would work elsewhere."""
    from imgsearch import paths
    from imgsearch.errors import SettingsError
    from imgsearch.settings import folder_files

    for each in not_obeyed:
        if each.file.fault:
            say(each.line)
    pending = [each for each in not_obeyed if each.pending]
    if not pending:
        return False
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        for each in pending:
            if each.permission == "changed":
                raise SettingsError(each.message, each.cure)
            say(each.line)
        return False
    for each in pending:
        say(description(paths.shown(each.file.path), each.settings))
    say("Your credentials, and what you ingest and search for, would go where these say.")
    allowed = confirmed("Did you write this, or do you trust who did?")
    try:
        folder_files.remember([each.file for each in pending], allowed=allowed)
    except OSError as error:
        say(f"The answer could not be remembered: {error.strerror}.")
        return False
    return allowed


def description(name: str, found: Mapping[str, Setting]) -> str:
    """One line that says what a file sets, with secrets hidden."""
    from imgsearch import paths

    values = "; ".join(f"{key} = {paths.shown(str(one.value))}" for key, one in found.items())
    return f"{name} sets: {values}."
