"""Commands that messages propose, as they have to be typed here."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from imgsearch.escaping import shown

# of the commands that work with an index
_COMMAND = re.compile(
    r"\bimgsearch (?=(setup-model|ingest|query|similar|open|serve|status|doctor|remove)\b(.*))"
)
_CHOOSING_A_MODEL = ("setup-model", "ingest")  # the others take the model that the index names
_NAMED = re.compile(r"--(\w+-)?model\b")
_MODELS = {"model": "--model", "image_model": "--image-model", "text_model": "--text-model"}

_typed: dict[str, str] = {}  # options that a command which follows from this one needs again


def remember(options: Mapping[str, Any]) -> None:
    """What this command line gave for index and models, by the names of the settings. What the
    environment or a file says holds the next time too."""
    _typed.clear()
    flags = {"index": "--index", **_MODELS}
    _typed.update((flags[name], str(options[name])) for name in flags if options.get(name))


def as_typed(text: str) -> str:
    """The text, with index and models in each command that it proposes."""
    return _COMMAND.sub(_with_options, text) if _typed else text


def _with_options(found: re.Match[str]) -> str:
    command, rest = found.groups()
    words = ["imgsearch"]
    for flag, value in _typed.items():
        of_models = flag in _MODELS.values()
        if not of_models or (command in _CHOOSING_A_MODEL and not _NAMED.search(rest)):
            words += [flag, shlex.quote(shown(value))]
    return f"{' '.join(words)} "
