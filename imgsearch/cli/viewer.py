"""Opens pictures and pages with the programs that the system has for them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PROGRAM = {"darwin": "open", "win32": "Windows"}.get(sys.platform, "xdg-open")
WAIT = 2.0  # seconds; xdg-open says by then that it has found nothing
PLAYER_WAIT = 0.5  # for a film's player, which otherwise runs until it is closed
# what stands before a film's path to play it from a second on, by the player's name
_FROM_SECOND: Mapping[str, tuple[str, ...]] = {
    "mpv": ("--player-operation-mode=pseudo-gui", "--start={}", "--"),
    "vlc": ("--start-time={}",),
}


def open_files(paths: Sequence[bytes]) -> list[bytes]:
    """Opens all. Those that could not be, as far as the system says so: a viewer that still runs
    has opened its file."""
    if sys.platform == "win32":
        return [path for path in paths if not _start_on_windows(path)]
    started = [(path, _start(path)) for path in paths]
    until = time.monotonic() + WAIT
    return [path for path, process in started if process is None or not _succeeded(process, until)]


def open_film(path: bytes, seconds: float, media_type: str) -> str | None:
    """Opens a film at a moment of it, where the system's player for its type can do that. The
    player's name; None where it cannot, or is not known: nothing was opened. `path`: absolute."""
    player = _player(media_type)
    if player is None:
        return None
    options = [each.format(f"{seconds:.3f}") for each in _FROM_SECOND[player]]
    process = _start(path, player, *options)
    opened = process is not None and _succeeded(process, time.monotonic() + PLAYER_WAIT)
    return player if opened else None


def _player(media_type: str) -> str | None:
    """The one that xdg-open would start, such as "mpv.desktop" or "org.videolan.VLC.desktop"."""
    if PROGRAM != "xdg-open":
        return None
    command = ["xdg-mime", "query", "default", media_type]
    try:
        asked = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    entry = asked.stdout.decode("utf-8", "replace").strip().lower().removesuffix(".desktop")
    name = entry.rpartition(".")[2]
    return name if name in _FROM_SECOND and shutil.which(name) else None


def open_in_browser(page: Path) -> bool:
    """Whether a browser was found for an HTML file, as far as the system says so."""
    if not _has_a_screen():
        return False
    if "BROWSER" not in os.environ and (sys.platform == "win32" or shutil.which(PROGRAM)):
        return not open_files([os.fsencode(page)])
    import webbrowser

    return webbrowser.open(page.absolute().as_uri())


def _has_a_screen() -> bool:
    """Whether a graphical browser can be expected. Without a screen Python would start a text
    browser, which shows no pictures, unless the user has chosen one."""
    if sys.platform in ("darwin", "win32"):
        return True
    named = ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME", "BROWSER")
    return any(os.environ.get(name) for name in named)


def _start_on_windows(path: bytes) -> bool:
    try:
        os.startfile(os.fsdecode(path))  # type: ignore[attr-defined,unused-ignore] # there alone
    except OSError:
        return False
    return True


def _start(path: bytes, program: str = PROGRAM, *options: str) -> subprocess.Popen[bytes] | None:
    """Start a viewer in a session of its own, without output, so that Ctrl-C here does not close
    it."""
    try:
        return subprocess.Popen(
            [program, *options, path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return None


def _succeeded(process: subprocess.Popen[bytes], until: float) -> bool:
    try:
        return process.wait(max(until - time.monotonic(), 0.01)) == 0
    except subprocess.TimeoutExpired:
        return True
