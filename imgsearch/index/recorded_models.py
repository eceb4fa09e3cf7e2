"""How every index records the models of its vectors, and what tells two pairs apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from imgsearch.models.base import ModelIdentity, ModelPair

MOST_DIMS = 65_536
COUNTS = ("added", "updated", "unchanged", "renamed", "removed", "missing", "embedded")


def dump(models: ModelPair) -> dict[str, Any]:
    """For JSON."""
    return asdict(models)


def load(dumped: Mapping[str, Any] | None) -> ModelPair | None:
    """None: nothing is recorded."""
    if dumped is None:
        return None
    return ModelPair(
        ModelIdentity(**dumped["image_model"]),
        ModelIdentity(**dumped["text_model"]),
        dumped["dims"],
        dumped["quantized"],
    )


def checked(dumped: Any) -> ModelPair | None:
    """`load` for what somebody else may have written. Raises ValueError."""
    try:
        models = load(dumped)
    except (TypeError, LookupError, AttributeError) as error:
        raise ValueError(f"no pair of models: {error}") from None
    if models is None:
        return None
    identities = (models.image_model, models.text_model)
    texts = [text for each in identities for text in (each.name, each.digest)]
    is_size = type(models.dims) is int and 1 <= models.dims <= MOST_DIMS
    if not (is_size and type(models.quantized) is bool and all(isinstance(t, str) for t in texts)):
        raise ValueError("no pair of models")
    return models


def last_ingest(report: Any) -> dict[str, Any] | None:
    """The report of the last ingest as `imgsearch status` reads it; what is not of its kind is left
    out, since somebody else may have written it."""
    if not isinstance(report, dict):
        return None
    found = dict(report)
    for name, kind in {**dict.fromkeys(COUNTS, int), "finished": str, "skipped": list}.items():
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
