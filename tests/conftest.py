"""Fixtures that most tests share."""

from __future__ import annotations

import shutil
import signal
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

from imgsearch import demo
from tests.command import Command
from tests.elasticsearch import certificates, servers

# Under nohup, or in a job that a shell script put into the background, Ctrl-C is ignored, and so it
# would be by every program that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


class _ByFile(LoadFileScheduling):
    """A file's tests run in one process, for what they share. So do those of all files about
    servers, each of which takes half a minute of processor time to start."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "servers" if Path(file).name.startswith(_ABOUT_SERVERS) else file


_ABOUT_SERVERS = "test_elastic_", "test_cluster_", "test_equal_answers", "test_foreign_index"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _ByFile:
    return _ByFile(config, log)


SKIMAGE = Path(str(files("skimage"))) / "data"  # real photos, inside the wheel


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Exported models: made once, by the first command that needs them."""
    return tmp_path_factory.mktemp("cache")


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
