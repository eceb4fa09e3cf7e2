"""What went wrong, as a page, as JSON or as a line of text: a sentence and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from imgsearch.errors import (
    ImgsearchError,
    IndexNotFound,
    IndexUnavailable,
    ModelUnavailable,
    UsageError,
)
from imgsearch.output import cures
from imgsearch.web import templating

if TYPE_CHECKING:
    from starlette.requests import Request

    from imgsearch.web.context import Context

RETRY_SECONDS = 5
_PICTURES = ("/thumbnail/", "/original/", "/upload/")
_CURES = {  # of answers to programs
    400: "/api/openapi.json describes what can be asked.",
    404: "/api/openapi.json describes the addresses; /api/v1/search gives ids of photos.",
    405: "/api/openapi.json describes which method it takes.",
    408: "Send it again.",
    410: "Bring the file back, or ingest its folder again.",
    413: "Send a smaller picture.",
    429: "Ask again in a moment.",
}
_SENTENCES = {404: "There is no such page.", 405: "This address does not take that method."}


async def answer(request: Request, raised: Exception) -> Response:
    """For HTTPException and ImgsearchError."""
    if isinstance(raised, ImgsearchError):
        status, message = status_of(raised), raised.message
        cure = cures.of(raised)
        headers = {"retry-after": str(RETRY_SECONDS)} if status == 503 else {}
    else:
        assert isinstance(raised, HTTPException)
        status, headers, cure = raised.status_code, dict(raised.headers or {}), ""
        is_starlettes = raised.detail in ("Not Found", "Method Not Allowed")
        message = _SENTENCES.get(status, raised.detail) if is_starlettes else raised.detail
    return _written(request, status, message, cure, headers)


async def bug(request: Request, raised: Exception) -> Response:
    """For what nobody expected: the report is written where the command line writes its own."""
    context: Context = request.app.state.context
    message, _, cure = context.report_bug(raised).partition("\n")
    return _written(request, 500, message, cure, {})


def status_of(raised: ImgsearchError) -> int:
    """The HTTP status of an error of ours. 503: it may pass by itself."""
    if isinstance(raised, (IndexNotFound, IndexUnavailable, ModelUnavailable)):
        return 503
    return 400 if isinstance(raised, UsageError) else 422


def _written(
    request: Request, status: int, message: str, cure: str, headers: dict[str, str]
) -> Response:
    headers |= {"cache-control": "no-store"}
    path = request.url.path
    if path.startswith(_PICTURES):
        return Response(f"{message}\n", status, headers, media_type="text/plain")
    if path.startswith("/api/"):
        cure = cure or _CURES.get(status, "")
        return JSONResponse({"error": {"message": message, "cure": cure}}, status, headers)
    values = {"message": message, "cure": cure, "status": status, "retry": RETRY_SECONDS}
    return templating.page(request, "error.html", status, headers, **values)
