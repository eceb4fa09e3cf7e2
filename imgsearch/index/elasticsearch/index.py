"""The index on an Elasticsearch cluster. All of its state is there: any number of machines may
ingest into it and search it at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from imgsearch.errors import ImgsearchError
from imgsearch.index import recorded_models
from imgsearch.index.base import (
    ALL,
    BrowseOrder,
    Capabilities,
    Facet,
    Failure,
    Filter,
    Fingerprints,
    IndexInfo,
    LibrarySummary,
    Look,
    Near,
    Neighbour,
    Parts,
    Record,
    Row,
    Wanted,
)
from imgsearch.index.elasticsearch import (
    browsing,
    catalogue,
    index_metadata,
    index_replacement,
    model_record,
    part_fields,
    photo_parts,
    status,
    word_search,
    writing,
)
from imgsearch.index.elasticsearch.bulk import OPERATIONS_PER_REQUEST
from imgsearch.index.elasticsearch.client import Cluster
from imgsearch.index.elasticsearch.current_index import LiveIndex
from imgsearch.index.elasticsearch.errors import cluster_error
from imgsearch.index.elasticsearch.index_replacement import Moment
from imgsearch.index.elasticsearch.requests import Words
from imgsearch.models.base import ModelPair, Vector, Vectors
from imgsearch.progress import Progress, silent

_SKIPS_REMEMBERED = 100  # in the last ingest's report: it lies in every node's memory


class ElasticsearchIndex:
    """Implements `imgsearch.index.base.Index`. One thread may use it at a time."""

    rows_per_write = 16 * OPERATIONS_PER_REQUEST  # at its end a write waits for its slowest request

    def __init__(self, live: LiveIndex, predecessor: ElasticsearchIndex | None = None) -> None:
        self._live, self.rules = live, index_metadata.StoredRules(live)
        self.place, self.notes = live.place, live.cluster.notes
        self._predecessor = predecessor
        self._holds_photos = False
        self._made_with: ModelPair | None = None  # by what was recorded when we began to write
        self._begun: Moment | None = None  # of a successor: since when it takes its rows over
        found = live.found
        if found.faults and found.ours:
            self.notes.append(
                f"In the mapping of {self.place}, _meta holds what imgsearch does not write there;"
                f" it is left out: {', '.join(found.faults)}."
            )
        if self.foreign:
            self.notes.append(
                f"{self.place} was not made by imgsearch: its vectors are assumed to be of the"
                f" model in use ({found.dims} dimensions), its photos of one library,"
                f" {found.index!r}."
            )

    @property
    def capabilities(self) -> Capabilities:
        from imgsearch.index.elasticsearch.text_model.choice import ClusterTextModels

        live = self._live
        no_parts = part_fields.why_none(live.found, live.place, live.cluster.features)
        texts = None if no_parts else partial(photo_parts.texts, live)
        return Capabilities(ClusterTextModels(self), distant=True, no_parts=no_parts, texts=texts)

    @property
    def foreign(self) -> bool:
        """Another program's, such as the tutorial's. It can be searched; `stamp` takes it over for
        writing, and a user should be asked before."""
        return not self._live.found.ours

    @property
    def index_id(self) -> str:
        """Of another program's index, the server's own, which it keeps when it is taken over."""
        return self._live.found.index_id

    def models(self) -> ModelPair | None:
        """The recorded models. For an index that was opened for searching, whether it holds photos
        is left to the search."""
        stamped = self._live.models()
        if stamped is None or self._live.reads_only or self._holds_photos:
            return stamped
        self._holds_photos = self.count() > 0
        return stamped if self._holds_photos else None

    def stamp(self, models: ModelPair) -> None:
        self._record(models)
        self._made_with = models

    def _record(self, models: ModelPair) -> None:
        known = self._live.models()
        if known is not None and recorded_models.same(known, models):
            return
        empty = self.count() == 0
        if known is not None and not empty:
            raise cluster_error(
                "other_models",
                place=self.place,
                models=recorded_models.named(known),
                asked=recorded_models.named(models),
            )
        if self.foreign:
            model_record.adopt(self._live, models)
        elif known is None and not empty and self._live.found.vector:
            raise cluster_error("unstamped", place=self.place)
        elif self._live.found.vector and self._live.found.dims != models.dims:
            successor = self.successor(models)
            successor._begun = Moment.before_all(self._live.found)  # it was empty
            self._become(successor)
        else:
            model_record.stamp(self._live, models)

    def info(self) -> IndexInfo:
        """What `status` shows, `details` included. Takes several requests."""
        self._live.reload()
        libraries = self.libraries()
        return status.of(self._live, self.models() if libraries else None, libraries)

    def libraries(self) -> dict[str, LibrarySummary]:
        self._live.refresh()
        hints = self._live.found.meta.get("root_hints", {})
        return {
            name: LibrarySummary(photos, hints.get(name))
            for name, photos in self._live.reader.libraries().items()
        }

    def set_root_hint(self, library: str, root_hint: str | None) -> None:
        hints = dict(self._live.found.meta.get("root_hints", {}))
        if hints.get(library) != root_hint:
            hints[library] = root_hint
            known = {name: hint for name, hint in hints.items() if hint is not None}
            self._live.change_meta(root_hints=known)

    def record_ingest(self, report: dict[str, Any]) -> None:
        """Without the privilege to make an index for it (`create_index`), nothing is kept, and a
        note says so."""
        skipped = report.get("skipped")
        if isinstance(skipped, list):
            report = {**report, "skipped": skipped[:_SKIPS_REMEMBERED]}
        try:
            index_metadata.record(
                self._live.cluster, self._live.name, self.index_id, report, self._live.retry_for
            )
        except ImgsearchError as error:
            self.notes.append(f"This ingest's summary could not be kept: {error.message}")

    # what is in it

    def fingerprints(self) -> Iterator[Fingerprints]:
        self._live.refresh()
        yield from self._live.reader.fingerprints()

    def records(self, ids: Sequence[str]) -> dict[str, Record]:
        return self._live.reader.records(ids)

    def photo(self, ids: Sequence[str]) -> tuple[Record, Vector | None] | None:
        return self._live.reader.photo(ids)

    def records_by_hash(self, hashes: Sequence[str]) -> dict[str, list[Record]]:
        """A refresh for each call would make ingesting slow: what was just written is remembered
        instead, and documents are read by id, which needs no refresh."""
        wanted = set(hashes)
        ids = self._live.reader.ids_by_hash(hashes)
        ids |= {id for id, its_hash in self._live.unrefreshed.items() if its_hash in wanted}
        found: dict[str, list[Record]] = {}
        for _, record in sorted(self._live.reader.records(list(ids)).items()):
            if record.content_hash in wanted:
                found.setdefault(record.content_hash, []).append(record)
        return found

    def vectors(self, ids: Sequence[str]) -> dict[str, Vector]:
        return self._live.reader.vectors(ids)

    def parts(self, ids: Sequence[str]) -> dict[str, Parts]:
        return photo_parts.of(self._live.reader, ids) if self._live.found.holds_parts else {}

    def rows(self, where: Filter = ALL) -> Iterator[Row]:
        self._live.refresh()
        yield from self._live.reader.rows(where)

    def looks(self, where: Filter = ALL) -> Iterator[Look]:
        self._live.refresh()
        yield from self._live.reader.looks(where)

    def ids(self, where: Filter = ALL) -> Iterator[str]:
        self._live.refresh()
        yield from self._live.reader.ids(where)

    def ids_named(self, name: str) -> list[str]:
        self._live.refresh()
        return self._live.reader.ids_named(name)

    def count(self, where: Filter = ALL) -> int:
        """While searching, the number of all photos is the one that the last search reported."""
        self._live.refresh()
        if self._live.reads_only and where == ALL and self._live.neighbours.photos is not None:
            return self._live.neighbours.photos
        return self._live.reader.count(where)

    def search(
        self, vector: Vector, k: int, where: Filter = ALL, exclude: Collection[str] = ()
    ) -> list[Neighbour]:
        return self._near(np.asarray(vector, np.float32), k, None, where, exclude).neighbours

    def search_words(
        self,
        vector: Vector,
        k: int,
        wanted: Wanted,
        where: Filter = ALL,
        exclude: Collection[str] = (),
    ) -> Near:
        return self._near(np.asarray(vector, np.float32), k, wanted, where, exclude)

    def _near(self, vector: Vector | Words, k: int, wanted: Wanted | None, *which: Any) -> Near:
        """`which`: the filter, and the ids that are left out."""
        return self._live.searched(lambda index: index.near(vector, k, wanted, *which))

    def match(self, wanted: Wanted, k: int, where: Filter = ALL) -> list[Record]:
        return self._live.searched(lambda index: index.matching(wanted, k, where))

    def browse(self, where: Filter, order: BrowseOrder, k: int, offset: int = 0) -> list[Record]:
        self._live.refresh()
        return browsing.in_order(self._live.reader, where, order, k, offset)

    def facets(self, where: Filter, names: Collection[Facet]) -> dict[Facet, list[tuple[str, int]]]:
        self._live.refresh()
        return browsing.facets(self._live.reader, where, names)

    @property
    def uuid(self) -> str:
        """The server's own name of it; "" where that is not told."""
        return self._live.found.uuid

    @property
    def cluster(self) -> Cluster:
        return self._live.cluster

    def takes_text(self, k: int) -> bool:
        """Whether `search_by_text` gives the scores that `search` would."""
        rescored = self._live.neighbours.rescores_here(k)
        return self._live.cluster.features.embeds_queries and not rescored

    def search_by_text(
        self, text: str, model_id: str, k: int, where: Filter = ALL, wanted: Wanted | None = None
    ) -> Near:
        """As `search`, for the vector that a model deployed in the cluster makes of the text."""
        return self._near(Words(text, model_id), k, wanted, where, ())

    def sample(self, size: int) -> Vectors:
        self._live.refresh()
        return self._live.reader.sample(size)

    def write(self, rows: Sequence[Row], delete: Sequence[str] = ()) -> list[Failure]:
        """Returns when all are durable. On an error some rows may have been written: writing them
        again is harmless."""
        self._holds_photos = self._holds_photos and not delete
        return writing.write(self._live, rows, delete)

    def finish(self, progress: Progress = silent) -> None:
        self._live.refresh()
        word_search.give(self._live)
        if self._made_with is not None:
            model_record.check(self._live, self._made_with)
        self.notes += status.health_hint(self._live.cluster, self._live.found.index, self.place)

    def erase(self, ids: Iterable[str]) -> int:
        """See `writing.erase` for when it leaves the disk."""
        self._holds_photos = False  # until counted
        return writing.erase(self._live, ids)

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """None is needed: ids are the same on every machine, and a row written twice is one row."""
        return contextlib.nullcontext()

    def successor(self, models: ModelPair) -> ElasticsearchIndex:
        index = ElasticsearchIndex(index_replacement.begun(self._live, models), predecessor=self)
        index._begun = Moment.now(self._live.reader, self._live.found)
        index.stamp(models)
        return index

    def promote(self, catch_up: Callable[[], object] = lambda: None) -> None:
        """While the last rows are taken over, other machines' writes wait."""
        predecessor = self._predecessor
        if predecessor is None:
            raise ValueError("only a successor is promoted")
        if self._lacks(predecessor):  # what takes long is done while others may still write
            catch_up()
        with index_replacement.writes_blocked(predecessor._live.reader):
            if self._lacks(predecessor):
                catch_up()
                index_replacement.check_nothing_is_lost(self._lacks(predecessor), self.place)
            predecessor._live.reload()
            hints = predecessor._live.found.meta.get("root_hints", {})
            # `successor_of` stays: killed before the switch, the next call goes on with this one
            self._live.change_meta(root_hints=hints)
            before, now = predecessor._live.found.index, self._live.found.index
            catalogue.switch(self._live.cluster, self._live.name, before, now)
        self._live.reload()
        self._predecessor = None

    def _lacks(self, predecessor: ElasticsearchIndex) -> list[Record]:
        """What other machines have written to the predecessor since this index was begun."""
        assert self._begun is not None
        return index_replacement.not_taken_over(
            self._begun, predecessor._live.reader, self._live.reader
        )

    def _become(self, successor: ElasticsearchIndex) -> None:
        """Take the place of this index, which is empty."""
        successor.promote()
        self._live.writer.close()
        self._live.use(successor._live.found)
        successor.close()

    def close(self) -> None:
        self._live.writer.close()
        self._live.cluster.close()
