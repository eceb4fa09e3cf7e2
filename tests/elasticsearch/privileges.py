"""Whom the front lets do what: a small part of Elasticsearch's own table of actions."""

from __future__ import annotations

import re
from dataclasses import dataclass

# (method and path, action, the privileges that grant it), the first that matches
_ACTIONS = [
    (r"(GET|HEAD) /$", "cluster:monitor/main", "cluster privileges [monitor,manage,all]"),
    (r"GET /_license", "cluster:monitor/xpack/license/get", "cluster privileges [monitor,all]"),
    (r"GET /_cluster", "cluster:monitor/health", "cluster privileges [monitor,manage,all]"),
    (r".* /_ml/", "cluster:admin/xpack/ml/trained_models/put", "cluster privileges [manage_ml]"),
    (r".* /.*_bulk$", "indices:data/write/bulk", "index privileges [create,index,write,all]"),
    (r"POST /_aliases", "indices:admin/aliases", "index privileges [manage,all]"),
    (r"POST /.*_refresh", "indices:admin/refresh", "index privileges [maintenance,manage,all]"),
    (r"POST /.*_flush", "indices:admin/flush", "index privileges [maintenance,manage,all]"),
    (r"POST /.*_forcemerge", "indices:admin/forcemerge", "index privileges [manage,all]"),
    (r"PUT /.*_mapping", "indices:admin/mapping/put", "index privileges [manage,all]"),
    (r"PUT /", "indices:admin/create", "index privileges [create_index,manage,all]"),
    (r".* /.*(_search|_count|_mget|_pit)$", "indices:data/read/search", "index privileges [read]"),
    (
        r"GET /.*(_stats|_disk_usage)",
        "indices:monitor/stats",
        "index privileges [monitor,manage,all]",
    ),
    (r"GET /", "indices:admin/get", "index privileges [view_index_metadata,manage,all]"),
    (r"DELETE /", "indices:admin/delete", "index privileges [delete_index,manage,all]"),
]


@dataclass(frozen=True)
class Profile:
    """`privileges`: None for all of them."""

    privileges: frozenset[str] | None = None

    def denied(self, method: str, path: str) -> tuple[str, str] | None:
        """The action, and what would grant it; None: go on."""
        if self.privileges is None:
            return None
        for pattern, action, granting in _ACTIONS:
            if re.match(pattern, f"{method} {path}"):
                names = re.findall(r"\w+", granting.split("[")[1])
                return None if self.privileges & set(names) else (action, granting)
        return "cluster:unknown", "cluster privileges [all]"


SUPERUSER = Profile()
SEARCH_ONLY = Profile(frozenset({"monitor", "read", "view_index_metadata"}))
INGEST_ONLY = Profile(
    frozenset({"monitor", "read", "write", "create_index", "maintenance", "view_index_metadata"})
)
