"""What most commands take, before and after the command word, and the groups of settings that
commands offer as options."""

from __future__ import annotations

from typing import Any

from imgsearch.dataclass import dataclass
from imgsearch.settings.options import CommandOptions, count, declared, flag, several
from imgsearch.settings.table import INDEX, KNOWN, TRUST
from imgsearch.settings.values import text


class _NoSettings(CommandOptions):
    """Options of most commands that no environment and no file may set."""

    verbose: int = count(
        "-v, --verbose",
        "Say more: skipped files, seconds by stage, retries (-vv: each photo).",
        heading=INDEX,
    )
    trust_model_code: tuple[str, ...] = several(
        text,
        "--trust-model-code DIR",
        "Run the Python code that lies in this model folder (repeatable).",
        heading=TRUST,
        completion="folders",
    )


OFFERED = KNOWN | declared(_NoSettings)  # what a command may name

CERTIFICATES = ("ca_certs", "verify_certs", "ssl_assert_fingerprint")
MODELS = ("model", "image_model", "text_model")
INDEX_ALONE = ("index", "verbose", *CERTIFICATES)
INDEX_AND_MODELS = ("index", *MODELS, "verbose", "trust_model_code", *CERTIFICATES)
NEW_INDEX = ("shards", "replicas", "quantization", "source_vectors")


@dataclass(frozen=True, slots=True)
class Common:
    """What was given for OFFERED options, before or after the command word; after wins.
    `options`: settings, as they were typed."""

    verbose: int
    trust_model_code: tuple[str, ...]
    options: dict[str, Any]

    @property
    def index(self) -> str | None:
        """As --index names it; None where it does not."""
        return self.options.get("index")


class NoOptions(CommandOptions):
    """A command has none of its own."""


class JsonObject(CommandOptions):
    json: bool = flag("--json", "One JSON object.")


class Yes(CommandOptions):
    yes: bool = flag("-y, --yes", "Do not ask.")
