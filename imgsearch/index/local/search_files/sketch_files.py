"""Sketches in files, which are written once and read as a whole."""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imgsearch import regular_files
from imgsearch.index.local.search_files.codes import BrokenFile, private_file
from imgsearch.index.local.search_files.sketches import Cells, Projection, Sketch

# magic, rows, dims, width at first, in all, cells, rows scanned, looked at twice, read, scale
_HEADER = struct.Struct("<16s8Qd")
_MAGIC = b"imgsearch sketch"
_PARTS_AT = 4096


def write(path: Path, sketch: Sketch) -> None:
    dims, width = sketch.projection.basis.shape
    cells, at_first = sketch.cells.centres.shape
    shape = (len(sketch), dims, at_first, width, cells)
    numbers = (sketch.scanned, sketch.twice, sketch.read, sketch.projection.scale)
    with private_file(path) as file:
        file.write(_HEADER.pack(_MAGIC, *shape, *numbers))
        file.seek(_PARTS_AT)
        for part, kind in zip(_parts(sketch), _kinds(*shape), strict=True):
            file.write(part.astype(kind[0], copy=False).data)
        file.flush()
        os.fsync(file.fileno())


def _parts(sketch: Sketch) -> tuple[npt.NDArray[Any], ...]:
    """In the order in which they are written."""
    projection, cells = sketch.projection, sketch.cells
    projected = (sketch.places, sketch.first, sketch.rest)
    return projection.mean, projection.basis, cells.centres, cells.ends, *projected


def _kinds(
    rows: int, dims: int, at_first: int, width: int, cells: int
) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """What each of them is: type and shape."""
    return (
        ("<f4", (dims,)),
        ("<f4", (dims, width)),
        ("<f4", (cells, at_first)),
        ("<i8", (cells,)),
        ("<u4", (rows,)),
        ("|i1", (rows, at_first)),
        ("|i1", (rows, width - at_first)),
    )


def loaded(path: Path, rows: int, dims: int) -> Sketch:
    """In memory: mapped, in a file's small pages, a scan takes twice as long. Raises BrokenFile."""
    try:
        with regular_files.opened(path) as file:
            magic, *shape, scanned, twice, read, scale = _HEADER.unpack(file.read(_HEADER.size))
            kinds = _kinds(*shape)
            whole = sum(np.dtype(kind).itemsize * math.prod(shape) for kind, shape in kinds)
            if (
                magic != _MAGIC
                or shape[:2] != [rows, dims]
                or os.fstat(file.fileno()).st_size != _PARTS_AT + whole
                or not 1 <= shape[2] <= shape[3]
                or max(scanned, twice, read) > 2**40  # rows
            ):
                raise BrokenFile("not the file that was written")
            file.seek(_PARTS_AT)
            mean, basis, centres, ends, places, first, rest = (
                np.fromfile(file, kind, math.prod(shape)).reshape(shape) for kind, shape in kinds
            )
    except (OSError, ValueError, struct.error) as error:
        raise BrokenFile(str(error)) from error
    projection = Projection(mean, basis, shape[2], scale)
    if not _makes_sense(projection, centres, ends, places, rows):
        raise BrokenFile("not a file that we wrote")
    return Sketch(projection, Cells(centres, ends), places, first, rest, scanned, twice, read)


def _makes_sense(
    projection: Projection,
    centres: npt.NDArray[Any],
    ends: npt.NDArray[Any],
    places: npt.NDArray[Any],
    rows: int,
) -> bool:
    """Whether its numbers lead nowhere outside: the file may be a stranger's."""
    finite = all(np.isfinite(part).all() for part in (projection.mean, projection.basis, centres))
    return bool(
        finite
        and math.isfinite(projection.scale)
        and len(ends)
        and ends[0] >= 0
        and (np.diff(ends) >= 0).all()
        and ends[-1] == rows
        and int(places.max(initial=0)) < rows
    )
