"""The folder of a local index. `CURRENT` names the generation that serves, a folder of its own; the
next one is filled beside it while it serves (another model), and takes over by one rename.

    CURRENT  ingest.lock  ingest.holder  generation-1/index.sqlite  generation-1/*.codes …

The folder may be a stranger's: its files are regular ones and its generations real folders, no link
in it is followed, and no name that stands in it leads anywhere else."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch import regular_files
from imgsearch.errors import (
    Action,
    IndexDamaged,
    IndexLocked,
    IndexNotFound,
    IndexUnavailable,
    UsageError,
)
from imgsearch.escaping import shown
from imgsearch.index.local.database import mapped_errors
from imgsearch.index.local.search_files.codes import private_file
from imgsearch.progress import ago

if TYPE_CHECKING:
    from filelock import BaseFileLock

DATABASE = "index.sqlite"
_NAME = re.compile(r"generation-([1-9][0-9]*)")
_OURS = re.compile(r"CURRENT(\.[0-9]+\.partial)?|ingest\.(lock|holder)|" + _NAME.pattern)


def holds_other_files(folder: Path) -> bool:
    """Whether something lies there that is no part of an index, not even of one that was
    interrupted while it was made."""
    return any(not _OURS.fullmatch(name) for name in os.listdir(folder))


class IndexFolder:
    def __init__(self, path: Path) -> None:
        self.path = path

    @functools.cached_property
    def _lock(self) -> BaseFileLock:
        """Reentrant: who ingests may also mend files and fill a successor."""
        from filelock import FileLock  # 20 ms, which a query does not need

        return FileLock(self.path / "ingest.lock", mode=0o600, thread_local=False)

    def current(self, *, create: bool) -> Path:
        """The folder of the generation that serves; its database may have to be made.
        Raises IndexNotFound, IndexDamaged."""
        with mapped_errors(self.path):
            try:
                content = regular_files.read(self.path / "CURRENT")
            except (FileNotFoundError, NotADirectoryError):
                return self._checked(self._first(create))
        name = content.decode("ascii", "replace").strip()
        if not _NAME.fullmatch(name):
            raise self._damaged("its file CURRENT names no generation")
        return self._checked(self.path / name)

    def serves(self) -> bool:
        """Whether a generation has begun to serve."""
        return (self.path / "CURRENT").exists()

    def _checked(self, generation: Path) -> Path:
        """The generation's folder, which need not exist. Raises IndexDamaged where it is none."""
        with contextlib.suppress(OSError):
            mode = os.lstat(generation).st_mode
            if not stat.S_ISDIR(mode):
                what = regular_files.kind(mode)
                raise self._damaged(f"{generation.name} is {what}, not a folder of its own")
        return generation

    def _first(self, create: bool) -> Path:
        """The first generation of an index, or the one whose making was interrupted."""
        if self.path.exists() and not self.path.is_dir():
            raise IndexUnavailable(
                f"{self.path} is a file.", "Name a folder for the index.", Action("name an index")
            )
        generations = [entry for entry in self._entries() if (entry / DATABASE).exists()]
        if len(generations) > 1:
            raise self._damaged("its file CURRENT is missing")
        if generations:
            return generations[0]
        if not create:
            here = f".{os.sep}{self.path.name}"
            found = Path(here).is_dir() and Path(here).resolve() != self.path.resolve()
            also = (
                f"If the folder in the working directory is meant, write {here}. " if found else ""
            )
            raise IndexNotFound(
                f"There is no index at {self.path} yet.",
                f"{also}Ingest a folder of pictures first.",
                Action("ingest", {"folder": "FOLDER"}),
            )
        if self.path.exists() and holds_other_files(self.path):
            raise IndexUnavailable(
                f"{self.path} holds other files, and no index.",
                "Name a new folder.",
                Action("name this index", {"place": self.path / "imgsearch-index"}),
            )
        return self.path / "generation-1"

    def _entries(self) -> list[Path]:
        return list(self.path.iterdir()) if self.path.exists() else []

    def _damaged(self, how: str) -> IndexDamaged:
        return IndexDamaged(
            f"The index at {self.path} is damaged: {how}.",
            "Bring the folder back from a backup, or move it away and ingest again.",
        )

    def after(self, generation: Path) -> Path:
        """The next generation's folder, which may exist half-filled."""
        return self._checked(self.path / f"generation-{self._number(generation) + 1}")

    def _number(self, generation: Path) -> int:
        number = _NAME.fullmatch(generation.name)
        assert number is not None
        return int(number[1])

    def clear_away(self, generation: Path) -> None:
        """What interrupted runs left beside the generation that serves, but for its successor,
        which may be gone on with. Only under the lock."""
        number = self._number(generation)
        for entry in self._entries():
            named = _NAME.fullmatch(entry.name)
            if named and int(named[1]) not in (number, number + 1) and not entry.is_symlink():
                self.delete(entry)
            elif entry.name.startswith("CURRENT.") and _OURS.fullmatch(entry.name):
                with contextlib.suppress(OSError):  # a folder of that name is nothing of ours
                    entry.unlink()

    def serve(self, generation: Path) -> None:
        """Make this generation, whose database exists, the one in use."""
        partial = self.path / f"CURRENT.{os.getpid()}.partial"
        with mapped_errors(self.path):
            with private_file(partial) as file:
                file.write(generation.name.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.path / "CURRENT")

    def delete(self, generation: Path) -> None:
        with mapped_errors(self.path):
            if self._checked(generation).exists():
                shutil.rmtree(generation)

    def bytes_on_disk(self) -> int:
        total = 0
        for folder, _, names in os.walk(self.path):
            for name in names:
                with contextlib.suppress(FileNotFoundError):  # a merge has replaced it
                    total += os.lstat(os.path.join(folder, name)).st_size
        return total

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """One ingest at a time. The system lets go of the lock when its holder dies.
        Raises IndexLocked, naming the holder."""
        from filelock import Timeout

        with mapped_errors(self.path):
            regular_files.check(self.path / "ingest.lock")
            try:
                self._lock.acquire(blocking=False)
            except Timeout:
                raise self._held() from None
        try:
            if self._lock.lock_counter == 1:
                self._write_holder()
            yield
        finally:
            if self._lock.lock_counter == 1:
                (self.path / "ingest.holder").unlink(missing_ok=True)
            self._lock.release()

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[bool]:
        """The same for mending: True if it can be had at once."""
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(self.lock())
            except (IndexLocked, IndexUnavailable, IndexDamaged):
                alone = False
            else:
                alone = True
            yield alone

    def _write_holder(self) -> None:
        """Not in the locked file itself, which Windows lets no other process read."""
        import socket

        holder = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now().astimezone().isoformat(timespec="seconds"),
        }
        with mapped_errors(self.path), private_file(self.path / "ingest.holder") as file:
            file.write(json.dumps(holder).encode())

    def _held(self) -> IndexLocked:
        cure = "Wait until it has ended; searching goes on meanwhile."
        for _ in range(5):  # it is written just after the lock is taken
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
                holder = json.loads(regular_files.read(self.path / "ingest.holder"))
                age = datetime.now().astimezone() - datetime.fromisoformat(holder["since"])
                who = f"process {holder['pid']} on {holder['host']}, started {ago(age)}"
                return IndexLocked(f"Another ingest holds {self.path}: {who}.", cure)
            time.sleep(0.05)
        return IndexLocked(f"Another ingest holds {self.path}.", cure)


def check_free(folder: Path) -> None:
    """An index makes a folder of its own; it does not move in with somebody's files. Raises
    UsageError."""
    if folder.is_dir() and not (folder / "CURRENT").exists() and holds_other_files(folder):
        raise UsageError(
            f"{shown(folder)} holds other files, and no index.",
            "Name a folder for the index alone.",
            Action("name this index", {"place": folder / ".imgsearch"}),
        )
    if folder.exists() and not folder.is_dir():
        raise UsageError(
            f"{shown(folder)} is a file.", "Name a folder for the index.", Action("name an index")
        )
