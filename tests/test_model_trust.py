"""A model folder is a stranger's data: none of its code runs, and nothing outside it is read."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import sqlite3
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from imgsearch import models
from imgsearch.errors import ModelError
from imgsearch.index.elasticsearch.features import Features
from imgsearch.index.elasticsearch.text_model import trace
from imgsearch.models import files, loading, trust
from imgsearch.output import cures
from imgsearch.progress import silent
from tests import hostile_models, model_directories
from tests.command import SCRIPT, Command
from tests.conftest import SKIMAGE
from tests.elasticsearch import servers
from tests.hostile_models import Harm


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text model; tests spoil a copy."""
    return model_directories.multilingual_directory(tmp_path_factory.mktemp("good") / "model")


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "m"))


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


def _refused(folder: Path, canary: Path, tmp_path: Path) -> ModelError:
    """What both ways of loading say: the set-up, and torch serving a model later on."""
    with pytest.raises(ModelError) as refused:
        models.set_up_tower("text", str(folder), tmp_path / "cache")
    with pytest.raises(ModelError) as again:
        loading.load(folder)
    assert again.value.message == refused.value.message
    assert not canary.exists()
    return refused.value


@pytest.mark.parametrize("harm", hostile_models.WOULD_RUN_CODE)
def test_code_of_a_folder_is_refused(
    folder: Path, canary: Path, tmp_path: Path, harm: Harm
) -> None:
    harm(folder, canary)
    refused = _refused(folder, canary, tmp_path)
    assert "would run code of its own" in refused.message
    assert f"--trust-model-code {folder}" in cures.shown(refused.cure, refused.action)


@pytest.mark.parametrize("harm", hostile_models.PICKLES)
def test_a_pickle_is_read_with_restraint(
    folder: Path, canary: Path, tmp_path: Path, harm: Harm
) -> None:
    harm(folder, canary)
    refused = _refused(folder, canary, tmp_path)
    assert "pickle" in refused.message
    assert "model.safetensors" in refused.cure


@pytest.mark.parametrize("harm", hostile_models.OUTSIDE)
def test_nothing_outside_the_folder_is_read(
    folder: Path, canary: Path, tmp_path: Path, harm: Harm
) -> None:
    harm(folder, canary)
    assert "reaches outside its folder" in _refused(folder, canary, tmp_path).message


def test_the_cluster_model_is_traced_from_safe_folders_alone(
    folder: Path, canary: Path, tmp_path: Path
) -> None:
    tower = models.set_up_tower("text", str(folder), tmp_path / "cache")
    hostile_models.class_of_its_own(folder, canary)
    with pytest.raises(ModelError, match="would run code of its own"):
        trace.make(tower, tmp_path / "trace", Features((9, 5, 3)), silent)
    assert not canary.exists()


ODD = {
    "modules.json": ["{}", '[{"type": 3, "path": ""}]', '["x"]', '[{"path": []}]', "[" * 100_000],
    "config.json": ["[]", "null", "{", '{"architectures": 7}', '{"model_type": {}}'],
    "model.safetensors.index.json": ['{"weight_map": []}', '{"weight_map": {"a": {}}}', "7"],
}


@pytest.mark.parametrize(
    ("name", "content"), [(name, content) for name, all_ in ODD.items() for content in all_]
)
def test_odd_json_gets_a_sentence(folder: Path, tmp_path: Path, name: str, content: str) -> None:
    if name.endswith("index.json"):
        (folder / "model.safetensors").unlink()
    (folder / name).write_text(content)
    with pytest.raises(ModelError):
        models.set_up_tower("text", str(folder), tmp_path / "cache")


def test_the_users_word_is_for_one_folder_and_on_the_command_line(
    command: Command,
    folder: Path,
    canary: Path,
    tmp_path: Path,
    new_cache: Callable[[], Path],
) -> None:
    hostile_models.class_of_its_own(folder, canary)
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    command.cache = new_cache()  # in the shared one its digest would be known from now on
    command.environment |= {"IMGSEARCH_TRUST_MODEL_CODE": str(folder), "TRUST_REMOTE_CODE": "1"}
    (command.home / ".env").write_text(f"IMGSEARCH_TRUST_MODEL_CODE={folder}\n")
    asked = ["setup-model", "--image-model", "demo", "--text-model", str(folder)]
    refused = command.run(*asked, code=1)
    assert "would run code of its own" in refused.stderr
    command.run(*asked, "--trust-model-code", str(other), code=1)
    assert not canary.exists()
    (command.home / "imgsearch.toml").write_text(f"trust-model-code = {str(folder)!r}\n")
    assert "no setting 'trust-model-code'" in command.run(*asked, code=2).stderr
    (command.home / "imgsearch.toml").unlink()
    command.run(*asked, "--trust-model-code", str(folder), code=None)
    assert canary.exists()


@pytest.mark.parametrize("layout", ["hub cache", "old paths in the tokenizer", "a link to it"])
def test_honest_folders_are_not_refused(folder: Path, tmp_path: Path, layout: str) -> None:
    if layout == "hub cache":
        snapshot = tmp_path / "models--a--b" / "snapshots" / "c0ffee"
        blobs = tmp_path / "models--a--b" / "blobs"
        blobs.mkdir(parents=True)
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            inside = snapshot / path.relative_to(folder)
            inside.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, blobs / path.relative_to(folder).as_posix().replace("/", "-"))
            inside.symlink_to(blobs / path.relative_to(folder).as_posix().replace("/", "-"))
        folder = snapshot
    elif layout == "a link to it":
        (tmp_path / "link").symlink_to(folder)
        folder = tmp_path / "link"
    else:
        config = folder / "tokenizer_config.json"
        text = config.read_text().rstrip().removesuffix("}")
        config.write_text(
            text + ', "special_tokens_map_file": "/home/a/.cache/torch/special.json"}'
        )
    trust.require_safe(folder)
    assert models.set_up_tower("text", str(folder), tmp_path / "cache").verified >= 0.9999


# --- the ways by which such a folder is reached


@pytest.fixture(scope="module")
def demo_index(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Path:
    """Of one photo; tests change a copy."""
    home = tmp_path_factory.mktemp("demo index")
    (home / "photos").mkdir()
    shutil.copy(SKIMAGE / "moon.png", home / "photos")
    command = Command(home, model_cache, {"IMGSEARCH_MODEL": "demo"})
    command.run("--index", home / "index", "ingest", home / "photos")
    return home / "index"


@pytest.fixture
def index(demo_index: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo_index, tmp_path / "index"))


@pytest.fixture
def without_options(command: Command) -> Command:
    """The index alone says which models it wants."""
    command.environment = {"HF_HUB_OFFLINE": "1"}
    return command


def _record(index: Path, **text_model: str) -> None:
    """Change what the index says about its text model."""
    [database] = index.rglob("index.sqlite")
    with contextlib.closing(sqlite3.connect(database)) as connection:
        select = "select value from meta where key = 'models'"
        recorded = json.loads(connection.execute(select).fetchone()[0])
        recorded["text_model"] |= text_model
        change = "update meta set value = ? where key = 'models'"
        connection.execute(change, (json.dumps(recorded),))
        connection.commit()


def test_by_the_settings_of_a_downloaded_folder(
    without_options: Command, folder: Path, canary: Path, album: Path
) -> None:
    hostile_models.class_of_its_own(folder, canary)
    (folder.parent / ".env").write_text("IMGSEARCH_MODEL=./m\n")
    (folder.parent / "imgsearch.toml").write_text("text-model = './m'\n")
    for arguments in (["setup-model"], ["ingest", album], ["query", "moon"]):
        without_options.run(*arguments, code=None, cwd=folder.parent)
    assert not canary.exists()


@pytest.mark.parametrize("name", ["m", "x/m", "./m", "the path", "\0", "\udcff/\ud800", "ä/b"])
def test_by_the_record_of_an_index_folder(
    without_options: Command, folder: Path, canary: Path, index: Path, tmp_path: Path, name: str
) -> None:
    """The digest is the folder's, and the folder lies where the name says: it is no path."""
    hostile_models.class_of_its_own(folder, canary)
    shutil.copytree(folder, tmp_path / "x" / "m")
    _record(index, name=str(folder) if name == "the path" else name, digest=files.digest(folder))
    refused = without_options.run("--index", index, "query", "moon", code=1, cwd=tmp_path)
    assert "would run" not in refused.stderr  # it was not so much as looked into
    unreadable = "does not say which models" in refused.stderr  # of names that none can be
    assert "--text-model" in refused.stderr or unreadable
    assert not canary.exists()


@pytest.mark.parametrize("name", ["m", "x/m"])
def test_by_the_record_of_an_index_on_a_cluster(
    without_options: Command, folder: Path, canary: Path, album: Path, tmp_path: Path, name: str
) -> None:
    hostile_models.class_of_its_own(folder, canary)
    shutil.copytree(folder, tmp_path / "x" / "m")
    with servers.space(servers.NEWEST) as space:
        without_options.environment |= {"ES_URL": space.server, "IMGSEARCH_INDEX": space.name()}
        without_options.run("--model", "demo", "ingest", album)
        url = f"{space.server}/{without_options.environment['IMGSEARCH_INDEX']}/_mapping"
        [(real, found)] = _http("GET", url).items()
        meta = found["mappings"]["_meta"]
        meta["models"]["text_model"] = {"name": name, "digest": files.digest(folder)}
        _http("PUT", f"{space.server}/{real}/_mapping", {"_meta": meta})
        for arguments in (["query", "moon"], ["ingest", album], ["setup-model"], ["status"]):
            finished = without_options.run(*arguments, code=None, cwd=tmp_path)
            assert "bug" not in finished.stderr
        assert "--text-model" in without_options.run("query", "x", code=1, cwd=tmp_path).stderr
    assert not canary.exists()


def _http(method: str, url: str, body: object = None) -> dict[str, Any]:
    request = urllib.request.Request(
        url,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def test_the_digest_is_checked_before_anything_is_loaded(
    without_options: Command, folder: Path, canary: Path, index: Path
) -> None:
    """Even where the folder's code is allowed."""
    hostile_models.class_of_its_own(folder, canary)
    allowed = ("--text-model", folder, "--trust-model-code", folder)
    refused = without_options.run("--index", index, *allowed, "query", "moon", code=1)
    assert "was made with the text model demo" in refused.stderr
    assert not canary.exists()


# --- models that an index names and this machine lacks


@contextlib.contextmanager
def _hub() -> Iterator[tuple[str, list[str]]]:
    """Its address, and the paths that it was asked for; it knows no model."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *values: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def _answered(command: Command, answer: bytes, *arguments: str | Path) -> str:
    """What a terminal shows when the question is answered."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [SCRIPT, *arguments],
        env=command.env(),
        cwd=command.home,
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed: the command has ended
        while block := os.read(ours, 4096):
            shown += block
            if b"[y/N]" in block:
                os.write(ours, answer)
    os.close(ours)
    process.wait(timeout=120)
    return shown.decode()


def test_another_hub_model_is_fetched_only_when_the_user_says_so(
    without_options: Command, index: Path
) -> None:
    _record(index, name="somebody/model", digest="f" * 64)
    query = ("--index", index, "query", "moon")
    with _hub() as (address, asked):
        without_options.environment = {"HF_ENDPOINT": address}
        refused = without_options.run(*query, code=1)
        assert "somebody/model, which this machine does not have" in refused.stderr
        assert "--text-model somebody/model" in refused.stderr
        shown = _answered(without_options, b"n\n", *query)
        assert "Fetch it from the Hugging Face hub?" in shown
        assert not asked
        assert "somebody/model" in _answered(without_options, b"y\n", *query)
        assert any("somebody/model" in path for path in asked)
        asked.clear()
        without_options.run("--text-model", "somebody/model", *query, code=1)
        assert any("somebody/model" in path for path in asked)


def test_a_folder_once_named_is_found_again_by_its_digest(
    without_options: Command, tmp_path: Path, album: Path, new_cache: Callable[[], Path]
) -> None:
    """As before: who made an index with a model of their own asks it without an option."""
    model = Path(shutil.copytree(models.DEMO_MODELS / "text", tmp_path / "mine"))
    (model / "README.json").write_text("{}")  # another digest than the demo's
    command, index = without_options, tmp_path / "index"
    command.run(
        *("--index", index, "--image-model", "demo", "--text-model", "../mine"), "ingest", album
    )
    query = ("--index", index, "query", "moon", "--json")
    expected = command.run(*query).stdout
    for path in model.iterdir():
        os.utime(path)
    assert command.run(*query, cwd=tmp_path).stdout == expected
    elsewhere = Command(tmp_path, new_cache(), command.environment)  # another machine
    refused = elsewhere.run(*query, code=1)
    assert "no model with the recorded digest" in refused.stderr
    assert elsewhere.run("--text-model", model, *query).stdout == expected
