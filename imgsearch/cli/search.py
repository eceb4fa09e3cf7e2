"""`imgsearch query` and `imgsearch similar`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imgsearch.cli import asking, parts
from imgsearch.cli.error_handler import say
from imgsearch.cli.options import CLUSTER, Common, command
from imgsearch.cli.results import Output
from imgsearch.escaping import typed_text

if TYPE_CHECKING:
    from imgsearch.question import Question
    from imgsearch.settings import Settings

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
    more = asking.OPTIONS, asking.DEFAULTS
    command(app, brief=True, more=more)(query)
    command(app, brief=True, more=more)(similar)


def query(
    common: Common,
    given: Mapping[str, Any],
    text: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT...]", help="What to look for, in any language; -: see --from-file."
        ),
    ] = None,
    from_file: Annotated[
        str | None,
        typer.Option(
            "--from-file",
            metavar="FILE",
            help="Ask each line of a file (-: of stdin) as a question of its own.",
            rich_help_panel=asking.TERMS,
        ),
    ] = None,
    literal: Annotated[
        bool,
        typer.Option(
            "--literal",
            help="Take no date and no place out of the words.",
            rich_help_panel=asking.TERMS,
        ),
    ] = False,
    num_candidates: NumCandidates = None,
    text_encoder: TextEncoder = None,
) -> None:
    """Find pictures by describing them, in any language.

    Example: imgsearch query "endless route to the top" -k 5
    """
    output = Output(given)
    if text == ["-"] and from_file is None:
        text, from_file = None, "-"
    asking.check_stdin(from_file, given)
    chosen = _settings(common, given, num_candidates=num_candidates, text_encoder=text_encoder)
    with parts.opened(chosen) as library:
        options, pictures = asking.asked(library, given), asking.pictures(given)

        def answer(words: str, one_of_many: str | None) -> None:
            question, understood = asking.with_words(library, options, words, literal=literal)
            if understood:
                say(f"Understood: {understood}; --literal searches the words as they are")
            results = library.search(question)
            output.show(results, _titles(question, pictures), library, one_of_many)

        words = typed_text(" ".join(text or ()))
        if from_file is None:
            answer(words, None)
        else:
            for line in asking.lines_of(from_file, text):
                answer(line, line)
        output.say_how_it_was_searched(library, common.verbose, words or None)
        output.end(library)


def similar(
    common: Common,
    given: Mapping[str, Any],
    photos: Annotated[
        list[str],
        typer.Argument(
            metavar="PHOTO...",
            help="A picture file (-: stdin), or the id or relative path of an indexed photo;"
            " several: what is like all of them.",
        ),
    ],
    num_candidates: NumCandidates = None,
) -> None:
    """Find pictures that look like another one.

    Example: imgsearch similar photo.jpg
    """
    output = Output(given)
    with parts.opened(_settings(common, given, num_candidates=num_candidates)) as library:
        question = asking.asked(library, given)
        for photo in reversed(photos):
            question = asking.joined(asking.picture(library, photo), question)
        titles = _titles(question, [*photos, *asking.pictures(given)])
        output.show(library.search(question), titles, library)
        output.say_how_it_was_searched(library, common.verbose)
        output.end(library)


def _settings(common: Common, given: Mapping[str, Any], **others: Any) -> Settings:
    return parts.load_settings(common, k=given["k"], min_score=given["min_score"], **others)


def _titles(question: Question, pictures: Sequence[str]) -> tuple[str, str]:
    """With the pictures as they were typed, and without their folders, for a file that is sent."""
    return _title(question, pictures), _title(question, list(map(os.path.basename, pictures)))


def _title(question: Question, pictures: Sequence[str]) -> str:
    """“beach” + 0.5 “film grain” - “people”, or: similar to photo.jpg. `pictures`: as they were
    typed, in the order of the terms."""
    if question.terms and all(term.words is None and term.weight > 0 for term in question.terms):
        return f"similar to {', '.join(pictures)}"
    if not question.terms:
        from imgsearch.understanding import described

        return ", ".join(described(question.filter)) or "by date"
    names = iter(pictures)
    title = ""
    for term in question.terms:
        sign = " - " if term.weight < 0 else " + "
        weight = "" if abs(term.weight) == 1 else f"{abs(term.weight):g} "
        name = next(names) if term.words is None else f"“{term.words}”"
        title += f"{sign}{weight}{name}"
    return title.removeprefix(" + ")
