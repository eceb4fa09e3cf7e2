"""What people decided about each library: which names are left out, which photos were removed,
whether a RAW and the JPEG beside it are one photo, and which parts photos get. Kept in the
index, so that it holds for every ingest on every machine."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from imgsearch.dataclass import dataclass
from imgsearch.index.part_kinds import PART_KINDS, PartKind

if TYPE_CHECKING:
    from imgsearch.index.base import Index

_ID = re.compile("[0-9a-f]{32}")
_LOOKED_UP = 10_000  # records at a time
_MOST_GLOBS, _LONGEST_GLOB = 1_000, 1_000  # an index may be a stranger's


class Removed(NamedTuple):
    """A photo that `remove` took out, under its id."""

    size: int  # bytes
    content_hash: str


@dataclass(frozen=True, slots=True)
class Rules:
    """Of one library. `exclude`: shell patterns, as for `photos.walk`. `removed`: by id.
    `raw_apart`: a RAW and a JPEG of its name are two photos. `parts`: the kinds of parts that its
    photos are looked through for, of those that have to be asked for."""

    exclude: tuple[str, ...] = ()
    removed: Mapping[str, Removed] = field(default_factory=dict)
    raw_apart: bool = False
    parts: tuple[PartKind, ...] = ()

    def with_those_of(self, inner: Rules, folder: str) -> Rules:
        """Joined with the rules of a library that is the folder `folder` of this one. Its removed
        photos have other ids here: they are told by their bytes."""
        below = [f"{folder}/{glob}" for glob in inner.exclude]
        below += [f"{folder}/*/{glob}" for glob in inner.exclude if "/" not in glob]
        return replace(
            self,
            exclude=tuple(dict.fromkeys([*self.exclude, *below])),
            removed={**inner.removed, **self.removed},
        )


def of(index: Index) -> dict[str, Rules]:
    """By library. What is not of their kind is left out."""
    return _parsed(index.rules.read())


def change(index: Index, library: str, change: Callable[[Rules], Rules]) -> None:
    """Keeps what `change` makes of a library's rules."""

    def changed(kept: Any) -> Any:
        rules = _parsed(kept)
        rules[library] = change(rules.get(library, Rules()))
        return _dumped(rules)

    index.rules.change(changed)


def forget(index: Index, libraries: Iterable[str]) -> None:
    """Libraries that are gone: whoever ingests their folders again begins anew."""
    gone = [library for library in libraries if library in of(index)]
    if gone:
        index.rules.change(
            lambda kept: _dumped({n: r for n, r in _parsed(kept).items() if n not in gone})
        )


def erase(index: Index, ids: Sequence[str], libraries: Sequence[str]) -> int:
    """Erases photos, of which no later ingest takes one in again; `libraries` go as a whole, and
    their rules with them. Returns how many photos there were."""
    if not index.foreign:
        _remember_removed(index, ids, libraries)
    erased = index.erase(ids)
    forget(index, libraries)
    return erased


def _remember_removed(index: Index, ids: Sequence[str], but_not_of: Sequence[str]) -> None:
    by_library: dict[str, dict[str, Removed]] = {}
    for at in range(0, len(ids), _LOOKED_UP):
        for id, record in index.records(ids[at : at + _LOOKED_UP]).items():
            # another program's ids are not made of library and path
            if _ID.fullmatch(id) and record.library not in but_not_of:
                removed = Removed(record.size, record.content_hash)
                by_library.setdefault(record.library, {})[id] = removed
    if not by_library:
        return

    def changed(kept: Any) -> Any:
        rules = _parsed(kept)
        for library, removed in by_library.items():
            known = rules.get(library, Rules())
            rules[library] = replace(known, removed={**known.removed, **removed})
        return _dumped(rules)

    index.rules.change(changed)


def copy(source: Index, target: Index) -> None:
    """Adds a source's rules to its target's. Photos that are in the target are not removed there,
    whatever the source says."""
    for library, found in of(source).items():
        there = target.records(list(found.removed))
        removed = {id: each for id, each in found.removed.items() if id not in there}
        change(target, library, functools.partial(_both, replace(found, removed=removed)))


def _both(one: Rules, other: Rules) -> Rules:
    return Rules(
        tuple(dict.fromkeys([*other.exclude, *one.exclude])),
        {**one.removed, **other.removed},
        one.raw_apart or other.raw_apart,
        tuple(kind for kind in PART_KINDS if kind in one.parts or kind in other.parts),
    )


def lift_removed(index: Index, library: str) -> None:
    """Of photos that are in the index again, or whose bytes are."""
    removed = of(index).get(library, Rules()).removed
    there = set(index.records(list(removed)))
    hashes = {each.content_hash for each in removed.values()}
    there_by_bytes = {
        hash
        for hash, records in index.records_by_hash(sorted(hashes)).items()
        if any(record.library == library for record in records)
    }
    change(
        index,
        library,
        lambda rules: replace(
            rules,
            removed={
                id: each
                for id, each in rules.removed.items()
                if id not in there and each.content_hash not in there_by_bytes
            },
        ),
    )


def _parsed(kept: Any) -> dict[str, Rules]:
    found = kept.get("libraries") if isinstance(kept, dict) else None
    if not isinstance(found, dict):
        return {}
    return {name: _rules(each) for name, each in found.items() if isinstance(each, dict)}


def _rules(found: Mapping[str, Any]) -> Rules:
    exclude, removed = found.get("exclude"), found.get("removed")
    globs = exclude[:_MOST_GLOBS] if isinstance(exclude, list) else []
    return Rules(
        tuple(glob for glob in globs if _is_glob(glob)),
        {id: Removed(*each) for id, each in removed.items() if _is_removed(id, each)}
        if isinstance(removed, dict)
        else {},
        found.get("raw_apart") is True,
        _parts(found),
    )


def _parts(found: Mapping[str, Any]) -> tuple[PartKind, ...]:
    """`regions`: as they were kept before there were other kinds."""
    parts = found.get("parts")
    kinds = parts if isinstance(parts, list) else ["region"] if found.get("regions") is True else []
    return tuple(kind for kind in PART_KINDS if kind in kinds)


def _is_glob(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_GLOB and "\0" not in value


def _is_removed(id: Any, value: Any) -> bool:
    return (
        bool(_ID.fullmatch(id))
        and isinstance(value, list)
        and [type(each) for each in value] == [int, str]
    )


def _dumped(rules: Mapping[str, Rules]) -> Any:
    return {
        "libraries": {
            name: {
                "exclude": list(each.exclude),
                "removed": {id: list(one) for id, one in each.removed.items()},
                "raw_apart": each.raw_apart,
                "parts": list(each.parts),
            }
            for name, each in rules.items()
            if each != Rules()
        }
    }


class LeftOut:
    """Removed photos of several libraries, as an ingest asks about them."""

    def __init__(self, rules: Mapping[str, Rules]) -> None:
        self._ids = {id for each in rules.values() for id in each.removed}
        self._hashes = {
            (library, removed.content_hash)
            for library, each in rules.items()
            for removed in each.removed.values()
        }
        self._sizes = {one.size for each in rules.values() for one in each.removed.values()}

    def has_id(self, id: str) -> bool:
        return id in self._ids

    def has_bytes(self, library: str, content_hash: str) -> bool:
        """Whether these are the bytes of a removed photo of that library: it goes by another name
        now."""
        return (library, content_hash) in self._hashes

    def has_size(self, size: int) -> bool:
        return size in self._sizes
