"""How much of its machine this process may use, which is less in a container, or where its affinity
says so; and how it gives way to other programs."""

from __future__ import annotations

import contextlib
import ctypes
import math
import mmap
import os
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

_GROUPS, _OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_LOWEST = 19  # of nice; Linux takes a process's place at the disk from it too
_IDLE_PRIORITY_CLASS = 0x40
_THIS_PROCESS = -1  # to Windows
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # of glibc's mallopt
_LET_GO_SECONDS = 0.02
_POPULATE_READ = 22  # of madvise, from Linux 5.14 on; Python does not name it
_WORTH_A_THREAD = 16 << 20  # bytes; fewer are mapped in a millisecond
_ALIGNED = 64  # bytes, as the widest registers are
_freed_is_kept = threading.Event()


def cores() -> int:
    """How many threads can run at a time."""
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    return max(1, min([allowed, *map(math.ceil, _quotas())]))


def memory() -> int:
    """Bytes: the machine's, or the container's."""
    return min([_installed_memory(), *_memory_limits()])


def give_way() -> None:
    """Lowest priority for this process, and for the threads that it starts from now on."""
    if sys.platform == "win32":
        this = ctypes.c_void_p(_THIS_PROCESS)
        ctypes.windll.kernel32.SetPriorityClass(this, _IDLE_PRIORITY_CLASS)
    else:
        os.nice(_LOWEST)


def keep_freed_memory() -> None:
    """Keep up to 256 MB that were freed, for the next photo: glibc gives memory of a few megabytes
    back to the system at once, and to be given it again, page by page, takes 3 % of an ingest. For
    a process of one's own, before it starts threads; elsewhere than with glibc, nothing is done."""
    libc = _glibc()
    if libc is not None:
        libc.mallopt(_TRIM_THRESHOLD, 256 << 20)
        libc.mallopt(_MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(_ARENA_MAX, max(2, cores()))  # what one thread frees the next one uses
        _freed_is_kept.set()


@contextlib.contextmanager
def giving_back_freed_memory() -> Iterator[None]:
    """Meanwhile, what `keep_freed_memory` keeps goes back to the system, for work that needs much
    memory itself. Nothing is done where that was not called."""
    libc = _glibc() if _freed_is_kept.is_set() else None
    if libc is None:
        yield
        return
    libc.mallopt(_TRIM_THRESHOLD, 128 << 10)
    libc.mallopt(_MMAP_THRESHOLD, 128 << 10)
    give_back_freed_memory()
    try:
        yield
    finally:
        keep_freed_memory()


def give_back_freed_memory() -> None:
    """Once: what is free between what is used, too. Nothing where freed memory is not kept."""
    libc = _glibc() if _freed_is_kept.is_set() else None
    if libc is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None


def let_go_of(folder: Path) -> None:
    """Pages of mapped files in that folder: on Linux those that were read count as this process's
    memory until somebody wants it. What is wanted again is read again."""
    if sys.platform == "linux":
        _advise(_mapped_from(folder), mmap.MADV_DONTNEED)


def on_disk(arrays: Iterable[npt.NDArray[Any]], folder: Path) -> list[npt.NDArray[Any]]:
    """The same, mapped from a file there that has no name and is gone with the last of them;
    `let_go_of` that folder takes them out of memory. Raises OSError where it cannot be written."""
    import numpy as np

    places = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for each in arrays:
            place = file.seek(-file.tell() % _ALIGNED, os.SEEK_CUR)
            places.append((slice(place, place + each.nbytes), each.dtype, each.shape))
            file.write(np.ascontiguousarray(each).data)
        file.flush()
        whole = np.memmap(file, np.uint8, "c")
    return [whole[place].view(dtype).reshape(shape) for place, dtype, shape in places]


def map_ahead(file: Path, largest: int) -> None:
    """Begins to map the pages of a file that is mapped, on a thread of its own, as whoever reads
    each of them for the first time waits for that. Parts of more than `largest` bytes stay as they
    are. Linux alone; elsewhere, and where the file is small, nothing is done."""
    if sys.platform == "linux" and file.exists() and file.stat().st_size > _WORTH_A_THREAD:
        parts = [each for each in _mapped_from(file) if each[1] <= largest]
        if parts:
            threading.Thread(target=_advise, args=(parts, _POPULATE_READ), daemon=True).start()


def _mapped_from(place: Path) -> Iterator[tuple[int, int]]:
    """Addresses and lengths at which a file, or the files of a folder, are mapped."""
    wanted = str(place.resolve())
    for line in Path("/proc/self/maps").read_text("utf-8", "surrogateescape").splitlines():
        addresses, *_, path = line.split(maxsplit=5)
        if path == wanted or path.startswith(f"{wanted}{os.sep}"):
            start, end = (int(address, 16) for address in addresses.split("-"))
            yield start, end - start


def _advise(parts: Iterable[tuple[int, int]], advice: int) -> None:
    """What the system cannot do, it does not."""
    libc = ctypes.CDLL(None)
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for start, length in parts:
        libc.madvise(start, length, advice)


@contextlib.contextmanager
def letting_go_of(folder: Path) -> Iterator[None]:
    """Lets go of what is read from there meanwhile, again and again, and once more at the end."""
    if sys.platform != "linux":
        yield
        return
    done = threading.Event()

    def go_on() -> None:
        while not done.wait(_LET_GO_SECONDS):
            let_go_of(folder)

    thread = threading.Thread(target=go_on, name="imgsearch-memory", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        let_go_of(folder)


# -- control groups: version 2 has one tree, version 1 one for each controller


def _quotas() -> Iterator[float]:
    """The processor limits, in cores, of our control group and of those around it."""
    for folder in _folders(""):
        quota, _, period = _text(folder / "cpu.max").partition(" ")
        if quota.isdecimal():
            yield int(quota) / int(period)
    for folder in _folders("cpu"):
        quota = _text(folder / "cpu.cfs_quota_us")  # -1: none
        if quota.isdecimal():
            yield int(quota) / int(_text(folder / "cpu.cfs_period_us"))


def _memory_limits() -> Iterator[int]:
    for controller, name in (("", "memory.max"), ("memory", "memory.limit_in_bytes")):
        for folder in _folders(controller):
            limit = _text(folder / name)
            if limit.isdecimal():
                yield int(limit)


def _folders(controller: str) -> Iterator[Path]:
    """Of our group and of those around it. A container may see its own as the outermost one, and
    its path by the names of the machine outside: folders that are not there are no limit."""
    for line in _text(_OWN_GROUPS).splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            group = PurePosixPath(path).relative_to("/")
            for each in (group, *group.parents):
                yield _GROUPS / controller / each


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _installed_memory() -> int:
    if sys.platform == "win32":
        # MEMORYSTATUSEX: its length and the load, then the total
        status = (ctypes.c_uint64 * 8)(64)
        ctypes.windll.kernel32.GlobalMemoryStatusEx(status)
        return int(status[1])
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
