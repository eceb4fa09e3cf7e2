"""The index on an Elasticsearch cluster. All of its state is there: any number of machines may
ingest into it and search it at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from imgsearch.errors import ImgsearchError
from imgsearch.index import recorded_models
from imgsearch.index.base import (
    ALL,
    SCHEMA_VERSION,
    BrowseOrder,
    Capabilities,
    Facet,
    Failure,
    Filter,
    Fingerprints,
    IndexInfo,
    LibrarySummary,
    Neighbour,
    Record,
    Row,
)
from imgsearch.index.elasticsearch import (
    catalogue,
    notes,
    operations,
    remembered,
    status,
    succession,
)
from imgsearch.index.elasticsearch.bulk import OPERATIONS_PER_REQUEST, BulkWriter
from imgsearch.index.elasticsearch.catalogue import Found
from imgsearch.index.elasticsearch.client import Cluster
from imgsearch.index.elasticsearch.connection import Connection
from imgsearch.index.elasticsearch.errors import trouble
from imgsearch.index.elasticsearch.features import Features
from imgsearch.index.elasticsearch.reader import Reader
from imgsearch.index.elasticsearch.requests import (
    INDEX_TYPES,
    CreateOptions,
    Words,
    check_name,
    quantization_of,
    vector_mapping,
)
from imgsearch.index.elasticsearch.retry import patiently
from imgsearch.index.elasticsearch.succession import Moment
from imgsearch.models.base import ModelPair, Vector, Vectors
from imgsearch.progress import Progress, silent

RETRY_SECONDS = 300.0  # for a node to come back, while ingesting
READ_RETRY_SECONDS = 10.0  # while somebody waits for an answer
_UNREFRESHED = 16_384  # rows; then searches are made to show them, for which writing has to stop
_SKIPS_REMEMBERED = 100  # in the last ingest's report: it lies in every node's memory
_ERASED_AT_A_TIME = 10_000


def open_elasticsearch(
    connection: Connection,
    index_name: str,
    *,
    create: bool,
    options: CreateOptions | None = None,
    num_candidates: int | None = None,
    retry_for: float = RETRY_SECONDS,
    cache: Path | None = None,
) -> ElasticsearchIndex:
    """`create`: for ingesting; makes the index where there is none, and is patient with a cluster
    that has a bad moment (`retry_for` seconds). `cache`: the folder of what this machine remembers
    of the server, which saves a request. Raises IndexNotFound, IndexUnavailable (no
    connection, no privilege), IndexContradiction (several indices, or none of pictures),
    IndexTooNew, UsageError (the name; an option that the server's version does not have)."""
    check_name(index_name)
    options = options or CreateOptions()
    patience = retry_for if create else min(retry_for, READ_RETRY_SECONDS)
    if create:
        cluster = patiently(lambda: Cluster.connect(connection), patience)
    else:
        cluster = Cluster(connection)
    try:
        if create:
            found = _found_or_made(cluster, index_name, options, patience)
        else:
            found = _found_for_reading(cluster, index_name, patience, cache)
        index = ElasticsearchIndex(
            cluster, index_name, found, options, patience, num_candidates, reads_only=not create
        )
        # an ingest before this one may have been killed before its last refresh
        index._dirty = create
    except BaseException:  # Ctrl-C too leaves no connection open
        cluster.close()
        raise
    if cache is not None and cluster.info.get("cluster_uuid"):
        remembered.remember(cache, cluster.place, found.uuid, cluster.info)
    return index


def _found_or_made(cluster: Cluster, name: str, options: CreateOptions, patience: float) -> Found:
    found = catalogue.find(cluster, name, patience=patience)
    place = cluster.index_place(name)
    if found is None:
        quantization_of(options, cluster.features, dims=512, place=place)  # refused at once
        return catalogue.create(cluster, name, options, alias=name)
    if found.ours and catalogue.add_fields(cluster, name, found):
        found = catalogue.find(cluster, name, patience=patience) or found
    if options.source_vectors and not found.keeps_vectors_in_source:
        cluster.notes.append(
            f"--source-vectors comes too late for {place}: how vectors are kept was decided when"
            " the index was made. To change it, copy the photos into a new index (imgsearch copy)."
        )
    return found


def _found_for_reading(cluster: Cluster, name: str, patience: float, cache: Path | None) -> Found:
    """One request where the server's version is known: from the last command, or from the index,
    which notes by what version it was made (a newer one can do no less)."""
    found = patiently(lambda: catalogue.find(cluster, name), patience)
    if found is None:
        _supported_features(cluster, cluster.call("GET", "/", patience=patience))
        raise trouble("not_found", place=cluster.index_place(name))
    info = remembered.recall(cache, cluster.place, found.uuid) if cache is not None else None
    if info is None and isinstance(found.meta.get("server"), dict):
        info = {"version": found.meta["server"]}
    known = Features.of(info) if info is not None else None
    if info is None or known is None or not known.supported:
        info = cluster.call("GET", "/", patience=patience)
        known = _supported_features(cluster, info)
    cluster.info, cluster.features = info, known
    return found


def _supported_features(cluster: Cluster, info: dict[str, Any]) -> Features:
    """By the answer to `GET /`. Raises IndexUnavailable for a server that is too old."""
    known = Features.of(info)
    if not known.supported:
        raise trouble("too_old", place=cluster.place, version=known)
    return known


class ElasticsearchIndex:
    """Implements `imgsearch.index.base.Index`. One thread may use it at a time."""

    rows_per_write = 16 * OPERATIONS_PER_REQUEST  # at its end a write waits for its slowest request

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        found: Found,
        options: CreateOptions,
        patience: float,
        num_candidates: int | None = None,
        predecessor: ElasticsearchIndex | None = None,
        reads_only: bool = False,
    ) -> None:
        """`reads_only`: opened to search; what it holds is asked for once."""
        self.place = cluster.index_place(name)
        self.notes = cluster.notes
        self._cluster, self._name, self._found = cluster, name, found
        self._options, self._patience = options, patience
        self._num_candidates, self._predecessor = num_candidates, predecessor
        self._unrefreshed: dict[str, str] = {}  # hashes by id, of what a search does not show yet
        self._dirty = False
        self._reads_only, self._holds_photos = reads_only, False
        self._made_with: ModelPair | None = None  # by what was recorded when we began to write
        self._begun: Moment | None = None  # of a successor: since when it takes its rows over
        self._use(found)
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

    def _use(self, found: Found) -> None:
        self._found = found
        self._reader = Reader(
            self._cluster, found, self.place, found.index, self._patience, self._num_candidates
        )
        self._writer = BulkWriter(
            self._cluster,
            found.target,
            self.place,
            self._patience,
            self._being_replaced,
            found.ours,
        )

    def _being_replaced(self) -> bool:
        """Whether some machine embeds everything anew, or just has."""
        asked = partial(catalogue.find, self._cluster, patience=self._patience)
        return (
            asked(catalogue.next_alias(self._name)) is not None or asked(self._found.index) is None
        )

    # what it is

    @property
    def capabilities(self) -> Capabilities:
        from imgsearch.index.elasticsearch.text_model.choice import ClusterTextModels

        return Capabilities(ClusterTextModels(self), distant=True)

    @property
    def foreign(self) -> bool:
        """Another program's, such as the tutorial's. It can be searched; `stamp` takes it over for
        writing, and a user should be asked before."""
        return not self._found.ours

    @property
    def index_id(self) -> str:
        """Of another program's index, the server's own, which it keeps when it is taken over."""
        return self._found.index_id

    def models(self) -> ModelPair | None:
        """Of an index that was opened to search, what is recorded: whether there is a photo is
        told by the search."""
        stamped = self._stamped()
        if stamped is None or self._reads_only or self._holds_photos:
            return stamped
        self._holds_photos = self.count() > 0
        return stamped if self._holds_photos else None

    def _stamped(self) -> ModelPair | None:
        if self._found.models is None and not self._reads_only:
            self._reload()  # another process may have stamped it meanwhile
        return self._found.models

    def _reload(self) -> None:
        found = catalogue.find(self._cluster, self._found.index, patience=self._patience)
        if found is None:
            raise trouble("gone", place=self.place)
        if found != self._found:
            self._use(found)

    def stamp(self, models: ModelPair) -> None:
        self._record(models)
        self._made_with = models

    def _record(self, models: ModelPair) -> None:
        known = self._stamped()
        if known is not None and recorded_models.same(known, models):
            return
        empty = self.count() == 0
        if known is not None and not empty:
            raise trouble(
                "other_models",
                place=self.place,
                models=recorded_models.named(known),
                asked=recorded_models.named(models),
            )
        if self.foreign:
            self._adopt(models)
        elif known is None and not empty and self._found.vector:
            raise trouble("unstamped", place=self.place)
        elif self._found.vector and self._found.dims != models.dims:
            successor = self.successor(models)
            successor._begun = Moment.before_all(self._found)  # it was empty
            self._become(successor)
        else:
            self._stamp(models)

    def _stamp(self, models: ModelPair) -> None:
        properties = {}
        if not self._found.vector:
            quantization = quantization_of(
                self._options, self._cluster.features, models.dims, self.place
            )
            properties = vector_mapping(models.dims, quantization)
        self._change_meta(properties, models=recorded_models.dump(models))
        now = self._stamped()  # two machines may begin at the same moment
        if now is None or not recorded_models.same(now, models):
            made = "other models" if now is None else recorded_models.named(now)
            raise trouble(
                "other_models", place=self.place, models=made, asked=recorded_models.named(models)
            )

    def _adopt(self, models: ModelPair) -> None:
        if self._found.dims != models.dims:
            raise trouble(
                "other_dims",
                place=self.place,
                dims=self._found.dims,
                asked=models.dims,
                models="which is not recorded",
            )
        catalogue.adopt(self._cluster, self._name, self._found, models)
        self._reload()

    def _change_meta(self, properties: dict[str, Any] | None = None, **changes: Any) -> None:
        """`_meta` is replaced as a whole, so what others wrote is read first."""
        self._reload()
        meta = {**self._found.meta, **changes}
        body = {"_meta": {key: value for key, value in meta.items() if value is not None}}
        if properties:
            body["properties"] = properties
        self._reader.call("PUT", "/_mapping", body)
        self._reload()

    def info(self) -> IndexInfo:
        """Also what `details` says; several requests."""
        self._reload()
        index, settings = self._found.index, dict(self._found.settings)
        photos = self._reader.count(ALL)
        return IndexInfo(
            models=self.models() if photos else None,
            schema_version=self._found.meta.get("schema_version", SCHEMA_VERSION),
            photos=photos,
            bytes_on_disk=status.bytes_on_disk(self._cluster, index),
            libraries=self.libraries(),
            last_ingest=notes.last_ingest(self._cluster, self._name, self.index_id)
            or self._found.meta.get("last_ingest"),  # where versions before kept it
            details=status.details(
                self._cluster, index, self._name, settings, dict(self._found.vector)
            ),
        )

    def libraries(self) -> dict[str, LibrarySummary]:
        self._fresh()
        hints = self._found.meta.get("root_hints", {})
        return {
            name: LibrarySummary(photos, hints.get(name))
            for name, photos in self._reader.libraries().items()
        }

    def set_root_hint(self, library: str, root_hint: str | None) -> None:
        hints = dict(self._found.meta.get("root_hints", {}))
        if hints.get(library) != root_hint:
            hints[library] = root_hint
            known = {name: hint for name, hint in hints.items() if hint is not None}
            self._change_meta(root_hints=known)

    def record_ingest(self, report: dict[str, Any]) -> None:
        """Without the privilege to make an index for it (`create_index`), nothing is kept, and a
        note says so."""
        skipped = report.get("skipped")
        if isinstance(skipped, list):
            report = {**report, "skipped": skipped[:_SKIPS_REMEMBERED]}
        try:
            notes.record(self._cluster, self._name, self.index_id, report, self._patience)
        except ImgsearchError as error:
            self.notes.append(f"This ingest's summary could not be kept: {error.message}")

    # what is in it

    def _fresh(self) -> None:
        """Makes what was written by us visible to searches."""
        if self._dirty:
            self._reader.call("POST", "/_refresh")
            self._dirty = False
            self._unrefreshed.clear()

    def fingerprints(self) -> Iterator[Fingerprints]:
        self._fresh()
        yield from self._reader.fingerprints()

    def records(self, ids: Sequence[str]) -> dict[str, Record]:
        return self._reader.records(ids)

    def records_by_hash(self, hashes: Sequence[str]) -> dict[str, list[Record]]:
        """A refresh for each call would make ingesting slow: what was just written is remembered
        instead, and documents are read by id, which needs no refresh."""
        wanted = set(hashes)
        ids = self._reader.ids_by_hash(hashes)
        ids |= {id for id, its_hash in self._unrefreshed.items() if its_hash in wanted}
        found: dict[str, list[Record]] = {}
        for _, record in sorted(self._reader.records(list(ids)).items()):
            if record.content_hash in wanted:
                found.setdefault(record.content_hash, []).append(record)
        return found

    def vectors(self, ids: Sequence[str]) -> dict[str, Vector]:
        return self._reader.vectors(ids)

    def rows(self, where: Filter = ALL) -> Iterator[Row]:
        self._fresh()
        yield from self._reader.rows(where)

    def ids(self, where: Filter = ALL) -> Iterator[str]:
        self._fresh()
        yield from self._reader.ids(where)

    def ids_named(self, name: str) -> list[str]:
        self._fresh()
        return self._reader.ids_named(name)

    def count(self, where: Filter = ALL) -> int:
        """Of an index that was opened to search, what the last search has seen."""
        self._fresh()
        if self._reads_only and where == ALL and self._reader.photos is not None:
            return self._reader.photos
        return self._reader.count(where)

    def search(
        self, vector: Vector, k: int, where: Filter = ALL, exclude: Collection[str] = ()
    ) -> list[Neighbour]:
        self._fresh()
        models = self._stamped()
        if not self._found.vector or k < 1:
            return []
        vector = np.asarray(vector, np.float32)
        if vector.shape != (self._found.dims,):
            made = "which is not recorded" if models is None else recorded_models.named(models)
            raise trouble(
                "other_dims",
                place=self.place,
                dims=self._found.dims,
                asked=vector.size,
                models=made,
            )
        return self._reader.nearest(vector, k, where, exclude)

    def browse(self, where: Filter, order: BrowseOrder, k: int, offset: int = 0) -> list[Record]:
        self._fresh()
        return self._reader.in_order(where, order, k, offset)

    def facets(self, where: Filter, names: Collection[Facet]) -> dict[Facet, list[tuple[str, int]]]:
        self._fresh()
        return self._reader.facets(where, names)

    @property
    def cluster(self) -> Cluster:
        return self._cluster

    def takes_text(self, k: int) -> bool:
        """Whether `search_by_text` gives the scores that `search` would."""
        return self._cluster.features.embeds_queries and not self._reader.rescores_here(k)

    def search_by_text(
        self, text: str, model_id: str, k: int, where: Filter = ALL
    ) -> list[Neighbour]:
        """As `search`, for what a model that is deployed in the cluster makes of the text."""
        self._fresh()
        if not self._found.vector or k < 1:
            return []
        return self._reader.nearest(Words(text, model_id), k, where, ())

    def sample(self, size: int) -> Vectors:
        self._fresh()
        return self._reader.sample(size)

    # writing

    def write(self, rows: Sequence[Row], delete: Sequence[str] = ()) -> list[Failure]:
        """Sent in requests of bounded size, two at a time; returns when all are durable. Deletions
        go last, in the same request where that is the only one. On an error some rows may have
        been written: writing them again is harmless."""
        dims = self._found.dims
        if dims is None:
            raise ValueError("an index is stamped before it is written to")
        failures: list[Failure] = []
        latest = {row.record.id: row for row in rows}
        # programs that read vectors in _source want numbers there, not base64
        pack = self._cluster.features.takes_base64 and not self._found.keeps_vectors_in_source
        upserts = operations.upserts(latest.values(), dims, failures, pack=pack)
        deletes = operations.deletions(id for id in dict.fromkeys(delete) if id not in latest)
        self._dirty, self._holds_photos = True, self._holds_photos and not deletes
        if len(latest) < OPERATIONS_PER_REQUEST:
            failures += self._writer.write([*upserts, *deletes]).failures
        else:
            failures += self._writer.write(upserts).failures
            failures += self._writer.write(deletes).failures
        self._remember(latest.values())
        return failures

    def _remember(self, rows: Iterable[Row]) -> None:
        self._unrefreshed.update((row.record.id, row.record.content_hash) for row in rows)
        if len(self._unrefreshed) > _UNREFRESHED:
            self._fresh()

    def finish(self, progress: Progress = silent) -> None:
        self._fresh()
        self._check_stamp()
        self.notes += status.health_hint(self._cluster, self._found.index, self.place)

    def _check_stamp(self) -> None:
        """What was recorded when writing began must still be: another machine that began at the
        same moment, or a version before this one, may have written over it."""
        if self._made_with is None:
            return
        self._reload()
        now = self._stamped()
        if now is None:
            self._change_meta(models=recorded_models.dump(self._made_with))
        elif not recorded_models.same(now, self._made_with):
            made, asked = recorded_models.named(now), recorded_models.named(self._made_with)
            raise trouble("other_models", place=self.place, models=made, asked=asked)

    def erase(self, ids: Iterable[str]) -> int:
        """What is deleted is invisible at once, and leaves the disk when the segments that hold it
        are merged, which is asked for here and goes on in the background. (Copies that lag behind
        may keep it for up to twelve hours: `index.soft_deletes.retention_lease.period`.)"""
        deleted = 0
        iterator = iter(ids)
        while some := list(islice(iterator, _ERASED_AT_A_TIME)):
            self._holds_photos = False  # until counted
            deleted += self._writer.write(operations.deletions(some)).deleted
            self._dirty = True
        self._fresh()
        self._reader.photos = None
        if deleted:
            self._expunge()
        return deleted

    def _expunge(self) -> None:
        try:
            self._reader.call("POST", "/_flush")
            self._reader.call(
                "POST", "/_forcemerge", only_expunge_deletes=True, wait_for_completion=False
            )
        except ImgsearchError as error:
            self.notes.append(
                f"What was removed leaves the disk at the cluster's next merge: {error.message}"
            )

    # several ingests at a time, and another model

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """None is needed: ids are the same on every machine, and a row written twice is one row."""
        return contextlib.nullcontext()

    def successor(self, models: ModelPair) -> ElasticsearchIndex:
        alias = catalogue.next_alias(self._name)
        found = catalogue.find(self._cluster, alias, patience=self._patience)
        if found is not None:
            if found.meta.get("successor_of") != self.index_id:
                raise trouble(
                    "several", place=self.place, indices=f"{self._found.index}, {found.index}"
                )
            if found.models is None or not recorded_models.same(found.models, models):
                self._cluster.call("DELETE", f"/{found.index}", place=self.place)
                found = None
        if found is None:
            meta = {
                "index_id": self.index_id,
                "root_hints": self._found.meta.get("root_hints", {}),
                "successor_of": self.index_id,
            }
            options = self._options_of_successor()
            found = catalogue.create(self._cluster, self._name, options, alias=alias, meta=meta)
        index = ElasticsearchIndex(
            self._cluster.again(),
            self._name,
            found,
            self._options_of_successor(),
            self._patience,
            self._num_candidates,
            predecessor=self,
        )
        index._dirty = True  # an interrupted call may have written to it
        index._begun = Moment.now(self._reader, self._found)
        index.stamp(models)
        return index

    def _options_of_successor(self) -> CreateOptions:
        """What was not asked for anew stays as it is."""
        if self._options.quantization is not None:
            return self._options
        kinds = {kind: name for name, kind in INDEX_TYPES.items()}
        return replace(self._options, quantization=kinds.get(self._found.index_type))

    def promote(self, catch_up: Callable[[], object] = lambda: None) -> None:
        """While the last rows are taken over, other machines' writes wait."""
        predecessor = self._predecessor
        if predecessor is None:
            raise ValueError("only a successor is promoted")
        if self._lacks(predecessor):  # what takes long is done while others may still write
            catch_up()
        with succession.writes_blocked(predecessor._reader):
            if self._lacks(predecessor):
                catch_up()
                succession.check_nothing_is_lost(self._lacks(predecessor), self.place)
            predecessor._reload()
            hints = predecessor._found.meta.get("root_hints", {})
            # `successor_of` stays: killed before the switch, the next call goes on with this one
            self._change_meta(root_hints=hints)
            catalogue.switch(self._cluster, self._name, predecessor._found.index, self._found.index)
        self._reload()
        self._predecessor = None

    def _lacks(self, predecessor: ElasticsearchIndex) -> list[Record]:
        """What others have written to the predecessor since this one was begun."""
        assert self._begun is not None
        return succession.not_taken_over(self._begun, predecessor._reader, self._reader)

    def _become(self, successor: ElasticsearchIndex) -> None:
        """In place of this one, which is empty."""
        successor.promote()
        self._found = successor._found
        self._writer.close()
        self._use(successor._found)
        successor.close()

    def close(self) -> None:
        self._writer.close()
        self._cluster.close()
