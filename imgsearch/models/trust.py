"""What a model folder could make sentence-transformers, transformers and torch run, and the refusal
of it before any of them is imported.

A model folder is data that strangers made. Its JSON files name classes to import, files to read and
options for loading. Code of a folder runs only where this process's command line allowed that very
folder (`allow`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path, PurePosixPath
from typing import Any

from imgsearch.dataclass import dataclass
from imgsearch.errors import Action, ModelError

_MODULES = (
    "Transformer CLIPModel StaticEmbedding Pooling WeightedLayerPooling Dense Normalize LayerNorm"
    " Dropout Router Asym BoW CNN LSTM WordEmbeddings WordWeights"
)
_PACKAGES = r"sentence_transformers\.(models|base\.modules|sentence_transformer\.modules)"
# The name alone is not enough: `sentence_transformers.base.model.torch` is a module with a `load`
_MODULE_CLASS = re.compile(rf"{_PACKAGES}(\.\w+)?\.({'|'.join(_MODULES.split())})")
_TOKENIZER_CLASS = re.compile(
    rf"{_PACKAGES}\.tokenizer(\.\w+)?\.(Whitespace|Word|Phrase|TransformersTokenizer)\w*"
)
_ACTIVATION = re.compile(r"torch\.nn\.(modules\.(activation|linear)\.)?[A-Z]\w*")
_METHOD = re.compile(r"forward|get_\w+_features|encode\w*")  # of the transformers model, on inputs
_CONTAINERS = {"Router", "Asym"}  # modules that hold modules
_UNSCANNED = {"tokenizer.json", "vocab.json"}  # large; read by code that imports nothing by name
_OTHER_PLACES = {"tokenizer_name_or_path", "model_name_or_path", "pretrained_model_name_or_path"}

_allowed: set[Path] = set()


def allow(folder: Path) -> None:
    """Allow this process to run code in `folder`, as the command line asked."""
    _allowed.add(folder.expanduser().resolve())


def allowed(folder: Path) -> bool:
    return folder.resolve() in _allowed


class _Code(Exception):
    """A file asks for code to be run; the message says what."""


class _Outside(Exception):
    """A file asks for something that lies outside the folder; the message says what."""


def require_safe(folder: Path) -> None:
    """Return where loading `folder` imports and runs nothing but the installed libraries, and reads
    nothing outside it; or where the user allowed its code.

    Raises ModelError. Files that cannot be parsed are left to the loading, which refuses them.
    """
    folder = folder.resolve()
    if folder in _allowed:
        return
    try:
        for part in _module_folders(folder):
            _check_files(part, folder)
    except _Code as found:
        raise ModelError(
            f"The model in {folder} would run code of its own: {found}.",
            "Choose another model; or, if you have read that code and trust it, allow this folder.",
            Action("allow a model's code", {"folder": folder}),
        ) from None
    except _Outside as found:
        raise ModelError(
            f"The model in {folder} reaches outside its folder: {found}.",
            "Put everything that the model consists of into its folder, or choose another model.",
        ) from None
    except (OSError, RuntimeError) as problem:  # the second: links that go round (Python < 3.13)
        raise ModelError(
            f"The model in {folder} cannot be read: {problem}.", "Check the folder's files."
        ) from problem


def _module_folders(folder: Path) -> Iterator[Path]:
    """The folder and those of its modules, after checking the classes and paths that name them."""
    yield folder
    rows = _json(folder / "modules.json")
    if not isinstance(rows, list):
        return
    for row in rows:
        if isinstance(row, dict):
            yield from _module(folder, str(row.get("path", "")), row.get("type"), "modules.json")


def _module(folder: Path, path: str, kind: Any, named_in: str) -> Iterator[Path]:
    if not isinstance(kind, str) or not _MODULE_CLASS.fullmatch(kind):
        raise _Code(f"{named_in} names the class {kind!r}")
    _require_inside(path, named_in)
    yield folder / path
    if kind.rsplit(".", 1)[-1] not in _CONTAINERS:
        return
    for name in ("router_config.json", "config.json"):
        config = _json(folder / path / name)
        types = config.get("types") if isinstance(config, dict) else None
        for inner, inner_kind in types.items() if isinstance(types, dict) else ():
            below = (PurePosixPath(path) / inner).as_posix()
            yield from _module(folder, below, inner_kind, f"{path}/{name}")


def _require_inside(path: str, named_in: str) -> None:
    parts = re.split(r"[/\\]", path)
    if ".." in parts or path.startswith(("/", "\\", "~")) or ":" in path or "\0" in path:
        raise _Outside(f"{named_in} names {path!r}")


def _check_files(part: Path, folder: Path) -> None:
    """Every file of one module's folder: where it lies, and what a JSON file asks for."""
    if not part.is_dir():
        return
    homes = [folder]
    if folder.parent.name == "snapshots":  # of the hub's cache, whose files are links into blobs
        homes.append(folder.parent.parent / "blobs")
    for path in sorted(part.iterdir()):
        name = path.relative_to(folder).as_posix()
        target = path.resolve()
        if not any(target.is_relative_to(home) for home in homes):
            raise _Outside(f"{name} is a link to {target}")
        if path.is_dir():
            continue
        if path.exists() and not path.is_file():
            raise _Outside(f"{name} is not a regular file")
        plain = path.name.lower()  # CONFIG.JSON is config.json on macOS and Windows
        if plain == "adapter_config.json":
            raise _Outside(f"{name} names another model as its base")
        if plain.endswith(".json") and plain not in _UNSCANNED:
            _Scan(name, folder).content(_json(path))


def _json(path: Path) -> Any:
    """The content of a JSON file; None where it is missing or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError):
        return None
    except RecursionError:
        raise _Code(f"{path.name} is nested too deeply to be looked through") from None


@dataclass(frozen=True)
class _Scan:
    """Looks through one JSON file of a model folder for keys that name code or other places."""

    name: str  # of the file, relative to the folder
    folder: Path
    loading_options: bool = field(init=False)

    def __post_init__(self) -> None:
        options = re.fullmatch(
            r"sentence_[\w-]+_config\.json", PurePosixPath(self.name).name.lower()
        )
        object.__setattr__(self, "loading_options", options is not None)

    def content(self, content: Any) -> None:
        left = [content]
        while left:
            value = left.pop()
            if isinstance(value, dict):
                for key, inner in value.items():
                    self._code(key, inner)
                    self._places(key, inner)
                left.extend(value.values())
            elif isinstance(value, list):
                left.extend(value)

    def _code(self, key: str, value: Any) -> None:
        dotted = isinstance(value, str) and "." in value
        asks = (
            (key == "auto_map" and bool(value))
            or (key in ("trust_remote_code", "use_kernels") and bool(value))
            or (key == "weights_only" and value is not True)
            or (key in ("activation_function", "activation_fn") and dotted and not _is_torch(value))
            or (key == "tokenizer_class" and dotted and not _TOKENIZER_CLASS.fullmatch(value))
            or (key.endswith("attn_implementation") and "/" in str(value))
            or (key == "method" and self.loading_options and not _METHOD.fullmatch(str(value)))
        )
        if asks:
            raise _Code(f"{self.name} says {key} = {str(value)[:80]!r}")

    def _places(self, key: str, value: Any) -> None:
        leaves = (
            (key in _OTHER_PLACES and self.loading_options)
            or (key == "backbone" and "/" in str(value))
            or (key == "transformers_weights" and not _plain(value))
            or (key == "weight_map" and isinstance(value, dict) and not _all_plain(value))
            or (key.endswith("_file") and self._elsewhere(value))
        )
        if leaves:
            raise _Outside(f"{self.name} says {key} = {str(value)[:80]!r}")

    def _elsewhere(self, value: Any) -> bool:
        """Old tokenizer configurations hold paths of the machine that wrote them: harmless where
        there is nothing."""
        if not isinstance(value, str) or not re.search(r"[/\\]", value) or "\0" in value:
            return False
        try:
            return Path(value).exists() and not Path(value).resolve().is_relative_to(self.folder)
        except OSError:  # a name that no file can have
            return False


def _is_torch(name: str) -> bool:
    return _ACTIVATION.fullmatch(name) is not None


def _plain(name: Any) -> bool:
    """A file's name without a folder."""
    return isinstance(name, str) and not re.search(r"[/\\:\0]", name) and name != ".."


def _all_plain(weights: dict[str, Any]) -> bool:
    return all(_plain(name) for name in weights.values())
