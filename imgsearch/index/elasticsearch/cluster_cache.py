"""What this machine remembers of a cluster from the last command, so that a query need not ask
again: the server's version, by the index that was found there. A file in the cache."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imgsearch import paths

FILE = "cluster-servers.json"
GOOD_FOR = 24 * 3600.0  # seconds: by then the server may have been upgraded


def recall(cache: Path, place: str, index_uuid: str) -> dict[str, Any] | None:
    """The answer to `GET /` of the cluster that has the index of that UUID; None if it is not
    known, or not any more."""
    known = read(cache / FILE).get(place)
    if not isinstance(known, dict) or known.get("index") != index_uuid or not index_uuid:
        return None
    age, info = time.time() - _number(known.get("time")), known.get("info")
    return info if isinstance(info, dict) and 0 <= age < GOOD_FOR else None


def remember(cache: Path, place: str, index_uuid: str, info: dict[str, Any]) -> None:
    kept = {key: info[key] for key in ("version", "cluster_name", "cluster_uuid") if key in info}
    known = {"index": index_uuid, "time": time.time(), "info": kept}
    write(cache / FILE, {**read(cache / FILE), place: known})


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def write(file: Path, found: Mapping[str, Any]) -> None:
    """Of a cache that cannot be written nothing is said: all is asked again next time."""
    with contextlib.suppress(OSError):
        paths.private_folder(file.parent)
        paths.write_whole(file, json.dumps(found, indent=1))


def read(file: Path) -> dict[str, Any]:
    """Empty where there is no file, or a damaged one."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
