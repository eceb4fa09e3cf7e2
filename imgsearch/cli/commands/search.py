"""`imgsearch query` and `imgsearch similar`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from imgsearch.cli import asked_question, opening
from imgsearch.cli.error_handler import say
from imgsearch.cli.options import INDEX_AND_MODELS, Common
from imgsearch.cli.program import command
from imgsearch.cli.query_options import SETTINGS, AskedByPictures, AskedInWords
from imgsearch.cli.results import Output
from imgsearch.errors import TooFewPhotos, UsageError
from imgsearch.escaping import typed_text

if TYPE_CHECKING:
    from imgsearch.library import Library
    from imgsearch.question import Question, Term
    from imgsearch.results import Results


@command(
    "query",
    AskedInWords,
    (*INDEX_AND_MODELS, *SETTINGS, "text_encoder"),
    examples=['imgsearch query "endless route to the top" -k 5'],
    brief=True,
)
def query(common: Common, given: AskedInWords) -> None:
    """Find pictures by describing them, in any language."""
    output = Output(given)
    text, from_file = given.text, given.from_file
    if text == ("-",) and from_file is None:
        text, from_file = (), "-"
    asked_question.check_stdin(from_file, given)
    if given.any_word and (not given.match or text or from_file or given.plus or given.like):
        raise UsageError(
            "--any-word goes with --match alone.",
            "A question in words shows what has only some of them in any case.",
        )
    with opening.opened(opening.load_settings(common)) as library:
        options = replace(asked_question.asked(library, given), any_word=given.any_word)
        pictures = asked_question.shown_names(library, asked_question.pictures(given))

        def answer(words: str, one_of_many: str | None) -> None:
            question, understood = asked_question.with_words(
                library, options, words, literal=given.literal
            )
            if understood:
                say(f"Understood: {understood}; --literal searches the words as they are")
            if not given.literal and (left := asked_question.place_left(library, question)):
                say(left)
            results = library.search(question)
            output.show(results, _titles(library, results, pictures), library, one_of_many)

        words = typed_text(" ".join(text))
        if from_file is None:
            answer(words, None)
        else:
            for number, line in asked_question.lines_of(from_file, text):
                try:
                    answer(line, line)
                except TooFewPhotos as error:
                    output.cannot_tell(number, line, error)
        output.say_how_it_was_searched(library, common.verbose, words or None)
        output.end(library)


@command(
    "similar",
    AskedByPictures,
    (*INDEX_AND_MODELS, *SETTINGS),
    examples=["imgsearch similar photo.jpg"],
    brief=True,
)
def similar(common: Common, given: AskedByPictures) -> None:
    """Find pictures that look like another one."""
    output = Output(given)
    with opening.opened(opening.load_settings(common)) as library:
        question = asked_question.asked(library, given)
        for number, photo in reversed(list(enumerate(given.photos))):
            box = given.box if number == 0 else None
            question = asked_question.joined(
                asked_question.picture(library, photo, box=box), question
            )
        names = asked_question.shown_names(
            library, [*given.photos, *asked_question.pictures(given)]
        )
        results = library.search(question)
        output.show(results, _titles(library, results, names), library)
        output.say_how_it_was_searched(library, common.verbose)
        output.end(library)


def _titles(library: Library, results: Results, pictures: Sequence[str]) -> tuple[str, str]:
    """Two titles for the results: with the pictures as they were typed, and without their folders,
    for a file that may be sent on."""
    asked = results.question
    count = ""
    if results and not asked.terms and not asked.match:
        here = sum(1 + hit.copies for hit in results)
        count = f": {here:,} of {library.count(asked.filter):,}"
    names = list(map(os.path.basename, pictures))
    return f"{_title(asked, pictures)}{count}", f"{_title(asked, names)}{count}"


def _title(question: Question, pictures: Sequence[str]) -> str:
    """“beach” + 0.5 “film grain” without “people”, in Italy; or: similar to photo.jpg. `pictures`:
    as they were typed, in the order of the terms."""
    from imgsearch.search.understanding import described

    terms = [_terms(question.terms, pictures)] if question.terms else []
    words = [f"“{question.match}” in names, captions, tags and places"] if question.match else []
    return ", ".join([*terms, *words, *described(question.filter)]) or "by date"


def _terms(terms: Sequence[Term], pictures: Sequence[str]) -> str:
    if all(term.words is None and term.weight > 0 for term in terms):
        return f"similar to {', '.join(pictures)}"
    names = iter(pictures)
    title = ""
    for term in terms:
        sign = " without " if term.weight < 0 else " + "
        weight = "" if abs(term.weight) == 1 else f"{abs(term.weight):g} "
        name = next(names) if term.words is None else f"“{term.words}”"
        title += f"{sign}{weight}{name}"
    return title.removeprefix(" + ").strip()
