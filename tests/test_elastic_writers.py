"""Several writers of one index on a cluster, other programs among them: nobody's rows are lost
without a word."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgsearch.errors import ImgsearchError, IndexContradiction, IndexUnavailable
from imgsearch.index.base import Filter, Row
from imgsearch.models.base import unit
from imgsearch.output import cures
from tests.command import Command
from tests.elasticsearch import servers
from tests.elasticsearch.front import Answer, Front, Request
from tests.elasticsearch.servers import Space
from tests.index_contract import MODELS, OTHER_MODELS, filled, record, row, vector


@pytest.fixture
def space() -> Iterator[Space]:
    with servers.space() as made:
        yield made


@pytest.fixture
def on_cluster(command: Command, space: Space) -> Command:
    command.environment["ES_URL"] = space.server
    command.environment["IMGSEARCH_INDEX"] = space.name()
    return command


def when(front: Front, method: str, ending: str, action: Callable[[], object]) -> None:
    """`action` runs once, before the first such request reaches the node."""
    done: list[bool] = []

    def handler(request: Request) -> Answer | None:
        if not done and request.method == method and request.path.endswith(ending):
            done.append(True)
            action()
        return None

    front.handlers.append(handler)


def tutorial_documents(space: Space, dims: int, count: int = 60) -> None:
    """As the tutorial's script writes them: no `_id`, no library."""
    chance = np.random.default_rng(5)
    for n in range(count):
        made = unit(chance.standard_normal(dims)).tolist()
        name = f"theirs/{n}.jpg"
        document = {"image_id": f"IMG_{n}", "image_name": f"{n}.jpg", "relative_path": name}
        space.request("POST", f"/{space.name()}/_doc", {**document, "image_embedding": made})
    space.request("POST", f"/{space.name()}/_refresh")


def count(space: Space, query: dict[str, Any] | None = None) -> int:
    space.refresh()
    body = {"query": query or {"match_all": {}}}
    return int(space.request("POST", f"/{space.name()}/_count", body)["count"])


THEIRS = {"prefix": {"image_id": "IMG_"}}


def demo_dims(command: Command, space: Space, folder: Path) -> int:
    """Dimensions of the demo's model, from an index of its own."""
    there = f"{space.server}/{space.name('probe')}"
    command.run("--index", there, "ingest", "--limit", "1", folder)
    [found] = space.request("GET", f"/{space.name('probe')}").values()
    return int(found["mappings"]["properties"]["image_embedding"]["dims"])


def test_the_tutorials_documents_outlive_ingesting_and_embedding_anew(
    on_cluster: Command, space: Space, album: Path
) -> None:
    dims = demo_dims(on_cluster, space, album)
    keyword = {"type": "keyword"}
    properties = {
        "image_embedding": {
            "type": "dense_vector", "dims": dims, "index": True, "similarity": "cosine",
        },
        "image_id": keyword, "image_name": keyword, "relative_path": keyword,
    }  # fmt: skip
    space.request("PUT", f"/{space.name()}", {"mappings": {"properties": properties}})
    tutorial_documents(space, dims)
    on_cluster.run("ingest", "-y", album)
    refused = on_cluster.run("ingest", "--re-embed", code=1)
    assert space.name() in refused.stderr
    assert "lose" in refused.stderr
    assert count(space, THEIRS) == 60
    on_cluster.run("ingest", "--re-embed", "--prune")  # as its sentence says
    assert (count(space, THEIRS), count(space)) == (0, 8)


def test_documents_that_another_program_wrote_into_ours_are_seen_and_kept(
    on_cluster: Command, space: Space, album: Path
) -> None:
    on_cluster.run("ingest", album)
    [described] = space.request("GET", f"/{space.name()}").values()
    dims = described["mappings"]["properties"]["image_embedding"]["dims"]
    tutorial_documents(space, dims, 3)
    assert f"{space.name()}-000001" in on_cluster.run("status", "-v").stdout
    assert on_cluster.run("ingest", "--re-embed", code=1).stderr
    assert count(space) == 11
    on_cluster.run("remove", "-y", f"{space.name()}-000001")
    assert (count(space, THEIRS), count(space)) == (0, 8)
    on_cluster.run("ingest", "--re-embed")
    assert count(space) == 8


def test_removing_a_library_removes_its_own_documents_alone(space: Space) -> None:
    index = filled(space.open, [row("a.jpg", 1), row("b.jpg", 2, "other")])
    mine, theirs = record("a.jpg"), record("b.jpg", "other")
    odd = {"image_id": theirs.id, "library": "holiday", "relative_path": "odd.jpg"}
    space.request(
        "PUT", f"/{space.name()}/_doc/odd", {**odd, "image_embedding": vector(3).tolist()}
    )
    space.refresh()
    assert sorted(index.ids(Filter.within("holiday"))) == sorted([mine.id, "odd"])
    assert index.erase(list(index.ids(Filter.within("holiday")))) == 2
    assert list(index.ids()) == [theirs.id]


# -- one machine embeds everything anew while another ingests


def rows(*names: str) -> list[Row]:
    return [Row(record(name), vector(seed)) for seed, name in enumerate(names)]


@pytest.mark.parametrize("moment", [("PUT", "_block/write"), ("POST", "_search")])
def test_rows_that_another_machine_writes_before_the_switch_are_taken_over(
    space: Space, moment: tuple[str, str]
) -> None:
    filled(space.open, rows("a.jpg", "b.jpg"))
    other = space.open()
    with Front([space.server]) as front:
        index = space.open(through=front.url)
        successor = index.successor(OTHER_MODELS)
        successor.write(rows("a.jpg", "b.jpg"))
        when(front, *moment, lambda: other.write(rows("a.jpg", "b.jpg", "c.jpg", "d.jpg")[2:]))
        caught_up: list[bool] = []

        def catch_up() -> None:
            caught_up.append(True)
            successor.write(rows("a.jpg", "b.jpg", "c.jpg", "d.jpg"))

        successor.promote(catch_up)
        assert caught_up == [True]
        successor.close()
    assert {each.record.relative_path for each in space.open().rows()} == {
        "a.jpg", "b.jpg", "c.jpg", "d.jpg",
    }  # fmt: skip


def test_rows_that_cannot_be_taken_over_stop_the_switch_and_stay(space: Space) -> None:
    index = filled(space.open, rows("a.jpg"))
    other = space.open()
    successor = index.successor(OTHER_MODELS)
    successor.write(rows("a.jpg"))
    other.write([row("away.jpg", 7, "theirs")])
    with pytest.raises(IndexUnavailable, match=r"theirs/away\.jpg") as refused:
        successor.promote()
    assert "--re-embed" in cures.of(refused.value)
    assert {each.record.relative_path for each in space.open().rows()} == {"a.jpg", "away.jpg"}
    assert other.write([row("later.jpg", 8)]) == []  # the block is lifted


def test_what_another_machine_writes_during_the_switch_is_refused_with_a_sentence(
    space: Space,
) -> None:
    filled(space.open, rows("a.jpg"))
    other = space.open()
    told: list[str] = []

    def write() -> None:
        try:
            other.write([row("late.jpg", 9)])
        except ImgsearchError as error:
            told.append(f"{error.message} {error.cure}")

    thread = threading.Thread(target=write)
    with Front([space.server]) as front:
        index = space.open(through=front.url)
        successor = index.successor(OTHER_MODELS)
        successor.write(rows("a.jpg"))
        when(front, "POST", "_aliases", lambda: (thread.start(), threading.Event().wait(0.5)))
        successor.promote()
        successor.close()
    thread.join(60)
    assert len(told) == 1
    assert "Run the same command again" in told[0]


def test_a_write_waits_for_a_switch_that_is_given_up(space: Space) -> None:
    index = filled(space.open, rows("a.jpg"))
    other, result = space.open(), []
    successor = index.successor(OTHER_MODELS)
    successor.write(rows("a.jpg"))
    thread = threading.Thread(target=lambda: result.append(other.write([row("late.jpg", 9)])))
    [name] = space.request("GET", f"/{space.name()}")
    space.request("PUT", f"/{name}/_block/write")
    thread.start()
    thread.join(1)
    assert thread.is_alive()
    space.request("PUT", f"/{name}/_settings", {"index.blocks.write": None})
    thread.join(60)
    assert result == [[]]
    successor.promote(lambda: successor.write([row("late.jpg", 9)]))
    assert count(space) == 2


def test_a_block_that_nobody_is_about_to_lift_is_told_at_once(space: Space) -> None:
    index = filled(space.open, rows("a.jpg"))
    [name] = space.request("GET", f"/{space.name()}")
    space.request("PUT", f"/{name}/_block/write")
    with pytest.raises(IndexUnavailable, match="index write"):
        index.write([row("late.jpg", 9)])


def test_killed_before_the_switch_the_next_call_goes_on(space: Space) -> None:
    """As a kill leaves it: writes are blocked, the successor is whole, nothing is switched."""
    index = filled(space.open, rows("a.jpg", "b.jpg"))
    with Front([space.server]) as front:
        broken = space.open(through=front.url, retry_for=0.5)
        successor = broken.successor(OTHER_MODELS)
        successor.write(rows("a.jpg", "b.jpg"))
        front.faults.status(500, path="_aliases")
        front.faults.status(500, path="_settings")
        with pytest.raises(ImgsearchError):
            successor.promote()
    again = index.successor(OTHER_MODELS)
    assert again.count() == 2  # nothing is embedded twice
    again.promote()
    assert space.open().models() == OTHER_MODELS
    assert space.open().write([row("c.jpg", 3)]) == []
    assert count(space) == 3


# -- what is recorded of the index


def test_a_summary_that_comes_late_leaves_the_stamp(space: Space) -> None:
    """It was read before another machine's stamp, and written after it."""
    other = space.open()
    with Front([space.server]) as front:
        index = space.open(through=front.url)
        when(front, "PUT", "_mapping", lambda: other.stamp(MODELS))
        when(front, "PUT", "-notes", lambda: other.stamp(MODELS))
        index.record_ingest({"added": 0})
    other.write([row("a.jpg", 1)])
    other.finish()
    found = space.open(create=False)
    assert found.models() == MODELS
    assert found.info().last_ingest == {"added": 0}


def test_a_stamp_that_was_written_over_is_mended(space: Space) -> None:
    """As versions before this one did with the summary of an ingest."""
    index = space.open()
    index.stamp(MODELS)
    [(name, described)] = space.request("GET", f"/{space.name()}").items()
    meta = described["mappings"]["_meta"]
    del meta["models"]
    space.request("PUT", f"/{name}/_mapping", {"_meta": meta | {"last_ingest": {"added": 7}}})
    index.write([row("a.jpg", 1)])
    index.finish()
    assert space.open().models() == MODELS
    assert space.open().info().last_ingest == {"added": 7}


def test_of_two_machines_that_stamp_at_once_one_is_told_before_it_ends(space: Space) -> None:
    other = space.open()
    with Front([space.server]) as front:
        index = space.open(through=front.url)
        when(front, "PUT", "_mapping", lambda: other.stamp(MODELS))
        index.stamp(OTHER_MODELS)
    other.write([row("a.jpg", 1)])
    with pytest.raises(IndexContradiction):
        other.finish()


# -- how much is asked


def asked(front: Front, command: Command, *words: str) -> list[str]:
    before = len(front.requests)
    command.run(*words)
    return [f"{one.method} {one.path}" for one in front.requests[before:]]


def test_a_query_asks_three_times_and_twice_where_the_index_is_known(
    on_cluster: Command, space: Space, album: Path, new_cache: Callable[[], Path]
) -> None:
    with Front([space.server]) as front:
        on_cluster.environment["ES_URL"] = front.url
        on_cluster.cache = new_cache()
        on_cluster.run("ingest", album)
        for left in on_cluster.cache.rglob("cluster-*.json"):
            left.unlink()  # as on another machine
        first = asked(front, on_cluster, "query", "a cat")
        again = asked(front, on_cluster, "query", "a cat", "-k", "3")
        named = asked(front, on_cluster, "query", "moon", "-k", "3")
        only = asked(front, on_cluster, "query", "--match", "moon", "--under", "album")
        [photo] = album.rglob("moon.png")
        similar = asked(front, on_cluster, "similar", str(photo))
    assert len(first) <= 3, first
    assert len(again) <= 2, again
    assert len(named) <= 2, named  # by words and by the vector at once
    assert len(only) <= 3, only
    assert len(similar) <= 3, similar


def test_few_photos_are_said_to_be_few(on_cluster: Command, album: Path) -> None:
    on_cluster.run("ingest", album)
    assert "The index holds only 8 photos" in on_cluster.run("query", "a cat").stderr


def test_a_query_of_an_index_that_is_empty_by_now_says_so(on_cluster: Command, album: Path) -> None:
    on_cluster.run("ingest", album)
    on_cluster.run("remove", "-y", "album")
    assert "Nothing has been ingested" in on_cluster.run("query", "a cat", code=1).stderr


@pytest.mark.parametrize(
    ("path", "words"),
    [("/", ["ingest", "--limit", "1", "{album}"]), ("photos", ["query", "a cat"])],
)
def test_a_cluster_that_cannot_answer_yet_is_asked_again(
    on_cluster: Command, space: Space, album: Path, path: str, words: list[str]
) -> None:
    on_cluster.run("ingest", "--limit", "1", album)
    words = [word.format(album=album) for word in words]
    with Front([space.server]) as front:
        on_cluster.environment["ES_URL"] = front.url
        front.faults.status(503, times=2, path=path)
        on_cluster.run(*words)
        assert front.faults.done["503"] == 2


# -- blocks, and indexes that are closed


@pytest.mark.parametrize("block", ["read", "write", "read_only", "metadata"])
def test_the_cure_of_a_block_lifts_it(space: Space, block: str) -> None:
    index = filled(space.open, rows("a.jpg"))
    [name] = space.request("GET", f"/{space.name()}")
    space.request("PUT", f"/{name}/_block/{block}")

    def use() -> None:
        index.write(rows("b.jpg"))
        assert index.search(vector(0), 1)
        index._live.change_meta()

    with pytest.raises(IndexUnavailable) as refused:
        use()
    body = json.loads(re.findall(r"\{.*\}", refused.value.cure)[0])
    space.request("PUT", f"/{name}/_settings", body)
    use()


@pytest.mark.parametrize("block", ["read", "write", "read_only", "metadata", "closed"])
def test_the_doctor_sees_blocks_and_closed_indexes(
    on_cluster: Command, space: Space, album: Path, block: str
) -> None:
    on_cluster.run("ingest", "--limit", "1", album)
    [name] = space.request("GET", f"/{space.name()}")
    if block == "closed":
        space.request("POST", f"/{name}/_close")
    else:
        space.request("PUT", f"/{name}/_block/{block}")
    page = on_cluster.run("doctor", code=1).stdout
    assert (f"{name}/_open" if block == "closed" else f"index.blocks.{block}") in page
    if block == "metadata":
        space.request("PUT", f"/{name}/_settings", {"index.blocks.metadata": None})


def test_a_library_that_is_new_when_embedding_anew_begins_is_not_lost(
    on_cluster: Command, space: Space, album: Path
) -> None:
    """Another machine writes after it was checked that all folders can be read, and before the
    moment from which on its writes are caught up."""
    on_cluster.run("ingest", "--limit", "2", album)
    other = space.open()
    dims = other._live.found.dims
    assert dims is not None
    late = Row(record("late.jpg", "theirs"), unit(np.ones(dims, np.float32)))
    with Front([space.server]) as front:
        on_cluster.environment["ES_URL"] = front.url
        when(front, "GET", "-next", lambda: other.write([late]))
        refused = on_cluster.run("ingest", "--re-embed", code=1)
    assert "theirs" in refused.stderr
    assert count(space) == 3


def test_a_write_that_met_the_block_of_a_switch_that_is_over_is_told_so(space: Space) -> None:
    index = filled(space.open, rows("a.jpg"))
    successor = index.successor(OTHER_MODELS)
    successor.write(rows("a.jpg"))
    [name] = space.request("GET", f"/{space.name()}")
    with Front([space.server]) as front:
        other = space.open(through=front.url)
        space.request("PUT", f"/{name}/_block/write")
        when(front, "GET", "-next", successor.promote)
        with pytest.raises(IndexUnavailable, match="replaced meanwhile"):
            other.write([row("late.jpg", 9)])
    successor.close()


def test_two_machines_that_make_an_index_at_once_make_one(space: Space) -> None:
    """The other is done after we found none, and before we look for a free number."""
    with Front([space.server]) as front:
        made: list[str] = []
        when(front, "GET", "-*", lambda: made.append(space.open().index_id))
        assert [space.open(through=front.url).index_id] == made
    with Front([space.server]) as front:  # and after we looked
        made.clear()
        when(front, "PUT", "-000001", lambda: made.append(space.open("another").index_id))
        assert [space.open("another", through=front.url).index_id] == made


def test_a_closed_index_of_that_number_is_passed_over(space: Space) -> None:
    space.request("PUT", f"/{space.name()}-000001")
    space.request("POST", f"/{space.name()}-000001/_close")
    space.open().stamp(MODELS)
    assert list(space.request("GET", f"/{space.name()}")) == [f"{space.name()}-000002"]
    space.request("POST", f"/{space.name()}-000001/_open")
