"""Whether words become a vector beside the index or on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imgsearch import models, paths
from imgsearch.errors import Action, UsageError
from imgsearch.index.base import Index, TextChoice, TextMode, TextRequest

if TYPE_CHECKING:
    from imgsearch.models.selection import ModelSelection
    from imgsearch.settings import Settings


def choose(
    index: Index, chosen: ModelSelection, settings: Settings, mode: TextMode, ask_anew: bool
) -> TextChoice:
    """As `Library.text_choice` says."""
    there = index.capabilities.text_models
    if there is None:
        if mode == "cluster":
            raise UsageError(
                "Words cannot be encoded in the cluster: this index lies on none.",
                "Have them encoded on this machine, or name an index on a cluster.",
                Action("name an index on a cluster"),
            )
        return TextChoice(None, "the index has no text model beside it")
    chosen.check_choice()
    recorded = index.models()
    usual = there.usual_id(models.shown_name(chosen.names().text))
    return there.choose(
        TextRequest(
            model_id=settings.model_id or usual,
            text=None if recorded is None else recorded.text_model,
            dims=None if recorded is None else recorded.dims,
            mode=mode,
            cache=paths.cache_dir(),
            at_hand=chosen.text_encoder_at_hand,
            ask_anew=ask_anew,
        )
    )
