"""`imgsearch serve`."""

from __future__ import annotations

import os
import sys
import threading
from typing import Annotated

import typer

from imgsearch.cli import parts
from imgsearch.cli.error_handler import bug_report, say
from imgsearch.cli.options import Common, command
from imgsearch.errors import EXIT_OK


def register(app: typer.Typer) -> None:
    command(app)(serve)


def serve(
    common: Common,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            metavar="ADDRESS",
            help="Where to listen; 0.0.0.0: for other machines too, with a token or a password.",
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="0: any free one.", min=0, max=65535)] = 8642,
    password: Annotated[
        str | None,
        typer.Option(
            "--password", help="Ask for it on the page (better: in IMGSEARCH_SERVE_PASSWORD)."
        ),
    ] = None,
    open: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Show the library as a web page on this machine.

    Example: imgsearch serve --open
    """
    from imgsearch import paths
    from imgsearch.library import open_library
    from imgsearch.progress import Talk
    from imgsearch.web import context, server

    chosen = parts.load_settings(common, serve_password=password)
    service = server.Service(host=host, port=port, password=chosen.serve_password)
    talk = Talk(say)  # no bars, and no questions: nobody sits at the terminal
    page = context.made(
        lambda: open_library(chosen, talk=talk),
        service.policy(),
        paths.cache_dir(),
        chosen.max_megapixels,
        local=service.is_local,
        report_bug=bug_report,
    )
    listening = server.listen(service.host, service.port)
    server.serve(service, page, listening, _tell, open_browser=open)
    _end()


def _tell(line: str) -> None:
    typer.echo(line)


def _end() -> None:
    """At once, also where a thread still waits for a cluster or decodes a picture: nothing that it
    does is kept."""
    sys.stdout.flush()
    sys.stderr.flush()
    if any(
        not each.daemon and each is not threading.current_thread() for each in threading.enumerate()
    ):
        os._exit(EXIT_OK)
