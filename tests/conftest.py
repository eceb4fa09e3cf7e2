"""Fixtures that most tests share."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from xdist.scheduler import LoadFileScheduling

from imgsearch import demo
from tests.command import Command
from tests.elasticsearch import certificates, servers

# Under nohup, or in a job that a shell script put into the background, Ctrl-C is ignored, and so it
# would be by every program that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the process that starts the workers, or the only one
        config.add_cleanup(servers.shared())


class _ByFile(LoadFileScheduling):
    """A file's tests run in one process, for what they share. So do those of all files that export
    or trace models: torch, transformers and eland take seconds of processor time to import."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "torch" if Path(file).stem in _WITH_TORCH else file


_WITH_TORCH = {
    *("test_cluster_model", "test_cluster_text", "test_demo_model", "test_doctor"),
    *("test_encoders", "test_int8", "test_model_trust", "test_models"),
}


# These take a minute or more each, so they begin first: else one process is left with the last.
_LONG = {
    *("test_watch", "test_wheel", "test_odd_files", "test_equal_answers", "test_foreign_index"),
    *("test_elastic_hostile", "test_elastic_kills", "test_web_browser", "test_web_journey"),
    *_WITH_TORCH,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem not in _LONG)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _ByFile:
    return _ByFile(config, log)


SKIMAGE = Path(str(files("skimage"))) / "data"  # real photos, inside the wheel


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The folder of the shipped models, exported: nine seconds of processor time, so once for all
    processes of a test run."""
    base = tmp_path_factory.getbasetemp()
    made = (base if worker_id == "master" else base.parent) / "exported"
    with FileLock(f"{made}.lock"):
        if not made.exists():
            home = tmp_path_factory.mktemp("home")
            exporting = Command(home, home / "cache", {"IMGSEARCH_MODEL": "demo"})
            exporting.run("ingest", demo.PHOTOS, "--limit", "1")
            (home / "cache" / "imgsearch" / "models").rename(made)
    return made


@pytest.fixture(scope="session")
def new_cache(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Makes cache folders that hold the exported models and nothing else."""

    def make() -> Path:
        cache = tmp_path_factory.mktemp("cache")
        shutil.copytree(exported, cache / "imgsearch" / "models")
        return cache

    return make


@pytest.fixture(scope="session")
def model_cache(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Path:
    """A cache that most tests share, with the exported models in it. Where tests run in one
    process, perhaps few of them, the first command that needs a model makes it."""
    if worker_id == "master":
        return tmp_path_factory.mktemp("cache")
    made: Path = request.getfixturevalue("new_cache")()
    return made


@pytest.fixture
def command(tmp_path: Path, model_cache: Path) -> Command:
    home = tmp_path / "home"
    home.mkdir()
    return Command(home, model_cache, {"IMGSEARCH_MODEL": "demo"})


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> certificates.Authority:
    """Signs the certificates of servers in tests."""
    try:
        return certificates.authority(tmp_path_factory.mktemp("ca"))
    except certificates.NoOpenssl as error:
        servers.give_up(str(error))


@pytest.fixture(scope="session")
def demo_photos() -> Path:
    return demo.PHOTOS


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """A folder of a few real photos, in subfolders, for a test to change as it likes."""
    folder = tmp_path / "album"
    for photo, place in (
        ("astronaut.png", "people/IMG_0001.png"),
        ("chelsea.png", "pets/DSC 0042.png"),
        ("coffee.png", "kitchen/scan.png"),
        ("rocket.jpg", "launch/07.jpg"),
        ("retina.jpg", "launch/08.jpg"),
        ("moon.png", "moon.png"),
        ("grass.png", "grass.png"),
        ("page.png", "papers/page.png"),
    ):
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SKIMAGE / photo, target)
    return folder
