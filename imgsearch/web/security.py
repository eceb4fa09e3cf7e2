"""Who may ask the page for what: the names it answers to, where changes may come from, the
password, how large and slow a request may be, and the headers of every answer."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
import secrets
import socket
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from dataclasses import field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.exceptions import HTTPException

from imgsearch.dataclass import dataclass
from imgsearch.web.limits import Limits

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_OTHER_HOST = (
    "imgsearch does not answer to this host name.",
    "Ask for it by the address that it printed, or let it answer to the name:"
    " imgsearch serve --allow-host NAME",
)
_OTHER_ORIGIN = (
    "Changes are accepted from this page only.",
    "Ask from the page itself; behind a proxy, pass on the Host that the browser sent.",
)
_SIGN_IN = (
    "This needs the password, or the token in the address that imgsearch serve printed.",
    "Sign in on the page, or send either one: Authorization: Bearer PASSWORD",
)
COOKIE = "imgsearch-session"
_CHANGES = ("POST", "PUT", "PATCH", "DELETE")
_HEADERS = (
    (
        "content-security-policy",
        "default-src 'none'; img-src 'self' blob:; style-src 'self'; script-src 'self';"
        " connect-src 'self'; media-src 'self'; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
    ("x-frame-options", "DENY"),
)


def is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Policy:
    """`secret`: what opens the page; None: nothing is asked for, on this machine alone. `names`:
    hosts that it answers to beside this machine's own."""

    secret: str | None = None
    names: Collection[str] = ()
    session: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    def answers_to(self, host_header: str) -> bool:
        """A name of somebody else that leads here (DNS rebinding) is refused. An address cannot be
        made to lead elsewhere, but without a secret only this machine's own are taken."""
        host = _host(host_header)
        if host is None:
            return False
        if host in {"localhost", *(name.lower() for name in self.names)} or is_loopback(host):
            return True
        if self.secret is None:
            return False
        try:
            ipaddress.ip_address(host)
        except ValueError:
            own = socket.gethostname().lower()
            return host in {own, own.partition(".")[0], f"{own.partition('.')[0]}.local"}
        return True


def _host(header: str) -> str | None:
    try:
        parts = urlsplit(f"//{header}")
        _ = parts.port
    except ValueError:
        return None
    return parts.hostname if parts.hostname and parts.username is None else None


class Guard:
    """ASGI middleware: refuses what policy and limits do not allow, and sets the headers."""

    def __init__(self, app: App, policy: Policy, limits: Limits) -> None:
        self._app, self._policy, self._limits = app, policy, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        receive, send = _limited(receive, self._limits), _with_headers(send)
        if not self._policy.answers_to(headers.get("host", "")):
            await _refuse(send, scope, 421, *_OTHER_HOST)
        elif scope["method"] in _CHANGES and not _same_origin(headers):
            await _refuse(send, scope, 403, *_OTHER_ORIGIN)
        elif self._policy.secret is None or scope["path"].startswith("/static/"):
            await self._app(scope, receive, send)
        else:
            await self._signed_in(scope, headers, receive, send)

    async def _signed_in(
        self, scope: Scope, headers: dict[str, str], receive: Receive, send: Send
    ) -> None:
        policy = self._policy
        if _equal(_cookie(headers), policy.session) or _equal(_bearer(headers), policy.secret):
            await self._app(scope, receive, send)
            return
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = dict(pairs).get("token")
        if scope["method"] == "GET" and _equal(given, policy.secret):
            rest = urlencode([(name, value) for name, value in pairs if name != "token"])
            await _let_in(send, scope["path"] + (f"?{rest}" if rest else ""), policy.session)
        elif scope["path"] in ("/sign-in", "/healthy"):
            await self._app(scope, receive, send)
        elif "text/html" in headers.get("accept", "") and not _is_api(scope):
            await _redirect(send, "/sign-in")
        else:
            await _refuse(send, scope, 401, *_SIGN_IN)


def _same_origin(headers: dict[str, str]) -> bool:
    """Browsers say where a change comes from; other programs do not, and bring no cookies along."""
    origin = headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    return headers.get("sec-fetch-site", "none") in ("same-origin", "none")


def _equal(given: str | None, secret: str | None) -> bool:
    """Compare in constant time, so that an attacker learns nothing from how long it takes."""
    return (
        given is not None
        and secret is not None
        and hmac.compare_digest(given.encode(), secret.encode())
    )


def _cookie(headers: dict[str, str]) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if found is None else found.value


def _bearer(headers: dict[str, str]) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    return token.strip().encode("latin-1").decode("utf-8", "replace")  # as a terminal sends it


def session_cookie(session: str) -> str:
    return f"{COOKIE}={session}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000"


def _limited(receive: Receive, limits: Limits) -> Receive:
    """A request whose body arrives in time and is not too large; HTTPException otherwise."""
    started: float | None = None
    received = 0
    complete = False

    async def receiving() -> Message:
        nonlocal started, received, complete
        if complete:  # what follows is the end of the connection
            return await receive()
        now = asyncio.get_running_loop().time()
        started = now if started is None else started
        try:
            message = await asyncio.wait_for(receive(), started + limits.body_seconds - now)
        except asyncio.TimeoutError:
            raise HTTPException(
                408, "The request did not arrive in time.", {"connection": "close"}
            ) from None
        received += len(message.get("body", b""))
        complete = not message.get("more_body", False)
        if received > limits.body_bytes:
            raise HTTPException(
                413, f"A request may have {limits.body_bytes >> 20} MB.", {"connection": "close"}
            )
        return message

    return receiving


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [
                *message["headers"],
                *(
                    (name.encode(), value.encode())
                    for name, value in _HEADERS
                    if name.encode() not in present
                ),
            ]
        await send(message)

    return sending


async def _answer(
    send: Send,
    status: int,
    headers: list[tuple[bytes, bytes]],
    text: str,
    kind: bytes = b"text/plain; charset=utf-8",
) -> None:
    body = text.encode()
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", kind),
                (b"content-length", str(len(body)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


def _is_api(scope: Scope) -> bool:
    return str(scope["path"]).startswith("/api/")


async def _refuse(send: Send, scope: Scope, status: int, message: str, cure: str) -> None:
    """As JSON to programs that ask the API, else as two lines of text."""
    headers = [(b"cache-control", b"no-store")]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if _is_api(scope):
        text = json.dumps({"error": {"message": message, "cure": cure}})
        await _answer(send, status, headers, text, b"application/json")
    else:
        await _answer(send, status, headers, f"{message}\n{cure}\n")


async def _redirect(send: Send, where: str) -> None:
    await _answer(send, 303, [(b"location", where.encode())], "")


async def _let_in(send: Send, where: str, session: str) -> None:
    """`where`: a path of ours; "//other.host" would be somebody else's."""
    where = "/" + where.lstrip("/\\")
    headers = [
        (b"location", where.encode("latin-1", "replace")),
        (b"set-cookie", session_cookie(session).encode()),
        (b"cache-control", b"no-store"),
    ]
    await _answer(send, 303, headers, "")


def is_secret(policy: Policy, given: str) -> bool:
    return _equal(given, policy.secret)
