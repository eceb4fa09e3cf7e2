"""The program: its commands, in the order in which a person meets them."""

from __future__ import annotations

import typer

from imgsearch.cli.program import Program

Program.modules = {
    "demo": "demo",
    "setup-model": "setup_model",
    "ingest": "ingest",
    "watch": "watch",
    "query": "search",
    "similar": "search",
    "open": "open",
    "duplicates": "duplicates",
    "serve": "serve",
    "mcp": "mcp",
    "status": "status",
    "doctor": "doctor",
    "remove": "remove",
    "copy": "copy",
    "eval": "evaluate",
    "models": "models",
    "trust": "trust",
    "guide": "guide",
}

app = typer.Typer(
    cls=Program,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a bug is reported by cli.error_handler
    rich_markup_mode=None,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 1000,  # the terminal's width, whatever it is
    },
)


@app.callback()
def main() -> None:
    """Find your pictures by describing them in any language, or by showing another picture."""
