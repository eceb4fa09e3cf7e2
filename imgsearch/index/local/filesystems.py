"""Where a folder lies: SQLite's WAL needs memory that processes share, which no network gives."""

from __future__ import annotations

import os
import sys
from pathlib import Path

NETWORK = frozenset(
    [
        "9p",
        "afpfs",
        "afs",
        "ceph",
        "cifs",
        "coda",
        "davfs",
        "davfs2",
        "fuse.davfs2",
        "fuse.glusterfs",
        "fuse.rclone",
        "fuse.sshfs",
        "gfs2",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "smb2",
        "smb3",
        "smbfs",
        "virtiofs",
        "webdav",
    ]
)
_MOUNTS = Path("/proc/self/mounts")
_DRIVE_REMOTE = 4  # Windows: GetDriveTypeW


def on_network(folder: Path) -> bool:
    """Whether a folder lies on a network share; False where that cannot be told. On macOS only
    /Volumes and /net are looked at."""
    if sys.platform == "win32":
        return _remote_drive(folder)
    path = os.path.realpath(folder)
    if _MOUNTS.exists():
        return file_system_type(path, _MOUNTS.read_text("utf-8", "surrogateescape")) in NETWORK
    if sys.platform == "darwin" and path.startswith(("/Volumes/", "/net/")):
        return _type_by_mount_program(path) in NETWORK
    return False


def file_system_type(path: str, mounts: str) -> str:
    """The type of the innermost mount around `path`; `mounts` as in /proc/self/mounts."""
    best, found = "", ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = _unescaped(fields[1])
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):  # the later of two on one point hides the first
            best, found = point, fields[2]
    return found


def _unescaped(field: str) -> str:
    """Spaces, tabs, newlines and backslashes are octal there."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, character)
    return field


def _type_by_mount_program(path: str) -> str:
    import subprocess

    listing = subprocess.run(["/sbin/mount"], capture_output=True, text=True, check=False).stdout
    lines = []
    for line in listing.splitlines():  # "//user@host/share on /Volumes/share (smbfs, nodev)"
        point, _, options = line.partition(" on ")[2].rpartition(" (")
        lines.append(f"- {point.replace(' ', chr(92) + '040')} {options.split(',')[0].rstrip(')')}")
    return file_system_type(path, "\n".join(lines))


def _remote_drive(folder: Path) -> bool:
    import ctypes

    drive = os.path.splitdrive(os.path.realpath(folder))[0]
    if drive.startswith("\\\\"):
        return True
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - typed on Windows only
    return bool(kernel.GetDriveTypeW(drive + "\\") == _DRIVE_REMOTE)
