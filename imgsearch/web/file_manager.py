"""The system's file manager, on the machine that serves the page."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading


def is_there() -> bool:
    """Whether there is a desktop that can show a folder."""
    if sys.platform in ("darwin", "win32"):
        return True
    has_desktop = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return has_desktop and shutil.which("xdg-open") is not None


def show(path: bytes) -> bool:
    """Opens the file's folder, with the file selected where the system can; never the file itself.
    Returns whether a file manager was started."""
    if not is_there():
        return False
    try:
        process = subprocess.Popen(
            _command(os.fsdecode(path)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    threading.Thread(target=process.wait, daemon=True).start()  # or it would stay as a zombie
    return True


def _command(path: str) -> list[str] | str:
    if sys.platform == "darwin":
        return ["open", "-R", path]
    if sys.platform == "win32":
        return f'explorer /select,"{path}"'  # which does not understand the usual quoting
    return ["xdg-open", os.path.dirname(path)]
