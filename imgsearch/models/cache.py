"""Exported towers on this machine: found where they are complete and their sources unchanged, made
where they are not. Nothing heavy is imported to find one: `imgsearch query` reads two small JSON
files and goes on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from imgsearch import paths
from imgsearch.errors import Action, ModelError, ModelUnavailable
from imgsearch.models.base import Kind, ModelIdentity
from imgsearch.models.names import ModelNames, is_directory, shown_name
from imgsearch.models.towers import MANIFEST, ModelSet, Tower
from imgsearch.progress import Progress, silent

Check = Callable[[Kind, ModelIdentity], None]  # raises where another model is wanted

_KEYS = {"kind", "name", "digest", "source", "source_folder", "source_stamp", "files", "dims"}
_KEYS |= {"inputs", "preprocessing", "served_by", "verified", "checked", "warning"}
_FORMAT = 2  # of the manifest: an entry of another format is exported again


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
    missing: list[Kind] = []
    if cached_tower("image", names.image, cache) is None:
        missing.append("image")
    if cached_tower("text", names.text, cache) is None:
        missing.append("text")

    def numbered(kind: Kind) -> Progress:
        place = missing.index(kind) if kind in missing else 0
        return _Numbered(progress, place, max(1, len(missing)))

    image = set_up_tower("image", names.image, cache, numbered("image"), check)
    text = set_up_tower("text", names.text, cache, numbered("text"), check)
    return _one_space(image, text)


_STEPS = {"fetching": 1, "reading": 1, "loading": 2, "exporting": 3, "verifying": 4}  # of a tower


class _Numbered:
    """Progress whose steps say which of how many they are. `place`: of this tower among `towers`
    that are set up."""

    def __init__(self, progress: Progress, place: int, towers: int) -> None:
        self._progress, self._place, self._towers = progress, place, towers

    def __call__(self, what: str, done: int, total: int) -> None:
        step = _STEPS.get(what.partition(" ")[0])
        each = max(_STEPS.values())
        if step is not None:
            what += f", {self._place * each + step} of {self._towers * each}"
        self._progress(what, done, total)


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


def _require_exporter(source: str) -> None:
    """Searching needs no PyTorch: an installation may lack it. Raises ModelUnavailable."""
    from importlib.util import find_spec

    missing = [name for name in ("torch", "sentence_transformers", "onnx") if not find_spec(name)]
    if missing:
        from imgsearch.installation import reinstall_command

        raise ModelUnavailable(
            f"The model {shown_name(source)} has to be exported once, and this installation is"
            f" incomplete: it lacks {', '.join(missing)}.",
            f"Complete it ({reinstall_command()}), or use a complete one with the same cache"
            " folder; then",
            Action("set up"),
        )


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

    _require_exporter(source)
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
            "Name two models of one space, or one model with both towers.",
            Action("name one model"),
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
        progress("waiting for another imgsearch to finish this", 0, 0)
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
    paths.write_whole(folder / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False))


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
