"""No text that leaves holds a secret: messages, status, JSON, logs, reports."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

import pytest

from imgsearch.cli import error_handler
from imgsearch.errors import UsageError
from imgsearch.index.elasticsearch.connection import Connection, settled
from imgsearch.paths import index_place, without_credentials
from tests.command import Command
from tests.elasticsearch import certificates, servers
from tests.test_trust import Listener

# each is a URL whose password, "geheim" and what stands around it, must not be shown
URLS = [
    "https://me:ge/heim-geheim@127.0.0.1:1/photos",
    "https://me:geheim/1@127.0.0.1:1/photos",
    "https://me:123/geheim@127.0.0.1:1/photos",
    "https://me:geheim#1@127.0.0.1:1/photos",
    "https://me:geheim?x=1@127.0.0.1:1/photos",
    "https://me:p@/geheim@127.0.0.1:1/photos",
    "https://me:p@host/geheim@127.0.0.1:1/photos",
    "https://me:[geheim@127.0.0.1:1/photos",
    "https://me:geheim℀@127.0.0.1:1/photos",
    "https://me:gehe%69m-geheim@127.0.0.1:1/photos",
    "HTTPS://me:geheim@127.0.0.1:1/photos",
    "me:geheim@127.0.0.1:1/photos",
    "me:ge/heim#geheim@127.0.0.1:1",
    "ftp://me:geheim@127.0.0.1:1/photos",
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("given", ["--index", "ES_URL"])
def test_a_password_in_a_url_is_never_repeated(command: Command, url: str, given: str) -> None:
    words = ["--index", url] if given == "--index" else []
    if not words:
        command.environment[given] = url
    finished = command.run("status", "--json", *words, "-vv", code=None)
    assert finished.returncode in (1, 2)
    said = finished.stdout + finished.stderr
    assert "bug" not in said
    assert "heim" not in said


def test_status_shows_no_password_of_a_url_that_is_not_in_use(command: Command) -> None:
    for url in URLS:
        command.environment["ES_URL"] = url
        finished = command.run("status", "--json", "--index", "./here")
        assert "heim" not in finished.stdout + finished.stderr
        assert finished.json["settings"]["es_url"]["source"] == "ES_URL"


WITHOUT_DOUBT = ["https://me:gehe%69m-geheim@127.0.0.1:1/photos"]
WITHOUT_DOUBT += ["HTTPS://me:geheim@127.0.0.1:1/photos"]


@pytest.mark.parametrize("url", [url for url in URLS if url not in WITHOUT_DOUBT])
def test_a_url_in_doubt_is_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        index_place(None, url, None)
    assert "https://host:9200" in caught.value.cure
    assert "heim" not in caught.value.message + caught.value.cure


@pytest.mark.parametrize("url", WITHOUT_DOUBT)
def test_a_password_in_a_url_serves(url: str) -> None:
    connection = settled(Connection(url=url), [])
    assert connection.url == "https://127.0.0.1:1/photos"
    assert "geheim" in (connection.password or "")


def test_what_is_shown_of_a_url() -> None:
    assert without_credentials("https://host:9200/photos") == "https://host:9200/photos"
    assert without_credentials("https://u:p@host:9200/photos?key=1#2") == "https://host:9200/photos"
    assert without_credentials("https://[::1]:9200") == "https://[::1]:9200"


def test_logs_and_reports_hide_what_is_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "it's/ge#heim"
    monkeypatch.setattr(error_handler, "_hidden", {secret})
    error_handler.say(f"reason: {secret}")
    assert "heim" not in capsys.readouterr().err
    report = error_handler.without_secrets(f"{[secret]} https://me:it's@host it%27s%2Fge%23heim")
    assert "heim" not in report
    logger = logging.getLogger("imgsearch")
    monkeypatch.setattr(logger, "handlers", [logging.NullHandler()])  # of a program around ours
    error_handler.listen(2)
    error_handler.listen(2)
    _, ours = logger.handlers
    record = logging.LogRecord("imgsearch", logging.INFO, "", 1, f"got {secret}", (), None)
    assert "heim" not in ours.format(record)


@pytest.fixture
def authorities(tmp_path: Path) -> list[certificates.Authority]:
    """Of the system, the one that is named, and a third one."""
    try:
        return [
            certificates.authority(tmp_path / name, f"authority {name}")
            for name in ("system", "named", "third")
        ]
    except certificates.NoOpenssl as error:
        servers.give_up(str(error))


def test_named_authorities_are_trusted_besides_the_systems(
    command: Command, authorities: list[certificates.Authority]
) -> None:
    system, named, third = authorities
    command.environment |= {"SSL_CERT_FILE": str(system.ca), "ES_API_KEY": "a2V5OmdlaGVpbQ=="}

    def reached(tls: ssl.SSLContext) -> bool:
        with Listener(tls) as listening:
            words = ("--index", listening.url, "--ca-certs", str(named.ca))
            command.run("query", "red", *words, code=1)
            return bool(listening.headers)

    assert reached(system.context())
    assert reached(named.context())
    assert not reached(third.context())
