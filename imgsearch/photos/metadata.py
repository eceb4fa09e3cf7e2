"""What a picture says about itself: date, place, camera, lens, title, caption, keywords, rating. It
comes from EXIF, XMP, IPTC, a sidecar and the file's name, as cameras, phones, editors and broken
tools write them; whatever cannot be true or read is left out, never an error."""

from __future__ import annotations

import dataclasses
import math
import re
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from imgsearch.dataclass import dataclass
from imgsearch.photos import dates, iptc, safe_text, xmp
from imgsearch.photos.dates import Moment, Precision

if TYPE_CHECKING:
    from PIL.Image import Exif

Source = Literal["exif", "xmp", "iptc", "name", "film"]

EXIF_IFD, GPS_IFD = 0x8769, 0x8825
MAKE, MODEL, LENS_MODEL, SOFTWARE, DESCRIPTION = 0x010F, 0x0110, 0xA434, 0x0131, 0x010E
DATE_TIME, OFFSET_TIME = 0x0132, 0x9010
DATES = ((0x9003, 0x9011), (0x9004, 0x9012))  # original, digitized; each with its offset
GPS_TIME, GPS_DATE = 7, 29  # in UTC
LATITUDE_REF, LATITUDE, LONGITUDE_REF, LONGITUDE = 1, 2, 3, 4
XMP, IIM, PHOTOSHOP = 700, 33723, 34377  # tags of a TIFF that hold the other kinds
WINDOWS_TITLE, WINDOWS_COMMENT, WINDOWS_KEYWORDS, WINDOWS_RATING = 40091, 40092, 40094, 18246

_UNREADABLE = (  # what Pillow raises on broken EXIF
    OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError,
    EOFError, struct.error,
)  # fmt: skip
_EDITORS = re.compile(
    r"adobe|photoshop|lightroom|gimp|darktable|rawtherapee|capture one|affinity|picasa|digikam"
    r"|paint|acdsee|luminar|photos? |irfanview|xnview|imagemagick|snapseed|pixelmator|dxo|windows",
    re.I,
)
_NO_CAPTION = re.compile(  # what cameras write into every photo
    r"((olympus|minolta|konica minolta|kodak|samsung|fuji\w*) )?digital (still )?camera|sony dsc"
    r"|samsung|dcim\S*|exif_jpeg\S*|default|<.*>|\W*",
    re.I,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The first ten fields as in `imgsearch.index.base.Record`. Texts are in Unicode form NFC, in
    one line, without control characters, and of bounded length."""

    format: str  # as Pillow names it: "JPEG"
    width: int  # pixels, upright
    height: int
    taken: str | None = (
        None  # ISO 8601 local time: "2024-05-01T12:30:00"; of a year its first second
    )
    taken_offset: str | None = None  # "+02:00"
    latitude: float | None = None  # degrees, WGS 84
    longitude: float | None = None
    camera: str | None = None  # make and model, the make once
    lens: str | None = None
    taken_precision: Precision | None = None  # how much of `taken` is known
    taken_source: Source | None = None  # "name": the file's name, which a messenger may have made
    title: str | None = None
    caption: str | None = None
    keywords: tuple[str, ...] = ()  # of a hierarchy each level
    rating: int | None = None  # 1 to 5; -1: rejected
    stated_city: str | None = None  # as its writer spelled it
    stated_country: str | None = None
    perceptual_hash: str | None = None  # of the pixels; None where they were not decoded

    @property
    def orientation(self) -> Literal["landscape", "portrait", "square"]:
        if self.width == self.height:
            return "square"
        return "landscape" if self.width > self.height else "portrait"

    @property
    def megapixels(self) -> float:
        return self.width * self.height / 1e6


def read(
    exif: Exif | None,
    *,
    format: str,
    width: int,
    height: int,
    packet: bytes | None = None,
    iim: bytes | None = None,
) -> Metadata:
    """`exif`: None where the picture has none that can be read. `packet`: its XMP. `iim`: its
    IPTC."""
    main: Mapping[int, Any] = exif if exif is not None else {}
    details, gps = _section(exif, EXIF_IFD), _section(exif, GPS_IFD)
    properties = xmp.parse(packet or _bytes(main, XMP))
    datasets = iptc.parse(iim or _bytes(main, IIM) or _iim_of_photoshop(main))
    moment, source = _taken(main, details, gps, properties, datasets)
    latitude, longitude = _place(gps)
    if latitude is None:
        latitude, longitude = _place_of(properties)
    described = _text(main, DESCRIPTION, safe_text.CAPTION)
    if described and _NO_CAPTION.fullmatch(described):
        described = None
    fields = _described(properties)
    return Metadata(
        format=format,
        width=width,
        height=height,
        **_moment(moment, source),
        latitude=latitude,
        longitude=longitude,
        camera=camera_of(_text(main, MAKE), _text(main, MODEL)),
        lens=_text(details, LENS_MODEL),
        title=fields.get("title") or _first(datasets, iptc.TITLE, iptc.HEADLINE)
        or _windows(main, WINDOWS_TITLE),
        caption=fields.get("caption") or _first(datasets, iptc.CAPTION, most=safe_text.CAPTION)
        or described or _windows(main, WINDOWS_COMMENT),
        keywords=fields.get("keywords") or safe_text.keywords(datasets.get(iptc.KEYWORDS, ()))
        or safe_text.keywords(
            (_windows(main, WINDOWS_KEYWORDS, safe_text.CAPTION) or "").split(";")
        ),
        rating=fields.get("rating") or _rating(_value(main, WINDOWS_RATING)),
        stated_city=fields.get("stated_city") or _first(datasets, iptc.CITY),
        stated_country=fields.get("stated_country") or _first(datasets, iptc.COUNTRY),
    )  # fmt: skip


def completed(found: Metadata, *, name: str = "", sidecar: bytes = b"") -> Metadata:
    """With what a sidecar says, whose texts, keywords and rating replace the picture's own, since
    they are what was edited last; and with the date in the file's name where there is no other."""
    changes: dict[str, Any] = {}
    if sidecar:
        properties = xmp.parse(sidecar)
        changes |= _described(properties)
        if found.taken is None:
            changes |= _moment(_moment_of(properties), "xmp")
        if found.latitude is None:
            changes["latitude"], changes["longitude"] = _place_of(properties)
    if (changes.get("taken") or found.taken) is None:
        changes |= _moment(dates.of_name(name), "name")
    return dataclasses.replace(found, **changes) if changes else found


def _moment(moment: Moment | None, source: Source | None) -> dict[str, Any]:
    if moment is None:
        return {}
    return {
        "taken": moment.taken,
        "taken_offset": moment.offset,
        "taken_precision": moment.precision,
        "taken_source": source,
    }


def _described(properties: xmp.Properties) -> dict[str, Any]:
    """Fields of Metadata that XMP sets."""
    tags = [
        *properties.get("dc:subject", ()),
        *(part for tag in properties.get("lr:hierarchicalSubject", ()) for part in tag.split("|")),
        *(part for tag in properties.get("digiKam:TagsList", ()) for part in tag.split("/")),
        *properties.get("MicrosoftPhoto:LastKeywordXMP", ()),
    ]
    fields = {
        "title": _property(properties, "dc:title") or _property(properties, "photoshop:Headline"),
        "caption": _property(properties, "dc:description", safe_text.CAPTION),
        "keywords": safe_text.keywords(tags),
        "rating": _rating(_property(properties, "xmp:Rating")),
        "stated_city": _property(properties, "photoshop:City"),
        "stated_country": _property(properties, "photoshop:Country"),
    }
    return {name: value for name, value in fields.items() if value}


def _property(properties: xmp.Properties, name: str, most: int = safe_text.TITLE) -> str | None:
    return next(
        filter(None, (safe_text.clean(text, most) for text in properties.get(name, ()))), None
    )


def _first(datasets: iptc.Datasets, *numbers: int, most: int = safe_text.TITLE) -> str | None:
    texts = (safe_text.clean(text, most) for number in numbers for text in datasets.get(number, ()))
    return next(filter(None, texts), None)


def _rating(value: Any) -> int | None:
    """A rating from 1 to 5; None for 0, which means not rated."""
    try:
        rating = round(float(value))
    except _UNREADABLE:
        return None
    return rating if rating == -1 or 1 <= rating <= 5 else None


def _bytes(tags: Mapping[int, Any], tag: int) -> bytes:
    value = _value(tags, tag)
    return value if isinstance(value, bytes) else b""


def _iim_of_photoshop(main: Mapping[int, Any]) -> bytes:
    return iptc.photoshop_resource(_bytes(main, PHOTOSHOP), iptc.RESOURCE)


def _windows(main: Mapping[int, Any], tag: int, most: int = safe_text.TITLE) -> str | None:
    """A text of Windows Explorer's tags, which are UTF-16."""
    data = _bytes(main, tag)
    return safe_text.clean(data.decode("utf-16-le", "replace").partition("\0")[0], most)


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


def _text(tags: Mapping[int, Any], tag: int, most: int = safe_text.TITLE) -> str | None:
    value = _value(tags, tag)
    if isinstance(value, str):  # Pillow takes every text for Latin-1
        try:
            value = value.encode("latin-1")
        except UnicodeEncodeError:
            return safe_text.clean(value.partition("\0")[0], most)
    return (
        safe_text.clean(safe_text.decoded(value).partition("\0")[0], most)
        if isinstance(value, bytes)
        else None
    )


def camera_of(make: str | None, model: str | None) -> str | None:
    """Make and model, the make once."""
    if not make or not model:
        return model or make
    brand = make.split()[0].casefold()  # "NIKON CORPORATION" makes the "NIKON D750"
    return model if model.casefold().startswith(brand) else f"{make} {model}"


def _taken(
    main: Mapping[int, Any],
    details: Mapping[int, Any],
    gps: Mapping[int, Any],
    properties: xmp.Properties,
    datasets: iptc.Datasets,
) -> tuple[Moment | None, Source | None]:
    """The best date there is, and where it stood."""
    for date_tag, offset_tag in DATES:
        offset = _text(details, offset_tag) or _text(details, OFFSET_TIME)
        if moment := dates.parse(_text(details, date_tag), offset):
            return moment, "exif"
    if moment := _moment_of(properties):
        return moment, "xmp"
    if moment := _moment_of_iim(datasets):
        return moment, "iptc"
    if _is_cameras(main) and (
        moment := dates.parse(_text(main, DATE_TIME), _text(details, OFFSET_TIME))
    ):
        return moment, "exif"
    moment = _moment_of_gps(gps)
    return moment, "exif" if moment else None


def _is_cameras(main: Mapping[int, Any]) -> bool:
    """Whether DateTime is when the photo was taken: a camera says who it is, and no editor, which
    writes the time of the last change there, has been over it."""
    if not (_text(main, MAKE) or _text(main, MODEL)):
        return False
    return not _EDITORS.search((_text(main, SOFTWARE) or "") + " ")


def _moment_of(properties: xmp.Properties) -> Moment | None:
    names = ("exif:DateTimeOriginal", "photoshop:DateCreated", "xmp:CreateDate")
    found = (dates.parse(_property(properties, name)) for name in names)
    return next(filter(None, found), None)


def _moment_of_iim(datasets: iptc.Datasets) -> Moment | None:
    """The date and time of IPTC's 20190714 and 123045+0200, with separators too."""
    day = re.sub(r"[-:/.]", "", _first(datasets, iptc.DATE) or "")
    time = (_first(datasets, iptc.TIME) or "").replace(":", "")
    if not re.fullmatch(r"\d{8}", day):
        return None
    return dates.parse(day + time) or dates.parse(f"{day[:4]}:{day[4:6]}:{day[6:]}")


def _moment_of_gps(gps: Mapping[int, Any]) -> Moment | None:
    day = _text(gps, GPS_DATE)
    try:
        hour, minute, second = (int(part) for part in _value(gps, GPS_TIME))
    except _UNREADABLE:
        return dates.parse(day)
    return dates.parse(f"{day} {hour:02}:{minute:02}:{second:02}", "+00:00") if day else None


def _place_of(properties: xmp.Properties) -> tuple[float, float] | tuple[None, None]:
    latitude = xmp.degrees(_property(properties, "exif:GPSLatitude") or "", {"N": 1, "S": -1})
    longitude = xmp.degrees(_property(properties, "exif:GPSLongitude") or "", {"E": 1, "W": -1})
    if latitude is None or longitude is None or latitude == longitude == 0:
        return None, None
    if abs(latitude) > 90 or abs(longitude) > 180:
        return None, None
    return round(latitude, 7), round(longitude, 7)


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
        parts = [float(part) for part in (value if isinstance(value, tuple) else (value,))]
    except _UNREADABLE:
        return None
    if sign is None or not 1 <= len(parts) <= 3:
        return None
    # 0/0: without its seconds a place is a place; without its minutes only if degrees have decimals
    for at in range(len(parts) - 1, 0, -1):
        if math.isnan(parts[at]) and (at == 2 or parts[0] % 1):
            parts[at] = 0
    degrees: float = sum(part / 60**power for power, part in enumerate(parts))
    if not math.isfinite(degrees) or not 0 <= degrees <= limit:  # 0/0 and 1/0 in a rational
        return None
    return round(sign * degrees, 7)  # a centimetre
