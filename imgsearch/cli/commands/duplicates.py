"""`imgsearch duplicates`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgsearch.cli import opening
from imgsearch.cli.error_handler import say
from imgsearch.cli.options import INDEX_ALONE, Common
from imgsearch.cli.program import command
from imgsearch.errors import UsageError
from imgsearch.settings.options import CommandOptions, flag, option, several
from imgsearch.settings.values import cosine, text

if TYPE_CHECKING:
    from imgsearch.copies.groups import Duplicates
    from imgsearch.library import Library
    from imgsearch.question import Filter


class Comparing(CommandOptions):
    under: tuple[str, ...] = several(
        text,
        "--under FOLDER",
        "Compare the photos of this folder or library alone (repeatable).",
        completion="folders",
    )
    threshold: float = option(
        cosine,
        "--threshold COSINE",
        "How alike two copies are, by their vectors.",
        default=0.95,
    )
    json: bool = flag("--json", "One JSON object a line: a group.")
    csv: bool = flag("--csv", "Comma-separated values: a photo a line, with its group's number.")
    paths: bool = flag("--paths", "Paths of all but the largest of each group, one a line.")
    nul: bool = flag("-0", "With --paths: end each with NUL, for xargs -0.")
    html: str | None = option(
        text,
        "--html FILE",
        "Write the groups with their pictures into one file; -: to stdout.",
        completion="files",
    )


@command(
    "duplicates",
    Comparing,
    (*INDEX_ALONE, "max_megapixels"),
    examples=[
        "imgsearch duplicates",
        "imgsearch duplicates --under ./holiday --html copies.html",
        "imgsearch duplicates --paths -0 | xargs -0 ls -l",
    ],
)
def duplicates(common: Common, given: Comparing) -> None:
    """List copies: the same picture, also of another size or format.

    Groups that could save most come first, in each the largest photo. Nothing is deleted.
    """
    if sum((given.json, given.csv, given.paths, given.html is not None)) > 1:
        raise UsageError(
            "--json, --csv, --paths and --html exclude each other.", "Give one of them."
        )
    if given.nul and not given.paths:
        raise UsageError("-0 goes with --paths.", "Give both: --paths -0")
    with opening.opened(opening.load_settings(common)) as library:
        found = library.duplicates(_where(library, given.under), given.threshold)
        _show(library, found, given)
        if found.unseen:
            _say_unseen(found)


def _where(library: Library, folders: tuple[str, ...]) -> Filter:
    from imgsearch.question import Filter

    library.check_not_empty()
    return Filter(under=tuple(one for name in folders for one in library.folder(name).under))


def _show(library: Library, found: Duplicates, given: Comparing) -> None:
    from imgsearch.output import console, copies_list

    if given.html is not None:
        _write_gallery(library, found, given.html)
    elif given.json:
        copies_list.print_json(library, found)
    elif given.csv:
        copies_list.print_csv(library, found)
    elif given.paths:
        left_out = copies_list.print_paths(library, found, given.nul)
        if left_out:
            say(f"{console.count(left_out, 'photo')} left out: no path on this machine.")
    else:
        copies_list.print_groups(library, found)
    if not (given.json or given.csv or given.paths):
        say(copies_list.summary(found))


def _write_gallery(library: Library, found: Duplicates, file: str) -> None:
    from imgsearch.cli.gallery import Gallery
    from imgsearch.output import copies_list

    gallery = Gallery(file, is_opened=False)
    for group in found:
        gallery.add(copies_list.as_results(library, group), copies_list.heading(group))
    gallery.end(library)


def _say_unseen(found: Duplicates) -> None:
    say(
        f"{found.unseen:,} of {found.photos:,} photos were compared by their bytes alone: a version"
        " before ingested them, and their files are not on this machine, have changed, or cannot be"
        " read. Ingest their folder where it lies."
    )
