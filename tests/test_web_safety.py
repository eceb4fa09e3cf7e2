"""What the page refuses, over raw HTTP to a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from imgsearch.web.security import Policy
from tests.command import Command
from tests.test_hostile_index import database_of
from tests.web_server import FORM, MULTIPART, Server, multipart, serving


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, demo_photos: Path, new_cache: Callable[[], Path]
) -> Command:
    home = tmp_path_factory.mktemp("home")
    command = Command(home, new_cache(), {"IMGSEARCH_MODEL": "demo"})
    photos = home / "photos"
    photos.mkdir()
    for number, photo in enumerate(sorted(demo_photos.rglob("*.png"))[:12]):
        shutil.copy(photo, photos / photo.with_suffix(".png" if number else ".jpg").name)
    command.run("ingest", photos)
    return command


@pytest.fixture(scope="module")
def server(shared: Command) -> Iterator[Server]:
    with serving(shared) as server:
        yield server


@pytest.fixture(scope="module")
def some_id(server: Server) -> str:
    return str(server.ask("/api/v1/search?q=red").json["hits"][0]["id"])


# -- names and origins


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "192.0.2.7",
        "a@localhost",
    ],
)
def test_another_host_name_gets_nothing(server: Server, host: str) -> None:
    answer = server.ask("/", Host=host)
    assert answer.status == 421
    assert b"<html" not in answer.body
    assert server.ask("/static/page.js", Host=host).status == 421
    assert server.ask("/nowhere", Host=host).status == 421


def test_refusals_of_the_api_are_json(server: Server) -> None:
    another = server.ask("/api/v1/status", Host="evil.example")
    assert another.status == 421
    assert "--allow-host" in another.json["error"]["cure"]
    foreign = server.ask("/api/v1/uploads", "POST", b"", Origin="http://evil.example")
    assert foreign.status == 403
    assert foreign.json["error"]["cure"]


def test_unless_asked_it_listens_to_this_machine_alone(server: Server) -> None:
    assert server.address.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("host", ["localhost:8642", "127.0.0.1", "[::1]:80", "LOCALHOST"])
def test_its_own_names_are_answered(server: Server, host: str) -> None:
    assert server.ask("/help", Host=host).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_changes_come_from_its_own_origin_alone(
    server: Server, some_id: str, headers: dict[str, str]
) -> None:
    picture = multipart(("address", None, b"/"), ("picture", "p.png", _png(9, 9)))
    for path, body, kind in (
        ("/upload", picture, MULTIPART),
        ("/api/v1/uploads", _png(9, 9), "image/png"),
        ("/take-along", f"id={some_id}&as=zip".encode(), FORM),
        (f"/reveal/{some_id}", b"", FORM),
    ):
        assert server.ask(path, "POST", body, Content_Type=kind, **headers).status == 403
    own = {"Origin": f"http://127.0.0.1:{server.port}"}
    assert server.ask("/upload", "POST", picture, Content_Type=MULTIPART, **own).status == 303


def test_no_other_origin_may_read(server: Server) -> None:
    answer = server.ask("/api/v1/status", Origin="http://evil.example")
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_every_answer_has_the_headers(server: Server, some_id: str) -> None:
    for path in ("/", "/?q=red", f"/thumbnail/{some_id}", f"/original/{some_id}", "/nowhere"):
        for answer in (server.ask(path), server.ask(path, Host="evil.example")):
            assert answer.headers["x-content-type-options"] == "nosniff"
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            for rule in ("frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"):
                assert rule in policy
            assert answer.headers["referrer-policy"] == "same-origin"
            assert "server" not in answer.headers


# -- who may come in


def test_a_proxys_name_is_answered_to_with_a_password(shared: Command) -> None:
    password = "Öffne dich"
    with serving(shared, "--allow-host", "Shop.Example", "--password", password) as server:
        bearer = f"Bearer {password}".encode().decode("latin-1")
        proxied = {"Host": "shop.example:443", "Authorization": bearer}
        assert server.ask("/api/v1/status", **proxied).status == 200
        from_page = {"Origin": "https://shop.example:443", **proxied}
        assert server.ask("/api/v1/uploads", "POST", _png(9, 9), **from_page).status == 201
        assert server.ask("/reveal/x", "POST", b"", Content_Type=FORM, **proxied).status == 403
        refused = server.ask("/api/v1/status", Host="shop.example")
        assert refused.status == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert "Authorization: Bearer" in refused.json["error"]["cure"]
        for host in ("evil.example", "shop.example.evil.example", "www.shop.example"):
            assert server.ask("/api/v1/status", **{**proxied, "Host": host}).status == 421
    wrong = shared.run("serve", "--allow-host", "https://shop.example", code=2)
    assert "not a host name" in wrong.stderr


@pytest.mark.parametrize("host", ["0.0.0.0"])
def test_from_elsewhere_a_token_is_needed(shared: Command, host: str) -> None:
    with serving(shared, "--host", host) as server:
        token = server.address.partition("?token=")[2]
        assert len(token) >= 16
        assert server.ask("/", Accept="*/*").status == 401
        assert server.ask("/").headers["location"] == "/sign-in"
        assert server.ask("/?token=wrong").headers["location"] == "/sign-in"
        assert server.ask("/api/v1/status", Accept="*/*").status == 401
        let_in = server.ask(f"/?q=red&token={token}")
        assert (let_in.status, let_in.headers["location"]) == (303, "/?q=red")
        assert let_in.headers["cache-control"] == "no-store"
        [cookie] = let_in.cookies
        flags = {part.strip() for part in cookie.split(";")[1:]}
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= flags
        assert token not in cookie
        assert server.ask("/?q=red", Cookie=cookie.partition(";")[0]).status == 200
        assert server.ask("/api/v1/status", Authorization=f"Bearer {token}").status == 200
        bearer = f"Bearer {token}"
        revealed = server.ask("/reveal/x", "POST", b"", Content_Type=FORM, Authorization=bearer)
        assert revealed.status == 403  # the file manager is that of who sits at this machine
        for odd in ("//evil.example/", "/\\evil.example"):
            answer = server.ask(f"{odd}?token={token}")
            assert not answer.headers["location"].startswith(("//", "/\\"))
        assert server.ask("/", Host="evil.example").status == 421


def test_a_password_is_asked_for_and_never_shown(shared: Command) -> None:
    shared.environment["IMGSEARCH_SERVE_PASSWORD"] = "open sesame"
    try:
        with serving(shared) as server:
            assert "open" not in server.address
            assert server.follow("/").text.count("<input") == 1
            wrong = server.ask("/sign-in", "POST", b"password=no", Content_Type=FORM)
            assert (wrong.status, wrong.cookies) == (403, [])
            right = server.ask("/sign-in", "POST", b"password=open+sesame", Content_Type=FORM)
            assert right.status == 303
            cookie = right.cookies[0].partition(";")[0]
            assert "sesame" not in cookie
            assert server.ask("/", Cookie=cookie).status == 200
            assert server.ask("/", Cookie=cookie[:-1]).status == 303
            assert "sesame" not in shared.run("status", "--json").stdout
            with ThreadPoolExecutor(30) as pool:  # who guesses waits, and only a few at a time
                guess = ("/sign-in", "POST", b"password=no")
                sent = [pool.submit(server.ask, *guess, Content_Type=FORM) for _ in range(30)]
            assert {each.result().status for each in sent} == {403, 429}
    finally:
        del shared.environment["IMGSEARCH_SERVE_PASSWORD"]


def test_without_a_secret_an_address_of_a_network_is_refused() -> None:
    assert not Policy().answers_to("192.168.1.7:8642")
    assert Policy("secret").answers_to("192.168.1.7:8642")
    assert not Policy("secret").answers_to("evil.example")


# -- pictures


@pytest.mark.parametrize("path", ["/etc/passwd", "../../etc/passwd", "file:///etc/passwd"])
def test_an_address_names_no_file(server: Server, path: str) -> None:
    answer = server.ask(f"/?pic={path}")
    assert answer.status == 422
    assert "only pictures that were uploaded" in answer.text
    assert server.ask(f"/api/v1/search?pic={path}").status == 422
    assert server.ask(f"/photo/0?pic={path}&at=1").status == 422
    encoded = path.replace("/", "%2F")
    for kind in ("upload", "thumbnail", "original", "static"):
        assert server.ask(f"/{kind}/{encoded}").status in (404, 422)
        assert b"root:" not in server.ask(f"/{kind}/{path}").body


@pytest.fixture(scope="module")
def hostile(
    tmp_path_factory: pytest.TempPathFactory, demo_photos: Path, new_cache: Callable[[], Path]
) -> Iterator[Server]:
    """An index in which a stranger has written other paths, and a library with a link out."""
    home = tmp_path_factory.mktemp("hostile")
    command = Command(home, new_cache(), {"IMGSEARCH_MODEL": "demo"})
    photos = home / "photos"
    photos.mkdir()
    files = sorted(demo_photos.rglob("*.png"))[:6]
    for number, photo in enumerate(files):
        shutil.copy(photo, photos / f"{number}.png")
    shutil.copy(files[0], home / "secret.png")
    (photos / "notes.png").symlink_to(home / "secret.png")
    (photos / "notes.txt").write_text("private")
    index = home / "index"
    command.run("ingest", photos, "--index", index)
    paths = [
        "../secret.png",
        str(home / "secret.png"),
        "notes.png",
        "notes.txt",
        "a/../../secret.png",
    ]
    database = database_of(index)
    connection = sqlite3.connect(database)
    for number, path in enumerate(paths):
        connection.execute(
            "UPDATE photos SET relative_path = ? WHERE relative_path = ?", (path, f"{number}.png")
        )
    connection.commit()
    connection.close()
    with serving(command, "--index", index) as server:
        yield server


def test_a_record_shows_no_file_outside_its_library(hostile: Server) -> None:
    hits = hostile.ask("/api/v1/search?q=red&k=20").json["hits"]
    good = [hit["id"] for hit in hits if hit["relative_path"] == "5.png"]
    assert len(good) == 1
    bad = [hit["id"] for hit in hits if hit["relative_path"] != "5.png"]
    assert bad
    for id in bad:
        assert hostile.ask(f"/thumbnail/{id}").status in (404, 410)
        assert hostile.ask(f"/original/{id}").status in (404, 410)
    form = "&".join(f"id={id}" for id in bad + good) + "&as=zip"
    archive = hostile.ask("/take-along", "POST", form.encode(), Content_Type=FORM).body
    assert archive.count(b"PK\x03\x04") == 1
    assert b"private" not in archive


def test_names_are_escaped(tmp_path: Path, command: Command, demo_photos: Path) -> None:
    photos = tmp_path / "<b>library"
    photos.mkdir()
    picture = next(demo_photos.rglob("*.png"))
    names = ["<script>alert(1)<", '"onload="alert(1)', "\u202egpj.exe", "{{ 7*7 }}", "'><img src=x"]
    for name in names:
        shutil.copy(picture, photos / f"{name}.png".replace("/", ""))
    command.run("ingest", photos)
    with serving(command) as server:
        pages = [server.ask("/"), server.ask("/?q=red"), server.ask("/index")]
        pages += [server.ask(f"/photo/{id}?q=red&at=1") for id in pages[1].photos]
        pages.append(server.follow("/?typed=%3Cscript%3Ealert(1)%3C/script%3E%22onload=%22x"))
        for page in pages:
            assert page.status == 200
            found = [tag for tag, _ in page.tags]
            assert found.count("script") == 1
            assert "b" not in found
            assert not [names for _, names in page.tags if "onload" in names]
            assert not [names for _, names in page.tags if names.get("src") == "x"]
            assert "\u202e" not in page.text
            assert "49.png" not in page.text
        for id in pages[1].photos:
            saved = server.ask(f"/original/{id}").headers["content-disposition"]
            assert all(character not in saved for character in '<>"?\u202e\n')


def test_markup_is_never_shown_inline(server: Server, shared: Command, some_id: str) -> None:
    original = server.ask(f"/original/{some_id}").headers
    for hit in server.ask("/api/v1/search?q=red&k=12").json["hits"]:  # one of them is named .jpg
        kind = server.ask(f"/original/{hit['id']}").headers["content-type"]
        assert kind == "image/png"
    assert original["content-disposition"].startswith("attachment")
    for body in (b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<html><script>1</script>"):
        answer = server.ask("/api/v1/uploads", "POST", body, Content_Type="image/svg+xml")
        assert answer.status == 422


# -- how much


def _png(width: int, height: int, rows: int | None = None) -> bytes:
    """A black picture; `rows`: how many there really are."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    line = b"\0" + bytes(3 * width)
    pixels = zlib.compress(line * (height if rows is None else rows), 1)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def test_an_upload_of_too_many_pixels_or_bytes_is_refused(server: Server) -> None:
    pixels = server.ask("/api/v1/uploads", "POST", _png(20_000, 20_000, rows=1))
    assert pixels.status == 422
    assert "megapixels" in pixels.json["error"]["message"]
    large = server.ask("/api/v1/uploads", "POST", bytes(65 << 20))
    assert large.status == 413


def test_an_upload_is_kept_under_a_name_of_ours(server: Server, shared: Command) -> None:
    name = "../../evil<>.png"
    body = multipart(("address", None, b"/"), ("picture", name, _png(64, 48)))
    assert server.ask("/upload", "POST", body, Content_Type=MULTIPART).status == 303
    everything = [path.name for path in (*shared.home.rglob("*"), *shared.cache.rglob("*"))]
    assert not [name for name in everything if "evil" in name]
    kept = list(shared.cache.rglob("uploads/*"))
    assert kept
    for path in kept:
        assert path.suffix == ".webp"
        assert os.name == "nt" or path.parent.stat().st_mode & 0o077 == 0


def test_an_upload_leads_to_no_other_address(server: Server) -> None:
    for address in (b"http://evil.example/?q=x", b"//evil.example/?q=x", b"javascript:alert(1)"):
        body = multipart(("address", None, address), ("picture", "p.png", _png(9, 9)))
        sent = server.ask("/upload", "POST", body, Content_Type=MULTIPART)
        assert sent.headers["location"].startswith("/?")


def test_an_upload_brings_few_files(server: Server) -> None:
    pictures = [("picture", f"{n}.png", _png(9, 9)) for n in range(9)]
    body = multipart(("address", None, b"/"), *pictures)
    assert server.ask("/upload", "POST", body, Content_Type=MULTIPART).status == 400


def test_200_searches_at_once_wait_or_are_told_to(server: Server) -> None:
    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(lambda n: server.ask(f"/?q=red+{n}&k=3").status, range(200)))
    assert set(answers) <= {200, 429}
    assert answers.count(200) >= 1
    assert server.ask("/?q=red").status == 200


def test_a_flood_of_uploads_waits_or_is_told_to(server: Server) -> None:
    picture = _png(3000, 2000)
    with ThreadPoolExecutor(40) as pool:
        sent = [pool.submit(server.ask, "/api/v1/uploads", "POST", picture) for _ in range(40)]
        answers = [each.result().status for each in sent]
    assert set(answers) <= {201, 429}
    assert answers.count(201) >= 1


_SLOW_SERVER = """
import json
import sys
from pathlib import Path
from imgsearch import library, settings
from imgsearch.web import context, server
from imgsearch.web.limits import Limits
from imgsearch.web.server import Service

chosen = settings.defaults(index=sys.argv[1], model="demo")
service = Service(port=0)
limits = Limits(**json.loads(sys.argv[3]))
page = context.made(
    lambda: library.open_library(chosen), service.policy(), Path(sys.argv[2]), 100.0,
    local=True, report_bug=lambda error: repr(error), limits=limits,
)
listening = server.listen(service.host, 0)
server.serve(service, page, listening, lambda line: print(line, flush=True), print)
"""


@contextmanager
def limited(shared: Command, folder: Path, **limits: float) -> Iterator[Server]:
    """The page under other limits."""
    import subprocess
    import sys

    index = shared.home / "data" / "imgsearch"
    [current] = index.rglob("CURRENT")
    words = [str(current.parent), str(folder), json.dumps(limits)]
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW_SERVER, *words], env=shared.env(), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield Server(process, process.stdout.readline().decode().strip())
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def impatient(shared: Command, tmp_path: Path) -> Iterator[Server]:
    """One second for each request, one search at a time and two that wait."""
    limits = {"idle_seconds": 1, "body_seconds": 1.0, "searches": 1, "searches_waiting": 2}
    with limited(shared, tmp_path, **limits) as server:
        yield server


def test_of_too_many_connections_and_uploads_some_are_refused(
    shared: Command, tmp_path: Path
) -> None:
    picture = multipart(("address", None, b"/"), ("picture", "p.png", _png(9, 9)))
    head = f"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: {MULTIPART}\r\n"
    limits = {"connections": 5, "uploads": 1, "body_bytes": 5000}
    with limited(shared, tmp_path, **limits) as server, ExitStack() as open_ones:

        def connect() -> socket.socket:
            made = socket.create_connection(("127.0.0.1", server.port), timeout=30)
            return open_ones.enter_context(made)

        slow = connect()  # its body is under way
        slow.sendall(f"{head}Content-Length: {len(picture)}\r\n\r\n".encode() + picture[:20])
        answer = server.ask("/upload", "POST", picture, Content_Type=MULTIPART)
        assert answer.status == 429
        slow.sendall(picture[20:])
        assert slow.recv(12) == b"HTTP/1.1 303"
        assert server.ask("/upload", "POST", bytes(9000), Content_Type=MULTIPART).status == 413
        for _ in range(5):
            connect()
        assert server.ask("/help").status == 503


def test_a_body_that_does_not_arrive_is_408(impatient: Server) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=30) as slow:
        slow.sendall(
            b"POST /api/v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc"
        )
        assert slow.recv(12) == b"HTTP/1.1 408"
        assert impatient.ask("/help").status == 200


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: local"])
def test_a_request_that_does_not_arrive_ends_the_connection(impatient: Server, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=30) as slow:
        slow.sendall(sent)
        assert slow.recv(1) == b""  # closed, not timed out


def test_what_does_not_fit_the_queue_is_429(impatient: Server) -> None:
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda n: impatient.ask(f"/?q=red+{n}"), range(30)))
    statuses = {answer.status for answer in answers}
    assert statuses == {200, 429}
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.headers["retry-after"]
    assert "Try again" in refused.text


def test_a_head_that_is_too_large_is_refused(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as large:
        large.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000)
        assert b" 400 " in large.recv(100)


def test_ctrl_c_ends_it_while_requests_are_under_way(shared: Command) -> None:
    with serving(shared) as server:
        stalled = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        stalled.sendall(b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n")
        asking = threading.Thread(target=_ask_for_ever, args=(server,), daemon=True)
        asking.start()
        server.ask("/help")
        assert server.stop() == 0
        assert server.process.communicate()[1] == b"Ctrl+C ends it.\n"
        stalled.close()


def _ask_for_ever(server: Server) -> None:
    while True:
        try:
            server.ask("/?q=red")
        except OSError:
            return
