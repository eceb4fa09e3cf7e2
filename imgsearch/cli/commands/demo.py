"""`imgsearch demo`: the whole job on what ships in the package, with no network and no set-up."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from imgsearch.cli import ingest_summary, opening
from imgsearch.cli.commands import ingest
from imgsearch.cli.options import Common, NoOptions
from imgsearch.cli.preview import Preview
from imgsearch.cli.program import command

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from imgsearch.results import Results
    from imgsearch.settings import Settings

SHOWN = 5  # results of each query
_INDENT, _GOES_ON = "    ", " \\"  # of a command in several lines

_INTRODUCTION = """\
[bold]{count} icons without a single tag[/bold], and a small model that ships with imgsearch.
It knows icons, not photographs; for your own photos a large one is fetched, once.
"""
_NEXT = """\
[bold]The same as a page, and as a file to send:[/bold]
  {serve}
  {gallery}

[bold]Now your own pictures[/bold] (the first ingest fetches models once, about {gigabytes:g} GB;
without network, add --model demo: the small model that knows icons)[bold]:[/bold]
  {program} ingest ~/Pictures
  {program} query "endless route to the top"
  {program} similar photo.jpg"""


@command("demo", NoOptions, examples=["imgsearch demo"])
def demo(common: Common, given: NoOptions) -> None:
    """See it work, offline: icons and a small model are included."""
    from imgsearch import settings as all_settings
    from imgsearch.demo import PHOTOS, QUERIES, SIMILAR
    from imgsearch.output import console as rendering

    del common, given  # the user's settings are for the user's pictures
    chosen = all_settings.defaults(index=str(_index_folder(PHOTOS)), model="demo", k=SHOWN)
    console = rendering.console()
    _ingest_anew_if_need_be(chosen, PHOTOS, console)
    preview = Preview()
    with opening.opened(chosen) as library:

        def draw(results: Results) -> bool:
            return preview.show(results, None, library)

        for words, about in QUERIES.items():
            _print(console, about)
            _show(console, _asking("query", words), library.search(words, k=SHOWN), draw)
        record = library.search("European E", k=1)[0].record
        results = library.similar(record.id, k=SHOWN)
        _print(console, SIMILAR)
        _show(console, _asking("similar", record.relative_path), results, draw)
    _print_what_is_next(console, next(iter(QUERIES)))


def _print_what_is_next(console: Console, words: str) -> None:
    from rich.markup import escape

    from imgsearch.models.choices import CHOICES

    gallery = _on_index("query", f'"{words}"', "--html gallery.html")
    typed = {"serve": _on_index("serve"), "gallery": gallery, "program": _program()}
    commands = {name: escape(command) for name, command in typed.items()}
    _print(console, _NEXT.format(gigabytes=CHOICES["default"].gigabytes, **commands))


def _asking(command: str, what: str) -> str:
    return _on_index(command, f'"{what}"', f"-k {SHOWN}")


def _on_index(*words: str) -> str:
    """A command that can be repeated as it is printed, wherever the shell is. `words`: an option
    with its value is one of them."""
    from imgsearch.demo import PHOTOS
    from imgsearch.output import console as rendering

    columns = None if os.name == "nt" else rendering.columns()
    return _in_lines([_program(), *words, f"--index {_typed(_index_folder(PHOTOS))}"], columns)


def _in_lines(words: Sequence[str], columns: int | None) -> str:
    """The words with blanks between, which begin two columns from the left; in several lines that
    a shell takes for one, where they are wider than the terminal. None is broken inside a word."""
    from imgsearch.output.results_table import width

    if columns is None:
        return " ".join(words)
    room = columns - len(_INDENT) - len(_GOES_ON)
    lines: list[str] = []
    for word in words:
        is_wide = word.startswith("-") and width(word) > room  # then its value may fit alone
        for part in word.split(" ", 1) if is_wide else [word]:
            longer = f"{lines[-1]} {part}" if lines else part
            lines[-1:] = [longer] if not lines or width(longer) <= room else [lines[-1], part]
    return f"{_GOES_ON}\n{_INDENT}".join(lines)


def _typed(path: Path) -> str:
    """A path as a shell takes it, from ~ where that is shorter."""
    from imgsearch.escaping import shell_quoted

    name, home = os.fspath(path), os.path.join(os.path.expanduser("~"), "")
    if os.name != "nt" and os.path.isabs(home) and name.startswith(home):
        return f"~/{shell_quoted(os.fsencode(name.removeprefix(home)))}"
    return shell_quoted(os.fsencode(name))


def _program() -> str:
    """This program as it has to be typed: with its folder, unless the shell finds it by name."""
    from imgsearch.escaping import shell_quoted

    typed, found = sys.argv[0], shutil.which("imgsearch")
    if found is not None and os.path.realpath(found) == os.path.realpath(typed):
        return "imgsearch"
    is_script = os.path.splitext(os.path.basename(typed))[0] == "imgsearch"
    return shell_quoted(os.fsencode(typed)) if is_script else "imgsearch"


def _print(console: Console, text: str) -> None:
    """With markup; a long line is broken by the terminal alone, so that it can be copied."""
    console.print(text, markup=True, soft_wrap=True)


def _index_folder(photos: Path) -> Path:
    """The folder of the demo's index: in the cache, one for each place where imgsearch is
    installed."""
    from imgsearch import paths

    installation = hashlib.blake2b(os.fsencode(photos), digest_size=6).hexdigest()
    return paths.cache_dir() / "demo" / installation


def _ingest_anew_if_need_be(chosen: Settings, photos: Path, console: Console) -> None:
    """Ingest the demo's photos. An index that another version made, with other weights or another
    schema, is thrown away first."""
    from imgsearch.errors import IndexContradiction, IndexDamaged, IndexTooNew

    try:
        _ingest(chosen, photos, console)
    except (IndexContradiction, IndexDamaged, IndexTooNew):
        shutil.rmtree(_index_folder(photos))
        _ingest(chosen, photos, console)


def _ingest(chosen: Settings, photos: Path, console: Console) -> None:
    with opening.opened_for_ingest(chosen) as library:
        result = library.ingest([photos], ingest.options(chosen))
        count = library.count()
    console.print(_INTRODUCTION.format(count=count), markup=True)
    _print_command(console, _on_index("ingest", _typed(photos), "--model demo"), "")
    facts = ingest_summary.facts_of_changes(result)
    _print(console, "".join(f"[dim]{what}  {value}[/dim]\n" for what, value in facts.items()))


def _show(console: Console, typed: str, results: Results, draw: Callable[[Results], bool]) -> None:
    from imgsearch.output import console as rendering

    _print_command(console, typed, "bold")
    if not draw(results):
        rendering.print_results(results, None)
        console.print()


def _print_command(console: Console, typed: str, style: str) -> None:
    from rich.text import Text

    console.print(Text.assemble(("$ ", "dim"), (typed, style)), soft_wrap=True)
