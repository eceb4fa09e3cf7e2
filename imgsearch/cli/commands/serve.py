"""`imgsearch serve`."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from imgsearch.cli import opening
from imgsearch.cli.error_handler import bug_report, say
from imgsearch.cli.options import INDEX_AND_MODELS, Common
from imgsearch.cli.program import command
from imgsearch.errors import EXIT_OK
from imgsearch.settings import values
from imgsearch.settings.options import CommandOptions, flag, option, several
from imgsearch.settings.values import text

if TYPE_CHECKING:
    from imgsearch.doctor.findings import Finding
    from imgsearch.settings import Settings


class Serving(CommandOptions):
    host: str = option(
        text,
        "--host ADDRESS",
        "Where to listen; 0.0.0.0: for other machines too, with a password, or with a token that is"
        " made anew at each start.",
        default="127.0.0.1",
    )
    allow_host: tuple[str, ...] = several(
        values.host_name,
        "--allow-host NAME",
        "Answer to this host name too, such as a proxy's, with a password or a token; repeatable.",
    )
    port: int = option(values.port, "--port N", "0: any free one.", default=8642)
    open: bool = flag("--open", "Open the page in the browser.")


@command(
    "serve",
    Serving,
    (*INDEX_AND_MODELS, "serve_password", "text_encoder", "num_candidates"),
    examples=["imgsearch serve --open"],
)
def serve(common: Common, given: Serving) -> None:
    """Show the library as a web page on this machine."""
    from imgsearch import paths
    from imgsearch.library import open_library
    from imgsearch.progress import Talk
    from imgsearch.web import context, server

    chosen = opening.load_settings(common)
    service = server.Service(
        host=given.host,
        port=given.port,
        names=given.allow_host,
        password=chosen.serve_password,
    )
    talk = Talk(say)  # no bars, and no questions: nobody sits at the terminal
    page = context.made(
        lambda: open_library(chosen, talk=talk),
        service.policy(),
        paths.cache_dir(),
        chosen.max_megapixels,
        local=service.is_local,
        report_bug=bug_report,
        examine=lambda: _findings(chosen),
    )
    listening = server.listen(service.host, service.port)
    server.serve(service, page, listening, _tell, say, open_browser=given.open)
    _end()


def _findings(chosen: Settings) -> Iterator[Finding]:
    from imgsearch import paths
    from imgsearch.doctor.examination import findings  # which imports the cluster's client
    from imgsearch.library import index_place

    return findings(chosen, index_place(chosen), paths.cache_dir())


def _tell(address: str) -> None:
    """The address alone on stdout, for programs that read it."""
    typer.echo(address)
    say("Ctrl+C ends it.")


def _end() -> None:
    """End the process at once, even while a thread waits for a cluster or decodes a picture:
    nothing that it does is kept."""
    sys.stdout.flush()
    sys.stderr.flush()
    if any(
        not each.daemon and each is not threading.current_thread() for each in threading.enumerate()
    ):
        os._exit(EXIT_OK)
