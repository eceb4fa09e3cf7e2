"""How every index records the models of its vectors, and what tells two pairs apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from imgsearch.embedding import ModelIdentity, ModelPair


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


def same(one: ModelPair, other: ModelPair) -> bool:
    """Whether vectors of both may stand in one index."""
    return one.same_space(other) and one.dims == other.dims


def named(models: ModelPair) -> str:
    """For a person."""
    image, text = models.image_model.name, models.text_model.name
    both = image if image == text else f"{image} and {text}"
    return f"{both} ({models.dims} dimensions{', int8' if models.quantized else ''})"
