"""What is derived from the vectors for searching: files that each cover a range of rows, and the
rows above them, which are kept in memory. Files are written once, under a name of their own, and
recorded in SQLite when they are complete; small ones are merged into larger ones of a bounded size,
so that a few photos added to a million cost no more than a few photos."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.dataclass import dataclass
from imgsearch.errors import IndexUnavailable
from imgsearch.index.local.database import Database, mapped_errors
from imgsearch.index.local.search_files import codes, table
from imgsearch.index.local.search_files.codes import BrokenFile, Codes
from imgsearch.index.local.search_files.pieces import (
    Piece,
    forget_others,
    is_file_name,
    read_pieces,
)
from imgsearch.index.local.search_files.table import Space
from imgsearch.progress import Progress, silent

if TYPE_CHECKING:
    from imgsearch.index.local.search_files.sketches import Sketch


@dataclass(frozen=True, slots=True)
class Limits:
    """In rows. Smaller ones are for tests."""

    flush: int = 4096  # so many at the end become a file while photos are being added
    flush_at_end: int = 1024  # and so many at the end of it
    segment: int = 270_000  # the largest file: 64 of the smallest
    sketch_from: int = 150_000  # a library of fewer is scanned in 4 ms
    sketch: int = 8192  # smaller files get none
    looked_at: float = 1 / 64  # share of the rows that a sketch may leave to be looked at twice


class _Superseded(Exception):
    """The files have been replaced by others."""


class Segments:
    """`exclusive`: True inside if no other process may change the files meanwhile."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        notes: list[str],
        exclusive: Callable[[], AbstractContextManager[bool]],
        limits: Limits,
        space: Space = table.WHOLE,
    ) -> None:
        self._space = space
        self._database = database
        self._folder = folder
        self._notes = notes
        self._exclusive = exclusive
        self._limits = limits
        self._opened: dict[str, Codes] = {}
        self._sketches: dict[str, Sketch | None] = {}
        self._tail: Codes | None = None
        self.unreadable = 0  # photos above the last file whose vector is missing or damaged
        self._mended_once: set[tuple[int, int]] = set()  # first and last rows

    def pieces(self) -> list[Piece]:
        return read_pieces(self._database, self._space)

    def close(self) -> None:
        self._opened.clear()
        self._sketches.clear()
        self._tail = None

    # searching

    def current(self, dims: int) -> list[tuple[Codes, Sketch | None]]:
        """The search files of all rows, and the rows in memory that are in no file yet."""
        pieces = self._opened_pieces(dims)
        names = {name for piece in pieces for name in (piece.codes, piece.sketch)}
        for known in (self._opened, self._sketches):
            for name in [name for name in known if name not in names]:
                del known[name]
        found = [self._both_of(piece, dims) for piece in pieces]
        return [*found, (self._current_tail(pieces, dims), None)]

    def _both_of(self, piece: Piece, dims: int) -> tuple[Codes, Sketch | None]:
        found, sketch = self._codes_of(piece, dims), self._sketch_of(piece, dims)
        if sketch is not None and len(sketch) != len(found):
            sketch = None  # mended in memory, without the rows that are gone
        return found, sketch

    def _opened_pieces(self, dims: int) -> list[Piece]:
        """All that there are, each of them open, those that were broken mended."""
        while True:
            pieces = self.pieces()
            try:
                for piece in pieces:
                    self._codes_of(piece, dims)
                    self._sketch_of(piece, dims)
            except _Superseded:  # by an ingest's merging, or by mending: look again
                continue
            return pieces

    def _codes_of(self, piece: Piece, dims: int) -> Codes:
        if piece.codes not in self._opened:
            try:
                self._opened[piece.codes] = self._mapped(piece, dims)
            except BrokenFile:
                return self._mended(piece, dims)
        return self._opened[piece.codes]

    def _mapped(self, piece: Piece, dims: int) -> Codes:
        path = self._folder / piece.codes
        if codes.sampled_digest(path) != piece.codes_digest:
            raise BrokenFile("not the file that was written")
        return codes.mapped(path, dims)

    def _mended(self, piece: Piece, dims: int) -> Codes:
        """Written again, and to be looked up again; where that cannot be, made in memory for as
        long as this lasts."""
        if piece not in self.pieces():
            raise _Superseded
        name = str(self._folder / piece.codes)
        span = (piece.first, piece.last)
        again = span in self._mended_once  # what we wrote ourselves is broken: it helps nothing
        self._mended_once.add(span)
        try:
            with self._exclusive() as alone:
                if alone and self._database.writable and not again:
                    self._replace(
                        [piece],
                        table.blocks_of_vectors(self._database, self._space, *span, dims),
                        dims,
                    )
                    self._notes.append(f"{name} was missing or damaged; it has been rebuilt.")
                    raise _Superseded
        except IndexUnavailable:
            pass  # a full disk: it can still be read
        self._notes.append(
            f"{name} is missing or damaged, and cannot be rebuilt now: its rows are read from the"
            " database, which is slower."
        )
        blocks = table.blocks_of_vectors(self._database, self._space, *span, dims)
        self._opened[piece.codes] = codes.joined([codes.nothing(dims), *blocks])
        return self._opened[piece.codes]

    def _sketch_of(self, piece: Piece, dims: int) -> Sketch | None:
        if not piece.sketch or piece.sketch_digest is None:
            return None
        if piece.sketch not in self._sketches:
            from imgsearch.index.local.search_files import sketch_files

            try:
                path = self._folder / piece.sketch
                if codes.sampled_digest(path) != piece.sketch_digest:
                    raise BrokenFile("not the file that was written")
                self._sketches[piece.sketch] = sketch_files.loaded(path, piece.rows, dims)
            except BrokenFile:
                self._forget_sketch(piece, piece.sketch)
        return self._sketches[piece.sketch]

    def _forget_sketch(self, piece: Piece, name: str) -> None:
        """Making it takes seconds: left to the next ingest."""
        if piece not in self.pieces():
            raise _Superseded
        self._sketches[name] = None
        self._notes.append(
            f"{self._folder / name} was missing or damaged; the next ingest rebuilds it, and until"
            " then searching is slower."
        )
        with self._exclusive() as alone:
            if alone and self._database.writable:
                with self._database.transaction() as connection:
                    connection.execute(
                        "update segments set sketch = null where first = ?", (piece.first,)
                    )
                raise _Superseded

    def _current_tail(self, pieces: list[Piece], dims: int) -> Codes:
        covered = self._covered(pieces)
        known = self._tail
        if known is None or known.codes.shape[1] != dims:  # emptied, and of another model now
            known = codes.nothing(dims)
        tail = known.above(covered)
        seen = int(tail.rows[-1]) if len(tail) else covered
        if table.last_row(self._database, self._space) > seen:
            more = list(table.blocks_of_vectors(self._database, self._space, seen, None, dims))
            above = table.count_above(self._database, self._space, seen)
            self.unreadable = above - sum(map(len, more))
            tail = codes.joined([tail, *more])
        self._tail = tail
        return tail

    # keeping

    def flush(self, dims: int, at_least: int | None = None) -> None:
        """Makes a file of the rows above the last one, if they are many, and merges."""
        known = self.pieces()
        covered = self._covered(known)
        last = table.last_row(self._database, self._space)
        if last - covered < (self._limits.flush if at_least is None else max(1, at_least)):
            return
        with self._database.transaction() as connection:
            forget_others(connection, self._space, known)
        while covered < last:
            until = table.end_of_next(self._database, self._space, covered, self._limits.segment)
            self._replace(
                [],
                table.blocks_of_vectors(self._database, self._space, covered, until, dims),
                dims,
                (covered, until),
            )
            covered = until
        self._opened_pieces(dims)
        self._merge(dims)

    def _merge(self, dims: int) -> None:
        """The two last ones, as long as the older is not twice the younger: each row is copied
        about log2 times."""
        while True:
            last_two = self.pieces()[-2:]
            rows = [piece.rows for piece in last_two]
            if len(rows) < 2 or rows[0] >= 2 * rows[1] or sum(rows) > self._limits.segment:
                return
            self._replace(last_two, self._live_blocks(last_two, dims), dims)

    def compact(self, dims: int, dead_share: float = 0.0) -> None:
        """Rewrites the files of which more than that share are rows that are gone."""
        for piece in self._opened_pieces(dims):
            live = table.live(self._database, self._space, piece.first, piece.last)
            if piece.rows - len(live) > dead_share * piece.rows:
                self._replace([piece], self._live_blocks([piece], dims), dims)

    def dead(self, vectors: int) -> int:
        """About how many rows of the files are gone. `vectors`: how many there are."""
        pieces = self.pieces()
        return sum(piece.rows for piece in pieces) - (vectors - self.in_no_file(pieces))

    def in_no_file(self, pieces: list[Piece]) -> int:
        """How many rows there are above the last of those files."""
        return int(
            self._database.value(
                f"select count(*) from {self._space.rows} and row > ?", (self._covered(pieces),)
            )
        )

    def _covered(self, pieces: list[Piece]) -> int:
        return pieces[-1].last if pieces else self._space.above

    def build_sketches(self, dims: int, progress: Progress = silent) -> None:
        pieces = self._opened_pieces(dims)
        if sum(piece.rows for piece in pieces) < self._limits.sketch_from:
            return
        todo = [piece for piece in pieces if piece.sketch is None and self._is_large(piece)]
        total, done = sum(piece.rows for piece in todo), 0
        for piece in todo:
            self._build_sketch(piece, dims)
            done += piece.rows
            progress("search files", done, total)

    def _is_large(self, piece: Piece) -> bool:
        return piece.rows >= self._limits.sketch

    def _build_sketch(self, piece: Piece, dims: int) -> None:
        from imgsearch.index.local.search_files import sketch_builder

        pieces = self._opened_pieces(dims)
        share = piece.rows / sum(each.rows for each in pieces)
        others = (self._sketch_of(each, dims) for each in pieces)
        known = next((sketch.projection for sketch in others if sketch is not None), None)
        part, path = self._new_file(piece.last, "sketch")
        values: tuple[str, str | None] = ("", None)
        with mapped_errors(path):
            found = self._codes_of(piece, dims)
            if sketch_builder.build(found, part, self._limits.looked_at, share, known):
                part.replace(path)
                values = (path.name, codes.sampled_digest(path))
        with self._database.transaction() as connection:
            connection.execute(
                "update segments set sketch = ?, sketch_digest = ? where first = ?",
                (*values, piece.first),
            )

    def _replace(
        self,
        old: list[Piece],
        blocks: Iterator[Codes],
        dims: int,
        span: tuple[int, int] | None = None,
    ) -> None:
        """A new file in the place of old ones; none if no row is left."""
        first, last = span or (old[0].first, old[-1].last)
        part, path = self._new_file(last, "codes")
        with mapped_errors(path):
            rows = codes.write(part, blocks, dims)
            digest = codes.sampled_digest(part)
            if rows:
                part.replace(path)
            else:
                part.unlink()
        with self._database.transaction() as connection:
            for piece in old:
                connection.execute("delete from segments where first = ?", (piece.first,))
            if rows:
                connection.execute(
                    "insert into segments (first, last, rows, codes, codes_digest)"
                    " values (?, ?, ?, ?, ?)",
                    (first, last, rows, path.name, digest),
                )
        for piece in old:
            self._drop_file(piece.codes)
            self._drop_file(piece.sketch)

    def _new_file(self, last: int, kind: str) -> tuple[Path, Path]:
        """The name to write under, and the one to have when complete. No name comes twice, as
        other processes may still read the old file."""
        name = f"{last:09d}-{os.urandom(4).hex()}.{kind}"
        return self._folder / f"{name}.partial", self._folder / name

    def _drop_file(self, name: str | None) -> None:
        if not name:
            return
        self._opened.pop(name, None)
        self._sketches.pop(name, None)
        if not is_file_name(name, ""):
            return
        # Windows keeps a file that another process reads; `drop_orphans` comes again
        with contextlib.suppress(PermissionError):
            (self._folder / name).unlink(missing_ok=True)

    def _live_blocks(self, pieces: list[Piece], dims: int) -> Iterator[Codes]:
        for piece in pieces:
            live = table.live(self._database, self._space, piece.first, piece.last)
            source = self._codes_of(piece, dims)
            for start in range(0, len(live), table.BLOCK):
                yield source.only(live[start : start + table.BLOCK])
                source.let_go()
