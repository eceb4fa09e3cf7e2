"""`imgsearch serve`: the page on a port of this machine."""

from __future__ import annotations

import logging
import secrets
import socket
import threading
import time
import webbrowser
from collections.abc import Callable
from typing import TYPE_CHECKING

from imgsearch.dataclass import dataclass
from imgsearch.errors import ImgsearchError, UsageError
from imgsearch.escaping import shown
from imgsearch.web.security import Policy, is_loopback

if TYPE_CHECKING:
    import uvicorn

    from imgsearch.web.context import Context

_EVERYWHERE = ("", "0.0.0.0", "::")
_BACKLOG = 512  # connections that the system keeps until they are accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Where the page answers, and to whom. `names`: further host names that lead here, such as a
    proxy's. `password` None: a token is made where one is needed."""

    host: str = "127.0.0.1"
    port: int = 8642
    names: tuple[str, ...] = ()
    password: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether it answers to this machine alone."""
        return is_loopback(self.host) and not self.names

    def policy(self) -> Policy:
        """Who may open the page: anybody on this machine; from elsewhere whoever has the password
        or token."""
        secret = self.password or (None if self.is_local else secrets.token_urlsafe(16))
        own = () if self.host in _EVERYWHERE else (self.host,)
        return Policy(secret, (*own, *self.names))

    def address(self, policy: Policy, port: int) -> str:
        """The address for a browser. It contains a token that was made, never a password."""
        host = _own_name() if self.host in _EVERYWHERE else self.host
        host = f"[{host}]" if ":" in host else host
        token = "" if policy.secret in (None, self.password) else f"?token={policy.secret}"
        return f"http://{host}:{port}/{token}"


def _own_name() -> str:
    """An address of this machine by which others reach it; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # kept for documentation: nobody's
            return str(probe.getsockname()[0])
        except OSError:  # no network
            return "127.0.0.1"


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises UsageError where the port is taken or the host is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows, where the other lets two programs in
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise UsageError(
            f"The page cannot be served at {shown(host)}, port {port}: {error.strerror or error}.",
            "Choose another port: --port 8700",
        ) from None
    return listening


def serve(
    service: Service,
    context: Context,
    listening: socket.socket,
    tell: Callable[[str], None],
    say: Callable[[str], None],
    *,
    open_browser: bool = False,
) -> None:
    """Answers until it is interrupted. `tell` hears the address once it answers, `say` what else a
    person should know; the socket is closed in the end."""
    server = _server(context)
    address = service.address(context.policy, listening.getsockname()[1])

    def when_ready() -> None:
        while not server.started:
            if server.should_exit:
                return
            time.sleep(0.005)
        tell(address)
        if open_browser and not webbrowser.open(address):
            say("No browser could be opened; open the address yourself.")
        _warm(context)

    threading.Thread(target=when_ready, daemon=True, name="imgsearch-ready").start()
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:  # uvicorn has ended in order, and passes Ctrl-C on
        pass
    finally:
        listening.close()


def _server(context: Context) -> uvicorn.Server:
    import uvicorn

    from imgsearch.web.app import create_app
    from imgsearch.web.connections import PatientConnection

    logging.getLogger("uvicorn").addHandler(logging.NullHandler())
    logging.getLogger("uvicorn").propagate = False  # what matters is told on the page
    limits = context.limits
    return uvicorn.Server(
        uvicorn.Config(
            create_app(context),
            loop="asyncio",
            http=PatientConnection,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=limits.connections,
            timeout_keep_alive=limits.idle_seconds,
            timeout_graceful_shutdown=0,
            h11_max_incomplete_event_size=32_768,
        )
    )


def _warm(context: Context) -> None:
    """Opens what the first question would wait for, if it is at hand. What stands against it is
    told on the page."""
    from imgsearch import models

    try:
        with context.libraries.using() as library:
            chosen = library.models
            if library.index.models() is None or not models.cached(chosen.names(), chosen.cache):
                return
            library.embed_text("warm")
    except ImgsearchError:
        return
