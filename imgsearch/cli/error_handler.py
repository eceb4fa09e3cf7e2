"""Turns every exception into a sentence on stderr and an exit code."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import typer

from imgsearch.cli import hints, streams
from imgsearch.errors import (
    EXIT_BUG,
    EXIT_FAILURE,
    EXIT_INTERRUPTED,
    EXIT_OK,
    ImgsearchError,
)
from imgsearch.output import cures

_hidden: set[str] = set()
_SECRET_VARIABLE = re.compile(r"PASSWORD|PWD$|KEY|TOKEN|SECRET", re.IGNORECASE)
_USER_IN_URL = re.compile(r"(https?://)[^\s'\",]+@")  # up to the last @: a raw / may be within


@contextlib.contextmanager
def reporting() -> Iterator[None]:
    try:
        yield
        sys.stdout.flush()  # here, where a full disk or a reader that has gone gets its sentence
    except ImgsearchError as error:
        say(f"{_indented(error.message)}\n{_indented(error.cure)}")
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        say("Interrupted.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except BrokenPipeError:  # the reader of our output has gone: `imgsearch … | head`
        raise typer.Exit(EXIT_OK) from None
    except (typer.Exit, typer.Abort):
        raise
    except OSError as error:
        if error.errno is None:
            say(bug_report(error))
            raise typer.Exit(EXIT_BUG) from None
        say(_refused(error))
        raise typer.Exit(EXIT_FAILURE) from None
    except Exception as error:  # whatever is left is a bug: reported, never shown as a traceback
        if type(error).__module__.startswith(("typer.", "click.")):  # usage errors: theirs to show
            raise
        say(bug_report(error))
        raise typer.Exit(EXIT_BUG) from None
    finally:
        streams.settle()


def say(text: str) -> None:
    """Lines for the person, on stderr, which escapes them; what `hide` was told is left out."""
    sys.stderr.write(f"{_without(_hidden, hints.as_typed(cures.shown(text)))}\n")
    sys.stderr.flush()


def say_usage(error: Exception) -> None:
    """Print Typer's message about a command line that it does not understand, and what to do
    next."""
    message = str(getattr(error, "message", "") or "")
    said = error.format_message() if hasattr(error, "format_message") else message
    ctx = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        say(said)
        return
    from imgsearch.cli.suggestions import MEANT_OPTIONS

    typed = str(getattr(error, "option_name", ""))
    near = sorted(getattr(error, "possibilities", None) or MEANT_OPTIONS.get(typed, "").split())
    command = "imgsearch" if ctx is None else ctx.command_path
    lists = f"{command} --help lists its options."
    cure = f"Did you mean {' or '.join(near)}? {lists}" if near else lists
    if not near and re.fullmatch("-[^-]", typed):
        cure += f"\nAfter a lone --, words and names may begin with -: {command} -- {typed}…"
    say(f"{_indented(message if near else said)}\n{_indented(cure)}")


def _indented(text: str) -> str:
    """Further lines of a message, such as a server's reason, cannot pose as lines of ours."""
    return text.replace("\n", "\n  ")


def _refused(error: OSError) -> str:
    """The sentence for an OSError on a file of ours, such as a full disk or a missing
    permission."""
    from imgsearch.paths import shown

    what = error.strerror or type(error).__name__
    where = f": {shown(error.filename)}" if isinstance(error.filename, (str, bytes)) else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{what}{where}\nFree some space, then run the same command again; nothing is lost."
    return f"{what}{where}\nFix that, then run the same command again."


def bug_report(error: Exception) -> str:
    """Writes a report, and returns two lines that say so."""
    first = f"This is a bug in imgsearch: {type(error).__name__}."
    try:
        path = _write_report(error)
    except OSError as failed:
        return f"{first}\nThe report could not be written: {failed}"
    return f"{first}\nA report without passwords is in {path}; please send it with what you typed."


def _write_report(error: Exception) -> Path:
    from imgsearch import __version__, paths

    folder = paths.private_folder(paths.cache_dir() / "reports")
    path = folder / time.strftime("%Y-%m-%d-%H%M%S.txt")
    lines = [
        f"imgsearch {__version__}, Python {sys.version}, {sys.platform}",
        f"arguments: {sys.argv[1:]}",
        "",
        *traceback.format_exception(error),
    ]
    path.write_text(without_secrets("\n".join(lines)), "utf-8", "backslashreplace")
    path.chmod(0o600)
    return path


def listen(verbose: int) -> None:
    """Send the log messages of the package (retries, above all) to stderr, as many as `-v` asks
    for."""
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logger = logging.getLogger("imgsearch")
    logger.setLevel(level)
    if not any(isinstance(handler.formatter, _Discreet) for handler in logger.handlers):
        handler = logging.StreamHandler()
        handler.setFormatter(_Discreet("%(message)s"))
        logger.addHandler(handler)
        logger.propagate = False


def hide(secret: str) -> None:
    """Leave this text out of all messages, logs and reports from now on."""
    _hidden.add(secret)


def without_secrets(text: str) -> str:
    """The text of a report without any secret: neither those that `hide` was told nor the values of
    environment variables whose names call them secret."""
    of_environment = (value for name, value in os.environ.items() if _SECRET_VARIABLE.search(name))
    return _without((*_hidden, *of_environment), text)


def _without(secrets: Iterable[str], text: str) -> str:
    text = _USER_IN_URL.sub(r"\1…@", text)
    for secret in sorted(secrets, key=len, reverse=True):  # one may be part of another
        # as it is, as Python's repr writes it, and as it stands in a URL
        for form in {secret, repr(secret)[1:-1], quote(secret, safe="")}:
            if len(form) > 3:
                text = text.replace(form, "…")
    return text


class _Discreet(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return _without(_hidden, super().format(record))
