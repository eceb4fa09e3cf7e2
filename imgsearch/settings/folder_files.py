"""`.env` and `imgsearch.toml` of the working directory: read with care, because somebody else may
have made them, and obeyed as far as the user allowed.

Permission is for one path and one content, as direnv gives it: `trusted.json` in the data folder
maps a file's path to the SHA-256 of what the user has seen, and what the answer was."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any, Literal

from imgsearch import paths, regular_files
from imgsearch.dataclass import dataclass

NAMES = (".env", "imgsearch.toml")  # the first one wins
MAX_BYTES = 65_536

Permission = Literal["allowed", "refused", "changed", "unknown"]


@dataclass(frozen=True, slots=True)
class FolderFile:
    """`path`: the folder with its links resolved, and the name. `fault`: why nothing of the file is
    obeyed, else empty; where it is the owner's or the mode's, `text` is there all the same."""

    path: Path
    text: str = ""
    fault: str = ""

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()


def read(directory: Path, name: str) -> FolderFile | None:
    """None where there is no such file. Nothing but a regular file of at most MAX_BYTES is read, so
    a pipe or a device stops nobody."""
    path = Path(os.path.realpath(directory)) / name
    if os.path.isdir(path):  # a virtual environment may be called .env
        return None
    try:
        with regular_files.opened(path, follow_links=True) as file:
            stranger = _of_a_stranger(os.fstat(file.fileno()))
            content = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except regular_files.NotRegular as error:
        return FolderFile(path, fault=f"it is not a regular file, but {error.strerror}")
    except OSError as error:
        return FolderFile(path, fault=f"it cannot be read ({error.strerror})")
    if len(content) > MAX_BYTES:
        return FolderFile(path, fault=f"it is larger than {MAX_BYTES // 1024} KiB")
    try:
        return FolderFile(path, content.decode("utf-8-sig"), stranger)
    except UnicodeDecodeError:
        return FolderFile(path, fault="it is not UTF-8 text")


def _of_a_stranger(found: os.stat_result) -> str:
    """Why the file may hold what neither the user nor root wrote; empty if it may not."""
    if os.name == "nt":  # no owner in `stat`, and the mode says nothing
        return ""
    if found.st_uid not in (os.geteuid(), 0):
        return "it belongs to another user"
    if found.st_mode & stat.S_IWOTH:
        return "every user of this machine may write to it (chmod go-w)"
    if found.st_mode & stat.S_IWGRP and not _group_of_one(found.st_gid):
        return "its group may write to it (chmod go-w)"
    return ""


def _group_of_one(group: int) -> bool:
    """A user's private group, which many Linux systems let write by default."""
    import grp
    import pwd

    try:
        found, user = grp.getgrgid(group), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return found.gr_name == user.pw_name and set(found.gr_mem) <= {user.pw_name}


def permission(file: FolderFile) -> Permission:
    """What the user answered for this path; "changed": allowed once, with another content."""
    remembered = _remembered().get(str(file.path))
    if not isinstance(remembered, dict):
        return "unknown"
    allowed = remembered.get("allowed") is True
    if remembered.get("sha256") != file.digest:
        return "changed" if allowed else "unknown"
    return "allowed" if allowed else "refused"


def remember(files: list[FolderFile], *, allowed: bool) -> None:
    """Remember the user's answer about these files. Raises OSError where it cannot be kept."""
    known = _remembered()
    for file in files:
        known[str(file.path)] = {"sha256": file.digest, "allowed": allowed}
    _write(known)


def forget(directory: Path) -> list[Path]:
    """Take back what was answered for the files of a folder. Returns their paths."""
    known = _remembered()
    folder = Path(os.path.realpath(directory))
    found = [folder / name for name in NAMES if str(folder / name) in known]
    for path in found:
        del known[str(path)]
    if found:
        _write(known)
    return found


def _registry() -> Path:
    return paths.data_dir() / "trusted.json"


def _remembered() -> dict[str, Any]:
    """Empty where there is none, or where it cannot be read: then nothing is allowed."""
    try:
        found = json.loads(_registry().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(known: dict[str, Any]) -> None:
    registry = _registry()
    paths.private_folder(registry.parent)
    partial = registry.with_name(f"trusted.{os.getpid()}.part")
    partial.write_text(json.dumps(known, indent=1), "utf-8")
    partial.chmod(0o600)
    partial.replace(registry)
