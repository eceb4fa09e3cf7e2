"""The page as an ASGI application: its addresses, templates and static files."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from imgsearch.errors import ImgsearchError
from imgsearch.web import api, duplicates, failures, forms, guides, media, pages, templating
from imgsearch.web.security import Guard

if TYPE_CHECKING:
    from imgsearch.web.context import Context

STATIC = Path(__file__).parent / "static"


def create_app(context: Context) -> Guard:
    """The application; it closes the library when it ends. The guard stands before all of it, also
    before what answers for a bug."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            context.close()

    app = Starlette(
        routes=[
            Route("/", pages.search),
            Route("/photo/{id}", pages.photo),
            Route("/thumbnail/{id}", media.thumbnail),
            Route("/original/{id}", media.original),
            Route("/film/{id}", media.film),
            Route("/upload", forms.upload, methods=["POST"]),
            Route("/upload/{name}", media.uploaded),
            Route("/take-along", forms.take_along, methods=["POST"]),
            Route("/reveal/{id}", forms.reveal, methods=["POST"]),
            Route("/duplicates", duplicates.show),
            Route("/index", pages.index),
            Route("/health", pages.health),
            Route("/help", pages.help_page),
            Route("/guide", guides.contents),
            Route("/guide/{topic}", guides.show),
            Route("/sign-in", forms.sign_in, methods=["GET", "POST"]),
            Route("/healthy", pages.healthy),
            Mount("/api", routes=api.ROUTES),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        exception_handlers={
            HTTPException: failures.answer,
            ImgsearchError: failures.answer,
            Exception: failures.bug,
        },
        lifespan=lifespan,
    )
    app.state.context = context
    app.state.templates = templating.environment()
    return Guard(app, context.policy, context.limits)
