"""A folder with all that people's disks hold: what is good is found, what is bad is named."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
from pathlib import Path

import pytest

from tests import pictures
from tests.command import Command


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    folder = tmp_path / "odd"
    folder.mkdir()
    pictures.save_every_format(folder)
    cat = pictures.photo("chelsea.png")
    raw = os.fsencode(folder)
    for name in (b"caf\xe9.png", b"two\nlines.png"):
        with open(os.path.join(raw, name), "wb") as file:
            file.write(pictures.encoded(cat, ".png"))
        cat = cat.crop((2, 2, *cat.size))  # bytes of its own
    pictures.photo("moon.png", (1, 1)).save(folder / "one pixel.png")
    (folder / "jpeg named.txt").write_bytes(pictures.encoded(pictures.photo("coffee.png"), ".jpg"))
    return folder


def _add_the_bad(folder: Path) -> dict[str, str]:
    """Name of each bad file, and a word of its reason."""
    (folder / "truncated.jpg").write_bytes(pictures.truncated())
    (folder / "text.jpg").write_text("once upon a time")
    (folder / "empty.png").touch()
    (folder / "huge.png").write_bytes(pictures.png_header(40_000, 40_000))
    secret = folder / "secret.png"
    secret.write_bytes(pictures.encoded(pictures.photo("page.png"), ".png"))
    secret.chmod(0)
    os.mkfifo(folder / "pipe.jpg")
    (folder / "loop").symlink_to(folder)
    (folder / "self.jpg").symlink_to(folder / "self.jpg")
    (folder / "dangling.jpg").symlink_to(folder / "nowhere.jpg")
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.open(".", os.O_RDONLY)
        os.chdir(folder)  # a socket's path has to be short
        listening.bind("socket.png")
        os.fchdir(here)
        os.close(here)
    return {
        "truncated.jpg": "truncated",
        "text.jpg": "not a picture",
        "empty.png": "empty file",
        "huge.png": "too large",
        "secret.png": "no permission",
        "pipe.jpg": "not a regular file",
        "loop": "symlink loop",
        "self.jpg": "symlink loop",
        "dangling.jpg": "broken link",
        "socket.png": "not a regular file",
    }


def test_every_good_file_is_found_and_every_bad_one_named(
    command: Command, odd: Path, tmp_path: Path
) -> None:
    good = {os.path.relpath(path, os.fsencode(odd)) for path in _files(os.fsencode(odd))}
    bad = _add_the_bad(odd)
    index = tmp_path / "index"
    as_user = {"preexec_fn": _without_privilege} if os.geteuid() == 0 else {}
    run = command.run("--index", index, "ingest", "--json", odd, **as_user)
    skipped = {Path(skip["path"]).name: skip["reason"] for skip in run.json["skipped"]}
    assert skipped == bad
    assert all(skip["detail"] for skip in run.json["skipped"])
    assert run.json["added"] == len(good)
    _, out, _ = command.run_bytes(
        "--index", index, "query", "picture", "-k", "999", "--no-fold", "--paths", "-0", **as_user
    )
    found = {os.path.relpath(path, os.fsencode(odd)) for path in out.split(b"\0") if path}
    assert found == good
    again = command.run("--index", index, "ingest", "--json", odd, **as_user).json
    assert (again["embedded"], again["unchanged"]) == (0, len(good))
    command.run("--index", index, "ingest", odd, "--strict", code=1, **as_user)


def _files(folder: bytes) -> list[bytes]:
    return [os.path.join(above, name) for above, _, names in os.walk(folder) for name in names]


def _without_privilege() -> None:
    """Root may read everything, unless the kernel is told otherwise before the program starts."""
    drop_from_bounding_set, override, read_search = 24, 1, 2  # linux/prctl.h, linux/capability.h
    for capability in (override, read_search):
        ctypes.CDLL(None).prctl(drop_from_bounding_set, capability, 0, 0, 0)


@pytest.mark.parametrize("ending", [".jpg", ".heic", ".png"])
def test_the_eight_orientations_are_each_others_nearest(
    command: Command, tmp_path: Path, ending: str
) -> None:
    folder = tmp_path / "album"
    folder.mkdir()
    cat = pictures.photo("chelsea.png", (450, 300))
    for orientation in range(1, 9):
        path = folder / f"cat {orientation}{ending}"
        path.write_bytes(pictures.oriented(cat, ending, orientation))
    for name in ("moon.png", "coffee.png", "grass.png", "rocket.jpg"):
        shutil.copy(pictures.SKIMAGE / name, folder / name)
    index = tmp_path / "index"
    assert command.run("--index", index, "ingest", "--json", folder).json["added"] == 12
    for orientation in (1, 6):
        near = command.run(
            "--index",
            index,
            "similar",
            f"cat {orientation}{ending}",
            "-k",
            "7",
            "--no-fold",
            "--json",
        ).json_lines
        assert all(line["name"].startswith("cat") for line in near)
        assert min(line["score"] for line in near) >= 0.99


def test_a_lower_limit_skips_larger_pictures(command: Command, tmp_path: Path, album: Path) -> None:
    index = tmp_path / "index"
    report = command.run(
        "--index", index, "ingest", "--json", album, "--max-megapixels", "0.2"
    ).json
    assert report["skipped"]
    assert {skip["reason"] for skip in report["skipped"]} == {"too large"}
    assert report["added"] + len(report["skipped"]) == 8
    assert command.run("--index", index, "ingest", "--json", album).json["added"] == len(
        report["skipped"]
    )
