"""This machine's list of libraries' roots, a JSON file in the data folder: by index id, by library,
the root's path, or {"root": path, "follow_links": true, "within": [folders in it],
"only_files": true}."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imgsearch import regular_files
from imgsearch.errors import UsageError
from imgsearch.roots.locations import Root, relative_bytes

Libraries = dict[str, Root]
_FLAGS = ("follow_links", "only_files")  # of a Root
_WAIT = 20.0  # seconds to wait for another process that writes it


class Registry:
    def __init__(self, path: Path, note: Callable[[str], None]) -> None:
        """`note` takes a line for the user about what cannot be read."""
        self._path = path
        self._note = note
        self._damaged = False

    def roots(self, index_id: str) -> Libraries:
        """The roots of one index's libraries; none, with a note, where the file cannot be read."""
        return self._read().get(index_id, {})

    def state(self) -> tuple[int, int, int] | None:
        """What differs once another process has written the file; None where there is none."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def set(self, index_id: str, library: str, root: Root | None) -> None:
        """Set a library's root; None forgets it."""
        from filelock import FileLock, Timeout

        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = self._path.with_name(self._path.name + ".lock")
        try:
            regular_files.check(lock)
            with FileLock(lock, timeout=_WAIT):
                known = self._read()
                if root is None:
                    known.get(index_id, {}).pop(library, None)
                else:
                    known.setdefault(index_id, {})[library] = root
                self._write(known)
        except Timeout:
            raise UsageError(
                f"{self._path} is in use by another program.",
                "Wait until it has ended, or end it; then run the same command again.",
            ) from None
        except regular_files.NotRegular as error:
            raise UsageError(f"{lock} is {error.strerror}.", "Remove it.") from None

    def _read(self) -> dict[str, Libraries]:
        try:
            found = json.loads(regular_files.read(self._path, follow_links=True))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            self._note_unread(str(error))
            return {}
        if not isinstance(found, dict):
            self._note_unread("it is no JSON object")
            return {}
        known = {id: _libraries(found[id]) for id in found}
        if any(isinstance(found[id], dict) and len(found[id]) != len(known[id]) for id in found):
            self._note_unread("some of it names no folder", "That is")
        return {id: libraries for id, libraries in known.items() if libraries is not None}

    def _note_unread(self, why: str, what: str = "It is") -> None:
        self._damaged = True
        self._note(
            f"{self._path} cannot be read: {why}. {what} left out; the next ingest of each folder"
            " names its root again."
        )

    def _write(self, known: dict[str, Libraries]) -> None:
        """Write the registry. A file that could not be read is kept beside it."""
        dumped = {
            id: {name: _dumped(root) for name, root in roots.items()} for id, roots in known.items()
        }
        if self._damaged:
            with contextlib.suppress(OSError):
                self._path.replace(self._path.with_suffix(".damaged"))
            self._damaged = False
        partial = self._path.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        partial.write_text(json.dumps(dumped, indent=1), "utf-8")  # ASCII: any name survives
        partial.chmod(0o600)
        partial.replace(self._path)


def _libraries(found: Any) -> Libraries:
    if not isinstance(found, dict):
        return {}
    roots = {name: _root(value) for name, value in found.items()}
    return {name: root for name, root in roots.items() if root is not None}


def _root(value: Any) -> Root | None:
    told = value if isinstance(value, dict) else {"root": value}
    path = told.get("root")
    if not isinstance(path, str) or "\0" in path or not os.path.isabs(path):
        return None
    within = told.get("within", [])
    if not isinstance(within, list) or not all(map(_is_folder, within)):
        return None
    return Root(
        Path(path),
        within=tuple(map(os.fsencode, within)),
        **{name: told.get(name) is True for name in _FLAGS},
    )


def _is_folder(within: Any) -> bool:
    """A relative path that stays inside."""
    if not isinstance(within, str):
        return False
    try:
        return relative_bytes(os.fsencode(within).decode("utf-8", "replace"), False) is not None
    except UnicodeEncodeError:
        return False


def _dumped(root: Root) -> str | dict[str, Any]:
    path = str(root.path)
    more: dict[str, Any] = {name: True for name in _FLAGS if getattr(root, name)}
    if root.within:
        more["within"] = [os.fsdecode(folder) for folder in root.within]
    return {"root": path, **more} if more else path
