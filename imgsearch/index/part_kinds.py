"""The kinds of parts that a photo may have."""

from __future__ import annotations

from typing import Literal, get_args

PartKind = Literal["region", "page", "frame", "text"]
PART_KINDS: tuple[PartKind, ...] = get_args(PartKind)  # an index numbers them in this order
