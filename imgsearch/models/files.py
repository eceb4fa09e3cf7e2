"""The files of a sentence-transformers directory: which matter, whether all are there, their hash.

A directory has a `modules.json` that names its modules' folders (`0_CLIPModel`, `1_Pooling`, …),
or, as a plain transformers model such as SigLIP, a `config.json` beside the weights.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path, PurePosixPath
from typing import Any

from imgsearch.errors import ModelError

# exports for other runtimes, which some repositories carry beside the weights
_OTHER_FORMATS = {"onnx", "openvino", "coreml", "tf", "flax", "original"}
_CONFIGURATION = {".json", ".txt", ".model"}  # .txt: vocabulary and merges; .model: sentencepiece
# what reading its JSON raises where a directory is damaged, or holds other JSON than a model's
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
_WEIGHTLESS = ("Pooling", "Normalize", "Dropout")


def choose(paths: list[str]) -> list[str]:
    """Of all files of a model (relative, /-separated) those that its vectors depend on.

    Safetensors are taken before pytorch_model.bin, folder by folder.
    """
    kept = [path for path in paths if _is_ours(PurePosixPath(path))]
    safe = {str(PurePosixPath(path).parent) for path in kept if path.endswith(".safetensors")}
    return sorted(
        path
        for path in kept
        if not (path.endswith(".bin") and str(PurePosixPath(path).parent) in safe)
    )


def _is_ours(path: PurePosixPath) -> bool:
    if len(path.parts) > 2 or path.parts[0] in _OTHER_FORMATS or path.name.startswith("."):
        return False
    if path.suffix == ".safetensors":
        return path.name.startswith("model")  # not open_clip_model.safetensors
    if path.suffix == ".bin":
        return path.name.startswith("pytorch_model")
    return path.suffix in _CONFIGURATION


def of(folder: Path) -> list[str]:
    """The files of a directory that its vectors depend on."""
    found = [
        *folder.iterdir(),
        *(path for sub in folder.iterdir() if sub.is_dir() for path in sub.iterdir()),
    ]
    return choose([path.relative_to(folder).as_posix() for path in found if path.is_file()])


def stamp(folder: Path) -> list[list[Any]]:
    """Path, size and mtime (ns) of each file: when it is the same, nothing is read again."""
    try:
        stats = [(path, (folder / path).stat()) for path in of(folder)]
    except OSError:  # taken away while we look: changed
        return []
    return [[path, stat.st_size, stat.st_mtime_ns] for path, stat in stats]


def digest(folder: Path) -> str:
    """SHA-256 over names and contents of the files: weights and whatever else changes vectors."""
    whole = hashlib.sha256()
    for path in of(folder):
        with (folder / path).open("rb") as file:
            content = hashlib.sha256()
            while block := file.read(1 << 20):
                content.update(block)
        whole.update(f"{path}\0{content.hexdigest()}\n".encode())
    return whole.hexdigest()


def require_complete(folder: Path, source: str) -> None:
    """Raises ModelError when a directory is no model, or lacks its weights."""
    try:
        missing = missing_weights(folder)
    except UNREADABLE as problem:
        raise ModelError(
            f"{folder} cannot be read as a model: {problem}", _cure(source)
        ) from problem
    if missing is None:
        raise ModelError(
            f"{folder} is no model: it has neither modules.json nor config.json.", _cure(source)
        )
    if missing:
        raise ModelError(f"The model in {folder} lacks {', '.join(missing)}.", _cure(source))


def missing_weights(folder: Path) -> list[str] | None:
    """What a directory lacks; None when it is no model directory at all.

    Raises one of UNREADABLE for files that are not what their names say.
    """
    modules_file = folder / "modules.json"
    if modules_file.is_file():
        modules = json.loads(modules_file.read_text(encoding="utf-8"))
        paths = [row["path"] for row in modules if not row["type"].endswith(_WEIGHTLESS)]
    elif (folder / "config.json").is_file():
        paths = [""]
    else:
        return None
    return [name for path in paths for name in _missing_in(folder, path)]


def _missing_in(folder: Path, path: str) -> list[str]:
    module = folder / path
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (module / name).is_file():
            return []
        shards = module / f"{name}.index.json"
        if shards.is_file():
            wanted = set(json.loads(shards.read_text(encoding="utf-8"))["weight_map"].values())
            there = {shard for shard in wanted if (module / shard).is_file()}
            return sorted((PurePosixPath(path) / shard).as_posix() for shard in wanted - there)
    return [(PurePosixPath(path) / "model.safetensors").as_posix()]


def _cure(source: str) -> str:
    if Path(source).is_absolute():
        return "Give the directory that SentenceTransformer.save() wrote, with all its files."
    return f"Delete it and run again, so that {source} is fetched anew."


def libraries() -> dict[str, str]:
    """The versions on which it depends whether these files can be exported."""
    from importlib.metadata import version

    return {name: version(name) for name in ("sentence-transformers", "torch", "onnxruntime")}
