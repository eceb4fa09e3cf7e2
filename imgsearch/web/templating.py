"""How values are written on a page: names and dates come from strangers, and are escaped twice over
(as text, so that no control or bidirectional character acts; and as HTML, by Jinja)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import jinja2
from starlette.responses import HTMLResponse

from imgsearch.escaping import shown
from imgsearch.output.captions import alternative_text, found_part, name, ratio, ratio_step
from imgsearch.output.console import moment, size
from imgsearch.photos.film_formats import FORMATS
from imgsearch.question import RATINGS

if TYPE_CHECKING:
    from starlette.requests import Request

    from imgsearch.index.base import Part, Record

TEMPLATES = Path(__file__).parent / "templates"


def environment() -> jinja2.Environment:
    """Templates that escape all they are given."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "shown": lambda value: shown(str(value)),
        "path": shown,
        "bytes": size,
        "moment": moment,
        "name": name,
        "thumbnail": thumbnail,
        "found_part": found_part,
        "film": film,
        "is_film": lambda record: record.format in FORMATS,
        "ratio": ratio,
        "ratio_step": ratio_step,
        "alt": alternative_text,
        "facts": facts,
        "copy_facts": copy_facts,
    }
    return found


def page(
    request: Request,
    template: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    /,
    **values: Any,
) -> HTMLResponse:
    """A page of a template; `values`: what it names."""
    state = request.app.state
    text = state.templates.get_template(template).render(
        **{"path": request.url.path, "hidden": None, **values}
    )
    return HTMLResponse(text, status, {"cache-control": "private, no-store", **(headers or {})})


def film(record: Record, moment: float | None = None) -> str:
    """The address from which a film is played, from `moment` on (seconds)."""
    start = "" if moment is None else f"#t={moment:.3f}"
    return f"/film/{quote(record.id, safe='')}{start}"


def thumbnail(record: Record, size: int, part: Part | None = None) -> str:
    """Its address, which changes with the picture, so that browsers may keep it. `part`: is shown
    as `Thumbnails.get` says."""
    version = quote(record.content_hash[:16], safe="")
    shown = ""
    if part is not None and part.moment is not None:
        shown = f"&moment={part.moment:.3f}"
    elif part is not None:
        name = "page" if part.box is None else "box"
        shown = f"&{name}={','.join(map(str, part.place))}"
    return f"/thumbnail/{quote(record.id, safe='')}?size={size}&v={version}{shown}"


def facts(record: Record) -> Iterator[tuple[str, str]]:
    """What a person wants to know of a photo, in this order; what is not known is left out."""
    folder = record.relative_path.rpartition("/")[0]
    yield "Library", record.library
    if folder:
        yield "Folder", folder
    if record.taken_known:
        yield "Taken", record.taken_known.replace("T", " ") + _offset(record)
    place = _place(record)
    if place:
        yield "Place", place
    if record.latitude is not None and record.longitude is not None:
        yield "Position", f"{record.latitude:.5f}, {record.longitude:.5f}"
    yield from _told(record)
    if record.camera:
        yield "Camera", record.camera
    if record.lens:
        yield "Lens", record.lens
    if record.width and record.height:
        megapixels = record.width * record.height / 1e6
        yield "Pixels", f"{record.width} × {record.height} ({megapixels:.1f} megapixels)"
    yield "File size", f"{size(record.size)}, {record.format}"


def _offset(record: Record) -> str:
    """From UTC, of a time that is known."""
    return record.taken_offset or "" if record.taken_known == record.taken else ""


def _place(record: Record) -> str:
    """City and country in words, as far as they are known."""
    from imgsearch import gazetteer

    country = record.country and (gazetteer.country_name(record.country) or record.country)
    return ", ".join(filter(None, (record.city, country)))


def _told(record: Record) -> Iterator[tuple[str, str]]:
    """What somebody wrote about it."""
    if record.title:
        yield "Title", record.title
    if record.caption:
        yield "Caption", record.caption
    if record.tags:
        yield "Tags", ", ".join(record.tags)
    if record.rating is not None:
        yield "Rating", "rejected" if record.rating < 0 else f"{record.rating} of {RATINGS}"


def copy_facts(record: Record) -> Iterator[tuple[str, str, str]]:
    """Of one copy among others: which of `copies.DIFFERENCES`, its name, and its value."""
    folder = record.relative_path.rpartition("/")[0]
    yield "name", "Name", name(record)
    yield "folder", "Folder", "/".join(filter(None, (record.library, folder)))
    if record.width and record.height:
        yield "pixels", "Pixels", f"{record.width} × {record.height}"
    yield "size", "File size", size(record.size)
    yield "format", "Kind", record.format
    yield "taken", "Taken", (record.taken_known or "no date").replace("T", " ")


def record_values(record: Record) -> dict[str, Any]:
    """What is told of a photo. No absolute path: where folders lie on the server is its own
    affair."""
    return {
        "id": record.id,
        "library": record.library,
        "relative_path": record.relative_path,
        "taken": record.taken,
        "taken_precision": record.taken_precision,
        "width": record.width,
        "height": record.height,
        "bytes": record.size,
        "format": record.format,
        "camera": record.camera,
        "lens": record.lens,
        "title": record.title,
        "caption": record.caption,
        "tags": list(record.tags),
        "rating": record.rating,
        "latitude": record.latitude,
        "longitude": record.longitude,
        "country": record.country,
        "city": record.city,
        "thumbnail": f"/api/v1/thumbnails/{record.id}",
    }
