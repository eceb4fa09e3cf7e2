"""Which models there are, and where their exported towers lie in the cache.

    names (options) -> model_names -> cached / set_up -> ModelSet of two towers -> encoders

A tower is one half of a model pair (images or texts), exported to ONNX in a folder of its own:

    cache/text-clip-ViT-B-32-multilingual-v1-5f1c2a90/
        manifest.json      what it is, where it came from, how well the export agrees
        model.onnx         the optimised graph
        model.data         its weights, mapped into memory by the runtimes
        tokenizer.json     (texts) and its WordPieces, if it has any: pieces.npy, piece_ids.npy
        references.npz     what sentence-transformers answers: new runtimes are held against it

Nothing heavy is imported here: `imgsearch query` reads two small JSON files and goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from imgsearch.errors import ModelError, UsageError
from imgsearch.models.base import ModelIdentity, ModelPair
from imgsearch.progress import Progress, silent

DEFAULT_IMAGE_MODEL = "sentence-transformers/clip-ViT-B-32"
DEFAULT_TEXT_MODEL = "sentence-transformers/clip-ViT-B-32-multilingual-v1"
DEMO_MODELS = Path(__file__).parents[1] / "demo" / "models"

Kind = Literal["image", "text"]
ServedBy = Literal["onnx", "sentence-transformers"]
Check = Callable[[Kind, ModelIdentity], None]  # raises where another model is wanted

MANIFEST = "manifest.json"
MODEL_FILE, WEIGHTS_FILE = "model.onnx", "model.data"
REFERENCES_FILE = "references.npz"
_KEYS = {"kind", "name", "digest", "source", "source_folder", "source_stamp", "files", "dims"}
_KEYS |= {"inputs", "preprocessing", "served_by", "verified", "checked", "warning"}
_FORMAT = 2  # of the manifest: an entry of another format is exported again
HUB_NAME = re.compile(r"(?!\.)[\w.-]+/(?!\.)[\w.-]+")


@dataclass(frozen=True, slots=True)
class ModelNames:
    """Each a name on the hub, or the absolute path of a sentence-transformers directory."""

    image: str
    text: str
    from_index: tuple[Kind, ...] = field(default=(), compare=False)  # no user named these


@dataclass(frozen=True)
class Tower:
    """One exported tower, as its manifest describes it."""

    kind: Kind
    identity: ModelIdentity
    dims: int
    folder: Path
    source: str  # as in ModelNames
    source_folder: Path  # the sentence-transformers directory: torch serves from it
    served_by: ServedBy
    verified: float  # lowest cosine between the export and sentence-transformers
    warning: str  # for people, empty when all is well
    inputs: tuple[str, ...]  # of the graph, in order
    preprocessing: Mapping[str, Any]  # images: see imgsearch.models.preprocessing; texts: empty
    checked: Mapping[str, float]  # runtime and version -> lowest cosine against the references
    size_bytes: int

    @property
    def model_file(self) -> Path:
        return self.folder / MODEL_FILE


@dataclass(frozen=True)
class ModelSet:
    image: Tower
    text: Tower

    def pair(self, quantized: bool = False) -> ModelPair:
        return ModelPair(self.image.identity, self.text.identity, self.image.dims, quantized)


def model_names(model: str | None, image_model: str | None, text_model: str | None) -> ModelNames:
    """The names that the three options ask for; what is not named comes from the default pair.

    `model`: "demo", a name or directory of one model with both towers, or the multilingual text
    model's, which stands for the default pair. Raises UsageError for what can be neither.
    """
    names = _named_pair(model) if model else ModelNames(DEFAULT_IMAGE_MODEL, DEFAULT_TEXT_MODEL)
    image = _one_name(image_model, "image") if image_model else names.image
    text = _one_name(text_model, "text") if text_model else names.text
    return ModelNames(image, text)


def _named_pair(model: str) -> ModelNames:
    if model == "demo":
        return ModelNames(_one_name(model, "image"), _one_name(model, "text"))
    name = _one_name(model, "image")
    if name == DEFAULT_TEXT_MODEL:
        return ModelNames(DEFAULT_IMAGE_MODEL, DEFAULT_TEXT_MODEL)
    return ModelNames(name, name)


def _one_name(name: str, kind: Kind) -> str:
    if name == "demo":
        return str(DEMO_MODELS / kind)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(folder.resolve())
    if re.fullmatch(r"[\w-][\w.-]*", name):
        return f"sentence-transformers/{name}"  # as sentence-transformers reads a bare name
    if HUB_NAME.fullmatch(name):
        return name
    raise UsageError(
        f"The model {name!r} is neither a directory on this machine nor a name on the hub.",
        "Give the path of a sentence-transformers directory, a name such as "
        f"{DEFAULT_IMAGE_MODEL}, or 'demo'.",
    )


def is_directory(source: str) -> bool:
    """A directory of the user's or of this package, not a name on the hub."""
    return Path(source).is_absolute()


def shown_name(source: str) -> str:
    """The name that an index records, and that `model_names` reads again: "demo", the name on the
    hub, or a directory's path."""
    return "demo" if Path(source).parent == DEMO_MODELS else source


def cached(names: ModelNames, cache: Path) -> ModelSet | None:
    """Both towers where they are complete and their sources unchanged, else None. Milliseconds."""
    image = cached_tower("image", names.image, cache)
    text = cached_tower("text", names.text, cache)
    return _one_space(image, text) if image and text else None


def cached_tower(kind: Kind, source: str, cache: Path) -> Tower | None:
    """One tower out of the cache: no hashing, no heavy import, a few `stat` calls."""
    from imgsearch.models import files

    folder = entry_folder(kind, source, cache)
    manifest = read_manifest(folder)
    if manifest is None or not _complete(folder, manifest):
        return None
    if not _worth_keeping(manifest):
        return None
    if (
        is_directory(source)
        and Path(source).is_dir()
        and files.stamp(Path(source)) != manifest["source_stamp"]
    ):
        return None
    return _tower(folder, manifest)


def set_up(
    names: ModelNames, cache: Path, progress: Progress = silent, check: Check | None = None
) -> ModelSet:
    """Both towers, doing what is missing. Raises ModelError, ModelUnavailable, and what `check`
    raises for a model's digest before anything of it is loaded."""
    image = set_up_tower("image", names.image, cache, progress, check)
    text = set_up_tower("text", names.text, cache, progress, check)
    return _one_space(image, text)


def set_up_tower(
    kind: Kind, source: str, cache: Path, progress: Progress = silent, check: Check | None = None
) -> Tower:
    """One tower: fetched, exported and verified unless it lies in the cache.

    Only one process at a time exports into a cache; what an interrupted one left is cleared away.
    """
    tower = cached_tower(kind, source, cache)
    if tower is None:
        with _locked(cache, progress):
            tower = cached_tower(kind, source, cache) or _make(kind, source, cache, progress, check)
    return tower


def remember_check(tower: Tower, runtime: str, cosine: float) -> None:
    """Write into the manifest that `runtime` agrees with the references."""
    manifest = read_manifest(tower.folder)
    if manifest is not None:
        manifest["checked"][runtime] = cosine
        with contextlib.suppress(OSError):  # a read-only cache: it is checked again next time
            _write_manifest(tower.folder, manifest)


def forget(tower: Tower) -> None:
    """The entry is no longer to be trusted: the next set-up makes it anew."""
    with contextlib.suppress(OSError):  # a read-only cache
        (tower.folder / MANIFEST).unlink(missing_ok=True)


# --- making a tower


def _make(kind: Kind, source: str, cache: Path, progress: Progress, check: Check | None) -> Tower:
    from imgsearch.models import files, hub, trust

    source_folder = Path(source) if is_directory(source) else hub.fetch(source, progress)
    trust.require_safe(source_folder)
    files.require_complete(source_folder, source)
    progress(f"reading {Path(source).name}", 0, 0)
    digest = files.digest(source_folder)
    if check is not None:
        check(kind, ModelIdentity(shown_name(source), digest))
    entry = entry_folder(kind, source, cache)
    manifest = read_manifest(entry)
    stamp = files.stamp(source_folder) if is_directory(source) else []
    whole = manifest is not None and _complete(entry, manifest) and _worth_keeping(manifest)
    if manifest and whole and manifest["digest"] == digest:
        # touched or installed anew, the bytes are the same
        manifest |= {"source_stamp": stamp, "source_folder": str(source_folder)}
        _write_manifest(entry, manifest)
        return _tower(entry, manifest)

    from imgsearch.models import export

    building = cache / f".building-{entry.name}"
    building.mkdir()
    try:
        described = export.export(kind, source_folder, building, progress)
        manifest = {
            "format": _FORMAT,
            "kind": kind,
            "name": shown_name(source),
            "digest": digest,
            "source": source,
            "source_folder": str(source_folder),
            "source_stamp": stamp,
            **described,
            "files": {path.name: path.stat().st_size for path in sorted(building.iterdir())},
        }
        _write_manifest(building, manifest)
        _replace(entry, building)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return _tower(entry, manifest)


def _one_space(image: Tower, text: Tower) -> ModelSet:
    if image.dims != text.dims:
        raise ModelError(
            f"The image model {image.identity.name} gives vectors of {image.dims} dimensions, "
            f"the text model {text.identity.name} of {text.dims}: they are no pair.",
            "Name two models of one space, or one model with both towers (--model NAME).",
        )
    return ModelSet(image, text)


@contextlib.contextmanager
def _locked(cache: Path, progress: Progress) -> Iterator[None]:
    import filelock

    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = filelock.FileLock(cache / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        progress("waiting for another imgsearch that sets the model up", 0, 0)
        lock.acquire()
    try:
        for remains in cache.glob(".building-*"):  # of a run that was interrupted
            shutil.rmtree(remains, ignore_errors=True)
        for remains in cache.glob(".old-*"):
            shutil.rmtree(remains, ignore_errors=True)
        yield
    finally:
        lock.release()


# --- entries and manifests


def entry_folder(kind: Kind, source: str, cache: Path) -> Path:
    slug = re.sub(r"[^\w.-]+", "-", Path(source).name)[:60]
    key = hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return cache / f"{kind}-{slug}-{key}"


def read_manifest(folder: Path) -> dict[str, Any] | None:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # missing or damaged: made again
        return None
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        return None
    if not manifest.keys() >= _KEYS:
        return None
    return manifest


def _write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    new = folder / f".{MANIFEST}.{os.getpid()}"
    new.write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")
    new.replace(folder / MANIFEST)


def _complete(folder: Path, manifest: dict[str, Any]) -> bool:
    try:
        sizes = {name: (folder / name).stat().st_size for name in manifest["files"]}
    except OSError:
        return False
    return bool(sizes == manifest["files"])


def _worth_keeping(manifest: dict[str, Any]) -> bool:
    """Not an export that was thrown away under other versions, which is tried again."""
    from imgsearch.models import files

    return manifest["served_by"] == "onnx" or manifest.get("libraries") == files.libraries()


def _replace(entry: Path, building: Path) -> None:
    """Put the new entry in the old one's place; a process that reads the old one may go on."""
    if entry.exists():
        old = entry.with_name(f".old-{entry.name}-{os.getpid()}")
        entry.replace(old)
        shutil.rmtree(old, ignore_errors=True)  # Windows: not while it is mapped; cleared later
    building.replace(entry)


def _tower(folder: Path, manifest: dict[str, Any]) -> Tower:
    return Tower(
        kind=manifest["kind"],
        identity=ModelIdentity(manifest["name"], manifest["digest"]),
        dims=manifest["dims"],
        folder=folder,
        source=manifest["source"],
        source_folder=Path(manifest["source_folder"]),
        served_by=manifest["served_by"],
        verified=manifest["verified"],
        warning=manifest["warning"],
        inputs=tuple(manifest["inputs"]),
        preprocessing=manifest["preprocessing"],
        checked=manifest["checked"],
        size_bytes=sum(manifest["files"].values()),
    )
