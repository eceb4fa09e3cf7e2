"""What lasts from one ingest to the next: exclusions, removals, and whether a RAW and its JPEG are
one photo."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from imgsearch.index.local.index import LocalIndex
from imgsearch.index.local.opening import open_local
from imgsearch.ingest import rules
from imgsearch.ingest.rules import Removed, Rules
from imgsearch.photos import raw_pairs, sidecars
from tests.command import Command
from tests.test_report import rows_of

Report = dict[str, object]
COUNTS = ("added", "updated", "renamed", "removed", "excluded", "missing", "left_out", "embedded")


def picture(path: Path, shade: int, format: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (48, 32), (shade % 256, shade * 7 % 256, 90)).save(path, format)
    return path


@pytest.fixture
def ingest(command: Command) -> Callable[..., Report]:
    """The counts that are not zero."""

    def run(*arguments: object) -> Report:
        report = command.run("ingest", *map(str, arguments), "--json").json
        return {name: report[name] for name in COUNTS if report[name]}

    return run


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Six pictures, two of them in drafts/."""
    for number, name in enumerate(
        ("a.png", "b.png", "drafts/c.png", "drafts/d.png", "e.tmp.png", "sub/f.png")
    ):
        picture(tmp_path / "shop" / name, 40 * number)
    return tmp_path / "shop"


def names(command: Command) -> set[str]:
    hits = command.run("query", "red", "-k", "99", "--json").json_lines
    return {hit["relative_path"] for hit in hits}


def library(command: Command, number: int = 0) -> dict[str, object]:
    return command.run("status", "--json").json["libraries"][number]  # type: ignore[no-any-return]


# -- exclusions


def test_an_exclusion_is_given_once_and_holds(
    command: Command, ingest: Callable[..., Report], shop: Path
) -> None:
    ingest(shop)
    excluded = ("--exclude", "drafts", "--exclude", "*.tmp.png")
    assert ingest(shop, *excluded, "--dry-run") == {"excluded": 3}
    assert ingest(shop) == {}
    told = command.run("ingest", shop, *excluded)
    assert "--no-exclude" in told.stderr
    assert "3 excluded" in told.stdout
    assert "removed" not in told.stdout
    assert names(command) == {"a.png", "b.png", "sub/f.png"}
    picture(shop / "drafts" / "new.png", 222)
    assert ingest(shop) == {}
    assert library(command)["exclude"] == ["drafts", "*.tmp.png"]
    assert "drafts" in command.run("status").stdout
    assert ingest(shop, "--no-exclude") == {"added": 4, "embedded": 4}
    assert library(command)["exclude"] == []


def test_exclusions_add_up_and_can_be_begun_anew(
    command: Command, ingest: Callable[..., Report], shop: Path
) -> None:
    ingest(shop, "--exclude", "drafts")
    ingest(shop, "--exclude", "sub")
    assert library(command)["exclude"] == ["drafts", "sub"]
    ingest(shop, "--no-exclude", "--exclude", "a.png")
    assert library(command)["exclude"] == ["a.png"]
    assert "a.png" not in names(command)
    assert "drafts/c.png" in names(command)


def test_an_exclusion_is_of_its_library_alone(
    command: Command, ingest: Callable[..., Report], shop: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(shop, tmp_path / "other")
    ingest(shop, "--exclude", "drafts")
    assert ingest(other)["added"] == 6
    assert ingest(shop, other) == {}


def test_what_a_setting_excludes_is_no_rule(
    command: Command, ingest: Callable[..., Report], shop: Path
) -> None:
    command.environment["IMGSEARCH_EXCLUDE"] = "drafts"
    assert ingest(shop)["added"] == 4
    del command.environment["IMGSEARCH_EXCLUDE"]
    assert library(command)["exclude"] == []
    assert ingest(shop)["added"] == 2


def test_an_excluded_folder_that_is_named_gets_a_sentence(command: Command, shop: Path) -> None:
    command.run("ingest", shop, "--exclude", "drafts")
    answer = command.run("ingest", shop / "drafts", code=2)
    assert "excludes drafts" in answer.stderr
    assert "--no-exclude" in answer.stderr
    assert command.run("ingest", shop / "drafts", "--no-exclude", "--json").json["added"] == 2


def test_what_excludes_everything_is_refused(
    command: Command, ingest: Callable[..., Report], shop: Path
) -> None:
    ingest(shop)
    answer = command.run("ingest", shop, "--exclude", "*", code=2)
    assert "Excluding *" in answer.stderr
    assert "imgsearch remove shop" in answer.stderr
    assert library(command)["exclude"] == []
    assert len(names(command)) == 6


@pytest.mark.parametrize("how", ["drafts", "drafts/", "./drafts", "absolute", "drafts/*"])
def test_a_folder_is_excluded_however_it_is_written(
    how: str, command: Command, ingest: Callable[..., Report], shop: Path
) -> None:
    glob = str(shop / "drafts") if how == "absolute" else how
    assert ingest(shop, "--exclude", glob)["added"] == 4
    assert ingest(shop) == {}


def test_a_path_elsewhere_cannot_be_excluded(command: Command, shop: Path) -> None:
    answer = command.run("ingest", shop, "--exclude", shop.parent / "other", code=2)
    assert f"{shop.parent}/other" in answer.stderr
    assert "--exclude drafts" in answer.stderr


@pytest.mark.parametrize("stored", ["NFC", "NFD"])
def test_names_are_excluded_in_both_forms_of_unicode(
    stored: Any, command: Command, ingest: Callable[..., Report], shop: Path
) -> None:
    (shop / "drafts").rename(shop / unicodedata.normalize(stored, "Entwürfe"))
    assert ingest(shop)["added"] == 6
    typed = unicodedata.normalize("NFD" if stored == "NFC" else "NFC", "Entwürfe")
    assert ingest(shop, "--exclude", typed) == {"excluded": 2}
    assert ingest(shop) == {}


# -- removals


@pytest.mark.parametrize("what", [["a.png"], ["--under", "drafts"], ["--under", "sub"]])
def test_what_was_removed_stays_out(
    what: list[str], command: Command, ingest: Callable[..., Report], shop: Path
) -> None:
    ingest(shop)
    before = names(command)
    command.run("remove", *what, "--yes")
    after = names(command)
    gone = len(before) - len(after)
    assert ingest(shop) == ingest(shop, "--dry-run") == {"left_out": gone}
    told = command.run("ingest", shop)
    assert f"{gone} that" in told.stdout
    assert "--include-removed" in told.stderr
    assert names(command) == after
    assert library(command)["removed"] == gone
    stay = "1 removed photo stays out" if gone == 1 else f"{gone} removed photos stay out"
    lines = [line.strip() for line in command.run("status").stdout.splitlines()]
    assert f"{stay} (--include-removed lifts that)" in lines  # a line of its own
    assert ingest(shop, "--include-removed", "--dry-run") == {"added": gone}
    assert ingest(shop, "--include-removed") == {"added": gone, "embedded": gone}
    assert library(command)["removed"] == 0
    assert ingest(shop) == {}


def test_a_removed_photo_stays_out_under_another_name(
    command: Command, ingest: Callable[..., Report], shop: Path
) -> None:
    ingest(shop)
    command.run("remove", "a.png", "--yes")
    (shop / "a.png").rename(shop / "renamed.png")
    shutil.copy(shop / "renamed.png", shop / "sub" / "copy.png")
    assert ingest(shop, "--dry-run") == {"left_out": 2}
    assert ingest(shop) == {"left_out": 2}
    assert ingest(shop, "--include-removed") == {"added": 2, "embedded": 1}
    assert ingest(shop) == {}


def test_a_copy_of_a_removed_photo_that_was_kept_may_be_renamed_and_copied(
    command: Command, ingest: Callable[..., Report], shop: Path
) -> None:
    shutil.copy(shop / "a.png", shop / "kept.png")
    ingest(shop)
    command.run("remove", "a.png", "--yes")
    (shop / "kept.png").rename(shop / "kept still.png")
    assert ingest(shop) == {"renamed": 1, "left_out": 1}
    shutil.copy(shop / "kept still.png", shop / "again.png")
    assert ingest(shop) == {"added": 1, "left_out": 1}


def test_what_was_removed_of_one_library_may_be_in_another(
    command: Command, ingest: Callable[..., Report], shop: Path, tmp_path: Path
) -> None:
    ingest(shop)
    command.run("remove", "a.png", "--yes")
    other = picture(tmp_path / "other" / "a.png", 0).parent
    assert ingest(other)["added"] == 1
    assert ingest(shop) == {"left_out": 1}


def test_removed_photos_are_taken_in_where_it_is_asked_for_alone(
    command: Command, ingest: Callable[..., Report], shop: Path
) -> None:
    ingest(shop)
    command.run("remove", "a.png", "drafts/c.png", "--yes")
    assert ingest(shop / "drafts", "--include-removed") == {"added": 1, "embedded": 1}
    assert library(command)["removed"] == 1
    assert ingest(shop) == {"left_out": 1}


def test_a_removed_photo_that_is_edited_stays_out(
    command: Command, ingest: Callable[..., Report], shop: Path
) -> None:
    ingest(shop)
    command.run("remove", "a.png", "--yes")
    picture(shop / "a.png", 99)
    assert ingest(shop) == {"left_out": 1}


def test_a_library_that_was_removed_as_a_whole_is_begun_anew(
    command: Command, ingest: Callable[..., Report], shop: Path
) -> None:
    ingest(shop, "--exclude", "drafts")
    command.run("remove", "a.png", "--yes")
    command.run("remove", "shop", "--yes")
    assert ingest(shop)["added"] == 6


# -- where rules go


def test_rules_survive_another_model_and_go_along_with_a_copy(
    command: Command, ingest: Callable[..., Report], shop: Path, tmp_path: Path
) -> None:
    ingest(shop, "--exclude", "drafts")
    command.run("remove", "a.png", "--yes")
    report = command.run("ingest", "--re-embed", "--json").json
    assert (report["embedded"], report["left_out"]) == (3, 1)
    assert ingest(shop) == {"left_out": 1}
    command.run("copy", "default", tmp_path / "copy")
    found = command.run("--index", tmp_path / "copy", "status", "--json").json["libraries"][0]
    assert (found["exclude"], found["removed"]) == (["drafts"], 1)


def test_a_library_takes_its_rules_along_into_its_parent(
    command: Command, ingest: Callable[..., Report], shop: Path
) -> None:
    ingest(shop, "--exclude", "drafts", "--exclude", "sub/f.png")
    command.run("remove", "a.png", "--yes")
    picture(shop.parent / "above" / "top.png", 7)
    shop = shop.rename(shop.parent / "above" / "shop")
    ingest(shop)
    report = ingest(shop.parent)
    assert (report["added"], report["left_out"]) == (3, 1)
    assert names(command) == {"top.png", "shop/b.png", "shop/e.tmp.png"}
    assert ingest(shop.parent) == {"left_out": 1}


GARBAGE = [
    "no json",
    "[]",
    '{"libraries": 7}',
    '{"libraries": {"shop": []}}',
    '{"libraries": {"shop": {"exclude": "*", "removed": ["x"], "raw_apart": "yes"}}}',
    '{"libraries": {"shop": {"exclude": [7, null, ""], "removed": {"x": [1, "y"], "0": 3}}}}',
]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_rules_that_are_none_are_left_out(
    garbage: str, command: Command, ingest: Callable[..., Report], shop: Path
) -> None:
    ingest(shop)
    place = command.run("status", "--json").json["index"]["place"]
    [database] = Path(os.path.expanduser(place.replace("~", str(command.home)))).glob("*/*.sqlite")
    connection = sqlite3.connect(database)
    connection.execute("insert or replace into meta values ('rules', ?)", (garbage,))
    connection.commit()
    connection.close()
    assert ingest(shop) == {}
    assert library(command)["exclude"] == []
    assert ingest(shop, "--exclude", "drafts") == {"excluded": 2}
    assert library(command)["exclude"] == ["drafts"]


@pytest.fixture
def index(tmp_path: Path) -> LocalIndex:
    return open_local(tmp_path / "rules", create=True)


def test_a_thousand_removed_photos_are_kept_exactly(index: LocalIndex) -> None:
    removed = {f"{n:032x}": Removed(n, f"{n:064x}") for n in range(1000)}
    kept = Rules(("*.tmp", "a b/é"), removed, raw_apart=True)
    rules.change(index, "one", lambda known: kept)
    rules.change(index, "two", lambda known: Rules(("x",)))
    assert rules.of(index) == {"one": kept, "two": Rules(("x",))}
    rules.forget(index, ["one", "unknown"])
    assert rules.of(index) == {"two": Rules(("x",))}
    assert json.loads(json.dumps(index.rules.read())) == index.rules.read()
    index.close()


# -- a RAW and its JPEG


PAIRS = [  # RAW, what the camera wrote beside it
    ("IMG_0001.CR2", "IMG_0001.JPG"),
    ("_DSC0042.NEF", "_DSC0042.jpg"),
    ("DSC00001.ARW", "DSC00001.HIF"),
    ("DSCF0001.RAF", "DSCF0001.JPEG"),
    ("IMG_2000.DNG", "IMG_2000.HEIC"),
    ("img_1.cr3", "IMG_1.JPG"),  # one of them was renamed in lower case
    ("PXL_1.RAW-02.ORIGINAL.dng", "PXL_1.RAW-01.COVER.jpg"),
    ("PXL_1.RAW-02.ORIGINAL.dng", "PXL_1.RAW-01.MP.COVER.jpg"),
]
APART = [
    ("IMG_0001.CR2", "IMG_0002.JPG"),
    ("IMG_0001.CR2", "IMG_0001.png"),
    ("IMG_0001.CR2", "IMG_0001-edited.jpg"),
    ("IMG_0001.CR2", "IMG_0001.xmp"),
    ("IMG_0001.CR2", "IMG_0001.DNG"),
]


@pytest.mark.parametrize(("raw", "beside"), PAIRS)
def test_a_raw_is_told_by_the_jpeg_of_its_name(raw: str, beside: str) -> None:
    assert raw_pairs.joined([raw.encode(), beside.encode()]) == {raw.encode()}


@pytest.mark.parametrize(("raw", "beside"), APART)
def test_other_files_are_photos_of_their_own(raw: str, beside: str) -> None:
    assert raw_pairs.joined([raw.encode(), beside.encode()]) == set()


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """As a camera and a phone write them: two pairs, a RAW alone, a JPEG alone, a Live Photo."""
    folder = tmp_path / "DCIM"
    for number, name in enumerate(
        ("1.CR2", "1.JPG", "2.DNG", "2.HEIC", "3.CR2", "4.JPG", "5.HEIC")
    ):
        format = "JPEG" if name.endswith("JPG") else "PNG"  # a file is what its content says
        picture(folder / f"IMG_{name}", 30 * number, format)
    (folder / "IMG_5.MOV").write_bytes(b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(500))
    (folder / "IMG_5.AAE").write_text("<?xml version='1.0'?><plist/>")
    return folder


def test_a_raw_and_its_jpeg_are_one_photo(
    command: Command, ingest: Callable[..., Report], card: Path
) -> None:
    assert ingest(card) == {"added": 5, "embedded": 5}
    one = {"IMG_1.JPG", "IMG_2.HEIC", "IMG_3.CR2", "IMG_4.JPG", "IMG_5.HEIC"}
    assert names(command) == one
    assert library(command)["raw_pairs"] == "one"
    assert "--raw-pairs" in command.run("status").stdout
    assert ingest(card, "--raw-pairs", "two") == {"added": 2, "embedded": 2}
    assert ingest(card) == {}
    assert library(command)["raw_pairs"] == "two"
    assert "--raw-pairs one" in command.run("status").stdout
    assert ingest(card, "--raw-pairs", "one", "--dry-run") == {"removed": 2}
    assert ingest(card, "--raw-pairs", "one") == {"removed": 2}
    assert names(command) == one


def test_a_pair_that_is_parted_is_still_in_the_index(
    command: Command, ingest: Callable[..., Report], card: Path
) -> None:
    ingest(card)
    (card / "IMG_1.JPG").unlink()
    assert ingest(card, "--prune") == {"added": 1, "removed": 1, "embedded": 1}
    assert "IMG_1.CR2" in names(command)
    picture(card / "IMG_1.JPG", 30)
    assert ingest(card) == {"added": 1, "removed": 1, "embedded": 1}


@pytest.mark.parametrize("damage", ["cut off", "empty", "no picture"])
def test_a_raw_beside_a_damaged_jpeg_is_a_photo(
    command: Command, ingest: Callable[..., Report], card: Path, tmp_path: Path, damage: str
) -> None:
    """Until the JPEG can be read; nothing is embedded for that again and again."""
    jpeg, report = card / "IMG_1.JPG", tmp_path / "report.csv"
    whole = jpeg.read_bytes()
    jpeg.write_bytes({"cut off": whole[:200], "empty": b"", "no picture": b"<html>" * 50}[damage])
    assert ingest(card, "--dry-run") == {"added": 5}
    assert ingest(card, "--report", report) == {"added": 5, "embedded": 5}
    rows = {Path(row["path"]).name: row for row in rows_of(report)}
    assert rows["IMG_1.CR2"]["status"] == "added"
    assert rows["IMG_1.JPG"]["status"] == "skipped"
    assert "IMG_1.CR2 beside it is read instead" in rows["IMG_1.JPG"]["detail"]
    assert {"IMG_1.CR2", "IMG_2.HEIC"} <= names(command)
    assert ingest(card) == {}
    jpeg.write_bytes(whole)
    assert ingest(card) == {"added": 1, "removed": 1, "embedded": 1}
    assert "IMG_1.CR2" not in names(command)


def test_the_name_of_a_raw_that_is_read_instead_is_escaped(command: Command, card: Path) -> None:
    (card / "IMG_1.CR2").rename(card / "\x1b[2J.CR2")
    (card / "IMG_1.JPG").rename(card / "\x1b[2J.JPG").write_bytes(b"")
    told = command.run("ingest", card).stderr
    assert "[2J.CR2 beside it is read instead" in told
    assert "\x1b" not in told


def test_an_unknown_choice_is_a_usage_error(command: Command, card: Path) -> None:
    answer = command.run("ingest", card, "--raw-pairs", "three", code=2)
    assert "three" in answer.stderr
    assert "one" in answer.stderr


def test_the_sidecar_of_a_raw_speaks_for_its_jpeg(
    command: Command, ingest: Callable[..., Report], card: Path
) -> None:
    assert sidecars.belonging([b"A.JPG", b"A.CR2.xmp"], [b"A.CR2"]) == {b"A.JPG": b"A.CR2.xmp"}
    assert sidecars.belonging([b"A.JPG", b"A.CR2.xmp", b"A.JPG.xmp"], [b"A.CR2"]) == {
        b"A.JPG": b"A.JPG.xmp"
    }
    (card / "IMG_1.CR2.xmp").write_text(
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
        ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description'
        ' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/></rdf:RDF></x:xmpmeta>'
    )
    ingest(card)
    hits = command.run("query", "red", "-k", "99", "--json", "--rating", "4").json_lines
    assert [hit["name"] for hit in hits] == ["IMG_1.JPG"]
