"""What `imgsearch status` says of an index's files."""

from __future__ import annotations

from imgsearch.index.local.database import PAGE_SIZE, Database
from imgsearch.index.local.generations import DATABASE
from imgsearch.index.local.search_files.files import SearchFiles


def details(database: Database, files: SearchFiles) -> dict[str, str]:
    whole, parts = files.whole.pieces(), files.parts.pieces()
    pieces = [*whole, *parts]
    tail = files.whole.in_no_file(whole) + files.parts.in_no_file(parts)
    sketched = [piece for piece in pieces if piece.sketch]
    wal = database.path.with_name(DATABASE + "-wal")
    page_size = database.value("pragma page_size")
    return {
        "generation": database.path.parent.name,
        "search files": f"{len(pieces)} of {sum(piece.rows for piece in pieces)} rows",
        "search sketches": f"{len(sketched)} of {sum(piece.rows for piece in sketched)} rows",
        "rows in no search file yet": str(tail),
        "journal": database.journal_mode,
        "WAL": f"{wal.lstat().st_size if wal.exists() else 0} bytes",
        "page size": f"{page_size} bytes" + ("" if page_size == PAGE_SIZE else " (unusual)"),
    }
