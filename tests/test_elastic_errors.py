"""What goes wrong between imgsearch and a cluster: each case has its own message and its cure, and
no message ever shows a credential."""

from __future__ import annotations

import re
import socket
import time
import traceback
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from imgsearch.errors import (
    ImgsearchError,
    IndexContradiction,
    IndexNotFound,
    IndexTooNew,
    IndexUnavailable,
    UsageError,
)
from imgsearch.index.base import Row
from imgsearch.index.elasticsearch import connection as connections
from imgsearch.index.elasticsearch.client_exceptions import Symptom
from imgsearch.index.elasticsearch.connection import Connection
from imgsearch.index.elasticsearch.errors import diagnosis
from imgsearch.index.elasticsearch.requests import CreateOptions
from imgsearch.output import cures
from tests import readme
from tests.elasticsearch import certificates, privileges, servers
from tests.elasticsearch.front import Answer, Front, User
from tests.elasticsearch.servers import Space
from tests.index_contract import MODELS, OTHER_MODELS, record, row, vector

PASSWORD = "s3cret #with 'quotes'"
API_KEY = "c2VjcmV0OnRoZSBrZXkgaXRzZWxm"


@pytest.fixture
def space() -> Iterator[Space]:
    with servers.space() as made:
        yield made


@pytest.fixture
def tls_front(space: Space, authority: certificates.Authority) -> Iterator[Front]:
    users = {"elastic": User(PASSWORD)}
    with Front([space.server], users=users, tls=authority.context()) as front:
        yield front


def told(space: Space, connection: Connection, name: str = "photos") -> ImgsearchError:
    """The error, after a look that no credential is in it or in what it came from."""
    with pytest.raises(ImgsearchError) as caught:
        space.open(name, create=False, connection=connection)
    check_discreet(caught.value)
    return caught.value


def check_discreet(error: ImgsearchError) -> None:
    shown = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    for text in (error.message, error.cure, repr(error), shown):
        for secret in (PASSWORD, API_KEY, "s3cret"):
            assert secret not in text
    assert error.message
    assert error.cure
    assert "\n" not in error.message + error.cure


# -- reaching it


def test_nothing_listens_there(space: Space) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = told(space, Connection(url=f"http://127.0.0.1:{unused.getsockname()[1]}"))
    assert isinstance(error, IndexUnavailable)
    assert "nothing answers" in error.message
    assert "9200" in error.cure


def test_no_such_host(space: Space) -> None:
    error = told(space, Connection(url="https://nowhere.invalid:9200"))
    assert "no such host" in error.message


def test_https_where_http_is_spoken(space: Space) -> None:
    with Front([space.server]) as front:
        error = told(space, Connection(url=front.url.replace("http:", "https:")))
    assert "plain HTTP" in error.message
    assert "http://" in error.cure


def test_http_where_https_is_spoken(space: Space, tls_front: Front) -> None:
    error = told(space, Connection(url=tls_front.url.replace("https:", "http:")))
    assert "https://" in error.cure


def test_a_ca_that_is_not_trusted(space: Space, tls_front: Front) -> None:
    error = told(space, Connection(url=tls_front.url, user="elastic", password=PASSWORD))
    assert "not trusted" in error.message
    assert "--ca-certs" in cures.of(error)


def test_the_wrong_ca(space: Space, tls_front: Front, tmp_path: Path) -> None:
    other = certificates.authority(tmp_path / "other", "another authority")
    error = told(space, Connection(url=tls_front.url, ca_certs=str(other.ca)))
    assert "not trusted" in error.message


@pytest.mark.parametrize("content", [None, "no PEM at all"])
def test_a_ca_file_that_is_none(space: Space, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.crt"
    if content is not None:
        file.write_text(content, "utf-8")
    error = told(space, Connection(url="https://127.0.0.1:9200", ca_certs=str(file)))
    assert str(file) in error.message


def test_a_certificate_of_another_host(space: Space, authority: certificates.Authority) -> None:
    with Front([space.server], tls=authority.context("DNS:elsewhere.example")) as front:
        error = told(space, Connection(url=front.url, ca_certs=str(authority.ca)))
    assert "another host name" in error.message


def test_a_certificate_that_has_expired(space: Space, authority: certificates.Authority) -> None:
    context = authority.context(days=0)
    time.sleep(1.1)
    with Front([space.server], tls=context) as front:
        error = told(space, Connection(url=front.url, ca_certs=str(authority.ca)))
    assert "expired" in error.message


def test_a_pinned_certificate(space: Space, authority: certificates.Authority) -> None:
    with Front([space.server], tls=authority.context()) as front:
        right = Connection(url=front.url, ssl_assert_fingerprint=authority.fingerprint())
        assert space.open(connection=right).count() == 0
        wrong = Connection(url=front.url, ssl_assert_fingerprint="ab" * 32)
        assert "fingerprint" in told(space, wrong).message


def test_certificates_are_verified_unless_told_otherwise(space: Space, tls_front: Front) -> None:
    trusted = Connection(url=tls_front.url, user="elastic", password=PASSWORD, verify_certs=False)
    assert connections.CERTIFICATES_NOT_VERIFIED in space.open(connection=trusted).notes


def test_another_kind_of_server(space: Space) -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        error = told(space, Connection(url=f"http://127.0.0.1:{server.server_address[1]}"))
        server.shutdown()
    assert "not Elasticsearch" in error.message


def test_a_server_that_is_too_old(space: Space) -> None:
    with Front([space.server]) as front:
        old = {"version": {"number": "8.5.3"}, "tagline": "You Know, for Search"}
        front.handlers.insert(0, lambda r: Answer.json(old) if r.path == "/" else None)
        error = told(space, Connection(url=front.url))
    assert "8.5.3" in error.message
    assert "8.6" in error.cure


@pytest.mark.parametrize(
    "url", ["ftp://host:9200", "https://", "http://host:port", "https://u:s3cret@:1"]
)
def test_no_address_of_a_cluster(space: Space, url: str) -> None:
    assert "https://host:9200" in told(space, Connection(url=url)).cure


def test_a_cloud_id_that_is_none(space: Space) -> None:
    assert "ES_CLOUD_ID" in told(space, Connection(cloud_id="nonsense")).message


# -- being let in


def test_a_wrong_password(
    space: Space, tls_front: Front, authority: certificates.Authority
) -> None:
    ca = str(authority.ca)
    wrong = Connection(url=tls_front.url, ca_certs=ca, user="elastic", password=PASSWORD + "!")
    assert "does not accept the password" in told(space, wrong).message
    assert "wants credentials" in told(space, Connection(url=tls_front.url, ca_certs=ca)).message


def test_a_wrong_api_key(space: Space) -> None:
    with Front([space.server], api_keys={"cmlnaHQ6a2V5": privileges.SUPERUSER}) as front:
        assert "API key" in told(space, Connection(url=front.url, api_key=API_KEY)).message
        assert space.open(connection=Connection(url=front.url, api_key="right:key")).count() == 0


@pytest.mark.parametrize("key", [f"{API_KEY}\r\nx: y", f"{API_KEY} {API_KEY}", f"é{API_KEY}"])
def test_an_api_key_that_cannot_be_one(space: Space, key: str) -> None:
    assert "ES_API_KEY" in told(space, Connection(url=space.server, api_key=key)).message


def test_a_user_without_a_password(space: Space) -> None:
    assert "ES_PASSWORD" in told(space, Connection(url=space.server, user="elastic")).message


def test_a_password_in_the_url_serves_and_is_not_repeated(space: Space) -> None:
    with Front([space.server], users={"el@stic": User("p/s3cret")}) as front:
        url = front.url.replace("://", "://el%40stic:p%2Fs3cret@")
        index = space.open(connection=Connection(url=url))
        assert connections.PASSWORD_IN_URL in index.notes
        assert "s3cret" not in index.place + repr(Connection(url=url, password="s3cret"))
        assert index.place == f"{front.url}/{space.name()}"


def test_a_key_that_may_only_search(space: Space) -> None:
    index = space.open()
    index.stamp(MODELS)
    index.write([row("a.jpg", 1)])
    index.finish()
    with Front([space.server], api_keys={API_KEY: privileges.SEARCH_ONLY}) as front:
        restricted = Connection(url=front.url, api_key=API_KEY)
        searcher = space.open(create=False, connection=restricted)
        assert len(searcher.search(vector(1), 3)) == 1
        with pytest.raises(IndexUnavailable) as caught:
            searcher.write([row("b.jpg", 2)])
        check_discreet(caught.value)
        assert "indices:data/write/bulk" in caught.value.message
        assert "write" in caught.value.cure
        with pytest.raises(IndexUnavailable) as caught:
            space.open("new", connection=restricted)
        assert "create_index" in caught.value.cure


def test_a_key_that_may_make_no_index_keeps_no_summary(space: Space) -> None:
    """The summary lies in an index of its own."""
    assert privileges.INGEST_ONLY.privileges is not None
    index = space.open()
    index.stamp(MODELS)
    rights = privileges.Profile(privileges.INGEST_ONLY.privileges - {"create_index"})
    with Front([space.server], api_keys={API_KEY: rights}) as front:
        ingester = space.open(connection=Connection(url=front.url, api_key=API_KEY))
        ingester.stamp(MODELS)
        assert ingester.write([row("a.jpg", 1)]) == []
        ingester.record_ingest({"added": 1})
        assert any("summary could not be kept" in note for note in ingester.notes)
        assert ingester.count() == 1


def test_a_key_that_may_ingest_and_not_manage(space: Space) -> None:
    index = space.open()
    index.stamp(MODELS)
    with Front([space.server], api_keys={API_KEY: privileges.INGEST_ONLY}) as front:
        ingester = space.open(connection=Connection(url=front.url, api_key=API_KEY))
        ingester.stamp(MODELS)
        assert ingester.write([row("a.jpg", 1)]) == []
        ingester.finish()
        ingester.record_ingest({"added": 1})
        kept = index.info().last_ingest
        assert kept is not None
        assert kept["added"] == 1
        assert ingester.erase([record("a.jpg").id]) == 1
        assert any("next merge" in note for note in ingester.notes)
        assert ingester.count() == 0


# -- the index


def test_no_index_of_that_name(space: Space) -> None:
    error = told(space, Connection(url=space.server), "nothing")
    assert isinstance(error, IndexNotFound)
    assert "ingest" in cures.of(error)


@pytest.mark.parametrize("name", ["My Photos", "_photos", "a,b", "photos*", "..", "x" * 250])
def test_a_name_that_no_index_can_have(space: Space, name: str) -> None:
    from imgsearch.index.elasticsearch.opening import open_elasticsearch

    with pytest.raises(UsageError, match="name of an index"):
        open_elasticsearch(Connection(url=space.server), name, create=True)


def test_an_alias_over_two_indices(space: Space) -> None:
    for name in ("one", "two"):
        space.request("PUT", space.name(name), {"aliases": {space.name("both"): {}}})
    error = told(space, Connection(url=space.server), "both")
    assert isinstance(error, IndexContradiction)
    assert space.name("one") in error.message
    assert space.name("two") in error.message


def test_an_index_of_something_else(space: Space) -> None:
    properties = {"message": {"type": "text"}}
    space.request("PUT", space.name(), {"mappings": {"properties": properties}})
    error = told(space, Connection(url=space.server))
    assert isinstance(error, IndexContradiction)
    assert "image_embedding" in error.message


def test_an_index_of_a_newer_schema(space: Space) -> None:
    meta = {"schema_version": 99, "index_id": "x"}
    space.request("PUT", space.name(), {"mappings": {"_meta": meta}})
    error = told(space, Connection(url=space.server))
    assert isinstance(error, IndexTooNew)
    assert "99" in error.message


def test_an_index_of_other_dims(space: Space) -> None:
    index = space.open()
    index.stamp(MODELS)
    index.write([row("a.jpg", 1)])
    with pytest.raises(IndexContradiction, match="32 dimensions; the model makes 16"):
        index.search(vector(1, 16), 3)
    with pytest.raises(IndexContradiction, match="picture model"):
        index.stamp(OTHER_MODELS)


def test_more_neighbours_than_the_server_gives(space: Space) -> None:
    index = space.open()
    index.stamp(MODELS)
    index.write([row("a.jpg", 1)])
    assert len(index.search(vector(1), 10_000)) == 1
    with pytest.raises(UsageError, match="10,000"):
        index.search(vector(1), 10_001)


@pytest.mark.parametrize(
    ("block", "words"),
    [("read_only_allow_delete", "flood stage"), ("write", "takes no writes")],
)
def test_a_read_only_index(space: Space, block: str, words: str) -> None:
    index = space.open()
    index.stamp(MODELS)
    index.write([row("a.jpg", 1)])
    space.request("PUT", f"{space.name()}/_settings", {f"index.blocks.{block}": True})
    begun = time.monotonic()
    with pytest.raises(IndexUnavailable, match=words):
        index.write([row("b.jpg", 2)])
    assert time.monotonic() - begun < 5  # nobody waits for a disk to become empty
    assert len(index.search(vector(1), 3)) == 1
    space.request("PUT", f"{space.name()}/_settings", {f"index.blocks.{block}": None})


def test_an_index_that_is_deleted_meanwhile(space: Space) -> None:
    index = space.open()
    index.stamp(MODELS)
    index.write([row("a.jpg", 1)])
    [name] = space.request("GET", f"{space.name()}?filter_path=*.settings.index.uuid")
    space.request("DELETE", name)
    with pytest.raises(IndexUnavailable, match="deleted or replaced"):
        index.write([row("b.jpg", 2)])
    # and the rows did not make an index of their own
    assert space.request("GET", f"{space.prefix}*?filter_path=*.settings.index.uuid") == {}


def test_a_request_that_is_too_large_is_halved(space: Space) -> None:
    with Front([space.server]) as front:
        too_many = 20_000  # bytes

        def refuse(request: object) -> Answer | None:
            if len(getattr(request, "body", b"")) > too_many:
                return Answer(413, b"<html>too large</html>", {"content-type": "text/html"})
            return None

        front.handlers.insert(0, refuse)
        index = space.open(through=front.url)
        index.stamp(MODELS)
        assert index.write([row(f"{n}.jpg", n) for n in range(300)]) == []
        assert index.count() == 300
        too_many = 100
        with pytest.raises(IndexUnavailable, match="too large"):
            index.write([row("one.jpg", 1)])


def test_a_quantization_that_the_server_does_not_have(space: Space) -> None:
    with Front([space.server]) as front:
        old = {"version": {"number": "8.13.0"}, "tagline": "You Know, for Search"}
        front.handlers.insert(0, lambda r: Answer.json(old) if r.path == "/" else None)
        with pytest.raises(UsageError) as caught:
            space.open(through=front.url, options=CreateOptions(quantization="bbq"))
    assert "8.13.0" in caught.value.message
    assert "8.16" in caught.value.cure
    assert "int8" in caught.value.cure


def test_gives_up_when_the_time_is_over(space: Space) -> None:
    with Front([space.server]) as front:
        index = space.open(through=front.url, retry_for=1.0)
        index.stamp(MODELS)
        front.faults.status(503)
        with pytest.raises(IndexUnavailable) as caught:
            index.write([row("a.jpg", 1)])
        assert front.faults.done["503"] > 1
    assert "503" in caught.value.message


def test_a_row_that_waits_too_long_says_what_is_left(space: Space) -> None:
    with Front([space.server]) as front:
        index = space.open(through=front.url, retry_for=1.0)
        index.stamp(MODELS)
        front.faults.rejected_items(1.0)
        with pytest.raises(IndexUnavailable, match="1 seconds") as caught:
            index.write([Row(record("a.jpg"), vector(1))])
    assert "run the same command again" in caught.value.cure


# -- the table


def test_every_row_of_the_table_reads_well() -> None:
    for seen, cure in readme.cluster_errors():
        assert "{" not in re.sub(r"_settings? \{.*\}|/settings \{.*\}", "", seen + cure)
        assert seen[0].isupper() or seen.startswith(("<", "eland "))  # names of programs


def test_whatever_a_server_says_has_a_row() -> None:
    error = diagnosis(Symptom("http", "strange {braces}", 418, "teapot_exception"), "http://host")
    assert "418 teapot_exception: strange {braces}" in error.message
