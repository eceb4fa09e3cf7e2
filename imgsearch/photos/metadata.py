"""What a picture says about itself: EXIF's date, place, camera and lens. EXIF is written by
cameras, phones and broken tools; whatever cannot be true or read is left out, never an error."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Exif

EXIF_IFD, GPS_IFD = 0x8769, 0x8825
MAKE, MODEL, LENS_MODEL = 0x010F, 0x0110, 0xA434
# DateTime (0x0132) is no candidate: editors write the time of the last change there
DATES = ((0x9003, 0x9011), (0x9004, 0x9012))  # original, digitized; each with its offset
LATITUDE_REF, LATITUDE, LONGITUDE_REF, LONGITUDE = 1, 2, 3, 4

_UNREADABLE = (  # what Pillow raises on broken EXIF
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError,
    EOFError, struct.error,
)  # fmt: skip
_DATE = re.compile(r"(\d{4})[:/.-](\d\d)[:/.-](\d\d)[ T](\d\d):(\d\d)(?::(\d\d))?")
_OFFSET = re.compile(r"[+-](?:0\d|1[0-4]):[0-5]\d")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """Fields as in `imgsearch.index.base.Record`."""

    format: str  # as Pillow names it: "JPEG"
    width: int  # pixels, upright
    height: int
    taken: str | None = None  # ISO 8601 local time: "2024-05-01T12:30:00"
    taken_offset: str | None = None  # "+02:00"
    latitude: float | None = None  # degrees, WGS 84
    longitude: float | None = None
    camera: str | None = None  # make and model, the make once
    lens: str | None = None


def read(exif: Exif | None, *, format: str, width: int, height: int) -> Metadata:
    """`exif` None: the picture has none that can be read."""
    main: Mapping[int, Any] = exif if exif is not None else {}
    details, gps = _section(exif, EXIF_IFD), _section(exif, GPS_IFD)
    taken, offset = _taken(details)
    latitude, longitude = _place(gps)
    return Metadata(
        format=format,
        width=width,
        height=height,
        taken=taken,
        taken_offset=offset,
        latitude=latitude,
        longitude=longitude,
        camera=_camera(_text(main, MAKE), _text(main, MODEL)),
        lens=_text(details, LENS_MODEL),
    )


def _section(exif: Exif | None, tag: int) -> Mapping[int, Any]:
    if exif is None:
        return {}
    try:
        return exif.get_ifd(tag)
    except _UNREADABLE:
        return {}


def _value(tags: Mapping[int, Any], tag: int) -> Any:
    """Pillow parses a tag when it is asked for, so asking can fail."""
    try:
        return tags.get(tag)
    except _UNREADABLE:
        return None


def _text(tags: Mapping[int, Any], tag: int) -> str | None:
    value = _value(tags, tag)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    return " ".join(_CONTROL.sub(" ", value.partition("\0")[0]).split()) or None


def _camera(make: str | None, model: str | None) -> str | None:
    if not make or not model:
        return model or make
    brand = make.split()[0].casefold()  # "NIKON CORPORATION" makes the "NIKON D750"
    return model if model.casefold().startswith(brand) else f"{make} {model}"


def _taken(details: Mapping[int, Any]) -> tuple[str | None, str | None]:
    for date_tag, offset_tag in DATES:
        if taken := _date(_text(details, date_tag)):
            return taken, _offset(_text(details, offset_tag))
    return None, None


def _date(text: str | None) -> str | None:
    found = _DATE.match(text or "")
    if found is None:
        return None
    try:
        return datetime(*(int(part or 0) for part in found.groups())).isoformat()  # type: ignore[arg-type] # six numbers
    except ValueError:  # 0000:00:00 00:00:00 of a camera whose clock was never set
        return None


def _offset(text: str | None) -> str | None:
    if text == "Z":
        return "+00:00"
    return text if text and _OFFSET.fullmatch(text) else None


def _place(gps: Mapping[int, Any]) -> tuple[float, float] | tuple[None, None]:
    """Both or neither. Without its reference a coordinate could be on the wrong hemisphere."""
    latitude = _degrees(gps, LATITUDE, LATITUDE_REF, {"N": 1, "S": -1}, 90)
    longitude = _degrees(gps, LONGITUDE, LONGITUDE_REF, {"E": 1, "W": -1}, 180)
    if latitude is None or longitude is None or latitude == longitude == 0:  # no fix: 0, 0
        return None, None
    return latitude, longitude


def _degrees(
    gps: Mapping[int, Any], tag: int, ref_tag: int, signs: Mapping[str, int], limit: int
) -> float | None:
    sign = signs.get((_text(gps, ref_tag) or "").upper()[:1])
    value = _value(gps, tag)
    try:
        parts = [float(part) for part in value]
    except _UNREADABLE:
        return None
    if sign is None or not 1 <= len(parts) <= 3:
        return None
    degrees: float = sum(part / 60**power for power, part in enumerate(parts))
    if not math.isfinite(degrees) or not 0 <= degrees <= limit:  # 0/0 and 1/0 in a rational
        return None
    return round(sign * degrees, 7)  # a centimetre
