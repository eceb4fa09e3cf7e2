"""A list of file names, from a file or from stdin: `ingest --files-from`."""

from __future__ import annotations

import codecs
import os
import sys

from imgsearch.errors import UsageError
from imgsearch.escaping import shown


def read(source: str, *, nul: bool) -> list[str]:
    """The names in a file, or in stdin ("-"), relative ones to the working directory; any bytes
    survive, as `os.fsdecode` gives them. A list that holds a NUL is separated by NULs (`find
    -print0`), every other one by line breaks; `nul`: in any case. Empty names are left out. Raises
    UsageError where it cannot be read."""
    try:
        if source == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(source, "rb") as file:
                data = file.read()
    except OSError as error:
        raise UsageError(
            f"--files-from {shown(source)}: {error.strerror or type(error).__name__}.",
            "Name a file that holds one path a line, or - for stdin.",
        ) from None
    return [os.fsdecode(name) for name in _names(_utf8(data), nul) if name]


def _utf8(data: bytes) -> bytes:
    """Without the mark that editors and PowerShell put in front; PowerShell writes UTF-16 too."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and len(data) % 2 == 0:
        return data.decode("utf-16", "surrogatepass").encode("utf-8", "surrogatepass")
    return data.removeprefix(codecs.BOM_UTF8)


def _names(data: bytes, nul: bool) -> list[bytes]:
    if nul or b"\0" in data:
        return data.split(b"\0")
    *ended, last = data.split(b"\n")
    if ended and all(line.endswith(b"\r") for line in ended):  # as Windows ends them
        ended = [line[:-1] for line in ended]
    return [*ended, last]
