"""Everything that can go wrong with a model in a cluster: how it is recognised, what the user reads
and what to do. It goes before the table in `imgsearch.index.elasticsearch.errors`, which has the
rest: TLS, addresses, credentials. The README's troubleshooting table is made from both."""

from __future__ import annotations

import re
from collections.abc import Callable

from imgsearch.errors import ImgsearchError, ModelError, ModelUnavailable
from imgsearch.index.elasticsearch.client_exceptions import Symptom
from imgsearch.index.elasticsearch.error_table import ErrorRow

LOCALLY = "Until then queries are encoded on this machine"


def _http(status: int, *words: str) -> Callable[[Symptom], bool]:
    return lambda s: (
        s.kind == "http"
        and (s.status == status or not status)
        and any(word in f"{s.type} {s.reason}" for word in words)
    )


def _no_capacity(*causes: str) -> Callable[[Symptom], bool]:
    capacity = _http(0, "no ML nodes with sufficient capacity")
    return lambda s: capacity(s) and any(re.search(cause, s.cause) for cause in causes)


# The first that recognises a symptom is shown.
FAILURES: dict[str, ErrorRow] = {
    # whether the cluster can have a model at all
    "licence": ErrorRow(
        ModelUnavailable,
        "{place}: its licence does not cover machine learning ({reason}).",
        "Start a trial (POST /_license/start_trial?acknowledge=true) or take a Platinum licence. "
        + LOCALLY,
        _http(403, "non-compliant"),
        action="encode here meanwhile",
    ),
    "privilege": ErrorRow(
        ModelError,
        "{place}: this user or key may not do that with models: {reason}",
        "Grant the cluster privilege manage_ml to set a model up, monitor_ml to query with it.",
        _http(
            403, "cluster:admin/xpack/ml", "cluster:monitor/xpack/ml", "cluster:internal/xpack/ml"
        ),
    ),
    "ml_off": ErrorRow(
        ModelUnavailable,
        "{place}: machine learning is switched off there.",
        "Remove xpack.ml.enabled: false from its nodes' settings and restart them. " + LOCALLY,
        _http(400, "no handler found for uri"),
        action="encode here meanwhile",
    ),
    "serverless": ErrorRow(
        ModelUnavailable,
        "{place}: this serverless project offers no models of one's own ({reason}).",
        "Take a project of the type Elasticsearch, or a hosted deployment. " + LOCALLY,
        _http(410, "api_not_available", "serverless"),
        action="encode here meanwhile",
    ),
    "libtorch": ErrorRow(
        ModelUnavailable,
        "{place} runs Elasticsearch {version}: its libtorch {libtorch} cannot load what torch"
        " {torch} traces.",
        "Upgrade the cluster to 8.13 or later. " + LOCALLY,
        action="encode here meanwhile",
    ),
    "unsuitable": ErrorRow(
        ModelError,
        "The text model {model} cannot run inside Elasticsearch: {reason}",
        "Use the default pair there, by naming no model; with this one queries are encoded on this"
        " machine",
        action="encode here meanwhile",
    ),
    "untraceable": ErrorRow(
        ModelError,
        "eland cannot trace the text model {model}: {reason}",
        "Check the versions",
        action="check the versions",
    ),
    "bad_id": ErrorRow(
        ModelError,
        "{model_id!r} cannot be the id of a model.",
        "Use lower-case letters, digits, _, - and . with a letter or digit at both ends.",
    ),
    # what lies there already
    "other_weights": ErrorRow(
        ModelError,
        "{place} holds another model under the id {model_id}: {reason}.",
        "Replace it, or keep both",
        action="replace or keep both",
    ),
    "half_uploaded": ErrorRow(
        ModelError,
        "{place}: somebody's upload of {model_id} is not complete, and not ours to complete.",
        "Wait until it is; or begin it again",
        action="replace",
    ),
    "absent": ErrorRow(
        ModelUnavailable,
        "{place} has no model {model_id}.",
        "Put it there",
        _http(404, "No known trained model", "Could not find trained model"),
        action="set up or encode here",
    ),
    "exists": ErrorRow(
        ModelError,
        "{place}: a model {model_id} has just been made by somebody else.",
        "Set it up again, which goes on with what is there",
        lambda s: (
            s.kind == "http"
            and s.status == 400
            and "already exists" in s.reason
            and "Trained machine learning model" in s.reason
        ),
        action="set up",
    ),
    "deployed": ErrorRow(
        ModelError,
        "{place}: {model_id} is deployed already.",
        "Set it up again, which goes on with what is there",
        lambda s: (
            _http(400, "existing deployment with the same id")(s)
            or _http(409, "existing deployment with the same id")(s)
        ),
        action="set up",
    ),
    "in_use": ErrorRow(
        ModelError,
        "{place}: {model_id} is in use: {reason}",
        "Take it out of ingest pipelines, and stop it first",
        _http(409, "Cannot delete model", "it is still referenced", "referenced by"),
        action="stop",
    ),
    "not_deployed": ErrorRow(
        ModelUnavailable,
        "{place}: the model {model_id} is not deployed.",
        "Start it",
        lambda s: (
            _http(0, "is not deployed", "not deployed", "no started deployment")(s)
            or _http(404, "No known trained model with deployment")(s)
            or _http(404, "No known model deployment")(s)
            or _http(0, "must be deployed to use", "is not allocated to any nodes")(s)
        ),
        action="set up or encode here",
    ),
    "too_large": ErrorRow(
        ModelError,
        "{place}: a part of the model is too large for what lies before the cluster (413).",
        "Let the proxy take 2 MB (nginx: client_max_body_size 2m), and run the command again.",
        lambda s: s.kind == "http" and s.status == 413,
    ),
    "truncated": ErrorRow(
        ModelError,
        "{place}: what was uploaded of {model_id} is not complete.",
        "Set it up again, which sends what is missing",
        _http(400, "Model definition truncated"),
        action="set up",
    ),
    "vocabulary": ErrorRow(
        ModelError,
        "{place}: the vocabulary of {model_id} is missing or does not fit: {reason}",
        "Begin again",
        _http(0, "ocabulary"),
        action="replace",
    ),
    # starting it
    "no_ml_node": ErrorRow(
        ModelUnavailable,
        "{place} has no node for machine learning.",
        "Give one node the role ml (node.roles), or in Elastic Cloud add a machine learning"
        " instance or autoscaling. " + LOCALLY,
        _no_capacity(r"allocation explanation \[(none|null)?\]", "No ML nodes", r"^$"),
        action="encode here meanwhile",
    ),
    "processors": ErrorRow(
        ModelError,
        "{place}: no node for machine learning has a processor left: {cause}",
        "Stop another model, or ask for less",
        _no_capacity("insufficient allocated processors"),
        action="ask for less",
    ),
    "memory": ErrorRow(
        ModelError,
        "{place}: no node for machine learning has room for {model_id}: {cause}",
        "Give it more memory (the default pair wants 1.3 GiB for ML, 30 % of a node's memory unless"
        " xpack.ml.use_auto_machine_memory_percent is true), or stop another model.",
        _no_capacity("."),
    ),
    "allocations": ErrorRow(
        ModelError,
        "{place}: there is not room for all allocations of {model_id}.",
        "Ask for less",
        _http(0, "not enough resources to provide all requested allocations"),
        action="ask for less",
    ),
    "start_timeout": ErrorRow(
        ModelError,
        "{place}: {model_id} had not started when the time was up.",
        "The cluster may go on starting it. Set it up again, and allow more seconds if need be;"
        " nothing is uploaded twice",
        _http(408, "tarting deployment timed out", "Timed out after"),
        action="wait longer",
    ),
    "node_failed": ErrorRow(
        ModelError,
        "{place}: its nodes could not load {model_id}: {reason}",
        "The log of the node says why. If its libtorch cannot read the trace, upgrade the cluster;"
        " if memory ran out, give it more. " + LOCALLY,
        _http(500, "Could not start trained model deployment"),
        action="encode here meanwhile",
    ),
    "start_failed": ErrorRow(
        ModelError,
        "{place}: the deployment of {model_id} has failed: {reason}",
        "The log of the node says more. Stop it, then set it up again",
        action="stop and set up",
    ),
    # using it
    "differs": ErrorRow(
        ModelError,
        "{place}: {model_id} answers other vectors than the same model here (cosine {cosine:.4f}"
        " for {text!r}).",
        "Upload it again",
        action="replace or encode here",
    ),
    "no_vector": ErrorRow(
        ModelError,
        "{place}: {model_id} gives no vector for {text!r}: {reason}",
        "Shorten the text, or have it encoded on this machine",
        action="encode here",
    ),
    "other_space": ErrorRow(
        ModelError,
        "{place}: {model_id} makes vectors of {dims} dimensions, this machine's model {asked}.",
        "Name the id of the text model that belongs to the index",
        action="name the model's id",
    ),
    "overloaded": ErrorRow(
        ModelUnavailable,
        "{place}: {model_id} has more to do than it can: {reason}",
        "Try again later, or give it more",
        lambda s: _http(429, "queue", "inference")(s) or _http(408, "inference", "timeout")(s),
        action="give more",
    ),
}


def failure(name: str, /, **values: object) -> ImgsearchError:
    """The error of that name, to be raised."""
    return FAILURES[name].made(values)


def recognised(error: ImgsearchError) -> str | None:
    """The name of the row that an error of a request belongs to."""
    told = _told(error)
    if told is None:
        return None
    rows = FAILURES.items()
    return next((name for name, row in rows if row.recognises and row.recognises(told)), None)


def explained(error: ImgsearchError, place: str, model_id: str) -> ImgsearchError:
    """The error for a refused request about a model, in this table's words where it has any."""
    name, told = recognised(error), _told(error)
    if name is None or told is None:
        return error
    cause = told.cause or told.reason
    better = failure(name, place=place, model_id=model_id, reason=told.reason, cause=cause)
    better.symptom = told  # type: ignore[attr-defined] # see `_told`
    return better


def _told(error: ImgsearchError) -> Symptom | None:
    """The symptom behind an error. As `client.symptom_of`, but without importing the client."""
    return getattr(error, "symptom", None)
