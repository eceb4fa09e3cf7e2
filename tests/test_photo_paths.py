"""From records to paths: nothing that a record says leads out of its library's root."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from imgsearch.roots.locations import Refusal, Root, located, may_be_opened, relative_bytes
from tests import pictures
from tests.index_contract import record

OUT = [
    ("../../../../etc/passwd", False),
    ("/etc/hostname", False),
    ("..", False),
    (".", False),
    ("", False),
    ("a/../../b.png", False),
    ("a//b.png", False),
    ("a/", False),
    ("%2F..%2Fb", True),
    ("%2E%2E%2Fevil.desktop", True),
    ("%2Fetc%2Fhostname", True),
    ("a\0b.png", False),
    ("a%00b.png", True),
    ("\udcff.png", False),
]


@pytest.mark.parametrize(("path", "escaped"), OUT)
def test_paths_that_lead_out(tmp_path: Path, path: str, escaped: bool) -> None:
    assert relative_bytes(path, escaped) is None
    found = located(
        Root(tmp_path, follow_links=True), record("x", relative_path=path, path_escaped=escaped)
    )
    assert (found.path, found.refusal) == (None, Refusal.LEADS_OUT)


@pytest.mark.parametrize(
    ("path", "escaped", "raw"),
    [
        ("a b/ü %41.png", False, "a b/ü %41.png".encode()),
        ("caf%E9.png", True, b"caf\xe9.png"),
        ("100%25/%FF.png", True, b"100%/\xff.png"),
        ("..png", False, b"..png"),
        ("a\nb.png", False, b"a\nb.png"),
    ],
)
def test_paths_that_stay_inside(tmp_path: Path, path: str, escaped: bool, raw: bytes) -> None:
    found = located(Root(tmp_path), record("x", relative_path=path, path_escaped=escaped))
    assert found.path == os.fsencode(tmp_path) + b"/" + raw
    assert found.missing


@pytest.mark.skipif(sys.platform == "win32", reason="links want rights there")
def test_a_link_out_counts_only_where_links_were_ingested(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root, outside):
        folder.mkdir()
        (folder / "a.png").write_bytes(pictures.encoded(pictures.photo(size=(8, 8)), ".png"))
    (root / "out.png").symlink_to(outside / "a.png")
    (root / "out").symlink_to(outside)
    (root / "in.png").symlink_to("a.png")
    for path in ("out.png", "out/a.png", "out/no.png"):
        assert located(Root(root), record(path)).refusal is Refusal.LEADS_OUT
        assert located(Root(root, follow_links=True), record(path)).path is not None
    assert located(Root(root), record("in.png")).path == os.fsencode(root / "in.png")
    linked = tmp_path / "linked root"
    linked.symlink_to(root)
    assert not located(Root(linked), record("a.png")).missing


def test_a_library_without_a_known_root() -> None:
    found = located(None, record("a.png"))
    assert (found.path, found.refusal) == (None, Refusal.NO_ROOT)


def test_what_is_no_file_is_missing(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "broken.png").symlink_to("nowhere.png")
    for name in ("folder.png", "broken.png", "none.png"):
        assert located(Root(tmp_path), record(name)).missing


@pytest.mark.parametrize("content", [b"<html>moved</html>", b"text without end", b""])
def test_what_replaced_a_photo_and_is_no_picture_is_missing(tmp_path: Path, content: bytes) -> None:
    for name in ("a.jpg", "b.bmp", "c.tif"):
        (tmp_path / name).write_bytes(content)
        assert located(Root(tmp_path), record(name, size=5000)).missing


def test_a_picture_of_another_size_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(pictures.encoded(pictures.photo(size=(8, 8)), ".png"))
    assert not located(Root(tmp_path), record("a.jpg", size=5000)).missing


def test_only_pictures_are_opened(tmp_path: Path) -> None:
    png = pictures.encoded(pictures.photo(size=(8, 8)), ".png")
    contents = {
        "a.png": png,
        "no ending": png,
        "a.desktop": png,
        "a.sh": b"P3 \necho ran\n",
        "b.desktop": b"[Desktop Entry]\nExec=true\n",
        "c.png": b"#!/bin/sh\necho ran\n",
        "d.jpg": b"\x7fELF" + bytes(100),
        "e.png": b"",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "f.png").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "g.png")
    opened = {name for name in os.listdir(tmp_path) if may_be_opened(os.fsencode(tmp_path / name))}
    assert opened == {"a.png", "no ending"}
