"""Keeps decoders from writing to the terminal: what they have to say is in the error they raise.

libtiff and LibRaw write from C to `stderr`. To redirect file descriptor 2 would take it from all
other threads too. So libtiff's two handlers are taken away, and around LibRaw, which has none that
can be reached, C's variable `stderr` (which Python does not use to write) leads nowhere. Pillow,
tifffile and imagecodecs log."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging
import os
import platform
import sys
import threading
from collections.abc import Iterator


@functools.lru_cache(maxsize=1)
def keep_quiet() -> bool:
    """Silence libtiff, once a process. Returns whether it is silent: on Windows its functions are
    out of reach."""
    for name in ("PIL", "tifffile", "imagecodecs"):
        logging.getLogger(name).addHandler(logging.NullHandler())
    if os.name == "nt":
        return False
    from PIL import _imaging

    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(_imaging.__file__)  # finds what it is linked with, too
        for handler in (library.TIFFSetErrorHandler, library.TIFFSetWarningHandler):
            handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            handler(None)
        return True
    return False


_lock = threading.Lock()
_within = 0  # how many threads are inside `c_silence`
_saved: int | None = None  # C's stderr meanwhile


@contextlib.contextmanager
def c_silence() -> Iterator[None]:
    """C code that prints to `stderr` prints nowhere until the last thread has left. What Python
    writes is not touched."""
    global _within, _saved
    variable, nowhere = _c_stderr()
    if variable is None:
        yield
        return
    with _lock:
        _within += 1
        if _within == 1:
            _saved, variable.value = variable.value, nowhere
    try:
        yield
    finally:
        with _lock:
            _within -= 1
            if _within == 0:
                variable.value = _saved


@functools.lru_cache(maxsize=1)
def _c_stderr() -> tuple[ctypes.c_void_p | None, int | None]:
    """The variable, and a stream to nowhere. None where it is a constant (musl) or out of reach
    (Windows)."""
    name = "__stderrp" if sys.platform == "darwin" else "stderr"
    if sys.platform != "darwin" and platform.libc_ver()[0] != "glibc":
        return None, None
    with contextlib.suppress(OSError, AttributeError, ValueError):
        library = ctypes.CDLL(None)
        library.fopen.restype = ctypes.c_void_p
        nowhere = library.fopen(os.devnull.encode(), b"w")
        return ctypes.c_void_p.in_dll(library, name), nowhere
    return None, None
