"""Which index is behind a name, and how one is made, replaced and given way to.

A name is an alias; behind it is NAME-000001, and after `ingest --re-embed` NAME-000002. While that
one is filled, NAME-next points to it. NAME-000001-rows is the alias that is written through: it
names one index for good, and requiring an alias keeps the server from making a deleted index anew
out of the rows that still arrive."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imgsearch import installation
from imgsearch.errors import IndexError_
from imgsearch.index import recorded_models
from imgsearch.index.base import SCHEMA_VERSION
from imgsearch.index.elasticsearch.client import Cluster, symptom_of
from imgsearch.index.elasticsearch.errors import trouble
from imgsearch.index.elasticsearch.requests import PROPERTIES, VECTOR, CreateOptions, create_body
from imgsearch.models.base import ModelPair


@dataclass(frozen=True, slots=True)
class Found:
    """An index as the cluster describes it."""

    index: str  # its own name
    aliases: frozenset[str]
    meta: Mapping[str, Any]
    settings: Mapping[str, Any]
    properties: Mapping[str, Any]

    @property
    def ours(self) -> bool:
        """Made, or taken over, by imgsearch."""
        return isinstance(self.meta.get("schema_version"), int) and "index_id" in self.meta

    @property
    def uuid(self) -> str:
        """The server's own name of it; "" where that is not told."""
        return str(self.settings.get("uuid", ""))

    @property
    def index_id(self) -> str:
        """What this machine remembers libraries' folders by."""
        return str(self.meta.get("index_id") or self.uuid or self.index)

    @property
    def vector(self) -> Mapping[str, Any]:
        """The mapping of the vector field; empty before the first stamp."""
        found: Mapping[str, Any] = self.properties.get(VECTOR, {})
        return found

    @property
    def dims(self) -> int | None:
        return self.vector.get("dims")

    @property
    def index_type(self) -> str:
        return str(self.vector.get("index_options", {}).get("type", ""))

    @property
    def target(self) -> str:
        """What rows are written to."""
        return rows_alias(self.index)

    @property
    def path_field(self) -> str:
        """A server that had to guess has made the path a text, with a keyword in it."""
        is_text = self.properties.get("relative_path", {}).get("type") == "text"
        return "relative_path.keyword" if is_text else "relative_path"

    @property
    def keeps_vectors_in_source(self) -> bool:
        return bool(self.settings.get("mapping", {}).get("exclude_source_vectors") != "true")


def rows_alias(index: str) -> str:
    return f"{index}-rows"


def next_alias(name: str) -> str:
    return f"{name}-next"


def find(cluster: Cluster, name: str, *, patience: float = 0.0) -> Found | None:
    """Raises IndexContradiction (several indices, or none of pictures) and IndexTooNew."""
    place = cluster.index_place(name)
    try:
        answer = cluster.call("GET", f"/{name}", place=place, patience=patience)
    except IndexError_ as error:
        told = symptom_of(error)
        if told is not None and told.status == 404:
            return None
        raise
    if len(answer) > 1:
        raise trouble("several", place=place, indices=", ".join(sorted(answer)))
    ((index, described),) = answer.items()
    mappings = described.get("mappings", {})
    found = Found(
        index,
        frozenset(described.get("aliases", {})),
        mappings.get("_meta") or {},
        described.get("settings", {}).get("index", {}),
        mappings.get("properties") or {},
    )
    _check(found, place)
    return found


def _check(found: Found, place: str) -> None:
    if found.ours:
        if found.meta["schema_version"] > SCHEMA_VERSION:
            schema = found.meta["schema_version"]
            raise trouble(
                "too_new",
                place=place,
                schema=schema,
                known=SCHEMA_VERSION,
                upgrade=installation.upgrade_command(),
            )
    elif found.vector.get("type") != "dense_vector" or found.vector.get("index") is False:
        raise trouble("no_pictures", place=place)


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
    for number in range(_first_free(cluster, name), 1_000_000):
        index = f"{name}-{number:06}"
        body = create_body([alias, rows_alias(index)], full_meta, options, cluster.features)
        try:
            cluster.call("PUT", f"/{index}", body, place=cluster.index_place(name))
            break
        except IndexError_ as error:
            told = symptom_of(error)
            if told is None or told.type != "resource_already_exists_exception":
                raise
        found = find(cluster, alias)
        if found is not None:
            return found
    made = find(cluster, alias)
    assert made is not None
    return made


def _version(cluster: Cluster) -> dict[str, Any]:
    """The part of `GET /` that tells what the server can do."""
    told = cluster.info.get("version")
    facts = told if isinstance(told, dict) else {}
    return {name: facts[name] for name in ("number", "build_flavor") if name in facts}


def _first_free(cluster: Cluster, name: str) -> int:
    """The number after the last one that is taken."""
    taken = cluster.call("GET", f"/{name}-*", filter_path="*.settings.index.uuid") or {}
    numbers = [re.fullmatch(re.escape(name) + r"-(\d{6})", index) for index in taken]
    return max((int(found.group(1)) for found in numbers if found), default=0) + 1


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


def switch(cluster: Cluster, name: str, old: str, new: str) -> None:
    """`name` means `new` from now on, and `old` is gone: all at once, or nothing."""
    actions = [
        {"remove_index": {"index": old}},
        {"add": {"index": new, "alias": name}},
        {"remove": {"index": new, "alias": next_alias(name)}},
    ]
    cluster.call("POST", "/_aliases", {"actions": actions}, place=cluster.index_place(name))
