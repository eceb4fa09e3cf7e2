"""What the pages' forms do: show a picture, take a selection along, sign in."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from imgsearch.errors import UsageError
from imgsearch.question import Term
from imgsearch.web import export, file_manager, media, security, state
from imgsearch.web.limits import Places
from imgsearch.web.pages import context
from imgsearch.web.templating import page

if TYPE_CHECKING:
    from starlette.datastructures import FormData
    from starlette.requests import Request

    from imgsearch.web.context import Context

SELECTED_AT_MOST = 2000
_FIELDS = 50
_FILES = 8
_GUESSES = Places(4)  # wrong passwords that wait for their answer
_GUESS_SECONDS = 1.0


async def upload(request: Request) -> Response:
    """Pictures join the question; the answer leads to the new address."""
    ctx = context(request)
    with ctx.upload_places.taken():
        async with request.form(max_files=_FILES, max_fields=_FIELDS) as form:
            question = state.question_of(_query_of(form))
            names = [
                await add_upload(ctx, file.file)
                for file in form.getlist("picture")
                if isinstance(file, UploadFile) and file.size
            ]
    if not names:
        raise UsageError("No picture was chosen.", "Choose one, then press the button.")
    for name in names:
        question = state.with_term(question, Term(picture=name))
    return RedirectResponse(state.address(question), 303)


async def only_upload(request: Request) -> str:
    """The name of the upload of a form with one file, in whichever field. Raises UsageError,
    HTTPException, PhotoError."""
    ctx = context(request)
    with ctx.upload_places.taken():
        async with request.form(max_files=_FILES, max_fields=_FIELDS) as form:
            files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
            if len(files) != 1:
                raise UsageError(
                    f"The form has {len(files)} files.",
                    "Send one picture as a file of the form, or as the body.",
                )
            return await add_upload(ctx, files[0].file)


async def add_upload(ctx: Context, file: IO[bytes]) -> str:
    """The name of the upload. Raises HTTPException 413, PhotoError."""
    most = ctx.limits.picture_bytes

    def add() -> str:
        data = file.read(most + 1)
        if len(data) > most:
            raise HTTPException(413, f"A picture may have {most >> 20} MB.")
        return ctx.uploads.add(data)

    return await ctx.upload_turns.run(add)


def _query_of(form: FormData) -> str:
    address = form.get("address", "")
    return urlsplit(address).query if isinstance(address, str) else ""


async def take_along(request: Request) -> Response:
    """The selected photos as paths, CSV, JSON, ZIP of the originals or a gallery."""
    ctx = context(request)
    form = await request.form(max_files=0, max_fields=SELECTED_AT_MOST + _FIELDS)
    ids = list(dict.fromkeys(id for id in form.getlist("id") if isinstance(id, str)))
    if not ids:
        raise UsageError("No photo is selected.", "Tick photos first.")
    kind = str(form.get("as", "paths"))
    return await ctx.ask(lambda library: export.response(library, ids, kind, ctx.thumbnails))


async def reveal(request: Request) -> Response:
    """Shows a photo's file in the file manager: for who sits at this machine, alone."""
    ctx = context(request)
    if not ctx.local:
        raise HTTPException(403, "The file manager is that of another machine.")
    id = request.path_params["id"]
    _, path = await ctx.ask(lambda library: media.located(library, id))
    if not file_manager.show(path):
        raise HTTPException(501, "There is no file manager that could be opened.")
    return Response(status_code=204)


async def sign_in(request: Request) -> Response:
    """Asks for the password, and remembers in a cookie that it was right."""
    policy = context(request).policy
    if request.method != "POST":
        return page(request, "sign_in.html", wrong=False)
    form = await request.form(max_files=0, max_fields=_FIELDS)
    if not security.is_secret(policy, str(form.get("password", ""))):
        with _GUESSES.taken():
            await anyio.sleep(_GUESS_SECONDS)  # who guesses is slow
        return page(request, "sign_in.html", 403, wrong=True)
    answer = RedirectResponse("/", 303)
    answer.headers["set-cookie"] = security.session_cookie(policy.session)
    return answer
