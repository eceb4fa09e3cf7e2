"""What models are called: by an option, on the hub, and in an index that was made with them."""

from __future__ import annotations

import re
from dataclasses import field
from pathlib import Path

from imgsearch.dataclass import dataclass
from imgsearch.errors import Action, UsageError
from imgsearch.models.base import Kind
from imgsearch.models.choices import (
    CHOICES,
    DEFAULT_IMAGE_MODEL,
    DEFAULT_TEXT_MODEL,
    DEMO_MODELS,
    Choice,
)

HUB_NAME = re.compile(r"(?!\.)[\w.-]+/(?!\.)[\w.-]+")


@dataclass(frozen=True, slots=True)
class ModelNames:
    """The names of a pair: each one a name on the hub, or the absolute path of a
    sentence-transformers folder."""

    image: str
    text: str
    from_index: tuple[Kind, ...] = field(default=(), compare=False)  # no user named these


def model_names(model: str | None, image_model: str | None, text_model: str | None) -> ModelNames:
    """The names that the three options ask for; what is not named comes from the default pair.

    `model`: a short name such as "good" (`models.choices`), a name or directory of one model with
    both towers, or the multilingual text model's, which stands for the default pair. Raises
    UsageError for what can be neither.
    """
    names = _named_pair(model) if model else ModelNames(DEFAULT_IMAGE_MODEL, DEFAULT_TEXT_MODEL)
    image = _one_name(image_model, "image") if image_model else names.image
    text = _one_name(text_model, "text") if text_model else names.text
    return ModelNames(image, text)


def _named_pair(model: str) -> ModelNames:
    chosen = _chosen(model)
    if chosen is not None:
        return ModelNames(chosen.image, chosen.text)
    name = _one_name(model, "image")
    if name == DEFAULT_TEXT_MODEL:
        return ModelNames(DEFAULT_IMAGE_MODEL, DEFAULT_TEXT_MODEL)
    return ModelNames(name, name)


def _chosen(name: str) -> Choice | None:
    """The model of that short name. A folder of the same name is meant by ./NAME."""
    return CHOICES.get(name)


def _one_name(name: str, kind: Kind) -> str:
    chosen = _chosen(name)
    if chosen is not None:
        return chosen.image if kind == "image" else chosen.text
    folder = Path(name).expanduser()
    if folder.is_dir():
        return str(folder.resolve())
    if re.fullmatch(r"[\w-][\w.-]*", name):
        return f"sentence-transformers/{name}"  # as sentence-transformers reads a bare name
    if HUB_NAME.fullmatch(name):
        return name
    raise UsageError(
        f"The model {name!r} is neither a directory on this machine nor a name on the hub.",
        "Give the path of a sentence-transformers directory, a name such as "
        f"{DEFAULT_IMAGE_MODEL}, or one of the short names.",
        Action("list models"),
    )


def is_directory(source: str) -> bool:
    """A directory of the user's or of this package, not a name on the hub."""
    return Path(source).is_absolute()


def shown_name(source: str) -> str:
    """The name that an index records, and that `model_names` reads again: "demo", the name on the
    hub, or a directory's path."""
    return "demo" if Path(source).parent == DEMO_MODELS else source
