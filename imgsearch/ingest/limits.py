"""How much of the machine an ingest uses."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    workers: int = 2
    batch_size: int = 16  # photos
    on_the_way: int = 96 << 20  # bytes of photos that are read and not yet embedded
