"""Every error that a user can cause, in one tree.

    ImgsearchError                 exit code 1
      UsageError                   exit code 2: the command's words are off
        SettingsError              a setting that cannot be read, or contradicts another
      TooFewPhotos                 in the index, to tell what fits
      PhotoError                   a folder or file to ingest or to compare
      ModelError                   a model that is missing, broken or of the wrong kind
        ModelUnavailable           the weights are not here and cannot be fetched
      IndexError_                  the index as a whole
        IndexNotFound              nothing has been ingested there yet
        IndexLocked                another ingest holds it
        IndexContradiction         an option contradicts what the index records
        IndexTooNew                written by a newer imgsearch
        IndexDamaged               a file of the index cannot be read
        IndexUnavailable           the place it lies in: disk full, read-only, no connection
      Interrupted                  exit code 130

A `message` says what happened; `cure` says what to do next. Both are shown, each on its own line.
Neither names a command or an option: `action` is what a cure asks for, and whoever shows the error
says how that is done there (the command line: output/cures.py). `Advice` is a line of another kind,
such as a note, that asks for an action.
A photo that cannot be ingested is no error: see `imgsearch.photos.Skip`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import NoReturn

from imgsearch.dataclass import dataclass

EXIT_OK, EXIT_FAILURE, EXIT_USAGE, EXIT_BUG, EXIT_INTERRUPTED = 0, 1, 2, 3, 130


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do, by a name of output/cures.py. `facts`: with what, such as a folder."""

    name: str
    facts: Mapping[str, object] = field(default_factory=dict)


class Advice(str):
    """A text that asks for an action, and reads well without it."""

    __slots__ = ("action",)
    action: Action

    def __new__(cls, text: str, action: Action) -> Advice:
        made = super().__new__(cls, text)
        made.action = action
        return made


class ImgsearchError(Exception):
    """What happened (`message`) and what to do next (`cure`, by `action` if that is something to do
    with imgsearch)."""

    exit_code = EXIT_FAILURE

    def __init__(self, message: str, cure: str, action: Action | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.cure = cure
        self.action = action


class UsageError(ImgsearchError):
    exit_code = EXIT_USAGE


class SettingsError(UsageError):
    pass


class TooFewPhotos(ImgsearchError):
    pass


class PhotoError(ImgsearchError):
    pass


class ModelError(ImgsearchError):
    pass


class ModelUnavailable(ModelError):
    pass


class IndexError_(ImgsearchError):  # noqa: N801 - the built-in has the plain name
    pass


class IndexNotFound(IndexError_):
    pass


class IndexLocked(IndexError_):
    pass


class IndexContradiction(IndexError_):
    pass


class IndexTooNew(IndexError_):
    pass


class IndexDamaged(IndexError_):
    pass


class IndexUnavailable(IndexError_):
    pass


class Interrupted(ImgsearchError):
    exit_code = EXIT_INTERRUPTED


class Closed:
    """Stands for what a library worked with before it was closed: whatever is asked of it raises
    UsageError."""

    def __getattr__(self, name: str) -> NoReturn:
        raise UsageError("This library is closed.", "Open it again.")
