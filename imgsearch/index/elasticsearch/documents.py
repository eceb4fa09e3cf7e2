"""Records and vectors as Elasticsearch keeps them, and back."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from imgsearch.index.base import Record
from imgsearch.index.elasticsearch.requests import VECTOR
from imgsearch.models.base import Vector

_UNIT_TOLERANCE = 1e-3  # of a vector's length: beyond it the server would scale the vector


def document(record: Record) -> dict[str, Any]:
    """Without the vector. What is not known is null: so an update overwrites what was."""
    location = None
    if record.latitude is not None and record.longitude is not None:
        location = {"lat": record.latitude, "lon": record.longitude}
    return {
        "image_id": record.id,
        "image_name": record.relative_path.rpartition("/")[2],
        "relative_path": record.relative_path,
        "exif": {"date": record.taken, "location": location},
        "library": record.library,
        "path_escaped": record.path_escaped,
        "content_hash": record.content_hash,
        "bytes": record.size,
        "mtime_ns": record.mtime_ns,
        "format": record.format,
        "width": record.width,
        "height": record.height,
        "camera": record.camera,
        "lens": record.lens,
        "date_offset": record.taken_offset,
    }


def record(id: str, source: Mapping[str, Any], library: str) -> Record:
    """`library`: for documents that another program made, which name none. What such a document
    lacks is nothing, zero, or what its name tells."""
    exif = source.get("exif") or {}
    latitude, longitude = _location(exif.get("location"))
    path = str(source.get("relative_path") or source.get("image_name") or id)
    return Record(
        id=id,
        library=source.get("library") or library,
        relative_path=path,
        path_escaped=bool(source.get("path_escaped")),
        size=source.get("bytes") or 0,
        mtime_ns=source.get("mtime_ns") or 0,
        content_hash=source.get("content_hash") or "",
        format=source.get("format") or _format(path),
        width=source.get("width") or 0,
        height=source.get("height") or 0,
        taken=exif.get("date"),
        taken_offset=source.get("date_offset"),
        latitude=latitude,
        longitude=longitude,
        camera=source.get("camera"),
        lens=source.get("lens"),
    )


def _format(path: str) -> str:
    ending = PurePosixPath(path).suffix[1:].upper()
    return "JPEG" if ending == "JPG" else ending


def _location(location: Any) -> tuple[float | None, float | None]:
    """Ours is an object; the tutorial writes [longitude, latitude]."""
    if isinstance(location, Mapping):
        return location.get("lat"), location.get("lon")
    if isinstance(location, list) and len(location) == 2:
        return location[1], location[0]
    return None, None


def packed(vector: Vector) -> str:
    """Big-endian f32 in base64: a quarter of the JSON numbers, and no parsing."""
    return base64.b64encode(vector.astype(">f4").tobytes()).decode("ascii")


def unpacked(value: Any) -> Vector | None:
    """What `_source` or `fields` gives: a list of numbers, or base64 from 9.3 on."""
    if value is None:
        return None
    if isinstance(value, str):
        return np.frombuffer(base64.b64decode(value), ">f4").astype(np.float32)
    if value and isinstance(value[0], str):
        return unpacked(value[0])
    return np.array(value, np.float32)


def refusal(vector: Vector, dims: int) -> str | None:
    """Why a vector cannot be stored as it is, if so."""
    if vector.shape != (dims,):
        return f"its vector has {vector.size} dimensions, not {dims}"
    length = float(np.linalg.norm(vector))
    if not abs(length - 1) <= _UNIT_TOLERANCE:  # NaN is not
        return f"its vector has the length {length:.4g}, not 1"
    return None


__all__ = ["VECTOR", "document", "packed", "record", "refusal", "unpacked"]
