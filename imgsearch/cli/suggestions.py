"""Suggestions for a word that is not a command."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Sequence

from imgsearch.errors import UsageError
from imgsearch.escaping import shown

MEANT = {  # what people type who know other programs
    "add": "ingest",
    "check": "doctor",
    "delete": "remove",
    "find": "query",
    "help": "--help",
    "import": "ingest",
    "index": "ingest",
    "info": "status",
    "init": "ingest",
    "list": "status",
    "ls": "status",
    "rm": "remove",
    "scan": "ingest",
    "search": "query",
    "setup": "setup-model",
    "stats": "status",
    "update": "ingest",
    "version": "--version",
    "web": "serve",
}
MEANT_OPTIONS = {"-V": "--version", "-?": "--help", "-help": "--help", "-version": "--version"}
_LONGEST = 60  # characters of a question that is repeated


def unknown_command(words: Sequence[str], commands: Sequence[str]) -> UsageError:
    """The error for a word that is not a command, with the command that was probably meant.
    `words`: that word and all that follow it."""
    word = words[0]
    message = f"There is no command {_quoted(word)}."
    near = difflib.get_close_matches(word.lower(), [*commands, *MEANT], n=1, cutoff=0.7)
    meant = near[0] if near else ""
    meant = MEANT.get(meant, meant)
    if meant == "--help" and len(words) > 1 and words[1] in commands:
        return UsageError(message, f"Did you mean imgsearch {words[1]} --help?")
    if meant:
        return UsageError(message, f"Did you mean imgsearch {_command_line(meant, words[1:])}?")
    return UsageError(
        message,
        f"To search for pictures: imgsearch {_command_line('query', [' '.join(words)])}"
        " (imgsearch --help lists the commands)",
    )


def _command_line(meant: str, rest: Sequence[str]) -> str:
    """The suggested command line, with the words that followed if they are few."""
    line = " ".join([meant, *map(_quoted, rest)])
    if meant.startswith("-"):
        return meant
    return line if len(line) <= _LONGEST else f"{meant} …"


def _quoted(word: str) -> str:
    text = shown(word if len(word) <= _LONGEST else f"{word[:_LONGEST]}…")
    return f'"{text}"' if " " in text and '"' not in text else shlex.quote(text)
