"""Films: their key frames, what their container says, and finding a moment in one."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av", reason="an extra")

from imgsearch.photos import SkipReason, decode, film_facts, film_formats, films, key_frames
from imgsearch.photos.decode import Undecodable
from tests import films as made
from tests.command import Command
from tests.web_server import serving

KINDS = {  # by file name: codec and its options
    "a.mp4": ("libx264", {"preset": "ultrafast"}),
    "b.mov": ("libx264", {"preset": "ultrafast"}),
    "c.mkv": ("libx264", {"preset": "ultrafast"}),
    "d.webm": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
    "e.avi": ("mpeg4", {}),
    "f.3gp": ("mpeg4", {}),
    "g.avi": ("mjpeg", {}),
}


def _read(path: Path, most: int = films.MOST, megapixels: float = 100) -> films.Film:
    return films.read(str(path), side=224, max_megapixels=megapixels, most=most)


def _difference(one: Image.Image, other: Image.Image) -> float:
    pair = [np.asarray(image.resize((32, 32)), np.float32) for image in (one, other)]
    return float(np.abs(pair[0] - pair[1]).mean())


@pytest.fixture(scope="module")
def scenes() -> list[Image.Image]:
    return list(made.icons(4).values())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, scenes: list[Image.Image]) -> Path:
    folder = tmp_path_factory.mktemp("films")
    for name, (codec, options) in KINDS.items():
        made.make(folder / name, scenes, codec, options=options)
    return folder


@pytest.mark.parametrize("name", KINDS)
def test_each_scene_of_a_film_is_a_frame(
    name: str, folder: Path, scenes: list[Image.Image]
) -> None:
    film = _read(folder / name)
    places = [frame.place for frame in film.frames]
    assert len(places) == len(scenes)
    for number, (frame, scene) in enumerate(zip(film.frames, scenes, strict=True)):
        start = 1000 * made.SECONDS * number
        assert start <= frame.place < start + 1100
        assert _difference(frame.image, scene) < 12
        seen = films.at(str(folder / name), frame.place, side=120, max_megapixels=100)
        assert min(seen.size) == 120
        assert _difference(seen, scene) < 12
    assert film.seconds == pytest.approx(made.SECONDS * len(scenes), abs=0.5)
    assert (film.metadata.width, film.metadata.height) == made.SIZE
    expected = {".3gp": "3GP"}.get(Path(name).suffix, Path(name).suffix[1:].upper())
    assert film.metadata.format == expected
    assert _difference(decode.decode(str(folder / name), target=64, max_megapixels=9).image,
                       scenes[0]) < 12  # fmt: skip


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_a_film_stands_upright(rotation: int, tmp_path: Path, scenes: list[Image.Image]) -> None:
    stored = scenes[0].rotate(-rotation, expand=True)  # a player turns it back
    path = made.make(tmp_path / "turned.mp4", [stored], rotation=rotation)
    film = _read(path)
    assert (film.metadata.width, film.metadata.height) == made.SIZE
    assert film.frames[0].image.size == made.SIZE
    assert _difference(film.frames[0].image, scenes[0]) < 12


def test_black_plain_and_blurred_frames_are_left_out(
    tmp_path: Path, scenes: list[Image.Image]
) -> None:
    from PIL import ImageFilter

    plain = Image.new("RGB", made.SIZE, "orange")
    blurred = scenes[1].filter(ImageFilter.GaussianBlur(60))
    path = made.make(tmp_path / "f.mp4", [made.BLACK, plain, blurred, scenes[0], made.BLACK])
    film = _read(path)
    assert [frame.place // 3000 for frame in film.frames] == [3]
    night = _read(made.make(tmp_path / "night.mp4", [made.BLACK], sound=True))
    assert [frame.place for frame in night.frames] == [0]


def test_a_film_has_no_more_frames_than_allowed(tmp_path: Path) -> None:
    """The one most like another gives way; what returns is not kept twice."""
    scenes = list(made.icons(6, seed=3).values())
    path = made.make(tmp_path / "f.mp4", [*scenes, *scenes], seconds=1)
    assert [frame.place for frame in _read(path).frames] == [0, 1000, 2000, 3000, 4000, 5000]
    film = _read(path, most=4)
    assert len(film.frames) == 4
    assert film.frames[0].place == 0


def test_frames_that_hardly_differ_are_one() -> None:
    rng = np.random.default_rng(0)
    picture = rng.uniform(0, 255, (key_frames.SIDE, key_frames.SIDE, 3)).astype(np.float32)
    chosen = key_frames.Selection[str](2)
    for number, noise in enumerate((0, 1, 2)):
        noisy = picture + rng.normal(0, noise, picture.shape).astype(np.float32)
        chosen.offer(number, noisy, str(number), good=True)
    assert chosen.frames() == [(0, "0")]


SAID = {
    "com.apple.quicktime.make": "Apple",
    "com.apple.quicktime.model": "iPhone 15",
    "com.apple.quicktime.creationdate": "2024-05-01T12:30:00+0200",
    "com.apple.quicktime.location.ISO6709": "+48.8577+002.2950+035.000/",
    "title": "Tower\x1b[31m",
}


def test_what_the_container_says_is_kept(tmp_path: Path, scenes: list[Image.Image]) -> None:
    path = made.make(tmp_path / "said.mov", scenes[:1], said=SAID, seconds=1)
    found = decode.inspect(str(path), max_megapixels=9)
    assert (found.taken, found.taken_offset) == ("2024-05-01T12:30:00", "+02:00")
    assert (found.taken_precision, found.taken_source) == ("second", "film")
    assert (found.latitude, found.longitude) == (48.8577, 2.295)
    assert found.camera == "Apple iPhone 15"
    assert found.title == "Tower [31m"


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ({"creation_time": "2024-05-01T10:30:00.000000Z"}, "2024-05-01T10:30:00"),
        ({"creation_time": "1904-01-01T00:00:00.000000Z"}, None),
        ({"creation_time": "1970-01-01T00:00:00.000000Z"}, None),
        ({"DATE": "2019"}, "2019-01-01T00:00:00"),
        ({"creation_time": "tomorrow", "location": "+91.0+200.0/", "make": "\0"}, None),
    ],
)
def test_dates_that_cannot_be_true_are_none(said: dict[str, str], taken: str | None) -> None:
    found = film_facts.read(said, format="MP4", width=1, height=1)
    assert (found.taken, found.latitude, found.camera) == (taken, None, None)


def _refusal(path: Path, megapixels: float = 100) -> Undecodable:
    with pytest.raises(Undecodable) as caught:
        _read(path, megapixels=megapixels)
    return caught.value


def test_broken_films_are_refused_with_a_reason(folder: Path, tmp_path: Path) -> None:
    data = (folder / "a.mp4").read_bytes()
    broken = tmp_path / "a.mp4"
    broken.write_bytes(data[: len(data) // 2])
    assert _refusal(broken).reason is SkipReason.TRUNCATED
    broken.write_bytes(data[:40] + bytes(len(data) - 40))
    assert _refusal(broken).reason is SkipReason.DAMAGED
    broken.write_bytes(b"#!/bin/sh\n" * 100)
    assert _refusal(broken).reason is SkipReason.NOT_A_PICTURE
    assert _refusal(folder / "a.mp4", megapixels=0.01).reason is SkipReason.TOO_LARGE
    assert _refusal(tmp_path / "gone.mp4").reason is SkipReason.GONE


@pytest.mark.parametrize("name", ["c.mkv", "e.avi", "d.webm"])
def test_a_film_that_was_cut_off_counts_as_far_as_it_plays(
    name: str, folder: Path, tmp_path: Path
) -> None:
    data = (folder / name).read_bytes()
    cut = tmp_path / name
    cut.write_bytes(data[: len(data) * 6 // 10])
    places = [frame.place for frame in _read(cut).frames]
    assert places == [frame.place for frame in _read(folder / name).frames][: len(places)]
    assert places


def test_songs_are_no_films(tmp_path: Path) -> None:
    import av

    for name, reason in (("song.mp4", SkipReason.NOT_A_PICTURE),):
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream("aac", rate=16000, layout="mono")
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 16000), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate = 16000
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        assert _refusal(tmp_path / name).reason is reason


def test_a_stuck_decoder_is_ended(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that crashes, or says what it should not, ends nothing else."""
    programs = {
        "stuck": "import time; time.sleep(600)",
        "crashes": "import os; os.abort()",
        "lies": 'print(\'{"place": 1, "width": 9, "height": 9, "bytes": 5}\', flush=True)',
        "floods": "import sys; sys.stdout.write('x' * 9_000_000)",
        "empty": "print('{\"end\": true}')",
    }
    python = sys.executable
    for name, program in programs.items():
        script = tmp_path / name
        script.write_text(f"#!{python}\n{program}\n")
        script.chmod(0o755)
        monkeypatch.setattr(films.sys, "executable", str(script))
        monkeypatch.setattr(films, "_STUCK", 0.5 if name == "stuck" else 500)
        refusal = _refusal(folder / "a.mp4")
        assert refusal.reason is SkipReason.DAMAGED
        assert ("stuck" in refusal.detail) == (name == "stuck")


def test_without_the_extra_it_is_said_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(films, "can_be_read", lambda: False)
    refusal = _refusal(folder / "a.mp4")
    assert refusal.reason is SkipReason.NOT_INSTALLED
    assert "[video]" in refusal.detail


@pytest.mark.parametrize(
    ("head", "name", "expected"),
    [
        (b"\0\0\0\x18ftypisom", "a", "MP4"),
        (b"\0\0\0\x18ftypqt  ", "a.jpg", "MOV"),
        (b"\0\0\0\x18ftyp3gp5", "a.mp4", "3GP"),
        (b"\0\0\0\x18ftypheic", "a.mov", None),
        (b"\0\0\0\x18ftypavif", "a.mp4", None),
        (b"\0\0\0\x18ftypM4A ", "a.mp4", None),
        (b"\0\0\0\x18ftypisom", "a.m4a", None),
        (b"\0\0\0\x18mdat", "a.mov", "MOV"),
        (b"\0\0\0\x18mdat", "a", None),
        (b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x82\x84webm", "a", "WEBM"),
        (b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x82\x88matroska", "a", "MKV"),
        (b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x82\x88matroska", "a.mka", None),
        (b"RIFF\0\0\0\0AVI LIST", "a", "AVI"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "a.avi", None),
    ],
)
def test_films_are_told_by_their_first_bytes(head: bytes, name: str, expected: str | None) -> None:
    assert film_formats.format_of(head, name) == expected


def test_halves_of_photos_are_told_by_name_and_size() -> None:
    files = {
        b"IMG_1.HEIC": 2_000_000,
        b"IMG_1.MOV": 3_000_000,
        b"img_2.jpg": 2_000_000,
        b"IMG_2.mp4": 3_000_000,
        b"IMG_3.JPG": 2_000_000,
        b"IMG_3.MOV": 300_000_000,
        b"IMG_4.MOV": 3_000_000,
        b"IMG_1.avi": 3_000_000,
        b"IMG_5.png": 2_000_000,
        b"IMG_5.mov": 3_000_000,
    }
    halves = film_formats.halves_of_photos(list(files), list(files.values()))
    assert halves == {b"IMG_1.MOV", b"IMG_2.mp4"}


OF_LIBRARY = ("a.mp4", "d.webm", "e.avi")
STATUS = ("status", "-v")


@pytest.fixture(scope="module")
def shown() -> dict[str, Image.Image]:
    return made.icons(24, seed=1)


@pytest.fixture(scope="module")
def user(
    tmp_path_factory: pytest.TempPathFactory, model_cache: Path, shown: dict[str, Image.Image]
) -> Command:
    """Films of eight scenes each, a broken one, and a live photo, ingested without films and then
    with them."""
    user = Command(tmp_path_factory.mktemp("home"), model_cache, {"IMGSEARCH_MODEL": "demo"})
    library = user.home / "library"
    library.mkdir()
    scenes = list(shown.values())
    for number, name in enumerate(OF_LIBRARY):
        codec, options = KINDS[name]
        made.make(library / name, scenes[8 * number : 8 * number + 8], codec, options=options)
    data = (library / "a.mp4").read_bytes()
    (library / "broken.mp4").write_bytes(data[: len(data) // 2])
    (library / "IMG_1.MOV").write_bytes((library / "a.mp4").read_bytes())
    scenes[0].save(library / "IMG_1.JPG")
    with open(library / "IMG_1.JPG", "ab") as motion_photo:  # Google's has its film inside
        motion_photo.write(data)
    (library / "drawing.svg").write_text("<svg/>")
    first = user.run("ingest", "library", "--json").json
    assert (first["added"], first["joined"], first["skipped"]) == (1, 0, [])
    films = [library / name for name in (*OF_LIBRARY, "broken.mp4")]
    assert (first["films"], first["documents"]) == (len(films), 1)
    assert first["film_bytes"] == sum(film.stat().st_size for film in films)
    told = "the last ingest passed over 4 films"
    assert all(told in " ".join(user.run(*way).stdout.split()) for way in (STATUS, ("doctor",)))
    done = user.run("ingest", "library", "--films", "--json")
    assert "from now on" in done.stderr
    assert (done.json["added"], done.json["unchanged"], done.json["joined"]) == (3, 1, 1)
    assert done.json["films"] == 0
    [skip] = done.json["skipped"]
    assert (Path(skip["path"]).name, skip["reason"]) == ("broken.mp4", "truncated")
    return user


def test_the_right_film_and_moment_are_found(user: Command, shown: dict[str, Image.Image]) -> None:
    """Within two seconds of the scene."""
    names = list(shown)
    (user.home / "names.txt").write_text("\n".join(names) + "\n")
    asked = user.run("query", "--from-file", "names.txt", "--literal", "--json", "-k", "2")
    first = {hit["question"]: hit for hit in reversed(asked.json_lines) if hit["format"] != "JPEG"}
    right = []
    for number, name in enumerate(names):
        film, scene = divmod(number, 8)
        hit, start = first[name], made.SECONDS * scene
        near = start - 2 <= hit["moment"] <= start + made.SECONDS + 2
        right.append(hit["name"] == OF_LIBRARY[film] and near)
    assert sum(right) >= 0.95 * len(right)
    table = user.run("query", names[2], "--literal").stdout
    assert re.search(r"at 0:0[678]\b.* library/a\.mp4", table)
    user.run("query", names[2], "--literal", "--html", "gallery.html")
    assert "at 0:0" in (user.home / "gallery.html").read_text()


def test_the_page_plays_a_film_from_the_moment(
    user: Command, shown: dict[str, Image.Image]
) -> None:
    name = list(shown)[12]
    with serving(user) as server:
        hits = server.ask("/api/v1/search?" + urlencode({"q": name})).json["hits"]
        hit = next(hit for hit in hits if hit["relative_path"] == "d.webm")
        assert hit["moment"] == pytest.approx(3 * (12 - 8), abs=2)
        shown_at = f"moment={hit['moment']:.3f}"
        grid = server.ask("/?" + urlencode({"q": name}))
        images = [found["src"] for tag, found in grid.tags if tag == "img"]
        address = next(src for src in images if hit["id"] in src)
        assert shown_at in address
        with Image.open(io.BytesIO(server.ask(address).body)) as thumbnail:
            assert _difference(thumbnail.convert("RGB"), shown[name]) < 15
        large = server.ask(f"/photo/{hit['id']}?" + urlencode({"q": name, "at": hit["rank"]}))
        [video] = [found for tag, found in large.tags if tag == "video"]
        assert video["src"] == f"/film/{hit['id']}#t={hit['moment']:.3f}"
        assert shown_at in video["poster"]
        data = (user.home / "library" / "d.webm").read_bytes()
        film = server.ask(f"/film/{hit['id']}", range="bytes=100-199")
        assert (film.status, film.body) == (206, data[100:200])
        assert film.headers["content-range"] == f"bytes 100-199/{len(data)}"
        assert film.headers["content-type"] == "video/webm"
        assert film.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in film.headers["content-security-policy"]
        photo = next(hit for hit in hits if hit["format"] == "JPEG")
        assert server.ask(f"/film/{photo['id']}").status == 410
        assert server.ask("/film/..%2F..%2Fetc%2Fpasswd").status == 404
        for wrong in ("-1", "x", "nan", "1e99"):
            assert server.ask(f"/thumbnail/{hit['id']}?moment={wrong}").status == 400


@pytest.mark.skipif(sys.platform != "linux", reason="xdg-open is Linux's")
@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("mpv.desktop", "mpv --player-operation-mode=pseudo-gui --start={} -- {}"),
        ("org.videolan.VLC.desktop", "vlc --start-time={} {}"),
        ("org.gnome.Totem.desktop", "xdg-open {1}"),
        ("", "xdg-open {1}"),
    ],
)
def test_open_begins_where_something_was_found(
    user: Command, shown: dict[str, Image.Image], tmp_path: Path, entry: str, expected: str
) -> None:
    """If the system's player for films of that type can; else it is said where that is."""
    for name in ("xdg-open", "mpv", "vlc"):
        _program(tmp_path / name, f'echo "${{0##*/}} $@" > "{tmp_path}/opened"\n')
    _program(tmp_path / "xdg-mime", f'[ "$*" = "query default video/mp4" ] && echo {entry}\n')
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    command = Command(user.home, user.cache, {**user.environment, **path})
    scene = list(shown)[2]
    [hit] = command.run("query", scene, "--literal", "-k", "1", "--json").json_lines
    said = command.run("open", "@1").stderr
    moment = f"{hit['moment']:.3f}"
    assert (tmp_path / "opened").read_text() == expected.format(moment, hit["path"]) + "\n"
    at = f"0:0{int(hit['moment'])}"
    opened = f"Opened a.mp4 at {at} in {expected.split()[0]}.\n"
    told = f"In a.mp4, what was found is at {at}.\nOpened 1 photo in the system's viewer.\n"
    assert said == (told if expected.startswith("xdg-open") else opened)
    command.run("open", hit["id"])
    assert (tmp_path / "opened").read_text() == f"xdg-open {hit['path']}\n"


def _program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)


def test_later_ingests_keep_to_films(user: Command) -> None:
    again = user.run("ingest", "--json").json
    assert (again["unchanged"], again["embedded"], again["joined"]) == (4, 0, 1)
    status = user.run("status", "--json").json
    assert status["parts"]["frame"]["photos"] == 3
    [library] = status["libraries"]
    assert library["parts"] == ["frame"]
    film = user.home / "library" / "a.mp4"
    (user.home / "library" / "new.mp4").write_bytes(film.read_bytes() + bytes(8))
    ended = user.run("ingest", "library", "--no-films", "--json")
    assert "No further films" in ended.stderr
    assert (ended.json["unchanged"], ended.json["added"], ended.json["removed"]) == (4, 0, 0)
    user.run("ingest", "library", "--films", "--no-films", code=2)
    (user.home / "library" / "new.mp4").unlink()
    assert user.run("ingest", "library", "--films", "--json").json["unchanged"] == 4


def test_without_the_extra_the_number_of_films_is_said(user: Command) -> None:
    """Once, with what to install; what is in the index stays."""
    hidden = user.home / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name == 'av' else find(name, *more)\n"
    )
    library = user.home / "library"
    for name in ("x.mp4", "y.mp4"):
        (library / name).write_bytes((library / "a.mp4").read_bytes() + bytes(8))
    without = Command(user.home, user.cache, {**user.environment, "PYTHONPATH": str(hidden)})
    told = without.run("ingest")
    lines = [line for line in told.stderr.splitlines() if "[video]" in line]
    [line] = lines
    assert "3 films were not read" in line
    assert user.run("status", "--json").json["parts"]["frame"]["photos"] == 3
    for name in ("x.mp4", "y.mp4"):
        (library / name).unlink()


@pytest.mark.slow
def test_an_hour_costs_seconds(tmp_path: Path) -> None:
    """Of 720p with a key frame each second. The goal is a minute, on two cores."""
    scenes = [scene.resize((1280, 720)) for scene in made.icons(20, seed=5).values()]
    minute = made.make(tmp_path / "minute.mp4", scenes, options={"preset": "ultrafast"})
    hour = made.repeated(minute, tmp_path / "hour.mp4", 60)
    before = os.times()
    film = _read(hour)
    after = os.times()
    spent = after.children_user + after.children_system + after.user + after.system
    spent -= before.children_user + before.children_system + before.user + before.system
    print(json.dumps({"seconds of film": film.seconds, "seconds of work": round(spent, 1)}))
    assert film.seconds == pytest.approx(3600, rel=0.01)
    assert len(film.frames) == len(scenes)
