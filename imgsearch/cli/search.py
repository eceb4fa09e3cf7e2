"""`imgsearch query` and `imgsearch similar`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgsearch.cli import parts
from imgsearch.cli.options import CLUSTER, Common, command
from imgsearch.cli.results import Output
from imgsearch.escaping import typed_text

if TYPE_CHECKING:
    from imgsearch.library import Library

K = Annotated[int | None, typer.Option("-k", help="How many results (default: 10).", min=1)]
MinScore = Annotated[
    float | None,
    typer.Option("--min-score", help="Leave out results below this cosine.", min=-1, max=1),
]
Under = Annotated[
    str | None,
    typer.Option("--under", metavar="FOLDER", help="Only photos in this folder or library."),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Csv = Annotated[
    bool, typer.Option("--csv", help="Comma-separated values, with a header; no formulas.")
]
Paths = Annotated[bool, typer.Option("--paths", help="Paths alone, one a line.")]
Nul = Annotated[bool, typer.Option("-0", help="With --paths: end each with NUL, for xargs -0.")]
Open = Annotated[bool, typer.Option("--open", help="Open the results in the system's viewer.")]


NumCandidates = Annotated[
    int | None,
    typer.Option(
        "--num-candidates",
        min=1,
        help="How many neighbours each shard looks at (default: chosen from -k).",
        rich_help_panel=CLUSTER,
    ),
]


TextEncoder = Annotated[
    str | None,
    typer.Option(
        "--text-encoder",
        metavar="auto|local|cluster",
        help="Where words become a vector (auto: in the cluster if the model is there).",
        rich_help_panel=CLUSTER,
    ),
]


def register(app: typer.Typer) -> None:
    command(app, brief=True)(query)
    command(app, brief=True)(similar)


def query(
    common: Common,
    text: Annotated[
        list[str], typer.Argument(metavar="TEXT...", help="What to look for, in any language.")
    ],
    k: K = None,
    min_score: MinScore = None,
    under: Under = None,
    json: Json = False,
    csv: Csv = False,
    paths: Paths = False,
    nul: Nul = False,
    open: Open = False,
    num_candidates: NumCandidates = None,
    text_encoder: TextEncoder = None,
) -> None:
    """Find pictures by describing them, in any language.

    Example: imgsearch query "endless route to the top" -k 5
    """
    output = Output(json, csv, paths, nul, open)
    words = typed_text(" ".join(text))
    chosen = parts.load_settings(
        common,
        k=k,
        min_score=min_score,
        num_candidates=num_candidates,
        text_encoder=text_encoder,
    )
    with parts.opened(chosen) as library:
        results = library.search(words, **_wanted(library, under))
        output.show(results, f"“{words}”", library)
        output.say_how_it_was_searched(library, common.verbose, words)


def similar(
    common: Common,
    photo: Annotated[
        str,
        typer.Argument(help="A picture file, or the id or relative path of an indexed photo."),
    ],
    k: K = None,
    min_score: MinScore = None,
    under: Under = None,
    json: Json = False,
    csv: Csv = False,
    paths: Paths = False,
    nul: Nul = False,
    open: Open = False,
    num_candidates: NumCandidates = None,
) -> None:
    """Find pictures that look like another one.

    Example: imgsearch similar photo.jpg
    """
    output = Output(json, csv, paths, nul, open)
    chosen = parts.load_settings(common, k=k, min_score=min_score, num_candidates=num_candidates)
    with parts.opened(chosen) as library:
        results = library.similar(photo, **_wanted(library, under))
        output.show(results, f"similar to {photo}", library)
        output.say_how_it_was_searched(library, common.verbose)


def _wanted(library: Library, under: str | None) -> dict[str, Any]:
    """What both commands ask for, as fields of a `Question`."""
    settings = library.settings
    wanted: dict[str, Any] = {"k": settings.k, "min_score": settings.min_score}
    if under is not None:
        library.check_not_empty()
        wanted["filter"] = library.folder(under)
    return wanted
