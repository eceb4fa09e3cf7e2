"""Everything that can go wrong with a model in a cluster: how it is recognised, what the user reads
and what to do. It goes before the table in `imgsearch.index.elasticsearch.errors`, which has the
rest: TLS, addresses, credentials. The README's troubleshooting table is made from both."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from imgsearch.errors import ImgsearchError, ModelError, ModelUnavailable
from imgsearch.index.elasticsearch import errors
from imgsearch.index.elasticsearch.error_table import Trouble
from imgsearch.index.elasticsearch.symptoms import Symptom

LOCALLY = "Until then queries are encoded on this machine (--text-encoder auto or local)."


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
FAILURES: dict[str, Trouble] = {
    # whether the cluster can have a model at all
    "licence": Trouble(
        ModelUnavailable,
        "{place}: its licence does not cover machine learning ({reason}).",
        "Start a trial (POST /_license/start_trial?acknowledge=true) or take a Platinum licence. "
        + LOCALLY,
        _http(403, "non-compliant"),
    ),
    "privilege": Trouble(
        ModelError,
        "{place}: this user or key may not do that with models: {reason}",
        "Grant the cluster privilege manage_ml to set a model up, monitor_ml to query with it.",
        _http(
            403, "cluster:admin/xpack/ml", "cluster:monitor/xpack/ml", "cluster:internal/xpack/ml"
        ),
    ),
    "ml_off": Trouble(
        ModelUnavailable,
        "{place}: machine learning is switched off there.",
        "Remove xpack.ml.enabled: false from its nodes' settings and restart them. " + LOCALLY,
        _http(400, "no handler found for uri"),
    ),
    "serverless": Trouble(
        ModelUnavailable,
        "{place}: this serverless project offers no models of one's own ({reason}).",
        "Take a project of the type Elasticsearch, or a hosted deployment. " + LOCALLY,
        _http(410, "api_not_available", "serverless"),
    ),
    "libtorch": Trouble(
        ModelUnavailable,
        "{place} runs Elasticsearch {version}: its libtorch {libtorch} cannot load what torch"
        " {torch} traces.",
        "Upgrade the cluster to 8.13 or later. " + LOCALLY,
    ),
    "unsuitable": Trouble(
        ModelError,
        "The text model {model} cannot run inside Elasticsearch: {reason}",
        "Use the default pair there (leave --model and --text-model out); with this model queries"
        " are encoded on this machine (--text-encoder auto or local).",
    ),
    "untraceable": Trouble(
        ModelError,
        "eland cannot trace the text model {model}: {reason}",
        "Check the versions (imgsearch doctor); queries can be encoded on this machine"
        " (--text-encoder auto or local).",
    ),
    "bad_id": Trouble(
        ModelError,
        "{model_id!r} cannot be the id of a model.",
        "Use lower-case letters, digits, _, - and . with a letter or digit at both ends.",
    ),
    # what lies there already
    "other_weights": Trouble(
        ModelError,
        "{place} holds another model under the id {model_id}: {reason}.",
        "Replace it (imgsearch setup-model --replace), or keep both:"
        " imgsearch setup-model --model-id ANOTHER-NAME",
    ),
    "half_uploaded": Trouble(
        ModelError,
        "{place}: somebody's upload of {model_id} is not complete, and not ours to complete.",
        "Wait until it is; or begin it again: imgsearch setup-model --replace",
    ),
    "absent": Trouble(
        ModelUnavailable,
        "{place} has no model {model_id}.",
        "Put it there: imgsearch setup-model. " + LOCALLY,
        _http(404, "No known trained model", "Could not find trained model"),
    ),
    "exists": Trouble(
        ModelError,
        "{place}: a model {model_id} has just been made by somebody else.",
        "Run imgsearch setup-model again: it goes on with what is there.",
        lambda s: (
            s.kind == "http"
            and s.status == 400
            and "already exists" in s.reason
            and "Trained machine learning model" in s.reason
        ),
    ),
    "deployed": Trouble(
        ModelError,
        "{place}: {model_id} is deployed already.",
        "Run imgsearch setup-model again: it goes on with what is there; or stop it with --stop.",
        lambda s: (
            _http(400, "existing deployment with the same id")(s)
            or _http(409, "existing deployment with the same id")(s)
        ),
    ),
    "in_use": Trouble(
        ModelError,
        "{place}: {model_id} is in use: {reason}",
        "Stop it first (imgsearch setup-model --stop), and take it out of ingest pipelines.",
        _http(409, "Cannot delete model", "it is still referenced", "referenced by"),
    ),
    "not_deployed": Trouble(
        ModelUnavailable,
        "{place}: the model {model_id} is not deployed.",
        "Start it: imgsearch setup-model. " + LOCALLY,
        lambda s: (
            _http(0, "is not deployed", "not deployed", "no started deployment")(s)
            or _http(404, "No known trained model with deployment")(s)
            or _http(404, "No known model deployment")(s)
            or _http(0, "must be deployed to use", "is not allocated to any nodes")(s)
        ),
    ),
    "too_large": Trouble(
        ModelError,
        "{place}: a part of the model is too large for what lies before the cluster (413).",
        "Let the proxy take 2 MB (nginx: client_max_body_size 2m), and run the command again.",
        lambda s: s.kind == "http" and s.status == 413,
    ),
    "truncated": Trouble(
        ModelError,
        "{place}: what was uploaded of {model_id} is not complete.",
        "Run imgsearch setup-model again: it sends what is missing; --replace begins anew.",
        _http(400, "Model definition truncated"),
    ),
    "vocabulary": Trouble(
        ModelError,
        "{place}: the vocabulary of {model_id} is missing or does not fit: {reason}",
        "Begin again: imgsearch setup-model --replace",
        _http(0, "ocabulary"),
    ),
    # starting it
    "no_ml_node": Trouble(
        ModelUnavailable,
        "{place} has no node for machine learning.",
        "Give one node the role ml (node.roles), or in Elastic Cloud add a machine learning"
        " instance or autoscaling. " + LOCALLY,
        _no_capacity(r"allocation explanation \[(none|null)?\]", "No ML nodes", r"^$"),
    ),
    "processors": Trouble(
        ModelError,
        "{place}: no node for machine learning has a processor left: {cause}",
        "Ask for less: --priority low, or fewer --threads and --allocations; or stop another"
        " model.",
        _no_capacity("insufficient allocated processors"),
    ),
    "memory": Trouble(
        ModelError,
        "{place}: no node for machine learning has room for {model_id}: {cause}",
        "Give it more memory (the default pair wants 1.3 GiB for ML, 30 % of a node's memory unless"
        " xpack.ml.use_auto_machine_memory_percent is true), or stop another model.",
        _no_capacity("."),
    ),
    "allocations": Trouble(
        ModelError,
        "{place}: there is not room for all allocations of {model_id}.",
        "Ask for fewer --allocations or --threads, or for --priority low.",
        _http(0, "not enough resources to provide all requested allocations"),
    ),
    "start_timeout": Trouble(
        ModelError,
        "{place}: {model_id} had not started when the time was up.",
        "The cluster may go on starting it. Run imgsearch setup-model again, with a longer"
        " --timeout if need be; nothing is uploaded twice.",
        _http(408, "tarting deployment timed out", "Timed out after"),
    ),
    "node_failed": Trouble(
        ModelError,
        "{place}: its nodes could not load {model_id}: {reason}",
        "The log of the node says why. If its libtorch cannot read the trace, upgrade the cluster;"
        " if memory ran out, give it more. " + LOCALLY,
        _http(500, "Could not start trained model deployment"),
    ),
    "start_failed": Trouble(
        ModelError,
        "{place}: the deployment of {model_id} has failed: {reason}",
        "Stop it (imgsearch setup-model --stop), see the log of the node, and run imgsearch"
        " setup-model again.",
    ),
    # using it
    "differs": Trouble(
        ModelError,
        "{place}: {model_id} answers other vectors than the same model here (cosine {cosine:.4f}"
        " for {text!r}).",
        "Upload it again: imgsearch setup-model --replace. " + LOCALLY,
    ),
    "no_vector": Trouble(
        ModelError,
        "{place}: {model_id} gives no vector for {text!r}: {reason}",
        "Shorten the text, or have it encoded on this machine: --text-encoder local",
    ),
    "other_space": Trouble(
        ModelError,
        "{place}: {model_id} makes vectors of {dims} dimensions, this machine's model {asked}.",
        "Name the id of the text model that belongs to the index: --model-id",
    ),
    "overloaded": Trouble(
        ModelUnavailable,
        "{place}: {model_id} has more to do than it can: {reason}",
        "Try again later, or give it more: imgsearch setup-model --allocations 2",
        lambda s: _http(429, "queue", "inference")(s) or _http(408, "inference", "timeout")(s),
    ),
}


def failure(name: str, /, **values: object) -> ImgsearchError:
    """The error of that name, to be raised."""
    row = FAILURES[name]
    return row.error(row.seen.format(**values), row.cure.format(**values))


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


def rows() -> Iterator[tuple[str, str]]:
    """Pairs of what the user sees and what to do, for the guides."""
    yield from errors.rows(FAILURES)


def _told(error: ImgsearchError) -> Symptom | None:
    """The symptom behind an error. As `client.symptom_of`, but without importing the client."""
    return getattr(error, "symptom", None)
