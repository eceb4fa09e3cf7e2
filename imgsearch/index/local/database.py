"""The only user of SQLite: how its file is opened, and what its errors mean to a person."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imgsearch import regular_files
from imgsearch.errors import ImgsearchError, IndexDamaged, IndexLocked, IndexUnavailable
from imgsearch.index.local import filesystems, filters

PAGE_SIZE = 32_768  # 15 vectors of 2 KB in a page: 2.2 KB each; in 4 KB pages each takes 4.1 KB
BUSY_SECONDS = 20.0
WAL_PAGES = 512  # 16 MB, then it is copied into the database
VARIABLES = 500  # in one statement; old SQLite takes 999

BACKUP = "Bring the index folder back from a backup, or move it away and ingest again."
_BUGS = ("syntax error", "too many", "incomplete input")  # of a statement
_AGAIN = "Run the same command again; nothing that was committed is lost."
_CAUSES: tuple[tuple[str, type[ImgsearchError], str, str], ...] = (
    (
        "disk is full",
        IndexUnavailable,
        "The disk is full: {path} cannot grow.",
        f"Free some space. {_AGAIN}",
    ),
    (
        "malformed",
        IndexDamaged,
        "{path} is damaged.",
        BACKUP,
    ),
    (
        "not a database",
        IndexDamaged,
        "{path} is damaged, or no SQLite file.",
        BACKUP,
    ),
    (
        "locked",
        IndexLocked,
        "{path} is in use by another program.",
        "Wait until it has ended, or end it; then run the same command again.",
    ),
    (
        "readonly",
        IndexUnavailable,
        "{path} cannot be written to.",
        "Give yourself the right to write there, or name another place for the index.",
    ),
    (
        "unable to open",
        IndexUnavailable,
        "{path} cannot be opened.",
        "Look at the rights of the file and its folder.",
    ),
    (
        "disk i/o error",
        IndexUnavailable,
        "The disk reports an error while {path} is read or written.",
        f"Look at the disk. {_AGAIN}",
    ),
)
_FILE_CAUSES = {
    errno.ENOSPC: _CAUSES[0],
    getattr(errno, "EDQUOT", errno.ENOSPC): _CAUSES[0],  # Windows has none
    errno.EIO: _CAUSES[-1],
}


@contextlib.contextmanager
def mapped_errors(path: Path) -> Iterator[None]:
    """Errors of SQLite and of the files beside it become ours. Python 3.10 knows no error codes,
    so they are told by SQLite's own words. What is not listed is a database that somebody changed,
    unless the statement was wrong: that is a bug, and passes."""
    try:
        yield
    except sqlite3.Error as error:
        words = str(error).lower()
        for part, kind, message, cure in _CAUSES:
            if part in words:
                raise kind(message.format(path=path), cure) from error
        if isinstance(error, (sqlite3.ProgrammingError, sqlite3.InterfaceError)) or any(
            part in words for part in _BUGS
        ):
            raise
        raise IndexDamaged(f"{path} is damaged: SQLite reports {error}.", BACKUP) from error
    except regular_files.NotRegular as error:
        message = f"{error.filename} is {error.strerror}, not a file of an index."
        raise IndexDamaged(message, BACKUP) from error
    except OSError as error:
        _, kind, message, cure = _FILE_CAUSES.get(error.errno or 0, _CAUSES[5])
        if error.errno not in (*_FILE_CAUSES, errno.EROFS, errno.EACCES, errno.EPERM):
            raise
        raise kind(message.format(path=error.filename or path), cure) from error


def quoted(count: int) -> str:
    """The placeholders `?, ?, ?` for an IN."""
    return ", ".join("?" * count)


def chunks(items: Sequence[Any], size: int = VARIABLES) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _text(stored: bytes) -> str:
    """Stored text as str. Bytes that are not UTF-8 become lone surrogates, so that one bad value
    does not hide the rest of a row."""
    return stored.decode("utf-8", "surrogateescape")


# KiB. SQLite turns it into a number of pages by the size that pages have at that moment, so it is
# said when that is known: before, it meant 4 KB pages, and 16 MB became 128.
CACHE = "pragma cache_size = -16384"
SMALL_CACHE = "pragma cache_size = -4096"  # of further threads


class Database:
    """One SQLite file, with a connection for each thread that uses it. `writable` False: read-only
    media, on which only reading is offered."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        self.notes: list[str] = []
        with mapped_errors(path):
            for suffix in ("", "-wal", "-shm", "-journal"):
                regular_files.check(path.with_name(path.name + suffix))
            if create and not path.exists():
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self.writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
            self._network = filesystems.on_network(path.parent)
            self._how = "mode=rw"
            first = self._open_writable() if self.writable else self._open_read_only()
        self._of_thread = threading.local()
        self._of_thread.connection = first
        self._open = [(threading.current_thread(), first)]
        self._opening = threading.Lock()
        self.journal_mode = self.value("pragma journal_mode")

    def _connect(self, how: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?{how}",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,  # transactions are begun and ended by `transaction` alone
            check_same_thread=False,  # used by its own thread, closed by any
        )
        try:
            # no mmap_size: the pages of a large index would count as memory of an ingest
            connection.execute("select count(*) from sqlite_master").fetchone()  # opens it
            connection.execute("pragma trusted_schema = off")  # it may be a stranger's
            connection.text_factory = _text
            filters.add_functions(connection)
            connection.execute(CACHE)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    @property
    def _connection(self) -> sqlite3.Connection:
        """This thread's: a transaction belongs to one connection, and so to one thread."""
        found: sqlite3.Connection | None = getattr(self._of_thread, "connection", None)
        if found is None:
            with mapped_errors(self.path):
                found = self._open_writable() if self.writable else self._connect(self._how)
                found.execute(SMALL_CACHE)
            with self._opening:
                self._close_of_ended_threads()
                self._open.append((threading.current_thread(), found))
            self._of_thread.connection = found
        return found

    def _close_of_ended_threads(self) -> None:
        """Each ingest has new threads; whoever ingests all day would run out of files."""
        opened, self._open = self._open, []
        for thread, connection in opened:
            if thread.is_alive():
                self._open.append((thread, connection))
            else:
                connection.close()

    def _open_writable(self) -> sqlite3.Connection:
        connection = self._connect("mode=rw")
        try:
            connection.execute(f"pragma page_size = {PAGE_SIZE}")  # counts for a new file alone
            self._choose_journal(connection)
            connection.execute(CACHE)
            # FULL: a commit survives a power cut. One flush a batch is nothing beside embedding it.
            connection.execute("pragma synchronous = full")
            connection.execute("pragma secure_delete = on")
            connection.execute(f"pragma wal_autocheckpoint = {WAL_PAGES}")
            connection.execute(f"pragma journal_size_limit = {WAL_PAGES * PAGE_SIZE}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _choose_journal(self, connection: sqlite3.Connection) -> None:
        wanted = "delete" if self._network else "wal"
        (mode,) = connection.execute("pragma journal_mode").fetchone()
        if mode == wanted:
            return
        try:
            connection.execute(f"pragma journal_mode = {wanted}")
        except sqlite3.OperationalError as error:
            if wanted == "delete" or "locked" not in str(error):
                raise
            # others are reading: the rollback journal is slower, and as safe

    def _open_read_only(self) -> sqlite3.Connection:
        """A WAL database wants a file beside it even for reading; where it can make none, the
        database is declared immutable, which read-only media are."""
        try:
            self._how = "mode=ro"
            return self._connect(self._how)
        except sqlite3.OperationalError:
            self._how = "mode=ro&immutable=1"
            connection = self._connect(self._how)
            self._note_what_immutable_hides()
            return connection

    def _note_what_immutable_hides(self) -> None:
        wal = self.path.with_name(self.path.name + "-wal")
        if "immutable" in self._how and wal.exists() and wal.stat().st_size:
            self.notes.append(
                f"{self.path.parent} cannot be written to, and its last ingest was interrupted:"
                " the photos that it added last are not shown."
            )

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with mapped_errors(self.path):
            return self._connection.execute(statement, values).fetchall()

    def value(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """The first column of the first row; None without one."""
        with mapped_errors(self.path):
            row = self._connection.execute(statement, values).fetchone()
        return None if row is None else row[0]

    def numbers(self, statement: str, values: Sequence[Any] = ()) -> npt.NDArray[np.int64]:
        """The whole numbers that a statement selects as its one column `row`, ascending. As one
        text: 10,000 take 1 ms, and as many Python objects 5 ms."""
        text = self.value(f"select group_concat(row, ' ') from ({statement})", values)
        return np.sort(np.fromstring(text or "", np.int64, sep=" "))

    def rows_in(
        self, statement: str, keys: Sequence[Any], values: Sequence[Any] = ()
    ) -> Iterator[tuple[Any, ...]]:
        """Rows of a statement with `IN ({})` for the keys, which come before its other
        variables."""
        for some in chunks(keys):
            yield from self.rows(statement.format(quoted(len(some))), [*some, *values])

    @contextlib.contextmanager
    def view(self) -> Iterator[None]:
        """Everything that is read inside is consistent, whatever other processes write
        meanwhile."""
        with mapped_errors(self.path):
            self._connection.execute("begin")
            try:
                yield
            finally:
                self._connection.rollback()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All changes inside are made together, or none; they are on disk when the block ends."""
        self.must_be_writable()
        with mapped_errors(self.path):
            self._connection.execute("begin immediate")
            try:
                yield self._connection
                self._connection.commit()
            except BaseException:  # Ctrl-C too leaves no half of it
                if self._connection.in_transaction:  # a full disk has ended it already
                    self._connection.rollback()
                raise

    @contextlib.contextmanager
    def long_view(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own for reading at leisure, as of now, while this one writes. With a
        rollback journal the view is not one of a moment: a reader would hold up the writer."""
        with mapped_errors(self.path), contextlib.closing(self._connect(self._how)) as connection:
            if self.journal_mode == "wal":
                connection.execute("begin")
            yield connection

    def must_be_writable(self) -> None:
        if not self.writable:
            raise IndexUnavailable(
                f"{self.path} cannot be written to.",
                "Give yourself the right to write there, or name another place for the index.",
            )

    def rewrite(self) -> bool:
        """Every page anew: nothing of a deleted row stays, neither in free pages nor in the gaps of
        others, and the WAL is emptied. Needs the size of the database again while it runs.
        False: another process is reading, and the WAL could not be emptied."""
        self.must_be_writable()
        with mapped_errors(self.path):
            self._connection.execute("vacuum")
        return self.empty_wal()

    def empty_wal(self) -> bool:
        with mapped_errors(self.path):
            busy = self._connection.execute("pragma wal_checkpoint(truncate)").fetchone()[0]
        return not busy

    def close(self) -> None:
        with self._opening:
            for _, connection in self._open:
                connection.close()
