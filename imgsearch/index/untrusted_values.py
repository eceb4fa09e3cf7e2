"""Single values of an index that may be a stranger's, or damaged."""

from __future__ import annotations

import json
from typing import Any


def is_text(value: object) -> bool:
    """Whether it is one that UTF-8 can hold. What is not comes from SQLite and from JSON as lone
    surrogates."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def text(value: Any) -> str | None:
    """None for what is none."""
    return value if value is not None and is_text(value) else None


def tags(value: Any) -> tuple[str, ...]:
    """As they are stored; none for what cannot be a list of them."""
    if value is None:
        return ()
    try:
        found = json.loads(value)
    except (TypeError, ValueError, RecursionError):
        return ()
    return tuple(filter(is_text, found)) if isinstance(found, list) else ()


def degrees(value: object, most: float) -> float | None:
    if not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) <= most else None  # NaN is not
