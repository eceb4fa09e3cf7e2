"""Which models there are, and where their exported towers lie in the cache.

names (options) -> model_names -> cached / set_up -> ModelSet of two towers -> encoders
"""

from imgsearch.models.base import Kind
from imgsearch.models.cache import (
    Check,
    cached,
    cached_tower,
    entry_folder,
    forget,
    read_manifest,
    remember_check,
    set_up,
    set_up_tower,
)
from imgsearch.models.choices import DEFAULT_IMAGE_MODEL, DEFAULT_TEXT_MODEL, DEMO_MODELS
from imgsearch.models.names import HUB_NAME, ModelNames, is_directory, model_names, shown_name
from imgsearch.models.towers import (
    MANIFEST,
    MODEL_FILE,
    REFERENCES_FILE,
    WEIGHTS_FILE,
    ModelSet,
    ServedBy,
    Tower,
)

__all__ = [
    "DEFAULT_IMAGE_MODEL",
    "DEFAULT_TEXT_MODEL",
    "DEMO_MODELS",
    "HUB_NAME",
    "MANIFEST",
    "MODEL_FILE",
    "REFERENCES_FILE",
    "WEIGHTS_FILE",
    "Check",
    "Kind",
    "ModelNames",
    "ModelSet",
    "ServedBy",
    "Tower",
    "cached",
    "cached_tower",
    "entry_folder",
    "forget",
    "is_directory",
    "model_names",
    "read_manifest",
    "remember_check",
    "set_up",
    "set_up_tower",
    "shown_name",
]
