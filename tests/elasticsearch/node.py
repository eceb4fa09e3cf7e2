"""A real Elasticsearch node from Maven's jars, built once per version and started from Python.

    with node.start("9.5.3") as running:
        ...running.url...

By hand: `python -m tests.elasticsearch.node 9.5.3 9200`.

The server runs as a named Java module, with a starter class patched in; its HTTP transport is
loaded from a modules folder, as in the distribution. What the jars lack: x-pack (security, machine
learning, licences), scripts, `_update_by_query`, `_delete_by_query`, `_reindex`, ingest pipelines,
and, from 8.11 on, the route `GET /`, which a small plugin answers."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs
from filelock import FileLock

JAVA = Path(__file__).parent / "java"
WORK = Path(
    os.environ.get("IMGSEARCH_TEST_ES_WORK")
    or platformdirs.user_cache_dir("imgsearch-tests", appauthor=False)
)
QUICK = ("8.19.9", "9.5.3")
ALL = ("8.6.2", "8.13.4", "8.19.9", "9.0.8", "9.2.2", "9.5.3")
START_SECONDS = 120.0

# modules that the server opens by name, and no other one requires
JDK_MODULES = "ALL-MODULE-PATH,jdk.net,jdk.management,jdk.unsupported"


class Unavailable(Exception):
    """No node can run here, and why."""


def number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


@dataclass
class Node:
    version: str
    port: int
    home: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """As a power failure would."""
        self.process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        self.process.wait()

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def log(self) -> str:
        return (self.home / "node.log").read_text("utf-8", "replace")

    def stop(self) -> None:
        # nothing of a test's node is kept, so it need not be asked politely
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.home, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def start(
    version: str,
    *,
    port: int | None = None,
    heap: str = "768m",
    settings: Mapping[str, str] | None = None,
) -> Iterator[Node]:
    """One node, ready to answer. Raises Unavailable."""
    running = launch(version, port=port, heap=heap, settings=settings)
    try:
        wait_until_ready(running)
        yield running
    finally:
        running.stop()


@contextlib.contextmanager
def start_cluster(version: str, nodes: int = 3, heap: str = "512m") -> Iterator[list[Node]]:
    """Several nodes of one cluster, all of them masters and holders of data."""
    transports = [free_port() for _ in range(nodes)]
    ports = [free_port() for _ in range(nodes)]
    names = [f"node-{port}" for port in ports]
    running: list[Node] = []
    try:
        for port, transport in zip(ports, transports, strict=True):
            settings = {
                "discovery.type": "multi-node",
                "transport.port": str(transport),
                "discovery.seed_hosts": ",".join(f"127.0.0.1:{other}" for other in transports),
                "cluster.initial_master_nodes": ",".join(names),
                # a lost node is noticed in seconds, so that a test need not wait a minute
                "cluster.fault_detection.follower_check.interval": "500ms",
                "cluster.fault_detection.leader_check.interval": "500ms",
            }
            running.append(launch(version, port=port, heap=heap, settings=settings))
        for one in running:
            wait_until_ready(one, f"_cluster/health?wait_for_nodes={nodes}&timeout=60s")
        yield running
    finally:
        for one in running:
            one.stop()


def launch(
    version: str,
    *,
    port: int | None = None,
    heap: str = "768m",
    settings: Mapping[str, str] | None = None,
) -> Node:
    built = build(version)
    port = port or free_port()
    home = Path(tempfile.mkdtemp(prefix=f"imgsearch-es-{version}-"))
    shutil.copytree(built / "modules", home / "modules")
    chosen = {
        "node.name": f"node-{port}",
        "cluster.name": "imgsearch-tests",
        "network.host": "127.0.0.1",
        "http.port": str(port),
        "transport.port": "0",
        "discovery.type": "single-node",
        # the tests fill no disk, whatever else lies on it
        "cluster.routing.allocation.disk.threshold_enabled": "false",
        # what the serial collector has not collected yet is no reason to refuse a request
        "indices.breaker.total.use_real_memory": "false",
        **(settings or {}),
    }
    command = [
        str(java_for(version) / "bin" / "java"),
        f"-Xmx{heap}",
        "-XX:-UsePerfData",
        # quick to start rather than quick in the long run: half the processor time of a test
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "--module-path",
        str(built / "lib"),
        f"--add-modules={JDK_MODULES}",
        "--patch-module",
        f"org.elasticsearch.server={built / 'node'}",
        f"-Dlog4j.configurationFile={JAVA / 'log4j2.properties'}",
        "-m",
        "org.elasticsearch.server/org.elasticsearch.node.EsNode",
        str(home),
        *(f"{key}={value}" for key, value in chosen.items()),
    ]
    with (home / "node.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=home)
    return Node(version, port, home, process)


def wait_until_ready(running: Node, path: str = "") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if running.process.poll() is not None:
            raise Unavailable(f"Elasticsearch {running.version} ended:\n{running.log()[-3000:]}")
        try:
            with urllib.request.urlopen(f"{running.url}/{path}", timeout=70):
                return
        except (OSError, urllib.error.HTTPError):
            time.sleep(0.2)
    raise Unavailable(f"Elasticsearch {running.version} did not start:\n{running.log()[-3000:]}")


# -- Java


def java_for(version: str) -> Path:
    """The home of a JDK that runs this version: 17 and later for 8.x, 21 and later for 9.x."""
    wanted = 21 if number(version) >= (9,) else 17
    found = sorted((major, home) for home, major in jdks().items() if major >= wanted)
    if not found:
        raise Unavailable(f"Elasticsearch {version} needs a JDK of version {wanted} or later.")
    return found[0][1]  # the oldest that will do: the nearest to what that version was tested on


def jdks() -> dict[Path, int]:
    """Homes of the JDKs of this machine, with their major versions."""
    places = [Path(home) for home in (os.environ.get("JAVA_HOME"),) if home]
    if on_path := shutil.which("java"):
        places.append(Path(os.path.realpath(on_path)).parent.parent)
    for folder in ("/usr/lib/jvm", "/Library/Java/JavaVirtualMachines", "~/.jdks", "~/.sdkman"):
        places += sorted(Path(folder).expanduser().glob("*"))
    places += [place / "Contents" / "Home" for place in places]
    homes = {Path(os.path.realpath(home)) for home in places if (home / "bin" / "javac").exists()}
    return {home: major for home in homes if (major := _major(home))}


def _major(home: Path) -> int | None:
    try:
        release = (home / "release").read_text("utf-8")
    except OSError:
        said = subprocess.run([home / "bin" / "java", "-version"], capture_output=True, check=False)
        release = said.stderr.decode("utf-8", "replace")
    found = re.search(r'(?:JAVA_VERSION=|version )"(\d+)', release)
    return int(found.group(1)) if found else None


# -- the jars


def build(version: str) -> Path:
    """The folder with this version's jars and our classes; made once. Raises Unavailable."""
    work = WORK / "elasticsearch" / version
    work.mkdir(parents=True, exist_ok=True)
    with FileLock(work / "lock"):
        stamp = _stamp()
        ready = work / "ready"
        if not ready.exists() or ready.read_text("utf-8") != stamp:
            for made in ("lib", "netty", "node", "root", "modules"):
                shutil.rmtree(work / made, ignore_errors=True)
            _build(version, work)
            ready.write_text(stamp, "utf-8")
    return work


def _stamp() -> str:
    """Changes with our sources, so that an edit is not silently ignored."""
    sources = sorted(path for path in JAVA.rglob("*") if path.is_file())
    return "\n".join(path.read_text("utf-8") for path in sources)


def _build(version: str, work: Path) -> None:
    home = java_for(version)
    lib, netty = work / "lib", work / "netty"
    _fetch_jars(version, lib, work / "target", home)
    netty.mkdir()
    for jar in lib.glob("*netty*.jar"):
        shutil.move(jar, netty)
    _run(home / "bin" / "javac", "-nowarn", "-d", work / "node", "-cp", f"{lib}/*",
         JAVA / "EsNode.java")  # fmt: skip
    modules = work / "modules"
    _module(modules, version, "transport-netty4",
            "org.elasticsearch.transport.netty4.Netty4Plugin", netty)  # fmt: skip
    if number(version) >= (8, 11):
        source = JAVA / ("root-9.3" if number(version) >= (9, 3) else "root") / "RootPlugin.java"
        _run(home / "bin" / "javac", "-nowarn", "-d", work / "root", "-cp", f"{lib}/*", source)
        _module(modules, version, "rest-root", "test.RootPlugin")
        jar = modules / "rest-root" / "root.jar"
        _run(home / "bin" / "jar", "cf", jar, "-C", work / "root", ".")


def _fetch_jars(version: str, lib: Path, target: Path, java_home: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable("Maven (mvn) is not installed: it fetches the server's jars.")
    _run(
        maven, "-q", "-B", "-f", JAVA / "pom.xml", f"-Delasticsearch={version}",
        "dependency:copy-dependencies", f"-DoutputDirectory={lib}",
        f"-Dproject.build.directory={target}",
        environment={"JAVA_HOME": str(java_home)},
    )  # fmt: skip


def _module(
    modules: Path, version: str, name: str, class_name: str, jars: Path | None = None
) -> None:
    folder = modules / name
    if jars is None:
        folder.mkdir(parents=True)
    else:
        shutil.copytree(jars, folder)
    descriptor = {
        "description": name,
        "version": version,
        "name": name,
        "classname": class_name,
        "java.version": "17",
        "elasticsearch.version": version,
        "extended.plugins": "",
        "has.native.controller": "false",
    }
    text = "".join(f"{key}={value}\n" for key, value in descriptor.items())
    (folder / "plugin-descriptor.properties").write_text(text, "utf-8")


def _run(*command: str | Path, environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        env={**os.environ, **(environment or {})},
        check=False,
    )
    if done.returncode:
        said = (done.stdout + done.stderr).decode("utf-8", "replace")
        raise Unavailable(f"{command[0]} failed:\n{said[-3000:]}")


if __name__ == "__main__":
    with start(sys.argv[1], port=int(sys.argv[2]) if len(sys.argv) > 2 else None) as by_hand:
        print(by_hand.url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            by_hand.process.wait()
