"""Where things lie on this machine, and what the value of `--index` means."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import platformdirs

from imgsearch.errors import UsageError
from imgsearch.escaping import shown as shown

APP = "imgsearch"
DEFAULT_LOCAL_INDEX = "default"
DEFAULT_CLUSTER_INDEX = "my-image-embeddings"  # the tutorial's name


def data_dir() -> Path:
    """Indexes and the roots of libraries."""
    return Path(platformdirs.user_data_dir(APP, appauthor=False))


def cache_dir() -> Path:
    """Exported models, reports of bugs: all can be made again."""
    return Path(platformdirs.user_cache_dir(APP, appauthor=False))


def config_file() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME")
    folder = Path(base) / APP if base else Path(platformdirs.user_config_dir(APP, appauthor=False))
    return folder / "config.toml"


def private_folder(path: Path) -> Path:
    """Made with its parents where missing, readable by its owner alone."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def without_credentials(url: str) -> str:
    """A URL as it may be shown: no user, no password."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


@dataclass(frozen=True, slots=True)
class LocalPlace:
    folder: Path

    def __str__(self) -> str:
        return str(self.folder)


@dataclass(frozen=True, slots=True)
class ClusterPlace:
    """`url` without the index name; None where a cloud id says where the cluster is."""

    url: str | None
    index_name: str

    def __str__(self) -> str:
        if self.url is None:
            return self.index_name
        return f"{without_credentials(self.url).rstrip('/')}/{self.index_name}"


IndexPlace = LocalPlace | ClusterPlace


def index_place(value: str | None, es_url: str | None, es_cloud_id: str | None) -> IndexPlace:
    """`http(s)://` is a URL; a separator, a leading `.` or `~`, or an existing path is local;
    anything else is an index name on the cluster if one is set, else a name in the data folder."""
    on_cluster = bool(es_url or es_cloud_id)
    if value is None:
        if on_cluster:
            return ClusterPlace(_checked(es_url), DEFAULT_CLUSTER_INDEX)
        return _named(DEFAULT_LOCAL_INDEX)
    if value.lower().startswith(("http://", "https://")):
        return _from_url(value)
    if not value.strip():
        raise UsageError("--index is empty.", "Name a folder, an index, or a URL; or leave it out.")
    if _looks_like_a_path(value):
        return LocalPlace(Path(os.path.abspath(Path(value).expanduser())))
    if on_cluster:
        return ClusterPlace(_checked(es_url), value)
    return _named(value)


def _looks_like_a_path(value: str) -> bool:
    separators = {"/", os.sep, os.altsep} - {None}
    return (
        value.startswith((".", "~"))
        or any(separator in value for separator in separators if separator)
        or Path(value).exists()
    )


def _named(name: str) -> LocalPlace:
    return LocalPlace(data_dir() / "indexes" / name)


def _checked(url: str | None) -> str | None:
    if url is not None and not url.lower().startswith(("http://", "https://")):
        raise UsageError(
            f"ES_URL is no URL: {url!r}.", "Write it with its scheme: https://host:9200"
        )
    return url


def _from_url(value: str) -> ClusterPlace:
    parts = urlsplit(value)
    prefix, _, name = parts.path.rstrip("/").rpartition("/")
    base = urlunsplit((parts.scheme, parts.netloc, prefix, "", ""))
    return ClusterPlace(base, name or DEFAULT_CLUSTER_INDEX)
