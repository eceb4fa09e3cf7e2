"""The program: its commands, in the order in which a person meets them."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated

import typer

from imgsearch.cli.error_handler import Group
from imgsearch.cli.options import callback

MODULES = {  # where a command is declared
    "demo": "demo",
    "setup-model": "setup_model",
    "ingest": "ingest",
    "query": "search",
    "similar": "search",
    "open": "open",
    "serve": "serve",
    "status": "status",
    "doctor": "doctor",
    "remove": "remove",
    "copy": "copy",
    "trust": "trust",
}

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a bug is reported by the door
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from imgsearch import __version__

        typer.echo(f"imgsearch {__version__}")
        raise typer.Exit


@callback(app)
def main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Find your pictures by describing them in any language, or by showing another picture."""


def _modules() -> list[str]:
    """That of the command which is asked for by the first word, because declaring all takes a tenth
    of a query's time; else all."""
    asked = MODULES.get(sys.argv[1]) if len(sys.argv) > 1 else None
    return [asked] if asked else list(dict.fromkeys(MODULES.values()))


for module in _modules():
    import_module(f"imgsearch.cli.{module}").register(app)
