"""When a photo was taken, from what cameras, editors and messengers write: whole, or only a day, a
month or a year."""

from __future__ import annotations

import os
import re
from datetime import datetime
from typing import Literal, NamedTuple

Precision = Literal["second", "day", "month", "year"]


class Moment(NamedTuple):
    """`taken`: ISO 8601 local time, the first second of what is known. `offset`: "+02:00"."""

    taken: str
    offset: str | None
    precision: Precision


_DATE = re.compile(
    r"\s*(?P<year>\d{4})"
    r"(?:[:/.-](?P<month>\d\d?)"
    r"(?:[:/.-](?P<day>\d\d?)"
    r"(?:[ T]+(?P<hour>\d\d?):(?P<minute>\d\d?)(?::(?P<second>\d\d?))?(?:[.,]\d+)?"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?"
    r"\s*(?P<offset>Z|[+-]\d\d(?::?\d\d)?)?"
    r")?)?)?(?!\w)"
)
_COMPACT = re.compile(  # ISO 8601 without separators
    r"\s*(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)"
    r"(?:[ T]?(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)?)?(?P<half>)"
    r"\s*(?P<offset>Z|[+-]\d\d(?::?\d\d)?)?(?!\w)"
)
_BLANK = re.compile(r":\s+(?=:|\s|$)")  # a field that is not known
_OFFSET = re.compile(r"([+-])(\d\d)(?::?([0-5]\d))?")
_OF_NAME = re.compile(
    r"(?P<prefix>IMG|VID|PXL|MVIMG|PANO|BURST\d*|DSC|Photo|Screenshot(?:[ _]from)?|Screen[ ]?Shot"
    r"|Bildschirmfoto|Capture d.[eé]cran|Captura de pantalla|Schermata|signal"
    r"|WhatsApp (?:Image|Video))?"
    r"[-_ ]*(?<!\d)(?P<year>19[89]\d|20\d\d)(?P<sep>[-.]?)(?P<month>\d\d)(?P=sep)(?P<day>\d\d)"
    r"(?:(?:[-_ T]*|[ ](?:at|um|à|a las|alle)[ ])"
    r"(?P<hour>[0-2]\d|\d(?=[.:]))(?P<sep2>[-.:]?)(?P<minute>[0-5]\d)(?P=sep2)(?P<second>[0-5]\d)"
    r"(?:\d{3})?(?:\s?(?P<half>[AP])M)?)?(?!\d)",
    re.I,
)


def parse(text: str | None, offset: str | None = None) -> Moment | None:
    """EXIF's and XMP's ways to write a date. `offset`: where the text itself has none. None for
    what is no date, as of a camera whose clock was never set (`0000:00:00 00:00:00`)."""
    written = _BLANK.sub(":00", text or "")
    found = _DATE.match(written) or _COMPACT.match(written)
    return None if found is None else _moment(found, found["offset"] or offset)


def of_name(name: str) -> Moment | None:
    """The date in a file name as a camera, a phone or a messenger makes it. Without one of their
    prefixes only date and time together count."""
    stem = os.path.splitext(os.path.basename(name))[0]
    found = _OF_NAME.match(stem)
    if found is None:
        return None
    messenger = found["prefix"] and found["prefix"].upper() not in ("DSC",)
    if not found["hour"] and not messenger:
        return None
    utc = (found["prefix"] or "").upper() == "PXL"  # a Pixel's names are in UTC
    return _moment(found, "+00:00" if utc else None)


def parse_offset(text: str | None) -> str | None:
    """An offset from UTC such as "+02:00"; None for any other text."""
    if text == "Z":
        return "+00:00"
    found = _OFFSET.fullmatch((text or "").strip())
    if found is None or int(found[2]) > 14:
        return None
    return f"{found[1]}{found[2]}:{found[3] or '00'}"


def _moment(found: re.Match[str], offset: str | None) -> Moment | None:
    part = found.groupdict()
    year, month, day = (int(part[name] or 0) for name in ("year", "month", "day"))
    if year < 1000 or (month == 0 and day > 0):
        return None
    try:
        start = datetime(year, month or 1, day or 1)
    except ValueError:
        return None
    if not month or not day:
        return Moment(start.isoformat(), None, "month" if month else "year")
    hour = int(part["hour"] or -1)
    if part["half"] and 1 <= hour <= 12:
        hour = hour % 12 + (12 if part["half"] in "pP" else 0)
    try:
        start = start.replace(
            hour=hour, minute=int(part["minute"] or 0), second=int(part["second"] or 0)
        )
    except ValueError:  # there is no time, or none that can be
        return Moment(start.isoformat(), None, "day")
    return Moment(start.isoformat(), parse_offset(offset), "second")
