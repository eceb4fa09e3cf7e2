"""An HTTP front before real nodes, for what Maven's jars lack and for what goes wrong on purpose:
TLS with a CA of its own, passwords and API keys with privileges, `_license`, and faults.

    with Front([node.url], users={"elastic": User("pass word#1")}) as front:
        front.faults.status(503, every=20)
        ...front.url...

`front.handlers` is the place for more: each is asked in turn and may answer a request instead of
the node (an `_ml` node, for instance)."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.elasticsearch.faults import Cut, Faults
from tests.elasticsearch.privileges import SUPERUSER, Profile

PRODUCT = {"x-elastic-product": "Elasticsearch"}
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "date"}


@dataclass(frozen=True)
class User:
    password: str
    profile: Profile = SUPERUSER


@dataclass(frozen=True)
class Request:
    method: str
    path: str  # without the query
    query: str
    headers: dict[str, str]  # lower-case names, without credentials
    body: bytes

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})

    @classmethod
    def json(cls, value: Any, status: int = 200) -> Answer:
        headers = {"content-type": "application/json", **PRODUCT}
        return cls(status, json.dumps(value).encode(), headers)

    @classmethod
    def error(cls, status: int, type: str, reason: str) -> Answer:
        cause = {"type": type, "reason": reason}
        return cls.json({"error": {"root_cause": [cause], **cause}, "status": status}, status)


Handler = Callable[[Request], "Answer | None"]


class Front:
    """`users` and `api_keys` (their encoded form) both empty: security is off. `port` 0: any."""

    def __init__(
        self,
        nodes: Sequence[str],
        *,
        users: dict[str, User] | None = None,
        api_keys: dict[str, Profile] | None = None,
        tls: ssl.SSLContext | None = None,
        licence: str = "basic",
        port: int = 0,
    ) -> None:
        self.nodes = list(nodes)
        self.users, self.api_keys = users or {}, api_keys or {}
        self.licence = licence
        self.faults = Faults()
        self.handlers: list[Handler] = [self._answer_licence]
        self.requests: list[Request] = []
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), self, tls)
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Front:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.faults.release.set()  # whoever waits for an answer that is never sent
        self._server.shutdown()
        self._server.server_close()
        self._server.cut()

    # -- one request

    def answer(self, request: Request, authorization: str | None) -> Answer:
        """Raises Cut where the connection is to end without a whole answer."""
        with self.lock:
            self.requests.append(request)
        if refused := self._refused(request, authorization):
            return refused
        if fault := self.faults.before(request):
            return Answer.error(*fault)
        for handler in self.handlers:
            if answered := handler(request):
                return answered
        body, kept = self.faults.without_rejected_items(request)
        nothing_left = Answer.json({"errors": True, "items": []})
        answer = nothing_left if request.body and not body else self._forwarded(request, body)
        answer = self.faults.with_rejected_items(answer, kept)
        return self.faults.after(request, answer)

    def _answer_licence(self, request: Request) -> Answer | None:
        if request.path != "/_license":
            return None
        status = "expired" if self.licence == "expired" else "active"
        kind = "trial" if self.licence == "expired" else self.licence
        return Answer.json({"license": {"type": kind, "status": status, "uid": "test"}})

    def _refused(self, request: Request, authorization: str | None) -> Answer | None:
        if not self.users and not self.api_keys:
            return None
        if authorization is None:
            reason = f"missing authentication credentials for REST request [{request.path}]"
            return Answer.error(401, "security_exception", reason)
        scheme, _, value = authorization.partition(" ")
        if scheme == "ApiKey":
            who, profile = "API key id [test]", self.api_keys.get(value)
        else:
            name, _, password = base64.b64decode(value).decode().partition(":")
            user = self.users.get(name)
            right = user is not None and user.password == password
            who, profile = f"user [{name}]", user.profile if user and right else None
        if profile is None:
            reason = f"unable to authenticate {who} for REST request [{request.path}]"
            return Answer.error(401, "security_exception", reason)
        denied = profile.denied(request.method, request.path)
        if denied is None:
            return None
        action, granting = denied
        reason = (
            f"action [{action}] is unauthorized for {who}, this action is granted by the {granting}"
        )
        return Answer.error(403, "security_exception", reason)

    def _forwarded(self, request: Request, body: bytes) -> Answer:
        """By the first node that answers: a balancer that notices who is gone."""
        for url in self.nodes:
            parts = urlsplit(url)
            connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=300)
            try:
                connection.request(request.method, request.target, body or None, request.headers)
                got = connection.getresponse()
                headers = {
                    name.lower(): value
                    for name, value in got.getheaders()
                    if name.lower() not in _HOP_BY_HOP
                }
                return Answer(got.status, got.read(), headers)
            except (OSError, http.client.HTTPException):
                continue
            finally:
                connection.close()
        return Answer(502, b"<html>Bad Gateway</html>", {"content-type": "text/html"})

    def seen(self, pattern: str) -> list[Request]:
        """The requests whose `METHOD path` matches."""
        with self.lock:
            return [one for one in self.requests if re.search(pattern, f"{one.method} {one.path}")]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], front: Front, tls: ssl.SSLContext | None) -> None:
        super().__init__(address, _Handler)
        self.front = front
        self._accepted: list[socket.socket] = []
        if tls is not None:
            # the handshake is done by the request's own thread: a client that speaks plain HTTP
            # must not hold up the others
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def get_request(self) -> tuple[Any, Any]:
        accepted, address = super().get_request()
        self._accepted.append(accepted)
        return accepted, address

    def cut(self) -> None:
        """Ends the connections that clients keep."""
        for accepted in self._accepted:
            with contextlib.suppress(OSError):  # closed already
                accepted.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or whose handshake failed, is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        if isinstance(self.request, ssl.SSLSocket):
            self.request.settimeout(10)
            self.request.do_handshake()
            self.request.settimeout(None)
        super().setup()

    def log_message(self, format: str, *args: Any) -> None:
        """Not on the tests' stderr."""

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        authorization = headers.pop("authorization", None)
        kept = {name: value for name, value in headers.items() if name not in _HOP_BY_HOP}
        request = Request(self.command, path, query, kept, body)
        try:
            answer = self.server.front.answer(request, authorization)
        except Cut as cut:
            with contextlib.suppress(OSError):
                self.wfile.write(cut.bytes)
                self.wfile.flush()
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)


for verb in ("GET", "HEAD", "POST", "PUT", "DELETE"):
    setattr(_Handler, f"do_{verb}", _Handler._serve)
