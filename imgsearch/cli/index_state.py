"""What can be found out about an index, as `imgsearch status` tells it."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from imgsearch.cli import opening
from imgsearch.dataclass import dataclass
from imgsearch.errors import ImgsearchError, IndexNotFound
from imgsearch.escaping import shown
from imgsearch.ingest import rules as library_rules

if TYPE_CHECKING:
    from imgsearch.index.base import IndexInfo
    from imgsearch.ingest.part_costs import Holding
    from imgsearch.ingest.rules import Rules
    from imgsearch.library import Library
    from imgsearch.models.int8_trial import Figures
    from imgsearch.roots import Roots
    from imgsearch.settings import Settings


@dataclass(slots=True)
class Known:
    """What could be found out about an index. `info`: None where nothing has been ingested, or
    where the index cannot be reached (`error`)."""

    place: str
    info: IndexInfo | None = None
    roots: dict[str, str] = field(default_factory=dict)  # of libraries, on this machine
    folders: dict[str, list[str]] = field(default_factory=dict)  # of those that are here in part
    rules: dict[str, Rules] = field(default_factory=dict)  # of libraries
    encoded: str = ""  # where queries are
    int8: Figures | None = None  # where it was tried for these photos, on this machine
    holding: Holding | None = None  # None: it can hold no parts of photos, or holds nothing yet
    error: ImgsearchError | None = None

    @property
    def skipped(self) -> list[dict[str, str]]:
        skipped: list[dict[str, str]] = self.last_ingest.get("skipped", [])
        return skipped

    @property
    def last_ingest(self) -> dict[str, Any]:
        return (self.info and self.info.last_ingest) or {}


def look(chosen: Settings) -> Known:
    from imgsearch.ingest import part_costs
    from imgsearch.library import index_place

    known = Known(str(index_place(chosen)))
    try:
        with opening.opened(chosen) as library:
            known.info = library.status()
            known.roots = _roots(known.info, library.roots)
            known.folders = _folders(library.roots)
            known.rules = library_rules.of(library.index)
            if known.info.models is not None and not known.info.models.quantized:
                known.int8 = library.models.int8_figures(library.index.index_id)
            known.holding = part_costs.holding(library.index, known.info)
            if library.index.capabilities.text_models is not None and known.info.photos:
                known.encoded = _encoded_where(library)
    except IndexNotFound:
        pass
    except ImgsearchError as error:  # the settings, which may be the reason, are shown all the same
        known.error = error
    return known


def _encoded_where(library: Library) -> str:
    """Where queries are encoded, and the reason why."""
    local = library.settings.text_encoder == "local"
    choice = library.text_choice("local" if local else "auto", ask_anew=True)
    if choice.inside is not None:
        return f"in the cluster ({choice.reason})"
    there = library.index.capabilities.text_models
    obstacle = None if local or there is None else there.obstacle()
    return f"on this machine ({(obstacle or choice.reason).rstrip('.')})"


def _roots(info: IndexInfo, roots: Roots) -> dict[str, str]:
    from imgsearch import paths

    found = {name: roots.get(name) for name in info.libraries}
    return {name: paths.shown(root) for name, root in found.items() if root is not None}


def _folders(roots: Roots) -> dict[str, list[str]]:
    """By library, the folders of those that this machine has only some of."""
    known = roots.all().items()
    return {name: [shown(folder) for folder in root.within] for name, root in known if root.within}
