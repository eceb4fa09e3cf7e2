"""A file of the working directory gets no secret of the user's, weakens no check of TLS, and leads
nowhere else, until the user has allowed that very file."""

from __future__ import annotations

import base64
import json
import os
import pty
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from imgsearch import settings
from tests.command import SCRIPT, Command
from tests.elasticsearch import certificates

PASSWORD = "tell-nobody"
KEY = base64.b64encode(b"identity:tell-nobody").decode()
ES = {"content-type": "application/json", "x-elastic-product": "Elasticsearch"}


class Listener:
    """A server that keeps every header it is sent. `redirect`: where it sends everybody."""

    def __init__(self, tls: ssl.SSLContext | None = None, redirect: str | None = None) -> None:
        self.headers: list[dict[str, str]] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                listener.headers.append(dict(self.headers))
                self.send_response(403 if redirect is None else 307)
                for name, value in ES.items():
                    self.send_header(name, value)
                if redirect is not None:
                    self.send_header("location", redirect + self.path)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815 - http.server's names

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_address[1]
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Listener:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def was_told(self) -> bool:
        """Whether a secret came, as a password or as a key."""
        basic = base64.b64encode(f"elastic:{PASSWORD}".encode()).decode()
        return any(secret in str(self.headers) for secret in (KEY, basic))


@pytest.fixture
def listener(authority: certificates.Authority) -> Iterator[Listener]:
    """Its certificate is signed by an authority that nobody trusts yet."""
    with Listener(authority.context()) as listening:
        yield listening


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "downloaded"
    made.mkdir()
    return made


def own_config(command: Command, **values: str) -> None:
    path = command.home / "config" / "imgsearch" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))


def give_secret(command: Command, where: str, **more: str) -> None:
    """A password in the environment, or a key in the user's own config."""
    if where == "environment":
        command.environment |= {"ES_USER": "elastic", "ES_PASSWORD": PASSWORD}
        command.environment |= {f"IMGSEARCH_{key.upper()}": value for key, value in more.items()}
    else:
        own_config(command, es_api_key=KEY, **more)


def write_file(folder: Path, name: str, **values: str) -> Path:
    path = folder / name
    if name == ".env":
        text = "".join(f"IMGSEARCH_{key.upper()}='{value}'\n" for key, value in values.items())
    else:
        text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
    path.write_text(text)
    return path


def cloud_id(port: int) -> str:
    """That of a "deployment" at 127.0.0.1: its host is the id, a dot and the domain."""
    return "stolen:" + base64.b64encode(f"0.0.1:{port}$127".encode()).decode()


WAYS = ["index", "es_url", "es_cloud_id", "verify_certs", "ca_certs", "ssl_assert_fingerprint"]


def _each_with_each() -> list[Any]:
    """Every way with every file and every place of a secret; all three at once as slow."""
    found = []
    for number, way in enumerate(WAYS):
        for name, secret_in in product([".env", "imgsearch.toml"], ["environment", "own config"]):
            with_its_like = (name == ".env") == (secret_in == "environment")
            marks = () if with_its_like == (number % 2 == 0) else (pytest.mark.slow,)
            found.append(pytest.param(way, name, secret_in, marks=marks))
    return found


@pytest.mark.parametrize(("way", "name", "secret_in"), _each_with_each())
def test_a_folder_gets_no_secret_until_it_is_allowed(
    command: Command,
    folder: Path,
    listener: Listener,
    authority: certificates.Authority,
    way: str,
    name: str,
    secret_in: str,
) -> None:
    theirs = {
        "index": f"{listener.url}/photos",
        "es_url": listener.url,
        "es_cloud_id": cloud_id(listener.port),
        "verify_certs": "false",
        "ca_certs": str(authority.ca),
        "ssl_assert_fingerprint": authority.fingerprint(),
    }
    if way in ("index", "es_url", "es_cloud_id"):  # the certificate is good, the address is not
        give_secret(command, secret_in, ca_certs=str(authority.ca))
    else:  # the address is the user's, and somebody stands in between
        give_secret(command, secret_in, es_url=listener.url)
    write_file(folder, name, **{way: theirs[way]})

    query = command.run("query", "red", cwd=folder, code=None)
    assert not listener.was_told
    assert way in query.stderr
    assert f"imgsearch trust {folder}" in query.stderr
    status = command.run("status", "--json", cwd=folder, code=None)
    assert not listener.was_told
    if status.stdout:  # the user's own cluster does not answer where it is pretended
        [withheld] = status.json["not_obeyed"]
        assert withheld["file"] == str(folder / name)
        assert list(withheld["settings"]) == [way]
        assert status.json["settings"][way]["source"] == "default"

    command.run("trust", folder)
    command.run("query", "red", cwd=folder, code=1)
    assert listener.was_told  # so the listener would have noticed


def test_a_url_with_a_password_of_its_own_is_not_obeyed_either(
    command: Command, folder: Path
) -> None:
    """Pictures' vectors would go there."""
    with Listener() as listening:
        url = listening.url.replace("://", "://me:theirs@")
        write_file(folder, ".env", es_url=url)
        query = command.run("query", "red", cwd=folder, code=1)
        assert not listening.headers
    assert "theirs" not in query.stderr


def test_a_redirect_takes_no_secret_along(command: Command) -> None:
    with Listener() as thief, Listener(redirect=thief.url) as listening:
        give_secret(command, "environment", es_url=listening.url)
        command.run("query", "red", code=1)
        assert listening.was_told
        assert not thief.headers


def test_a_proxy_named_in_a_folders_file_is_not_used(command: Command, folder: Path) -> None:
    with Listener() as proxy, Listener() as listening:
        give_secret(command, "environment", es_url=listening.url)
        names = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY")
        (folder / ".env").write_text("".join(f"{name}={proxy.url}\n" for name in names))
        command.run("query", "red", cwd=folder, code=1)
        assert listening.was_told
        assert not proxy.headers


def test_what_is_harmless_applies_without_permission(command: Command, folder: Path) -> None:
    write_file(folder, ".env", es_url="https://elsewhere.example", k="3", index="./here")
    found = command.run("status", "--json", cwd=folder).json
    assert found["settings"]["k"] == {"value": 3, "source": "IMGSEARCH_K in .env"}
    assert found["index"]["place"] == str(folder / "here")
    assert found["settings"]["es_url"]["value"] is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("index", "../elsewhere"),
        ("index", "~/elsewhere"),
        ("index", "my-photos"),
        ("index", "link/index"),
        ("model", "./model"),
        ("image_model", "model"),
        ("text_model", "/opt/model"),
        ("follow_links", "true"),
        ("max_megapixels", "100000"),
        ("workers", "5000"),
        ("model_id", "somebody-elses"),
        ("es_password", "theirs"),
    ],
)
@pytest.mark.parametrize("name", [".env", "imgsearch.toml"])
def test_what_needs_permission(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, key: str, value: str
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (folder / "model").mkdir()
    (folder / "link").symlink_to(tmp_path)
    write_file(folder, name, **{key: value})
    found = settings.load({}, {}, folder)
    assert found.setting(key).is_default
    [withheld] = found.not_obeyed
    assert set(withheld.settings) == {key}
    assert "theirs" not in repr(withheld.settings)
    # the user's own word is not the file's, and then there is nothing to say
    assert settings.load({}, {f"IMGSEARCH_{key.upper()}": value}, folder).not_obeyed == []


def test_a_file_that_changes_has_to_be_allowed_again(command: Command, folder: Path) -> None:
    path = write_file(folder, ".env", es_url="http://127.0.0.1:1")
    command.run("trust", cwd=folder)
    assert "127.0.0.1:1" in command.run("query", "red", cwd=folder, code=1).stderr
    path.write_text(path.read_text() + "ES_API_KEY=other\n")
    # a job that ran on a cluster does not go on elsewhere, unasked
    changed = command.run("query", "red", cwd=folder, code=2).stderr
    assert "has changed since you allowed it" in changed
    assert "imgsearch trust" in changed
    command.run("trust", cwd=folder)
    command.run("trust", "--revoke", folder)
    assert "Not obeyed: es_url, es_api_key" in command.run("query", "x", cwd=folder, code=1).stderr


def test_permission_is_for_one_path(command: Command, folder: Path, tmp_path: Path) -> None:
    allowed = write_file(folder, ".env", es_url="http://127.0.0.1:1")
    command.run("trust", folder)
    other = tmp_path / "other"
    other.mkdir()
    (other / ".env").symlink_to(allowed)
    assert "Not obeyed" in command.run("query", "red", cwd=other, code=1).stderr


def test_only_the_working_directorys_files_are_read(command: Command, folder: Path) -> None:
    write_file(folder, ".env", k="3")
    below = folder / "below"
    below.mkdir()
    status = command.run("status", "--json", cwd=below).json
    assert status["settings"]["k"]["source"] == "default"


@pytest.mark.parametrize("name", [".env", "imgsearch.toml"])
@pytest.mark.parametrize("damage", ["pipe", "device", "huge", "not UTF-8"])
def test_a_file_that_cannot_be_read_stops_nobody(
    command: Command, folder: Path, name: str, damage: str
) -> None:
    path = folder / name
    if damage == "pipe":
        os.mkfifo(path)
    elif damage == "device":
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(b"# " + b"a" * 70_000 if damage == "huge" else b"IMGSEARCH_K=\xff\n")
    status = command.run("status", cwd=folder)
    assert "Not obeyed" in status.stdout
    assert "Not obeyed: everything in it" in command.run("query", "x", cwd=folder, code=1).stderr


@pytest.mark.parametrize("fault", ["owner", "group", "everybody"])
def test_a_file_that_others_may_have_written_is_not_obeyed(
    command: Command, folder: Path, fault: str
) -> None:
    path = write_file(folder, ".env", k="3")
    if fault == "owner":
        if os.geteuid() != 0:
            pytest.skip("only root can give a file away")
        os.chown(path, 12345, 12345)
    elif fault == "group":
        os.chown(path, -1, next(group for group in (54321, *os.getgroups()) if _may_give(group)))
        path.chmod(0o664)
    else:
        path.chmod(0o666)
    status = command.run("status", "--json", cwd=folder).json
    assert status["settings"]["k"]["source"] == "default"
    [withheld] = status["not_obeyed"]
    assert list(withheld["settings"]) == ["k"]
    command.run("trust", folder, code=2)
    path.write_text("NOT_OURS=1\n")  # another program's: nothing to say
    assert command.run("status", "--json", cwd=folder).json["not_obeyed"] == []


def _may_give(group: int) -> bool:
    return os.geteuid() == 0 or group in os.getgroups()


@contextmanager
def on_a_terminal(
    command: Command, cwd: Path, *words: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [os.fspath(SCRIPT), *words],
        env=command.env(),
        cwd=cwd,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def conversation(command: Command, cwd: Path, answer: str, *words: str) -> str:
    """What a person sees who answers every question alike."""
    seen, answered = b"", 0
    with on_a_terminal(command, cwd, *words) as (process, terminal):
        while True:
            try:
                some = os.read(terminal, 4096)
            except OSError:  # the other side is closed
                break
            if not some:
                break
            seen += some  # a question may come in pieces
            if seen.count(b"[y/N]: ") > answered:
                answered += 1
                os.write(terminal, answer.encode() + b"\n")
        process.wait(60)
    return seen.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.parametrize("answer", ["y", "n"])
def test_the_way_of_es_docker_takes_one_question(
    command: Command, folder: Path, listener: Listener, authority: certificates.Authority,
    answer: str,
) -> None:  # fmt: skip
    """The README of es-docker: address, user, password and CA, all in `.env`."""
    (folder / "ca.crt").write_bytes(authority.ca.read_bytes())
    (folder / ".env").write_text(
        f"ES_URL={listener.url}\nES_USER=elastic\nES_PASSWORD='{PASSWORD}'\nES_CA_CERTS=ca.crt\n"
    )
    first = conversation(command, folder, answer, "query", "red")
    assert first.count("[y/N]") == 1
    assert listener.url in first
    assert PASSWORD not in first
    assert listener.was_told == (answer == "y")
    second = conversation(command, folder, answer, "query", "red")
    assert "[y/N]" not in second
    assert listener.was_told == (answer == "y")
    if answer == "n":  # shown where one looks, and taken back on demand
        assert "Not obeyed" in command.run("status", cwd=folder).stdout
        [withheld] = command.run("status", "--json", cwd=folder).json["not_obeyed"]
        assert withheld["why"] == "you refused this file"
        command.run("trust", folder)
        command.run("query", "red", cwd=folder, code=1)
        assert listener.was_told


def test_trust_where_there_is_nothing_to_allow(command: Command, folder: Path) -> None:
    assert "Neither .env nor" in command.run("trust", folder, code=2).stderr
    write_file(folder, ".env", k="3")
    assert "needs no permission" in command.run("trust", folder).stderr


@pytest.mark.parametrize("damage", ["[]", "{", '{"x": 1}'])
def test_a_damaged_memory_allows_nothing(command: Command, folder: Path, damage: str) -> None:
    write_file(folder, ".env", es_url="http://127.0.0.1:1")
    memory = command.home / "data" / "imgsearch" / "trusted.json"
    memory.parent.mkdir(parents=True)
    memory.write_text(damage)
    assert "Not obeyed" in command.run("query", "red", cwd=folder, code=1).stderr
    command.run("trust", folder)
    assert memory.stat().st_mode & 0o077 == 0
    assert "Not obeyed" not in command.run("query", "red", cwd=folder, code=1).stderr
