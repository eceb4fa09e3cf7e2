"""Ingesting while things go wrong: every photo is there exactly once at the end, and the log says
what was sent again."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imgsearch.errors import IndexUnavailable
from imgsearch.index.elasticsearch.requests import CreateOptions
from tests.benchmarks.elasticsearch_bulk import MODELS, rows
from tests.elasticsearch import node, servers
from tests.elasticsearch.front import Front
from tests.elasticsearch.servers import Space

LOG = "imgsearch.elastic"


@pytest.fixture
def space() -> Iterator[Space]:
    with servers.space() as made:
        yield made


@pytest.fixture
def front(space: Space) -> Iterator[Front]:
    with Front([space.server]) as made:
        yield made


def check_whole(space: Space, count: int) -> None:
    """Seen without any front."""
    index = space.open(create=False)
    space.refresh()
    assert index.count() == count
    wanted = [each.record.id for each in rows(count)]
    assert list(index.ids()) == wanted
    some = {each.record.id: each.vector for each in rows(200)}
    found = index.vectors(list(some))
    assert all(found[id].tobytes() == some[id].tobytes() for id in some)  # type: ignore[union-attr]


@pytest.mark.parametrize("fault", ["items", "429", "502", "503", "504", "cut", "silence"])
def test_one_kind_of_fault(
    space: Space,
    front: Front,
    fault: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("imgsearch.index.elasticsearch.bulk.BULK_SECONDS", 2.0)
    index = space.open(through=front.url, retry_for=60.0)
    index.stamp(MODELS)
    if fault == "items":
        front.faults.rejected_items(0.2)
    elif fault == "cut":
        front.faults.cut(every=3)
    elif fault == "silence":
        front.faults.silence(every=4, times=1)
    else:
        front.faults.status(int(fault), every=3)
    with caplog.at_level(logging.INFO, LOG):
        assert index.write(list(rows(2000))) == []
    assert index.finish() is None
    assert sum(front.faults.done.values()) > 0
    said = [each.getMessage() for each in caplog.records if each.name == LOG]
    assert any("trying again" in each for each in said)
    check_whole(space, 2000)


def test_a_search_goes_through_a_bad_moment(space: Space, front: Front) -> None:
    index = space.open(through=front.url)
    index.stamp(MODELS)
    data = list(rows(10))
    index.write(data)
    front.faults.status(503, times=2, path="_search")
    front.faults.cut(times=1, path="_count")
    assert index.count() == 10
    assert data[3].vector is not None
    assert index.search(data[3].vector, 1)[0].record == data[3].record
    assert front.faults.done == {"503": 2, "cut": 1, "silence": 0}


def test_a_listing_is_never_silently_shorter(space: Space, front: Front) -> None:
    index = space.open(through=front.url, retry_for=0.5)
    index.stamp(MODELS)
    index.write(list(rows(1200)))
    listing = index.rows()
    next(listing)
    front.faults.status(503, path="_search")
    with pytest.raises(IndexUnavailable):
        list(listing)


def test_what_was_written_before_the_time_was_up_stays(space: Space, front: Front) -> None:
    index = space.open(through=front.url, retry_for=1.0)
    index.stamp(MODELS)
    index.write(list(rows(500)))
    front.faults.status(503)
    with pytest.raises(IndexUnavailable, match="503"):
        index.write(list(rows(1000))[500:])
    front.faults.stop()
    again = space.open(through=front.url)
    known = {each.id for some in again.fingerprints() for each in some}
    assert len(known) == 500
    rest = [each for each in rows(1000) if each.record.id not in known]
    assert again.write(rest) == []
    check_whole(space, 1000)


_CHILD = """
import sys
from itertools import islice
from imgsearch.index.elasticsearch.connection import Connection
from imgsearch.index.elasticsearch.opening import open_elasticsearch
from tests.benchmarks.elasticsearch_bulk import MODELS, rows
url, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
index = open_elasticsearch(Connection(url=url), name, create=True)
index.stamp(MODELS)
known = {each.id for some in index.fingerprints() for each in some}
todo = (each for each in rows(count) if each.record.id not in known)
embedded = 0
while batch := list(islice(todo, 250)):
    embedded += len(batch)
    assert index.write(batch) == []
    print("written", embedded, flush=True)
index.finish()
print("done", embedded, flush=True)
"""


def test_killed_in_mid_ingest_the_next_run_does_the_rest(space: Space) -> None:
    command = [sys.executable, "-c", _CHILD, space.server, space.name(), "4000"]
    root = Path(__file__).parent.parent
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line.split()[1]) >= 1500:
                os.kill(child.pid, signal.SIGKILL)
                break
        written = int(line.split()[1])
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=True)
    embedded_again = int(done.stdout.split()[-1])
    # what was reported as written is never done twice; what was under way may be there, or not
    assert embedded_again <= 4000 - written
    check_whole(space, 4000)


@pytest.mark.slow
@pytest.mark.skipif(bool(servers.OUTSIDE), reason="kills nodes of its own")
@pytest.mark.parametrize("version", node.QUICK)
def test_20000_rows_through_all_faults_and_the_loss_of_a_node(
    version: str, caplog: pytest.LogCaptureFixture
) -> None:
    """5 % of the items answered 429, a 503 every 20 requests, one cut connection, and one node of
    three killed with -9."""
    count = 20_000
    with servers.cluster(version) as nodes, Front([each.url for each in nodes]) as front:
        space = Space(front.url)
        index = space.open(options=CreateOptions(replicas="1", shards=2))
        index.stamp(MODELS)
        front.faults.rejected_items(0.05)
        front.faults.status(503, every=20)
        front.faults.cut(every=15, times=1)
        writing = list(rows(count))
        killer = threading.Timer(0.0, nodes[0].kill)
        begun = time.monotonic()
        with caplog.at_level(logging.INFO, LOG):
            for start in range(0, count, 1000):
                if start == 8000:
                    killer.start()  # while the next request is under way; it may be the master
                assert index.write(writing[start : start + 1000]) == []
            index.finish()
        killer.join()
        seconds = time.monotonic() - begun
        front.faults.stop()
        check_whole(space, count)
        assert min(front.faults.done[what] for what in ("rejected items", "503", "cut")) > 0
        again = sum("trying again" in each.getMessage() for each in caplog.records)
        print(f"{version}: {count} rows in {seconds:.0f} s, {again} times sent again")
        assert again > 20
