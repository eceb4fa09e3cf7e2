"""`imgsearch eval`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from imgsearch.cli import opening
from imgsearch.cli.error_handler import say
from imgsearch.cli.options import INDEX_AND_MODELS, Common, JsonObject
from imgsearch.cli.program import command
from imgsearch.errors import EXIT_FAILURE
from imgsearch.settings.options import argument, option
from imgsearch.settings.values import text, whole

if TYPE_CHECKING:
    from imgsearch.library import Library
    from imgsearch.search.evaluation import Exactness, Judged


class Evaluating(JsonObject):
    csv: str | None = argument(
        text,
        "[CSV]",
        "Questions whose photos are known, with the columns question and path.",
        completion="files",
    )
    questions: int = option(
        whole,
        "--questions N",
        "Compare with an exact search for so many of the index's vectors.",
        default=200,
    )


@command(
    "eval",
    Evaluating,
    (*INDEX_AND_MODELS, "k", "num_candidates", "text_encoder", "max_megapixels"),
    examples=["imgsearch eval", "imgsearch eval questions.csv --json"],
)
def evaluate(common: Common, given: Evaluating) -> None:
    """Measure how well the index answers, also questions of yours."""
    from imgsearch.search import evaluation

    with opening.opened(opening.load_settings(common)) as library:
        library.check_not_empty()
        asked, bad = None, list[str]()
        if given.csv is not None:
            asked, bad = evaluation.read_questions(given.csv, _finder(library))
        with library.talk.photo_progress() as progress:
            exact = evaluation.exactness(
                library.index, given.questions, library.settings.k, progress
            )
            judged = None
            if asked is not None:
                judged = evaluation.judged(asked, _searcher(library), progress)
    if given.json:
        from imgsearch.output import console

        console.print_json(_as_dict(exact, judged))
    else:
        _show(exact, judged)
    if bad:
        say("\n".join(["Not measured:", *(f"  {each}" for each in bad), evaluation.BAD_LINES_CURE]))
        raise typer.Exit(EXIT_FAILURE)


def _finder(library: Library) -> Any:
    """The id of a photo, by its path on disk, its path in a library, or its id."""
    from imgsearch.search import photo_names

    def find(path: str) -> str | None:
        record = photo_names.find_record(library.index, library.roots, path)
        return None if record is None else record.id

    return find


def _searcher(library: Library) -> Any:
    """As `imgsearch query` answers a line of words, with copies."""
    from imgsearch.search.evaluation import DEPTH

    def search(words: str) -> Any:
        return library.search(library.understand(words), k=DEPTH, fold=False)

    return search


def _as_dict(exact: Exactness, judged: Judged | None) -> dict[str, Any]:
    told: dict[str, Any] = {"index": asdict(exact)}
    if judged is not None:
        told["questions"] = {
            **asdict(judged),
            "recall": {str(k): share for k, share in judged.recall.items()},
        }
    return told


def _show(exact: Exactness, judged: Judged | None) -> None:
    from imgsearch.output import console

    of = f"of {exact.questions:,} vectors among {exact.photos:,} photos"
    facts = {
        f"recall@{exact.k}": f"{exact.recall:.3f} {of}",
        "a search takes": f"{exact.milliseconds:.1f} ms (median)",
    }
    console.print_facts("Against an exact search", facts)
    if judged is None:
        return
    facts = {f"recall@{k}": f"{share:.3f}" for k, share in judged.recall.items()}
    facts |= {"MRR": f"{judged.mrr:.3f}", "nDCG@10": f"{judged.ndcg:.3f}"}
    if judged.fitting is not None and judged.within_line is not None:
        facts["the line"] = (
            f"{judged.fitting:g} results fit (median); of the photos looked for"
            f" {judged.within_line:.0%} do"
        )
    title = f"On {console.count(judged.questions, 'question')}"
    console.console().print()
    console.print_facts(title, facts)
