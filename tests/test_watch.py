"""`imgsearch watch` as a service runs it."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import imgsearch
from imgsearch import guides
from imgsearch.index.local.opening import open_local
from imgsearch.ingest.options import Options
from imgsearch.watching import observer, run
from imgsearch.watching.pending import LONGEST, MOST, Pending
from tests.command import SCRIPT, Command
from tests.elasticsearch import servers
from tests.elasticsearch.front import Front
from tests.test_named_files import picture

PATIENCE = 250.0  # seconds
FAST = ("--settle", "0.3")


class Service:
    """A running `imgsearch watch`, with what it says line by line."""

    def __init__(self, command: Command, *arguments: object, wrapper: tuple[str, ...] = ()) -> None:
        self.command, self.said = command, []  # type: ignore[var-annotated]
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.process = subprocess.Popen(
            [*wrapper, os.fspath(SCRIPT), "watch", *map(str, arguments)],
            env=command.env(),
            cwd=command.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stderr:
            for line in stderr:
                self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def hears(self, pattern: str) -> str:
        """The next line in which the pattern is found."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                line = self._lines.get(timeout=max(end - time.monotonic(), 0))
            except queue.Empty:
                raise AssertionError(f"nobody said {pattern!r}: {self.said}") from None
            assert line is not None, f"ended, without {pattern!r}: {self.said}"
            self.said.append(line)
            if re.search(pattern, line):
                return line

    def ends(self, by: int = signal.SIGTERM) -> list[str]:
        """All that was said; the exit code is 0."""
        self.process.send_signal(by)
        assert self.process.wait(PATIENCE) == 0
        while (line := self._lines.get()) is not None:
            self.said.append(line)
        assert "Stopped." in self.said[-1]
        return self.said

    def photos(self) -> dict[str, int]:
        status = self.command.run("status", "--json").json
        return {each["name"]: each["photos"] for each in status["libraries"]}


@pytest.fixture
def watch(command: Command) -> Iterator[Callable[..., Service]]:
    running: list[Service] = []

    def start(*arguments: object, **options: Any) -> Service:
        running.append(Service(command, *FAST, *arguments, **options))
        return running[-1]

    yield start
    for service in running:
        service.stop()


def test_what_changes_is_ingested(watch: Callable[..., Service], tmp_path: Path) -> None:
    folder = tmp_path / "album"
    picture(folder / "a.png", 1)
    service = watch(folder)
    service.hears("album: 1 added")
    service.hears("Watching .*album")
    picture(folder / "b.png", 2)
    service.hears("album: 1 added")
    picture(folder / "b.png", 3)
    service.hears("album: 1 updated")
    picture(folder / "trip" / "day" / "c.png", 4)
    service.hears("album: 1 added")
    (folder / "trip").rename(folder / "journey")
    service.hears("album: 1 renamed")
    picture(folder / "journey" / "day" / "d.png", 5)
    service.hears("album: 1 added")
    (folder / "a.png").unlink()
    service.hears("album: 1 missing")
    (folder / "e.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    service.hears("album: 1 skipped")
    shutil.rmtree(folder / "journey")
    (folder / "journey").write_text("a file where a folder was")
    picture(folder / "f.png", 6)
    service.hears("1 added")
    assert service.photos() == {"album": 5}  # whatever is gone
    service.ends()


def _until(lines: Callable[[], list[str]], pattern: str) -> None:
    """Waits for a line in which the pattern is found."""
    end = time.monotonic() + PATIENCE
    while not any(re.search(pattern, line) for line in lines()):
        assert time.monotonic() < end, f"nobody said {pattern!r}: {lines()}"
        time.sleep(0.05)


@pytest.mark.slow
def test_an_index_on_a_cluster_that_is_away_for_a_while(
    command: Command,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name, value in command.env().items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "album"
    picture(folder / "a.png", 1)
    picture(folder / "stays.png", 2)
    said: list[str] = []
    stop = threading.Event()
    with servers.space() as space, Front([space.server]) as front:
        place = f"{front.url}/{space.name()}"
        watching = run.Watch(
            lambda: imgsearch.open(place, create=True, model="demo"),
            [str(folder)],
            Options(),
            run.Times(settle=0.2),
            said.append,
        )
        thread = threading.Thread(target=watching.run, args=(stop,))
        thread.start()
        try:
            _until(said.copy, "album: 2 added")
            _until(said.copy, "Watching")
            (folder / "a.png").rename(folder / "b.png")
            _until(said.copy, "album: 1 renamed")
            (folder / "b.png").unlink()
            _until(said.copy, "album: 1 missing")
            front.__exit__()
            picture(folder / "c.png", 3)
            _until(lambda: caplog.messages, "trying again")
            with Front([space.server], port=int(front.url.rpartition(":")[2])):
                _until(said.copy, "album: 1 added")
                stop.set()
                thread.join(PATIENCE)
        finally:
            stop.set()
            thread.join(PATIENCE)
        assert space.open(create=False).count() == 3


def test_one_line_for_many_changes(watch: Callable[..., Service], tmp_path: Path) -> None:
    folder = tmp_path / "album"
    picture(folder / "a.png", 1)
    service = watch(folder)
    service.hears("Watching")
    for number in range(2, 42):
        picture(folder / f"{number}.png", number)
    service.hears("album: 40 added")
    assert len(service.ends()) == 4


def test_a_file_that_is_written_slowly_is_waited_for(
    watch: Callable[..., Service], tmp_path: Path
) -> None:
    folder = tmp_path / "album"
    picture(folder / "a.png", 1)
    service = watch(folder, "--settle", "1")
    service.hears("Watching")
    data = picture(tmp_path / "b.png", 2).read_bytes()
    with open(folder / "b.png", "wb") as file:
        for start in range(0, len(data), 10):
            file.write(data[start : start + 10])
            file.flush()
            time.sleep(0.2)
    assert "1 added" in service.hears("album:")
    assert not [line for line in service.ends() if "skipped" in line]


def test_all_known_libraries_and_those_that_come(
    watch: Callable[..., Service], command: Command, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    picture(one / "a.png", 1)
    picture(two / "b.png", 2)
    command.run("ingest", one)
    service = watch("--rescan", "0.05")
    service.hears("Watching .*one")
    command.run("ingest", two)
    picture(two / "c.png", 3)
    service.hears("two: 1 added")
    picture(two / "d.png", 4)
    service.hears("two: 1 added")
    service.ends(signal.SIGINT)


def test_nothing_is_known(watch: Callable[..., Service], command: Command) -> None:
    asked = command.run("watch", code=2)
    assert "No folder is named" in asked.stderr
    nowhere = command.run("watch", command.home / "nowhere", code=1)
    assert "does not exist" in nowhere.stderr


def test_single_files_bring_no_neighbours(
    watch: Callable[..., Service], command: Command, tmp_path: Path
) -> None:
    photo = picture(tmp_path / "Downloads" / "a.png", 1)
    command.run("ingest", photo)
    service = watch()
    service.hears("Watching")
    picture(photo.with_name("b.png"), 2)
    picture(photo, 3)
    service.hears("Downloads: 1 updated")
    assert service.photos() == {"Downloads": 1}
    service.ends()


@pytest.mark.parametrize("in_place", ["nothing", "an empty folder", "what systems write"])
def test_an_unmounted_disk_loses_nothing(
    watch: Callable[..., Service], tmp_path: Path, in_place: str
) -> None:
    folder = tmp_path / "disk"
    for number in range(3):
        picture(folder / f"{number}.png", number)
    service = watch(folder, "--rescan", "0.02")
    service.hears("Watching")
    folder.rename(tmp_path / "unplugged")
    if in_place != "nothing":
        folder.mkdir()
    if in_place == "what systems write":
        (folder / ".Trash").mkdir()
    service.hears("not within reach")
    picture(tmp_path / "unplugged" / "new.png", 9)
    time.sleep(2.5)  # two rescans
    assert service.photos() == {"disk": 3}
    if in_place != "nothing":
        shutil.rmtree(folder)
    (tmp_path / "unplugged").rename(folder)
    service.hears("there again")
    service.hears("disk: 1 added")
    picture(folder / "newer.png", 10)
    service.hears("disk: 1 added")
    assert not [line for line in service.ends() if re.search(r"\d (missing|removed)", line)]


def test_a_disk_that_is_not_there_at_the_start(
    watch: Callable[..., Service], command: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "disk"
    picture(folder / "a.png", 1)
    command.run("ingest", folder)
    folder.rename(tmp_path / "unplugged")
    for arguments in ((), (folder,)):
        service = watch(*arguments)
        service.hears("not within reach")
        (tmp_path / "unplugged").rename(folder)
        service.hears("there again")
        folder.rename(tmp_path / "unplugged")
        service.hears("not within reach")
        service.ends()


def test_what_is_left_out_wakes_nobody(
    watch: Callable[..., Service], command: Command, tmp_path: Path
) -> None:
    """Hidden, excluded, a system's own; and the index, which lies in the library here."""
    folder = tmp_path / "album"
    picture(folder / "a.png", 1)
    command.environment["IMGSEARCH_INDEX"] = str(folder / "index")
    service = watch(folder, "--exclude", "drafts", "-v")
    service.hears("Watching")
    for number, name in enumerate(("drafts/a.png", ".hidden/a.png", "@eaDir/a.png", ".a.png")):
        picture(folder / name, 50 + number)
    time.sleep(1.5)
    picture(folder / "b.png", 2)
    service.hears("album: 1 added")
    said = [line for line in service.ends() if "added" in line]
    assert said[-1:] == [line for line in said if "b.png" in line or "album: 1" in line][-1:]
    assert service.photos() == {"album": 2}
    assert not [line for line in said if "drafts" in line or "hidden" in line]


def test_while_another_ingest_runs(
    watch: Callable[..., Service], command: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "album"
    picture(folder / "a.png", 1)
    service = watch(folder)
    service.hears("Watching")
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import imgsearch\nwith imgsearch.open() as library, library.locked():\n"
            "    print(flush=True)\n    input()",
        ],
        env=command.env(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    picture(folder / "b.png", 2)
    service.hears("Another ingest holds")
    picture(folder / "c.png", 3)
    holder.communicate(b"\n")
    service.hears("album: 2 added")
    assert len([line for line in service.ends() if "Another ingest" in line]) == 1


def test_ending_in_the_middle_of_an_ingest(watch: Callable[..., Service], tmp_path: Path) -> None:
    folder = tmp_path / "album"
    for number in range(1500):
        picture(folder / f"{number}.png", number)
    service = watch(folder, "--workers", "1", "--batch-size", "1", "-v")
    service.hears("added .*png")
    said = service.ends()
    assert not [line for line in said if "Traceback" in line or "Watching" in line]
    again = watch(folder)
    again.hears("album: .* added")
    again.ends()
    assert again.photos() == {"album": 1500}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
def test_a_name_that_is_not_utf_8(watch: Callable[..., Service], tmp_path: Path) -> None:
    folder = tmp_path / "album"
    picture(folder / "a.png", 1)
    service = watch(folder)
    service.hears("Watching")
    picture(os.fsencode(folder) + b"/\xff.png", 2)
    service.hears("album: 1 added")
    picture(folder / "c.png", 3)
    service.hears("album: 1 added")
    service.ends()


def _own_limits(setting: str, value: int) -> tuple[str, ...]:
    """A program that runs what follows with a limit of its own, in a user namespace."""
    script = f'echo {value} > /proc/sys/user/{setting} && exec "$@"'
    wrapper = ("unshare", "--user", "--map-root-user", "sh", "-c", script, "sh")
    if not shutil.which("unshare") or subprocess.run([*wrapper, "true"], check=False).returncode:
        pytest.skip("no user namespaces here")
    return wrapper


@pytest.mark.parametrize(
    ("setting", "value", "sysctl"),
    [
        ("max_inotify_watches", 20, "fs.inotify.max_user_watches=524288"),
        ("max_inotify_instances", 0, "fs.inotify.max_user_instances=1024"),
    ],
)
def test_a_limit_that_is_reached(
    watch: Callable[..., Service], tmp_path: Path, setting: str, value: int, sysctl: str
) -> None:
    folder = tmp_path / "album"
    for number in range(40):
        picture(folder / str(number) / "a.png", number)
    service = watch(folder, "--rescan", "0.02", wrapper=_own_limits(setting, value))
    assert "looked through every 0.02 minutes" in service.hears(f"sudo sysctl {sysctl}")
    picture(folder / "39" / "b.png", 99)
    service.hears("album: 1 added")
    assert len([line for line in service.ends() if "sysctl" in line]) == 1


def test_a_network_share_is_not_watched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(observer, "on_network", lambda folder: True)
    with pytest.raises(observer.Unwatchable, match="network share"):
        observer.Observer(tmp_path, Pending(1), lambda path: False)


def _resident(pid: int) -> int:
    """MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) // 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_threads_that_ended_leave_no_file_open(tmp_path: Path) -> None:
    """Each ingest has threads of its own, and each thread a connection to the index."""
    with contextlib.closing(open_local(tmp_path / "index", create=True)) as index:
        opened = []
        for _ in range(20):
            thread = threading.Thread(target=index.count)
            thread.start()
            thread.join()
            opened.append(len(os.listdir("/proc/self/fd")))
        assert opened[-1] <= opened[1]
        assert index.count() == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_bounded(watch: Callable[..., Service], tmp_path: Path) -> None:
    """A day of changes, one upon the other."""
    folder = tmp_path / "album"
    picture(folder / "a.png", 1)
    service = watch(folder, "--settle", "0.05", "--rescan", "0.01")
    service.hears("Watching")
    sizes = []
    for number in range(150):
        picture(folder / f"{number % 20}.png", 2 + number)
        service.hears("album: 1 (added|updated)")
        if number in (60, 149):
            sizes.append(_resident(service.process.pid))
    service.ends()
    assert sizes[1] - sizes[0] < 25, sizes


def test_the_guides_service(
    watch: Callable[..., Service], command: Command, tmp_path: Path
) -> None:
    """The unit file is one that systemd takes, and what it starts watches."""
    guide = Path(guides.__file__).with_name("photos-at-home.md").read_text("utf-8")
    [unit] = re.findall(r"```ini\n(.*?)```", guide, re.DOTALL)
    program, *arguments = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)[0].split()
    assert program.endswith("/imgsearch")
    if shutil.which("systemd-analyze"):
        file = tmp_path / "imgsearch-watch.service"
        file.write_text(unit.replace(program, os.fspath(SCRIPT)))
        check = subprocess.run(
            ["systemd-analyze", "verify", "--user", file],
            env={**command.env(), "XDG_RUNTIME_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert not [line for line in check.stderr.splitlines() if file.name in line], check.stderr
    picture(tmp_path / "album" / "a.png", 1)
    command.run("ingest", tmp_path / "album")
    assert arguments == ["watch"]
    service = watch()
    service.hears("Watching .*album")
    service.ends()


# -- what is pending


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_settles_is_taken() -> None:
    clock = Clock()
    pending = Pending(2.0, clock)
    pending.add("a")
    clock.now += 1.9
    assert pending.take() == set()
    pending.add("b")
    clock.now += 0.2
    assert pending.take() == set()  # the folder is not quiet
    clock.now += 2
    assert pending.take() == {"a", "b"}
    assert pending.take() == set()


def test_a_folder_that_is_never_quiet() -> None:
    clock = Clock()
    pending = Pending(2.0, clock)
    pending.add("a")
    for _ in range(LONGEST):
        clock.now += 2
        pending.add("busy.log")
    clock.now += 0.1
    assert pending.take() == {"a"}


def test_too_many_changes_are_the_whole_folder() -> None:
    clock = Clock()
    pending = Pending(2.0, clock)
    for number in range(10 * MOST):
        pending.add(str(number))
    assert len(pending) <= MOST
    clock.now += 2
    assert pending.take() is None
    assert pending.take() == set()
    pending.put_back(None)
    pending.put_back({"a"})
    clock.now += 2
    assert pending.take() is None
