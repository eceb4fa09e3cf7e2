"""`imgsearch ingest` with single files, lists of files, and with nothing at all."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import imgsearch
from tests.command import SCRIPT, Command, Finished

COUNTS = ("added", "updated", "renamed", "removed", "missing", "embedded", "unchanged")


def picture(path: Path | bytes, shade: int = 0) -> Any:
    """A small picture whose bytes no other shade has."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        Image.new("RGB", (48, 32), (shade % 256, shade * 7 % 256, shade // 256)).save(file, "PNG")
    return path


class Shelf:
    """An index with the command that fills it."""

    def __init__(self, command: Command, home: Path) -> None:
        self._command, self.home = command, home

    def run(self, *arguments: object, code: int = 0, **options: Any) -> Finished:
        given = [a if isinstance(a, (bytes, Path)) else str(a) for a in arguments]
        return self._command.run("ingest", *given, code=code, **options)

    def __call__(self, *arguments: object, **options: Any) -> dict[str, Any]:
        """The summary without zeros; skipped ones by path."""
        report = self.run(*arguments, "--json", **options).json
        counts = {name: report[name] for name in COUNTS if report[name]}
        skipped = {skip["path"]: skip["reason"] for skip in report["skipped"]}
        return counts | ({"skipped": skipped} if skipped else {})

    def libraries(self) -> dict[str, int]:
        status = self._command.run("status", "--json").json
        return {each["name"]: each["photos"] for each in status["libraries"]}


@pytest.fixture
def shelf(command: Command) -> Shelf:
    return Shelf(command, command.home)


# -- without folders


def test_without_folders_all_known_libraries_are_refreshed(shelf: Shelf, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    picture(one / "a.png", 1)
    picture(two / "b.png", 2)
    shelf(one)
    shelf(two, "--library", "second")
    picture(one / "c.png", 3)
    picture(two / "d.png", 4)
    assert shelf() == {"added": 2, "embedded": 2, "unchanged": 2}
    assert shelf.libraries() == {"one": 2, "second": 2}
    picture(one / "e.png", 5)
    picture(two / "f.png", 6)
    assert shelf("--library", "second") == {"added": 1, "embedded": 1, "unchanged": 2}


def test_a_library_out_of_reach_is_said_and_loses_nothing(shelf: Shelf, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    picture(one / "a.png", 1)
    picture(two / "b.png", 2)
    shelf(one)
    shelf(two)
    shutil.move(two, tmp_path / "unplugged")
    assert shelf("--prune") == {"unchanged": 1, "skipped": {str(two): "not within reach"}}
    assert shelf.libraries() == {"one": 1, "two": 1}
    shelf.run("--strict", code=1)
    two.mkdir()  # a mount point without its disk
    assert shelf("--prune", "--yes")["skipped"] == {str(two): "not within reach"}
    shutil.rmtree(one)
    nothing = shelf.run("--prune", code=1)
    assert str(one) in nothing.stderr
    assert nothing.stderr.splitlines() == [
        f"{one}, the folder of library 'one', is not there. {two}, the folder of library 'two', is"
        " empty. Nothing was changed.",
        "Is its disk not mounted? If it has moved, ingest its new place; nothing is embedded again:"
        " imgsearch ingest NEW-FOLDER",
    ]
    assert shelf.libraries() == {"one": 1, "two": 1}


def test_without_folders_and_without_libraries(shelf: Shelf) -> None:
    asked = shelf.run(code=2)
    assert "No folder is named" in asked.stderr
    assert "imgsearch ingest ./photos" in asked.stderr


def test_an_unknown_library_is_named(shelf: Shelf, tmp_path: Path) -> None:
    picture(tmp_path / "one" / "a.png", 1)
    shelf(tmp_path / "one")
    asked = shelf.run("--library", "twö", code=2)
    assert "'twö'" in asked.stderr
    assert "one" in asked.stderr.splitlines()[1]


def test_what_only_the_index_names_is_not_read(command: Command, tmp_path: Path) -> None:
    """Index and photos were moved here together: nobody on this machine ingested that folder."""
    folder = tmp_path / "disk" / "album"
    picture(folder / "a.png", 1)
    index = tmp_path / "disk" / "index"
    command.run("--index", index, "ingest", folder)
    shutil.rmtree(command.home / "data")
    picture(folder / "b.png", 2)
    refused = command.run("--index", index, "ingest", code=2)
    assert refused.stderr.splitlines() == [
        f"The index says that library 'album' lies in {folder}; this machine has not ingested it"
        " yet.",
        f"If that is right, ingest it once: imgsearch --index {index} ingest {folder}",
    ]
    [library] = command.run("--index", index, "status", "--json").json["libraries"]
    assert library["photos"] == 1


def test_links_are_followed_again_where_they_were(shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "album"
    picture(tmp_path / "elsewhere" / "a.png", 1)
    folder.mkdir()
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    assert shelf(folder, "--follow-links")["added"] == 1
    assert shelf() == {"unchanged": 1}
    picture(tmp_path / "elsewhere" / "b.png", 2)
    assert shelf(folder / "linked" / "b.png") == {"added": 1, "embedded": 1}
    assert shelf.libraries() == {"album": 2}


# -- single files


def test_a_file_of_a_known_library_becomes_a_photo_of_it(shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "album"
    picture(folder / "a.png", 1)
    shelf(folder)
    picture(folder / "2024" / "b.png", 2)
    picture(folder / "2024" / "c.png", 3)
    assert shelf(folder / "2024" / "b.png") == {"added": 1, "embedded": 1}
    assert shelf.libraries() == {"album": 2}
    assert shelf() == {"added": 1, "embedded": 1, "unchanged": 2}


def test_a_file_alone_makes_a_library_without_its_neighbours(shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "Downloads"
    named = picture(folder / "a.png", 1)
    for number in range(2, 5):
        picture(folder / f"{number}.png", number)
    assert shelf(named) == {"added": 1, "embedded": 1}
    assert shelf.libraries() == {"Downloads": 1}
    assert shelf() == {"unchanged": 1}  # nor does a refresh pull them in
    picture(named, 70)
    assert shelf() == {"updated": 1, "embedded": 1}
    assert shelf("--re-embed")["added"] == 1
    named.unlink()
    assert shelf() == {"missing": 1}
    assert shelf("--prune") == {"removed": 1}
    assert shelf(folder) == {"added": 3, "embedded": 3}  # now it is a whole folder
    picture(folder / "5.png", 5)
    assert shelf() == {"added": 1, "embedded": 1, "unchanged": 3}


def test_nothing_is_pruned_by_naming_files(shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "album"
    for number in range(3):
        picture(folder / f"{number}.png", number)
    shelf(folder)
    (folder / "0.png").unlink()
    (folder / "1.png").write_text("no picture any more")
    asked = shelf.run("--prune", folder / "2.png", code=2)
    assert "--prune" in asked.stderr
    assert shelf(folder / "2.png") == {"unchanged": 1}
    named = shelf(folder / "1.png", folder / "0.png")
    assert named == {"missing": 1, "skipped": {str(folder / "1.png"): "not a picture"}}
    assert shelf.libraries() == {"album": 3}


def test_a_named_file_that_was_renamed_keeps_its_vector(shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "album"
    old = picture(folder / "a.png", 1)
    picture(folder / "b.png", 2)
    shelf(folder)
    new = old.rename(folder / "z.png")
    assert shelf(new, old) == {"renamed": 1}
    assert shelf(folder) == {"unchanged": 2}


def test_one_photo_however_it_is_named(shelf: Shelf, tmp_path: Path) -> None:
    """Twice, through links, by a relative path with "..", inside a folder that is named too."""
    folder = tmp_path / "album"
    photo = picture(folder / "sub" / "a.png", 1)
    (tmp_path / "link.png").symlink_to(photo)
    (tmp_path / "door").symlink_to(folder)
    names = [photo, tmp_path / "link.png", tmp_path / "door" / "sub" / "a.png"]
    relative = Path("..") / "album" / "sub" / ".." / "sub" / "a.png"
    assert shelf(*names, relative, cwd=shelf.home) == {"added": 1, "embedded": 1}
    assert shelf.libraries() == {"sub": 1}
    assert shelf(photo, folder) == {"added": 1}  # the folder above takes it over
    assert shelf.libraries() == {"album": 1}
    assert shelf(folder, photo, tmp_path / "link.png") == {"unchanged": 1}


def test_a_folder_below_a_library_of_files_is_its_own(shelf: Shelf, tmp_path: Path) -> None:
    top = picture(tmp_path / "home" / "a.png", 1)
    deep = picture(tmp_path / "home" / "trip" / "b.png", 2)
    assert shelf(deep, top)["added"] == 2
    assert shelf.libraries() == {"home": 2}
    assert shelf(deep.parent) == {"added": 1}
    assert shelf.libraries() == {"home": 1, "trip": 1}
    assert shelf() == {"unchanged": 2}


def test_files_of_many_folders_as_one_library(shelf: Shelf, tmp_path: Path) -> None:
    photos = [
        picture(tmp_path / "pictures" / year / "may" / "a.png", int(year))
        for year in ("2023", "2024")
    ]
    asked = shelf.run(*photos, code=2)
    assert "--library" in asked.stderr
    assert shelf(*photos, "--library", "all")["added"] == 2
    assert shelf.libraries() == {"all": 2}
    assert shelf(*photos) == {"unchanged": 2}


def test_a_sidecar_counts_for_a_named_file(shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "album"
    photo = picture(folder / "a.png", 1)
    (folder / "a.png.xmp").write_text("<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")
    shelf(folder)
    assert shelf(photo) == {"unchanged": 1}
    assert shelf(folder) == {"unchanged": 1}


@pytest.mark.skipif(os.name == "nt", reason="no FIFOs there")
def test_what_is_no_photo_is_said(shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "album"
    photo = picture(folder / "a.png", 1)
    (folder / "notes.txt").write_text("notes")
    os.mkfifo(folder / "pipe.png")
    (folder / "broken.png").symlink_to("nowhere.png")
    picture(folder / ".hidden.png", 2)
    picture(folder / "draft.png", 3)
    names = ("notes.txt", "pipe.png", "broken.png", ".hidden.png", "draft.png", "gone.png")
    found = shelf(photo, *(folder / name for name in names), "--exclude", "draft*")
    assert found == {
        "added": 1,
        "embedded": 1,
        "skipped": {
            str(folder / "notes.txt"): "not a picture",
            str(folder / "pipe.png"): "not a regular file",
            str(folder / "nowhere.png"): "not there",
            str(folder / ".hidden.png"): "left out",
            str(folder / "draft.png"): "left out",
            str(folder / "gone.png"): "not there",
        },
    }


def test_missing_files_are_reported_and_counted(shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "album"
    photo = picture(folder / "a.png", 1)
    gone = folder / "gone.png"
    assert shelf(photo, gone)["skipped"] == {str(gone): "not there"}
    shelf.run(photo, gone, "--strict", code=1)
    photo.unlink()
    picture(folder / "b.png", 2)
    shelf.run(photo, folder / "b.png", "--strict", code=1)  # in the index, and not there
    nothing = shelf.run(gone, code=1)
    assert f"{gone} does not exist." in nothing.stderr
    nothing = shelf.run(gone, folder / "gone too.png", code=1)
    assert "None of the 2 files exists" in nothing.stderr
    nowhere = shelf.run(tmp_path / "no folder", code=1)
    assert "does not exist" in nowhere.stderr


# -- lists


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\0", b"\n\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_list_of_files(shelf: Shelf, tmp_path: Path, end: bytes, mark: bytes) -> None:
    folder = tmp_path / "ålbum"
    names = [picture(folder / f"ä {number}.png", number) for number in range(3)]
    picture(folder / "other.png", 9)
    listed = tmp_path / "list.txt"
    listed.write_bytes(mark + b"".join(os.fsencode(name) + end for name in names))
    assert shelf("--files-from", listed)["added"] == 3
    data = mark + end.join(map(os.fsencode, names))  # none behind the last
    assert shelf("--files-from", "-", input=data) == {"unchanged": 3}


def test_a_list_in_utf_16(shelf: Shelf, tmp_path: Path) -> None:
    photo = picture(tmp_path / "album" / "ä.png", 1)
    (tmp_path / "list.txt").write_text(f"{photo}\r\n", "utf-16")
    assert shelf("--files-from", tmp_path / "list.txt")["added"] == 1


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_any_bytes_in_names_from_find(shelf: Shelf, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path / "album")
    names = [b"a\nb.png", b"\xff.png", b"-n.png", b" lead.png", b"100%.png", b"$(x)`y`'.png"]
    for number, name in enumerate(names):
        picture(os.path.join(folder, name), number)
    listed = subprocess.run(
        ["find", folder, "-name", "*.png", "-print0"], capture_output=True, check=True
    ).stdout
    assert shelf("--files-from", "-", input=listed)["added"] == len(names)
    assert shelf(*(os.path.join(folder, name) for name in names)) == {"unchanged": len(names)}
    assert shelf("-0", "--files-from", "-", input=os.path.join(folder, b"a\nb.png")) == {
        "unchanged": 1
    }


def test_names_in_a_list_are_relative_to_the_working_directory(
    shelf: Shelf, tmp_path: Path
) -> None:
    picture(tmp_path / "album" / "a.png", 1)
    (tmp_path / "album" / "list.txt").write_text("album/a.png\n")
    assert shelf("--files-from", "album/list.txt", cwd=tmp_path)["added"] == 1


def test_a_folder_in_a_list_is_not_walked(shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "album"
    photo = picture(folder / "a.png", 1)
    picture(folder / "b.png", 2)
    found = shelf("--files-from", "-", input=f"{folder}\n{photo}\n{folder}/.\n".encode())
    assert found == {"added": 1, "embedded": 1, "skipped": {str(folder): "not a regular file"}}


def test_an_empty_list_ingests_nothing(shelf: Shelf, tmp_path: Path) -> None:
    picture(tmp_path / "album" / "a.png", 1)
    shelf(tmp_path / "album")
    picture(tmp_path / "album" / "b.png", 2)
    done = shelf.run("--files-from", "-", input=b"\n")
    assert "No file is named" in done.stderr
    assert shelf.libraries() == {"album": 1}


def test_a_list_that_cannot_be_read(shelf: Shelf, tmp_path: Path) -> None:
    for name in (tmp_path / "nowhere.txt", tmp_path):
        refused = shelf.run("--files-from", name, code=2)
        assert str(name) in refused.stderr


def test_a_hundred_thousand_names(shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "album"
    for number in range(20):
        picture(folder / f"{number}.png", number)
    names = [f"{folder}/{n}.png" for n in range(20)] + [f"{folder}/no{n}" for n in range(99_980)]
    report = shelf.run("--files-from", "-", "--json", input="\n".join(names).encode()).json
    assert (report["added"], len(report["skipped"])) == (20, 99_980)


def test_the_same_powers_in_python(tmp_path: Path, command: Command) -> None:
    photo = picture(tmp_path / "album" / "a.png", 1)
    listed = picture(tmp_path / "album" / "b.png", 2)
    picture(tmp_path / "album" / "c.png", 3)
    program = (
        "import imgsearch, sys\n"
        "with imgsearch.open(create=True) as library, library.locked():\n"
        f"    print(library.ingest([{str(photo)!r}], files=[{str(listed)!r}]).added)\n"
        "    print(library.ingest().unchanged)\n"
    )
    done = subprocess.run(
        [SCRIPT.with_name("python"), "-c", program],
        env=command.env(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["2", "2"]
    assert imgsearch.Library.ingest.__doc__
