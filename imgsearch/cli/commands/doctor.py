"""`imgsearch doctor`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from imgsearch import paths
from imgsearch.cli import hints, opening
from imgsearch.cli.error_handler import say
from imgsearch.cli.options import INDEX_ALONE, MODELS, Common, JsonObject
from imgsearch.cli.program import command
from imgsearch.output import cures
from imgsearch.settings.options import flag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgsearch.doctor.findings import Finding

STYLES = {"ok": "green", "warning": "yellow", "failure": "bold red"}


class Looking(JsonObject):
    deep: bool = flag("--deep", "Read everything that is in the index as well.")


@command(
    "doctor",
    Looking,
    (*INDEX_ALONE, *MODELS, "text_encoder", "model_id"),
    examples=["imgsearch doctor"],
)
def doctor(common: Common, given: Looking) -> None:
    """Look for everything that could be wrong; say what to do.

    Changes nothing. Exit code 1 on a failure.
    """
    from imgsearch.doctor.examination import findings
    from imgsearch.library import index_place
    from imgsearch.output import console

    chosen = opening.load_settings(common, ask=False)
    for each in chosen.not_obeyed:
        say(each.line)
    found = [
        _typed_here(finding)
        for finding in findings(chosen, index_place(chosen), paths.cache_dir(), deep=given.deep)
    ]
    if given.json:
        console.print_json(_as_dict(found))
    else:
        _show(found)
        say(_conclusion(found))
    if any(finding.state == "failure" for finding in found):
        raise typer.Exit(1)


def _typed_here(finding: Finding) -> Finding:
    cure = cures.shown(finding.cure, finding.action)
    detail = cures.shown(finding.detail)
    detail, cure = (hints.as_typed(text) for text in (detail, cure))
    return replace(finding, detail=detail, cure=cure, action=None)


def _conclusion(found: Sequence[Finding]) -> str:
    """One line: what there is to do."""
    from imgsearch.output.console import count

    counts = {state: sum(one.state == state for one in found) for state in STYLES}
    wrong = [count(counts[state], state) for state in ("failure", "warning") if counts[state]]
    if not wrong:
        return f"All {len(found)} checks passed."
    return f"{' and '.join(wrong)} among {len(found)} checks; what to do stands below each."


def _as_dict(found: Sequence[Finding]) -> dict[str, Any]:
    counts = {state: sum(one.state == state for one in found) for state in STYLES}
    return {"counts": counts, "findings": [_fields(finding) for finding in found]}


def _fields(finding: Finding) -> dict[str, str]:
    return {
        "name": finding.name,
        "state": finding.state,
        "detail": finding.detail,
        "cure": finding.cure,
    }


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
