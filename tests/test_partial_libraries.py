"""A machine that has only a part of a library's folders: its photos are the library's, and what it
does not have is left alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import imgsearch
from tests.command import Command
from tests.elasticsearch import servers

Counts = dict[str, int]
YEARS = {"2022": 3, "2023": 4, "2024/may": 2}


def picture(path: Path, shade: int, size: int = 0) -> Path:
    """One of a size of its own, unless that is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    color = (shade * 9 % 256, shade * 31 % 256, 90)
    Image.new("RGB", (40, 32), color).save(path)
    path.write_bytes(path.read_bytes().ljust(size or 400 + shade, b"."))
    return path


class Machines:
    """Two that share one index. `whole`: the folder of the first, which has ingested it; the second
    has `part`, a copy of one folder in it."""

    def __init__(self, first: Command, tmp_path: Path, index: str) -> None:
        self.index = index
        other = {**first.environment, "XDG_DATA_HOME": str(tmp_path / "second's data")}
        self.first, self.second = first, replace(first, environment=other)
        self.whole = tmp_path / "first" / "photos"
        shade = 0
        for year, count in YEARS.items():
            for n in range(count):
                picture(self.whole / year / f"{n}.png", shade := shade + 1)
        self.here = tmp_path / "second" / "media"
        self.part = self.bring("2023")

    def bring(self, folder: str) -> Path:
        return Path(shutil.copytree(self.whole / folder, self.here / folder))

    def run(self, machine: Command, *words: object, code: int = 0) -> Any:
        return machine.run("--index", self.index, *map(str, words), code=code)

    def ingest(self, machine: Command, *words: object) -> Counts:
        report = self.run(machine, "ingest", "--json", *words).json
        names = ("added", "updated", "renamed", "removed", "missing", "unchanged", "embedded")
        return {name: report[name] for name in names if report[name]}

    def libraries(self) -> Counts:
        told = self.run(self.first, "status", "--json").json["libraries"]
        return {library["name"]: library["photos"] for library in told}

    def paths(self, machine: Command) -> set[str]:
        said = self.run(machine, "query", "red", "-k", "99", "--paths").stdout
        return set(said.splitlines())


@pytest.fixture(params=["local", "cluster"])
def machines(
    request: pytest.FixtureRequest, command: Command, tmp_path: Path
) -> Iterator[Machines]:
    if request.param == "local":
        made = Machines(command, tmp_path, str(tmp_path / "shelf" / "deep" / "index"))
        made.ingest(made.first, made.whole)
        yield made
        return
    with servers.space() as space:
        made = Machines(command, tmp_path, f"{space.server}/{space.name()}")
        made.ingest(made.first, made.whole)
        yield made


ON_ONE = pytest.mark.parametrize("machines", ["local"], indirect=True)


def test_its_photos_are_the_librarys(machines: Machines) -> None:
    said = machines.run(machines.second, "ingest", machines.part).stderr
    assert "part of the library 'photos'" in said.replace("\n", " ")
    assert machines.libraries() == {"photos": 9}
    new = picture(machines.part / "new.png", 77)
    assert machines.ingest(machines.second, machines.part)["added"] == 1
    assert machines.libraries() == {"photos": 10}
    assert machines.paths(machines.second) == {
        str(path) for path in [*machines.part.glob("?.png"), new]
    }
    shutil.copy2(new, machines.whole / "2023")
    assert machines.ingest(machines.first, machines.whole) == {"unchanged": 10}


def test_what_it_does_not_have_is_neither_pruned_nor_taken_for_moved(machines: Machines) -> None:
    machines.ingest(machines.second, machines.part)
    shutil.copy2(machines.whole / "2022" / "1.png", machines.part / "copied.png")
    (machines.part / "0.png").unlink()
    told = machines.ingest(machines.second, "--prune", "--yes", machines.part)
    assert told == {"added": 1, "removed": 1, "unchanged": 3}
    assert machines.libraries() == {"photos": 9}
    (machines.whole / "2023" / "0.png").unlink()
    shutil.copy2(machines.part / "copied.png", machines.whole / "2023" / "copied.png")
    assert machines.ingest(machines.first, machines.whole) == {"unchanged": 9}


def test_embedding_anew_reads_nothing_but_the_part(machines: Machines) -> None:
    machines.ingest(machines.second, machines.part)
    picture(machines.here / "private.png", 100)
    picture(machines.here / "2022" / "0.png", 101)
    refused = machines.run(machines.second, "ingest", "--re-embed", code=1).stderr
    assert "photos" in refused
    assert "2023" in refused
    assert "--prune" in refused
    machines.run(machines.second, "ingest", "--re-embed", "--prune", "--yes")
    assert machines.libraries() == {"photos": 4}
    assert all("2023" in path for path in machines.paths(machines.second))


@ON_ONE
def test_a_folder_in_which_most_photos_are_others_is_no_part(machines: Machines) -> None:
    """Though those that are compared by their bytes are the same."""
    for n in range(4, 8):
        picture(machines.whole / "2023" / f"{n}.png", 50 + n)
    machines.ingest(machines.first, machines.whole)
    with imgsearch.open(index=machines.index) as library:
        shown = [record.relative_path for record in library.browse(order="newest", k=99)]
    newest = [path for path in shown if path.startswith("2023/")]
    shutil.rmtree(machines.part)
    machines.bring("2023")
    for n, path in enumerate(newest[3:]):
        picture(machines.here / path, 60 + n, size=900)
    machines.ingest(machines.second, machines.part)
    assert machines.libraries() == {"photos": 13, "2023": 8}


@ON_ONE
def test_files_beside_the_part_are_not_the_librarys(machines: Machines) -> None:
    """An index may be a stranger's: what lies beside the folder that was named is not shown."""
    machines.ingest(machines.second, machines.part)
    picture(machines.here / "2022" / "0.png", 102)
    assert all("2023" in path for path in machines.paths(machines.second))
    hits = machines.run(machines.second, "query", "red", "-k", "99", "--json").json_lines
    assert {hit["path"] is None for hit in hits if "2022" in hit["relative_path"]} == {True}


@ON_ONE
def test_further_parts_and_then_the_whole(machines: Machines) -> None:
    machines.ingest(machines.second, machines.part)
    deep = machines.bring("2024/may")
    assert machines.ingest(machines.second, deep)["unchanged"] == 2
    assert machines.libraries() == {"photos": 9}
    assert len(machines.paths(machines.second)) == 6
    shown = machines.run(machines.second, "status").stdout.replace("\n", " ")
    assert "2023" in shown
    assert "2024/may" in shown
    machines.bring("2022")
    assert machines.ingest(machines.second, machines.here) == {"unchanged": 9}
    assert machines.libraries() == {"photos": 9}
    assert len(machines.paths(machines.second)) == 9
    machines.run(machines.second, "ingest", "--re-embed")
    assert machines.libraries() == {"photos": 9}


@ON_ONE
def test_a_folder_around_the_part_takes_nothing_away(machines: Machines) -> None:
    """It is another library, whose folder holds a part of this one."""
    machines.ingest(machines.second, machines.part)
    machines.ingest(machines.second, machines.here.parent)
    assert machines.libraries()["photos"] == 9


def _other_bytes(machines: Machines) -> None:
    for n, path in enumerate(machines.part.iterdir()):
        picture(path, 140 + n, path.stat().st_size)


def _other_sizes(machines: Machines) -> None:
    for n, path in enumerate(machines.part.iterdir()):
        picture(path, 120 + n)


def _other_names(machines: Machines) -> None:
    for path in list(machines.part.iterdir()):
        path.rename(path.with_name(f"x{path.name}"))


@ON_ONE
@pytest.mark.parametrize("change", [_other_sizes, _other_names, _other_bytes])
def test_another_folder_of_that_name_is_a_library_of_its_own(
    machines: Machines, change: Callable[[Machines], None]
) -> None:
    change(machines)
    machines.run(machines.second, "ingest", machines.part)
    assert machines.libraries()["photos"] == 9
    assert "2023" in machines.libraries()


@ON_ONE
def test_a_copy_on_the_machine_that_has_the_library_is_another_one(machines: Machines) -> None:
    machines.ingest(machines.first, machines.part)
    assert machines.libraries() == {"2023": 4, "photos": 9}


@ON_ONE
@pytest.mark.parametrize("within", ["..", "/", "", 7, "2023/../..", "a\0b", ["2023"]])
def test_a_damaged_list_of_parts_names_no_folder(machines: Machines, within: object) -> None:
    """It is neither the whole folder nor one outside of it."""
    machines.ingest(machines.second, machines.part)
    registry = Path(machines.second.env()["XDG_DATA_HOME"]) / "imgsearch" / "libraries.json"
    known = json.loads(registry.read_text())
    [root] = known.values()
    assert root["photos"]["within"] == ["2023"]
    root["photos"]["within"] = [within]
    registry.write_text(json.dumps(known))
    picture(machines.here / "2022" / "0.png", 103)
    assert not machines.paths(machines.second)
