"""`imgsearch query` and `imgsearch similar`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imgsearch.cli import cluster, parts
from imgsearch.cli.error_handler import say
from imgsearch.cli.options import CLUSTER, Common, command
from imgsearch.cli.results import Output
from imgsearch.escaping import shown, typed_text

if TYPE_CHECKING:
    from imgsearch.cli.parts import Parts
    from imgsearch.models import base
    from imgsearch.search import Result, Wanted

FITS_ALWAYS = 24  # characters: every model reads at least so many tokens

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
    from imgsearch.search import by_text

    output = Output(json, csv, paths, nul, open)
    words = typed_text(" ".join(text))
    chosen = parts.load_settings(
        common,
        k=k,
        min_score=min_score,
        num_candidates=num_candidates,
        text_encoder=text_encoder,
    )
    with parts.opened(chosen) as open_parts:
        wanted = _wanted(open_parts, under)
        results = by_text(
            open_parts.index,
            open_parts.roots,
            lambda: _text_encoder(open_parts, words),
            words,
            wanted,
            cluster.ask(open_parts, bool(common.verbose)) if words.strip() else None,
        )
        output.show(results, f"“{words}”", open_parts)
        output.say_how_it_was_searched(open_parts, common.verbose)


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
    with parts.opened(chosen) as open_parts:
        results = _similar(open_parts, photo, _wanted(open_parts, under))
        output.show(results, f"similar to {photo}", open_parts)
        output.say_how_it_was_searched(open_parts, common.verbose)


def _similar(open_parts: Parts, photo: str, wanted: Wanted) -> list[Result]:
    """An indexed photo by its stored vector; a file that is not, or has changed, by a model."""
    from imgsearch import search
    from imgsearch.errors import PhotoError

    index, roots = open_parts.index, open_parts.roots
    record = search.find_record(index, roots, photo)
    path = Path(photo)
    if record is None and not path.is_file():
        record = search.find_shown(index, roots, photo)
    if record is not None and search.is_current(record, path):
        return search.by_record(index, roots, record, wanted)
    if not path.is_file():
        raise PhotoError(
            f"There is no file '{shown(photo)}', and no photo in the index with that id or path.",
            "Name a picture file, or copy an id or a relative path from a result.",
        )
    vector = search.embed_file(path, open_parts.image_encoder(), open_parts.settings.max_megapixels)
    exclude = set() if record is None else {record.id}
    return search.by_image(index, roots, vector, wanted, exclude)


def _text_encoder(open_parts: Parts, words: str) -> base.TextEncoder:
    """This machine's; says so where it does not read the whole text."""
    encoder = open_parts.text_encoder()
    if len(words) > FITS_ALWAYS:
        read = encoder.characters_read(words)
        if read is not None:
            say(
                f"Only the first {read:,} of {len(words):,} characters were used: the model reads"
                " no longer texts."
            )
    return encoder


def _wanted(open_parts: Parts, under: str | None) -> Wanted:
    from imgsearch.index.base import ALL
    from imgsearch.search import Wanted, check_not_empty, folder_filter

    check_not_empty(open_parts.index)
    where = ALL if under is None else folder_filter(open_parts.index, open_parts.roots, under)
    return Wanted(open_parts.settings.k, where, open_parts.settings.min_score)
