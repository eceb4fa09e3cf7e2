"""An index on this machine, read without opening it: opening would mend what it can."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from imgsearch import installation
from imgsearch.doctor.findings import Finding, failure, ok, warning
from imgsearch.embedding import ModelPair
from imgsearch.index import schema, stamps

LARGE_WAL = 256 << 20  # bytes: it is emptied at 16 MB unless a reader stays for hours
BACKUP = "Bring the index folder back from a backup, or move it away and ingest again."
_DATABASE = "index.sqlite"


def database(folder: Path) -> Path | None:
    """Of the generation that serves; None: no index is there. Raises ValueError."""
    try:
        current = (folder / "CURRENT").read_text("ascii", "replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not re.fullmatch(r"generation-[1-9][0-9]*", current):
        raise ValueError("CURRENT names no generation")
    return folder / current / _DATABASE


def recorded_models(folder: Path) -> ModelPair | None:
    """Of an index that holds photos; None for any that cannot be read, too: `index` tells."""
    try:
        path = database(folder)
        if path is None:
            return None
        with _opened(path) as connection:
            return _stamp(connection)
    except (sqlite3.Error, OSError, ValueError, KeyError, TypeError):
        return None


def index(folder: Path) -> Iterator[Finding]:
    try:
        path = database(folder)
        if path is None:
            yield ok("index", f"none yet at {folder}: imgsearch ingest ./photos")
            return
        with _opened(path) as connection:
            yield from _looked_at(path, connection)
    except (sqlite3.Error, ValueError) as error:
        yield failure("index", f"{folder} is damaged: {error}", BACKUP)
    except OSError as error:
        cure = "Look at the rights of the folder and its files."
        yield failure("index", f"{folder} cannot be read: {error}", cure)


def _looked_at(path: Path, connection: sqlite3.Connection) -> Iterator[Finding]:
    (version,) = connection.execute("pragma user_version").fetchone()
    if version > schema.VERSION:
        detail = f"{path} was written by a newer imgsearch (schema {version})"
        yield failure("index", detail, f"Update imgsearch: {installation.upgrade_command()}")
        return
    said = [row[0] for row in connection.execute("pragma quick_check(5)")]
    if said != ["ok"]:
        yield failure("index", f"{path} is damaged: {said[0]}", BACKUP)
        return
    (photos,) = connection.execute("select count(*) from photos").fetchone()
    (bare,) = connection.execute(
        "select count(*) from photos left join vectors using (row) where vectors.row is null"
    ).fetchone()
    if bare:
        cure = "Ingest the folders again with --re-embed, or bring a backup back."
        yield failure("index", f"{bare} of {photos} photos have no vector", cure)
        return
    stamp = _stamp(connection)
    if photos and stamp is None:
        yield failure("index", f"{path} does not say which models made it", BACKUP)
        return
    made = f", made with {stamp.image_model.name}" if stamp else ""
    yield ok("index", f"{photos:,} photos at {path.parent.parent}, intact{made}")
    yield _wal(path)


def _wal(path: Path) -> Finding:
    wal = path.with_name(path.name + "-wal")
    size = wal.stat().st_size if wal.exists() else 0
    if size > LARGE_WAL:
        cure = "End programs that have had the index open for long, and run any imgsearch ingest."
        return warning("WAL", f"{size / 1e6:,.0f} MB, not copied into the database", cure)
    return ok("WAL", f"{size / 1e6:,.1f} MB")


def _stamp(connection: sqlite3.Connection) -> ModelPair | None:
    found = connection.execute("select value from meta where key = 'models'").fetchone()
    return stamps.load(None if found is None else json.loads(found[0]))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Read-only; where no WAL lies beside it, so that SQLite makes no file of its own either."""
    if not path.is_file():
        raise ValueError(f"{path.name} is missing in {path.parent.name}")
    wal = path.with_name(path.name + "-wal")
    how = "mode=ro" if wal.exists() and wal.stat().st_size else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=5)
    try:
        yield connection
    finally:
        connection.close()
