"""A library's root that the user names, instead of ingesting it: `--root`."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.errors import Action, PhotoError, UsageError
from imgsearch.escaping import shown
from imgsearch.question import Filter
from imgsearch.roots import SAMPLE, Roots, locations
from imgsearch.roots.locations import Root

if TYPE_CHECKING:
    from imgsearch.index.base import Index


def name_root(text: str, roots: Roots, index: Index) -> None:
    """`--root [LIBRARY=]FOLDER`: remembers where a library lies on this machine, such as that of
    another program's index. Raises PhotoError (no such folder), UsageError (which library; none of
    its photos is there)."""
    libraries = index.libraries()
    library, equals, folder = text.partition("=")
    if not equals or library not in libraries:
        if len(libraries) != 1:
            raise UsageError(
                f"The root {shown(text)} does not say which library is meant.",
                f"Name one of {', '.join(map(shown, libraries)) or 'none'}.",
                Action("say where a library lies"),
            )
        [library], folder = libraries, text
    path = Path(os.path.realpath(Path(folder).expanduser()))
    if not path.is_dir():
        raise PhotoError(f"{shown(path)} is not a folder.", "Name the folder of its photos.")
    ids = list(itertools.islice(index.ids(Filter.within(library)), SAMPLE))
    records = list(index.records(ids).values())
    found = [locations.located(Root(path), record) for record in records]
    if records and all(one.path is None or one.missing for one in found):
        raise UsageError(
            f"No photo of library {library!r} is in {shown(path)}, for example none is at"
            f" {shown(path)}/{shown(records[0].relative_path)}.",
            "Name the folder that the photos' relative paths begin in.",
        )
    roots.remember(library, path, only_files=roots.only_files(library))
