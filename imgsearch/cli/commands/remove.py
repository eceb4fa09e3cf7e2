"""`imgsearch remove`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgsearch.cli import opening
from imgsearch.cli.confirmation import confirmed
from imgsearch.cli.error_handler import say
from imgsearch.cli.options import INDEX_ALONE, Common, JsonObject, Yes
from imgsearch.cli.program import command
from imgsearch.settings.options import arguments, option
from imgsearch.settings.values import text

if TYPE_CHECKING:
    from imgsearch.index.base import Record
    from imgsearch.library import Library

NAMED = 3  # copies that stay and are named
_TAKE_IN_AGAIN = "imgsearch ingest --include-removed"


class Removal(Yes, JsonObject):
    what: tuple[str, ...] = arguments(
        text,
        "[LIBRARY|ID|PATH...]",
        "Libraries; ids or relative paths of photos.",
        completion="libraries",
    )
    under: str | None = option(
        text, "--under FOLDER", "All photos in this folder.", completion="libraries"
    )


@command(
    "remove",
    Removal,
    INDEX_ALONE,
    examples=["imgsearch remove holidays", "imgsearch remove --under ./photos/2019"],
)
def remove(common: Common, given: Removal) -> None:
    """Take photos out of the index for good.

    The files themselves are not touched, and later ingests pass over them. A library that is
    removed as a whole is forgotten.
    """
    from imgsearch.copies import remaining
    from imgsearch.errors import UsageError
    from imgsearch.output import console

    if bool(given.what) == bool(given.under):
        raise UsageError(
            "Say what to remove: libraries or ids, or --under FOLDER.",
            "imgsearch status lists the libraries; --json results hold ids.",
        )
    chosen = opening.load_settings(common)
    with opening.opened(chosen) as library:
        library.check_not_empty()
        ids, libraries = _chosen(library, given.what, given.under)
        photos = console.count(len(ids), "photo")
        if not given.yes and not confirmed(f"Remove {photos} from {library.index.place}?"):
            say("Nothing was removed.")
            if given.json:
                console.print_json({"removed": 0, "libraries": [], "copies": []})
            return
        copies = [] if libraries else remaining.beside(library.index, ids)
        removed = library.remove(ids, libraries)
        passed_over = removed and not libraries and not library.index.foreign
    if given.json:
        stay = [{"id": one.id, "relative_path": one.relative_path} for one in copies]
        console.print_json({"removed": removed, "libraries": libraries, "copies": stay})
    else:
        console.console().print(f"Removed {console.count(removed, 'photo')} from the index.")
    if copies:
        say(_staying(copies, removed))
    if passed_over:
        it = "it" if removed == 1 else "them"
        say(f"ingest passes over {it} from now on; to take {it} in again: {_TAKE_IN_AGAIN}")


def _staying(copies: Sequence[Record], removed: int) -> str:
    """Names some of the copies that stay, as `remove` takes them."""
    from imgsearch.escaping import shell_quoted
    from imgsearch.photos import path_bytes

    paths = [path_bytes(one.relative_path, one.path_escaped) for one in copies[:NAMED]]
    names = ", ".join(map(shell_quoted, paths))
    more = f" and {len(copies) - NAMED:,} more" if len(copies) > NAMED else ""
    whose = "it" if removed == 1 else "them"
    number = "1 copy" if len(copies) == 1 else f"{len(copies):,} copies"
    return f"{number} of {whose} {'stays' if len(copies) == 1 else 'stay'}: {names}{more}"


def _chosen(
    library: Library, what: Sequence[str], under: str | None
) -> tuple[list[str], list[str]]:
    """The ids, and the libraries that go as a whole."""
    from imgsearch.errors import UsageError
    from imgsearch.escaping import shown
    from imgsearch.index.base import Filter
    from imgsearch.search.photo_names import ids_of

    index = library.index
    if under is not None:
        where = library.folder(under)
        whole = [each.library for each in where.under if each.library and each.path is None]
        return list(index.ids(where)), whole
    libraries = [name for name in what if name in index.libraries()]
    names = [name for name in what if name not in libraries]
    found_for = {name: ids_of(index, library.roots, name) for name in names}
    unknown = [shown(name) for name in names if not found_for[name]]
    if unknown:
        _check_no_folder(library, next(name for name in names if not found_for[name]))
        raise UsageError(
            f"Neither a library nor a photo in the index: {', '.join(unknown)}.",
            "imgsearch status lists the libraries; --json results hold ids and relative paths.",
        )
    found = [id for name in libraries for id in index.ids(Filter.within(name))]
    photos = [id for ids in found_for.values() for id in ids]
    return list(dict.fromkeys([*photos, *found])), libraries


def _check_no_folder(library: Library, name: str) -> None:
    """Raises UsageError where it is a folder that holds photos of the index."""
    from imgsearch.errors import UsageError
    from imgsearch.escaping import shell_quoted, shown

    try:
        library.folder(name)
    except UsageError:
        return
    raise UsageError(
        f"{shown(name)} is a folder.",
        f"To remove all photos in it: imgsearch remove --under {shell_quoted(os.fsencode(name))}",
    )
