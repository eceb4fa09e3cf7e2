"""A gallery of hits: one HTML file with its thumbnails inside, which opens from a mail without
network. It says nothing of folders and of positions on the earth: whoever is sent it sees the
pictures, their names, dates and scores."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.dataclass import dataclass
from imgsearch.escaping import shown
from imgsearch.output import captions
from imgsearch.results import located

if TYPE_CHECKING:
    import jinja2

    from imgsearch.results import Hit
    from imgsearch.thumbnails import Thumbnails

SIZES = (480, 240)  # pixels of the longer side of a thumbnail
MANY = 300  # photos; from so many on the smaller size is taken, or no mail could take the file
_FOLDER = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Example:
    """A picture that was asked with. `webp`: None where it cannot be shown."""

    caption: str
    webp: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A question, or a selection, and its photos. `about`: what else was asked for, such as a
    date; may be empty. `told`: what stands ahead of the first photo that does not fit, empty:
    nothing."""

    title: str
    hits: Sequence[Hit]
    about: str = ""
    told: str = ""
    examples: Sequence[Example] = ()


def html(sections: Sequence[Section], thumbnails: Thumbnails) -> Iterator[str]:
    """The file, piece by piece: a thumbnail is made when its piece is asked for. A photo whose file
    is missing, lies on another machine or cannot be read is a frame with its name."""
    photos = sum(len(section.hits) for section in sections)
    size = SIZES[photos > MANY]
    for section in sections:
        thumbnails.prepare(located(section.hits), size)
    environment = _environment(lambda hit: thumbnails.of(hit, size))
    style = _style(sections)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template("gallery.html").generate(
        title=sections[0].title if len(sections) == 1 else f"{len(sections)} questions",
        sections=sections,
        photos=photos,
        style=style,
        style_hash=digest,
    )


def _environment(picture: Callable[[Hit], bytes | None]) -> jinja2.Environment:
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "shown": shown,
        "name": captions.name,
        "found_part": captions.found_part,
        "alt": captions.alternative_text,
        "step": captions.ratio_step,
        "width": lambda hit: round(240 * captions.ratio(hit.record)),
        "picture": lambda hit: _encoded(picture(hit)),
        "encoded": _encoded,
        "absent": lambda hit: "The file is missing" if hit.missing else "Not on this machine",
    }
    return made


def _encoded(webp: bytes | None) -> str | None:
    return None if webp is None else base64.b64encode(webp).decode("ascii")


def _style(sections: Sequence[Section]) -> str:
    """With a rule for each proportion that a picture here has: a page without inline styles cannot
    say it beside the picture."""
    steps = {captions.ratio_step(hit.record) for section in sections for hit in section.hits}
    rules = (
        f".r{step} {{ flex: {step / 10:g} 1 calc(var(--row) * {step / 10:g}); }}\n"
        for step in sorted(steps)
    )
    return (_FOLDER / "gallery.css").read_text("utf-8") + "".join(rules)
