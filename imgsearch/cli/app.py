"""The program: its commands, in the order in which a person meets them."""

from __future__ import annotations

from typing import Annotated

import typer

from imgsearch.cli import copy, demo, doctor, ingest, remove, search, setup_model, status
from imgsearch.cli.common import callback
from imgsearch.cli.door import Group

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


for module in (demo, setup_model, ingest, search, status, doctor, remove, copy):
    module.register(app)
