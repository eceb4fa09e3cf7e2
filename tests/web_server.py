"""`imgsearch serve` as a process of its own, spoken to over a socket."""

from __future__ import annotations

import contextlib
import http.client
import json
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.command import Command


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes
    cookies: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def tags(self) -> list[tuple[str, dict[str, str]]]:
        return tags(self.text)

    def links(self, **attributes: str) -> list[str]:
        """`href`s of links with these attributes, such as rel="next"."""
        return [
            found["href"]
            for tag, found in self.tags
            if tag == "a" and attributes.items() <= found.items()
        ]

    @property
    def photos(self) -> list[str]:
        """Ids of the photos in the grid."""
        return [found["data-id"] for tag, found in self.tags if found.get("class") == "open"]


def tags(html: str) -> list[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, {name: unescape(value or "") for name, value in attrs}))

    Reader(convert_charrefs=True).feed(html)
    return found


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    address: str  # as it was printed
    patience: float = 60  # seconds for an answer

    @property
    def host(self) -> str:
        return urlsplit(self.address).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.address).port or 0

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> Answer:
        """`headers`: names with `_` for `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.patience)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, {"Accept": "text/html", **named})
        answer = connection.getresponse()
        pairs = answer.getheaders()
        cookies = [value for name, value in pairs if name.lower() == "set-cookie"]
        found = {name.lower(): value for name, value in pairs}
        body = answer.read()
        connection.close()
        return Answer(answer.status, found, body, cookies)

    def follow(self, path: str, **options: Any) -> Answer:
        """As a browser would: GET wherever an answer leads."""
        answer = self.ask(path, **options)
        while answer.status == 303:
            answer = self.ask(answer.headers["location"])
        return answer

    def stop(self) -> int:
        """Ctrl-C; returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


@contextlib.contextmanager
def serving(command: Command, *arguments: str | Path) -> Iterator[Server]:
    """On any free port, until the block ends."""
    process = command.start("serve", "--port", "0", *arguments)
    assert process.stdout is not None
    try:
        yield Server(process, line_of(process, 60))
    finally:
        process.kill()
        process.communicate()


def line_of(process: subprocess.Popen[bytes], seconds: float) -> str:
    """The first line that it says."""
    assert process.stdout is not None
    assert process.stderr is not None
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if select.select([process.stdout], [], [], 0.1)[0]:
            line = process.stdout.readline().decode().strip()
            assert line, process.stderr.read().decode()
            return line
    raise AssertionError("the page did not start")


BOUNDARY = "----imgsearch-test"


def multipart(*parts: tuple[str, str | None, bytes]) -> bytes:
    """(name, file name or None, content) of each part, for BOUNDARY."""
    out = b""
    for name, file_name, content in parts:
        named = f'; filename="{file_name}"' if file_name is not None else ""
        out += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n'.encode()
        out += b"Content-Type: application/octet-stream\r\n" if file_name is not None else b""
        out += b"\r\n" + content + b"\r\n"
    return out + f"--{BOUNDARY}--\r\n".encode()


MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
FORM = "application/x-www-form-urlencoded"
