"""`--html` and `--open` of `query` and `similar`: hits as one file, and in the browser."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from imgsearch import paths, regular_files
from imgsearch.cli.error_handler import say
from imgsearch.cli.query_options import STDOUT
from imgsearch.errors import EXIT_FAILURE, UsageError
from imgsearch.escaping import shown

if TYPE_CHECKING:
    from imgsearch.index.base import Record
    from imgsearch.library import Library
    from imgsearch.output.gallery import Example, Section
    from imgsearch.question import Term
    from imgsearch.results import Results
    from imgsearch.thumbnails import Thumbnails

_KEPT = 24 * 3600  # seconds for which a gallery lies in the cache folder after it was shown
_EXAMPLE = 240  # pixels of the longer side


class Gallery:
    """Gathers what was found, and writes it at the end."""

    def __init__(self, file: str | None, *, is_opened: bool) -> None:
        """`file`: where it is written, "-" for stdout, None for the cache folder; with `is_opened`
        it is shown in the browser then. Raises UsageError where it would overwrite another kind of
        file."""
        if file == STDOUT and is_opened:
            raise UsageError("--html - goes without --open.", "Name a file: --html gallery.html")
        if file is not None and file != STDOUT:
            _check_replaceable(file)
        self._file, self._is_opened = file, is_opened
        self._results: list[tuple[str, Results]] = []

    def add(self, results: Results, title: str) -> None:
        self._results.append((title, results))

    def end(self, library: Library) -> None:
        """Writes it, and opens it where it holds a photo. Exit code 1 where there is no browser."""
        found = sum(len(results) for _, results in self._results)
        if self._file is None and not found:
            return
        pieces = _pieces(library, self._results)
        if self._file == STDOUT:
            _write_to_stdout(pieces)
            return
        file = Path(self._file) if self._file is not None else _in_cache()
        _write(file, pieces)
        if self._file is not None:
            from imgsearch.output import console

            size = console.size(file.stat().st_size)
            say(f"Wrote {console.count(found, 'photo')} to {shown(self._file)} ({size}).")
        if self._is_opened and found:
            _open(file)


def _check_replaceable(file: str) -> None:
    another = "Name another file, such as --html gallery.html"
    if os.path.isdir(file):
        raise UsageError(f"--html: {shown(file)} is a folder.", another)
    try:
        head = regular_files.read(file, follow_links=True, limit=512)
    except FileNotFoundError:
        return
    except regular_files.NotRegular as error:
        raise UsageError(f"--html: {shown(file)} is {error.strerror}.", another) from None
    except OSError as error:
        raise UsageError(f"--html: {shown(file)}: {error.strerror}.", another) from None
    if head.strip() and not head.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        raise UsageError(
            f"--html: {shown(file)} exists and is not an HTML file, so it is not overwritten.",
            another,
        )


def _pieces(library: Library, found: Iterable[tuple[str, Results]]) -> Iterator[bytes]:
    from imgsearch.output import gallery
    from imgsearch.thumbnails import opened

    with opened(paths.cache_dir(), library.settings.max_megapixels) as thumbnails:
        sections = [_section(library, title, results, thumbnails) for title, results in found]
        for piece in gallery.html(sections, thumbnails):
            yield piece.encode()


def _section(library: Library, title: str, results: Results, thumbnails: Thumbnails) -> Section:
    from imgsearch.output.gallery import Section
    from imgsearch.output.results_table import fitting_told
    from imgsearch.search.understanding import described

    terms = results.question.terms
    examples = [_example(library, term, thumbnails) for term in terms if term.words is None]
    about = ", ".join(described(results.question.filter)) if terms else ""
    about = about[:1].upper() + about[1:]
    told = fitting_told(results) or ""
    return Section(title=title, hits=results.hits, about=about, told=told, examples=examples)


def _example(library: Library, term: Term, thumbnails: Thumbnails) -> Example:
    from imgsearch.output import captions
    from imgsearch.output.gallery import Example
    from imgsearch.photos.decode import Undecodable

    record = None if term.photo is None else library.record(term.photo)
    caption = os.path.basename(term.shown) if record is None else captions.name(record)
    webp = None
    with contextlib.suppress(OSError, Undecodable):  # a file that left meanwhile
        webp = _example_webp(library, term, record, thumbnails)
    return Example("the picture on stdin" if caption == STDOUT else caption, webp)


def _example_webp(
    library: Library, term: Term, record: Record | None, thumbnails: Thumbnails
) -> bytes | None:
    from imgsearch import thumbnails as making

    if record is not None:
        path = library.location(record).path
        return None if path is None else thumbnails.get(record, path, _EXAMPLE)
    if term.picture is None:
        return None
    source = library.pictures.get(term.picture, term.picture)
    return making.made(source, _EXAMPLE, library.settings.max_megapixels)


def _write_to_stdout(pieces: Iterable[bytes]) -> None:
    sys.stdout.flush()
    for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _write(file: Path, pieces: Iterable[bytes]) -> None:
    """Write a file completely or not at all. Raises UsageError."""
    target = Path(os.path.realpath(file))  # a link stays one
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with open(partial, "xb") as out:
            for piece in pieces:
                out.write(piece)
        partial.replace(target)
    except OSError as error:
        raise UsageError(
            f"{shown(file)} cannot be written: {error.strerror}.",
            "Name a file in a folder that you may write to: --html ~/gallery.html",
        ) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _in_cache() -> Path:
    """A name in the cache folder, from which earlier galleries leave."""
    folder = paths.private_folder(paths.cache_dir() / "galleries")
    for earlier in folder.glob("*.html"):
        with contextlib.suppress(OSError):
            if time.time() - earlier.stat().st_mtime > _KEPT:
                earlier.unlink()
    return folder / f"{time.time_ns()}.html"


def _open(file: Path) -> None:
    from imgsearch.cli import viewer

    if viewer.open_in_browser(file):
        say(f"Opened the gallery in the browser: {shown(file)}")
        return
    say(f"No browser was found on this machine. The gallery lies in {shown(file)}")
    raise typer.Exit(EXIT_FAILURE)
