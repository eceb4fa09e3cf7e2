"""How `query` and `similar` show what they found, as the options say."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import typer

from imgsearch.cli.error_handler import say
from imgsearch.cli.preview import Preview
from imgsearch.cli.query_options import STDOUT, Asked
from imgsearch.errors import EXIT_FAILURE, UsageError
from imgsearch.escaping import shown

if TYPE_CHECKING:
    from imgsearch.cli.gallery import Gallery
    from imgsearch.errors import TooFewPhotos
    from imgsearch.library import Library
    from imgsearch.question import Question
    from imgsearch.results import Results

FEW = 50  # photos; scores in a smaller library lie close together


class Output:
    def __init__(self, given: Asked) -> None:
        self._json, self._csv, self._paths = given.json, given.csv, given.paths
        self._nul, self._html_alone = given.nul, given.html == STDOUT
        if self._json + self._csv + self._paths + self._html_alone > 1:
            raise UsageError(
                "--json, --csv, --paths and --html - exclude each other.", "Give one of them."
            )
        if self._nul and not self._paths:
            raise UsageError("-0 goes with --paths.", "Give both: --paths -0")
        self._for_programs = self._json or self._csv or self._paths or self._html_alone
        self._preview = Preview(given.preview, never=given.no_preview)
        self._gallery: Gallery | None = None
        if given.html is not None or given.open:
            from imgsearch.cli.gallery import Gallery

            self._gallery = Gallery(given.html, is_opened=given.open)
        self._began = time.perf_counter()
        self._only_fitting = given.only_fitting
        self._shown = 0  # questions
        self._found = 0  # photos
        self._failed = False
        self._last: Results | None = None

    def show(
        self,
        results: Results,
        titles: tuple[str, str],
        library: Library,
        asked: str | None = None,
    ) -> None:
        """`titles`: of the table, and of the gallery. `asked`: the question, where it is one of
        several."""
        if self._for_programs:
            self._show_programs(results, asked)
        elif results and not self._preview.show(results, titles[0], library):
            from imgsearch.output import console

            console.print_results(results, titles[0])
        self._hint(results, library, asked)
        self._shown += 1
        self._found += len(results)
        self._last = results
        if self._gallery is not None:
            self._gallery.add(results, titles[1])

    def cannot_tell(self, line: int, asked: str, error: TooFewPhotos) -> None:
        """Says that one of several questions has no answer; what to do, once."""
        from imgsearch.output import cures

        cure = "" if self._failed else f"\n{cures.of(error)}"
        say(f"Line {line}, “{asked}”: {error.message}{cure}")
        self._failed = True

    def end(self, library: Library) -> None:
        """Remembers the ranks of the last question. Exit code 1 where only what fits was asked for,
        and nothing does, as grep has it, or a question had no answer."""
        if self._last:
            from imgsearch.search import last_results

            last_results.remember(library.index.place, self._last)
        if self._gallery is not None:
            self._gallery.end(library)
        if self._failed or (self._only_fitting and not self._found):
            raise typer.Exit(EXIT_FAILURE)

    def say_how_it_was_searched(
        self, library: Library, verbose: int, words: str | None = None
    ) -> None:
        """-v: in what, by which model, and where `words` were encoded if there is a choice; -vv:
        how long it took, with opening the index."""
        if not verbose:
            return
        index = library.index
        if words is not None and index.capabilities.text_models is not None:
            choice = library.text_choice()
            where = "on this machine" if choice.inside is None else "in the cluster"
            say(f"The text was encoded {where}: {choice.reason}.".replace("..", "."))
        recorded = index.models()
        by = "" if recorded is None else f" by {recorded.text_model.name}, {recorded.dims} dims"
        say(f"Searched {index.count():,} photos in {index.place}{by}.")
        if verbose > 1:
            say(f"Took {time.perf_counter() - self._began:.3f} seconds after the program's start.")

    def _show_programs(self, results: Results, asked: str | None) -> None:
        from imgsearch.output import machine_formats

        if self._json:
            machine_formats.print_json_lines(results, asked)
        elif self._csv:
            machine_formats.print_csv(results, asked, header=not self._shown)
        elif self._paths:
            _say_what_paths_leaves_out(results, machine_formats.print_paths(results, self._nul))

    def _hint(self, results: Results, library: Library, asked: str | None) -> None:
        from imgsearch.output import console

        if not results:
            about = "" if asked is None else f"“{asked}”: "
            say(f"{about}{_nothing_found(library, results.question)}")
            return
        _say_which_are_away(results, library)
        _say_what_has_some_words(results, in_table=not self._for_programs)
        if not results.question.terms or self._for_programs or self._shown:
            return  # to count the photos may take a request
        count = library.index.count()
        if count < FEW:
            photos = console.count(count, "photo")
            say(f"The index holds only {photos}: with so few, scores differ little.")


def _say_which_are_away(results: Results, library: Library) -> None:
    """Of hits that are missing: whose library's folder, as a whole, is not there."""
    from imgsearch.roots import folder_away

    for name, root in library.roots.away(hit.record.library for hit in results if hit.missing):
        say(folder_away(name, root))


def _say_what_has_some_words(results: Results, *, in_table: bool) -> None:
    """Of words that were looked for alone: how many more photos have some of them; or, but for the
    table, which says so itself, that none has all."""
    from imgsearch.output import results_table

    more, told = results_table.more_told(results), results_table.fitting_told(results)
    if more is not None:
        say(f"{more}; --any-word shows them too.")
    elif told is not None and results.some_words is not None and not in_table:
        say(f"{told.removesuffix(':')}.")


def _nothing_found(library: Library, question: Question) -> str:
    """The message for an empty result, which names the conditions that were set: that no photo
    fulfils the filter, as it was understood; or how high scores had to be."""
    from dataclasses import replace

    from imgsearch.question import ALL
    from imgsearch.search.understanding import described

    where = question.filter
    if where != ALL and not question.offset and not library.count(where):
        conditions = list(described(where))
        if replace(where, taken_from=None, taken_to=None, country=None, city=None) == ALL:
            taken = " ".join(one.removeprefix("taken ") for one in conditions)
            return f"Nothing found: no photo was taken {shown(taken)}."
        return f"Nothing found: no photo has all of this: {shown(', '.join(conditions))}."
    if question.only_fitting:
        return "Nothing fits."
    least = library.settings.setting("min_score")
    if least.value is None:
        return "Nothing found."
    return f"Nothing found with a score of {least.value:g} or more ({least.source})."


def _say_what_paths_leaves_out(results: Results, split: int) -> None:
    """Say on stderr how many paths `--paths` left out. `split`: those with a line break."""
    from imgsearch.output import console
    from imgsearch.roots.locations import Refusal

    reasons = {
        Refusal.NO_ROOT: "on this machine their library's root is not known; ingest its folder here"
        " first, or name it: --root LIBRARY=DIR",
        Refusal.LEADS_OUT: "their paths lead out of their library, by a link;"
        " ingest --follow-links takes such links as a part of it.",
    }
    for refusal, reason in reasons.items():
        if number := sum(result.refusal is refusal for result in results):
            say(f"{console.count(number, 'photo')} left out: {reason}")
    if missing := sum(result.missing for result in results):
        say(f"{console.count(missing, 'photo')} left out: no picture lies there any more")
    if split:
        say(
            f"{console.count(split, 'photo')} left out: a path with a line break would be read as"
            " two; -0 prints all."
        )
