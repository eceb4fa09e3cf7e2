"""XMP, inside a picture or in a sidecar: the few properties that a search wants.

It is XML by strangers. There is no document type in XMP, so the first sign of one ends the reading,
and with it every entity; size, depth and the number of values are bounded. What was read before a
fault is kept."""

from __future__ import annotations

import codecs
import contextlib
import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any
from xml.parsers import expat

from imgsearch.dataclass import dataclass

MOST_BYTES = 4 << 20  # darktable's with a long history have 1 MB
_MOST_DEPTH = 64
_MOST_VALUES = 2000
_MOST_TEXT = 20_000  # characters of one value

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_LANGUAGE = "http://www.w3.org/XML/1998/namespace lang"
_NAMESPACES = {
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://ns.adobe.com/lightroom/1.0/": "lr",
    "http://www.digikam.org/ns/1.0/": "digiKam",
    "http://ns.microsoft.com/photo/1.0/": "MicrosoftPhoto",
}
_WANTED = {
    "dc:title", "dc:description", "dc:subject", "xmp:Rating", "xmp:CreateDate",
    "photoshop:DateCreated", "photoshop:City", "photoshop:Country", "photoshop:Headline",
    "exif:DateTimeOriginal", "exif:GPSLatitude", "exif:GPSLongitude", "lr:hierarchicalSubject",
    "digiKam:TagsList", "MicrosoftPhoto:LastKeywordXMP",
}  # fmt: skip

Properties = Mapping[str, list[str]]  # by name with its usual prefix: "dc:title"


def parse(packet: bytes) -> Properties:
    """Empty for what is no XMP. Of a text in several languages the default one comes first."""
    packet = packet[:MOST_BYTES].strip(b"\0 \r\n\t")
    if b"\0" in packet[:4]:  # UTF-16
        return _Reading().of(packet, None)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(packet)  # it may end within a character
    except UnicodeDecodeError:
        packet = packet.decode("latin-1").encode()
    return _Reading().of(packet, "utf-8")


class _Stop(Exception):
    """Raised where there is nothing more to read, or something that must not be read."""


@dataclass(slots=True)
class _Reading:
    values: dict[str, list[str]] = field(default_factory=dict)
    count: int = 0
    stack: list[str] = field(default_factory=list)
    wanted: str | None = None  # the property whose element is open, and how deep it lies
    depth: int = 0
    text: list[str] = field(default_factory=list)
    default: bool = False

    def of(self, packet: bytes, encoding: str | None) -> dict[str, list[str]]:
        parser = expat.ParserCreate(encoding, namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = self._refuse
        # what comes before a fault counts
        with contextlib.suppress(expat.ExpatError, _Stop, ValueError, LookupError):
            parser.Parse(packet, True)
        return self.values

    def _refuse(self, *_: Any) -> None:
        raise _Stop

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.stack.append(name)
        if len(self.stack) > _MOST_DEPTH:
            raise _Stop
        above = self.stack[-2] if len(self.stack) > 1 else ""
        if name == _RDF + " Description" and above == _RDF + " RDF":
            for attribute, value in attributes.items():
                if (short := _short(attribute)) in _WANTED:
                    self._add(short, value)
        elif above == _RDF + " Description" and self.stack[-3:-2] == [_RDF + " RDF"]:
            short = _short(name)
            self.wanted, self.depth = (short if short in _WANTED else None), len(self.stack)
            self.text, self.default = [], False
        elif name == _RDF + " li" and len(self.stack) == self.depth + 2:
            self.text, self.default = [], attributes.get(_LANGUAGE) == "x-default"

    def _characters(self, data: str) -> None:
        if self.wanted and len(self.text) < _MOST_TEXT:
            self.text.append(data[:_MOST_TEXT])

    def _end(self, name: str) -> None:
        at = len(self.stack)
        self.stack.pop()
        if self.wanted and (at == self.depth or (name == _RDF + " li" and at == self.depth + 2)):
            self._add(self.wanted, "".join(self.text))
            self.text, self.default = [], False
        if at == self.depth:
            self.wanted = None

    def _add(self, name: str, value: str) -> None:
        value = value[:_MOST_TEXT].strip()
        if not value:
            return
        self.count += 1
        if self.count > _MOST_VALUES:
            raise _Stop
        found = self.values.setdefault(name, [])
        found.insert(0 if self.default else len(found), value)


def _short(name: str) -> str:
    namespace, _, local = name.rpartition(" ")
    return f"{_NAMESPACES.get(namespace, '')}:{local}"


def degrees(text: str, signs: Mapping[str, int]) -> float | None:
    """Degrees of "48,51.5N" or "48,51,30N"; of "48.8583N" and "-48.8583" too, which some programs
    write. `signs`: +1 or -1 by the letter at the end."""
    if re.fullmatch(r"[+-]?\d{1,3}\.\d{1,15}", text):
        return float(text)
    found = re.fullmatch(
        r"(\d{1,3}(?:\.\d{1,15}(?!,))?)(?:,(\d{1,2}(?:\.\d{1,12})?))?(?:,(\d{1,2}))?([NSEWnsew])",
        text,
    )
    if found is None or found[4].upper() not in signs:
        return None
    parts = (float(part or 0) for part in found.groups()[:3])
    value: float = sum(part / 60**power for power, part in enumerate(parts))
    return signs[found[4].upper()] * value
