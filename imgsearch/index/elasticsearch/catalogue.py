"""Which index is behind a name, and how one is made, replaced and given way to.

A name is an alias; behind it is NAME-000001, and after `ingest --re-embed` NAME-000002. While that
one is filled, NAME-next points to it. NAME-000001-rows is the alias that is written through: it
names one index for good, and requiring an alias keeps the server from making a deleted index anew
out of the rows that still arrive."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from imgsearch import installation
from imgsearch.dataclass import dataclass
from imgsearch.errors import IndexError_
from imgsearch.index import recorded_models
from imgsearch.index.base import SCHEMA_VERSION
from imgsearch.index.elasticsearch import answers
from imgsearch.index.elasticsearch.client import Cluster, symptom_of
from imgsearch.index.elasticsearch.errors import cluster_error
from imgsearch.index.elasticsearch.requests import (
    DESCRIPTIONS,
    LINE_COUNT,
    LINE_WORDS,
    LINES,
    PART_VECTOR,
    PARTED,
    PARTS,
    PROPERTIES,
    VECTOR,
    CreateOptions,
    create_body,
)
from imgsearch.models.base import ModelPair

_INDEX_ID = re.compile(r"[\w.-]{1,255}", re.ASCII)  # it becomes a part of requests' paths


@dataclass(frozen=True, slots=True)
class Found:
    """An index as the cluster describes it. Its `_meta` may be anybody's: of what imgsearch writes
    there (see `known_meta`) `meta` holds what can be that alone, and `faults` names the rest."""

    index: str  # its own name
    aliases: frozenset[str]
    meta: Mapping[str, Any]
    settings: Mapping[str, Any]
    properties: Mapping[str, Mapping[str, Any]]
    models: ModelPair | None  # of its vectors, where that is recorded
    faults: tuple[str, ...] = ()

    @classmethod
    def of(cls, index: str, described: Any, place: str) -> Found:
        """Read an index's description from the answer to `GET /NAME`. Raises IndexUnavailable where
        it is not one, and IndexTooNew."""
        mappings = answers.at(described, "mappings")
        settings = answers.at(described, "settings", "index")
        if not isinstance(mappings, dict) or not isinstance(settings, dict):
            answers.odd(place, "it does not describe an index")
        properties = {
            name: mapping
            for name, mapping in _object(mappings.get("properties")).items()
            if isinstance(mapping, dict)
        }
        dims = answers.at(properties, VECTOR, "dims")
        uuid = str(settings.get("uuid") or index)
        meta, models, faults = known_meta(_object(mappings.get("_meta")), uuid, dims, place)
        aliases = frozenset(_object(described.get("aliases")))
        return cls(index, aliases, meta, settings, properties, models, tuple(faults))

    @property
    def ours(self) -> bool:
        """Made, or taken over, by imgsearch."""
        return "schema_version" in self.meta and "index_id" in self.meta

    @property
    def uuid(self) -> str:
        """The server's own name of it; "" where that is not told."""
        return str(self.settings.get("uuid", ""))

    @property
    def index_id(self) -> str:
        """The id under which this machine remembers the folders of the index's libraries."""
        return str(self.meta.get("index_id") or self.uuid or self.index)

    @property
    def vector(self) -> Mapping[str, Any]:
        """The mapping of the vector field; empty before the first stamp."""
        return self.properties.get(VECTOR, {})

    @property
    def dims(self) -> int | None:
        dims = self.vector.get("dims")
        return dims if type(dims) is int else None

    @property
    def index_type(self) -> str:
        return str(answers.at(self.vector, "index_options", "type") or "")

    @property
    def holds_parts(self) -> bool:
        """Whether there are fields for parts of photos, as `requests.parts_mapping` has them."""
        kinds, dims = self.kinds, answers.at(self.properties, PARTS, "properties", "vector", "dims")
        wanted = {
            PARTED: "keyword",
            PARTS: "nested",
            PART_VECTOR: "dense_vector",
            LINES: "object",
            LINE_COUNT: "integer",
            LINE_WORDS: "text",
        }
        return dims == self.dims and wanted.items() <= kinds.items()

    @property
    def target(self) -> str:
        """The name that rows are written to; for another program's index, the name that they are
        deleted from."""
        return rows_alias(self.index) if self.ours else self.index

    @property
    def kinds(self) -> dict[str, str]:
        """The type of each field by its name, such as "exif.date"."""
        return dict(_kinds(self.properties))

    def keyword(self, name: str) -> str:
        """A field to sort and filter by. A server that had to guess has made a text of it, with a
        keyword in it."""
        is_text = answers.at(self.properties, name, "type") == "text"
        return f"{name}.keyword" if is_text else name

    @property
    def keeps_vectors_in_source(self) -> bool:
        return bool(answers.at(self.settings, "mapping", "exclude_source_vectors") != "true")


def _kinds(properties: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """The type of each field by its name, down to one level of objects, such as "exif.date"."""
    for name, mapping in properties.items():
        kind, inside = answers.at(mapping, "type"), answers.at(mapping, "properties")
        if isinstance(kind, str):
            yield f"{above}{name}", kind
        if isinstance(inside, dict) and not above:
            yield from _kinds(inside, f"{name}.")


def rows_alias(index: str) -> str:
    return f"{index}-rows"


def next_alias(name: str) -> str:
    return f"{name}-next"


def find(cluster: Cluster, name: str, *, retry_for: float = 0.0) -> Found | None:
    """Raises IndexContradiction (several indices, or none of pictures) and IndexTooNew."""
    place = cluster.index_place(name)
    try:
        answer = cluster.call("GET", f"/{name}", place=place, retry_for=retry_for)
    except IndexError_ as error:
        told = symptom_of(error)
        if told is not None and told.status == 404:
            return None
        raise
    if not answer:
        answers.odd(place, "it describes no index")
    if len(answer) > 1:
        raise cluster_error("several", place=place, indices=", ".join(sorted(answer)))
    ((index, described),) = answer.items()
    found = Found.of(index, described, place)
    is_searchable = found.vector.get("type") == "dense_vector" and found.vector.get("index", True)
    if not found.ours and not is_searchable:
        raise cluster_error("no_pictures", place=place)
    return found


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def known_meta(
    meta: Mapping[str, Any], uuid: str, dims: Any, place: str
) -> tuple[dict[str, Any], ModelPair | None, list[str]]:
    """An index's `_meta` without what imgsearch cannot have written; the models that it records for
    vectors of `dims`; and the names of what was left out. What tells that the index is ours is
    mended instead: `uuid` is the server's own id of the index. Keys of others stay. Raises
    IndexTooNew."""
    version, index_id, hints = (
        meta.get(name) for name in ("schema_version", "index_id", "root_hints")
    )
    # a number beyond 64 bits is read as a float
    is_newer = isinstance(version, int | float) and version >= SCHEMA_VERSION + 1
    if is_newer and index_id is not None:
        what = f"schema {version:g}; this one knows {SCHEMA_VERSION}"
        raise cluster_error(
            "too_new", place=place, what=what, upgrade=installation.upgrade_command()
        )
    models = _models(meta.get("models"), dims, place)
    sound = {
        "schema_version": version if type(version) is int and version >= 1 else SCHEMA_VERSION,
        "index_id": index_id if _is_index_id(index_id) else uuid,
        "models": None if models is None else meta["models"],
        "root_hints": _hints(hints) if isinstance(hints, dict) else None,
        "last_ingest": recorded_models.last_ingest(meta.get("last_ingest")),
    }
    known = {name: value for name in meta if (value := sound.get(name, meta[name])) is not None}
    return known, models, [name for name in sound if meta.get(name) != known.get(name)]


def _models(recorded: Any, dims: Any, place: str) -> ModelPair | None:
    try:
        models = recorded_models.checked(recorded)
    except recorded_models.Newer as error:
        upgrade = installation.upgrade_command()
        raise cluster_error("too_new", place=place, what=str(error), upgrade=upgrade) from None
    except ValueError:
        return None
    return models if models is None or dims in (None, models.dims) else None


def _hints(hints: Mapping[str, Any]) -> dict[str, str]:
    return {name: hint for name, hint in hints.items() if isinstance(hint, str)}


def _is_index_id(value: Any) -> bool:
    return isinstance(value, str) and _INDEX_ID.fullmatch(value) is not None


def create(
    cluster: Cluster,
    name: str,
    options: CreateOptions,
    *,
    alias: str,
    meta: Mapping[str, Any] | None = None,
) -> Found:
    """A new index behind `alias`. Where another process was faster, that one's."""
    full_meta = {
        "schema_version": SCHEMA_VERSION,
        "index_id": uuid.uuid4().hex,
        "server": _version(cluster),
        **(meta or {}),
    }
    tried = 0
    while True:
        number, there = _first_free(cluster, name, alias)
        if not there:
            # above what was just refused: it may be an index that this user may not see
            tried = number = max(number, tried + 1)
            there = _made(cluster, name, f"{name}-{number:06}", alias, full_meta, options)
        found = find(cluster, alias) if there else None
        if found is not None:
            return found


def _made(
    cluster: Cluster,
    name: str,
    index: str,
    alias: str,
    meta: Mapping[str, Any],
    options: CreateOptions,
) -> bool:
    """Create an index. False where another process has just made one of that name."""
    body = create_body([alias, rows_alias(index)], meta, options, cluster.features)
    try:
        cluster.call("PUT", f"/{index}", body, place=cluster.index_place(name))
    except IndexError_ as error:
        told = symptom_of(error)
        if told is None or told.type != "resource_already_exists_exception":
            raise
        return False
    return True


def _version(cluster: Cluster) -> dict[str, Any]:
    """The part of `GET /` that tells what the server can do."""
    told = cluster.info.get("version")
    facts = told if isinstance(told, dict) else {}
    return {name: facts[name] for name in ("number", "build_flavor") if name in facts}


def _first_free(cluster: Cluster, name: str, alias: str) -> tuple[int, bool]:
    """The number after the last one that is taken, and whether one of those taken has the alias,
    all at one moment: whoever makes the next one meanwhile takes that very number."""
    listed = cluster.call(
        "GET", f"/{name}-*", filter_path="*.settings.index.uuid,*.aliases", expand_wildcards="all"
    )
    taken = listed or {}
    numbers = [re.fullmatch(re.escape(name) + r"-(\d{6})", index) for index in taken]
    highest = max((int(found.group(1)) for found in numbers if found), default=0)
    return highest + 1, any(alias in described.get("aliases", ()) for described in taken.values())


def adopt(cluster: Cluster, name: str, found: Found, models: ModelPair) -> None:
    """Makes another program's index one that rows can be written to; its documents stay."""
    missing = {key: value for key, value in PROPERTIES.items() if key not in found.properties}
    meta = {
        **found.meta,
        "schema_version": SCHEMA_VERSION,
        "index_id": found.index_id,  # the folders that are known by it stay known
        "models": recorded_models.dump(models),
        "adopted": True,  # there are documents whose _id is not their image_id
    }
    body = {"properties": missing, "_meta": meta}
    place = cluster.index_place(name)
    # the alias first: killed in between, the next call finds it another program's and does both
    action = {"add": {"index": found.index, "alias": rows_alias(found.index)}}
    cluster.call("POST", "/_aliases", {"actions": [action]}, place=place)
    cluster.call("PUT", f"/{found.index}/_mapping", body, place=place)


def add_fields(cluster: Cluster, name: str, found: Found) -> bool:
    """Gives an index of a version before the fields that are new; whether any were."""
    missing = {key: value for key, value in DESCRIPTIONS.items() if key not in found.properties}
    if missing:
        place = cluster.index_place(name)
        cluster.call("PUT", f"/{found.index}/_mapping", {"properties": missing}, place=place)
    return bool(missing)


def switch(cluster: Cluster, name: str, old: str, new: str) -> None:
    """Make the alias `name` point to `new` and delete `old`, in one atomic step."""
    actions = [
        {"remove_index": {"index": old}},
        {"add": {"index": new, "alias": name}},
        {"remove": {"index": new, "alias": next_alias(name)}},
    ]
    cluster.call("POST", "/_aliases", {"actions": actions}, place=cluster.index_place(name))
