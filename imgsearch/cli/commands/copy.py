"""`imgsearch copy`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from imgsearch.cli import opening
from imgsearch.cli.confirmation import confirmed
from imgsearch.cli.error_handler import say
from imgsearch.cli.options import CERTIFICATES, MODELS, NEW_INDEX, Common, JsonObject, Yes
from imgsearch.cli.program import command
from imgsearch.escaping import shown
from imgsearch.settings.options import argument
from imgsearch.settings.values import text

if TYPE_CHECKING:
    from imgsearch.index.copy_between_indexes import Result
    from imgsearch.library import Library


class Copying(Yes, JsonObject):
    source: str = argument(
        text, "SOURCE", "An index: a folder, a name or a URL, as for --index.", completion="indexes"
    )
    target: str = argument(text, "TARGET", "Another one, which may be new.", completion="indexes")


@command(
    "copy",
    Copying,
    (*MODELS, "trust_model_code", "verbose", *CERTIFICATES, *NEW_INDEX),
    examples=["imgsearch copy default https://host:9200/my-photos"],
)
def copy(common: Common, given: Copying) -> None:
    """Copy all photos of one index into another.

    Nothing is embedded again. Interrupted, it goes on where it stopped.
    """
    from imgsearch.cli.progress import photos_bar
    from imgsearch.errors import UsageError
    from imgsearch.index.copy_between_indexes import copy as copy_rows
    from imgsearch.library import index_place

    from_settings = opening.load_settings(common, index=given.source)
    to_settings = opening.load_settings(common, index=given.target)
    if index_place(from_settings) == index_place(to_settings):
        raise UsageError("Both names mean the same index.", "Name another one to copy to.")
    with opening.opened(from_settings) as old, opening.opened_for_ingest(to_settings) as new:
        if not given.yes and not _may_be_added_to(old, new):
            say("Nothing was copied.")
            raise typer.Exit
        # another program's index does not say which models made it
        is_unstamped = old.index.models() is None and old.index.count()
        assumed = old.models.ready().pair() if is_unstamped else None
        with photos_bar() as progress:
            result = copy_rows(old.index, new.index, progress, assumed)
        _remember_roots(old, new)
        places = {"source": old.index.place, "target": new.index.place}
    _show(result, places if given.json else None)


def _may_be_added_to(old: Library, new: Library) -> bool:
    """Says what the target holds already, and asks where that is more than an earlier copy left."""
    count = new.count()
    if not count:
        return True
    there, ours = new.index.libraries(), old.index.libraries()
    said = f"{new.index.place} holds {count:,} photos already"
    if all(name in ours and each.photos <= ours[name].photos for name, each in there.items()):
        say(f"{said}, of the same libraries: what is there is not copied again.")
        return True
    others = ", ".join(shown(name) for name in there if name not in ours)
    libraries = f" (libraries that are not in the source: {others})" if others else ""
    return confirmed(f"{said}{libraries}. Copy into it?")


def _remember_roots(old: Library, new: Library) -> None:
    """Of libraries that are new in the target, where they lie on this machine."""
    for library, root in old.roots.all().items():
        is_new = library in new.index.libraries() and new.roots.get(library) is None
        if is_new and old.roots.registered(library):
            for within in root.within or (b"",):
                new.roots.remember(library, root.path, of=root, within=within)


def _show(result: Result, places: Mapping[str, str] | None) -> None:
    """`places`: of both indexes, for programs; None for people."""
    from imgsearch.output import console

    facts = {"copied": console.count(result.copied, "photo")}
    if result.already_there:
        facts["already there"] = f"{result.already_there:,}"
    facts["photos"] = f"{result.in_source:,} in the source, {result.in_target:,} in the target"
    facts["vectors compared"] = f"{result.compared:,}, {result.different:,} of them different"
    if places is not None:
        console.print_json({**places, **_as_dict(result)})
    else:
        console.print_facts("Copied", facts)
    if result.without_vector:
        say(f"{result.without_vector:,} in the source have no vector and were left out.")
    if result.twice:
        say(f"{result.twice:,} in the source are there twice and were copied once.")
    if result.without_parts:
        say(f"{result.without_parts:,} came without their parts: the target can hold none.")
    for id, reason in result.failures:
        say(f"refused {id}: {reason}")
    if not result.complete:
        say("The copy is not complete. Give the same command again.")
        raise typer.Exit(1)


def _as_dict(result: Result) -> dict[str, Any]:
    return {
        "copied": result.copied,
        "already_there": result.already_there,
        "in_source": result.in_source,
        "in_target": result.in_target,
        "compared": result.compared,
        "different": result.different,
        "without_parts": result.without_parts,
        "refused": [{"id": id, "reason": reason} for id, reason in result.failures],
        "complete": result.complete,
    }
