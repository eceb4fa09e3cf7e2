"""What a shell offers for the value of an option or an argument. Nothing is asked of an index or of
a network: a key press waits for the answer."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.dataclass import dataclass

if TYPE_CHECKING:
    from imgsearch.settings.options import Option

# Typer's scripts evaluate what they are given: names that a stranger chose, such as an index's
# libraries, are offered only where no shell reads anything into them.
_HARMLESS = re.compile(r"[\w@%+=,./ -]*")
_FORMATS = [
    "AVIF",
    "BMP",
    "DNG",
    "GIF",
    "HEIF",
    "ICO",
    "JPEG",
    "JPEG2000",
    "PNG",
    "PPM",
    "PSD",
    "RAW",
    "TGA",
    "TIFF",
    "WEBP",
]
_LEAST_OF_A_PLACE = 2  # characters
_SHELLS = ("bash", "zsh", "fish")  # Typer knows PowerShell too
_ZSH_CALL = '[[ "$funcstack[1]" = _imgsearch ]] && _imgsearch_completion "$@"\n'


@dataclass(frozen=True, slots=True)
class Offer:
    """What Typer asks of a completion."""

    value: str
    help: str | None = None
    type: str = "plain"


def offered(option: Option, incomplete: str) -> list[Offer]:
    """Values that begin with `incomplete`; where there are none, the shell offers its files."""
    values = option.choices or _VALUES.get(option.completion, _nothing)(incomplete)
    found = [value for value in values if _HARMLESS.fullmatch(value)]
    begun = incomplete.casefold()
    return [Offer(_for_shell(each)) for each in found if each.casefold().startswith(begun)]


def _for_shell(value: str) -> str:
    """bash inserts what it is given as it is; other shells quote it."""
    typed = os.environ.get("COMP_WORDS", "").rpartition("\n")[2]
    is_bash = os.environ.get("_IMGSEARCH_COMPLETE", "").endswith("bash")
    return value.replace(" ", "\\ ") if is_bash and not typed.startswith(("'", '"')) else value


def _nothing(incomplete: str) -> Iterable[str]:
    return ()


def _indexes(incomplete: str) -> Iterable[str]:
    """Those that have only a name."""
    from imgsearch import paths

    try:
        return sorted(entry.name for entry in os.scandir(paths.data_dir() / "indexes"))
    except OSError:
        return ()


def _libraries(incomplete: str) -> Iterable[str]:
    """All that were ingested on this machine, into whichever index."""
    from imgsearch import paths, regular_files

    try:
        known = json.loads(regular_files.read(paths.data_dir() / "libraries.json"))
    except (OSError, ValueError, RecursionError):
        return ()
    of_indexes = known.values() if isinstance(known, dict) else ()
    return sorted({name for each in of_indexes if isinstance(each, dict) for name in each})


def _models(incomplete: str) -> Iterable[str]:
    from imgsearch.models.choices import CHOICES

    return CHOICES


def _guides(incomplete: str) -> Iterable[str]:
    from imgsearch import guides

    return guides.topics()


def _formats(incomplete: str) -> Iterable[str]:
    return _FORMATS


def _places(incomplete: str) -> Iterable[str]:
    """Countries and cities, of which there are too many to offer all."""
    from imgsearch import gazetteer

    return gazetteer.beginning(incomplete) if len(incomplete) >= _LEAST_OF_A_PLACE else ()


_VALUES: dict[str, Callable[[str], Iterable[str]]] = {
    "indexes": _indexes,
    "libraries": _libraries,
    "models": _models,
    "formats": _formats,
    "guides": _guides,
    "places": _places,
}


def install() -> None:
    """--install-completion: Typer's files, put right."""
    import typer
    from typer import completion as of_typer

    shell, path = of_typer.install()  # type: ignore[attr-defined] # it exports nothing by name
    path = _corrected(shell, path)
    typer.echo(f"Completion for {shell} is installed in {path}. It works in the next shell.")
    raise typer.Exit


def script(shell: str) -> str:
    """What makes a shell ask this program: Typer's script for "bash", "zsh" or "fish", put right.
    zsh would answer only the second Tab of a session: its first loads the file, and Typer's calls
    nothing then."""
    from typer import completion as of_typer

    made = of_typer.get_completion_script(  # type: ignore[attr-defined] # likewise
        prog_name="imgsearch", complete_var="_IMGSEARCH_COMPLETE", shell=shell
    )
    return f"{made.strip()}\n{_ZSH_CALL if shell == 'zsh' else ''}"


def _corrected(shell: str, path: Path) -> Path:
    """fish looks elsewhere where XDG_CONFIG_HOME is set."""
    if shell in _SHELLS:
        path.write_text(script(shell), "utf-8")
    base = os.environ.get("XDG_CONFIG_HOME")
    if shell == "fish" and base:
        place = Path(base) / "fish" / "completions" / path.name
        if place != path:
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
        return place
    return path
