"""`imgsearch query` and `imgsearch similar`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imgsearch.cli import cluster, parts
from imgsearch.cli.common import CLUSTER, Common, command
from imgsearch.cli.door import say
from imgsearch.escaping import typed_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgsearch.cli.parts import Parts
    from imgsearch.search import Result, Wanted

FEW = 50  # photos; scores in a smaller library lie close together
OPEN_AT_MOST = 10

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
Csv = Annotated[bool, typer.Option("--csv", help="Comma-separated values, with a header.")]
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

    output = _Output(json, csv, paths, nul, open)
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
            open_parts.text_encoder,
            words,
            wanted,
            cluster.ask(open_parts, bool(common.verbose)) if words.strip() else None,
        )
        output.show(results, f"“{words}”", open_parts)


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
    output = _Output(json, csv, paths, nul, open)
    chosen = parts.load_settings(common, k=k, min_score=min_score, num_candidates=num_candidates)
    with parts.opened(chosen) as open_parts:
        results = _similar(open_parts, photo, _wanted(open_parts, under))
        output.show(results, f"similar to {photo}", open_parts)


def _similar(open_parts: Parts, photo: str, wanted: Wanted) -> list[Result]:
    """An indexed photo by its stored vector; a file that is not, or has changed, by a model."""
    from imgsearch import search
    from imgsearch.errors import PhotoError

    index, roots = open_parts.index, open_parts.roots
    record = search.find_record(index, roots, photo)
    path = Path(photo)
    if record is not None and search.is_current(record, path):
        return search.by_record(index, roots, record, wanted)
    if not path.is_file():
        raise PhotoError(
            f"There is no file {photo!r}, and no photo in the index with that id or path.",
            "Name a picture file, or copy an id or a relative path from a result.",
        )
    vector = search.embed_file(path, open_parts.image_encoder(), open_parts.settings.max_megapixels)
    exclude = set() if record is None else {record.id}
    return search.by_image(index, roots, vector, wanted, exclude)


def _wanted(open_parts: Parts, under: str | None) -> Wanted:
    from imgsearch.index.base import ALL
    from imgsearch.search import Wanted, check_not_empty, folder_filter

    check_not_empty(open_parts.index)
    where = ALL if under is None else folder_filter(open_parts.index, open_parts.roots, under)
    return Wanted(open_parts.settings.k, where, open_parts.settings.min_score)


class _Output:
    """How results are shown, as the options say."""

    def __init__(self, json: bool, csv: bool, paths: bool, nul: bool, open: bool) -> None:
        from imgsearch.errors import UsageError

        if json + csv + paths > 1:
            raise UsageError("--json, --csv and --paths exclude each other.", "Give one of them.")
        if nul and not paths:
            raise UsageError("-0 goes with --paths.", "Give both: --paths -0")
        self._json, self._csv, self._paths, self._nul, self._open = json, csv, paths, nul, open

    def show(self, results: Sequence[Result], title: str, open_parts: Parts) -> None:
        from imgsearch import rendering

        if self._json:
            rendering.print_json_lines(results)
        elif self._csv:
            rendering.print_csv(results)
        elif self._paths:
            _, split = rendering.print_paths(results, self._nul)
            _say_what_paths_leaves_out(results, split)
        elif results:
            rendering.console().print(rendering.results_table(results, title))
        self._hint(results, open_parts)
        if self._open:
            _open_files(results)

    def _hint(self, results: Sequence[Result], open_parts: Parts) -> None:
        if not results:
            say("Nothing found. A lower --min-score or another --under lets more through.")
        count = open_parts.index.count()
        if count < FEW and not (self._json or self._csv or self._paths):
            say(
                f"Only {count} photos are in the index: in so small a library scores lie close"
                " together."
            )


def _say_what_paths_leaves_out(results: Sequence[Result], split: int) -> None:
    """`split`: how many paths with a line break were left out."""
    from imgsearch import rendering
    from imgsearch.photo_paths import Refusal

    reasons = {
        Refusal.NO_ROOT: "on this machine their library's root is not known; ingest its folder here"
        " first.",
        Refusal.LEADS_OUT: "their paths lead out of their library, by a link;"
        " ingest --follow-links takes such links as a part of it.",
    }
    for refusal, reason in reasons.items():
        if number := sum(result.refusal is refusal for result in results):
            say(f"{rendering.count(number, 'photo')} left out: {reason}")
    if split:
        say(
            f"{rendering.count(split, 'photo')} left out: a path with a line break would be read as"
            " two; -0 prints all."
        )


def _open_files(results: Sequence[Result]) -> None:
    """In the system's viewer: pictures alone, whatever else has their names."""
    import os

    from imgsearch import rendering
    from imgsearch.photo_paths import may_be_opened

    there = [result.path for result in results if result.path and not result.missing]
    pictures = [path for path in there if may_be_opened(path)]
    if len(pictures) < len(there):
        say(f"{rendering.count(len(there) - len(pictures), 'file')} not opened: no picture.")
    for path in pictures[:OPEN_AT_MOST]:
        typer.launch(os.fsdecode(path))
