"""Names, the cache of exported towers, and where models come from."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from imgsearch import models
from imgsearch.errors import ModelError, ModelUnavailable, UsageError
from imgsearch.models import (
    DEFAULT_IMAGE_MODEL,
    DEFAULT_TEXT_MODEL,
    ModelNames,
    export,
    hub,
    verification,
)
from imgsearch.models import files as model_files
from tests import model_directories

Directories = dict[str, Path]


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Directories:
    """Small models of the true layout; tests that change one copy it first."""
    root = tmp_path_factory.mktemp("originals")
    return {
        "clip": model_directories.clip_directory(root / "clip"),
        "multilingual": model_directories.multilingual_directory(root / "multi", half=True),
    }


@pytest.fixture
def clip(originals: Directories, tmp_path: Path) -> Path:
    return Path(shutil.copytree(originals["clip"], tmp_path / "clip"))


@pytest.fixture
def no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("exported again")

    monkeypatch.setattr(export, "export", refuse)


class TestNames:
    def test_the_default_pair(self) -> None:
        expected = ModelNames(DEFAULT_IMAGE_MODEL, DEFAULT_TEXT_MODEL)
        assert models.model_names(None, None, None) == expected
        assert models.model_names("clip-ViT-B-32-multilingual-v1", None, None) == expected

    def test_one_model_with_both_towers(self) -> None:
        both = models.model_names("clip-ViT-L-14", None, None)
        assert both.image == both.text == "sentence-transformers/clip-ViT-L-14"
        siglip = models.model_names("google/siglip2-base-patch16-224", None, None)
        assert siglip.text == "google/siglip2-base-patch16-224"

    def test_one_by_one(self, tmp_path: Path) -> None:
        names = models.model_names(None, str(tmp_path), None)
        assert names == ModelNames(str(tmp_path.resolve()), DEFAULT_TEXT_MODEL)

    def test_demo_is_the_shipped_pair_and_its_name_is_read_again(self) -> None:
        names = models.model_names("demo", None, None)
        assert Path(names.image).name == "image"
        assert models.shown_name(names.image) == models.shown_name(names.text) == "demo"
        assert models.model_names(None, "demo", "demo") == names

    @pytest.mark.parametrize("name", ["./nowhere", "/no/such/dir", "a/b/c", "two words", "../x"])
    def test_what_can_be_neither_is_refused(self, name: str) -> None:
        with pytest.raises(UsageError) as refused:
            models.model_names(name, None, None)
        assert "directory" in refused.value.cure


class TestSetUp:
    def test_makes_verified_towers_once(self, originals: Directories, tmp_path: Path) -> None:
        cache = tmp_path / "cache"
        names = ModelNames(str(originals["clip"]), str(originals["multilingual"]))
        assert models.cached(names, cache) is None
        steps: list[str] = []
        made = models.set_up(names, cache, lambda what, done, total: steps.append(what))
        assert {"exporting the image model, 3 of 8", "verifying the text model, 8 of 8"} <= set(
            steps
        )
        assert made.image.dims == made.text.dims == 32
        for tower in (made.image, made.text):
            assert tower.verified >= 0.9999
            assert tower.served_by == "onnx"
            assert not tower.warning
            assert tower.size_bytes > 100_000
        assert models.cached(names, cache) == made
        assert models.set_up(names, cache, _no_progress) == made
        pair = made.pair(quantized=True)
        assert pair.quantized
        assert pair.image_model == made.image.identity

    def test_the_cache_is_readable_by_its_owner_alone(
        self, originals: Directories, tmp_path: Path
    ) -> None:
        cache = tmp_path / "deep" / "cache"
        models.set_up_tower("image", str(originals["clip"]), cache)
        assert stat.S_IMODE(cache.stat().st_mode) == 0o700

    def test_the_digest_is_of_the_weights(self, originals: Directories, tmp_path: Path) -> None:
        copy = shutil.copytree(originals["clip"], tmp_path / "copy")
        other = model_directories.clip_directory(tmp_path / "other", seed=9)
        assert model_files.digest(copy) == model_files.digest(originals["clip"])
        assert model_files.digest(other) != model_files.digest(originals["clip"])

    def test_a_touched_directory_is_read_but_not_exported_again(
        self, clip: Path, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        made = models.set_up_tower("image", str(clip), tmp_path / "cache")
        os.utime(clip / "0_CLIPModel" / "model.safetensors")
        assert models.cached_tower("image", str(clip), tmp_path / "cache") is None
        request.getfixturevalue("no_export")
        again = models.set_up_tower("image", str(clip), tmp_path / "cache")
        assert again == made
        assert models.cached_tower("image", str(clip), tmp_path / "cache") == made

    def test_changed_weights_are_exported_again(self, clip: Path, tmp_path: Path) -> None:
        made = models.set_up_tower("image", str(clip), tmp_path / "cache")
        shutil.rmtree(clip)
        model_directories.clip_directory(clip, seed=5)
        again = models.set_up_tower("image", str(clip), tmp_path / "cache")
        assert again.identity.digest != made.identity.digest
        assert [path.name[0] for path in (tmp_path / "cache").iterdir()].count("i") == 1

    def test_a_directory_that_is_gone_still_serves(self, clip: Path, tmp_path: Path) -> None:
        made = models.set_up_tower("image", str(clip), tmp_path / "cache")
        shutil.rmtree(clip)
        assert models.cached_tower("image", str(clip), tmp_path / "cache") == made

    @pytest.mark.parametrize("harm", ["missing", "cut", "manifest", "foreign manifest"])
    def test_a_damaged_entry_is_made_anew(
        self, originals: Directories, tmp_path: Path, harm: str
    ) -> None:
        source, cache = str(originals["clip"]), tmp_path / "cache"
        made = models.set_up_tower("image", source, cache)
        weights = made.folder / models.WEIGHTS_FILE
        if harm == "missing":
            weights.unlink()
        elif harm == "cut":
            os.truncate(weights, 1000)
        elif harm == "manifest":
            (made.folder / models.MANIFEST).write_text("{")
        else:
            (made.folder / models.MANIFEST).write_text('{"format": 2}')
        assert models.cached_tower("image", source, cache) is None
        again = models.set_up_tower("image", source, cache)
        assert again == made
        assert weights.stat().st_size > 1000

    def test_an_interrupted_export_leaves_nothing_that_counts(
        self, originals: Directories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source, cache = str(originals["clip"]), tmp_path / "cache"

        def interrupted(*arguments: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(export, "_verify", interrupted)
            with pytest.raises(KeyboardInterrupt):
                models.set_up_tower("image", source, cache)
        assert models.cached_tower("image", source, cache) is None
        remains = cache / ".building-of-a-killed-process"
        remains.mkdir()
        assert models.set_up_tower("image", source, cache).verified >= 0.9999
        assert not remains.exists()

    def test_two_at_once_export_once(
        self, originals: Directories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source, cache = str(originals["clip"]), tmp_path / "cache"
        exports, found, really = [], [], export.export

        def counted(*arguments: object) -> object:
            exports.append(arguments)
            return really(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(export, "export", counted)
        threads = [
            threading.Thread(
                target=lambda: found.append(models.set_up_tower("image", source, cache))
            )
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(exports) == 1
        assert found[0] == found[1]

    def test_towers_of_two_spaces_are_no_pair(self, originals: Directories, tmp_path: Path) -> None:
        other = model_directories.multilingual_directory(tmp_path / "other", dims=16)
        with pytest.raises(ModelError, match="no pair"):
            models.set_up(ModelNames(str(originals["clip"]), str(other)), tmp_path / "cache")

    def test_weights_saved_by_torch(self, tmp_path: Path) -> None:
        old = model_directories.multilingual_directory(tmp_path / "old", safe=False)
        assert models.set_up_tower("text", str(old), tmp_path / "cache").verified >= 0.9999


class TestRefusals:
    def test_a_text_model_asked_for_images(self, originals: Directories, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="takes no images"):
            models.set_up_tower("image", str(originals["multilingual"]), tmp_path / "cache")

    def test_no_model_at_all(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"neither modules.json nor config.json"):
            models.set_up_tower("text", str(tmp_path), tmp_path / "cache")

    def test_weights_left_behind(self, clip: Path, tmp_path: Path) -> None:
        (clip / "0_CLIPModel" / "model.safetensors").unlink()
        with pytest.raises(ModelError, match=r"lacks 0_CLIPModel/model.safetensors"):
            models.set_up_tower("image", str(clip), tmp_path / "cache")

    @pytest.mark.parametrize("harm", ["cut weights", "no JSON", "other sizes"])
    def test_a_damaged_model(self, clip: Path, tmp_path: Path, harm: str) -> None:
        module = clip / "0_CLIPModel"
        if harm == "cut weights":
            os.truncate(module / "model.safetensors", 5000)
        elif harm == "no JSON":
            (clip / "modules.json").write_text("<html>")
        else:
            config = json.loads((module / "config.json").read_text())
            config["vision_config"]["hidden_size"] = 60
            (module / "config.json").write_text(json.dumps(config))
        with pytest.raises(ModelError) as refused:
            models.set_up_tower("image", str(clip), tmp_path / "cache")
        assert refused.value.cure

    def test_an_export_that_fails_its_check_is_thrown_away(
        self, originals: Directories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(verification, "EXACT", 1.1)
        for kind in ("image", "text"):
            tower = models.set_up_tower(kind, str(originals["clip"]), tmp_path / "cache")  # type: ignore[arg-type]
            assert tower.served_by == "sentence-transformers"
            assert "thrown away" in tower.warning
            assert [path.name for path in tower.folder.iterdir()] == [models.MANIFEST]
            assert models.cached_tower(tower.kind, tower.source, tmp_path / "cache") == tower

    @pytest.mark.parametrize("version", ["another", "none recorded"])
    def test_and_tried_again_with_other_libraries(
        self, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
    ) -> None:
        """Those of before versions were recorded include what failed because a disk was full."""
        with monkeypatch.context() as patch:
            patch.setattr(verification, "EXACT", 1.1)
            tower = models.set_up_tower("image", str(clip), tmp_path / "cache")
        manifest = json.loads((tower.folder / models.MANIFEST).read_text())
        if version == "another":
            manifest["libraries"]["torch"] = "2.0.0"
        else:
            del manifest["libraries"]
        (tower.folder / models.MANIFEST).write_text(json.dumps(manifest))
        assert models.cached_tower("image", str(clip), tmp_path / "cache") is None
        again = models.set_up_tower("image", str(clip), tmp_path / "cache")
        assert again.served_by == "onnx"

    def test_a_full_disk_leaves_nothing_behind(self, clip: Path, tmp_path: Path) -> None:
        """On a file system of 2 MB; full at whichever step, there is room the second time."""
        program = (
            "import errno, sys\n"
            "from pathlib import Path\n"
            "from imgsearch import models\n"
            "source, disk = sys.argv[1], Path(sys.argv[2])\n"
            "for filler in (1200, 1300, 1400, 1600, 1800, 2000):\n"
            "    (disk / 'filler').write_bytes(bytes(filler << 10))\n"
            "    try:\n"
            "        tower = models.set_up_tower('image', source, disk / str(filler))\n"
            "    except OSError as problem:\n"
            "        assert problem.errno == errno.ENOSPC, problem\n"
            "        (disk / 'filler').unlink()\n"
            "        tower = models.set_up_tower('image', source, disk / str(filler))\n"
            "        print('full', end=' ')\n"
            "    assert tower.served_by == 'onnx', (filler, tower.warning)\n"
            "    for path in tower.folder.iterdir(): path.unlink()\n"
        )
        disk = tmp_path / "disk"
        disk.mkdir()
        mount = 'mount -t tmpfs -o size=2m tmpfs "$3" && exec "$0" -c "$1" "$2" "$3"'
        inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
        if (
            not shutil.which("unshare")
            or subprocess.run(
                [*inside, 'mount -t tmpfs tmpfs "$0"', str(disk)], capture_output=True
            ).returncode
        ):
            pytest.skip("no file system can be mounted here")
        finished = subprocess.run(
            [*inside, mount, sys.executable, program, str(clip), str(disk)],
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert finished.returncode == 0, finished.stderr
        assert finished.stdout.count("full") >= 3


class TestFiles:
    def test_safetensors_before_bin_and_nothing_superfluous(self) -> None:
        offered = [
            ".gitattributes", "README.md", "modules.json", "config.json", "model.safetensors",
            "pytorch_model.bin", "tf_model.h5", "onnx/model.onnx", "onnx/config.json",
            "openvino/openvino_model.bin", "2_Dense/config.json", "2_Dense/pytorch_model.bin",
            "vocab.txt", "tokenizer.json", "open_clip_model.safetensors", "a/b/config.json",
            "sentencepiece.bpe.model", "rust_model.ot", "training_args.bin",
        ]  # fmt: skip
        assert model_files.choose(offered) == [
            "2_Dense/config.json", "2_Dense/pytorch_model.bin", "config.json", "model.safetensors",
            "modules.json", "sentencepiece.bpe.model", "tokenizer.json", "vocab.txt",
        ]  # fmt: skip

    def test_shards(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text("{}")
        index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
        (tmp_path / "model-1.safetensors").touch()
        assert model_files.missing_weights(tmp_path) == ["model-2.safetensors"]


def test_what_lies_in_the_hub_cache_needs_no_network(
    originals: Directories, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HF_HOME of another machine: a snapshot as the hub's own library lays it out."""
    from huggingface_hub import constants

    name = "sentence-transformers/clip-ViT-B-32"
    repository = tmp_path / f"models--{name.replace('/', '--')}"
    shutil.copytree(originals["clip"], repository / "snapshots" / "abc123")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc123")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub, "_download", lambda *arguments: pytest.fail("asked the network"))
    tower = models.set_up_tower("image", name, tmp_path / "cache")
    assert tower.identity.name == name
    assert tower.source_folder == repository / "snapshots" / "abc123"
    assert models.cached_tower("image", name, tmp_path / "cache") == tower


class _Hub(BaseHTTPRequestHandler):
    """As much of the hub as a download asks for."""

    folder: Path  # of the one model
    asked: list[str]

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/api/models/"):
            files = [path for path in self.folder.rglob("*") if path.is_file()]
            siblings = [
                {"rfilename": path.relative_to(self.folder).as_posix(), "size": path.stat().st_size}
                for path in files
            ]
            content = json.dumps({"id": "a/model", "sha": "c0ffee", "siblings": siblings}).encode()
        else:
            content = (self.folder / self.path.split("/c0ffee/")[1]).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", "c0ffee")
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, format: str, *values: object) -> None:
        pass


def test_a_model_is_fetched_with_a_bar_of_bytes(clip: Path, tmp_path: Path) -> None:
    (clip / "onnx").mkdir()
    (clip / "onnx" / "model.onnx").write_bytes(bytes(1000))
    shutil.copy(clip / "0_CLIPModel/model.safetensors", clip / "0_CLIPModel/pytorch_model.bin")
    asked: list[str] = []
    handler = type("Handler", (_Hub,), {"folder": clip, "asked": asked})
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from imgsearch.models import files, hub\n"
        "seen = []\n"
        "folder = hub.fetch('a/model', lambda *step: seen.append(step))\n"
        "print(files.digest(folder), *seen[-1], sep='|')\n"
    )
    second = program.replace("*seen[-1], ", "")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
            "HF_HOME": str(tmp_path / "hf"),
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        }
        for _ in range(2):
            finished = subprocess.run(
                [sys.executable, "-c", second if asked else program],
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert finished.returncode == 0, finished.stderr
            first, *rest = finished.stdout.strip().split("|")
            if rest:
                requests = len(asked)
                what, done, total = rest
        server.shutdown()
    wanted = model_files.of(clip)
    assert not [path for path in wanted if path.endswith(".bin")]
    assert what == "fetching a/model"
    assert int(done) == int(total) == sum((clip / path).stat().st_size for path in wanted)
    assert not [path for path in asked if path.endswith((".onnx", ".bin"))]
    assert len(asked) == requests  # the second time nothing is asked
    assert first == model_files.digest(clip)


@pytest.fixture
def silent_server() -> Iterator[int]:
    """A port that accepts and never answers."""
    with closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        server.listen(16)
        yield server.getsockname()[1]


def _ask_for_default_model(tmp_path: Path, environment: dict[str, str]) -> tuple[list[str], float]:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from imgsearch import models\n"
        "from imgsearch.errors import ModelUnavailable\n"
        "from imgsearch.output import cures\n"
        "try:\n"
        "    models.set_up(models.model_names(None, None, None), Path(sys.argv[1]))\n"
        "except ModelUnavailable as problem:\n"
        "    print(problem.message, cures.shown(problem.cure, problem.action), sep='\\n')\n"
    )
    started = time.monotonic()
    finished = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "cache")],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
            "HF_HOME": str(tmp_path / "hf"),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    assert not finished.stderr
    return finished.stdout.splitlines(), time.monotonic() - started


@pytest.mark.parametrize(
    "way", ["refused", "silent", "no such name", "proxy", "told to be offline"]
)
def test_offline_is_noticed_and_told_in_three_lines(
    tmp_path: Path, silent_server: int, way: str
) -> None:
    environment = {
        "refused": {"HF_ENDPOINT": "http://127.0.0.1:9"},
        "silent": {"HF_ENDPOINT": f"http://127.0.0.1:{silent_server}"},
        "no such name": {"HF_ENDPOINT": "http://huggingface.invalid"},
        "proxy": {"HTTPS_PROXY": f"http://127.0.0.1:{silent_server}"},
        "told to be offline": {"HF_HUB_OFFLINE": "1"},
    }[way]
    lines, seconds = _ask_for_default_model(tmp_path, environment)
    print(f"{way}: {seconds:.1f} s")
    assert len(lines) == 3
    assert DEFAULT_IMAGE_MODEL in lines[0]
    assert "HF_HOME" in lines[1]
    assert "--image-model DIR --text-model DIR" in lines[1]
    assert "imgsearch demo" in lines[2]


def test_names_the_hub_does_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    def unknown(*arguments: object, **named: object) -> None:
        raise RepositoryNotFoundError("404", response=_Answer())  # type: ignore[arg-type]

    monkeypatch.setattr(HfApi, "model_info", unknown)
    with pytest.raises(ModelError, match="knows no model") as refused:
        hub.fetch("nobody/nothing", _no_progress)
    assert not isinstance(refused.value, ModelUnavailable)


class _Answer:
    headers: dict[str, str] = {}  # noqa: RUF012 - stands in for a response
    request = None
    status_code = 404


def _no_progress(what: str, done: int, total: int) -> None:
    pass
