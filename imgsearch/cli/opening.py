"""Opens the library that a command works with, by its settings."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgsearch import settings
from imgsearch.cli.error_handler import hide, listen, say
from imgsearch.cli.options import Common
from imgsearch.escaping import shown

if TYPE_CHECKING:
    from imgsearch.library import Library
    from imgsearch.progress import Talk
    from imgsearch.settings import Settings


def load_settings(common: Common, *, ask: bool = True, **options: Any) -> Settings:
    """`ask`: about a file of the working directory that is not allowed yet; where there is no
    terminal, or the command only looks, its settings that need permission are left out.
    Raises SettingsError."""
    from imgsearch.cli import permission

    listen(common.verbose)
    _allow_model_code(common.trust_model_code)
    given = {**common.options, **options}
    loaded = settings.load(given)
    if ask and permission.granted(loaded.not_obeyed):
        loaded = settings.load(given)
    for secret in loaded.secrets():
        hide(secret)
    for note in loaded.notes:
        say(note)
    return loaded


def _allow_model_code(folders: Iterable[str]) -> None:
    """Allow Python code in these model folders. There is no setting of this name, so only the
    command line can do it."""
    from imgsearch.errors import UsageError

    for name in folders:
        folder = Path(name).expanduser()
        if not folder.is_dir():
            raise UsageError(
                f"--trust-model-code: {shown(folder)} is not a folder.",
                "Name the model's folder, the one that holds modules.json or config.json.",
            )
        from imgsearch.models import trust

        trust.allow(folder)


def talk() -> Talk:
    """How the library speaks to the user: on stderr, with progress bars, and with questions only on
    a terminal."""
    from imgsearch.cli import progress
    from imgsearch.cli.progress import bytes_bar, photos_bar
    from imgsearch.progress import Talk

    return Talk(progress.say, bytes_bar, photos_bar, _may_fetch, _may_remove)


def _may_fetch(said: str) -> bool:
    return _confirmed(said, "Fetch it from the Hugging Face hub?")


def _may_remove(said: str) -> bool:
    return _confirmed(said, "Remove them from the index?")


def _confirmed(said: str, question: str) -> bool:
    """Whether the user says yes to a question. False where there is no terminal to ask on."""
    from imgsearch.cli.confirmation import confirmed

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    say(said)
    return confirmed(question)


@contextlib.contextmanager
def opened(chosen: Settings, *, create: bool = False) -> Iterator[Library]:
    from imgsearch.library import open_library

    with open_library(chosen, create=create, talk=talk()) as library:
        yield library


@contextlib.contextmanager
def opened_for_ingest(chosen: Settings) -> Iterator[Library]:
    with opened(chosen, create=True) as library, library.locked():
        yield library


@contextlib.contextmanager
def opened_for_dry_run(chosen: Settings) -> Iterator[Library]:
    """Open the library for a dry run. Where there is no index yet, an empty one in a temporary
    folder stands in for it."""
    import tempfile

    from imgsearch.errors import IndexNotFound

    try:
        with opened(chosen) as library:
            yield library
    except IndexNotFound:
        with tempfile.TemporaryDirectory(prefix="imgsearch-") as folder:
            scratch = settings.defaults(index=folder, model=chosen.model)
            with opened(scratch, create=True) as library:
                yield library
