"""The installed command answers alike on this machine and on each server: every filter alone and
combined, every order, pages, and mixtures of several photos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imgsearch.index.local.opening import open_local
from tests.command import Command
from tests.elasticsearch import node, servers
from tests.filter_contract import album
from tests.index_contract import MODELS, record

ROWS = album(400, record)
ONE, OTHER, THIRD = (ROWS[at].record.id for at in (20, 41, 83))
FILTERS = {  # by date alone, so that all that pass are compared, and their order
    "from": ("--from", "2019-07-14"),
    "to": ("--to", "2019-07"),
    "on": ("--on", "2019-07"),
    "undated": ("--undated",),
    "country": ("--in", "Italien"),
    "city": ("--in", "Florence"),
    "near": ("--near", "43.77,11.25", "--within", "300"),
    "camera": ("--camera", "canon"),
    "lens": ("--lens", "50mm"),
    "under": ("--under", "holiday/italy"),
    "not under": ("--not-under", "other"),
    "format": ("--format", "png"),
    "orientation": ("--orientation", "portrait"),
    "megapixels": ("--min-megapixels", "1", "--max-megapixels", "2"),
    "tag": ("--tag", "dog"),
    "rating": ("--rating", "4"),
    "words alone": ("--match", "italy dog"),
    "some of the words": ("--match", "italy dog quagga"),
    "two": ("--in", "Italy", "--tag", "dog", "--sort", "oldest"),
    "many": (
        "--under",
        "holiday",
        "--from",
        "2019",
        "--camera",
        "eos",
        "--orientation",
        "landscape",
    ),
}
NEAREST = {
    "one photo": ("similar", ONE),
    "two photos": ("similar", ONE, OTHER),
    "weighed": ("similar", ONE, "--like", f"0.5:{OTHER}", "--like", f"-0.5:{THIRD}"),
    "filtered": ("similar", ONE, "--in", "Italy"),
    "filtered twice": ("similar", ONE, "--like", f"2:{OTHER}", "--format", "png", "--rating", "3"),
    "by date": ("similar", ONE, "--sort", "newest"),
}


# a process for each question: on the older servers the contract suite asks the same, faster
OLDER = [pytest.param(older, marks=pytest.mark.slow) for older in node.QUICK[:-1]]


@pytest.fixture(params=[servers.NEWEST, *OLDER])
def version(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def both(command: Command, tmp_path: Path, version: str) -> Iterator[tuple[Command, str, str]]:
    """The command, and two indexes of the same photos: a folder, and a server's."""
    with servers.space(version) as space:
        command.environment["ES_URL"] = space.server
        for index in (open_local(tmp_path / "local", create=True), space.open()):
            index.stamp(MODELS)
            assert index.write(ROWS) == []
            index.finish()
            index.close()
        yield command, str(tmp_path / "local"), f"{space.server}/{space.name()}"


def ids(command: Command, index: str, *question: str) -> list[str]:
    lines = command.run("--index", index, *question, "--no-fold", "--json").json_lines
    return [line["id"] for line in lines]


def test_equal_answers(both: tuple[Command, str, str]) -> None:
    command, local, cluster = both
    met = 0
    for name, options in FILTERS.items():
        question = ("query", *options, "-k", "500")
        found = ids(command, local, *question)
        assert found == ids(command, cluster, *question), name
        met += bool(found)
    assert met == len(FILTERS)
    overlaps = []
    for name, question in NEAREST.items():
        found, other = ids(command, local, *question), ids(command, cluster, *question)
        assert len(found) == len(other) > 0, name
        overlaps.append(len(set(found) & set(other)) / len(found))
    assert sum(overlaps) / len(overlaps) >= 0.98, overlaps
    whole = ids(command, local, "similar", ONE, "-k", "55")
    for index in (local, cluster):
        pages = [
            ids(command, index, "similar", ONE, "-k", "11", "--offset", str(11 * page))
            for page in range(5)
        ]
        shown = [id for page in pages for id in page]
        assert len(set(shown)) == len(shown) == 55
        assert len(set(shown) & set(whole)) >= 54
