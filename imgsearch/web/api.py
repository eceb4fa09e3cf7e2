"""The same as the pages, as JSON: `/api/v1/…`, described by `/api/openapi.json`."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from imgsearch.question import Term
from imgsearch.web import duplicates, facets, forms, media, openapi, pages, parameters
from imgsearch.web.templating import record_values

if TYPE_CHECKING:
    from starlette.requests import Request

    from imgsearch.index.base import Record
    from imgsearch.library import Library
    from imgsearch.results import Hit, Results

_HEADERS = {"cache-control": "private, no-store"}
_SPOOLED = 1 << 20  # bytes of an upload in memory; more lies in an unnamed temporary file
K = 10


def _json(value: Any, status: int = 200) -> JSONResponse:
    return JSONResponse(value, status, headers=_HEADERS)


async def search(request: Request) -> Response:
    """The question in the address's query part, as the page writes it."""
    question = pages.asked(request, K)
    return _json(_results(await pages.results_of(request, question)))


async def similar(request: Request) -> Response:
    """Photos like the one of that id, under the filter of the address."""
    question = pages.asked(request, K)
    record = await _record_of(request)
    question = replace(question, terms=(Term(photo=record.id),))
    return _json(_results(await pages.results_of(request, question)))


async def facet_counts(request: Request) -> Response:
    """What the photos under the address's filter have in common, counted."""
    question = pages.asked(request, K)

    def look(library: Library) -> dict[str, Any]:
        counts = facets.counted(library, question.filter)
        return {
            "question": question.to_address(),
            "photos": library.count(question.filter),
            "facets": {
                name: [_choice(one) for one in facets.of(question, name, values)]
                for name, values in counts.items()
            },
        }

    return _json(await pages.context(request).ask(look))


def _choice(choice: facets.Choice) -> dict[str, Any]:
    return {
        "value": choice.value,
        "count": choice.count,
        "chosen": choice.is_chosen,
        "question": choice.question.to_address(),
    }


async def photo(request: Request) -> Response:
    return _json(record_values(await _record_of(request)))


async def _record_of(request: Request) -> Record:
    id = request.path_params["id"]
    record = await pages.context(request).ask(lambda library: library.record(id))
    if record is None:
        raise HTTPException(404, "There is no such photo in the index.")
    return record


async def upload(request: Request) -> Response:
    """A picture as the body, or as the only file of a form; its name may stand in a question:
    `pic=upload:…`."""
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return _json({"name": await forms.only_upload(request)}, 201)
    ctx = pages.context(request)
    most = ctx.limits.picture_bytes
    with ctx.upload_places.taken(), tempfile.SpooledTemporaryFile(_SPOOLED) as file:
        async for piece in request.stream():
            file.write(piece)
            if file.tell() > most:
                raise HTTPException(413, f"A picture may have {most >> 20} MB.")
        file.seek(0)
        name = await forms.add_upload(ctx, file)
    return _json({"name": name}, 201)


async def status(request: Request) -> Response:
    info = await pages.context(request).ask(lambda library: library.status())
    pair = info.models
    return _json(
        {
            "photos": info.photos,
            "bytes": info.bytes_on_disk,
            "libraries": {name: each.photos for name, each in info.libraries.items()},
            "image_model": None if pair is None else pair.image_model.name,
            "text_model": None if pair is None else pair.text_model.name,
            "dims": None if pair is None else pair.dims,
            "last_ingest": _last_ingest(info.last_ingest or {}),
        }
    )


def _last_ingest(report: dict[str, Any]) -> dict[str, Any] | None:
    if not report:
        return None
    names = ("path", "reason", "detail")
    return {
        "finished": str(report.get("finished", "")),
        "skipped": [
            {name: str(skip.get(name, "")) for name in names} for skip in report.get("skipped", ())
        ],
    }


async def described(request: Request) -> Response:
    return _json(openapi.document())


def _results(results: Results) -> dict[str, Any]:
    hits = [_hit(hit) for hit in results]
    address = results.question.to_address()
    some = results.some_words
    words = {
        "some_words": None if some is None else some.photos,
        "nowhere": [] if some is None else list(some.nowhere),
    }
    return {"question": address, "fitting": results.fitting, **words, "hits": hits}


def _hit(hit: Hit) -> dict[str, Any]:
    score = None if hit.score is None else round(hit.score, 6)
    found = {"rank": hit.rank, "score": score, "missing": hit.missing}
    surprise = None if hit.surprise is None else round(hit.surprise, 4)
    judged = {"fits": hit.fits, "why": list(hit.why), "surprise": surprise}
    box = None if hit.box is None else list(hit.box)
    part = {"box": box, "page": hit.page, "line": hit.line, "moment": hit.moment}
    return found | judged | part | record_values(hit.record)


ROUTES = [
    Route("/openapi.json", described),
    Route("/v1/openapi.json", described),
    parameters.route("/search", search),
    parameters.route("/similar/{id}", similar),
    parameters.route("/facets", facet_counts),
    parameters.route("/duplicates", duplicates.api),
    parameters.route("/photos/{id}", photo),
    parameters.route("/thumbnails/{id}", media.thumbnail),
    parameters.route("/uploads", upload, "POST"),
    parameters.route("/status", status),
]
