"""The one check besides behaviour: formatter, linter, strict types, the direction of imports, and
documentation that says what the program says."""

from __future__ import annotations

import ast
import graphlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import manual, readme
from tests.command import Command

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "imgsearch"

# A module may import what stands in its own line or above; nothing below.
LAYERS = [
    {"dataclass"},
    {"errors", "installation", "escaping"},
    {"progress", "paths", "regular_files", "cpu_and_memory", "doctor.findings", "guides"},
    {"ingest.stopwatch", "ingest.prefetch", "ingest.worker_pool"},
    {"ingest.file_states"},
    {"settings.values", "settings.folder_files"},
    {"settings.options"},
    {"settings.table"},
    {"settings", "photos", "models.base", "gazetteer", "question", "index.part_kinds"},
    {"phrases", "word_splitting"},
    {"photos.safe_text", "photos.dates", "photos.xmp", "photos.bit_depths", "photos.quiet"},
    {"photos.perceptual_hash", "photos.tiff_directories"},
    {"photos.iptc", "photos.sidecars", "photos.film_formats", "photos.key_frames"},
    {"photos.heif_items"},
    {"photos.formats", "photos.metadata", "photos.walk", "photos.film_reader"},
    {"photos.film_facts", "photos.pillow_setup"},
    {"photos.colour", "photos.raw", "photos.png", "photos.orientation"},
    {"photos.downscaling"},
    {
        "photos.tiff",
        "photos.jpeg",
        "photos.fast_decoders",
        "photos.hevc",
        "photos.photoshop",
        "photos.netpbm",
        "photos.jpeg_kinds",
        "photos.regions",
        "photos.limits",
    },
    {"photos.films"},
    {"photos.decode", "models.hub", "models.files", "models.trust"},
    {"photos.multi_page"},
    {"index.records"},
    {"index.parts"},
    {"index.base", "ingest.fingerprints"},
    {"copies.comparing"},
    {"models"},
    {"ocr.networks"},
    {"ocr.text_lines"},
    {"ocr"},
    {"roots.locations"},
    {"roots.registry"},
    {"roots"},
    {"ingest.relocated_libraries", "ingest.not_re_embedded"},
    {"ingest.sources", "ingest.rules"},
    {"index"},
    {
        "search.question_checks",
        "search.index_sample",
        "search.combined_terms",
        "search.cut_off",
        "search.understanding",
        "search.place_names",
        "search.photo_names",
    },
    {"search.ranking", "copies.folding", "copies.groups"},
    {"results"},
    {"thumbnails", "search.last_results", "copies.hashes", "search.evaluation"},
    {"ingest", "index.copy_between_indexes", "search", "copies"},
    {"library", "ingest.run", "ingest.decisions", "ingest.cost"},
    {"watching"},
    {"output", "demo", "doctor", "web", "mcp_server"},
    {"cli", "__main__"},
]
# these know the index's protocol alone
CORE = ("ingest", "roots", "search", "copies", "index.copy_between_indexes")
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 350, 45
OUTER_ONLY = {"typer": "cli", "tqdm": "cli", "rich": "output"}  # and what may import that


def _module(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "__init__"


MODULES = {
    _module(path): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "training" not in path.parts and path != PACKAGE / "__init__.py"
}


def _nodes(node: ast.AST, at_run_time: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if at_run_time and isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        yield child
        yield from _nodes(child, at_run_time)


def _imports(path: Path, at_run_time: bool = False) -> set[str]:
    """Dotted names that a file imports, anywhere in it."""
    names = set()
    for node in _nodes(ast.parse(path.read_text("utf-8")), at_run_time):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _ours(path: Path, at_run_time: bool = False) -> set[str]:
    found = set()
    for name in _imports(path, at_run_time):
        parts = name.split(".")
        if parts[0] == "imgsearch":
            rest = parts[1:]
            while rest and ".".join(rest) not in MODULES:
                rest = rest[:-1]
            if rest:
                found.add(".".join(rest))
    return found


def _layer(module: str) -> int:
    parts = module.split(".")
    for length in range(len(parts), 0, -1):  # the most exact name counts
        for number, layer in enumerate(LAYERS):
            if ".".join(parts[:length]) in layer:
                return number
    raise AssertionError(f"{module} has no layer in this test: say where it stands")


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_inwards(module: str) -> None:
    outward = {name for name in _ours(MODULES[module]) if _layer(name) > _layer(module)}
    assert not outward


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Also by imports inside functions; what only type checkers read does not count."""
    sorter = graphlib.TopologicalSorter(
        {module: _ours(path, at_run_time=True) - {module} for module, path in MODULES.items()}
    )
    sorter.prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("module", MODULES)
def test_modules_and_functions_can_be_taken_in(module: str) -> None:
    text = MODULES[module].read_text("utf-8")
    assert text.count("\n") <= MOST_LINES
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    lengths = {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, functions)
    }
    long = {name for name, length in lengths.items() if length > MOST_LINES_OF_A_FUNCTION}
    assert not long


_CORE = [name for name in MODULES if any(f"{name}.".startswith(f"{each}.") for each in CORE)]


@pytest.mark.parametrize("module", _CORE)
def test_the_core_knows_neither_backends_nor_settings(module: str) -> None:
    known = _ours(MODULES[module])
    protocol = ("index.base", "index.part_kinds", "index.word_matches")
    assert not {name for name in known if name.startswith("index") and name not in protocol}
    assert "settings" not in known or module == "search.text_encoding"  # where words are encoded


@pytest.mark.parametrize("library", OUTER_ONLY)
def test_terminal_libraries_stay_in_the_outer_ring(library: str) -> None:
    users = {
        module
        for module, path in MODULES.items()
        if any(name.split(".")[0] == library for name in _imports(path))
    }
    innermost = _layer(OUTER_ONLY[library])
    assert not {user for user in users if _layer(user) < innermost}


def test_data_classes_are_made_by_our_decorator() -> None:
    """The standard one takes a tenth of a query's time (see imgsearch/dataclass.py)."""
    users = {
        module for module, path in MODULES.items() if "dataclasses.dataclass" in _imports(path)
    }
    assert users == {"dataclass", "mcp_server"}  # of the latter's, another package makes schemas


# What the core says to users carries an Action, and output/cures.py says how that is done on the
# command line. These are no sayings: the table of settings declares the options, and the commands
# that update an installation are other programs'.
DECLARE_OPTIONS = {"settings.options", "settings.table"}
OTHER_PROGRAMS = {"installation"}
_COMMANDS = re.compile(
    r"(?<![\w-])--[a-z][a-z-]+"
    r"|\bimgsearch (?:ingest|query|similar|open|status|doctor|remove|copy|trust|setup-model)\b"
)


def _texts(path: Path) -> Iterator[str]:
    """String constants that are no documentation."""
    tree = ast.parse(path.read_text("utf-8"))
    lines = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    documentation = {id(line) for line in lines}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in documentation:
            yield str(node.value)


def test_texts_of_the_core_name_no_commands_and_options() -> None:
    core = {name: path for name, path in MODULES.items() if _layer(name) < _layer("output")}
    naming = {name for name, path in core.items() if any(map(_COMMANDS.search, _texts(path)))}
    assert naming == DECLARE_OPTIONS | OTHER_PROGRAMS


def test_the_command_line_knows_how_each_action_is_done() -> None:
    from imgsearch.output import cures

    text = "".join(path.read_text("utf-8") for path in MODULES.values())
    named = re.findall(r'(?:\bAction\(|\baction=)\s*"([^"]+)"', text)
    assert set(named) == set(cures.HOW)


def _check(*arguments: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=540
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_the_formatter_has_nothing_to_change() -> None:
    _check("ruff", "format", "--check", ".")


def test_the_linter_finds_nothing() -> None:
    _check("ruff", "check", ".")


def test_types_hold() -> None:
    _check("mypy")


HEAVY = ("torch", "transformers", "sentence_transformers", "openvino", "elasticsearch", "eland")


def test_help_and_version_import_nothing_heavy(command: Command) -> None:
    for arguments in (["--help"], ["--version"], ["ingest", "--help"], ["query", "--help"]):
        imported = _imported_by(command, *arguments)
        assert not imported & {*HEAVY, "numpy", "PIL", "onnxruntime"}, arguments


def _imported_by(command: Command, *arguments: str) -> set[str]:
    """Modules that a run of the program has imported when it ends."""
    program = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        "from imgsearch.__main__ import main\n"
        f"sys.argv = ['imgsearch', *{list(arguments)!r}]\n"
        "main()\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program],
        env=command.env(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    return set(finished.stderr.splitlines()[-1].split())


def test_a_warm_query_imports_nothing_heavy(command: Command, demo_photos: Path) -> None:
    command.run("ingest", demo_photos)
    assert not _imported_by(command, "query", "red heart") & set(HEAVY)
    # numpy.unique imports numpy.ma, which takes 20 ms.
    assert not _imported_by(command, "similar", "@1") & {*HEAVY, "numpy.ma", "importlib.metadata"}


@pytest.mark.parametrize("page", readme.PAGES, ids=lambda page: page.stem)
def test_tables_and_pictures_say_what_the_program_says(page: Path) -> None:
    assert readme.generated(page) == page.read_text("utf-8"), "run: python -m tests.readme"


@pytest.mark.parametrize("path", manual.files(), ids=lambda path: path.name)
def test_share_says_what_the_program_says(path: Path) -> None:
    assert path.read_text("utf-8") == manual.files()[path], "run: python -m tests.readme"


def test_nothing_else_lies_in_share() -> None:
    assert {path for path in manual.SHARE.rglob("*") if path.is_file()} == set(manual.files())


@pytest.mark.skipif(shutil.which("man") is None, reason="no man to read the manual with")
def test_the_manual_is_read_without_a_warning_and_has_every_option() -> None:
    [page] = [path for path in manual.files() if path.suffix == ".1"]
    environment = {"PATH": os.environ["PATH"], "MANWIDTH": "200", "LC_ALL": "C.UTF-8"}
    shown = subprocess.run(
        ["man", "--warnings", "--encoding=UTF-8", "--local-file", page],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stderr == ""
    text = re.sub(r".\x08|\x1b\[[\d;]*m", "", shown.stdout)
    for command in manual.commands():
        assert f"imgsearch {command.name}" in text
        for option in command.declared:
            assert f"  {option.shown_spelling}" in text, (command.name, option.shown_spelling)


def test_contributing_names_every_file_from_photo_to_screen() -> None:
    contributing = (ROOT / ".github" / "CONTRIBUTING.md").read_text("utf-8")
    named = set(re.findall(r"`(?:imgsearch/)?([\w/]+\.py)`", contributing))
    files = {str(path.relative_to(PACKAGE)) for path in MODULES.values()}
    missing = {name for name in files if not name.endswith("__init__.py")} - named - {"__main__.py"}
    assert not missing


def test_nothing_else_lies_at_the_top_level() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    top = {line.split("/")[0] for line in listed.splitlines()}
    allowed = {"imgsearch", "tests", "pyproject.toml", "es-docker", "README.md", "LICENSE"}
    assert {name for name in top if not name.startswith(".")} <= allowed
