"""What happens to folders between two ingests: renamed, replaced, emptied, nested, linked."""

from __future__ import annotations

import itertools
import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import imgsearch
from imgsearch.ingest import sources
from imgsearch.ingest.options import Options
from imgsearch.photos import walk
from tests.command import Command


def picture(path: Path, shade: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (48, 32), (shade % 256, shade * 7 % 256, 90)).save(path)
    return path


@pytest.fixture
def ingest(command: Command) -> Callable[..., dict[str, object]]:
    def run(*arguments: object, code: int = 0) -> dict[str, object]:
        done = command.run("ingest", *map(str, arguments), "--json", code=code)
        return done.json if code == 0 else {"error": done.stderr}

    return run


def counts(report: dict[str, object]) -> dict[str, int]:
    names = ("added", "updated", "renamed", "removed", "missing", "embedded")
    return {name: report[name] for name in names if report[name]}  # type: ignore[misc]


def test_a_limit_counts_pictures(ingest: Callable[..., dict[str, object]], tmp_path: Path) -> None:
    folder = tmp_path / "album"
    for n in range(4):
        (tmp_path / "album").mkdir(exist_ok=True)
        (folder / f"a{n}.txt").write_text("notes")
    for n in range(6):
        picture(folder / f"b{n}.png", n * 30)
    assert counts(ingest(folder, "--limit", 3)) == {"added": 3, "embedded": 3}
    assert counts(ingest(folder, "--limit", 5)) == {"added": 3, "embedded": 3}


# root reads every folder, but not without these capabilities
_AS_OTHERS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv, of util-linux")
def test_what_cannot_be_reached_is_not_pruned(command: Command, tmp_path: Path) -> None:
    """A walk does not see it, and nothing says that it is gone."""
    folder = tmp_path / "album"
    picture(folder / "a.png", 10)
    closed = picture(folder / "closed" / "b.png", 200).parent
    command.run("ingest", folder)
    closed.chmod(0)
    report = command.run("ingest", "--prune", "--yes", "--json", folder, before=_AS_OTHERS).json
    refused = command.run("ingest", "--prune", "--yes", closed, before=_AS_OTHERS, code=1)
    closed.chmod(0o755)
    assert counts(report) == {}
    assert [skip["reason"] for skip in report["skipped"]] == ["no permission"]
    assert "cannot be read: Permission denied" in refused.stderr
    assert counts(command.run("ingest", "--json", folder).json) == {}


@pytest.mark.parametrize("named", [False, True])
def test_a_dry_run_does_not_count_what_moved_as_missing(
    named: bool, ingest: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    folder = tmp_path / "album"
    old, new = picture(folder / "a.png", 10), folder / "new.png"
    picture(folder / "b.png", 200)
    ingest(folder)
    old.rename(new)
    report = ingest("--dry-run", *((old, new) if named else (folder,)))
    assert (counts(report), report["skipped"]) == ({"renamed": 1}, [])


def test_each_folder_is_read_once_and_no_neighbour_is_taken_for_a_part(
    ingest: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    folder = tmp_path / "album"
    places = ("pets", "pets/cats", "pets-2019", "pets2")
    for number, place in enumerate(places):
        picture(folder / place / "a.png", 10 + 40 * number)
    ingest(folder)
    for number, place in enumerate(places):
        picture(folder / place / "b.png", 20 + 40 * number)
    report = ingest("--dry-run", *(folder / place for place in places))
    assert (report["added"], report["unchanged"]) == (4, 4)


@pytest.mark.parametrize("what", ["folder", "dangling link", "HTML", "text", "empty"])
def test_a_photo_that_something_else_replaced_is_missing(
    what: str, ingest: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    folder = tmp_path / "album"
    replaced = picture(folder / "a.jpg", 10)
    picture(folder / "b.jpg", 200)
    ingest(folder)
    replaced.unlink()
    if what == "folder":
        replaced.mkdir()
    elif what == "dangling link":
        replaced.symlink_to("nowhere")
    else:
        replaced.write_text({"HTML": "<html>moved</html>", "text": "gone", "empty": ""}[what])
    assert ingest(folder)["missing"] == 1
    pruned = ingest(folder, "--prune")
    assert (pruned["removed"], pruned["missing"]) == (1, 0)
    assert counts(ingest(folder)) == {}


@pytest.mark.parametrize("left", [[], [".DS_Store"], [".stfolder", "lost+found"]])
def test_a_root_that_holds_only_what_systems_write_counts_as_empty(
    left: list[str], ingest: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    folder = tmp_path / "disk"
    picture(folder / "a.png", 1)
    ingest(folder)
    (folder / "a.png").unlink()
    for name in left:
        (folder / name).mkdir()
    refused = str(ingest(folder, "--prune", "--yes", code=1)["error"])
    assert "empty" in refused
    assert f"imgsearch remove --under {folder}" in refused


@pytest.mark.parametrize("how", ["empty", "gone"])
def test_a_whole_folder_is_not_pruned_without_a_word(
    how: str, ingest: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    """A disk that is mounted inside the library, and is away, is an empty folder."""
    folder = tmp_path / "library"
    picture(folder / "here.png", 1)
    for n in range(3):
        picture(folder / "disk" / "2020" / f"{n}.png", 40 + n * 50)
    ingest(folder)
    shutil.rmtree(folder / "disk")
    if how == "empty":
        (folder / "disk").mkdir()
    refused = str(ingest(folder, "--prune", code=1)["error"])
    assert str(folder / "disk") in refused
    assert "--yes" in refused
    assert counts(ingest(folder)) == {"missing": 3}
    assert counts(ingest(folder, "--prune", "--yes")) == {"removed": 3}


def test_two_folders_of_one_name_are_not_taken_for_one(
    ingest: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    for n, name in enumerate(("a", "b")):
        picture(tmp_path / name / "photos" / "x.png", 30 * n)
    both = tmp_path / "a/photos", tmp_path / "b/photos"
    refused = str(ingest(*both, code=2)["error"])
    assert all(str(each) in refused for each in both)
    assert "--library photos-2" in refused
    assert "library" in str(ingest(*both, "--library", "x", code=2)["error"])


def test_an_empty_name_is_no_folder(
    ingest: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    assert "empty" in str(ingest("", code=2)["error"])


def test_an_empty_folder_takes_no_name(
    ingest: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    ingest(tmp_path / "empty", "--library", "holidays", code=1)
    picture(tmp_path / "full" / "a.png", 3)
    assert counts(ingest(tmp_path / "full", "--library", "holidays"))["added"] == 1


def test_a_folder_with_a_percent_sign_and_names_that_are_not_utf8(
    command: Command, ingest: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    folder = tmp_path / "album"
    picture(folder / "100%" / "a.png", 3)
    odd = os.path.join(os.fsencode(folder), b"100%", b"caf\xe9.png")
    shutil.copy(picture(folder / "other.png", 99), odd)
    ingest(folder)
    found = command.run("query", "red", "--under", folder / "100%", "--json", "-k", "9").json_lines
    assert len(found) == 2
    os.unlink(odd)
    assert counts(ingest(folder / "100%", "--prune")) == {"removed": 1}


def test_a_folder_above_two_libraries_means_both(
    command: Command, ingest: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    for n, name in enumerate(("one", "two")):
        ingest(picture(tmp_path / "pictures" / name / "x.png", 30 * n).parent)
    found = command.run("query", "red", "--under", tmp_path / "pictures", "--json").json_lines
    assert {each["library"] for each in found} == {"one", "two"}


def test_a_file_elsewhere_is_not_the_photo_of_its_relative_path(
    command: Command, ingest: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    inside = picture(tmp_path / "album" / "x.png", 10)
    ingest(tmp_path / "album")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(inside, elsewhere / "x.png")
    found = command.run("similar", "x.png", "--json", cwd=elsewhere).json_lines
    assert [each["path"] for each in found] == [str(inside)]


def test_a_parent_takes_in_the_library_inside_it(
    command: Command, ingest: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    for n in range(3):
        picture(tmp_path / "pictures" / "2019" / f"{n}.png", n * 60)
    picture(tmp_path / "pictures" / "top.png", 200)
    ingest(tmp_path / "pictures" / "2019")
    assert ingest(tmp_path / "pictures")["embedded"] == 1
    status = command.run("status", "--json").json
    assert status["index"]["photos"] == 4
    assert counts(ingest(tmp_path / "pictures" / "2019")) == {}


def test_one_folder_has_one_library(
    ingest: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    folder = picture(tmp_path / "photos" / "sub" / "a.png", 3).parent.parent
    ingest(folder)
    for place in (folder, folder / "sub"):
        refused = str(ingest(place, "--library", "again", code=2)["error"])
        assert "'photos'" in refused
        assert f"imgsearch remove --under {place}" in refused


def test_a_root_that_moved_is_recognised_under_its_new_name(
    command: Command, ingest: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    for n in range(3):
        picture(tmp_path / "photos" / f"{n}.png", n * 60)
    ingest(tmp_path / "photos")
    (tmp_path / "photos").rename(tmp_path / "pictures")
    told = command.run("query", "red").stderr
    assert f"{tmp_path / 'photos'}, the folder of library 'photos', is not there" in told
    moved = command.run("ingest", tmp_path / "pictures", "--json")
    assert counts(moved.json) == {}
    assert moved.stderr.count("has moved from") == 1
    found = command.run("query", "red", "--json").json_lines
    assert len(found) == 3
    assert not any(each["missing"] for each in found)


def test_a_folder_that_links_lead_to_is_entered_once(tmp_path: Path) -> None:
    folders = [tmp_path / "root" / f"f{n}" for n in range(14)]
    for n, folder in enumerate(folders):
        picture(folder / f"{n}.png", n)
    for n, folder in enumerate(folders[:-1]):
        (folder / "a").symlink_to(folders[n + 1])
        (folder / "b").symlink_to(folders[n + 1])
    found = list(walk.walk(str(tmp_path / "root"), follow_links=True))
    assert len(found) == 14


@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_names_are_found_in_both_forms_of_unicode(
    typed: str, command: Command, ingest: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    stored = "NFD" if typed == "NFC" else "NFC"
    name = unicodedata.normalize(stored, "Zoë/é.png")  # type: ignore[arg-type]
    picture(tmp_path / "album" / name, 5)
    picture(tmp_path / "album" / "b.png", 200)
    ingest(tmp_path / "album")
    asked = unicodedata.normalize(typed, "Zoë/é.png")  # type: ignore[arg-type]
    assert len(command.run("similar", asked, "--json").json_lines) == 1
    under = command.run("query", "red", "--under", asked.split("/")[0], "--json").json_lines
    assert [each["name"] for each in under] == [name.split("/")[1]]


def test_names_that_differ_by_case_alone(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in command.env().items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "album"
    for n, name in enumerate(("A.png", "a.png", "Sub/b.png", "sub/b.png")):
        picture(folder / name, 60 * n)
    if len(list(folder.iterdir())) != 4:
        pytest.skip("names of this file system do not differ by case")
    with imgsearch.open(tmp_path / "index", create=True, model="demo") as library:
        with library.locked():
            assert library.ingest([folder], Options()).added == 4
        (folder / "A.png").rename(folder / "other.png")
        (folder / "a.png").rename(folder / "A.png")
        (folder / "Sub").rename(folder / "SUB")
        with library.locked():
            done = library.ingest([folder], Options())
        assert (done.embedded, done.unchanged, done.skipped) == (0, 1, [])
        there = {hit.record.relative_path for hit in library.search("red", k=9) if not hit.missing}
        assert there == {"A.png", "other.png", "SUB/b.png", "sub/b.png"}


def test_a_thousand_copies_are_looked_at_once_each(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many looks at the disk as there are copies, not as their square."""
    from imgsearch.ingest import moved_photos

    for name, value in command.env().items():
        monkeypatch.setenv(name, value)
    source = picture(tmp_path / "copies" / "0.png", 5)
    for n in range(1, 60):
        shutil.copy(source, source.with_name(f"{n}.png"))
    looks = 0
    real = sources.is_there

    def counted(*arguments: object) -> bool:
        nonlocal looks
        looks += 1
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(moved_photos, "is_there", counted)
    with imgsearch.open(tmp_path / "index", create=True, model="demo") as library:
        with library.locked():
            library.ingest([source.parent], Options())
        for n in range(60, 120):
            shutil.copy(source, source.with_name(f"{n}.png"))
        with library.locked():
            done = library.ingest([source.parent], Options())
    assert (done.added, done.embedded) == (60, 0)
    assert looks <= 120


def _rotate(paths: list[Path]) -> None:
    """Each takes the next one's name; the files themselves, with all their dates, move."""
    spare = paths[0].with_name("spare")
    paths[0].rename(spare)
    for earlier, later in itertools.pairwise(paths):
        later.rename(earlier)
    spare.rename(paths[-1])


def _three_alike(folder: Path) -> list[Path]:
    """Three pictures of one size and mtime."""
    paths = [
        picture(folder / f"{name}.bmp", shade)
        for name, shade in zip("abc", (10, 90, 170), strict=True)
    ]
    for path in paths:
        os.utime(path, ns=(10**18, 10**18))
    assert len({path.stat().st_size for path in paths}) == 1
    return paths


def _nearest(command: Command, question: Path, *options: str) -> dict[str, object]:
    return command.run("similar", question, "-k", "1", "--json", *options).json_lines[0]  # type: ignore[no-any-return]


def test_names_exchanged_among_files_alike_are_noticed(
    command: Command, ingest: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    paths = _three_alike(tmp_path / "album")
    originals = [Path(shutil.copy(path, tmp_path / f"original {path.name}")) for path in paths]
    ingest(tmp_path / "album")
    _rotate(paths)
    assert counts(ingest(tmp_path / "album", "--dry-run")) == {"updated": 3}
    assert counts(ingest(tmp_path / "album")) == {"updated": 3}
    assert [_nearest(command, original)["name"] for original in originals] == [
        "c.bmp",
        "a.bmp",
        "b.bmp",
    ]
    assert counts(ingest(tmp_path / "album")) == {}


def test_folders_exchanged_that_hold_files_alike_are_noticed(
    command: Command, ingest: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    """A folder's rename changes neither ctime nor inode of what is in it."""
    for shade, folder in enumerate(("one", "two")):
        path = picture(tmp_path / "album" / folder / "a.bmp", 90 * shade)
        os.utime(path, ns=(10**18, 10**18))
    first = shutil.copy(tmp_path / "album" / "one" / "a.bmp", tmp_path / "first.bmp")
    ingest(tmp_path / "album")
    _rotate([tmp_path / "album" / "one", tmp_path / "album" / "two"])
    assert counts(ingest(tmp_path / "album")) == {"updated": 2}
    assert _nearest(command, Path(first))["relative_path"] == "two/a.bmp"


def test_an_edit_that_keeps_size_and_mtime_is_noticed(
    command: Command, ingest: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    edited, *_ = _three_alike(tmp_path / "album")
    ingest(tmp_path / "album")
    before = _nearest(command, edited)
    edited.write_bytes(picture(tmp_path / "new.bmp", 55).read_bytes())
    os.utime(edited, ns=(10**18, 10**18))
    assert _nearest(command, edited)["score"] != before["score"]  # its pixels count at once
    assert counts(ingest(tmp_path / "album")) == {"updated": 1, "embedded": 1}
    best = _nearest(command, tmp_path / "new.bmp")
    assert best["name"] == "a.bmp"
    assert best["score"] == pytest.approx(1, abs=1e-3)


def test_what_only_changes_ctime_is_not_embedded_again(
    ingest: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    paths = _three_alike(tmp_path / "album")
    ingest(tmp_path / "album")
    for path in paths:
        path.chmod(0o600)
        os.link(path, tmp_path / path.name)
    report = ingest(tmp_path / "album")
    assert (report["unchanged"], counts(report)) == (3, {})


def test_without_what_this_machine_knew_of_the_files_sizes_and_mtimes_serve(
    command: Command, ingest: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    """As in an index of a version before, or on a machine that it was copied to."""
    paths = _three_alike(tmp_path / "album")
    ingest(tmp_path / "album")
    [states] = (command.home / "data" / "imgsearch" / "file-states").iterdir()
    for damage in (b"", b"damaged", states.read_bytes()[:150]):
        states.write_bytes(damage)
        assert counts(ingest(tmp_path / "album")) == {}
        _rotate(paths)
        assert counts(ingest(tmp_path / "album")) == {"updated": 3}
    states.unlink()
    states.mkdir()  # it cannot be written
    assert counts(ingest(tmp_path / "album")) == {}


def test_a_library_copied_with_its_dates_is_not_embedded_again(
    ingest: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    _three_alike(tmp_path / "album")
    ingest(tmp_path / "album")
    shutil.copytree(tmp_path / "album", tmp_path / "disk" / "album")
    shutil.rmtree(tmp_path / "album")
    report = ingest(tmp_path / "disk" / "album")
    assert (report["unchanged"], counts(report)) == (3, {})
