"""Fetches models from the Hugging Face hub: no other network traffic but the user's own cluster."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from imgsearch.errors import Action, ModelError, ModelUnavailable
from imgsearch.models import files
from imgsearch.progress import Progress

_ASK_SECONDS = 5  # for the first answer: offline is noticed in about this time
_POLL_SECONDS = 0.25


def quiet_environment() -> None:
    """No telemetry, short timeouts, no bars of their own: before any of the heavy imports.

    Timeouts that the user has set stay; the switches against telemetry are not up for choice.
    """
    for name in (
        "HF_HUB_DISABLE_TELEMETRY",
        "DISABLE_TELEMETRY",
        "DO_NOT_TRACK",
        "ORT_DISABLE_TELEMETRY",  # else a device id and a queue of events appear in the cache
    ):
        os.environ[name] = "1"
    # `import openvino` counts its users, under an id in ~/intel; without this module it does not
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # an import of it fails
    # transformers would unpickle some old tokenizers then; only the command line may allow code
    os.environ.pop("TRUST_REMOTE_CODE", None)
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"  # the outer ring draws the only one
    os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", "5")
    os.environ.setdefault("HF_HUB_DOWNLOAD_TIMEOUT", "10")
    os.environ.setdefault("HF_HUB_DISABLE_SYMLINKS_WARNING", "1")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # else it warns after every fork


def fetch(name: str, progress: Progress) -> Path:
    """The folder of a hub model, from the hub's own cache when it is complete there.

    Raises ModelUnavailable when it is neither there nor to be had, ModelError when there is no
    model of that name.
    """
    quiet_environment()
    return in_cache(name) or _download(name, progress)


def cache_folder() -> Path | None:
    """Where the hub's own programs keep what they fetch; None where there is no such folder."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE)
    return folder if folder.is_dir() else None


def in_cache(name: str) -> Path | None:
    """The folder of a model in the hub's own cache; None unless it is complete there."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
        missing = files.missing_weights(folder)
    except files.UNREADABLE:  # not there, or damaged: ask the hub
        return None
    return folder if missing == [] else None


def _download(name: str, progress: Progress) -> Path:
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        info = HfApi().model_info(name, files_metadata=True, timeout=_ASK_SECONDS)
        sizes = {file.rfilename: file.size or 0 for file in info.siblings or []}
        chosen = files.choose(list(sizes))
        blobs = _blobs(Path(constants.HF_HUB_CACHE), name)
        with _watched(blobs, sum(sizes[path] for path in chosen), name, progress):
            # no revision: only a named branch is noted down, and found again without network
            return Path(snapshot_download(name, allow_patterns=chosen, max_workers=4))
    except GatedRepoError as problem:
        raise ModelError(
            f"The hub gives out {name} only to those who have accepted its terms.",
            "Accept them on the model's page and set HF_TOKEN.",
        ) from problem
    except RepositoryNotFoundError as problem:
        raise ModelError(
            f"The hub knows no model {name!r}.", "Check the spelling, or give a local directory."
        ) from problem
    # OSError: requests' exceptions, the hub's own (offline mode, interrupted), a full disk;
    # ValueError: an answer that is no JSON, as a captive portal gives
    except (OSError, ValueError) as problem:
        if isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # the system's word, not the network's
        raise _unavailable(name, problem) from problem


def _unavailable(name: str, problem: Exception) -> ModelUnavailable:
    from huggingface_hub import constants

    return ModelUnavailable(
        f"The model {name} is not in {constants.HF_HUB_CACHE}, and {constants.ENDPOINT} "
        f"cannot be reached ({_why(problem)}).",
        "Point HF_HOME at a cache that has it (copied from another machine), or name local"
        " directories.",
        Action("name both models"),
    )


_SIGNS = {  # in what the HTTP library says: what it means
    "NameResolutionError": "no such host, or no network",
    "Connection refused": "connection refused",
    "ConnectTimeout": "no answer in time",
    "Read timed out": "no answer in time",
    "SSLError": "its certificate is not trusted",
    "ProxyError": "the proxy does not answer",
    "offline mode": "HF_HUB_OFFLINE is set",
}


def _why(problem: Exception) -> str:
    text = f"{type(problem).__name__}: {problem}"
    for sign, meaning in _SIGNS.items():
        if sign in text:
            return meaning
    return " ".join(text.split())[:120]


def _blobs(hub_cache: Path, name: str) -> Path:
    return hub_cache / f"models--{name.replace('/', '--')}" / "blobs"


@contextlib.contextmanager
def _watched(blobs: Path, total: int, name: str, progress: Progress) -> Iterator[None]:
    """Report the bytes that have arrived. Their number is read from the folder: the hub's own
    bars count files, and differ from version to version."""
    done = threading.Event()

    def report() -> None:
        what = f"fetching {name}"
        while not done.wait(_POLL_SECONDS):
            progress(what, min(_bytes_in(blobs), total), total)
        progress(what, min(_bytes_in(blobs), total), total)

    watcher = threading.Thread(target=report, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _bytes_in(folder: Path) -> int:
    size = 0
    with contextlib.suppress(OSError):  # not there yet, or a part renamed while we look
        for path in folder.iterdir():
            size += path.stat().st_size
    return size
