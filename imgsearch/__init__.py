"""Find pictures by describing them in any language, or by showing another picture.

import imgsearch

with imgsearch.open("photos") as library:
    for hit in library.search("red car", k=5):
        print(hit.path, hit.score)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    import os

    from imgsearch.errors import ImgsearchError
    from imgsearch.library import Library
    from imgsearch.progress import Talk
    from imgsearch.question import Filter, Question, Term
    from imgsearch.results import Hit, Results
    from imgsearch.search.understanding import understand

__all__ = [
    "Filter",
    "Hit",
    "ImgsearchError",
    "Library",
    "Question",
    "Results",
    "Talk",
    "Term",
    "__version__",
    "open",
    "understand",
]
_HOMES = {
    "ImgsearchError": "errors",
    "Library": "library",
    "Talk": "progress",
    "Filter": "question",
    "Question": "question",
    "Term": "question",
    "Hit": "results",
    "Results": "results",
    "understand": "search.understanding",
}


def open(
    index: str | os.PathLike[str] | None = None,
    *,
    create: bool = False,
    talk: Talk | None = None,
    **settings: Any,
) -> Library:
    """An open index, to be used in a `with` statement. `index`: a folder, a name or a URL; None:
    the one that the environment or the user's configuration names. `create`: make it where there is
    none. `settings`: any other setting by its name, such as `model="demo"`. Raises ImgsearchError,
    whose `message` says what happened and whose `cure` what to do."""
    import os

    from imgsearch import settings as all_settings
    from imgsearch.library import open_library
    from imgsearch.progress import SILENT

    named = None if index is None else os.fspath(index)
    loaded = all_settings.load({"index": named, **settings})
    return open_library(loaded, create=create, talk=talk or SILENT)


def __getattr__(name: str) -> Any:
    """Names of `__all__`, from their modules: importing imgsearch loads nothing unused."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"imgsearch.{_HOMES[name]}"), name)
