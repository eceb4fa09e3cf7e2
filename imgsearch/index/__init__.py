"""Opening an index, wherever it lies."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from imgsearch.places import ClusterPlace, LocalPlace

if TYPE_CHECKING:
    from imgsearch.index.base import Index
    from imgsearch.settings import Settings


def _local(place: LocalPlace, settings: Settings, create: bool) -> Index:
    from imgsearch.index.local import open_local

    return open_local(place.folder, create=create)


BACKENDS: dict[type, Callable[[Any, Settings, bool], Index]] = {LocalPlace: _local}


def open_index(place: LocalPlace | ClusterPlace, settings: Settings, *, create: bool) -> Index:
    """Raises IndexNotFound where there is none and `create` is not set."""
    return BACKENDS[type(place)](place, settings, create)
