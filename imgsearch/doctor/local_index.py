"""An index on this machine, read without opening it: opening would mend what it can."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from imgsearch import cpu_and_memory, installation, regular_files
from imgsearch.doctor.findings import Finding, failure, ok, warning
from imgsearch.index import recorded_models as stamps
from imgsearch.index.local import deep_check, facet_counts, photo_parts, schema, word_search_damage
from imgsearch.index.local.database import BACKUP
from imgsearch.ingest import part_costs
from imgsearch.ingest.decisions import NAMES_OF_PARTS
from imgsearch.models.base import ModelPair

LARGE_WAL = 256 << 20  # bytes: it is emptied at 16 MB unless a reader stays for hours
NAMED = 10  # damaged photos
_DATABASE = "index.sqlite"


def database(folder: Path) -> Path | None:
    """The database of the generation that is in use; None where there is no index. Raises
    ValueError."""
    try:
        content = regular_files.read(folder / "CURRENT")
    except (FileNotFoundError, NotADirectoryError):
        return None
    current = content.decode("ascii", "replace").strip()
    if not re.fullmatch(r"generation-[1-9][0-9]*", current):
        raise ValueError("CURRENT names no generation")
    if (folder / current).is_symlink():
        raise ValueError(f"{current} is a symbolic link")
    return folder / current / _DATABASE


def recorded_models(folder: Path) -> ModelPair | None:
    """The models of an index that holds photos; None for an empty index, and for one that cannot be
    read (`index` reports that)."""
    try:
        path = database(folder)
        if path is None:
            return None
        with _opened(path) as connection:
            return _stamp(connection)
    except (sqlite3.Error, OSError, ValueError, TypeError):
        return None


def index(folder: Path, deep: bool = False) -> Iterator[Finding]:
    """Findings about a local index. `deep`: every row and every vector is read."""
    try:
        path = database(folder)
        if path is None:
            yield ok("index", f"none yet at {folder}: imgsearch ingest ./photos")
            return
        with _opened(path) as connection:
            yield from _looked_at(path, connection, deep)
    except regular_files.NotRegular as error:
        detail = f"{error.filename} is {error.strerror}, not a file of an index"
        yield failure("index", detail, BACKUP)
    except (sqlite3.Error, ValueError) as error:
        yield failure("index", f"{folder} is damaged: {error}", BACKUP)
    except OSError as error:
        cure = "Look at the rights of the folder and its files."
        yield failure("index", f"{folder} cannot be read: {error}", cure)


def _looked_at(path: Path, connection: sqlite3.Connection, deep: bool) -> Iterator[Finding]:
    (version,) = connection.execute("pragma user_version").fetchone()
    if version > schema.VERSION:
        detail = f"{path} was written by a newer imgsearch (schema {version})"
        yield failure("index", detail, f"Update imgsearch: {installation.upgrade_command()}")
        return
    if version < schema.VERSION:
        cure = "Any command that uses the index brings it up to date: imgsearch status"
        yield warning("index", f"{path} is of an older version (schema {version})", cure)
        return
    said = [row[0] for row in connection.execute("pragma quick_check(5)")]
    if said != ["ok"]:
        yield failure("index", f"{path} is damaged: {said[0]}", BACKUP)
        return
    derived = _derived(path, connection, deep)
    if derived is not None:
        yield derived
        return
    (photos,) = connection.execute("select count(*) from photos").fetchone()
    (bare,) = connection.execute(
        "select count(*) from photos where not exists"
        " (select 1 from embeddings where photo = photos.row and kind = 0)"
    ).fetchone()
    if bare:
        cure = "Ingest their folders again: it embeds anew what lacks a vector."
        yield failure("index", f"{bare} of {photos} photos have no vector", cure)
        return
    try:
        stamp = _stamp(connection)
    except ValueError:
        stamp = None
    if photos and stamp is None:
        yield failure("index", f"{path} does not say which models made it", BACKUP)
        return
    if deep and stamp is not None:
        damaged = list(deep_check.damaged(connection, stamp.dims))
        if damaged:
            yield _damaged_photos(damaged)
            return
    made = f", made with {stamp.image_model.name}" if stamp else ""
    yield ok("index", f"{photos:,} photos at {path.parent.parent}, intact{made}")
    if stamp is not None:
        yield from _parts(connection, photos, stamp.dims)
    yield _journal(path)


def _derived(path: Path, connection: sqlite3.Connection, deep: bool) -> Finding | None:
    """What of that which is made of the photos' rows is damaged; None if nothing is."""
    if word_search_damage.found(connection, deep):
        cure = "Ingest again: it reads the words anew from the photos that the index holds."
        return failure("index", f"words of names and captions in {path} are damaged", cure)
    if facet_counts.are_wrong(lambda sql: connection.execute(sql).fetchone()[0], exactly=deep):
        cure = "Ingest again: it counts the photos anew."
        return failure("index", f"counts by year, camera and the like in {path} are damaged", cure)
    return None


def _parts(connection: sqlite3.Connection, photos: int, dims: int) -> Iterator[Finding]:
    there = photo_parts.counts(lambda statement: connection.execute(statement).fetchall())
    found = connection.execute("select value from meta where key = 'last_ingest'").fetchone()
    try:
        last_ingest = stamps.last_ingest(None if found is None else json.loads(found[0]))
    except (TypeError, ValueError, RecursionError):
        last_ingest = None
    formats = ", ".join(f"'{name}'" for name in part_costs.PAGED)
    statement = f"select count(*) from photos where format in ({formats})"
    [(paged,)] = connection.execute(statement).fetchall()
    holding = part_costs.Holding(photos, paged, there, dims, last_ingest or {})
    for kind, said, is_asked in part_costs.said(holding, cpu_and_memory.cores(), NAMES_OF_PARTS):
        how = f" (imgsearch ingest --{NAMES_OF_PARTS[kind]})" if is_asked else ""
        yield ok(part_costs.NAMES[kind], f"{said}{how}")


def _damaged_photos(damaged: list[str]) -> Finding:
    named = ", ".join(damaged[:NAMED]) + (", …" if len(damaged) > NAMED else "")
    cure = (
        "Bring the index folder back from a backup; or take them out (imgsearch remove ID) and"
        " ingest their folders again; or embed everything anew: imgsearch ingest --re-embed"
    )
    return failure("index", f"{len(damaged):,} photos are damaged: {named}", cure)


def _journal(path: Path) -> Finding:
    """Of SQLite's write-ahead log, into which every change goes first."""
    wal = path.with_name(path.name + "-wal")
    size = wal.lstat().st_size if wal.exists() else 0
    if size > LARGE_WAL:
        cure = "End programs that have had the index open for long, and run any imgsearch ingest."
        detail = f"{size / 1e6:,.0f} MB of changes are not copied into the database"
        return warning("journal", detail, cure)
    waiting = f"{size / 1e6:,.1f} MB of changes wait" if size else "nothing waits"
    return ok("journal", f"{waiting} to be copied into the database")


def _stamp(connection: sqlite3.Connection) -> ModelPair | None:
    found = connection.execute("select value from meta where key = 'models'").fetchone()
    try:
        return stamps.checked(None if found is None else json.loads(found[0]))
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Read-only; where no WAL lies beside it, so that SQLite makes no file of its own either."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        regular_files.check(path.with_name(path.name + suffix))
    if not path.is_file():
        raise ValueError(f"{path.name} is missing in {path.parent.name}")
    wal = path.with_name(path.name + "-wal")
    how = "mode=ro" if wal.exists() and wal.stat().st_size else "mode=ro&immutable=1"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=5)
    connection.text_factory = lambda stored: stored.decode("utf-8", "surrogateescape")
    try:
        if connection.execute(schema.COMPUTED).fetchone()[0]:
            raise ValueError("it holds views or virtual tables")
        yield connection
    finally:
        connection.close()
