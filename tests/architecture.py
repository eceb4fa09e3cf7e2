"""Draws which part of the program imports which, for CONTRIBUTING: `python -m tests.readme` writes
it there. What every part may import (errors, paths, settings, ...) is left out, and so is an arrow
that follows from two others."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "imgsearch"
PARTS = {  # one box each, with the modules and packages in it; the longest name that fits counts
    "cli": ("cli", "__main__"),
    "web": ("web",),
    "mcp_server": ("mcp_server",),
    "output": ("output",),
    "demo": ("demo",),
    "doctor": ("doctor",),
    "watching": ("watching",),
    "library": (
        "library",
        "index",
        "index.copy_between_indexes",
        "ingest.run",
        "ingest.decisions",
        "ingest.cost",
    ),
    "ingest": ("ingest",),
    "search": ("search", "copies", "results"),
    "phrases": ("phrases", "gazetteer"),
    "index.local": ("index.local",),
    "index.elasticsearch": ("index.elasticsearch",),
    "index.base": (
        *(
            "index.base",
            "index.records",
            "index.part_kinds",
            "index.parts",
            "index.recorded_models",
            "index.untrusted_values",
            "index.word_matches",
        ),
        *("question", "word_splitting", "ingest.fingerprints", "ingest.file_states"),
    ),
    "roots": ("roots", "ingest.relocated_libraries", "ingest.not_re_embedded"),
    "models": ("models", "ocr"),
    "photos": ("photos", "thumbnails"),
}
EVERYWHERE = (  # each part may import these
    *("errors", "escaping", "paths", "progress", "regular_files", "installation", "settings"),
    *("guides", "dataclass", "doctor.findings", "cpu_and_memory"),
)


def _modules() -> dict[str, Path]:
    files = (path for path in PACKAGE.rglob("*.py") if "training" not in path.parts)
    names = {path: path.relative_to(PACKAGE).with_suffix("").parts for path in files}
    return {".".join(parts).removesuffix(".__init__"): path for path, parts in names.items()}


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """Everything below a node but what type checkers alone read."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)):
            yield child
            yield from _run(child)


def _imported(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """Modules of the program that a file imports, anywhere in it."""
    for node in _run(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "imgsearch":
            inside = str(node.module).partition(".")[2]
            for alias in node.names:
                name = f"{inside}.{alias.name}".lstrip(".")
                yield name if name in known else inside


def _part(module: str) -> str | None:
    """The box of a module; None: one of those that are imported everywhere."""
    boxes = {name: part for part, names in PARTS.items() for name in names}
    boxes |= dict.fromkeys(EVERYWHERE, "")
    words = module.split(".")
    for length in range(len(words), 0, -1):
        if (name := ".".join(words[:length])) in boxes:
            return boxes[name] or None
    raise AssertionError(f"{module} is in no part of tests/architecture.py")


def arrows() -> dict[str, set[str]]:
    """Which parts each part imports."""
    found: dict[str, set[str]] = {part: set() for part in PARTS}
    known = _modules()
    for module, path in known.items():
        part = _part(module) if module != "__init__" else None
        if part is not None:
            imported = {_part(name) for name in _imported(path, known) if name}
            found[part] |= {each for each in imported if each is not None} - {part}
    return found


def _needed(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """Without the arrows to what another arrow leads to as well. Raises CycleError."""
    behind: dict[str, set[str]] = {}
    for part in graphlib.TopologicalSorter(found).static_order():
        behind[part] = found[part].union(*(behind[each] for each in found[part]))
    return {
        part: {each for each in targets if not any(each in behind[other] for other in targets)}
        for part, targets in found.items()
    }


def drawn() -> str:
    """The picture, in Mermaid's words."""
    rows = (
        f"  {part} --> {' & '.join(sorted(targets))}"
        for part, targets in _needed(arrows()).items()
        if targets
    )
    return "\n".join(["```mermaid", "flowchart TD", *rows, "```", ""])
