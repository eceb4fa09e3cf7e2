"""Files on disk: the walk, ids, hashes and names of any bytes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from imgsearch import photos
from imgsearch.photos import Skip, SkipReason, walk
from imgsearch.photos.walk import Photo

NOT_UTF8 = b"caf\xe9 100%.jpg"


def _names(root: Path, **options: object) -> list[bytes]:
    found = walk.walk(str(root), **options)  # type: ignore[arg-type]
    return [photo.relative for photo in found if isinstance(photo, Photo)]


def _skips(root: Path, **options: object) -> dict[str, SkipReason]:
    found = walk.walk(str(root), **options)  # type: ignore[arg-type]
    return {os.path.basename(skip.path): skip.reason for skip in found if isinstance(skip, Skip)}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b.jpg", "a.txt", "2024/May/x.jpg", "2024/c.png", "z/y.jpg"):
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "root"


def test_every_regular_file_in_an_order_of_names(tree: Path) -> None:
    expected = [b"a.txt", b"b.jpg", b"2024/c.png", b"2024/May/x.jpg", b"z/y.jpg"]
    assert _names(tree) == expected


def test_a_photo_knows_its_path_and_fingerprint(tree: Path) -> None:
    for photo in walk.walk(str(tree)):
        assert isinstance(photo, Photo)
        status = os.stat(photo.path)
        assert (photo.size, photo.mtime_ns) == (status.st_size, status.st_mtime_ns)
        assert Path(photo.path).read_bytes() == photo.relative


def test_a_folder_within_keeps_paths_from_the_root(tree: Path) -> None:
    assert _names(tree, within=b"2024") == [b"2024/c.png", b"2024/May/x.jpg"]


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("*.jpg", {b"a.txt", b"2024/c.png"}),
        ("2024", {b"a.txt", b"b.jpg", b"z/y.jpg"}),
        ("2024/", {b"a.txt", b"b.jpg", b"z/y.jpg"}),
        ("May", {b"a.txt", b"b.jpg", b"2024/c.png", b"z/y.jpg"}),
        ("2024/*.png", {b"a.txt", b"b.jpg", b"2024/May/x.jpg", b"z/y.jpg"}),
    ],
)
def test_exclude_matches_names_and_relative_paths(
    tree: Path, pattern: str, left: set[bytes]
) -> None:
    assert set(_names(tree, exclude=[pattern])) == left


def test_hidden_and_system_entries_are_passed_over(tree: Path) -> None:
    before = _names(tree)
    for name in (".git/x.jpg", "@eaDir/x.jpg", "__MACOSX/x.jpg", "._b.jpg", "Thumbs.db"):
        path = tree / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    assert _names(tree) == before
    assert not _skips(tree)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_of_any_bytes_survive(tmp_path: Path) -> None:
    for name in (NOT_UTF8, b"two\nlines.jpg", "été.jpg".encode()):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(name)
    found = [photo for photo in walk.walk(str(tmp_path)) if isinstance(photo, Photo)]
    assert len(found) == 3
    for photo in found:
        assert Path(photo.path).read_bytes() == photo.relative
        assert photos.path_bytes(*photos.path_text(photo.relative)) == photo.relative


@pytest.mark.parametrize(
    ("raw", "escaped"),
    [(b"plain 100%41.jpg", False), ("été".encode(), False), (NOT_UTF8, True), (b"%41\xff", True)],
)
def test_path_text_is_undone_by_path_bytes(raw: bytes, escaped: bool) -> None:
    text, flag = photos.path_text(raw)
    assert flag == escaped
    text.encode()  # valid Unicode, so JSON takes it
    assert photos.path_bytes(text, flag) == raw


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX")
def test_what_is_no_file_is_reported_and_not_opened(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tree / "pipe.jpg")
    monkeypatch.chdir(tree)  # a socket's path may not be long
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.jpg")
        assert _skips(tree) == dict.fromkeys(("pipe.jpg", "socket.jpg"), SkipReason.NOT_REGULAR)


@pytest.mark.parametrize("follow_links", [False, True])
def test_loops_and_broken_links_are_reported(tree: Path, follow_links: bool) -> None:
    before = _names(tree)
    (tree / "2024" / "up").symlink_to("..")
    (tree / "self.jpg").symlink_to("self.jpg")
    (tree / "nowhere.jpg").symlink_to("gone.jpg")
    assert _skips(tree, follow_links=follow_links) == {
        "up": SkipReason.LOOP,
        "self.jpg": SkipReason.LOOP,
        "nowhere.jpg": SkipReason.BROKEN_LINK,
    }
    assert _names(tree, follow_links=follow_links) == before


def test_links_are_followed_on_request_only(tree: Path, tmp_path: Path) -> None:
    before = set(_names(tree))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "e.jpg").write_bytes(b"e")
    (tree / "folder").symlink_to(elsewhere)
    (tree / "link.jpg").symlink_to(elsewhere / "e.jpg")
    assert _skips(tree) == dict.fromkeys(("folder", "link.jpg"), SkipReason.LINK)
    assert set(_names(tree)) == before
    assert set(_names(tree, follow_links=True)) == before | {b"folder/e.jpg", b"link.jpg"}
    assert not _skips(tree, follow_links=True)


_AS_A_USER = """
import os, sys
from imgsearch import photos
from imgsearch.photos import content_hashes, walk
if os.geteuid() == 0:
    os.seteuid(12345)
folder, file = sys.argv[1:]
print(*(f"{f.path}|{f.reason.value}" for f in walk.walk(folder) if isinstance(f, photos.Skip)))
try:
    content_hashes.of_file(file, "blake3")
except OSError as error:
    print(photos.unreadable(file, error).reason.value)
"""


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX permissions")
def test_no_permission_is_a_reason() -> None:
    """In a process of its own, as root reads everything; outside pytest's folder, which is root's
    alone."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        closed, photo = Path(folder, "closed"), Path(folder, "photo.jpg")
        closed.mkdir(mode=0)
        photo.touch(mode=0)
        finished = subprocess.run(
            [sys.executable, "-c", _AS_A_USER, folder, str(photo)],
            cwd=Path(__file__).parent.parent,
            capture_output=True,
            text=True,
        )
        closed.chmod(0o755)
    reason = SkipReason.NO_PERMISSION.value
    assert finished.stdout.splitlines() == [f"{closed}|{reason}", reason], finished.stderr


def test_a_root_that_is_gone_is_reported(tmp_path: Path) -> None:
    [skip] = walk.walk(str(tmp_path / "none"))
    assert isinstance(skip, Skip)
    assert skip.reason is SkipReason.GONE


def test_ids_differ_by_library_and_path() -> None:
    named = [("a", b"b/c"), ("a", b"b/d"), ("b", b"b/c"), ("ab", b"/c"), ("a", b"\xff")]
    ids = {photos.photo_id(*name) for name in named}
    assert len(ids) == len(named)
    assert ids == {photos.photo_id(*name) for name in reversed(named)}
    assert all(len(bytes.fromhex(id)) == 16 for id in ids)
