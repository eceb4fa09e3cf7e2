"""The help of the program and of a command: a summary, an example, then options under their
headings, as wide as the terminal."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from imgsearch.settings.table import CLUSTER, INDEX, TRUST

if TYPE_CHECKING:
    from imgsearch.cli.program import Command, Program
    from imgsearch.settings.options import Option

ARGUMENTS, USUAL = "Arguments", "Options"
_ORDER = {ARGUMENTS: 0, INDEX: 2, CLUSTER: 3, TRUST: 4}  # headings; others between the first two
_SPELLING_COLUMNS = 26  # a longer spelling has its help on the next line


def summary(doc: str | None) -> str:
    """The first line of a function's documentation."""
    return inspect.cleandoc(doc or "").partition("\n")[0]


def write(command: Command, ctx: Any, formatter: Any) -> None:
    """Writes a command's help into Typer's formatter."""
    first, _, rest = str(command.help).partition("\n")
    words = [each.spelling for each in command.declared if each.kind.startswith("argument")]
    formatter.write_usage(ctx.command_path, " ".join(["[OPTIONS]", *words]))
    _write_paragraph(formatter, first)
    _write_examples(formatter, command.examples)
    _write_paragraph(formatter, rest.strip())
    _write_options(command, ctx, formatter)


def write_overview(program: Program, ctx: Any, formatter: Any) -> None:
    formatter.write_usage(ctx.command_path, "[OPTIONS] COMMAND ...")
    _write_paragraph(formatter, str(program.help))
    _write_examples(
        formatter, ["imgsearch ingest ~/Pictures", 'imgsearch query "a red car in the snow"']
    )
    rows = [(name, program.get_command(ctx, name)) for name in program.list_commands(ctx)]
    _write_section(
        formatter, "Commands", [(name, str(each.short_help)) for name, each in rows if each]
    )
    _write_options(program, ctx, formatter)


def _write_paragraph(formatter: Any, text: str) -> None:
    if text:
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(text)


def _write_examples(formatter: Any, examples: Iterable[str]) -> None:
    """Write one example a line. Lines are never broken, so that they can be copied."""
    lines = [f"    {example}" for example in examples]
    heading = "Example" if len(lines) == 1 else "Examples"
    formatter.write_paragraph()
    formatter.write("".join(f"{line}\n" for line in [f"  {heading}:", *lines]))


def _write_options(command: Command | Program, ctx: Any, formatter: Any) -> None:
    sections: dict[str, list[tuple[str, str]]] = {}
    for heading, spelling, told in [*_ours(command.declared), *_of_typer(command, ctx)]:
        sections.setdefault(heading, []).append((spelling, told))
    order = dict(_ORDER)
    if len(sections[USUAL]) == 1:  # --help alone
        order[USUAL] = len(order)
    for heading in sorted(sections, key=lambda name: order.get(name, 1)):
        _write_section(formatter, heading, sections[heading])


def _ours(declared: Iterable[Option]) -> Iterator[tuple[str, str, str]]:
    """Heading, spelling and help of each."""
    for option in declared:
        heading = ARGUMENTS if option.kind.startswith("argument") else option.heading
        yield heading, option.shown_spelling, option.shown_help


def _of_typer(command: Command | Program, ctx: Any) -> Iterator[tuple[str, str, str]]:
    ours = {option.name for option in command.declared}
    for parameter in command.get_params(ctx):
        if parameter.name not in ours:
            flags = sorted(parameter.opts, key=len)
            yield USUAL, ", ".join(flags), getattr(parameter, "help", None) or ""


def _write_section(formatter: Any, heading: str, rows: Sequence[tuple[str, str]]) -> None:
    with formatter.section(heading):
        formatter.write_dl(rows, col_max=_SPELLING_COLUMNS)
