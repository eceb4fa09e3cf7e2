"""`ingest --regions`: what is small in a picture is found, and where it is."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from imgsearch import demo, thumbnails
from imgsearch.demo.training.figures import EVALUATION, read_json
from imgsearch.errors import UsageError
from imgsearch.index.base import Capabilities, Part, PartCount, PartKind
from imgsearch.ingest import decisions, part_costs, parts, rules
from imgsearch.ingest.options import Options
from imgsearch.ingest.stopwatch import Stopwatch
from imgsearch.photos import regions
from imgsearch.photos.decode import Decoded
from imgsearch.photos.metadata import Metadata
from imgsearch.results import Hit
from tests import scenes
from tests.command import Command
from tests.index_contract import record
from tests.scenes import Scene


def test_crops_lie_around_small_things() -> None:
    for scene in scenes.scenes(8, seed=3):
        boxes = regions.boxes(scene.image, 96)
        assert 4 <= len(boxes) <= regions.MOST
        assert max(regions.overlap(box, scene.box) for box in boxes) >= 0.3
        assert all(
            box[0] + box[2] <= scene.image.width and box[1] + box[3] <= scene.image.height
            for box in boxes
        )


@pytest.mark.parametrize("size", [(1, 1), (3000, 2), (9, 800), (640, 480), (97, 97)])
def test_nothing_is_cut_out_of_nothing(size: tuple[int, int]) -> None:
    assert regions.boxes(Image.new("RGB", size, "grey"), 96) == []


def test_all_of_a_picture_without_outlines_is_covered() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)
    for image in (Image.fromarray(noise), Image.fromarray(noise).crop((0, 0, 640, 200))):
        seen = np.zeros((image.height, image.width), bool)
        for left, top, width, height in regions.boxes(image, 96):
            seen[top : top + height, left : left + width] = True
        assert seen.mean() > 0.95
    small = Image.fromarray(noise).resize((96, 96))
    assert regions.boxes(small, 96) == []  # the model sees it as it is


def test_a_frame_is_drawn_around_the_part() -> None:
    white = thumbnails.encoded(Image.new("RGB", (200, 100), "white"), 200)
    framed = thumbnails.framed(
        white, record("a.jpg", width=2000, height=1000), (500, 200, 800, 400)
    )
    with Image.open(io.BytesIO(framed)) as image:
        dark = np.asarray(image.convert("L")) < 128
    rows, columns = np.flatnonzero(dark.any(1)), np.flatnonzero(dark.any(0))
    assert abs(rows[[0, -1]] - [20, 60]).max() <= 2
    assert abs(columns[[0, -1]] - [50, 130]).max() <= 2


def test_the_thumbnail_of_a_hit_shows_the_part(tmp_path: Path, demo_photos: Path) -> None:
    """As terminals and galleries draw it."""
    file = next(demo_photos.rglob("*.png"))
    with Image.open(file) as image:
        photo = record(file.name, width=image.width, height=image.height)
    path = os.fsencode(file)
    plain = Hit(rank=1, score=0.5, record=photo, raw_path=path, missing=False)
    part = dataclasses.replace(plain, part=Part("region", (10, 10, 60, 60)))
    with thumbnails.opened(tmp_path, 9) as made:
        webp = made.of(part, 240)
        assert webp != made.of(plain, 240)
        assert webp == thumbnails.framed(made.of(plain, 240) or b"", photo, (10, 10, 60, 60))


class _Blind:
    """An encoder to which all pictures are alike."""

    image_size = 96

    def prepare(self, image: Image.Image) -> np.ndarray:
        return np.zeros((1, 3, 1, 1), np.float32)

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        return np.zeros((len(pixels), 4), np.float32)


def test_places_are_in_pixels_of_the_photo_however_small_it_was_decoded() -> None:
    [scene] = scenes.scenes(1, seed=3)
    width, height = scene.image.size
    found = Decoded(scene.image, Metadata(format="JPEG", width=4 * width, height=2 * height))
    made, _ = parts.parts_of(
        ("region",), b"", found, _Blind(), None, 250, Stopwatch(["decode", "embed"])
    )
    boxes = regions.boxes(scene.image, 96)
    assert [*made["region"].places] == [(4 * x, 2 * y, 4 * w, 2 * h) for x, y, w, h in boxes]
    assert any(x for x, *_ in boxes)


def test_costs_go_by_the_last_ingest() -> None:
    seconds = {"read": 1.0, "decode": 10.0, "embed": 20.0, "walk": 99.0}
    cost = part_costs.of("region", 1000, 128, {"embedded": 100, "seconds": seconds}, cores=2)
    assert cost.hours == pytest.approx((1 + 2 * 10 + 9 * 20) / 100 * 1000 / 2 / 3600)
    assert cost.bytes == 1000 * 9 * (4 * 128 + 128 + 80)
    assert part_costs.told(cost) == "1,000 photos would take about 17 min and 6 MB"
    read = part_costs.of("text", 1000, 128, {"embedded": 100, "seconds": seconds}, cores=2)
    assert read.hours == pytest.approx((0.5 * 100 + 1 + 10) / 100 * 1000 / 2 / 3600)
    there: dict[PartKind, PartCount] = {"region": PartCount(10, 42), "page": PartCount(3, 7)}
    holding = part_costs.Holding(12, 3, there, 128, {"embedded": 0})
    said = {kind: rest for kind, *rest in part_costs.said(holding, 1, ["region"])}
    assert said["region"] == ["42 in 10 photos; 2 photos would take less than 1 MB", True]
    assert said["page"] == ["7 in 3 photos", False]
    assert "frame" not in said
    there["region"] = PartCount(12, 42)
    assert ("region", "42 in 12 photos", False) in part_costs.said(holding, 1, [])


def test_what_pages_and_films_would_cost_is_told() -> None:
    """Of films, by those that the last ingest passed over."""
    ingest = {"embedded": 100, "seconds": {"embed": 20.0}, "films": 30, "film_bytes": 10**11}
    holding = part_costs.Holding(20_000, 12_000, {"page": PartCount(3, 7)}, 128, ingest)
    said = {kind: rest for kind, *rest in part_costs.said(holding, 2, ["frame"])}
    pages, is_asked = said["page"]
    assert pages.startswith("7 in 3 photos; the next ingest looks into 11,997 TIFF or HEIC files:")
    assert "about 1 min" in pages  # a hundredth of a second each, on two cores
    assert not is_asked
    cost = part_costs.of_films(ingest, 128, 2)
    assert cost is not None
    assert cost.hours == pytest.approx((30 * (0.5 + 20 * 0.2) + 100 * 10) / 2 / 3600)
    assert cost.bytes == 30 * 20 * (4 * 128 + 128 + 80)
    assert said["frame"] == [
        "not asked for; the last ingest passed over 30 films (100.0 GB): about 9 min and less than"
        " 1 MB",
        True,
    ]
    for odd in ({"films": "9"}, {"film_bytes": -1}, {"films": True}, {"films": 0}):
        assert part_costs.of_films({**ingest, **odd}, 128, 2) is None


@pytest.mark.parametrize(
    "report",
    [{"embedded": "9"}, {"embedded": 9, "seconds": [1]}, {"embedded": 10**400, "seconds": {}}],
)
def test_a_strangers_report_tells_no_time(report: dict[str, object]) -> None:
    assert part_costs.of("region", 10, 128, report, 1).hours is None


def test_an_index_that_can_hold_no_parts_says_so() -> None:
    class Whole:
        capabilities = Capabilities(no_parts="Whole photos only.")

    with pytest.raises(UsageError, match="Whole photos only") as caught:
        decisions.check_parts(Whole(), Options(parts={"region": True}))  # type: ignore[arg-type] # enough
    assert "on this machine" in caught.value.cure
    decisions.check_parts(Whole(), Options(parts={"region": False}))  # type: ignore[arg-type]


def test_what_was_asked_for_before_there_were_other_kinds_still_holds() -> None:
    kept = {"libraries": {"scans": {"regions": True}, "odd": {"parts": ["x", 1, "text"]}}}
    old = SimpleNamespace(rules=SimpleNamespace(read=lambda: kept))
    found = rules.of(old)  # type: ignore[arg-type] # enough of it
    assert {name: each.parts for name, each in found.items()} == {
        "scans": ("region",),
        "odd": ("text",),
    }


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Command:
    home = tmp_path_factory.mktemp("home")
    return Command(home, model_cache, {"IMGSEARCH_MODEL": "demo"})


@pytest.fixture(scope="module")
def shown(user: Command) -> dict[str, Scene]:
    return scenes.write(user.home / "scenes", 60)


@pytest.fixture(scope="module")
def searched(user: Command, shown: dict[str, Scene]) -> Command:
    """Ingested without regions, and then with them."""
    first = user.run("ingest", "scenes", "--json").json
    assert (first["added"], first["looked_through"]) == (60, 0)
    before = _vectors(user)
    tried = user.run("ingest", "scenes", "--regions", "--dry-run", "--json").json
    assert (tried["looked_through"], tried["updated"]) == (60, 0)
    done = user.run("ingest", "scenes", "--regions", "--json").json
    assert (done["looked_through"], done["embedded"], done["added"]) == (60, 0, 0)
    assert _vectors(user) == before  # nothing whole was embedded again
    return user


def _database(user: Command) -> sqlite3.Connection:
    paths = (user.home / "data").rglob("index.sqlite")
    [path] = [path for path in paths if "whole" not in path.parts]
    return sqlite3.connect(path)


def _vectors(user: Command) -> list[tuple[int, bytes]]:
    connection = _database(user)
    found = connection.execute("select row, vector from embeddings where kind = 0").fetchall()
    connection.close()
    return found


def _measured(user: Command, shown: dict[str, Scene]) -> tuple[float, float]:
    """recall@5 by the small icon's name, and the share of the right hits whose box lies over it."""
    names = {scene.name: file for file, scene in shown.items()}
    (user.home / "names.txt").write_text("\n".join(names) + "\n")
    asked = user.run("query", "--from-file", "names.txt", "--literal", "--json", "-k", "5")
    right, placed = set(), []
    for hit in asked.json_lines:
        if hit["name"] == names[hit["question"]]:
            right.add(hit["question"])
            box = hit["box"] or (0, 0, *scenes.SIZE)
            placed.append(regions.overlap(tuple(box), shown[hit["name"]].box) >= 0.3)
    return len(right) / len(names), sum(placed) / max(1, len(placed))


def test_small_things_are_found_where_they_are(searched: Command, shown: dict[str, Scene]) -> None:
    recall, placed = _measured(searched, shown)
    assert recall >= 0.7
    assert placed >= 0.8
    whole = searched.run("--index", "whole", "ingest", "scenes", "--json").json
    assert whole["added"] == 60
    plain = Command(
        searched.home, searched.cache, {**searched.environment, "IMGSEARCH_INDEX": "whole"}
    )
    assert recall >= 2 * _measured(plain, shown)[0]


def test_a_hit_says_where(searched: Command, shown: dict[str, Scene]) -> None:
    scene = shown["007.png"]
    hits = searched.run("query", scene.name, "--literal", "--json").json_lines
    [hit] = [hit for hit in hits if hit["name"] == "007.png"]
    left, top, width, height = hit["box"]
    assert min(left, top) >= 0
    assert left + width <= hit["width"]
    assert top + height <= hit["height"]
    table = searched.run("query", scene.name, "--literal").stdout
    assert any("part" in line and "007.png" in line for line in table.splitlines())


def test_a_part_of_a_picture_is_asked_with(searched: Command, shown: dict[str, Scene]) -> None:
    scene = shown["003.png"]
    box = ",".join(map(str, scene.box))
    scene.image.crop(
        (scene.box[0], scene.box[1], scene.box[0] + scene.box[2], scene.box[1] + scene.box[3])
    ).save(searched.home / "alone.png")
    asked = [
        searched.run("similar", name, "--box", box, "--json").json_lines
        for name in ("scenes/003.png", "003.png")
    ]
    assert asked[0] == asked[1]
    assert "003.png" not in {hit["name"] for hit in asked[0]}
    shutil.copy(searched.home / "scenes/003.png", searched.home / "copy.png")
    whole = searched.run("similar", "alone.png", "--json").json_lines
    assert whole[0]["name"] == "003.png"
    assert whole[0]["box"] is not None
    outside = searched.run("similar", "copy.png", "--box", "9000,9000,5,5", code=1).stderr
    assert "outside" in outside
    wrong = searched.run("similar", "copy.png", "--box", "1,2,3", code=2).stderr
    assert "LEFT,TOP,WIDTH,HEIGHT" in wrong


def test_later_ingests_keep_to_it(searched: Command, shown: dict[str, Scene]) -> None:
    """What moves takes its regions along; what is new gets some, until that is ended."""
    folder = searched.home / "scenes"
    again = searched.run("ingest", "--json").json
    assert (again["unchanged"], again["looked_through"], again["embedded"]) == (60, 0, 0)
    (folder / "005.png").rename(folder / "moved.png")
    shutil.copy(folder / "006.png", folder / "copied.png")
    parts = _parts(searched)
    changed = searched.run("ingest", "--json").json
    assert (changed["renamed"], changed["added"], changed["embedded"]) == (1, 1, 0)
    after = _parts(searched)
    assert after["moved.png"] == parts["005.png"]
    assert after["copied.png"] == parts["006.png"]
    assert "005.png" not in after
    new = next(scenes.scenes(1, seed=9))
    new.image.save(folder / "new.png")
    assert searched.run("ingest", "--json").json["embedded"] == 1
    assert _parts(searched)["new.png"]
    (folder / "later.png").write_bytes((folder / "new.png").read_bytes() + b"\0")
    assert searched.run("status", "--json").json["libraries"][0]["parts"] == ["region"]
    ended = searched.run("ingest", "scenes", "--no-regions")
    assert "no regions" in ended.stderr
    found = _parts(searched)
    assert "later.png" not in found
    assert found["new.png"]
    status = searched.run("status", "--json").json
    assert status["parts"]["region"]["photos"] == 62
    assert status["libraries"][0]["parts"] == []
    searched.run("ingest", "scenes", "--regions", "--no-regions", code=2)


def _parts(user: Command) -> dict[str, list[tuple[str, bytes]]]:
    connection = _database(user)
    found: dict[str, list[tuple[str, bytes]]] = {}
    for name, place, vector in connection.execute(
        "select relative_path, place, vector from embeddings join photos"
        " on photos.row = photo where kind = 1 order by place"
    ):
        found.setdefault(name, []).append((place, vector))
    connection.close()
    return found


def _whole_recall(user: Command, shown: dict[str, Scene]) -> float:
    """recall@5 of the demo's photos, which one icon fills, by its name. A scene that shows the same
    icon counts as right, and takes no place."""
    names = read_json(EVALUATION / "texts.json")["names"]
    right: dict[str, set[str]] = {}
    for file, concept in read_json(demo.PHOTOS.parent / "photos.json").items():
        if "en" in names.get(concept, {}):
            right.setdefault(names[concept]["en"], set()).add(Path(file).name)
    (user.home / "whole.txt").write_text("\n".join(right) + "\n")
    asked = user.run("query", "--from-file", "whole.txt", "--literal", "--json", "-k", "30")
    found: dict[str, list[str]] = {name: [] for name in right}
    for hit in asked.json_lines:
        scene, name = shown.get(hit["name"]), hit["question"]
        if scene is None or name not in (scene.name, *scene.beside):
            found[name].append(hit["name"])
    return float(
        np.mean([len(right[n] & set(found[n][:5])) / min(5, len(right[n])) for n in right])
    )


@pytest.mark.slow
def test_five_hundred_scenes(tmp_path: Path, model_cache: Path) -> None:
    user = Command(tmp_path, model_cache, {"IMGSEARCH_MODEL": "demo"})
    shown = scenes.write(tmp_path / "scenes")
    user.run("ingest", "scenes", demo.PHOTOS)
    before, _ = _measured(user, shown)
    whole = _whole_recall(user, shown)
    user.run("ingest", "--regions")
    recall, placed = _measured(user, shown)
    print(json.dumps({"whole": before, "regions": recall, "placed": placed}))
    assert recall >= max(0.7, 2 * before)
    assert placed >= 0.8
    assert _whole_recall(user, shown) >= whole - 0.01
