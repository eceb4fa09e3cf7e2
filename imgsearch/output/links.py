"""Links in a terminal (OSC 8): a name that opens its file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import quote

# A terminal opens a link with the system's program for the file; with these it is one that shows
# pictures, and none that runs the file.
_PICTURES = frozenset(
    (
        *(".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".heic", ".heif"),
        *(".avif", ".jp2", ".psd", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"),
    )
)
_PROGRAMS = {"iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "Tabby", "rio"}
_TERMS = ("xterm-kitty", "xterm-ghostty", "foot", "alacritty", "contour", "wezterm")
_VTE = 5000  # 0.50: the first that does not stumble over them
_KONSOLE = 201200  # 20.12
_TMUX = (3, 4)


def are_known() -> bool:
    """Whether stdout is a terminal that is known to show links; FORCE_HYPERLINK says it for others,
    0 against it."""
    environment = os.environ
    forced = environment.get("FORCE_HYPERLINK")
    if forced or not sys.stdout.isatty():
        return sys.stdout.isatty() and forced != "0"
    if environment.get("TMUX"):
        return environment.get("TERM_PROGRAM") == "tmux" and _version() >= _TMUX
    if environment.get("STY"):  # screen
        return False
    return (
        environment.get("TERM_PROGRAM") in _PROGRAMS
        or environment.get("TERM", "").startswith(_TERMS)
        or any(environment.get(name) for name in ("KITTY_WINDOW_ID", "WT_SESSION", "DOMTERM"))
        or _number("VTE_VERSION") >= _VTE
        or _number("KONSOLE_VERSION") >= _KONSOLE
    )


def _version() -> tuple[int, ...]:
    text = os.environ.get("TERM_PROGRAM_VERSION", "")
    parts = ("".join(filter(str.isdecimal, part)) for part in text.split("."))
    return tuple(int(part) for part in parts if part)


def _number(name: str) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isascii() and value.isdecimal() else 0


def linked(text: str, path: bytes) -> str:
    """The text as a link to a picture's file; as it is where the name is not a picture's."""
    if os.path.splitext(os.fsdecode(path))[1].lower() not in _PICTURES:
        return text
    return f"\x1b]8;;{_address(path)}\x1b\\{text}\x1b]8;;\x1b\\"


def _address(path: bytes) -> str:
    """With this machine's name, so that a terminal on another one does not look there."""
    if os.name == "nt":
        return Path(os.fsdecode(path)).as_uri()
    return f"file://{quote(os.uname().nodename, safe='')}{quote(path)}"
