"""Everything that can go wrong with a cluster: how it is recognised, what the user reads, and what
to do about it. The README's troubleshooting table is made from this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from imgsearch.dataclass import dataclass
from imgsearch.errors import (
    Action,
    ImgsearchError,
    IndexContradiction,
    IndexNotFound,
    IndexTooNew,
    IndexUnavailable,
    UsageError,
)
from imgsearch.index.elasticsearch.client_exceptions import Kind, Symptom


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """`seen` and `cure` may hold {place} (never with a password), {reason}, {privileges}, and what
    `cluster_error` is given. `recognises` None: found by our own checks, raised by name.
    `action`: what the cure asks for, by a name of output/cures.py, with these values as facts."""

    error: type[ImgsearchError]
    seen: str
    cure: str
    recognises: Callable[[Symptom], bool] | None = None
    action: str = ""

    def made(self, values: Mapping[str, object]) -> ImgsearchError:
        """The error with these values."""
        action = Action(self.action, values) if self.action else None
        return self.error(self.seen.format(**values), self.cure.format(**values), action)


def _tls(*words: str) -> Callable[[Symptom], bool]:
    return lambda s: s.kind == "tls" and any(word in s.reason for word in words)


def _http(status: int, *words: str) -> Callable[[Symptom], bool]:
    return lambda s: (
        s.kind == "http"
        and s.status == status
        and (not words or any(word in f"{s.type} {s.reason}" for word in words))
    )


def _blocked(words: str) -> Callable[[Symptom], bool]:
    return lambda s: s.type == "cluster_block_exception" and s.status == 403 and words in s.reason


def _kind(kind: Kind) -> Callable[[Symptom], bool]:
    return lambda s: s.kind == kind


# The first that recognises a symptom is shown.
ERRORS: dict[str, ErrorRow] = {
    # where the cluster is, and as whom
    "no_cluster": ErrorRow(
        IndexUnavailable,
        "No cluster is named.",
        "Set ES_URL or ES_CLOUD_ID, or name the index by its address",
        action="name an index on a cluster",
    ),
    "malformed_cloud_id": ErrorRow(
        IndexUnavailable,
        "ES_CLOUD_ID cannot be read.",
        "Copy it anew from the deployment's page: it looks like name:bG9uZyB0ZXh0",
    ),
    "malformed_api_key": ErrorRow(
        IndexUnavailable,
        "ES_API_KEY cannot be a key: it holds spaces, line breaks or unusual characters.",
        'Copy the "encoded" value anew, in one piece.',
    ),
    "half_of_the_credentials": ErrorRow(
        IndexUnavailable,
        "A user name and a password belong together: {missing} is missing.",
        "Set ES_USER and ES_PASSWORD, or ES_API_KEY instead of both.",
    ),
    "no_ca_file": ErrorRow(
        IndexUnavailable,
        "The file of CA certificates cannot be read: {file}",
        "Name the cluster's own CA, as a PEM file (http_ca.crt, or ca.crt of es-docker)",
        action="name the CA",
    ),
    "unknown_host": ErrorRow(
        IndexUnavailable,
        "{place}: there is no such host.",
        "Check the name of the host, and whether a VPN is needed.",
        _kind("unknown host"),
    ),
    "refused": ErrorRow(
        IndexUnavailable,
        "{place}: nothing answers at that address and port.",
        "Check whether the cluster runs, and the port: Elasticsearch's is 9200, as in"
        " https://host:9200/my-photos",
        _kind("refused"),
    ),
    "dropped": ErrorRow(
        IndexUnavailable,
        "{place}: the connection was closed without an answer.",
        "If the cluster speaks TLS (it does by default), write https:// instead of http://. If it"
        " did work before, see whether a node has gone down, and run the same command again.",
        _kind("dropped"),
    ),
    "timeout": ErrorRow(
        IndexUnavailable,
        "{place}: no answer in time.",
        "Check the address, and whether a firewall lies between; or try again when the cluster is"
        " less busy.",
        _kind("timeout"),
    ),
    "plain_http": ErrorRow(
        IndexUnavailable,
        "{place}: the server there speaks plain HTTP, not TLS.",
        "Write http:// instead of https:// if that is what you want.",
        _tls("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "HTTP_REQUEST"),
    ),
    "certificate_expired": ErrorRow(
        IndexUnavailable,
        "{place}: its certificate has expired.",
        "Renew it on the cluster; or check this machine's clock.",
        _tls("certificate has expired", "not yet valid"),
    ),
    "certificate_host": ErrorRow(
        IndexUnavailable,
        "{place}: its certificate is for another host name.",
        "Use the name that the certificate carries, or pin the certificate itself",
        _tls("Hostname mismatch", "doesn't match", "IP address mismatch"),
        action="pin the certificate",
    ),
    "certificate_fingerprint": ErrorRow(
        IndexUnavailable,
        "{place}: its certificate has another fingerprint than the one given.",
        "Compare: openssl s_client -connect HOST:PORT </dev/null | openssl x509 -fingerprint"
        " -sha256 -noout",
        _tls("ingerprint"),
    ),
    "certificate_unknown_ca": ErrorRow(
        IndexUnavailable,
        "{place}: its certificate was signed by an authority that is not trusted here.",
        "Name the cluster's own CA",
        _tls("CERTIFICATE_VERIFY_FAILED"),
        action="name the CA",
    ),
    "tls": ErrorRow(
        IndexUnavailable,
        "{place}: no TLS connection could be made ({reason}).",
        "Check that this is Elasticsearch's HTTPS port, and that the cluster's CA is named",
        _kind("tls"),
        action="name the CA",
    ),
    "not_elasticsearch": ErrorRow(
        IndexUnavailable,
        "{place}: something answers there, but it is not Elasticsearch.",
        "Check host and port: Kibana's (5601) is not the one; Elasticsearch's is 9200.",
        _kind("not elasticsearch"),
    ),
    "too_old": ErrorRow(
        IndexUnavailable,
        "{place} runs Elasticsearch {version}.",
        "imgsearch needs 8.6 or later: upgrade the cluster (8.19 and 9.x are the best tested).",
    ),
    # what the user may do there
    "no_credentials": ErrorRow(
        IndexUnavailable,
        "{place}: it wants credentials, and none were given.",
        "Set ES_API_KEY, or ES_USER and ES_PASSWORD (in the environment or in .env).",
    ),
    "wrong_credentials": ErrorRow(
        IndexUnavailable,
        "{place}: it does not accept the password or API key that was given.",
        "Check ES_API_KEY, or ES_USER and ES_PASSWORD; in .env, put a password with # or spaces in"
        " single quotes. A key may have expired.",
        _http(401),
    ),
    "licence": ErrorRow(
        IndexUnavailable,
        "{place}: its licence does not cover this ({reason}).",
        "Start a trial in Kibana (Stack Management, License management), or go without.",
        _http(403, "non-compliant"),
    ),
    "block_flood_stage": ErrorRow(
        IndexUnavailable,
        "{place} is read-only: a disk of the cluster is full (flood stage).",
        "Make room on that disk; Elasticsearch then lifts the block by itself. Run the same command"
        " again: only the rest will be done.",
        lambda s: s.type == "cluster_block_exception" and "flood-stage" in s.reason,
    ),
    "block_of_cluster": ErrorRow(
        IndexUnavailable,
        "{place}: the whole cluster is read-only: {reason}",
        "Lift the block with: PUT _cluster/settings"
        ' {{"persistent": {{"cluster.blocks.read_only": null,'
        ' "cluster.blocks.read_only_allow_delete": null}}}}',
        _blocked("cluster read-only"),
    ),
    "block_of_reading": ErrorRow(
        IndexUnavailable,
        "{place} cannot be read: {reason}",
        'Lift the block with: PUT INDEX/_settings {{"index.blocks.read": null}}',
        _blocked("index read (api)"),
    ),
    "block_of_metadata": ErrorRow(
        IndexUnavailable,
        "{place}: what it is may be neither seen nor changed: {reason}",
        'Lift the block with: PUT INDEX/_settings {{"index.blocks.metadata": null}}',
        _blocked("index metadata (api)"),
    ),
    "block_of_writing": ErrorRow(
        IndexUnavailable,
        "{place} takes no writes: {reason}",
        'Lift the block with: PUT INDEX/_settings {{"index.blocks.write": null}}. But if it was'
        " left by an interrupted run that embeds all anew, repeat that run, and it goes on",
        _blocked("index write (api)"),
        action="re-embed",
    ),
    "block": ErrorRow(
        IndexUnavailable,
        "{place} cannot be changed: {reason}",
        'Lift the block with: PUT INDEX/_settings {{"index.blocks.read_only": null}}',
        lambda s: s.type == "cluster_block_exception" and s.status == 403,
    ),
    "forbidden": ErrorRow(
        IndexUnavailable,
        "{place}: this user or key lacks a privilege: {reason}",
        "Grant it: {privileges}",
        _http(403),
    ),
    # the index
    "not_found": ErrorRow(
        IndexNotFound,
        "There is no index {place} yet.",
        "Ingest a folder of pictures first",
        action="ingest there",
    ),
    "gone": ErrorRow(
        IndexUnavailable,
        "{place} was deleted or replaced meanwhile.",
        "Run the same command again: it goes on with the index that is there now.",
        lambda s: s.type == "index_not_found_exception",
    ),
    "several": ErrorRow(
        IndexContradiction,
        "{place} is an alias of several indices: {indices}.",
        "Let the alias point to one, or name one of them",
        action="name another index",
    ),
    "no_pictures": ErrorRow(
        IndexContradiction,
        "{place} is an index, but not of pictures: it has no vectors in a field image_embedding.",
        "Name another index.",
    ),
    "other_dims": ErrorRow(
        IndexContradiction,
        "{place} holds vectors of {dims} dimensions; the model makes {asked}.",
        "Use the model that made it ({models}), another index, or embed all photos anew",
        action="re-embed",
    ),
    "other_models": ErrorRow(
        IndexContradiction,
        "{place} was made with {models}, not with {asked}.",
        "Name no model, to go on with its own, or embed all photos anew",
        action="re-embed",
    ),
    "too_new": ErrorRow(
        IndexTooNew,
        "{place} was written by a newer imgsearch ({what}).",
        "Update imgsearch: {upgrade}",
    ),
    "written_meanwhile": ErrorRow(
        IndexUnavailable,
        "{place}: meanwhile another machine has ingested {photos} that this one cannot read:"
        " {paths}. Nothing was replaced.",
        "Ingest their folder here, then embed all anew again: it goes on where it was. Or give up"
        " what cannot be read",
        action="give up what is away",
    ),
    "closed": ErrorRow(
        IndexUnavailable,
        "{place} is closed.",
        "Open it: POST INDEX/_open",
        lambda s: s.type == "index_closed_exception",
    ),
    "bad_name": ErrorRow(
        UsageError,
        "{name!r} cannot be the name of an index.",
        "Use lower-case letters, digits, - and _, and begin with a letter: my-photos",
    ),
    "quantization": ErrorRow(
        UsageError,
        "{place} runs Elasticsearch {version}, which has no quantization {asked}.",
        "It is there from Elasticsearch {wanted} on. Here: {choices}.",
    ),
    "dims_of_quantization": ErrorRow(
        UsageError,
        "Vectors of {dims} dimensions cannot be kept with quantization {asked}.",
        "int4 wants an even number of dimensions, bbq at least 64. Take int8 or none.",
    ),
    "too_many_wanted": ErrorRow(
        UsageError,
        "Elasticsearch finds at most 10,000 neighbours at a time; {asked} were asked for.",
        "Ask for fewer: -k 10000",
    ),
    "odd_answer": ErrorRow(
        IndexUnavailable,
        "{place}: the answer is not what Elasticsearch answers: {what}.",
        "See whether a proxy, or another program, answers at that address in its place.",
    ),
    "unstamped": ErrorRow(
        IndexContradiction,
        "{place}: which models made its vectors cannot be read (_meta.models in its mapping).",
        "Embed all photos anew",
        action="re-embed",
    ),
    # under load
    "too_large": ErrorRow(
        IndexUnavailable,
        "{place}: a request of a single photo is too large for the server (413).",
        "Raise client_max_body_size of the proxy, or http.max_content_length of Elasticsearch.",
        _http(413),
    ),
    "memory": ErrorRow(
        IndexUnavailable,
        "{place}: the cluster is out of memory for requests ({reason}).",
        "Give Elasticsearch a larger heap, or try again when it is less busy.",
        lambda s: s.type == "circuit_breaking_exception",
    ),
    "busy": ErrorRow(
        IndexUnavailable,
        "{place}: the cluster takes no more requests (429).",
        "Try again when it is less busy, or give it more nodes.",
        _http(429),
    ),
    "no_shard": ErrorRow(
        IndexUnavailable,
        "{place}: the cluster cannot serve the index ({status}: {reason}).",
        "A node is down or starting: see GET _cluster/health, and run the same command again.",
        lambda s: s.kind == "http" and s.status in (502, 503, 504),
    ),
    "other": ErrorRow(
        IndexUnavailable,
        "{place}: the cluster refused a request ({status} {type}: {reason}).",
        "The cluster's own log may say more.",
        lambda s: True,
    ),
}
