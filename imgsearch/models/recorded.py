"""The models that an index records, found on this machine.

An index is data that strangers made: a name in it is never read as a path. The recorded digest
finds what this machine has exported before, wherever that came from; else a name on the hub is one
on the hub, even where a folder of that name lies in the working directory.
"""

from __future__ import annotations

from pathlib import Path

from imgsearch.errors import Action, ModelError
from imgsearch.models.base import Kind, ModelIdentity, ModelPair
from imgsearch.models.cache import cached_tower, entry_folder, read_manifest
from imgsearch.models.choices import DEFAULT_IMAGE_MODEL, DEFAULT_TEXT_MODEL, DEMO_MODELS
from imgsearch.models.names import HUB_NAME, ModelNames, is_directory, model_names

_OURS = {DEFAULT_IMAGE_MODEL, DEFAULT_TEXT_MODEL}  # fetched without a question


def names_beside(
    recorded: ModelPair | None,
    cache: Path,
    model: str | None,
    image_model: str | None,
    text_model: str | None,
) -> ModelNames:
    """What the three options ask for, else what an index records, else the default pair.

    Raises UsageError for an option, and ModelError for a recorded name that leads nowhere here.
    """
    if recorded is None or model:
        return model_names(model, image_model, text_model)
    chosen = model_names(None, image_model, text_model)
    return ModelNames(
        chosen.image if image_model else _source("image", recorded.image_model, cache),
        chosen.text if text_model else _source("text", recorded.text_model, cache),
        from_index=(*(() if image_model else ("image",)), *(() if text_model else ("text",))),
    )


def _source(kind: Kind, identity: ModelIdentity, cache: Path) -> str:
    name = identity.name
    named = str(DEMO_MODELS / kind) if name == "demo" else name
    same = [
        str(manifest["source"])
        for entry in [entry_folder(kind, named, cache), *sorted(cache.glob(f"{kind}-*"))]
        if (manifest := read_manifest(entry)) is not None and manifest["digest"] == identity.digest
    ]
    for source in same:
        if source == named or cached_tower(kind, source, cache) is not None:
            return source
    if name == "demo" or HUB_NAME.fullmatch(name):
        return named
    if same:  # its files were touched: they are read again, and held against the digest
        return same[0]
    raise ModelError(
        f"The index was made with the {kind} model {name[:200]!r}, which is no name on the hub, and"
        " this machine has no model with the recorded digest.",
        "Name the model's folder on this machine.",
        Action("name a model", {"kind": kind}),
    )


def to_be_fetched(names: ModelNames, cache: Path) -> list[str]:
    """The hub models that only the index asks for and that would have to be fetched."""
    sources = {kind: getattr(names, kind) for kind in names.from_index}
    return list(
        dict.fromkeys(
            source
            for kind, source in sources.items()
            if not is_directory(source)
            and source not in _OURS
            and cached_tower(kind, source, cache) is None
            and not _in_hub_cache(source)
        )
    )


def _in_hub_cache(name: str) -> bool:
    from imgsearch.models import hub

    hub.quiet_environment()
    return hub.in_cache(name) is not None
