"""How much of a machine an ingest takes: what affinity and containers leave it."""

from __future__ import annotations

import mmap
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from imgsearch import cpu_and_memory, settings
from imgsearch.cli.commands import ingest
from imgsearch.ingest import batch_size

GB = 1 << 30


def _machine(
    monkeypatch: pytest.MonkeyPatch, folder: Path, groups: str, files: dict[str, str]
) -> None:
    """64 cores and 256 GB, and the control groups' files."""
    own = folder / "groups-of-this-process"
    own.write_text(groups)
    for name, text in files.items():
        path = folder / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    monkeypatch.setattr(cpu_and_memory, "_GROUPS", folder / "cgroup")
    monkeypatch.setattr(cpu_and_memory, "_OWN_GROUPS", own)
    monkeypatch.setattr(cpu_and_memory, "_installed_memory", lambda: 256 * GB)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)


def test_a_machine_without_limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    none = {"cpu.max": "max 100000", "memory.max": "max"}
    _machine(monkeypatch, tmp_path, "0::/\n", none)
    assert (cpu_and_memory.cores(), cpu_and_memory.memory()) == (64, 256 * GB)
    _machine(monkeypatch, tmp_path / "cgroup", "", {})  # another system: there are no such files
    assert (cpu_and_memory.cores(), cpu_and_memory.memory()) == (64, 256 * GB)


def test_a_container_of_version_2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = {"cpu.max": "150000 100000", "memory.max": str(2 * GB)}
    _machine(monkeypatch, tmp_path, "0::/\n", files)
    assert (cpu_and_memory.cores(), cpu_and_memory.memory()) == (2, 2 * GB)


def test_a_group_inside_a_group(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = {
        "user.slice/cpu.max": "400000 100000",
        "user.slice/memory.max": str(4 * GB),
        "user.slice/mine.scope/cpu.max": "max 100000",
        "user.slice/mine.scope/memory.max": str(8 * GB),
    }
    _machine(monkeypatch, tmp_path, "0::/user.slice/mine.scope\n", files)
    assert (cpu_and_memory.cores(), cpu_and_memory.memory()) == (4, 4 * GB)


def test_a_container_of_version_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It sees its own limits at the root, and its path by the names of the machine outside."""
    files = {
        "cpu/cpu.cfs_quota_us": "100000",
        "cpu/cpu.cfs_period_us": "100000",
        "memory/memory.limit_in_bytes": str(GB),
    }
    groups = (
        "5:cpu,cpuacct:/docker/0123\n4:memory:/docker/0123\n1:name=systemd:/docker/0123\n0::/\n"
    )
    _machine(monkeypatch, tmp_path, groups, files)
    assert (cpu_and_memory.cores(), cpu_and_memory.memory()) == (1, GB)
    files = {"cpu/cpu.cfs_quota_us": "-1", "memory/memory.limit_in_bytes": str(2**63 - 4096)}
    _machine(monkeypatch, tmp_path, groups, files)
    assert (cpu_and_memory.cores(), cpu_and_memory.memory()) == (64, 256 * GB)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")
def test_one_core_is_left_to_a_process() -> None:
    program = (
        "import os; from imgsearch import cpu_and_memory\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); print(cpu_and_memory.cores())"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert finished.stdout == b"1\n"


def test_an_ingest_takes_what_there_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _machine(monkeypatch, tmp_path, "", {})
    large = ingest.options(settings.defaults()).limits
    assert (large.workers, large.batch_size) == (64, 16)
    assert ingest.options(settings.defaults(), background=True).limits.workers == 63
    _machine(monkeypatch, tmp_path, "0::/\n", {"cpu.max": "100000 100000"})
    assert ingest.options(settings.defaults()).limits.workers == 1
    assert ingest.options(settings.defaults(), background=True).limits.workers == 1
    _machine(monkeypatch, tmp_path, "0::/\n", {"cpu.max": "max", "memory.max": str(3 * GB)})
    some = ingest.options(settings.defaults()).limits
    assert (some.workers, some.batch_size) == (8, 16)
    assert batch_size.workers(64, 2 * GB) == 4
    _machine(monkeypatch, tmp_path, "0::/\n", {"memory.max": str(GB)})
    little = ingest.options(settings.defaults()).limits
    assert (little.workers, little.batch_size) == (1, 2)
    assert little.on_the_way <= GB // 8
    asked = ingest.options(settings.defaults(workers=3, batch_size=5)).limits
    assert (asked.workers, asked.batch_size) == (3, 5)


def _resident(path: Path) -> int:
    """KiB of a mapped file that count as this process's memory."""
    found, counts = 0, False
    for line in Path("/proc/self/smaps").read_text("utf-8", "surrogateescape").splitlines():
        first, *rest = line.split(maxsplit=5)
        if not first.endswith(":"):
            counts = rest[-1] == str(path)
        elif counts and first == "Rss:":
            found += int(rest[0])
    return found


def _linux() -> tuple[int, ...]:
    """Its version; elsewhere (0, 0)."""
    found = re.match(r"(\d+)\.(\d+)", platform.release()) if sys.platform == "linux" else None
    return (0, 0) if found is None else tuple(map(int, found.groups()))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="elsewhere it does nothing")
def test_memory_that_is_used_again_is_not_asked_for_again(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import resource, sys\n"
        "from imgsearch import cpu_and_memory\n"
        "def faults():\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    for _ in range(50):\n"
        "        photos = [bytearray(3 << 20) for _ in range(8)]\n"
        "        del photos\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)\n"
        "with cpu_and_memory.giving_back_freed_memory():\n"
        "    faults()\n"  # nothing was kept yet
        "cpu_and_memory.keep_freed_memory()\n"
        "faults()\n"
        "with cpu_and_memory.giving_back_freed_memory():\n"
        "    faults()\n"
        "faults()\n"
    )
    ran = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    usual, kept, given_back, kept_again = map(int, ran.stdout.split())
    assert kept < usual / 5
    assert given_back > 5 * kept
    assert kept_again < usual / 5


@pytest.mark.skipif(_linux() < (5, 14), reason="there it does nothing")
def test_a_mapped_model_is_read_before_it_is_used(tmp_path: Path) -> None:
    weights, size = tmp_path.resolve() / "model.data", 17 << 20
    weights.write_bytes(os.urandom(4096) * (size // 4096))
    with weights.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ):
        cpu_and_memory.map_ahead(weights, largest=size - 1)
        assert _resident(weights) == 0
        cpu_and_memory.map_ahead(weights, largest=size)
        deadline = time.monotonic() + 60
        while _resident(weights) < size >> 10 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert _resident(weights) == size >> 10


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it does nothing")
def test_a_mapped_model_is_let_go_of_while_it_is_read(tmp_path: Path) -> None:
    model = tmp_path.resolve() / "model.onnx"
    model.write_bytes(os.urandom(4096) * 1024)
    with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages:
        assert len(set(pages[::4096])) == 1
        assert _resident(model) == 4096
        with cpu_and_memory.letting_go_of(tmp_path):
            deadline = time.monotonic() + 60
            while _resident(model) and time.monotonic() < deadline:
                time.sleep(0.01)
            assert _resident(model) == 0
            assert len(set(pages[::4096])) == 1
        assert _resident(model) == 0
        assert pages[:] == model.read_bytes()


def test_arrays_lie_on_disk_and_nowhere_else(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    given = [
        chance.integers(0, 256, (5, 7), dtype=np.uint8),
        chance.standard_normal((300, 1000)).astype(np.float32).T,
        chance.integers(-127, 128, (640, 1000)).astype(np.int8),
    ]
    found = cpu_and_memory.on_disk(iter(given), tmp_path)
    assert not list(tmp_path.iterdir())  # the file has no name, or loses it
    cpu_and_memory.let_go_of(tmp_path)
    for one, other in zip(found, given, strict=True):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)
    with pytest.raises(OSError, match="away"):
        cpu_and_memory.on_disk(given, tmp_path / "away")
