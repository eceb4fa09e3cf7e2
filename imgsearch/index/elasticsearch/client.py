"""Talking to a cluster: one class, one way to send a request, one place where its client's
exceptions stop. Imports the client; import this module late."""

from __future__ import annotations

import json
import logging
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from elastic_transport import (
    ApiResponseMeta,
    SerializationError,
    SerializerCollection,
    Transport,
    TransportApiResponse,
)
from elasticsearch import Elasticsearch, OrjsonSerializer

from imgsearch.errors import ImgsearchError
from imgsearch.index.elasticsearch import answers
from imgsearch.index.elasticsearch.client_exceptions import Symptom, symptom
from imgsearch.index.elasticsearch.connection import Connection, settled
from imgsearch.index.elasticsearch.errors import cluster_error, diagnosis
from imgsearch.index.elasticsearch.features import Features
from imgsearch.index.elasticsearch.retry import Backoff, log

CONNECT_SECONDS = 10.0  # for the first answer
REQUEST_SECONDS = 60.0
BULK_SECONDS = 120.0
_SHOWN_OF_UNREAD = 200  # bytes
JSON = {"accept": "application/json", "content-type": "application/json"}
LINES = {"accept": "application/json", "content-type": "application/x-ndjson"}

# it is about the server's set-up, which is not the user's to change, and comes with each answer
_UNSECURED = "built-in security features are not enabled"


class _Unread:
    """The body of an answer that is not JSON: a web page, half an answer."""

    def __init__(self, data: bytes) -> None:
        self.text = data[:_SHOWN_OF_UNREAD].decode("utf-8", "replace")


class _Serializers(SerializerCollection):
    """Reads whatever comes, since the status of an answer counts also where its body is no JSON, or
    has no content type."""

    def loads(self, data: bytes, mimetype: str | None = None) -> Any:
        try:
            return super().loads(data, mimetype)
        except SerializationError:
            return _Unread(data)


class _Json(OrjsonSerializer):
    """orjson takes no lone surrogates, which documents may hold: `json` reads those."""

    def json_loads(self, data: bytes) -> Any:
        try:
            return super().json_loads(data)
        except ValueError:
            try:
                return json.loads(data)
            except RecursionError:
                raise ValueError("nested too deeply") from None


class CompatibleTransport(Transport):
    """Lets one client talk to 8.x and 9.x. Version 9 of the client asks for answers "compatible
    with 9", which an 8.x server refuses (media_type_header_exception), and `headers=` cannot
    change that; both 8.x and 9.x servers understand 8. Only headers change: no request of ours
    means something else in one of them (measured on 8.6.2 to 9.5.3)."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.serializers = _Serializers(self.serializers.serializers)

    def perform_request(
        self, method: str, target: str, *, headers: Any = None, **options: Any
    ) -> TransportApiResponse:
        headers = {
            name: value.replace("compatible-with=9", "compatible-with=8")
            for name, value in (headers or {}).items()
        }
        answer = super().perform_request(method, target, headers=headers, **options)
        took = answer.meta.duration * 1000
        log.debug("%s %s: %d in %.0f ms", method, target, answer.meta.status, took)
        body = answer.body
        if isinstance(body, _Unread):
            if 200 <= answer.meta.status < 300:
                raise SerializationError(body.text)
            body = body.text
        return TransportApiResponse(_without_warnings(answer.meta, method, target), body)


def _without_warnings(meta: ApiResponseMeta, method: str, target: str) -> ApiResponseMeta:
    """The client would send them to Python's `warnings`; the log is their place."""
    warning = meta.headers.get("warning")
    if warning is None:
        return meta
    if _UNSECURED not in warning:
        log.warning("%s %s: the server warns: %s", method, target, warning)
    headers = {name: value for name, value in meta.headers.items() if name != "warning"}
    return ApiResponseMeta(
        status=meta.status,
        http_version=meta.http_version,
        headers=type(meta.headers)(headers),
        duration=meta.duration,
        node=meta.node,
    )


class Cluster:
    """An open connection. `notes`: what the user should hear. Safe to use from several threads."""

    def __init__(self, connection: Connection) -> None:
        """Opens no socket yet. Raises IndexUnavailable where the connection cannot be right."""
        self.notes: list[str] = []
        self._connection = settled(connection, self.notes)
        self.place = self._connection.place
        self.features = Features(())
        self.info: dict[str, Any] = {}
        self._client = _client(self._connection)

    @classmethod
    def connect(cls, connection: Connection) -> Cluster:
        """Asks once, so that what is wrong is told at once. Raises IndexUnavailable."""
        cluster = cls(connection)
        try:
            cluster.info = cluster.call("GET", "/", timeout=CONNECT_SECONDS)
            cluster.features = Features.of(cluster.info)
            if not cluster.features.supported:
                raise cluster_error("too_old", place=cluster.place, version=cluster.features)
        except BaseException:  # Ctrl-C too leaves no connection open
            cluster.close()
            raise
        return cluster

    def again(self) -> Cluster:
        """A second connection of its own; nothing is asked."""
        cluster = Cluster(self._connection)
        cluster.notes.clear()
        cluster.features, cluster.info = self.features, self.info
        return cluster

    def index_place(self, index_name: str) -> str:
        return self._connection.index_place(index_name)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        place: str | None = None,  # what a message names; the cluster if not given
        retry_for: float = 0.0,  # seconds to try again for, while it may pass
        timeout: float = REQUEST_SECONDS,
        lines: bool = False,  # the body is newline-delimited JSON
        **parameters: Any,
    ) -> Any:
        """The answer's JSON object. Raises `imgsearch.errors` only; `symptom_of` tells callers what
        the server refused, where they know what to do about it."""
        waiting = Backoff(retry_for)
        headers = LINES if lines else JSON
        while True:
            try:
                answer = self._send(method, path, body, timeout, headers, parameters)
                return answers.whole(place or self.place, answer)
            except Exception as error:  # of many types; what is not known passes on
                told = symptom(error)
                if told is None:
                    raise
            if told.passing and not waiting.spent:
                waiting.pause(f"{method} {path}", describe(told))
                continue
            raise self._refusal(told, place or self.place)

    def _send(
        self,
        method: str,
        path: str,
        body: Any,
        timeout: float,
        headers: Mapping[str, str],
        parameters: Mapping[str, Any],
    ) -> Any:
        options = {name: _parameter(value) for name, value in parameters.items()}
        client = self._client.options(request_timeout=timeout)
        answer = client.perform_request(method, path, params=options, headers=headers, body=body)
        return answer.body

    def _refusal(self, told: Symptom, place: str) -> ImgsearchError:
        anonymous = self._connection.api_key is None and self._connection.user is None
        if told.status == 401 and anonymous:
            error = cluster_error("no_credentials", place=place)
        else:
            error = diagnosis(told, place)
        error.symptom = told  # type: ignore[attr-defined] # see `symptom_of`
        return error

    def close(self) -> None:
        self._client.close()


def symptom_of(error: ImgsearchError) -> Symptom | None:
    """The symptom behind an error of ours, for callers that expect some; None where the cluster did
    not cause it."""
    return getattr(error, "symptom", None)


def describe(told: Symptom) -> str:
    """A symptom as one line for the log."""
    words = [told.kind if not told.status else str(told.status), told.type, told.reason[:200]]
    return " ".join(word for word in words if word)


def encode(*values: Any) -> bytes:
    """Lines of newline-delimited JSON; numpy arrays as lists of floats."""
    return b"".join(
        orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)
        for value in values
    )


def _parameter(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(value)
    return value


def _client(connection: Connection) -> Elasticsearch:
    options: dict[str, Any] = {
        "transport_class": CompatibleTransport,
        "serializers": {"application/json": _Json()},
        "max_retries": 0,  # `Backoff` tries again, and says so
        "retry_on_timeout": False,
        "request_timeout": REQUEST_SECONDS,
    }
    if connection.api_key:
        identity, colon, secret = connection.api_key.partition(":")
        options["api_key"] = (identity, secret) if colon else connection.api_key
    elif connection.user and connection.password:
        options["basic_auth"] = (connection.user, connection.password)
    if connection.cloud_id or (connection.url or "").startswith("https"):
        options |= _tls_options(connection)
    if connection.url:
        return Elasticsearch(connection.url, **options)
    try:
        return Elasticsearch(cloud_id=connection.cloud_id, **options)
    except ValueError:
        raise cluster_error("malformed_cloud_id") from None


def _tls_options(connection: Connection) -> dict[str, Any]:
    if connection.ssl_assert_fingerprint:
        return {"ssl_assert_fingerprint": connection.ssl_assert_fingerprint}
    if not connection.verify_certs:
        return {"verify_certs": False, "ssl_show_warn": False}  # `notes` has our own warning
    return {"ssl_context": trusted_authorities(connection.ca_certs)}


def trusted_authorities(ca_certs: str | None) -> ssl.SSLContext:
    """The system's store (a company's own CA is in there), certifi's beside it (some builds of
    Python know no system store), and the file that was named. Raises IndexUnavailable."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    if ca_certs is not None:
        try:
            context.load_verify_locations(ca_certs)
        except (OSError, ssl.SSLError) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else "no PEM"
            raise cluster_error("no_ca_file", file=f"{ca_certs} ({why})") from None
    return context


logging.getLogger("elastic_transport").addHandler(logging.NullHandler())
