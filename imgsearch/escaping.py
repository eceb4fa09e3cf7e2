"""The one escaping of everything that a person is shown: names, dates, reasons and log lines are
strangers' texts, and a terminal obeys control characters."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

# C0, DEL and C1; marks, embeddings, overrides and isolates of bidirectional text; separators of
# lines and paragraphs; characters without width (but for the joiners, which emoji and Persian are
# written with); lone surrogates; tags.
UNSAFE = (
    "\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f"
)
# the flags of England, Scotland and Wales are a black flag with tags
_TEXT = re.compile(f"\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f|[{UNSAFE}]")
_QUOTED = re.compile(r"[^\w…%+,./:=@-]" if os.name != "nt" else r"[^\w…%+,./:=@\\()-]")
_BYTE = range(0xDC80, 0xDD00)  # a byte that is not UTF-8, as Python keeps it in a str


def shown(text: str | bytes | Path) -> str:
    """A path or another text on one line: control characters, bidirectional controls and bytes that
    are not UTF-8 as escapes (`\\x1b`, `\\u202e`), everything else as it is."""
    if isinstance(text, Path):
        text = str(text)
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    return _TEXT.sub(_escaped, text)


def shown_lines(text: str) -> str:
    """A text of several lines: as `shown`, but the line breaks stay."""
    return "\n".join(map(shown, text.split("\n")))


def shell_quoted(path: bytes) -> str:
    """A path as it can be pasted behind a command: in quotes where a shell needs them, and in
    `$'…'` with escapes (bash, zsh) where it holds what a terminal would obey or is not UTF-8."""
    text = path.decode("utf-8", "surrogateescape")
    if text.startswith("-"):
        text = f"./{text}"  # or it would be an option
    if not is_safe(text):
        return "$'" + _TEXT.sub(_escaped, re.sub(r"[\\']", r"\\\g<0>", text)) + "'"
    if not _QUOTED.search(text):
        return text
    if os.name == "nt":
        return f'"{text}"'
    return "'" + text.replace("'", "'\"'\"'") + "'"


def is_safe(text: str) -> bool:
    """Whether `shown` would leave it as it is."""
    return shown(text) == text


def json_text(value: object, indent: int | None = None) -> str:
    """JSON of the same value, in which what a terminal could obey is written as `\\u` escapes."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return re.sub(f"[{UNSAFE}]", _escaped_in_json, text)


def typed_text(text: str) -> str:
    """A text from the command line. Bytes that are not UTF-8 come from a terminal with an older
    encoding: they are read as Windows-1252, or as Latin-1 where that has no such character."""
    if not any(ord(character) in _BYTE for character in text):
        return text
    raw = os.fsencode(text)
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _escaped(found: re.Match[str]) -> str:
    text = found[0]
    if len(text) > 1:  # a flag
        return text
    code = ord(text)
    if code in _BYTE:
        return f"\\x{code - 0xDC00:02x}"
    if 0x80 <= code < 0x100:  # not \x9b, which is the byte
        return f"\\u{code:04x}"
    return text.encode("unicode_escape").decode()


def _escaped_in_json(found: re.Match[str]) -> str:
    # line breaks of an indented document are outside of strings; those inside are escaped by now
    return "\n" if found[0] == "\n" else json.dumps(found[0])[1:-1]
