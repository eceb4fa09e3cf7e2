"""Parts of photos as fields of documents, and back. `parts` is nested: each part has its kind, its
place and a vector of its own. `parted` names the kinds that a photo was looked through for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from imgsearch.index.base import PART_KINDS, PartKind, Parts
from imgsearch.index.elasticsearch.documents import is_text, packed, refusal, unpacked
from imgsearch.index.elasticsearch.features import PARTS_SINCE, Features
from imgsearch.index.elasticsearch.requests import (
    LINE_COUNT,
    LINE_WORDS,
    LINES,
    PARTED,
    PARTS,
    parts_mapping,
)
from imgsearch.index.records import (
    NO_TEXTS,
    Part,
    PartTexts,
    PartVectors,
    Place,
    is_place,
    parts_mark,
    texts_in,
    with_vectors,
)
from imgsearch.models.base import Vector
from imgsearch.word_splitting import words_read

if TYPE_CHECKING:
    from imgsearch.index.elasticsearch.catalogue import Found
    from imgsearch.index.elasticsearch.current_index import LiveIndex

MOST_LINES = 500  # of text in a photo, and characters of a line: an ingest writes fewer
_FIELDS = {PARTS, PARTED, LINES, LINE_COUNT, LINE_WORDS}
MOST = 5000  # parts of a photo: by default a server takes twice as many nested objects


def why_none(found: Found, place: str, features: Features) -> str | None:
    """Why an index can hold no parts of photos; None: it can."""
    if not features.searches_parts:
        needed = ".".join(map(str, PARTS_SINCE))
        return (
            f"{place} is on Elasticsearch {features}, which cannot search parts of photos;"
            f" {needed} and later can."
        )
    if not found.ours:
        return f"{place} was not made by imgsearch: it holds whole photos, without their parts."
    theirs = [] if found.holds_parts else sorted(found.properties.keys() & _FIELDS)
    if theirs:
        return (
            f"{place} has fields of another program where parts of photos would be"
            f" ({', '.join(theirs)}): it holds whole photos, without their parts."
        )
    return None


def add(index: LiveIndex) -> None:
    """Makes sure that an index that can hold parts has the fields for them."""
    if index.found.holds_parts:
        return
    index.reload()  # another machine may have been faster
    reason = why_none(index.found, index.place, index.cluster.features)
    if reason is not None:
        raise ValueError(f"parts are not written where there can be none: {reason}")
    if not index.found.holds_parts:
        body = {"properties": parts_mapping(index.found.vector)}
        index.reader.call("PUT", "/_mapping", body)
        index.reload()


def fields_of(parts: Parts, *, pack: bool) -> dict[str, Any]:
    """The fields of a document. `pack`: vectors as base64, else as numbers."""
    each = [
        {"kind": kind, "place": list(place), "vector": packed(vector) if pack else vector}
        for kind, (places, vectors) in with_vectors(parts).items()
        for place, vector in zip(places, np.ascontiguousarray(vectors, np.float32), strict=True)
    ]
    read = texts_in(parts)
    lines = [{"place": list(place), "text": text} for place, text in zip(*read, strict=True)]
    return {
        PARTED: [kind for kind in PART_KINDS if kind in parts] or None,
        PARTS: each or None,
        LINES: lines or None,
        LINE_COUNT: len(lines) or None,
        LINE_WORDS: list(words_read(read.texts).values()) or None,
    }


def refused(parts: Parts, dims: int) -> str | None:
    """Why parts cannot be stored, if so."""
    count = sum(len(places) for places, _ in with_vectors(parts).values())
    if count > MOST:
        return f"it has {count:,} parts; an index on a cluster takes {MOST:,} of a photo"
    for kind, (places, vectors) in with_vectors(parts).items():
        if len(places) != len(vectors) or not all(is_place(kind, place) for place in places):
            return f"a place of its parts cannot be one ({kind})"
        for vector in vectors:
            reason = refusal(vector, dims)
            if reason is not None:
                return f"of a part, {reason}"
    places, texts = texts_in(parts)
    if len(places) != len(texts) or not all(is_place("text", place) for place in places):
        return "a place of its text cannot be one"
    if len(texts) > MOST_LINES or any(len(text) > MOST_LINES for text in texts):
        return "it has more text than an index holds"
    return None if all(map(is_text, texts)) else "its text cannot be stored"


class Stored(NamedTuple):
    """Of one document. None: it holds no vector that can be compared; it was not looked through for
    parts."""

    vector: Vector | None
    parts: Parts | None


def kinds_of(source: Any) -> tuple[PartKind, ...]:
    """The kinds of parts that a document's photo was looked through for."""
    named = _list(source.get(PARTED)) if isinstance(source, Mapping) else []
    return tuple(kind for kind in PART_KINDS if kind in named)


def mark_of(value: Any) -> int:
    """The same of the values of `parted`, as `parts_mark` has it."""
    return parts_mark(kinds_of({PARTED: value}))


def count_of(source: Any) -> int:
    return len(_list(source.get(PARTS))) if isinstance(source, Mapping) else 0


def part_of(value: Any) -> Part | None:
    """The part that an object of `parts` is; None where it can be none."""
    kind = value.get("kind") if isinstance(value, Mapping) else None
    if kind not in PART_KINDS or kind == "text":
        return None
    place = _place(kind, value)
    return None if place is None else Part(kind, place)


def _place(kind: PartKind, value: Mapping[str, Any]) -> Place | None:
    place = tuple(_list(value.get("place")))
    if not all(type(number) is int for number in place):
        return None
    return place if is_place(kind, place) else None


def parts_of(source: Any, dims: int) -> Parts | None:
    """The parts in a document, whoever wrote it: what cannot be one is left out."""
    found: dict[PartKind, list[tuple[Place, Vector]]] = {kind: [] for kind in kinds_of(source)}
    if not found:
        return None
    for value in _list(source.get(PARTS)):
        part = part_of(value)
        vector = None if part is None else unpacked(value.get("vector"), dims)
        if part is not None and vector is not None and part.kind in found:
            found[part.kind].append((part.place, vector))
    return {
        kind: texts_of(source) if kind == "text" else _together(each, dims)
        for kind, each in found.items()
    }


def texts_of(source: Any) -> PartTexts:
    """The lines of text in a document, whoever wrote it: what cannot be one is left out."""
    if not isinstance(source, Mapping):
        return NO_TEXTS
    read = [
        (place, value["text"])
        for value in _list(source.get(LINES))[:MOST_LINES]
        if isinstance(value, Mapping)
        and is_text(value.get("text"), MOST_LINES)
        and (place := _place("text", value)) is not None
    ]
    return PartTexts(tuple(place for place, _ in read), tuple(text for _, text in read))


def faults_of(source: Any) -> tuple[str, ...]:
    """The fields of parts whose values imgsearch would not have written so, in a document that was
    read without vectors. Kinds that this version does not know are a later one's."""
    if not isinstance(source, Mapping):
        return ()
    sound = {
        PARTED: all(isinstance(kind, str) for kind in _list(source.get(PARTED))),
        PARTS: all(map(_is_sound, _list(source.get(PARTS)))),
        LINES: len(texts_of(source).texts) == len(_list(source.get(LINES))),
    }
    return tuple(field for field, is_sound in sound.items() if not is_sound)


def _is_sound(value: Any) -> bool:
    kind = value.get("kind") if isinstance(value, Mapping) else None
    return isinstance(kind, str) and (part_of(value) is not None or kind not in PART_KINDS)


def _list(value: Any) -> list[Any]:
    """A field's values, of which one may stand alone."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _together(parts: list[tuple[Place, Vector]], dims: int) -> PartVectors:
    vectors = np.array([vector for _, vector in parts], np.float32).reshape(len(parts), dims)
    return PartVectors(tuple(place for place, _ in parts), vectors)
