"""`imgsearch guide`."""

from __future__ import annotations

import sys

import typer

from imgsearch.cli.error_handler import say
from imgsearch.cli.options import Common
from imgsearch.cli.program import command
from imgsearch.settings.options import CommandOptions, argument
from imgsearch.settings.values import text

WIDEST = 100  # columns: longer lines are hard to read


class Reading(CommandOptions):
    topic: str | None = argument(
        text, "[TOPIC]", "Without one, all are listed.", default=None, completion="guides"
    )


@command("guide", Reading, examples=["imgsearch guide", "imgsearch guide scores"])
def guide(common: Common, given: Reading) -> None:
    """Read a guide: archives, shops, clusters, scores, scripts."""
    from imgsearch import guides

    del common  # no index is opened
    if given.topic is None:
        width = max(map(len, guides.topics()))
        for name, title in guides.topics().items():
            typer.echo(f"{name:{width}}  {title}")
        say("imgsearch guide NAME shows one.")
    elif sys.stdout.isatty():
        _show(guides.text(given.topic))
    else:  # Markdown, as it is
        typer.echo(guides.text(given.topic), nl=False)


def _show(markdown: str) -> None:
    from rich.markdown import Markdown

    from imgsearch.output import console

    screen = console.console()
    page = Markdown(markdown, code_theme="ansi_dark", hyperlinks=False)
    screen.print(page, width=min(screen.width, WIDEST))
