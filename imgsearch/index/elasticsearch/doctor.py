"""A cluster: from the certificate to the disks of its nodes. Every request only reads."""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from imgsearch.doctor.findings import Finding, failure, ok, warning
from imgsearch.errors import Action, Advice, ImgsearchError
from imgsearch.index.elasticsearch import answers
from imgsearch.index.elasticsearch.answers import at
from imgsearch.index.elasticsearch.catalogue import Found
from imgsearch.index.elasticsearch.client import Cluster, symptom_of
from imgsearch.index.elasticsearch.connection import Connection
from imgsearch.index.elasticsearch.requests import DESCRIPTIONS, PROPERTIES, VECTOR
from imgsearch.models import ModelSet

SOON_DAYS = 21
SKEW_SECONDS = 30.0
_ASK_SECONDS = 15.0

# what each use of the index wants, besides `GET /`
USES: Mapping[str, tuple[list[str], list[str]]] = {
    "searching": (["monitor"], ["read", "view_index_metadata"]),
    "ingesting": (
        ["monitor"],
        ["read", "view_index_metadata", "write", "create_index", "manage", "maintenance"],
    ),
    "querying with its text model": (["monitor_ml"], []),
    "setting a text model up": (["manage_ml"], []),
}


def server(cluster: Cluster) -> Iterator[Finding]:
    """The cluster's name and version. There is a `Cluster` only if it could be reached."""
    name = cluster.info.get("cluster_name", "?")
    detail = f"Elasticsearch {cluster.features} ({name}) at {cluster.place}"
    if not cluster.features.serverless and cluster.features.version < (9,):
        detail += ", spoken to as to 8"
    yield ok("cluster", detail)


def certificate(connection: Connection) -> Iterator[Finding]:
    """The chain was verified when the connection was made; how long it holds is asked here."""
    if not (connection.url or "").startswith("https"):
        if connection.url and not _is_here(connection.url):
            cure = "Use TLS: passwords and pictures' vectors pass unencrypted."
            yield warning("TLS", "none, to another machine", cure)
        else:
            yield ok("TLS", "none: the connection stays on this machine")
        return
    if not connection.verify_certs:
        cure = "Turn verify_certs on, and name the cluster's own CA"
        detail = "the certificate is not verified"
        yield warning("TLS", detail, cure, Action("name the CA"))
        return
    if connection.ssl_assert_fingerprint:
        yield ok("TLS", "the certificate is pinned by its fingerprint")
        return
    found = _peer_certificate(connection)
    left = (ssl.cert_time_to_seconds(found["notAfter"]) - time.time()) / 86400
    detail = f"verified; the certificate holds for {left:,.0f} days"
    if left < SOON_DAYS:
        yield warning("TLS", detail, "Renew the cluster's certificate before it expires.")
    else:
        yield ok("TLS", detail)


def _is_here(url: str) -> bool:
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")


def _peer_certificate(connection: Connection) -> Mapping[str, Any]:
    from imgsearch.index.elasticsearch.client import trusted_authorities

    parts = urlsplit(connection.url or "")
    context = trusted_authorities(connection.ca_certs)
    address = (parts.hostname or "", parts.port or 443)
    with (
        socket.create_connection(address, timeout=_ASK_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=parts.hostname) as secure,
    ):
        return secure.getpeercert() or {}


def clock(cluster: Cluster) -> Iterator[Finding]:
    before = time.time()
    answer = _asked(cluster, "/_cluster/stats", filter_path="timestamp")
    if not answer:
        yield ok("clock", "the cluster's is not for this user to see")
        return
    here = (before + time.time()) / 2
    skew = here - answers.number(cluster.place, answer, "timestamp") / 1000
    if abs(skew) > SKEW_SECONDS + (time.time() - before) / 2:
        cure = "Set both by NTP: certificates and API keys are judged by the clock."
        order = "ahead of" if skew > 0 else "behind"
        yield warning("clock", f"this machine is {abs(skew):,.0f} s {order} the cluster", cure)
    else:
        yield ok("clock", f"{abs(skew):.1f} s apart")


def identity(cluster: Cluster) -> Iterator[Finding]:
    try:
        who = cluster.call("GET", "/_security/_authenticate", timeout=_ASK_SECONDS)
    except ImgsearchError as error:
        told = symptom_of(error)
        if told is None or told.status not in (400, 404, 405, 500):
            raise
        cure = "Switch xpack.security on, unless nobody else can reach it."
        if _is_here(cluster.place):
            yield ok("login", "security is off; the cluster is on this machine")
        else:
            yield warning("login", "security is off: whoever reaches it may change it", cure)
        return
    kind = "an API key of " if who.get("authentication_type") == "api_key" else ""
    roles = who.get("roles")
    named = ", ".join(map(str, roles)) if isinstance(roles, list) else str(roles)
    yield ok("login", f"{kind}{who.get('username')}, roles: {named}")


def privileges(cluster: Cluster, index_name: str) -> Iterator[Finding]:
    """A use whose privileges lack is a warning, searching a failure: an index that is only searched
    by this user is a set-up like another."""
    names = [index_name, f"{index_name}-*"]
    of_cluster = sorted({name for use in USES.values() for name in use[0]})
    of_index = sorted({name for use in USES.values() for name in use[1]})
    body = {"cluster": of_cluster, "index": [{"names": names, "privileges": of_index}]}
    try:
        answer = cluster.call("POST", "/_security/user/_has_privileges", body, timeout=_ASK_SECONDS)
    except ImgsearchError as error:
        told = symptom_of(error)
        if told is None or told.status not in (400, 404, 405, 500):
            raise
        yield ok("privileges", "all: security is off")
        return
    allowed = []
    for use, (cluster_wants, index_wants) in USES.items():
        lacks = [name for name in cluster_wants if not at(answer, "cluster", name)]
        lacks += [
            f"{name} on {index}"
            for index in names
            for name in index_wants
            if not at(answer, "index", index, name)
        ]
        if not lacks:
            allowed.append(use)
            continue
        found = failure if use == "searching" else warning
        cure = f"Grant this user or key, if it is to be used for {use}: {', '.join(lacks)}"
        yield found("privileges", f"not enough for {use}", cure)
    if len(allowed) == len(USES):
        yield ok("privileges", f"enough for {', '.join(allowed)}")


def health(cluster: Cluster, found: Found | None) -> Iterator[Finding]:
    path = "/_cluster/health" + (f"/{found.index}" if found else "")
    answer = _asked(cluster, path)
    if not answer:
        yield ok("health", "not for this user to see")
        return
    status = answers.text(cluster.place, answer, "status")
    detail = f"{status}, {answers.integer(cluster.place, answer, 'number_of_nodes')} node(s)"
    if status == "red":
        cure = "A part of it is lost until its node is back: GET _cluster/allocation/explain"
        yield failure("health", detail, cure)
    elif status == "yellow":
        cure = "A copy is missing: a node is down, or there are too few nodes for its replicas."
        yield warning("health", detail, cure)
    else:
        yield ok("health", detail)


def mapping(found: Found | None, place: str) -> Iterator[Finding]:
    if found is None:
        yield ok("index", Advice(f"none yet at {place}", Action("ingest", {"folder": "./photos"})))
        return
    if str(found.settings.get("verified_before_close")) == "true":
        yield failure("index", f"{found.index} is closed", f"Open it: POST {found.index}/_open")
        return
    blocked = list(_blocked(found))
    yield from blocked
    if blocked:
        return
    similarity = found.vector.get("similarity", "cosine")
    if similarity != "cosine":
        cure = "Make another index with imgsearch, and copy or ingest into it."
        detail = f"its vectors are compared by {similarity}, and imgsearch wants cosine"
        yield failure("index", detail, cure)
        return
    missing = [name for name in PROPERTIES if name not in found.properties]
    if found.ours and missing == list(DESCRIPTIONS):
        cure = "The next ingest adds them, and reads what is missing without embedding anything."
        detail = f"{found.index} is of a version before: without places, titles and tags"
        yield warning("index", detail, cure)
        return
    retyped = [] if found.meta.get("adopted") else list(_retyped(found))
    if found.faults and found.ours:
        cure = "Those parts are left out. Whoever may manage the index can write there."
        detail = f"_meta in its mapping is not as imgsearch writes it: {', '.join(found.faults)}"
        yield warning("index", detail, cure)
    if not found.ours:
        cure = "Searching works. To ingest, imgsearch takes it over, and asks before."
        yield warning("index", f"{found.index} was made by another program", cure)
    elif missing or retyped:
        cure = "Somebody changed the mapping. Copy the photos into a new index"
        lacks = [f"the mapping lacks {', '.join(missing)}"] if missing else []
        yield failure("index", "; ".join([*lacks, *retyped]), cure, Action("copy"))
    else:
        kind = found.index_type or "not there before the first photo"
        detail = f"{found.index}, mapping as ours, {VECTOR} {found.dims or '–'} dims, {kind}"
        yield ok("index", detail)


_BLOCKS = {
    "read": "cannot be read",
    "write": "takes no writes",
    "read_only": "is read-only",
    "read_only_allow_delete": "is read-only, as when a disk of the cluster is full",
    "metadata": "does not show what it is",
}


def _blocked(found: Found) -> Iterator[Finding]:
    blocks = found.settings.get("blocks")
    if not isinstance(blocks, Mapping):
        return
    for kind, effect in _BLOCKS.items():
        if str(blocks.get(kind)) == "true":
            cure = f'Lift it: PUT {found.index}/_settings {{"index.blocks.{kind}": null}}'
            if kind == "read_only_allow_delete":
                cure = f"Make room on the cluster's disks. {cure}"
            yield failure("index", f"{found.index} {effect} (a block)", cure)


def _retyped(found: Found) -> Iterator[str]:
    for name, ours in PROPERTIES.items():
        theirs = found.properties.get(name, ours)
        if theirs.get("type") != ours.get("type"):
            yield f"{name} is {theirs.get('type')}, not {ours.get('type')}"


def same_models(found: Found | None, local: ModelSet | None) -> Iterator[Finding]:
    recorded = found.models if found else None
    if recorded is None or local is None:
        return
    for kind in ("image_model", "text_model"):
        theirs, ours = getattr(recorded, kind), getattr(local.pair(), kind)
        if not theirs.same_as(ours):
            cure = "Name no model, to use the index's own, or embed all photos anew"
            detail = f"the index has {theirs.name}, here it is {ours.name} (other weights)"
            yield failure("models alike", detail, cure, Action("re-embed"))
            return
    yield ok("models alike", f"index and this machine: {recorded.text_model.name}")


_MARKS = ("flood_stage", "high", "low")


def disks(cluster: Cluster) -> Iterator[Finding]:
    settings = _asked(
        cluster,
        "/_cluster/settings",
        include_defaults=True,
        flat_settings=True,
        filter_path="*.cluster.routing.allocation.disk*",
    )
    nodes = _asked(cluster, "/_nodes/stats/fs", filter_path="nodes.*.name,nodes.*.fs.total")
    if not settings or not nodes:
        yield ok("disks", "not for this user to see")
        return
    chosen: dict[str, str] = {}
    for part in ("defaults", "persistent", "transient"):
        some = at(settings, part)
        chosen |= {name: str(some[name]) for name in some} if isinstance(some, dict) else {}
    prefix = "cluster.routing.allocation.disk."
    if str(chosen.get(f"{prefix}threshold_enabled")) == "false":
        yield ok("disks", "the cluster does not watch them (disk.threshold_enabled: false)")
        return
    least = ""
    for node in answers.values(cluster.place, nodes, "nodes"):
        name = answers.text(cluster.place, node, "name")
        total = answers.integer(cluster.place, node, "fs", "total", "total_in_bytes")
        free = answers.integer(cluster.place, node, "fs", "total", "available_in_bytes")
        for mark in _MARKS:
            value = chosen.get(f"{prefix}watermark.{mark}", "")
            headroom = chosen.get(f"{prefix}watermark.{mark}.max_headroom", "")
            if free < must_be_free(total, value, headroom):
                detail = f"{name}: {free / 1e9:,.1f} GB free, below the {mark} watermark"
                cure = "Make room on that node, or add one: at the flood stage indices are locked."
                yield (failure if mark == "flood_stage" else warning)("disks", detail, cure)
                return
        least = f"{name} has {free / 1e9:,.1f} of {total / 1e9:,.1f} GB free"
    yield ok("disks", least)


def must_be_free(total: int, watermark: str, headroom: str) -> float:
    """Bytes. A percentage is of what is used, and leaves no more than the headroom free; a size is
    what must be free."""
    percent = re.fullmatch(r"(\d+\.?\d*)%", watermark)
    if percent:
        free = total * (1 - float(percent.group(1)) / 100)
        most = _bytes(headroom)
        return min(free, most) if most else free
    ratio = re.fullmatch(r"0?\.\d+", watermark)
    return total * (1 - float(watermark)) if ratio else _bytes(watermark)


def _bytes(text: str) -> float:
    found = re.fullmatch(r"(\d+\.?\d*)\s*([kmgtp]?b)", text.strip().lower())
    if not found:
        return 0.0
    return float(found.group(1)) * 1024.0 ** ("b", "kb", "mb", "gb", "tb", "pb").index(found[2])


def _asked(cluster: Cluster, path: str, **parameters: Any) -> Any:
    """The answer to a GET request; None where this user may not see it."""
    try:
        return cluster.call("GET", path, timeout=_ASK_SECONDS, **parameters)
    except ImgsearchError as error:
        told = symptom_of(error)
        if told is not None and told.status in (400, 403, 404, 405, 410):
            return None
        raise
