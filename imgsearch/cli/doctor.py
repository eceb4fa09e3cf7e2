"""`imgsearch doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgsearch import paths
from imgsearch.cli import parts
from imgsearch.cli.error_handler import say
from imgsearch.cli.options import Common, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgsearch.doctor.findings import Finding

STYLES = {"ok": "green", "warning": "yellow", "failure": "bold red"}


def register(app: typer.Typer) -> None:
    command(app)(doctor)


def doctor(
    common: Common,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read everything that is in the index as well.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Look at everything that could be wrong, and say what to do. Changes nothing.

    Exit code 1 on a failure.

    Example: imgsearch doctor
    """
    from imgsearch.doctor.examination import findings
    from imgsearch.library import index_place
    from imgsearch.output import console

    chosen = parts.load_settings(common, ask=False)
    for each in chosen.not_obeyed:
        say(str(each))
    found = list(findings(chosen, index_place(chosen), paths.cache_dir(), deep=deep))
    if json:
        console.print_json(_as_dict(found))
    else:
        _show(found)
    if any(finding.state == "failure" for finding in found):
        raise typer.Exit(1)


def _as_dict(found: Sequence[Finding]) -> dict[str, Any]:
    from dataclasses import asdict

    counts = {state: sum(one.state == state for one in found) for state in STYLES}
    return {"counts": counts, "findings": [asdict(finding) for finding in found]}


def _show(found: Sequence[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    from imgsearch.escaping import shown, shown_lines
    from imgsearch.output import console

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for finding in found:
        told = Text(shown_lines(finding.detail))
        if finding.cure:
            told.append(f"\n→ {shown_lines(finding.cure)}", style="italic")
        table.add_row(
            Text(finding.state, style=STYLES[finding.state]), Text(shown(finding.name)), told
        )
    console.console().print(table)
