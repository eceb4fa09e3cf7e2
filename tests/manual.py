"""The manual page and the completion files that the wheel brings, made from the commands'
declarations. `python -m tests.readme` writes them into `imgsearch/share/`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import typer

import imgsearch
from imgsearch import errors
from imgsearch.cli import completion
from imgsearch.cli.main import app
from imgsearch.cli.program import Command, Program
from imgsearch.settings.options import Option
from imgsearch.settings.table import CLUSTER, INDEX, KNOWN, TRUST

SHARE = Path(__file__).parent.parent / "imgsearch" / "share"
SCRIPTS = {
    "bash": "bash-completion/completions/imgsearch",
    "zsh": "zsh/site-functions/_imgsearch",
    "fish": "fish/vendor_completions.d/imgsearch.fish",
}
SHARED = (INDEX, CLUSTER, TRUST)  # headings of options that many commands take: said once
FILES = (
    ("~/.local/share/imgsearch", "Indexes, and which folder is which library."),
    ("~/.cache/imgsearch", "Exported models and thumbnails; may be deleted."),
    ("~/.config/imgsearch/config.toml", "Settings."),
    (".env, imgsearch.toml", "Settings for a working directory."),
)
EXIT_CODES = {
    errors.EXIT_OK: "Done.",
    errors.EXIT_FAILURE: "It failed, and stderr says why and what to do.",
    errors.EXIT_USAGE: "The words, an option or a setting were not understood.",
    errors.EXIT_BUG: "A bug; stderr names a report to send.",
    errors.EXIT_INTERRUPTED: "Interrupted; the same command goes on.",
}


def files() -> dict[Path, str]:
    """What lies in `imgsearch/share/`, by path."""
    scripts = {SHARE / path: completion.script(shell) for shell, path in SCRIPTS.items()}
    return {SHARE / "man" / "man1" / "imgsearch.1": "\n".join(_page()) + "\n", **scripts}


def program() -> Program:
    """The program itself."""
    found = typer.main.get_command(app)
    assert isinstance(found, Program)
    return found


def commands() -> list[Command]:
    """All of the program, in the order of its help."""
    found = [program().get_command(None, name) for name in Program.modules]
    return [command for command in found if command is not None]


def _page() -> Iterator[str]:
    found = commands()
    yield f'.TH IMGSEARCH 1 "" "imgsearch {imgsearch.__version__}" "User Commands"'
    yield from (".SH NAME", rf"imgsearch \- {_escaped(str(program().help)).rstrip('.').lower()}")
    yield from (".SH SYNOPSIS", ".B imgsearch", r".RI [ OPTIONS ]\~ COMMAND \~...")
    yield from (".SH DESCRIPTION", "Commands, in the order in which a person meets them:")
    for command in found:
        yield from _entry(rf"\fB{_escaped(str(command.name))}\fP", str(command.short_help))
    yield ".PP"
    yield r"\fBimgsearch guide\fP lists guides with examples; \fBimgsearch guide\fP \fITOPIC\fP"
    yield "shows one."
    yield ".SH COMMANDS"
    for command in found:
        yield from _command(command)
    yield ".SH OPTIONS OF SEVERAL COMMANDS"
    yield r"\fBimgsearch\fP \fICOMMAND\fP \fB\-\-help\fP says which of them it takes."
    every = {option.name: option for command in found for option in command.declared}
    for heading in SHARED:
        yield f".SS {heading}"
        yield from _options(each for each in every.values() if each.heading == heading)
    yield from _closing()


def _command(command: Command) -> Iterator[str]:
    """A command with its own options."""
    words = [each.spelling for each in command.declared if each.kind.startswith("argument")]
    options = [each for each in command.declared if each.heading not in SHARED]
    name = _escaped(str(command.name))
    yield f".SS imgsearch {name}"
    yield rf"\fBimgsearch {name}\fP [\fIOPTIONS\fP] {_escaped(' '.join(words))}"
    first, _, rest = str(command.help).partition("\n")
    yield from (".PP", _escaped(first))
    for paragraph in filter(None, rest.split("\n\n")):
        yield from (".PP", _escaped(" ".join(paragraph.split())))
    yield from (".PP", ".EX", *map(_escaped, command.examples), ".EE")
    yield from _options(options)


def _options(options: Iterable[Option]) -> Iterator[str]:
    for option in options:
        yield from _entry(_spelled(option.shown_spelling), option.shown_help)


def _spelled(spelling: str) -> str:
    """Flags are bold, and what stands for a value is italic."""
    parts = re.split(r"(--?(?:\[no-\])?[\w-]+)", spelling)
    bold = (rf"\fB{_escaped(part)}\fP" for part in parts[1::2])
    others = [re.sub(r"([\w|/.\[\]=]+)", r"\\fI\1\\fP", _escaped(part)) for part in parts[::2]]
    return others[0] + "".join(
        f"{flag}{other}" for flag, other in zip(bold, others[1:], strict=True)
    )


def _entry(term: str, text: str) -> Iterator[str]:
    yield from (".TP", term, _escaped(text))


def _closing() -> Iterator[str]:
    yield from (".SH ENVIRONMENT", "Each setting has a variable; an option comes before it.")
    for option in KNOWN.values():
        names = ", ".join((f"IMGSEARCH_{option.name.upper()}", *option.environment))
        yield from _entry(rf"\fB{_escaped(names)}\fP", option.shown_help)
    yield from (".SH FILES", "On Linux; \\fBimgsearch status\\fP names those of this machine.")
    for path, text in FILES:
        yield from _entry(rf"\fI{_escaped(path)}\fP", text)
    yield ".SH EXIT STATUS"
    for code, text in EXIT_CODES.items():
        yield from _entry(rf"\fB{code}\fP", text)


def _escaped(text: str) -> str:
    """As troff takes it for text: nothing in it is a request or a hyphen."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("~", r"\(ti").replace("^", r"\(ha")
    return rf"\&{text}" if text.startswith((".", "'")) else text


def write() -> None:
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
