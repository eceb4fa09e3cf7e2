"""One index of a cluster as it was last seen, with what reads it and what writes to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from imgsearch.index.base import Row
from imgsearch.index.elasticsearch import catalogue
from imgsearch.index.elasticsearch.bulk import BulkWriter
from imgsearch.index.elasticsearch.catalogue import Found
from imgsearch.index.elasticsearch.client import Cluster
from imgsearch.index.elasticsearch.errors import cluster_error
from imgsearch.index.elasticsearch.neighbours import Neighbours
from imgsearch.index.elasticsearch.reader import Reader
from imgsearch.index.elasticsearch.requests import CreateOptions
from imgsearch.models.base import ModelPair

_UNREFRESHED = 16_384  # rows; then searches are made to show them, for which writing has to stop
_Answer = TypeVar("_Answer")


class LiveIndex:
    """`name`: of the alias. `retry_for`: seconds that a passing failure may last. `reads_only`:
    opened to search, so that what is recorded is asked for once."""

    found: Found
    reader: Reader
    neighbours: Neighbours
    writer: BulkWriter

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        found: Found,
        options: CreateOptions,
        retry_for: float,
        num_candidates: int | None,
        *,
        reads_only: bool,
    ) -> None:
        self.cluster, self.name, self.place = cluster, name, cluster.index_place(name)
        self.options, self.retry_for, self.num_candidates = options, retry_for, num_candidates
        self.reads_only = reads_only
        # since the last refresh; perhaps by a process before, killed before its own
        self.written = not reads_only
        self.unrefreshed: dict[str, str] = {}  # hashes by id, of what a search does not show yet
        self.use(found)

    def use(self, found: Found) -> None:
        """Read from and write to this index from now on."""
        self.found = found
        self.reader = Reader(self.cluster, found, self.place, found.index, self.retry_for)
        self.neighbours = Neighbours(self.cluster, found, self.reader, self.num_candidates)
        self.writer = BulkWriter(
            self.cluster, found.target, self.place, self.retry_for, self._being_replaced, found.ours
        )

    def _being_replaced(self) -> bool:
        """Whether some machine embeds everything anew, or just has."""
        asked = partial(catalogue.find, self.cluster, retry_for=self.retry_for)
        return asked(catalogue.next_alias(self.name)) is not None or asked(self.found.index) is None

    def reload(self) -> None:
        """Looks again at the mapping and what is recorded in it."""
        found = catalogue.find(self.cluster, self.found.index, retry_for=self.retry_for)
        if found is None:
            raise cluster_error("gone", place=self.place)
        if found != self.found:
            self.use(found)

    def models(self) -> ModelPair | None:
        """The recorded models; while writing, also those that another process has just recorded."""
        if self.found.models is None and not self.reads_only:
            self.reload()
        return self.found.models

    def change_meta(self, properties: dict[str, Any] | None = None, **changes: Any) -> None:
        """Change parts of the mapping's `_meta`. It can only be replaced as a whole, so what others
        wrote is read first."""
        self.reload()
        meta = {**self.found.meta, **changes}
        body = {"_meta": {key: value for key, value in meta.items() if value is not None}}
        if properties:
            body["properties"] = properties
        self.reader.call("PUT", "/_mapping", body)
        self.reload()

    def refresh(self) -> None:
        """Makes what was written by us visible to searches."""
        if self.written:
            self.reader.call("POST", "/_refresh")
            self.written = False
            self.unrefreshed.clear()

    def searched(self, search: Callable[[Neighbours], _Answer]) -> _Answer:
        """The answer of a search that sees what was written by us; by the present mapping, where
        the index holds parts that the known one has no fields for."""
        self.refresh()
        found = search(self.neighbours)
        if self.neighbours.outdated:
            self.reload()
            found = search(self.neighbours)
        return found

    def remember(self, rows: Iterable[Row]) -> None:
        """Note that these rows were written, until a refresh makes searches show them."""
        self.unrefreshed.update((row.record.id, row.record.content_hash) for row in rows)
        if len(self.unrefreshed) > _UNREFRESHED:
            self.refresh()
