"""What a film's container says of it: date, place, camera, title. As with photos, whatever cannot
be true or read is left out, never an error."""

from __future__ import annotations

import re
from collections.abc import Mapping

from imgsearch.photos import dates, safe_text
from imgsearch.photos.dates import Moment
from imgsearch.photos.metadata import Metadata, camera_of

_PLACE = re.compile(r"([+-]\d{2,3}(?:\.\d{1,12})?)([+-]\d{3}(?:\.\d{1,12})?)(?![\d.])")  # ISO 6709
_FIRST_YEAR = "1980"  # clocks that were never set say 1904 or 1970
_APPLE = "com.apple.quicktime."
_LOCAL_DATES = (_APPLE + "creationdate", "date_recorded", "date", "icrd", "datetimeoriginal")
_UTC_DATES = ("creation_time",)
_PLACES = (_APPLE + "location.iso6709", "location", "location-eng", "location.iso6709")
_MAKES = (_APPLE + "make", "com.android.manufacturer", "make", "manufacturer")
_MODELS = (_APPLE + "model", "com.android.model", "model")
_TITLES = (_APPLE + "title", _APPLE + "displayname", "title")
_CAPTIONS = (_APPLE + "description", "description", "comment", "synopsis")
_KEYWORDS = (_APPLE + "keywords", "keywords")


def read(said: Mapping[str, str], *, format: str, width: int, height: int) -> Metadata:
    """`said`: the container's texts by their names. `width`, `height`: pixels, upright."""
    texts = {name.lower(): text for name, text in said.items()}
    moment = _moment(texts)
    latitude, longitude = _place(_first(texts, _PLACES) or "")
    return Metadata(
        format=format,
        width=width,
        height=height,
        taken=None if moment is None else moment.taken,
        taken_offset=None if moment is None else moment.offset,
        taken_precision=None if moment is None else moment.precision,
        taken_source=None if moment is None else "film",
        latitude=latitude,
        longitude=longitude,
        camera=camera_of(_first(texts, _MAKES), _first(texts, _MODELS)),
        title=_first(texts, _TITLES),
        caption=_first(texts, _CAPTIONS, safe_text.CAPTION),
        keywords=safe_text.keywords(re.split("[;,]", _first(texts, _KEYWORDS) or "")),
    )


def _first(
    texts: Mapping[str, str], names: tuple[str, ...], most: int = safe_text.TITLE
) -> str | None:
    found = (safe_text.clean(texts[name], most) for name in names if name in texts)
    return next(filter(None, found), None)


def _moment(texts: Mapping[str, str]) -> Moment | None:
    """The time by the clock on the wall where the camera wrote it, else the one in UTC."""
    for names, offset in ((_LOCAL_DATES, None), (_UTC_DATES, "+00:00")):
        for name in names:
            moment = dates.parse(texts.get(name), offset)
            if moment is not None and moment.taken >= _FIRST_YEAR:
                return moment
    return None


def _place(text: str) -> tuple[float, float] | tuple[None, None]:
    """The degrees of "+48.8577+002.2950+035.0/"."""
    found = _PLACE.match(text.strip())
    if found is None:
        return None, None
    latitude, longitude = float(found[1]), float(found[2])
    if abs(latitude) > 90 or abs(longitude) > 180 or latitude == longitude == 0:
        return None, None
    return round(latitude, 7), round(longitude, 7)
