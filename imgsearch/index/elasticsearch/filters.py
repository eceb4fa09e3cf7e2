"""A filter as the clauses of a bool query. What it means is said once for all backends in
`imgsearch.question.Filter` and held by the contract suite."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import field
from typing import Any

from imgsearch.dataclass import dataclass
from imgsearch.question import RATINGS, Filter, Folder

Clause = dict[str, Any]
DATE, LOCATION = "exif.date", "exif.location"
_NAMES = ("keyword", "text")  # types of fields that can be asked for a name
_LONGEST = 1024  # characters of a camera's name that are kept: no longer part can occur in one


@dataclass(frozen=True, slots=True)
class Fields:
    """What an index's fields are. `kinds`: the type of each that it has. `nameless`: the library
    that documents without one belong to, and whether all documents are such (another program's)."""

    path: str = "relative_path"
    kinds: Mapping[str, str] = field(default_factory=dict)
    nameless: tuple[str, bool] | None = None

    def can_be(self, name: str, *kinds: str) -> bool:
        """False where another program gave the field another type, for which asking would be an
        error. A field that is not there has no values, which is none."""
        return self.kinds.get(name, kinds[0]) in kinds


def conditions(
    where: Filter, exclude: Collection[str] = (), fields: Fields | None = None
) -> list[Clause]:
    """The clauses of a bool filter; each kind of condition adds one or two."""
    fields = fields or Fields()
    clauses = [
        *_folders(where, fields),
        *_taken(where, fields),
        *_place(where, fields),
        *_camera(where, fields),
        *_picture(where, fields),
        *_written(where, fields),
    ]
    if exclude:
        clauses.append(_none_of([{"ids": {"values": sorted(exclude)}}]))
    return clauses


def any_of(clauses: list[Clause]) -> Clause:
    return clauses[0] if len(clauses) == 1 else {"bool": {"should": clauses}}


def _none_of(clauses: list[Clause]) -> Clause:
    return {"bool": {"must_not": clauses}}


def _folders(where: Filter, fields: Fields) -> Iterator[Clause]:
    if where.under:
        yield any_of([_in_folder(folder, fields) for folder in where.under])
    if where.not_under:
        yield _none_of([_in_folder(folder, fields) for folder in where.not_under])


def _in_folder(folder: Folder, fields: Fields) -> Clause:
    """A folder is a prefix of the path: no field of its own has to be kept in step, the tutorial's
    index has it too, and at 100,000 photos it costs milliseconds."""
    path = (folder.path or "").strip("/")
    both: list[Clause] = []
    if folder.library is not None:
        both += _of_library(folder.library, fields)
    if path:
        inside = {"prefix": {fields.path: f"{_sound(path)}/"}}
        both.append(_only(fields, fields.path, *_NAMES, clause=inside))
    return both[0] if len(both) == 1 else {"bool": {"filter": both}}


def _of_library(library: str, fields: Fields) -> list[Clause]:
    named = _only(fields, "library", *_NAMES, clause=_term("library", library))
    if fields.nameless is None or fields.nameless[0] != library:
        return [named]
    none = _none_of([{"exists": {"field": "library"}}])
    return [] if fields.nameless[1] else [any_of([named, none])]


def _only(fields: Fields, name: str, *kinds: str, clause: Clause) -> Clause:
    return clause if fields.can_be(name, *kinds) else {"match_none": {}}


def _taken(where: Filter, fields: Fields) -> Iterator[Clause]:
    dated = {"exists": {"field": DATE}}
    if where.undated:
        yield _none_of([dated])
    if where.taken_to is not None:
        yield dated
    if where.taken_from is not None:
        since = {"range": {DATE: {"gte": where.taken_from.isoformat()}}}
        yield _only(fields, DATE, "date", clause=since)
    limits = where.taken_before
    if limits is not None:
        before = {name: {"range": {DATE: {"lt": day.isoformat()}}} for name, day in limits.named()}
        too_late = [
            {"bool": {"filter": [_term("date_precision", known), _none_of([before[known]])]}}
            for known in ("month", "year")
            if before[known] != before["day"] and fields.can_be("date_precision", "keyword")
        ]
        asked: Clause = {"bool": {"filter": [before["day"]], "must_not": too_late}}
        yield _only(fields, DATE, "date", clause=asked)


def _place(where: Filter, fields: Fields) -> Iterator[Clause]:
    if where.country is not None:
        yield _only(fields, "country", "keyword", clause=_term("country", where.country.upper()))
    if where.city is not None:
        yield _only(fields, "city", "keyword", clause=_term("city", where.city))
    if where.near is not None:
        near = {
            "distance": f"{where.near.km!r}km",
            LOCATION: {"lat": where.near.latitude, "lon": where.near.longitude},
            "ignore_unmapped": True,
        }
        yield _only(fields, LOCATION, "geo_point", clause={"geo_distance": near})


def _term(name: str, value: str) -> Clause:
    return {"term": {name: _sound(value)}}


def _sound(text: str) -> str:
    """The text without lone surrogates, which a terminal may pass on and which no document
    holds."""
    return text.encode("utf-8", "replace").decode()


def _camera(where: Filter, fields: Fields) -> Iterator[Clause]:
    for name, wanted in (("camera", where.camera), ("lens", where.lens)):
        if wanted:
            parts = [_containing(name, text) for text in wanted]
            yield _only(fields, name, "keyword", clause=any_of(parts))


def _containing(name: str, text: str) -> Clause:
    """ASCII in any case, as SQLite compares."""
    if len(text) > _LONGEST:
        return {"match_none": {}}
    text = _sound(text)
    for special in "\\*?":
        text = text.replace(special, f"\\{special}")
    return {"wildcard": {name: {"value": f"*{text}*", "case_insensitive": True}}}


def _picture(where: Filter, fields: Fields) -> Iterator[Clause]:
    if where.format:
        formats = [_sound(text.upper()) for text in where.format]
        yield _only(fields, "format", "keyword", clause={"terms": {"format": formats}})
    if where.orientation is not None:
        asked = _term("orientation", where.orientation)
        yield _only(fields, "orientation", "keyword", clause=asked)
    least, most = where.pixels
    limits = {
        name: pixels for name, pixels in (("gte", least), ("lte", most)) if pixels is not None
    }
    if limits:
        yield _only(fields, "pixels", "long", clause={"range": {"pixels": limits}})


def _written(where: Filter, fields: Fields) -> Iterator[Clause]:
    for tag in where.tags:
        yield _only(fields, "tags", "keyword", clause=_term("tags", tag.lower()))
    if where.min_rating is not None:
        least = {"range": {"rating": {"gte": min(where.min_rating, RATINGS)}}}
        yield _only(fields, "rating", "byte", clause=least)
