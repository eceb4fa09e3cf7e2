"""The table of all settings: what each may hold, its default, which environment variables name it,
and whether a file of the working directory may set it without the user's permission."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgsearch.settings import values
from imgsearch.settings.values import Parse, flag, one_of, text, texts, whole

# A file of the working directory may set it without permission, if this holds for the value (as
# it was written) and the directory.
Harmless = Callable[[Any, Path], bool]


def _never(value: Any, directory: Path) -> bool:
    return False


def _always(value: Any, directory: Path) -> bool:
    return True


def _inside(value: Any, directory: Path) -> bool:
    """A local index within the directory itself."""
    if not isinstance(value, str) or "://" in value or value.startswith("~"):
        return False
    folder = os.path.realpath(directory)
    try:
        target = os.path.realpath(os.path.join(folder, value))
        is_path = value.startswith(".") or "/" in value or os.path.exists(target)
        return is_path and os.path.commonpath([folder, target]) == folder
    except ValueError:  # another drive; NUL
        return False


def _hub_name(value: Any, directory: Path) -> bool:
    """A model's name on the hub, and no directory."""
    is_name = isinstance(value, str) and re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", value)
    return bool(is_name) and not os.path.isdir(os.path.join(directory, value))


def _lowers_the_limit(value: Any, directory: Path) -> bool:
    try:
        return values.above_zero(value) <= MAX_MEGAPIXELS
    except ValueError:
        return True  # refused anyway, with a sentence


@dataclass(frozen=True, slots=True)
class Known:
    """A setting that exists. `environment`: names beside IMGSEARCH_<NAME>, the first one wins."""

    parse: Parse
    default: Any
    environment: tuple[str, ...] = ()
    secret: bool = False
    harmless: Harmless = _never
    cure: str = "Correct it"


MAX_MEGAPIXELS = 250.0
_SHA256_CURE = (
    "Take the SHA-256 one: openssl s_client -connect HOST:PORT </dev/null | openssl x509"
    " -fingerprint -sha256 -noout"
)

KNOWN: dict[str, Known] = {
    "index": Known(text, None, harmless=_inside),
    "model": Known(text, None, harmless=_hub_name),
    "image_model": Known(text, None, harmless=_hub_name),
    "text_model": Known(text, None, harmless=_hub_name),
    "precision": Known(one_of("auto", "f32", "bf16", "int8"), "auto", harmless=_always),
    "k": Known(whole, 10, harmless=_always),
    "min_score": Known(values.cosine, None, harmless=_always),
    "exclude": Known(texts, [], harmless=_always),
    "follow_links": Known(flag, False),
    "max_megapixels": Known(values.above_zero, MAX_MEGAPIXELS, harmless=_lowers_the_limit),
    "batch_size": Known(whole, None),
    "workers": Known(whole, None),
    "serve_password": Known(text, None, secret=True),
    # the cluster
    "es_url": Known(text, None, ("ES_URL", "ES_HOST")),
    "es_api_key": Known(text, None, ("ES_API_KEY",), secret=True),
    "es_user": Known(text, None, ("ES_USER",)),
    "es_password": Known(text, None, ("ES_PASSWORD", "ES_PWD"), secret=True),
    "es_cloud_id": Known(text, None, ("ES_CLOUD_ID",)),
    "ca_certs": Known(text, None, ("ES_CA_CERTS",)),
    "verify_certs": Known(flag, True, ("ES_VERIFY_CERTS",)),
    "ssl_assert_fingerprint": Known(
        values.sha256_fingerprint, None, ("ES_SSL_ASSERT_FINGERPRINT",), cure=_SHA256_CURE
    ),
    "shards": Known(whole, 1, harmless=_always),
    "replicas": Known(values.replicas, "auto", harmless=_always),
    "quantization": Known(one_of("none", "int8", "int4", "bbq"), None, harmless=_always),
    "source_vectors": Known(flag, False, harmless=_always),
    "num_candidates": Known(whole, None, harmless=_always),
    "text_encoder": Known(one_of("auto", "local", "cluster"), "auto", harmless=_always),
    "model_id": Known(text, None),
}


@dataclass(frozen=True, slots=True)
class Setting:
    value: Any
    source: str  # "--index", "IMGSEARCH_INDEX", "IMGSEARCH_INDEX in .env", "k in …/config.toml"

    @property
    def is_default(self) -> bool:
        return self.source == "default"
