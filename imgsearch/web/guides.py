"""The guides as pages: our own Markdown as HTML. HTML in it would be shown as text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.responses import Response

from imgsearch import guides
from imgsearch.web.templating import page

if TYPE_CHECKING:
    from markdown_it.token import Token
    from starlette.requests import Request

_GUIDE = re.compile(r"(?:\.\./|reference/)?([a-z0-9-]+)\.md(#.*)?")


async def contents(request: Request) -> Response:
    """`/guide`: which there are."""
    return page(request, "guides.html", topics=guides.topics())


async def show(request: Request) -> Response:
    """`/guide/TOPIC`."""
    topic, topics = request.path_params["topic"], guides.topics()
    if topic not in topics:
        raise HTTPException(404, "There is no such guide.")
    return page(request, "guide.html", title=topics[topic], body=rendered(guides.text(topic)))


def rendered(markdown: str) -> Markup:
    """HTML of a guide. Links between guides lead to their pages; those that could run something are
    left as text."""
    from markdown_it import MarkdownIt  # 40 ms

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = reader.parse(markdown)
    for token in tokens:
        token.children = None if token.children is None else [*_linked(token.children)]
    return Markup(reader.renderer.render(tokens, reader.options, {}))


def _linked(parts: Sequence[Token]) -> Iterator[Token]:
    """Parts of a line; of a link to a file that is not on the page, its text alone."""
    is_linked = True
    for part in parts:
        if part.type == "link_open":
            address = _address(str(part.attrs["href"]))
            is_linked = address is not None
            part.attrs["href"] = address or ""
        if is_linked or part.type not in ("link_open", "link_close"):
            yield part


def _address(link: str) -> str | None:
    found = _GUIDE.fullmatch(link)
    if found is not None:
        return f"/guide/{found[1]}{found[2] or ''}"
    return link if link.startswith(("https://", "#")) else None
