"""Where things lie on this machine, and what the value of `--index` means."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

import platformdirs

from imgsearch.dataclass import dataclass
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


def write_whole(file: Path, text: str) -> None:
    """Write a file of ours into its folder: beside it first, then in its place, so that a reader
    finds all of it or what was there before. Raises OSError."""
    new = file.with_name(f".{file.name}.{os.getpid()}")
    new.write_text(text, "utf-8")
    new.replace(file)


_SCHEME = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*://")
_CREDENTIALS_WITHOUT_SCHEME = re.compile(r"[^/:@]+:[^@]*@[\w.-]+(:\d+)?(/|$)")


def without_credentials(url: str) -> str:
    """A URL as it may be shown: no user, no password, no query. All before the last `@` is left
    out, because a password may hold a raw `/`, `?` or `#`, and a URL may lack its scheme."""
    scheme = _SCHEME.match(url)
    rest = url[scheme.end() :] if scheme else url
    shown = rest.rpartition("@")[2].partition("?")[0].partition("#")[0]
    return (scheme.group(0).strip() if scheme else "") + shown


def passwords_in(url: str) -> list[str]:
    """The password before the last `@`, as it is written and with percent-escapes undone."""
    scheme = _SCHEME.match(url)
    credentials = url[scheme.end() if scheme else 0 :].rpartition("@")[0]
    password = credentials.partition(":")[2]
    return [password, unquote(password)] if password else []


def split_url(url: str, source: str) -> SplitResult:
    """The parts of a cluster's URL. Raises UsageError, which names `source`, shows no password."""
    try:
        parts = urlsplit(url)
        behind = f"{parts.path}?{parts.query}#{parts.fragment}"
        # an `@` behind `user:` or `host:` ends a password that holds a raw `/`, `?` or `#`
        cut_short = "@" in behind and ("@" in parts.netloc or ":" in parts.netloc)
        usable = parts.scheme in ("http", "https") and parts.port != 0 and bool(parts.hostname)
    except ValueError:  # its text repeats the password
        usable, cut_short = False, False
    if usable and not cut_short:
        return parts
    cure = "Write it with scheme, host and port: https://host:9200/my-photos"
    if "@" in url:
        cure += (
            ". User and password are better off in ES_USER and ES_PASSWORD; in a URL, special"
            " characters are percent-encoded: / as %2F, ? as %3F, # as %23, @ as %40, [ as %5B."
        )
    place = shown(without_credentials(url))
    raise UsageError(f"{source} is not the URL of a cluster: {place!r}.", cure) from None


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
    """`http(s)://` is a URL; a separator or a leading `.` or `~` makes a path. Anything else is a
    name, whatever lies in the working directory: on the cluster if one is set, else in the data
    folder."""
    on_cluster = bool(es_url or es_cloud_id)
    if value is None:
        if on_cluster:
            return ClusterPlace(_checked(es_url), DEFAULT_CLUSTER_INDEX)
        return _named(DEFAULT_LOCAL_INDEX)
    if value.lower().startswith(("http://", "https://")):
        return _from_url(value)
    if _CREDENTIALS_WITHOUT_SCHEME.match(value) and not Path(value).exists():
        raise UsageError(
            f"The address of the index lacks its scheme: {shown(without_credentials(value))!r}.",
            "Write it with its scheme: https://host:9200/my-photos",
        )
    if not value.strip():
        raise UsageError("The index has no name.", "Name a folder, an index, or a URL.")
    if _looks_like_a_path(value):
        return LocalPlace(Path(os.path.abspath(Path(value).expanduser())))
    if on_cluster:
        return ClusterPlace(_checked(es_url), value)
    return _named(value)


def _looks_like_a_path(value: str) -> bool:
    separators = {"/", os.sep, os.altsep} - {None}
    return value.startswith((".", "~")) or any(
        separator in value for separator in separators if separator
    )


def _named(name: str) -> LocalPlace:
    return LocalPlace(data_dir() / "indexes" / name)


def _checked(url: str | None) -> str | None:
    if url is None:
        return None
    split_url(url, "ES_URL")
    return url


def _from_url(value: str) -> ClusterPlace:
    parts = split_url(value, "The address of the index")
    prefix, _, name = parts.path.rstrip("/").rpartition("/")
    base = urlunsplit((parts.scheme, parts.netloc, prefix, "", ""))
    return ClusterPlace(base, name or DEFAULT_CLUSTER_INDEX)
