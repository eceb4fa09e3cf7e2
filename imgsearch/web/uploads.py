"""Pictures that somebody shows to the page. They are decoded by the same guarded code as photos,
and kept as small pictures of our own making, named by their content."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch import paths
from imgsearch.errors import PhotoError

if TYPE_CHECKING:
    from imgsearch.question import Question, Term

_SIDE = 1024  # pixels: more than any model sees
_LIMIT = 200_000_000  # bytes of all together
_NAME = re.compile(r"upload:([0-9a-f]{64})")


class Uploads:
    """Each upload is a WebP file of at most 1,024 pixels a side in `folder`.
    An upload's name, "upload:" and the SHA-256 of the file that was sent, may stand in an
    address."""

    def __init__(self, folder: Path, max_megapixels: float) -> None:
        self._folder, self._max_megapixels = folder, max_megapixels

    def add(self, data: bytes) -> str:
        """The upload's name. Raises PhotoError where it is no picture that can be read."""
        name = hashlib.sha256(data).hexdigest()
        kept = self._folder / f"{name}.webp"
        if not kept.exists():
            try:
                self._keep(data, kept)
            except OSError as error:
                raise PhotoError(
                    f"The picture cannot be kept: {error.strerror or error}.",
                    "Make room on the machine that serves this page.",
                ) from None
        return f"upload:{name}"

    def _keep(self, data: bytes, kept: Path) -> None:
        from imgsearch.photos import decode, formats

        if not formats.looks_like_picture(data[: formats.HEAD_BYTES], ""):
            raise PhotoError("This file is not a picture.", "Show a JPEG, PNG, HEIC or other.")
        try:
            decoded = decode.decode(data, target=_SIDE // 2, max_megapixels=self._max_megapixels)
        except decode.Undecodable as error:
            raise PhotoError(
                f"This picture cannot be read: {error.reason.value} ({error.detail}).",
                "Show another one.",
            ) from None
        image = decoded.image.copy()
        image.thumbnail((_SIDE, _SIDE))
        paths.private_folder(self._folder)
        partial = kept.with_suffix(f".{os.getpid()}-{threading.get_ident()}.partial")
        image.save(partial, "WEBP", quality=92, method=2)
        partial.replace(kept)
        self._make_room()

    def file(self, name: str) -> Path:
        """The file of an upload. Raises PhotoError for any other name, and for an upload that is
        gone."""
        match = _NAME.fullmatch(name)
        if match is None:
            raise PhotoError("An address names only pictures that were uploaded.", "Upload it.")
        kept = self._folder / f"{match[1]}.webp"
        if not kept.is_file():
            raise PhotoError("The picture in this address is no longer here.", "Upload it again.")
        with contextlib.suppress(OSError):
            os.utime(kept)  # those that were not used for the longest leave first
        return kept

    def resolved(self, question: Question) -> Question:
        """The question with files in place of uploads' names. Raises PhotoError."""
        return replace(question, terms=tuple(map(self._resolved, question.terms)))

    def _resolved(self, term: Term) -> Term:
        if term.picture is None:
            return term
        return replace(term, picture=os.fspath(self.file(term.picture)))

    def _make_room(self) -> None:
        kept = []
        for file in self._folder.iterdir():
            with contextlib.suppress(OSError):  # another one has removed it
                status = file.stat()
                kept.append((status.st_mtime, status.st_size, file))
        total = sum(size for _, size, _ in kept)
        for _, size, file in sorted(kept)[:-1]:
            if total <= _LIMIT:
                break
            with contextlib.suppress(OSError):
                file.unlink()
                total -= size
