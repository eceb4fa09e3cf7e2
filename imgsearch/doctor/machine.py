"""This machine: Python, libraries, picture formats, processor, models in the cache, disk."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from imgsearch import cpu_and_memory, installation
from imgsearch.doctor.findings import Finding, failure, ok, warning
from imgsearch.models import ModelNames
from imgsearch.models.base import ModelPair
from imgsearch.models.hub import quiet_environment

LITTLE_SPACE, NO_SPACE = 2 << 30, 200 << 20  # bytes


def python() -> Iterator[Finding]:
    version = platform.python_version()
    wanted = metadata.metadata(installation.DISTRIBUTION)["Requires-Python"] or ""
    from packaging.specifiers import SpecifierSet

    if SpecifierSet(wanted).contains(version, prereleases=True):
        yield ok("Python", f"{version} ({sys.platform}, {platform.machine()})")
    else:
        cure = f"Make a virtual environment with a Python that is {wanted}, and install there."
        yield failure("Python", f"{version}, and imgsearch wants {wanted}", cure)


def libraries() -> Iterator[Finding]:
    """Whether what is installed is what imgsearch was made with: eland, torch and transformers fit
    each other in narrow ranges alone."""
    from packaging.requirements import Requirement

    found, wrong = [], []
    for line in metadata.requires(installation.DISTRIBUTION) or ():
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        found.append(f"{requirement.name} {version}")
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} is {version}, not {requirement.specifier}")
    if wrong:
        yield failure("libraries", "; ".join(wrong), installation.reinstall_command())
    else:
        shown = [each for each in found if each.split()[0] in _SHOWN]
        yield ok("libraries", f"{len(found)} installed, in versions that fit: {', '.join(shown)}")


_SHOWN = {"torch", "transformers", "sentence-transformers", "onnxruntime", "openvino", "eland"}
_SHOWN |= {"elasticsearch", "numkong", "pillow"}


def formats() -> Iterator[Finding]:
    """Findings about picture formats that not every Pillow reads."""
    from PIL import features

    there = {
        "WebP": features.check_module("webp"),
        "AVIF": features.check_module("avif"),
        "HEIC": _installed("pillow-heif"),
        "JPEG XL": _installed("imagecodecs"),
        "JPEG 2000": features.check_codec("jpg_2000"),
    }
    reads = ["JPEG", "PNG", "GIF", "TIFF", "BMP", *(name for name in there if there[name])]
    reads += ["PNM", "TGA", "ICO", "PSD"]
    lacks = [name for name in there if not there[name]]
    raw, films = "camera RAW", "films"
    if not _installed("rawpy"):
        raw = f"not camera RAW ({installation.extra_command('raw')})"
    if not _installed("av"):
        films = f"not films ({installation.extra_command('video')})"
    if lacks:
        cure = "Install what reads them from PyPI's wheels: pip install --force-reinstall"
        packages = "pillow pillow-heif imagecodecs"
        yield warning("formats", f"cannot read {', '.join(lacks)}", f"{cure} {packages}")
    else:
        yield ok("formats", f"{', '.join(reads)} and others; {raw}; {films}")


def _installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def processor(precision: str) -> Iterator[Finding]:
    """Which runtime and precision an ingest would use, found by opening the runtime."""
    quiet_environment()
    import openvino

    from imgsearch.models.runtimes import accelerator

    device = accelerator()
    core = openvino.Core()
    capable = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    name = str(core.get_property("CPU", "FULL_DEVICE_NAME")).strip()
    chosen = "bf16" if "BF16" in capable else "f32"
    if precision != "auto":
        chosen = precision
    if precision == "bf16" and "BF16" not in capable and device == "cpu":
        cure = "Leave --precision at auto: f32 is faster here, and exact."
        yield warning("processor", f"{name} has no bf16, which is asked for", cure)
        return
    units = ", ".join(unit for unit in ("FP32", "BF16", "FP16", "INT8") if unit in capable)
    yield ok("processor", f"{name}, {_threads()} ({units})")
    if device == "cpu":
        how = f"by OpenVINO, in {chosen}"
        yield ok("GPU", f"none that torch can use; pictures are embedded on the processor, {how}")
    else:
        yield ok("GPU", f"{device}; pictures are embedded there by torch")


def _threads() -> str:
    """The number of threads that an ingest uses: fewer than the machine has in a container or under
    an affinity mask."""
    used, there = cpu_and_memory.cores(), os.cpu_count() or 1
    return f"{there} threads" if used >= there else f"{used} of {there} threads"


def models(names: ModelNames, cache: Path, index: ModelPair | None) -> Iterator[Finding]:
    """The exported towers, and whether they are those of the index."""
    from imgsearch.models import cached_tower, shown_name

    for kind, source in (("image", names.image), ("text", names.text)):
        name = f"{kind} model"
        tower = cached_tower(kind, source, cache)  # type: ignore[arg-type] # one of two words
        if tower is None:
            detail = f"{shown_name(source)} is not complete in {cache}"
            yield warning(name, detail, "Fetch and export it: imgsearch setup-model")
            continue
        recorded = None if index is None else getattr(index, f"{kind}_model")
        if recorded is not None and not recorded.same_as(tower.identity):
            cure = "Leave the model options out; or embed all photos anew: ingest --re-embed"
            detail = f"{tower.identity.name} is not the index's {recorded.name}: other weights"
            yield failure(name, detail, cure)
        elif tower.warning:
            yield warning(name, tower.warning, "Nothing need be done; it is slower.")
        else:
            checked = "checked against the original when it was exported"
            yield ok(name, f"{tower.identity.name}, {tower.dims} dims, {checked}")


def space(name: str, folder: Path) -> Iterator[Finding]:
    """A finding about the free space on the disk of `folder`, which need not exist yet."""
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    free = shutil.disk_usage(there).free
    detail = f"{free / 1e9:,.1f} GB free for {folder}"
    if not os.access(there, os.W_OK):
        cure = "Give yourself the right to write there, or set XDG_CACHE_HOME or --index."
        yield warning(name, f"{there} cannot be written to", cure)
    elif free < NO_SPACE:
        yield failure(name, detail, "Make room on that disk.")
    elif free < LITTLE_SPACE:
        yield warning(name, detail, "Make room: the default models take 1.5 GB while exported.")
    else:
        yield ok(name, detail)
