"""Parts of what a cluster answered. A proxy or another program may have answered in its place: a
part is of the kind that is asked for, or IndexUnavailable is raised with a sentence of its own."""

from __future__ import annotations

import math
from typing import Any, NoReturn

from imgsearch.index.elasticsearch.errors import cluster_error

Object = dict[str, Any]


def at(value: Any, *keys: str) -> Any:
    """The value under nested keys of an answer; None where there is no such part."""
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def odd(place: str, what: str) -> NoReturn:
    """Raises IndexUnavailable for an answer that is not Elasticsearch's. `what`: the part that is
    missing or has another type."""
    raise cluster_error("odd_answer", place=place, what=what)


def whole(place: str, value: Any) -> Object:
    if not isinstance(value, dict):
        odd(place, "it is not a JSON object")
    return value


def text(place: str, answer: Any, *keys: str) -> str:
    found = at(answer, *keys)
    if not isinstance(found, str):
        odd(place, f"it holds no text {'.'.join(keys)}")
    return found


def integer(place: str, answer: Any, *keys: str) -> int:
    found = at(answer, *keys)
    if type(found) is not int:
        odd(place, f"it holds no whole number {'.'.join(keys)}")
    return found


def number(place: str, answer: Any, *keys: str) -> float:
    """A finite number under nested keys of an answer. Raises IndexUnavailable where there is
    none."""
    found = at(answer, *keys)
    if type(found) not in (int, float) or not math.isfinite(found):
        odd(place, f"it holds no number {'.'.join(keys)}")
    return float(found)


def objects(place: str, answer: Any, *keys: str) -> list[Object]:
    """A list of objects under nested keys of an answer. Raises IndexUnavailable where there is
    none."""
    found = at(answer, *keys)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        odd(place, f"it holds no list {'.'.join(keys)}")
    return found


def hits(place: str, answer: Any) -> list[Object]:
    """The hits of a search's answer. Raises IndexUnavailable where there are none."""
    return objects(place, answer, "hits", "hits")


def values(place: str, answer: Any, *keys: str) -> list[Object]:
    """The values of an object all of whose values are objects. Raises IndexUnavailable where it is
    another kind of answer."""
    found = at(answer, *keys)
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        odd(place, f"it holds no object {'.'.join(keys)}")
    return list(found.values())


def bulk_items(place: str, answer: Any, expected: int) -> list[tuple[str, Object]]:
    """Of a bulk request of `expected` operations: each one's kind and result: its `status`,
    and in `error` the texts `type` and `reason` where there are such."""
    found = objects(place, answer, "items")
    if len(found) != expected:
        odd(place, f"it tells of {len(found)} of {expected} documents")
    return [_item(place, item) for item in found]


def _item(place: str, item: Object) -> tuple[str, Object]:
    [(kind, result)] = item.items() if len(item) == 1 else [("", None)]
    status = integer(place, result, "status")
    if not 200 <= status < 600:
        odd(place, f"a document has the status {status}")
    error = at(result, "error") or {}
    if not isinstance(error, dict):
        error = {"reason": error}
    told = {name: str(error[name]) for name in ("type", "reason") if error.get(name) is not None}
    return kind, {"status": status, "error": told}
