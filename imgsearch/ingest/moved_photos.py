"""Which photos have left their path, so that the same bytes elsewhere are the photo moved there."""

from __future__ import annotations

import os
from collections.abc import Mapping

from imgsearch.index.base import Record
from imgsearch.ingest.sources import has_entries, is_there, path_of
from imgsearch.roots import locations
from imgsearch.roots.locations import Root


class Departures:
    """`roots`: every library's root on this machine, where photos are looked for."""

    def __init__(self, roots: Mapping[str, Root]) -> None:
        self._roots = roots
        self.moved: set[str] = set()  # the old ids of photos that have moved
        self._present: set[str] = set()  # ids of photos that were found at their path
        self._reachable: dict[str, bool] = {}  # by library: its root holds something

    def has_left(self, record: Record) -> bool:
        """Gone from its path, though its root can be reached and holds something."""
        if record.id in self.moved or record.id in self._present:
            return False
        root = self._roots.get(record.library)
        if root is None or not self._is_reachable(record.library, root):
            return False
        relative = locations.relative_bytes(record.relative_path, record.path_escaped)
        if relative is not None and not root.covers(relative):
            return False
        if is_there(root.path, record):  # of a thousand copies each is looked at once
            self._present.add(record.id)
            return False
        return True

    def path_of(self, record: Record) -> str:
        return path_of(self._roots[record.library].path, record)

    def _is_reachable(self, library: str, root: Root) -> bool:
        if library not in self._reachable:
            self._reachable[library] = has_entries(os.fsencode(root.path))
        return self._reachable[library]
