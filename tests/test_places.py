from __future__ import annotations

import os
from pathlib import Path

import pytest

from imgsearch.errors import UsageError
from imgsearch.paths import ClusterPlace, LocalPlace, data_dir, index_place, shown
from tests.command import Command

URL = "https://host:9200"


def test_a_url_names_cluster_and_index() -> None:
    assert index_place(f"{URL}/my-photos", None, None) == ClusterPlace(URL, "my-photos")
    assert index_place(f"{URL}/proxy/es/my-photos/", None, None) == ClusterPlace(
        f"{URL}/proxy/es", "my-photos"
    )
    default = index_place(URL, None, None)
    assert default == index_place(f"{URL}/", None, None)
    assert isinstance(default, ClusterPlace)


@pytest.mark.parametrize("value", ["./photos-index", "~/index", "a/b", "/tmp/x", ".hidden"])
def test_paths_are_local_even_where_a_cluster_is_set(value: str) -> None:
    place = index_place(value, URL, None)
    assert isinstance(place, LocalPlace)
    assert place.folder == Path(value).expanduser().absolute()


def test_a_name_is_a_name_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    """A folder of that name in the working directory is meant by a path alone."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    assert index_place("here", URL, None) == ClusterPlace(URL, "here")
    assert index_place(f".{os.sep}here", URL, None) == LocalPlace(tmp_path / "here")
    told = command.run("--index", "here", "query", "a cat", code=1, cwd=tmp_path).stderr
    assert f"write .{os.sep}here" in told


def test_a_bare_name_follows_the_cluster() -> None:
    assert index_place("holiday", URL, None) == ClusterPlace(URL, "holiday")
    assert index_place("holiday", None, "name:abc") == ClusterPlace(None, "holiday")
    place = index_place("holiday", None, None)
    assert isinstance(place, LocalPlace)
    assert data_dir() in place.folder.parents


def test_nothing_given_follows_the_cluster_too() -> None:
    assert isinstance(index_place(None, URL, None), ClusterPlace)
    assert isinstance(index_place(None, None, None), LocalPlace)


@pytest.mark.parametrize(("value", "es_url"), [("", None), ("  ", None), ("x", "host:9200")])
def test_what_means_nothing_is_a_usage_error(value: str, es_url: str | None) -> None:
    with pytest.raises(UsageError):
        index_place(value, es_url, None)


def test_a_password_in_the_url_is_never_shown() -> None:
    place = index_place("https://elastic:geheim@host:9200/x", None, None)
    assert str(place) == f"{URL}/x"


def test_odd_names_are_shown_on_one_line() -> None:
    assert "\n" not in shown("a\nb")
    assert "\x1b" not in shown("a\x1b[31mb")
    assert shown(b"caf\xe9".decode("utf-8", "surrogateescape")) == "caf\\xe9"
    assert shown("Straße 京都") == "Straße 京都"
