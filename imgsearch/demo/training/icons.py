"""Icons out of the sets of @iconify-json, which `npm install` puts into node_modules: of emoji by
their Unicode names, and of plain objects (umbrella, bicycle, fish) by the names designers give."""

from __future__ import annotations

import io
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import resvg_py  # type: ignore[import-not-found, unused-ignore]  # only the training needs it
from PIL import Image

from imgsearch.demo.training.concepts import Concept, icon_names

PACKAGES = Path(os.environ.get("DEMO_PACKAGES", "node_modules"))
SIDE = 160  # pixels of a drawing
COLOUR_SETS = ("twemoji", "fluent-emoji", "fluent-emoji-flat", "noto-v1", "emojione", "fxemoji")
INK_SETS = ("fluent-emoji-high-contrast", "emojione-monotone")
OBJECT_SETS = {  # name -> whether in colour; else one ink
    "streamline-emojis": True,
    "flat-color-icons": True,
    "streamline-kameleon-color": True,
    "streamline-stickies-color": True,
    "streamline-ultimate-color": True,
    "streamline-plump-color": True,
    "streamline-freehand-color": True,
    "fluent-color": True,
    "meteocons": True,
    "marketeq": True,
} | dict.fromkeys(
    (
        "basil",
        "bi",
        "bx",
        "bxs",
        "carbon",
        "cil",
        "clarity",
        "f7",
        "fa6-solid",
        "fa7-solid",
        "fluent",
        "fluent-mdl2",
        "fontisto",
        "foundation",
        "game-icons",
        "guidance",
        "healthicons",
        "hugeicons",
        "ic",
        "icon-park-outline",
        "icon-park-solid",
        "iconoir",
        "icons8",
        "ion",
        "jam",
        "la",
        "lets-icons",
        "lucide",
        "lucide-lab",
        "mage",
        "majesticons",
        "maki",
        "map",
        "material-symbols",
        "mdi",
        "memory",
        "mingcute",
        "mynaui",
        "nrk",
        "ph",
        "pixelarticons",
        "proicons",
        "raphael",
        "ri",
        "solar",
        "streamline",
        "streamline-cyber",
        "streamline-freehand",
        "streamline-plump",
        "streamline-sharp",
        "streamline-ultimate",
        "tabler",
        "tdesign",
        "temaki",
        "uil",
        "uit",
        "vaadin",
        "whh",
    ),
    False,
)
A_SET = 2  # icons of one concept taken from one set: an outline and a filled form, mostly
# what designers append to the name of a thing for another form of it
_FORMS = re.compile(
    r"(-(line|linear|outline|outlined|fill|filled|solid|bold|duotone|twotone|thin|light|broken"
    r"|regular|rounded|round|sharp|variant|alt|o|color|icon|remix|stroke|flat|freehand|micro"
    r"|\d+px|\d+))+$"
)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


@cache
def _icon_set(name: str) -> dict[str, str]:
    """An icon set: icon's name -> SVG."""
    loaded = json.loads((PACKAGES / "@iconify-json" / name / "icons.json").read_text("utf-8"))
    side = {"left": 0, "top": 0, "width": 16, "height": 16}
    side |= {key: loaded[key] for key in side if key in loaded}

    def svg(entry: dict[str, Any]) -> str:
        box = " ".join(str(entry.get(key, value)) for key, value in side.items())
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" color="black">'
            f"{entry['body']}</svg>"
        )

    icons = {icon: svg(entry) for icon, entry in loaded["icons"].items()}
    for alias, entry in loaded.get("aliases", {}).items():
        if set(entry) == {"parent"} and entry["parent"] in icons:
            icons[alias] = icons[entry["parent"]]
    return icons


@cache
def _by_plain_name(name: str) -> dict[str, str]:
    return {_plain(icon): svg for icon, svg in _icon_set(name).items()}


def _drawn(svg: str) -> Image.Image | None:
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=SIDE, height=SIDE))
    image = Image.open(io.BytesIO(png)).convert("RGBA")
    box = image.getbbox()
    return image.crop(box) if box else None


def icon(set_name: str, code_points: str) -> Image.Image | None:
    """The emoji in an icon set of emoji, cropped; None where the set lacks it."""
    icons = _by_plain_name(set_name)
    svg = next((icons[n] for n in sorted(icon_names(code_points)) if n in icons), None)
    return _drawn(svg) if svg else None


class Objects:
    """Which icons of other sets show a concept.

    An icon does when its name is the concept's English or Unicode name; or the one word of it that
    is also a keyword, if no other concept is called so ("paw" for "paw prints").
    """

    def __init__(self, concepts: Sequence[Concept]) -> None:
        self._names: dict[str, set[str]] = {}
        said = Counter(
            word
            for concept in concepts
            for word in {*_words(concept.names["en"]), *map(_plain, concept.keywords.get("en", []))}
        )
        full = {_plain(concept.names["en"]) for concept in concepts}
        for concept in concepts:
            own = {_plain(concept.names["en"])}
            for code_points in concept.emoji:
                own |= icon_names(code_points)
            keywords = {_plain(word) for word in concept.keywords.get("en", [])}
            own |= {
                word
                for word in _words(concept.names["en"])
                if said[word] == 1 and word in keywords and word not in full
            }
            self._names[concept.id] = own

    def of(self, concept: Concept, set_name: str) -> Iterator[Image.Image]:
        """At most A_SET icons of the set, cropped."""
        by_thing = _by_thing(set_name)
        found = [svg for name in sorted(self._names[concept.id]) for svg in by_thing.get(name, [])]
        step = max(1, len(found) // A_SET)
        for svg in found[::step][:A_SET]:
            if image := _drawn(svg):
                yield image


def _words(name: str) -> set[str]:
    return {_plain(word) for word in re.split(r"[\s-]", name) if len(word) > 2}


@cache
def _by_thing(set_name: str) -> dict[str, list[str]]:
    """What an icon shows -> all forms of it."""
    things: dict[str, list[str]] = {}
    for name, svg in _icon_set(set_name).items():
        things.setdefault(_plain(_FORMS.sub("", name)), []).append(svg)
    return things
