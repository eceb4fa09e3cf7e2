"""The pages: what each shows. What their forms do is in `forms`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from imgsearch.errors import UsageError
from imgsearch.output.results_table import fitting_told, more_told
from imgsearch.question import Filter, Near, Question, Term
from imgsearch.roots import folder_away
from imgsearch.search import place_names, understanding
from imgsearch.web import export, facets, file_manager, state
from imgsearch.web.templating import page

if TYPE_CHECKING:
    from starlette.requests import Request

    from imgsearch.index.base import Record
    from imgsearch.library import Library
    from imgsearch.results import Hit, Results
    from imgsearch.web.context import Context

MAX_PHOTOS = 500
_NEWEST = 24  # photos on the first page
MAX_OFFSET = 5000
_NEARBY_KM = 2.0


def context(request: Request) -> Context:
    found: Context = request.app.state.context
    return found


def asked(request: Request, k: int = state.PHOTOS) -> Question:
    """The question of an address. Raises UsageError; PhotoError for a picture that is no upload."""
    question = state.question_of(request.url.query, k)
    if question.k > MAX_PHOTOS or question.offset > MAX_OFFSET:
        raise UsageError(
            "This address asks for too many photos.",
            f"Ask for {MAX_PHOTOS} at a time (k), up to the {MAX_OFFSET:,}th (offset).",
        )
    if len(question.terms) > state.MAX_TERMS:
        raise UsageError(
            f"This address has {len(question.terms)} terms; {state.MAX_TERMS} can be asked for.",
            "Leave some of them out.",
        )
    context(request).uploads.resolved(question)
    return question


async def results_of(request: Request, question: Question) -> Results:
    """The hits; their question is the address's."""
    ctx = context(request)
    resolved = ctx.uploads.resolved(question)
    return await ctx.ask(lambda library: replace(library.search(resolved), question=question))


async def search(request: Request) -> Response:
    """`/`: the results of the address's question; without one, what can be asked."""
    typed = request.query_params.get("typed", "").strip()
    if typed:
        return RedirectResponse(await _address_with(request, typed), 303)
    question = asked(request)
    if request.query_params.get("near_place", "").strip():
        return RedirectResponse(state.address(_near(request, question)), 303)
    if question == Question(k=question.k):
        return await _welcome(request, question)
    if request.headers.get("x-fragment") == "grid":
        return page(request, "grid.html", **_grid(question, await _found(request, question)))
    results = await _found(request, question)

    def look(library: Library) -> dict[str, Any]:
        away, place = _away(library, results), _place_as_word(library, question)
        return {"facets": facets.groups(library, question), "away": away, "place": place}

    beside = await context(request).ask(look)
    said = request.query_params.get("said", "")
    grid = _grid(question, results)
    return page(request, "search.html", **grid, **_form(question), **beside, said=said)


def _place_as_word(library: Library, question: Question) -> tuple[str, str] | None:
    """A name among the words that is a place's, too, where photos were taken; and the address of
    these."""
    found = library.lines.place_left(question)
    if found is None:
        return None
    terms = (Term(words=found.others),) if found.others else ()
    there = understanding.both(question.filter, found.filter)
    return found.name, state.address(replace(question, terms=terms, filter=there, offset=0))


def _away(library: Library, results: Results) -> list[str]:
    """A line for each library of these photos whose whole folder is not there."""
    missing = (hit.record.library for hit in results if hit.missing)
    return [folder_away(name, root) for name, root in library.roots.away(missing)]


async def _found(request: Request, question: Question) -> Results:
    """Hits whose thumbnails are being made."""
    results = await results_of(request, question)
    _make_thumbnails(context(request), results)
    return results


def _near(request: Request, question: Question) -> Question:
    """The question within a circle that a form of the page names. Raises UsageError."""
    fields = request.query_params
    km = fields.get("km", "").strip() or None
    circle = place_names.circle(
        fields["near_place"], km, place_names.Fields("Near", "Kilometres", "Place")
    )
    return state.with_filter(question, near=circle)


async def _welcome(request: Request, question: Question) -> Response:
    def look(library: Library) -> dict[str, Any]:
        library.check_not_empty()
        newest = library.search(Question(k=_NEWEST, order="newest"))
        return {
            "libraries": library.index.libraries(),
            "photos": library.count(),
            "newest": _by_date(newest),
            "shown": len(newest),
            "away": _away(library, newest),
            "facets": facets.groups(library, question),
        }

    found = await context(request).ask(look)
    nothing = {"said": "", "place": None}
    return page(request, "welcome.html", **found, **_form(question), address="/", **nothing)


def _by_date(newest: Results) -> list[tuple[str, list[Hit]]]:
    """The newest photos under a title, and those without a date under another."""
    dated = [hit for hit in newest if hit.record.taken]
    undated = [hit for hit in newest if not hit.record.taken]
    titled = [("Newest", dated), ("Without a date", undated)]
    return [(title, hits) for title, hits in titled if hits]


async def _address_with(request: Request, typed: str) -> str:
    """The address of the question with what was typed as a term of its own; a date or a place in it
    becomes a filter where photos have such. With `literal` the words stay as they are."""
    pairs = [(name, value) for name, value in request.query_params.multi_items() if name != "typed"]
    question = state.question_of(urlencode(pairs))
    if "literal" in request.query_params:
        return state.address(state.with_term(question, Term(words=typed)))
    where = question.filter
    understood = await context(request).ask(lambda library: library.understand(typed, where))
    question = state.first_page(replace(question, filter=understood.filter))
    for term in understood.terms:
        question = state.with_term(question, term)
    address = state.address(question)
    return address if understood.filter == where else f"{address}&{urlencode({'said': typed})}"


def _form(question: Question) -> dict[str, Any]:
    """What the search form shows. `hidden`: fields that keep the question while words are added."""
    kept = state.query(state.first_page(question))
    return {
        "chips": state.chips(question),
        "hidden": parse_qsl(kept, keep_blank_values=True),
        "where": question.filter,
    }


def _grid(question: Question, results: Results) -> dict[str, Any]:
    following = question.offset + question.k
    more = len(results) == question.k and following <= MAX_OFFSET
    return {
        "question": question,
        "results": results,
        "following": state.address(question.page(following)) if more else None,
        "address": state.address(question),
        "state": state,
        "told": _end_of_fitting(results) or _end_of_dated(results),
        "some_words": more_told(results),
        "with_some_words": state.address(replace(question, any_word=True)),
        "kinds": export.KINDS,
    }


class _Told(NamedTuple):
    """`text` stands before the hit at `position` on this page."""

    position: int
    text: str


def _end_of_fitting(results: Results) -> _Told | None:
    """Where what fits ends and the rest begins; None where that is not on this page."""
    text = fitting_told(results)
    if text is None:
        return None
    return _Told(next(n for n, hit in enumerate(results) if not hit.fits), text)


def _end_of_dated(results: Results) -> _Told | None:
    """Where photos sorted by date have none any more; None where that is not on this page."""
    if not results.by_date:
        return None
    at = next((n for n, hit in enumerate(results) if not hit.record.taken), None)
    if at is None or (at == 0 and results.question.offset):
        return None
    return _Told(at, "Without a date:")


def _make_thumbnails(ctx: Context, results: Results) -> None:
    """Start making the thumbnails before the browser asks for them."""
    there = [(hit.record, hit.raw_path) for hit in results if hit.raw_path and not hit.missing]
    ctx.thumbnails.prepare(there, 480)


async def photo(request: Request) -> Response:
    """`/photo/ID?…&at=RANK`: one photo, large, with its neighbours in the question's results."""
    ctx = context(request)
    id = request.path_params["id"]
    question = asked(request)
    rank = _rank(request)
    resolved = ctx.uploads.resolved(question)

    def look(library: Library) -> dict[str, Any]:
        record = library.record(id)
        if record is None:
            raise HTTPException(404, "There is no such photo in the index.")
        before, hit, after = _around(library, resolved, id, rank) if rank else (None, None, None)
        return {
            "record": record,
            "located": library.location(record),
            "before": before,
            "hit": hit,
            "after": after,
            "can_reveal": ctx.local and file_manager.is_there(),
            "nearby": _nearby(record),
        }

    found = await ctx.ask(look)
    back = state.address(state.first_page(question))
    return page(request, "photo.html", **found, back=back, question=question, state=state)


def _nearby(record: Record) -> str | None:
    """The address of photos that were taken within walking distance of one."""
    if record.latitude is None or record.longitude is None:
        return None
    circle = Near(record.latitude, record.longitude, _NEARBY_KM)
    return state.address(Question(k=state.PHOTOS, filter=Filter(near=circle)))


def _rank(request: Request) -> int | None:
    try:
        rank = int(request.query_params.get("at", "0"))
    except ValueError:
        raise UsageError("at is not the rank of a photo.", "Leave it out.") from None
    return rank if 1 <= rank <= MAX_OFFSET + MAX_PHOTOS else None


def _around(
    library: Library, question: Question, id: str, rank: int
) -> tuple[Hit | None, Hit | None, Hit | None]:
    """The hits before, at and after a photo; None where there is none."""
    if question == Question(k=question.k):
        return None, None, None
    found = library.search(replace(question, offset=max(0, rank - 2), k=3)).hits
    place = next((n for n, hit in enumerate(found) if hit.record.id == id), None)
    if place is None:
        return None, None, None
    before = found[place - 1] if place > 0 else None
    return before, found[place], found[place + 1] if place + 1 < len(found) else None


async def index(request: Request) -> Response:
    """`/index`: what is in the index, and how it is."""

    def look(library: Library) -> dict[str, Any]:
        info = library.status()
        roots = dict(library.roots.items())
        return {"info": info, "roots": roots, "place": library.index.place}

    return page(request, "index.html", **await context(request).ask(look))


async def health(request: Request) -> Response:
    """`/health`: what `imgsearch doctor` finds; also where the index cannot be opened."""
    ctx = context(request)
    findings = await ctx.turns.run(lambda: list(ctx.examine()))
    return page(request, "health.html", findings=findings)


async def help_page(request: Request) -> Response:
    return page(request, "help.html")


async def healthy(request: Request) -> Response:
    """`/healthy`: whether the server answers, for whoever watches over it."""
    return Response("ok\n", media_type="text/plain")
