"""Which parameters an address of the API takes. Another name is refused, since to pass over it
would widen what was asked for; so is a folder in which no photo lies."""

from __future__ import annotations

import difflib
import re
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING

from starlette.routing import Route

from imgsearch.errors import UsageError
from imgsearch.escaping import shown
from imgsearch.question import Folder
from imgsearch.web import openapi

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from imgsearch.web.context import Context

    Endpoint = Callable[[Request], Awaitable[Response]]

DESCRIBED = "/api/openapi.json describes all."
_FOLDERS = ("under", "not_under")
_TERM = re.compile(r"(q|pic|id)[*@].*")  # with a weight or a box, as question.py reads it


def route(path: str, endpoint: Endpoint, method: str = "GET") -> Route:
    """The route of an operation that `openapi` describes; it takes the parameters described there
    alone."""
    names = openapi.parameters(path, method)

    async def checked(request: Request) -> Response:
        _check_names([name for name, _ in request.query_params.multi_items()], names)
        written = [text for name in _FOLDERS for text in request.query_params.getlist(name)]
        folders = [Folder.read(text) for text in written if text]
        if folders:
            context: Context = request.app.state.context
            await context.ask(lambda library: library.check_folders(folders))
        return await endpoint(request)

    return Route(f"/v1{path}", checked, methods=[method])


def _check_names(given: list[str], names: Collection[str]) -> None:
    """Raises UsageError for a parameter that is none of `names`."""
    for name in given:
        term = _TERM.fullmatch(name)
        if (term[1] if term else name) in names:
            continue
        near = difflib.get_close_matches(name.lower(), names, n=1)
        cure = f"Did you mean '{near[0]}'?" if near else DESCRIBED
        raise UsageError(f"There is no parameter '{shown(name)}'.", cure)
