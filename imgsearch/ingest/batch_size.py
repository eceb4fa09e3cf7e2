"""How much of the machine an ingest uses: threads, photos in a batch, bytes on the way."""

from __future__ import annotations

from imgsearch.dataclass import dataclass

_PROGRAM = 1 << 30  # bytes: the interpreter, a runtime, a model of the default pair's size
_A_WORKER = 256 << 20  # its photos, and the pixels of a large one
_ON_THE_WAY = 32 << 20  # for each worker, and for the readers
_USUAL, _SMALL = 16, 2  # photos


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    workers: int = 2
    batch_size: int = _USUAL  # photos
    on_the_way: int = 96 << 20  # bytes of photos that are read and not yet embedded


def workers(cores: int, memory: int) -> int:
    """How many threads to use: one a core, if there is memory for each."""
    return max(1, min(cores, (memory - _PROGRAM) // _A_WORKER))


def batch_size(memory: int) -> int:
    """Photos of one megapixel are ingested 4 % faster by 16 than by 8; larger ones do not care."""
    return _USUAL if memory >= 2 * _PROGRAM else _SMALL


def on_the_way(workers: int, memory: int) -> int:
    """Bytes of photos that are read and not yet embedded."""
    return min((workers + 1) * _ON_THE_WAY, memory // 8)
