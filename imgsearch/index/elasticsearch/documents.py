"""Records and vectors as Elasticsearch keeps them, and back."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple, TypeVar

import numpy as np

from imgsearch.index import untrusted_values
from imgsearch.index.base import Fingerprint, Look, Record
from imgsearch.index.elasticsearch import answers
from imgsearch.index.elasticsearch.requests import VECTOR, WORDS, WORDS_MARK
from imgsearch.models.base import Vector
from imgsearch.question import RATINGS
from imgsearch.roots import locations
from imgsearch.word_splitting import VERSION

PHOTO_ID = re.compile(r"[0-9a-f]{32}")

_UNIT_TOLERANCE = 1e-3  # of a vector's length: beyond it the server would scale the vector
_MOST = 2**63 - 1  # what the server's `long` and every index of ours can keep
_MOST_PIXELS = 2**31 - 1
_LONGEST_TEXT = 1024  # characters
_LONGEST_CAPTION = 16_384
_LONGEST_PATH = 32_766  # characters; a system's own limit is lower
_DATE = re.compile(
    r"\d{4}(-\d\d(-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?)?)?", re.ASCII
)
_HASH = re.compile(r"[0-9a-f]{64}")
_OFFSET = re.compile(r"Z|[+-]\d\d:\d\d", re.ASCII)


def document(record: Record) -> dict[str, Any]:
    """The document of a record, without its vector. Unknown values are null, so that an update
    overwrites older ones."""
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
        "date_precision": record.taken_precision,
        "date_source": record.taken_source,
        "title": record.title,
        "caption": record.caption,
        "tags": list(record.tags) or None,
        "rating": record.rating,
        "country": record.country,
        "city": record.city,
        "metadata_mark": record.metadata_mark or None,
        "perceptual_hash": record.perceptual_hash,
        "folder": record.folder,
        "orientation": record.orientation,
        "pixels": record.width * record.height,
        **words_of(record),
    }


def words_of(record: Record) -> dict[str, Any]:
    """Tokens, each field by itself: phrases end where it ends."""
    return {WORDS: list(record.words.values()) or None, WORDS_MARK: VERSION}


class Parsed(NamedTuple):
    """A document as a record. `faults`: fields whose value no photo has; the record has what it
    would have without them."""

    record: Record
    faults: tuple[str, ...]


def parsed(id: str, source: Any, library: str) -> Parsed:
    """Any document, whoever wrote it. `library`: for one that names none, such as another
    program's. What it lacks is nothing, zero, or what its name tells."""
    fields = _Fields(source)
    exif = _Fields(fields.get("exif", _object) or {}, fields.faults)
    latitude, longitude = exif.get("location", _location) or (None, None)
    escaped = bool(fields.get("path_escaped", _flag))
    path = fields.get("relative_path", lambda value: _path(value, escaped))
    if path is None:
        escaped = False
        path = fields.get("image_name", _path) or _path(id) or "unnamed"
    record = Record(
        id=id,
        library=fields.get("library", _text) or library,
        relative_path=path,
        path_escaped=escaped,
        size=fields.get("bytes", lambda value: _whole(value, 0, _MOST)) or 0,
        mtime_ns=fields.get("mtime_ns", lambda value: _whole(value, -_MOST, _MOST)) or 0,
        content_hash=fields.get("content_hash", _text) or "",
        format=fields.get("format", _text) or _format(path),
        width=fields.get("width", lambda value: _whole(value, 0, _MOST_PIXELS)) or 0,
        height=fields.get("height", lambda value: _whole(value, 0, _MOST_PIXELS)) or 0,
        taken=exif.get("date", lambda value: _matching(_DATE, value)),
        taken_offset=fields.get("date_offset", lambda value: _matching(_OFFSET, value)),
        latitude=latitude,
        longitude=longitude,
        camera=fields.get("camera", _text),
        lens=fields.get("lens", _text),
        taken_precision=fields.get("date_precision", _text),
        taken_source=fields.get("date_source", _text),
        title=fields.get("title", _text),
        caption=fields.get("caption", _long_text),
        tags=fields.get("tags", _texts) or (),
        rating=fields.get("rating", lambda value: _whole(value, -1, RATINGS)),
        country=fields.get("country", _text),
        city=fields.get("city", _text),
        metadata_mark=fields.get("metadata_mark", lambda value: _whole(value, 0, _MOST)) or 0,
        perceptual_hash=fields.get("perceptual_hash", lambda value: _matching(_HASH, value)),
    )
    return Parsed(record, tuple(fields.faults))


def faults_of(id: str, source: Any, library: str, *, theirs: bool) -> tuple[str, ...]:
    """The fields of a document that imgsearch would not have written so: `_id` too, unless other
    programs' documents may be there (`theirs`), and `image_id` where that is another photo's."""
    faults = parsed(id, source, library).faults
    is_our_id = PHOTO_ID.fullmatch(id) is not None
    image_id = source.get("image_id") if isinstance(source, Mapping) else None
    if is_our_id and image_id not in (None, [], id, [id]):
        faults = ("image_id", *faults)
    return faults if theirs or is_our_id else ("_id", *faults)


_T = TypeVar("_T")


class _Fields:
    """Reads the fields of an object. A value that its reader refuses is left out, and its name goes
    to `faults`."""

    def __init__(self, source: Any, faults: list[str] | None = None) -> None:
        self.faults = [] if faults is None else faults
        self._source = source if isinstance(source, Mapping) else {}
        if source is not None and not isinstance(source, Mapping):
            self.faults.append("_source")

    def get(self, name: str, read: Callable[[Any], _T | None]) -> _T | None:
        value = self._source.get(name)
        if isinstance(value, list) and len(value) == 1:  # to the server that is the value itself
            [value] = value
        if value is None or value == []:
            return None
        found = read(value)
        if found is None:
            self.faults.append(name)
        return found


def _object(value: Any) -> Mapping[str, Any] | None:
    return value if isinstance(value, Mapping) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _whole(value: Any, least: int, most: int) -> int | None:
    return value if type(value) is int and least <= value <= most else None


def is_text(value: Any, longest: int = _LONGEST_TEXT) -> bool:
    """Whether it is one that every place can keep: no NUL, no lone surrogate, not overlong."""
    if not isinstance(value, str) or not 0 < len(value) <= longest or "\0" in value:
        return False
    return untrusted_values.is_text(value)


def _text(value: Any) -> str | None:
    return value if is_text(value) else None


def _long_text(value: Any) -> str | None:
    return value if is_text(value, _LONGEST_CAPTION) else None


def _texts(value: Any) -> tuple[str, ...] | None:
    """A text, or a list of texts, as a tuple; None for anything else."""
    texts = value if isinstance(value, list) else [value]
    return tuple(texts) if all(map(is_text, texts)) else None


def _path(value: Any, escaped: bool = False) -> str | None:
    """A relative path that stays inside its library; None for any other value."""
    if not is_text(value, _LONGEST_PATH):
        return None
    found: str = value
    return found if locations.relative_bytes(found, escaped) is not None else None


def _matching(pattern: re.Pattern[str], value: Any) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _format(path: str) -> str:
    ending = PurePosixPath(path).suffix[1:].upper()
    return "JPEG" if ending == "JPG" else ending


def _location(value: Any) -> tuple[float, float] | None:
    """Latitude and longitude. Ours is an object; the tutorial writes [longitude, latitude]."""
    latitude: Any
    longitude: Any
    if isinstance(value, Mapping):
        latitude, longitude = value.get("lat"), value.get("lon")
    elif isinstance(value, list) and len(value) == 2:
        longitude, latitude = value
    else:
        return None
    if type(latitude) not in (int, float) or type(longitude) not in (int, float):
        return None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):  # NaN is not
        return None
    return float(latitude), float(longitude)


def packed(vector: Vector) -> str:
    """Big-endian f32 in base64: a quarter of the JSON numbers, and no parsing."""
    return base64.b64encode(vector.astype(">f4").tobytes()).decode("ascii")


def unpacked(value: Any, dims: int | None = None) -> Vector | None:
    """What `_source` or `fields` gives: a list of numbers, or base64 from 9.3 on; scaled to unit
    length where it is another program's. None for what cannot be compared: of other dimensions than
    `dims`, not finite, zero, no vector at all."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], (str, list)):
        [value] = value
    try:
        if isinstance(value, str):
            raw = base64.b64decode(value, validate=True)
            numbers = np.frombuffer(raw, ">f4").astype(np.float32)
        else:
            numbers = np.array(value)
    except ValueError:
        return None
    if numbers.ndim != 1 or numbers.dtype.kind not in "fiu" or dims not in (None, numbers.size):
        return None
    with np.errstate(over="ignore"):
        return _of_unit_length(numbers.astype(np.float32))


def _of_unit_length(vector: Vector) -> Vector | None:
    """The vector at unit length. Our own have it and are returned unchanged; another program's are
    scaled. None for a zero vector."""
    with np.errstate(over="ignore"):
        length = float(np.linalg.norm(vector))
    if not 0 < length < math.inf:  # NaN is not
        return None
    if abs(length - 1) <= _UNIT_TOLERANCE:
        return vector
    scaled: Vector = (vector / length).astype(np.float32)
    return scaled


def refusal(vector: Vector, dims: int) -> str | None:
    """Why a vector cannot be stored as it is, if so."""
    if vector.shape != (dims,):
        return f"its vector has {vector.size} dimensions, not {dims}"
    length = float(np.linalg.norm(vector))
    if not abs(length - 1) <= _UNIT_TOLERANCE:  # NaN is not
        return f"its vector has the length {length:.4g}, not 1"
    return None


__all__ = ["VECTOR", "document", "is_text", "packed", "parsed", "refusal", "unpacked"]


def fingerprint(fields: Any, names: Sequence[str], parted: int = 0) -> Fingerprint | None:
    """Of a document's doc values `names`: id, size, date and mark. None: not a photo of ours.
    `parted`: see `Fingerprint`."""
    values = [answers.at(fields, name) for name in names]
    if values[-1] is None:  # of a version before
        values[-1] = [0]
    if not all(isinstance(value, list) and len(value) == 1 for value in values):
        return None
    id, size, mtime_ns, mark = (value[0] for value in values)
    is_ours = isinstance(id, str) and PHOTO_ID.fullmatch(id) is not None
    if not (is_ours and _is_long(size) and _is_long(mtime_ns) and _is_long(mark)):
        return None
    return Fingerprint(id, size, mtime_ns, mark, parted)


LOOK = (
    *("content_hash", "perceptual_hash", "bytes", "width", "height"),
    *("exif.date", "date_precision", "date_source"),
)


def look(fields: Any, id_field: str) -> Look | None:
    """The `Look` of a document's doc values; None where it is not a photo of ours."""
    id, seen, hash, size, width, height, date, precision, source = (
        _only(answers.at(fields, name)) for name in (id_field, *LOOK)
    )
    if not (isinstance(id, str) and PHOTO_ID.fullmatch(id)):
        return None
    return Look(
        id,
        _text(seen) or "",
        _matching(_HASH, hash),
        _whole(size, 0, _MOST) or 0,
        _whole(width, 0, _MOST_PIXELS) or 0,
        _whole(height, 0, _MOST_PIXELS) or 0,
        (_matching(_DATE, date) or "")[:19] or None,  # without the milliseconds of doc values
        _text(precision),
        _text(source),
    )


def _only(values: Any) -> Any:
    """The single value of a field's doc values; None where there is none or several."""
    return values[0] if isinstance(values, list) and len(values) == 1 else None


def _is_long(value: Any) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63
