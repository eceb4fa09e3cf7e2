"""Copies of one picture, in groups: found once, and kept for as long as the index stays as it is,
since to compare a million photos takes half a minute."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from imgsearch.copies import comparing
from imgsearch.dataclass import dataclass
from imgsearch.errors import UsageError
from imgsearch.output import copies_list
from imgsearch.question import Filter, Folder, Question
from imgsearch.roots import folder_away
from imgsearch.web import export, state
from imgsearch.web.templating import page, record_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from starlette.requests import Request

    from imgsearch.copies.groups import Duplicates, Group
    from imgsearch.index.base import Index, Record
    from imgsearch.library import Library
    from imgsearch.roots.locations import Located
    from imgsearch.web.context import Context

GROUPS = 20  # on a page
MAX_GROUPS = 100
SHOWN = 50  # photos of a group
_KEPT = 4  # answers, of different filters or thresholds


class Comparisons:
    """What was found in the index as it is now. May be used from several threads."""

    def __init__(self) -> None:
        self._kept: dict[tuple[Filter, float], Duplicates] = {}  # the latest last
        self._state: object = None
        self._lock = threading.Lock()

    def kept(self, library: Library, asked: Asked) -> Duplicates | None:
        """None where it is not known."""
        state = _state(library)
        with self._lock:
            if state != self._state:
                self._kept, self._state = {}, state
            return self._kept.get((asked.where, asked.threshold))

    def find(self, library: Library, asked: Asked) -> Duplicates:
        """Compares the photos, unless that is known. Photos without a perceptual hash are compared
        by their bytes alone: to look at a page reads no originals and writes nothing."""
        from imgsearch.copies import groups

        state = _state(library)
        found = self.kept(library, asked)
        if found is not None:
            return found
        found = groups.find(library.index, asked.where, asked.threshold)
        with self._lock:
            if state == self._state:
                self._kept[asked.where, asked.threshold] = found
            while len(self._kept) > _KEPT:
                del self._kept[next(iter(self._kept))]
        return found


def _state(library: Library) -> tuple[Index, int, str]:
    """Another one once the index is opened anew, or photos have come or gone."""
    info = library.status()
    return library.index, info.photos, str(info.last_ingest)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which groups: of the photos that `where` lets through, `k` of them from position `offset`
    on. `threshold`: the cosine that vectors of two copies have at least."""

    where: Filter
    threshold: float
    offset: int
    k: int

    def address(self, **changes: Any) -> str:
        """The query part of the address that asks this, changed."""
        new = replace(self, **changes)
        rest = Question(filter=new.where, offset=new.offset).to_address()
        k = "" if new.k == GROUPS else f"k={new.k}"
        same = new.threshold == comparing.LEAST_COSINE
        return "&".join(filter(None, [rest, k, "" if same else f"threshold={new.threshold:g}"]))


def _asked(request: Request) -> Asked:
    """Raises UsageError."""
    question = state.question_of(request.url.query, GROUPS)
    if question.k > MAX_GROUPS:
        raise UsageError(
            "This address asks for too many groups.", f"Ask for {MAX_GROUPS} at a time (k)."
        )
    threshold = _threshold(request.query_params.get("threshold") or str(comparing.LEAST_COSINE))
    return Asked(question.filter, threshold, question.offset, question.k)


def _threshold(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise UsageError(f"Invalid value for threshold: {text!r}.", "Give a cosine from 0 to 1.")
    return value


@dataclass(frozen=True, slots=True)
class _Page:
    """What was found, and the groups that are asked for; `located`: where their photos lie, by
    id."""

    found: Duplicates
    groups: list[Group]
    located: Mapping[str, Located]
    libraries: list[str]
    away: Sequence[str]  # a line for each library whose whole folder is not there


async def _page(context: Context, asked: Asked) -> _Page:
    """Comparing waits for its own turn, one at a time, so that searches go on meanwhile."""

    def look(library: Library) -> _Page | None:
        library.check_not_empty()
        found = context.comparisons.kept(library, asked)
        return None if found is None else _read(library, found, asked)

    def compare(library: Library) -> _Page:
        return _read(library, context.comparisons.find(library, asked), asked)

    known = await context.ask(look)
    return known if known is not None else await context.ask(compare, context.comparing_turns)


def _read(library: Library, found: Duplicates, asked: Asked) -> _Page:
    groups = found.page(asked.offset, asked.k, SHOWN)
    located = {record.id: library.location(record) for group in groups for record in group.photos}
    photos = (record for group in groups for record in group.photos)
    missing = (record.library for record in photos if located[record.id].missing)
    away = [folder_away(name, root) for name, root in library.roots.away(missing)]
    return _Page(found, groups, located, list(library.index.libraries()), away)


async def show(request: Request) -> Response:
    """`/duplicates`: the groups, those first that could save most."""
    asked = _asked(request)
    shown = await _page(request.app.state.context, asked)
    last = asked.offset + asked.k
    before = asked.address(offset=max(0, asked.offset - asked.k)) if asked.offset else None
    return page(
        request,
        "duplicates.html",
        found=shown.found,
        told=copies_list.told(shown.found),
        groups=shown.groups,
        located=shown.located,
        away=shown.away,
        first=asked.offset + 1,
        last=min(last, len(shown.found)),
        before=before,
        after=asked.address(offset=last) if last < len(shown.found) else None,
        chips=[*_chips(asked)],
        libraries=[*_libraries(asked, shown.libraries)],
        differing=differing,
        kinds=export.KINDS,
    )


def _chips(asked: Asked) -> Iterator[tuple[str, str]]:
    """Each part of the filter in words, with the query part of the address without it."""
    for chip in state.chips(Question(filter=asked.where)):
        where = Question.from_address(chip.without.partition("?")[2]).filter
        yield chip.label, asked.address(where=where, offset=0)


def _libraries(asked: Asked, names: list[str]) -> Iterator[tuple[str, str | None]]:
    """Each library with the query part of the address that asks for it alone; None: it is asked
    for."""
    for name in names if len(names) > 1 else ():
        under = (Folder(name),)
        is_chosen = asked.where.under == under
        where = replace(asked.where, under=under)
        yield name, None if is_chosen else asked.address(where=where, offset=0)


def differing(group: Group, record: Record) -> tuple[str, ...]:
    """In which of `copies.DIFFERENCES` a photo is not like the largest of its group."""
    return comparing.differences((group.photos[0], record))


async def api(request: Request) -> Response:
    """`/api/v1/duplicates`: the same as JSON."""
    asked = _asked(request)
    shown = await _page(request.app.state.context, asked)
    found = shown.found
    told = {
        "question": asked.address(),
        "photos": found.photos,
        "unseen": found.unseen,
        "pictures": len(found),
        "copies": found.copies,
        "saved_bytes": found.saved,
        "groups": [_group(group) for group in shown.groups],
    }
    return JSONResponse(told, headers={"cache-control": "private, no-store"})


def _group(group: Group) -> dict[str, Any]:
    return {
        "count": group.count,
        "saved_bytes": group.saved,
        "one_file": group.is_one_file,
        "differences": list(comparing.differences(group.photos)),
        "photos": [record_values(record) for record in group.photos],
    }
