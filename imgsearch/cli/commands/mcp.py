"""`imgsearch mcp`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgsearch.cli import opening
from imgsearch.cli.error_handler import say
from imgsearch.cli.options import INDEX_AND_MODELS, Common, NoOptions
from imgsearch.cli.program import command
from imgsearch.errors import UsageError

if TYPE_CHECKING:
    from imgsearch.library import Library


@command("mcp", NoOptions, INDEX_AND_MODELS, examples=["imgsearch mcp --index ~/photo-index"])
def mcp(common: Common, given: NoOptions) -> None:
    """Let an assistant search, by the Model Context Protocol.

    A server on stdin and stdout. An assistant starts it itself, with this command in its settings.
    """
    from imgsearch.library import open_library
    from imgsearch.progress import Talk

    try:
        from imgsearch.mcp_server import server
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "mcp":
            raise
        raise _not_installed() from None
    del given
    chosen = opening.load_settings(common, ask=False)

    def opened() -> Library:
        return open_library(chosen, talk=Talk(say))  # no questions: stdin is the assistant's

    server(opened).run("stdio")


def _not_installed() -> UsageError:
    """Also where a version with another API is."""
    from imgsearch.installation import extra_command

    return UsageError(
        "imgsearch mcp needs a package that is not installed: mcp 2.",
        f"Install it: {extra_command('mcp')}",
    )
