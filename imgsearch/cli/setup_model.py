"""`imgsearch setup-model`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from imgsearch.cli import parts
from imgsearch.cli.common import Common, command

if TYPE_CHECKING:
    from imgsearch.models import ModelSet


def register(app: typer.Typer) -> None:
    command(app, "setup-model")(setup_model)


def setup_model(common: Common) -> None:
    """Fetch the models, export them for fast use, and verify the export.

    `ingest` and `query` do this by themselves when it has not been done.

    Example: imgsearch setup-model
    """
    from imgsearch import models, rendering

    chosen = parts.load_settings(common)
    names = models.model_names(chosen.model, chosen.image_model, chosen.text_model)
    found = parts.ready_models(names)
    rendering.console().print(rendering.facts_table("Models are ready", _facts(found)))


def _facts(found: ModelSet) -> dict[str, str]:
    from imgsearch import rendering

    facts = {}
    for tower in (found.image, found.text):
        verified = (
            f"verified: cosine ≥ {tower.verified:.6f}"
            if tower.served_by == "onnx"
            else ("served by sentence-transformers")
        )
        facts[f"{tower.kind} model"] = f"{tower.identity.name} ({tower.dims} dims, {verified})"
        facts[f"{tower.kind} folder"] = f"{tower.folder} ({rendering.size(tower.size_bytes)})"
    return facts
