"""How every index records the models of its vectors, and what tells two pairs apart."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import asdict, fields
from typing import Any

from imgsearch.escaping import is_safe
from imgsearch.index.base import INGEST_COUNTS
from imgsearch.models.base import ModelIdentity, ModelPair

MOST_DIMS = 65_536
LONGEST_NAME = 1024  # characters of a model's name or digest
_PAIR = frozenset(field.name for field in fields(ModelPair))
_IDENTITY = frozenset(field.name for field in fields(ModelIdentity))


def dump(models: ModelPair) -> dict[str, Any]:
    """For JSON."""
    return asdict(models)


class Newer(ValueError):
    """The stamp holds what only a newer program can have written."""


def checked(dumped: Any) -> ModelPair | None:
    """The inverse of `dump`, of JSON that somebody else may have written. None: nothing is
    recorded. Raises Newer, and ValueError for what is no pair of models."""
    if dumped is None:
        return None
    found = _of(dumped, _PAIR)
    image, text = (_identity(found[name]) for name in ("image_model", "text_model"))
    dims, quantized = found["dims"], found["quantized"]
    if type(dims) is not int or not 1 <= dims <= MOST_DIMS or type(quantized) is not bool:
        raise ValueError("no pair of models")
    return ModelPair(image, text, dims, quantized)


def _identity(dumped: Any) -> ModelIdentity:
    found = _of(dumped, _IDENTITY)
    if not all(_is_name(value) for value in found.values()):
        raise ValueError("no name and digest of a model")
    return ModelIdentity(**found)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and is_safe(value)


def _of(dumped: Any, names: Set[str]) -> dict[str, Any]:
    """An object of exactly these keys."""
    if not isinstance(dumped, dict) or not names <= dumped.keys():
        raise ValueError(f"no object of {', '.join(sorted(names))}")
    unknown = sorted(dumped.keys() - names)
    if unknown:
        raise Newer(f"its models are recorded with {', '.join(unknown)[:100]}")
    return dumped


def last_ingest(report: Any) -> dict[str, Any] | None:
    """The report of the last ingest as `imgsearch status` reads it; what is not of its kind is left
    out, since somebody else may have written it."""
    if not isinstance(report, dict):
        return None
    found = dict(report)
    kinds = {**dict.fromkeys(INGEST_COUNTS, int), "finished": str, "skipped": list}
    for name, kind in kinds.items():
        if type(found.get(name)) is not kind:
            found.pop(name, None)
    if "skipped" in found:
        found["skipped"] = [skip for skip in found["skipped"] if _is_skip(skip)]
    return found


def _is_skip(skip: Any) -> bool:
    return isinstance(skip, dict) and all(
        isinstance(skip.get(name), str) for name in ("path", "reason", "detail")
    )


def same(one: ModelPair, other: ModelPair) -> bool:
    """Whether vectors of both may stand in one index."""
    return one.same_space(other) and one.dims == other.dims


def named(models: ModelPair) -> str:
    """For a person."""
    image, text = models.image_model.name, models.text_model.name
    both = image if image == text else f"{image} and {text}"
    return f"{both} ({models.dims} dimensions{', int8' if models.quantized else ''})"
